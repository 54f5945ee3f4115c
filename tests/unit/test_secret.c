/*
 * tests/unit/test_secret.c - core/base/secret.c: files with secrets.
 */
#include "core/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/check.h"

static char directory[] = "/tmp/test_secret.XXXXXX";
static char path[64];

static void write_file(const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(write(fd, text, length) == (ssize_t)length);
	close(fd);
}

static void test_read(void)
{
	static const struct {
		const char *text, *secret; /* NULL: it is empty */
	} cases[] = {
		{"s", "s"},         {"s\n", "s"}, {"s\r\n", "s"}, {" s \n\n", " s "},
		{"a\nb\n", "a\nb"}, {"", NULL},   {"\n", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secret secret;
		write_file(cases[i].text, strlen(cases[i].text));
		CHECK_EQ(secret_read(path, &secret), cases[i].secret ? 0 : -ENODATA);
		CHECK_STR(secret.text ? secret.text : "none", cases[i].secret ? cases[i].secret : "none");
		CHECK_EQ(secret.length, cases[i].secret ? strlen(cases[i].secret) : 0);
		secret_wipe(&secret);
		CHECK(!secret.text && secret.length == 0);
	}
}

static void test_not_readable(void)
{
	static char much[SECRET_MAX + 1];
	struct secret secret;

	memset(much, 'x', sizeof(much));
	write_file(much, SECRET_MAX + 1);
	CHECK_EQ(secret_read(path, &secret), -EFBIG);
	write_file(much, SECRET_MAX);
	CHECK_EQ(secret_read(path, &secret), 0);
	secret_wipe(&secret);
	CHECK_EQ(secret_read(directory, &secret), -EINVAL);
	CHECK_EQ(secret_read("/nonexistent/file", &secret), -ENOENT);
	/* A pipe that nobody writes must not hold us up. */
	CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	CHECK_EQ(secret_read(path, &secret), -EINVAL);
	CHECK(unlink(path) == 0);
}

int main(void)
{
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/secret", directory);
	RUN(test_read);
	RUN(test_not_readable);
	CHECK(rmdir(directory) == 0);
	return check_end();
}
