/*
 * core/tools/setup_keys.c - see setup_keys.h.
 */
#include "core/tools/setup_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/key_pair.h"

/* Entra takes what is registered for so long; the relay's own clock tells of its end long before (check, doctor). */
enum { DAYS = 2 * 365 };

#define SERVICE_GROUP "postrider" /* of dist/postrider.service */

/* False: said. Nothing is overwritten. */
static bool put(const char *path, const char *text, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	const struct group *group = getgrnam(SERVICE_GROUP);
	bool ok = fd >= 0 && write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;

	/* Who is not root has no such group to give it to, and runs the relay himself. */
	if (ok && group && geteuid() == 0)
		ok = fchown(fd, (uid_t)-1, group->gr_gid) == 0 && fchmod(fd, mode | 0040) == 0;
	if (!ok)
		fprintf(stderr, "postrider: %s cannot be written: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool make(const char *hostname, const char *certificate, const char *private_key)
{
	char name[300];
	struct key_pair pair;
	bool ok;

	snprintf(name, sizeof(name), "postrider on %.60s", hostname); /* a common name has 64 characters at most */
	name[64] = '\0';
	if (!key_pair_make(name, DAYS, &pair)) {
		fprintf(stderr, "postrider: no key can be made: out of memory, or of random numbers\n");
		return false;
	}
	ok = put(private_key, pair.private_key, pair.private_key_length, 0600) &&
	     put(certificate, pair.certificate, strlen(pair.certificate), 0644);
	key_pair_wipe(&pair);
	return ok;
}

bool setup_keys(const char *directory, const char *hostname, char *certificate, char *private_key, size_t size,
		char **certificate_text)
{
	bool has_key, has_certificate;

	if ((size_t)snprintf(certificate, size, "%s/entra.crt", directory) >= size ||
	    (size_t)snprintf(private_key, size, "%s/entra.key", directory) >= size) {
		fprintf(stderr, "postrider: %s: the path is too long\n", directory);
		return false;
	}
	has_key = access(private_key, F_OK) == 0;
	has_certificate = access(certificate, F_OK) == 0;
	if (has_key != has_certificate) {
		fprintf(stderr, "postrider: %s is there without %s: put it back, or move the other away\n",
			has_key ? private_key : certificate, has_key ? certificate : private_key);
		return false;
	}
	if (!has_key && !make(hostname, certificate, private_key))
		return false;
	*certificate_text = key_pair_certificate_text(certificate);
	if (!*certificate_text)
		fprintf(stderr, "postrider: %s: no certificate can be read from it\n", certificate);
	return *certificate_text != NULL;
}
