/*
 * tests/unit/test_durable.c - core/base/durable.c: files replaced, written and set aside.
 */
#include "core/base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/secret.h"
#include "tests/unit/check.h"

static char directory[] = "/tmp/test_durable.XXXXXX";
static char path[64], other[80];

static void test_replace(void)
{
	struct secret secret;
	struct stat st;

	CHECK_EQ(durable_replace(path, "one\n", 4), 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(chmod(path, 0640) == 0);
	CHECK_EQ(durable_replace(path, "two\n", 4), 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
	CHECK_EQ(secret_read(path, &secret), 0);
	CHECK_STR(secret.text, "two");
	secret_wipe(&secret);
	/* Through a link the file behind it is replaced. */
	CHECK(symlink(path, other) == 0);
	CHECK_EQ(durable_replace(other, "three", 5), 0);
	CHECK(lstat(other, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK_EQ(secret_read(path, &secret), 0);
	CHECK_STR(secret.text, "three");
	secret_wipe(&secret);
	CHECK(unlink(other) == 0);
}

/* What a crash left beside it is no obstacle; a failure leaves the old one. */
static void test_replace_again(void)
{
	struct secret secret;

	snprintf(other, sizeof(other), "%s~", path);
	CHECK(symlink("/nonexistent/elsewhere", other) == 0);
	CHECK_EQ(durable_replace(path, "four", 4), 0);
	CHECK(access(other, F_OK) < 0);
	CHECK(mkdir(other, 0700) == 0);
	CHECK(durable_replace(path, "five", 4) < 0);
	CHECK(rmdir(other) == 0);
	CHECK_EQ(secret_read(path, &secret), 0);
	CHECK_STR(secret.text, "four");
	secret_wipe(&secret);
	CHECK(durable_replace("/nonexistent/folder/file", "x", 1) < 0);
	CHECK(unlink(path) == 0);
}

/* Over what is there, behind it, and past its end. */
static void test_write(void)
{
	struct secret secret;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(durable_write(fd, "abcdef", 6, 0), 0);
	CHECK_EQ(durable_write(fd, "XY", 2, 2), 0);
	CHECK_EQ(durable_write(fd, "gh", 2, 6), 0);
	CHECK_EQ(durable_write(fd, "", 0, 100), 0);
	CHECK_EQ(secret_read(path, &secret), 0);
	CHECK_STR(secret.text, "abXYefgh");
	secret_wipe(&secret);
	close(fd);
	fd = open(path, O_RDONLY);
	CHECK_EQ(durable_write(fd, "z", 1, 0), -EBADF);
	close(fd);
	/* No room, which is said and not retried for ever. */
	fd = open("/dev/full", O_WRONLY);
	CHECK_EQ(durable_write(fd, "z", 1, 0), -ENOSPC);
	close(fd);
	CHECK(unlink(path) == 0);
}

/* The newest that could not be used is the one that is kept; one that cannot be moved stays. */
static void test_set_aside(void)
{
	char kept[PATH_MAX], longest[PATH_MAX];
	struct secret secret;

	CHECK_EQ(durable_replace(path, "first", 5), 0);
	CHECK_EQ(durable_set_aside(path, kept), 0);
	CHECK(strlen(kept) == strlen(path) + strlen(DURABLE_DAMAGED) && strncmp(kept, path, strlen(path)) == 0);
	CHECK(access(path, F_OK) < 0);
	CHECK_EQ(durable_replace(path, "second", 6), 0);
	CHECK_EQ(durable_set_aside(path, kept), 0);
	CHECK_EQ(secret_read(kept, &secret), 0);
	CHECK_STR(secret.text, "second");
	secret_wipe(&secret);
	CHECK_EQ(durable_set_aside(path, kept), -ENOENT);
	CHECK(unlink(kept) == 0);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 4] = '\0';
	CHECK_EQ(durable_set_aside(longest, kept), -ENAMETOOLONG);
}

int main(void)
{
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/file", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	RUN(test_replace);
	RUN(test_replace_again);
	RUN(test_write);
	RUN(test_set_aside);
	CHECK(rmdir(directory) == 0);
	return check_end();
}
