/*
 * core/relay/check.c - see check.h.
 */
#include "core/relay/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/agents/revocations.h"
#include "core/base/disk_kind.h"
#include "core/base/port_owner.h"
#include "core/config/config.h"
#include "core/config/text_file.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/tls_policy.h"
#include "core/receive/inbound_tls.h"

#define SERVICE_USER "postrider" /* of dist/postrider.service */

enum { DAY_S = 24 * 3600, ENDS_SOON_DAYS = 30, LINE_SIZE = 2048, SIZE_TEXT = 32, PRIVILEGED_PORTS = 1024 };
enum { MEBI_BITS = 20, GIBI_BITS = 30, PEM_MAX = 1 << 20 };

struct check {
	const struct config *config;
	void (*tell)(bool warning, const char *line);
	/* Who will use the files: `user` of the configuration, or the service's; NULL: whoever checks, as there is no
	 * such user or it is us. */
	const struct passwd *user;
	char group[65];   /* that user's */
	bool cannot_tell; /* the service has a user, and we cannot know what that one may do */
	unsigned errors;
};

__attribute__((format(printf, 3, 4))) static void say(struct check *check, bool warning, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list arguments;
	int length = snprintf(line, sizeof(line), "%.512s: %s", check->config->file, warning ? "warning: " : "");

	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	/* Names of files go to terminals and logs. */
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	check->errors += !warning;
	check->tell(warning, line);
}

/* ---- what the service's user may do ------------------------------------------------------------------------- */

/* The first component of the absolute `path` that cannot be entered, counted from 1, or the last where `mode` is
 * refused. 0: none; what is not there is no matter of permission. */
static int denied_component(const char *path, int mode)
{
	char part[PATH_MAX];
	int depth = 0;

	for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		depth++;
		if (access(part, X_OK) < 0)
			return errno == EACCES ? depth : 0;
	}
	return access(path, mode) < 0 && errno == EACCES ? depth + 1 : 0;
}

/* The same as another user. The kernel is asked, in a process of that user's: modes, access lists and mounts all
 * count. 0 also where that cannot be done. */
static int denied_component_to(const struct passwd *user, const char *path, int mode)
{
	enum { UNKNOWN = 255 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
			_exit(UNKNOWN);
		_exit(denied_component(path, mode));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == UNKNOWN)
		return 0;
	return WEXITSTATUS(status);
}

/* Looks at the path as it is written. True: `part` is what is refused, the path itself or a directory above it. */
static bool denied_as_written(const struct check *check, const char *path, int mode, char part[PATH_MAX])
{
	int depth = check->user ? denied_component_to(check->user, path, mode) : denied_component(path, mode);
	const char *end = path;

	for (int i = 0; i < depth && end != NULL; i++)
		end = strchr(end + 1, '/');
	snprintf(part, PATH_MAX, "%.*s", end != NULL ? (int)(end - path) : PATH_MAX - 1, path);
	return depth > 0;
}

/* Then as links lead: what is linked to may be in a closed directory. */
static bool denied(const struct check *check, const char *path, int mode, char part[PATH_MAX])
{
	char absolute[2 * PATH_MAX], real[PATH_MAX], here[PATH_MAX];

	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		snprintf(absolute, sizeof(absolute), "%s", path);
	else
		snprintf(absolute, sizeof(absolute), "%s/%s", here, path);
	if (!denied_as_written(check, absolute, mode, part))
		return false;
	if (strcmp(part, absolute) != 0 || realpath(path, real) == NULL)
		return true;
	return denied_as_written(check, real, mode, part);
}

/* ---- files for TLS ------------------------------------------------------------------------------------------ */

enum tls_file { PRIVATE_KEY, CERTIFICATE, AUTHORITIES, FILES };

static const char *file_of(const struct config_destination *destination, unsigned which)
{
	const char *files[FILES] = {destination->private_key, destination->certificate, destination->ca_file};

	return files[which];
}

/* Whether the configuration has named it before, as that. */
static bool seen_as(const struct config *config, size_t destination, unsigned which, const char *path)
{
	for (size_t d = 0; d < destination; d++) {
		const char *earlier = file_of(&config->destinations[d], which);
		if (earlier != NULL && strcmp(earlier, path) == 0)
			return true;
	}
	return false;
}

static void check_readable(struct check *check, const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	/* Who is not root has read the file already. */
	if (check->user == NULL || !denied(check, path, R_OK, part))
		return;
	if (stat(part, &st) == 0 && S_ISDIR(st.st_mode))
		say(check, true,
		    "%s: the service's user %s may not enter %s: move the file to /etc/postrider, or run "
		    "\"chgrp %s %s && chmod g+x %s\"",
		    path, check->user->pw_name, part, check->group, part, part);
	else
		say(check, true, "%s: the service's user %s may not read it: run \"chgrp %s %s && chmod g+r %s\"", path,
		    check->user->pw_name, check->group, part, part);
}

/* All that the configuration names and is there, each once. */
static void check_all_readable(struct check *check)
{
	const struct config_words *paths = &check->config->paths;
	struct stat st;
	size_t i, earlier;

	for (i = 0; i < paths->count; i++) {
		for (earlier = 0; strcmp(paths->list[earlier], paths->list[i]) != 0; earlier++)
			;
		if (earlier == i && stat(paths->list[i], &st) == 0 && S_ISREG(st.st_mode))
			check_readable(check, paths->list[i]);
	}
	/* It is read anew by a reload. With the package it is in a directory for that. */
	if (check->config->user != NULL)
		check_readable(check, check->config->file);
}

static void check_key_mode(struct check *check, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		say(check, true,
		    "%s: every user of this machine may use this private key (mode %03o): run \"chmod o= %s\"", path,
		    (unsigned)(st.st_mode & 0777), path);
}

static const char *day_text(int64_t seconds, char text[SIZE_TEXT])
{
	time_t shown = (time_t)seconds;
	struct tm tm;

	text[0] = '\0';
	(void)strftime(text, SIZE_TEXT, "%Y-%m-%d %H:%M UTC", gmtime_r(&shown, &tm));
	return text;
}

/* Of one certificate in the chain that is sent, the relay's own or an authority's. A next hop that finds one of them
 * expired refuses the handshake, or not, as it likes. */
static void check_dates(struct check *check, const char *path, bool own, const struct tls_certificate_text *text)
{
	const char *kind = own ? "certificate" : "intermediate certificate";
	const char *mend = own ? "replace it and its key" : "get the chain anew from whoever issued the certificate";
	int64_t now = time(NULL);
	char day[SIZE_TEXT];

	if (text->not_after < now)
		say(check, false, "%s: the %s \"%s\" expired on %s: %s", path, kind, text->subject,
		    day_text(text->not_after, day), mend);
	else if (text->not_before > now)
		say(check, true, "%s: the %s \"%s\" is not valid before %s: is this machine's clock right?", path, kind,
		    text->subject, day_text(text->not_before, day));
	else if (text->not_after - now < (int64_t)ENDS_SOON_DAYS * DAY_S)
		say(check, true, "%s: the %s \"%s\" ends in %d days, on %s: %s before", path, kind, text->subject,
		    (int)((text->not_after - now) / DAY_S), day_text(text->not_after, day), mend);
}

/* A peer may know the relay by another name than it says itself, so this is never an error. `inbound`: a listener
 * shows it, and its clients look; else a next hop does. */
static void check_names(struct check *check, const char *path, bool inbound, const struct tls_certificate_text *text)
{
	const char *hostname = check->config->hostname;

	if (text->named)
		return;
	if (inbound)
		say(check, true,
		    "%s: the certificate \"%s\" is not for this relay's hostname %s but for %s: clients that verify it "
		    "must call the relay by that",
		    path, text->subject, hostname, text->names[0] != '\0' ? text->names : "no host at all");
	else if (text->names[0] != '\0')
		say(check, true,
		    "%s: the certificate \"%s\" is for %s, not for this relay's hostname %s: right if the next hop "
		    "knows "
		    "the relay by that; else get one with the name %s, or change \"hostname\"",
		    path, text->subject, text->names, hostname, hostname);
	else
		say(check, true,
		    "%s: the certificate \"%s\" has no host name, so not this relay's hostname %s either: right if the "
		    "next hop knows the relay by its subject; else get one with the name %s",
		    path, text->subject, hostname, hostname);
}

/* What the relay shows: its own certificate first, then those that lead to an authority (RFC 8446 4.4.2). */
static void check_chain(struct check *check, const char *path, bool inbound)
{
	size_t count;
	struct tls_certificate_text *texts = tls_certificates_read(path, check->config->hostname, &count);

	/* Nothing in it: said already. */
	for (size_t i = 0; texts != NULL && i < count; i++) {
		check_dates(check, path, i == 0, &texts[i]);
		if (i == 0)
			check_names(check, path, inbound, &texts[i]);
	}
	free(texts);
}

/* Expired authorities beside valid ones are usual in a bundle, so what counts is when the last one ends; that all have
 * ended is said already. */
static void check_authorities(struct check *check, const char *path)
{
	const struct tls_certificate_text *last = NULL;
	int64_t now = time(NULL);
	char day[SIZE_TEXT];
	size_t count;
	struct tls_certificate_text *texts = tls_certificates_read(path, check->config->hostname, &count);

	for (size_t i = 0; texts != NULL && i < count; i++) {
		if (last == NULL || texts[i].not_after > last->not_after)
			last = &texts[i];
	}
	if (last != NULL && last->not_after >= now && last->not_after - now < (int64_t)ENDS_SOON_DAYS * DAY_S)
		say(check, true,
		    "%s: the last authority in it, \"%s\", ends in %d days, on %s, and no next hop would be trusted "
		    "then: "
		    "add its successor before",
		    path, last->subject, (int)((last->not_after - now) / DAY_S), day_text(last->not_after, day));
	free(texts);
}

static void check_tls_files(struct check *check, size_t d)
{
	for (unsigned i = 0; i < FILES; i++) {
		const char *path = file_of(&check->config->destinations[d], i);
		if (path == NULL)
			continue;
		if (i == CERTIFICATE && !seen_as(check->config, d, i, path))
			check_chain(check, path, false);
		if (i == AUTHORITIES && !seen_as(check->config, d, i, path))
			check_authorities(check, path);
		if (i == PRIVATE_KEY && !seen_as(check->config, d, i, path))
			check_key_mode(check, path);
	}
}

/* What listeners show. */
static void check_inbound_tls(struct check *check)
{
	const struct config *config = check->config;
	struct inbound_tls *inbound;
	struct tls_problem problem;

	if (inbound_tls_make(&inbound, config, 1, &problem) < 0)
		say(check, false, "%s", problem.text);
	inbound_tls_free(inbound);
	for (size_t i = 0; i < config->certificate_count; i++) {
		const struct config_certificate *certificate = &config->certificates[i];
		const char *key = certificate->private_key ? certificate->private_key : certificate->certificate;
		check_chain(check, certificate->certificate, true);
		check_key_mode(check, key);
	}
}

/* Errors as `run` would say them, but those of all destinations. */
static void check_tls(struct check *check)
{
	const struct config *config = check->config;
	struct tls_context **contexts = calloc(config->destination_count, sizeof(*contexts));
	struct tls_problem problem;

	if (contexts == NULL) {
		say(check, false, "out of memory");
		return;
	}
	for (size_t d = 0; d < config->destination_count; d++) {
		if (tls_policy_make(contexts, config, d, &problem) < 0)
			say(check, false, "%s", problem.text);
		check_tls_files(check, d);
	}
	tls_policies_free(contexts, config->destination_count);
	free(contexts);
}

/* Whom control.http lets in by a certificate: nobody whose issuer has no list that can be gone by. */
static void check_authority(void *context, const struct revocations_authority *authority)
{
	struct check *check = context;
	const char *file = check->config->control.http.client_crl;
	char day[SIZE_TEXT];

	switch (authority->state) {
	case REVOCATIONS_NONE:
		say(check, true,
		    "control.http.client_crl: %s has no list of \"%s\", which is in client_ca: whoever shows a "
		    "certificate of it is refused: add its list, or take it out of client_ca",
		    file, authority->subject);
		break;
	case REVOCATIONS_UNSIGNED:
		say(check, true,
		    "control.http.client_crl: %s: the list of \"%s\" is not signed by the certificate of that name in "
		    "client_ca, or this may not sign lists (keyUsage without cRLSign): whoever shows a certificate of "
		    "it is refused",
		    file, authority->subject);
		break;
	case REVOCATIONS_OUT_OF_DATE:
		say(check, true,
		    "control.http.client_crl: %s: the list of \"%s\" is out of date since %s: whoever shows a "
		    "certificate that it is about is refused until there is a new one",
		    file, authority->subject, day_text(authority->ends, day));
		break;
	default:
		break;
	}
}

static void check_lists(struct check *check)
{
	const char *file = check->config->control.http.client_crl, *ca = check->config->control.http.client_ca;
	struct revocations *lists;
	char problem[512], *pem;
	size_t length;
	bool opened;

	lists = revocations_read(file, problem, sizeof(problem));
	if (!lists)
		say(check, true,
		    "control.http.client_crl: %s: %s: as long as that is so, whoever shows a certificate is refused",
		    file, problem);
	if (lists && text_file_read(ca, PEM_MAX, &pem, &length, &opened) == 0) {
		(void)revocations_authorities(lists, pem, length, time(NULL), check_authority, check);
		free(pem);
	}
	revocations_free(lists);
}

/* Who signs in, and whether there is something to do it with. */
static void check_mailboxes(struct check *check)
{
	const struct config *config = check->config;
	struct mailbox_set **sets = calloc(config->destination_count + 1, sizeof(*sets));
	struct mailbox_home *homes = calloc(config->destination_count + 1, sizeof(*homes));
	struct mailbox_problem problem;
	int r = sets && homes ? mailbox_sets_make(sets, homes, NULL, config, &problem) : -ENOMEM;

	if (r < 0)
		say(check, false, "%s", r == -EINVAL ? problem.text : "out of memory");
	mailbox_sets_free(sets, config->destination_count);
	for (size_t d = 0; homes && d < config->destination_count; d++)
		mailbox_home_deinit(&homes[d]);
	free(homes);
	free(sets);
}

/* ---- the spool ---------------------------------------------------------------------------------------------- */

/* As spool.size_max is written, in whole units that are not more. */
static const char *size_text(uint64_t octets, char text[SIZE_TEXT])
{
	if (octets >> GIBI_BITS >= 10)
		snprintf(text, SIZE_TEXT, "%" PRIu64 "GiB", octets >> GIBI_BITS);
	else
		snprintf(text, SIZE_TEXT, "%" PRIu64 "MiB", octets >> MEBI_BITS);
	return text;
}

/* What the files of a directory take of the disk. */
static uint64_t octets_in(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	struct stat st;
	uint64_t octets = 0;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			octets += (uint64_t)st.st_blocks * 512;
	}
	if (directory != NULL)
		closedir(directory);
	return octets;
}

/* `where` exists: the spool's directory, or the one it will be made in. */
static void check_disk(struct check *check, const char *where)
{
	const struct config *config = check->config;
	char path[PATH_MAX], most[SIZE_TEXT], had[SIZE_TEXT], room[SIZE_TEXT], possible[SIZE_TEXT];
	const char *problem = disk_kind_unsafe(where);
	uint64_t used = 0, available;
	struct statvfs disk;

	if (problem)
		say(check, true, "spool.directory: %s %s", where, problem);
	if (statvfs(where, &disk) < 0)
		return;
	/* Shards that are no more count as well: their mail is moved. */
	for (unsigned i = 0; i < CONFIG_SHARDS_MAX; i++) {
		snprintf(path, sizeof(path), "%.4000s/shard-%03u", config->spool.directory, i);
		used += octets_in(path);
	}
	available = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (used + available >= config->spool.size_max)
		return;
	say(check, true,
	    "spool.size_max: %s, of which %s are taken, but the file system of %s has only %s free, and mail would be "
	    "refused when it is full: make room, or write at most %s",
	    size_text(config->spool.size_max, most), size_text(used, had), where, size_text(available, room),
	    size_text(used + available, possible));
}

/* What belongs to root because somebody tried it as root is what the service fails at. */
static void check_spool_permission(struct check *check, const char *directory)
{
	const char *below[] = {"", "/lock", "/shard-000"};
	char path[PATH_MAX], part[PATH_MAX];
	struct stat st;

	for (unsigned i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		snprintf(path, sizeof(path), "%.4000s%s", directory, below[i]);
		if (stat(path, &st) < 0 || !denied(check, path, S_ISDIR(st.st_mode) ? W_OK | X_OK : W_OK, part))
			continue;
		if (check->user != NULL)
			say(check, true,
			    "spool.directory: the service's user %s may not use %s: run \"chown -R %s: %s && chmod 700 "
			    "%s\"%s",
			    check->user->pw_name, part, check->user->pw_name, directory, directory,
			    strlen(part) < strlen(directory) ? ", and let it enter the directories above" : "");
		else
			say(check, true,
			    "spool.directory: this user (%u) may not use %s: run \"chown -R %u %s\" as root, or name "
			    "another directory",
			    (unsigned)geteuid(), part, (unsigned)geteuid(), directory);
		return;
	}
}

static void check_spool_to_be_made(struct check *check, const char *directory)
{
	const char *slash = strrchr(directory, '/');
	char parent[PATH_MAX], part[PATH_MAX], owner[160] = "", who[96] = "this user";
	struct stat st;

	if (check->user != NULL) {
		snprintf(owner, sizeof(owner), "-o %.64s -g %s ", check->user->pw_name, check->group);
		snprintf(who, sizeof(who), "the service's user %.64s", check->user->pw_name);
	}

	if (slash == NULL)
		snprintf(parent, sizeof(parent), ".");
	else
		snprintf(parent, sizeof(parent), "%.*s", slash == directory ? 1 : (int)(slash - directory), directory);
	if (stat(parent, &st) < 0 || !S_ISDIR(st.st_mode)) {
		say(check, true,
		    "spool.directory: %s cannot be made, because %s is no directory: run \"install -d -m 700 %s%s\"",
		    directory, parent, owner, directory);
		return;
	}
	/* With `user:` it is root that makes it, and gives it away. */
	if (!check->cannot_tell && check->config->user == NULL && denied(check, parent, W_OK | X_OK, part))
		say(check, true,
		    "spool.directory: %s does not exist, and %s may not make it in %s: run \"install -d -m 700 "
		    "%s%s\"%s",
		    directory, who, parent, owner, directory, check->user ? "" : " as one who may");
	check_disk(check, parent);
}

static void check_spool(struct check *check)
{
	char directory[PATH_MAX];
	size_t length = (size_t)snprintf(directory, sizeof(directory), "%.4000s", check->config->spool.directory);
	struct stat st;

	while (length > 1 && directory[length - 1] == '/')
		directory[--length] = '\0';
	if (stat(directory, &st) < 0 && errno == ENOENT) {
		check_spool_to_be_made(check, directory);
	} else if (stat(directory, &st) < 0) {
		say(check, true, "spool.directory: %s: %s: name a directory that can be had", directory,
		    strerror(errno));
	} else if (!S_ISDIR(st.st_mode)) {
		say(check, true, "spool.directory: %s is no directory: name one, or move it away", directory);
	} else {
		if (access(directory, W_OK) < 0 && errno == EROFS)
			say(check, true, "spool.directory: %s is on a file system that can only be read: name another",
			    directory);
		else if (!check->cannot_tell)
			check_spool_permission(check, directory);
		/* What is in it cannot be seen by everybody. */
		if (access(directory, R_OK | X_OK) == 0)
			check_disk(check, directory);
	}
}

/* ---- listeners ---------------------------------------------------------------------------------------------- */

/* Binds as `run` would, and lets go at once; never listens, so that no connection is lost and a relay that starts at
 * this moment is not in the way of (both say SO_REUSEADDR). 0 or -errno. */
static int try_address(const struct ring_address *address)
{
	int one = 1, r = 0, fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (address->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    bind(fd, &address->any, address->length) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void check_listener(struct check *check, const struct config_listener *listener)
{
	const char *name = listener->name, *text = listener->address_text;
	int r = try_address(&listener->address);
	char owner[PORT_OWNER_TEXT] = "another process";

	if (r == -EADDRINUSE) {
		(void)port_owner(&listener->address, owner);
		say(check, true,
		    "listener \"%s\": %s is in use by %s: right if that is the relay that runs with this file; else "
		    "stop "
		    "that program, or listen on another address",
		    name, text, owner);
	} else if (r == -EACCES && ntohs(listener->address.v4.sin_port) < PRIVILEGED_PORTS) {
		say(check, true,
		    "listener \"%s\": this user may not listen on %s, a port below 1024 (%s): run the relay with "
		    "CAP_NET_BIND_SERVICE, as the packaged service does, or take a higher port",
		    name, text, strerror(-r));
	} else if (r == -EADDRNOTAVAIL) {
		say(check, true,
		    "listener \"%s\": this machine does not have the address %s (%s): write one that \"ip address\" "
		    "lists, or 0.0.0.0 for all",
		    name, text, strerror(-r));
	} else if (r < 0) {
		say(check, true, "listener \"%s\": %s cannot be had (%s): write another address", name, text,
		    strerror(-r));
	}
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

unsigned check_surroundings(const struct config *config, void (*tell)(bool warning, const char *line))
{
	struct check check = {.config = config, .tell = tell};
	const struct passwd *user = getpwnam(config->user ? config->user : SERVICE_USER);
	const struct group *group = user ? getgrgid(user->pw_gid) : NULL;

	snprintf(check.group, sizeof(check.group), "%s", group ? group->gr_name : user ? user->pw_name : "");
	if (config->user != NULL && user == NULL)
		say(&check, false, "user: there is no user %s: make it, or name another", config->user);
	if (user != NULL && user->pw_uid != geteuid()) {
		check.user = geteuid() == 0 ? user : NULL;
		check.cannot_tell = geteuid() != 0;
	}
	check_tls(&check);
	check_inbound_tls(&check);
	if (config->control.http.client_crl)
		check_lists(&check);
	check_mailboxes(&check);
	check_all_readable(&check);
	check_spool(&check);
	for (size_t i = 0; i < config->listener_count; i++)
		check_listener(&check, &config->listeners[i]);
	return check.errors;
}
