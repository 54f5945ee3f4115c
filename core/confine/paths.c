/*
 * core/confine/paths.c - see paths.h. Landlock's three calls have no functions in libc; numbers newer than Debian 12's
 * headers are written here (linux/landlock.h).
 */
#include "core/confine/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/disk.h"
#include "core/config/config.h"

enum { LINKS_MAX = 16 };

#define TRUNCATE (UINT64_C(1) << 14)  /* from version 3 on */
#define IOCTL_DEV (UINT64_C(1) << 15) /* from version 5 on */
#define READING (UINT64_C(0) | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                                        \
	(READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |    \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                    \
	 LANDLOCK_ACCESS_FS_REFER | TRUNCATE)
#define OF_A_FILE                                                                                                      \
	(UINT64_C(0) | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |     \
	 TRUNCATE | IOCTL_DEV)

/* What libraries open, and directories of what others replace while we run: the resolver's, authorities. A file of /etc
 * itself that is replaced is another one, and refused: /etc/hosts and /etc/resolv.conf are then opened by the process
 * beside (beside_open()), and the others are read at the start. */
static const char *const read_by_libraries[] = {
	"/etc/ca-certificates",
	"/etc/crypto-policies",
	"/etc/gai.conf",
	"/etc/gnutls",
	"/etc/group",
	"/etc/host.conf",
	"/etc/hosts",
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/etc/nsswitch.conf",
	"/etc/passwd",
	"/etc/pki/ca-trust",
	"/etc/pki/tls/cert.pem",
	"/etc/pki/tls/certs",
	"/etc/pki/tls/openssl.cnf",
	"/etc/protocols",
	"/etc/resolv.conf",
	"/etc/services",
	"/etc/ssl/cert.pem",
	"/etc/ssl/certs",
	"/etc/ssl/openssl.cnf",
	"/etc/static",
	"/usr",
	"/lib",
	"/lib64",
	"/nix/store",
	"/gnu/store",
	"/proc",
	"/sys/devices/system",
	"/dev/zero",
	"/dev/random",
	"/dev/urandom",
	"/run/systemd/resolve",
	"/run/systemd/userdb",
	"/run/resolvconf",
	"/run/NetworkManager",
	"/run/connman",
	"/var/lib/sss",
	"/var/lib/ca-certificates",
};

struct held {
	char *path; /* real; owned, for as long as the process runs */
	bool written;
};

static struct held *held; /* each once */
static size_t held_count;
static bool holding, incomplete;

static struct paths_missing *missing; /* each once; owned, as its paths are */
static size_t missing_count;

struct rules {
	int fd;
	uint64_t handled;
};

/* ---- granting ----------------------------------------------------------------------------------------------- */

/* Thousands of keys may name files in one directory. */
static bool note(const char *path, bool written)
{
	char real[PATH_MAX];
	struct held *more;
	size_t i;

	if (!realpath(path, real))
		return true;
	for (i = 0; i < held_count; i++) {
		if (held[i].written == written && strcmp(held[i].path, real) == 0)
			return true;
	}
	/* Twice as many whenever a power of two is full. */
	if ((held_count & (held_count - 1)) == 0) {
		more = realloc(held, (held_count ? 2 * held_count : 1) * sizeof(*held));
		if (!more)
			return false;
		held = more;
	}
	held[held_count] = (struct held){strdup(real), written};
	return held[held_count].path && ++held_count;
}

/* What is not there is granted to nobody. */
static void grant(const struct rules *rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access & rules->handled};
	struct stat status;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return;
	if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
		rule.allowed_access &= OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		    ? errno == ENOMEM
		    : !note(path, (access & LANDLOCK_ACCESS_FS_WRITE_FILE) != 0))
		incomplete = true;
	close(rule.parent_fd);
}

/* "." where there is none. */
static void directory_of(const char *path, char directory[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(directory, PATH_MAX, ".");
	else
		snprintf(directory, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* Of the file system's own, such as /var/run, would give too much. */
static bool is_high_up(const char *real)
{
	return strchr(real + 1, '/') == NULL;
}

static void grant_around(const struct rules *rules, const char *path)
{
	char directory[PATH_MAX], real[PATH_MAX];

	directory_of(path, directory);
	if (realpath(directory, real) && !is_high_up(real))
		grant(rules, real, READING);
}

/* Each directory on the way that is a link: where it is, and where it leads to. */
static void grant_links(const struct rules *rules, const char *path)
{
	char part[PATH_MAX], real[PATH_MAX];
	struct stat status;

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		if (lstat(part, &status) < 0 || !S_ISLNK(status.st_mode))
			continue;
		grant_around(rules, part);
		if (realpath(part, real))
			grant_around(rules, real);
	}
}

/* A file by its directory, and a directory by itself; by links, as those lead. What is not there yet may be either: by
 * its directory, but for one that would give too much. */
static void grant_reading(const struct rules *rules, const char *named)
{
	char path[PATH_MAX], directory[PATH_MAX], to[PATH_MAX];
	struct stat status;
	unsigned links;

	snprintf(path, sizeof(path), "%s", named);
	for (links = 0; links < LINKS_MAX; links++) {
		bool is_there = stat(path, &status) == 0, is_directory = is_there && S_ISDIR(status.st_mode);
		ssize_t n;
		if (is_directory)
			grant(rules, path, READING);
		directory_of(path, directory);
		if (!is_there)
			grant_around(rules, path);
		else if (!is_directory && strcmp(directory, "/") == 0)
			grant(rules, path, READING);
		else if (!is_directory || links > 0)
			grant(rules, directory, READING);
		grant_links(rules, path);
		n = readlink(path, to, sizeof(to) - 1);
		if (n <= 0)
			return;
		to[n] = '\0';
		if (to[0] == '/')
			memcpy(path, to, (size_t)n + 1);
		else if (snprintf(path, sizeof(path), "%s/%s", directory, to) >= (int)sizeof(path))
			return;
	}
}

/* ---- what is written ------------------------------------------------------------------------------------------ */

enum { PLACE_SPOOL, PLACE_SUPPRESSION, PLACE_TRACE, PLACE_SOCKET, PLACE_TOKENS /* one for each destination */ };

/* Each directory that is written, by number; false: there are no more. A token that a provider exchanges replaces the
 * file that the last one was in. */
static bool place_written(const struct config *config, size_t number, char directory[PATH_MAX])
{
	const char *const directories[] = {
		[PLACE_SPOOL] = config->spool.directory, [PLACE_SUPPRESSION] = config->suppression.directory};
	const char *const files[] = {[PLACE_TRACE] =
					     config->trace.detail == CONFIG_TRACE_OFF ? NULL : config->trace.file,
				     [PLACE_SOCKET] = config->control.socket};
	const struct config_oauth *oauth;

	directory[0] = '\0';
	if (number < PLACE_TRACE) {
		snprintf(directory, PATH_MAX, "%s", directories[number] ? directories[number] : "");
	} else if (number < PLACE_TOKENS) {
		if (files[number])
			directory_of(files[number], directory);
	} else if (number < config->destination_count + PLACE_TOKENS) {
		oauth = config->destinations[number - PLACE_TOKENS].oauth;
		if (oauth && oauth->refresh_token_file)
			directory_of(oauth->refresh_token_file, directory);
	} else {
		return false;
	}
	return true;
}

/* ---- what is made ---------------------------------------------------------------------------------------------- */

static void miss(const char *directory, int error)
{
	struct paths_missing *more;

	for (size_t i = 0; i < missing_count; i++) {
		if (strcmp(missing[i].directory, directory) == 0)
			return;
	}
	more = realloc(missing, (missing_count + 1) * sizeof(*missing));
	if (!more)
		return;
	missing = more;
	missing[missing_count] = (struct paths_missing){strdup(directory), error};
	if (missing[missing_count].directory)
		missing_count++;
}

void paths_make(const struct config *config)
{
	char directory[PATH_MAX];
	int made;

	for (size_t i = 0; place_written(config, i, directory); i++) {
		/* Whose the socket's has to be, and who may pass it, is not ours to say. */
		if (!directory[0] || i == PLACE_SOCKET)
			continue;
		/* Its name is durable in a directory that can be opened now only. */
		made = disk_directory_open(directory, true);
		if (made >= 0)
			disk_close(made);
		else if (i != PLACE_SPOOL)
			miss(directory, -made);
	}
}

const struct paths_missing *paths_missing(size_t *count)
{
	*count = missing_count;
	return missing;
}

/* ---- holding ------------------------------------------------------------------------------------------------ */

/* All that this kernel knows: what is handled and not granted is refused. */
static uint64_t handled_by(long version)
{
	uint64_t handled = (UINT64_C(1) << 13) - 1;

	if (version >= 2)
		handled |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		handled |= TRUNCATE;
	if (version >= 5)
		handled |= IOCTL_DEV;
	return handled;
}

static long version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool paths_can_be_held(void)
{
	return version() >= 1;
}

/* Never what is above it. */
static void grant_writing(const struct rules *rules, const char *named)
{
	char real[PATH_MAX];

	if (realpath(named, real))
		grant(rules, real, WRITING);
}

static void grant_all(const struct rules *rules, const struct config *config)
{
	char written[PATH_MAX];
	const char *place;
	size_t i;

	for (i = 0; i < sizeof(read_by_libraries) / sizeof(read_by_libraries[0]); i++)
		grant(rules, read_by_libraries[i], READING);
	grant(rules, "/dev/null", READING | LANDLOCK_ACCESS_FS_WRITE_FILE);
	for (i = 0; (place = config_preset_place(i)) != NULL; i++)
		grant(rules, place, READING);
	grant_reading(rules, config->file);
	for (i = 0; i < config->paths.count; i++)
		grant_reading(rules, config->paths.list[i]);
	for (i = 0; place_written(config, i, written); i++) {
		if (written[0])
			grant_writing(rules, written);
	}
}

enum paths_state paths_hold(const struct config *config)
{
	long known = version();
	struct rules rules = {.handled = handled_by(known)};
	struct landlock_ruleset_attr ruleset = {.handled_access_fs = rules.handled};

	if (!config->hardening.landlock)
		return PATHS_OFF;
	if (known < 1)
		return PATHS_LACKING;
	rules.fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (rules.fd < 0)
		return PATHS_LACKING;
	grant_all(&rules, config);
	/* Half a list would refuse what the relay needs. */
	holding = !incomplete && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		  syscall(SYS_landlock_restrict_self, rules.fd, 0) == 0;
	close(rules.fd);
	if (holding)
		config_paths_within(paths_inside);
	return holding ? PATHS_HELD : PATHS_LACKING;
}

/* ---- afterwards --------------------------------------------------------------------------------------------- */

static bool is_within(const char *real, bool written)
{
	for (size_t i = 0; i < held_count; i++) {
		size_t length = strlen(held[i].path);
		if (held[i].written < written || strncmp(real, held[i].path, length) != 0)
			continue;
		if (length == 1 || real[length] == '/' || real[length] == '\0')
			return true;
	}
	return false;
}

/* What is not there yet will be in its directory; where that is not there either, opening it says so. */
static bool may(const char *path, bool written)
{
	char real[PATH_MAX], directory[PATH_MAX];

	if (!holding)
		return true;
	if (realpath(path, real))
		return is_within(real, written);
	directory_of(path, directory);
	return !realpath(directory, real) || is_within(real, written);
}

bool paths_inside(const char *path)
{
	return may(path, false);
}

const char *paths_not_writable(const struct config *config)
{
	static char found[PATH_MAX];

	for (size_t i = 0; holding && place_written(config, i, found); i++) {
		if (found[0] && !may(found, true))
			return found;
	}
	return NULL;
}
