/*
 * core/confine/identity.c - see identity.h.
 */
#include "core/confine/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/disk.h"
#include "core/config/config.h"

struct taking {
	const struct config *config;
	const struct passwd *user;
	char *problem;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct taking *t, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(t->problem, t->size, format, arguments);
	va_end(arguments);
	return error;
}

/* One that is not there is made; one that is another's stays. */
static int own_directory(const struct taking *t, const char *path, mode_t mode)
{
	struct stat status;
	bool there = stat(path, &status) == 0;
	int fd = there ? -1 : disk_directory_open(path, true);

	if (fd >= 0 && (fchmod(fd, mode) < 0 || fchown(fd, t->user->pw_uid, t->user->pw_gid) < 0))
		return fail(t, -errno, "%s cannot be given to the user %s: %s", path, t->user->pw_name,
			    strerror(errno));
	if (!there && fd < 0)
		return fail(t, fd, "%s cannot be made: %s: make the directory above it", path, strerror(-fd));
	if (fd >= 0)
		disk_close(fd);
	return 0;
}

/* What a former run as root left there could not be read. */
static int own_spool(const struct taking *t)
{
	const char *path = t->config->spool.directory;
	struct stat status;
	int r = own_directory(t, path, 0700);

	if (r < 0 || stat(path, &status) < 0 || status.st_uid == t->user->pw_uid)
		return r;
	return fail(t, -EACCES, "the spool %s belongs to the user number %u, and not to %s: run \"chown -R %s: %s\"",
		    path, (unsigned)status.st_uid, t->user->pw_name, t->user->pw_name, path);
}

static int own_directories(const struct taking *t)
{
	char above[4096], *slash;
	struct stat status;
	int r = own_spool(t);

	if (r < 0 || !t->config->control.socket)
		return r;
	snprintf(above, sizeof(above), "%s", t->config->control.socket);
	slash = strrchr(above, '/');
	if (!slash || slash == above)
		return 0;
	*slash = '\0';
	/* As in /run, where everything is gone after a boot. */
	return stat(above, &status) == 0 ? 0 : own_directory(t, above, 0755);
}

static int set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)set, .permitted = (uint32_t)set},
		{.effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32)}};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int become(const struct taking *t)
{
	const struct passwd *user = t->user;
	int i;

	for (i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++) {
		if (i != CAP_NET_BIND_SERVICE)
			(void)prctl(PR_CAPBSET_DROP, i);
	}
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return fail(t, -errno, "this process cannot become the user %s: %s", user->pw_name, strerror(errno));
	/* A container may have left us without it; then the port says so. */
	if (set_capabilities(UINT64_C(1) << CAP_NET_BIND_SERVICE) < 0)
		(void)set_capabilities(0);
	(void)prctl(PR_SET_KEEPCAPS, 0);
	if (setresuid(0, 0, 0) == 0)
		return fail(t, -EPERM, "this process became the user %s, and may become root again", user->pw_name);
	(void)setenv("HOME", user->pw_dir, 1);
	(void)setenv("USER", user->pw_name, 1);
	(void)setenv("LOGNAME", user->pw_name, 1);
	return 0;
}

static int take_user(struct taking *t)
{
	const char *name = t->config->user;
	int r;

	errno = 0;
	t->user = getpwnam(name);
	if (!t->user)
		return fail(t, -ENOENT, "user: there is no user %s%s%s", name, errno ? ": " : "",
			    errno ? strerror(errno) : "");
	if (t->user->pw_uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return fail(
			t, -EPERM,
			"user: only root can become %s: start postrider as root, or as that user, or leave the key out",
			name);
	if (t->user->pw_uid == 0)
		return fail(t, -EINVAL, "user: %s is root: name another user, or leave the key out", name);
	r = own_directories(t);
	return r < 0 ? r : become(t);
}

int identity_take(const struct config *config, char *problem, size_t size)
{
	struct taking t = {.config = config, .problem = problem, .size = size};
	int r = config->user ? take_user(&t) : 0;

	if (r < 0)
		return r;
	/* What the service manager gives us is for us. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return 0;
}

bool identity_is_root(void)
{
	return geteuid() == 0;
}
