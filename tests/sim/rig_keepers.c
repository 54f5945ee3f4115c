/*
 * tests/sim/rig_keepers.c - see rig_keepers.h.
 */
#include "tests/sim/rig_keepers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/agents/device_keeper.h"
#include "core/agents/suppression.h"
#include "core/config/device_table.h"
#include "core/shard/snapshot.h"

enum { LOG_OCTETS = 1 << 16, HEARD_OCTETS = 1 << 20 };

static char directory[40];
static bool made;
static char heard[HEARD_OCTETS];
static size_t heard_length;

const char *rig_directory(void)
{
	/* In memory, if there is such a place: what keepers sync is synced thousands of times. */
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	if (made)
		return directory;
	snprintf(directory, sizeof(directory), "%s/postrider-sim-XXXXXX", where);
	if (!mkdtemp(directory))
		abort();
	made = true;
	return directory;
}

void rig_directory_remove(void)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *all = made ? opendir(directory) : NULL;

	while (all && (entry = readdir(all)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.')
			(void)unlink(path);
	}
	if (all)
		(void)closedir(all);
	if (made)
		(void)rmdir(directory);
	made = false;
	heard_length = 0;
}

/* As core/relay/agents.c does it. */
int rig_keepers_start(struct rig *rig)
{
	struct receivers *receivers = &rig->relay.receivers;
	struct snapshot *snapshot = rig->relay.snapshot;
	const struct config *config = rig->config;
	char path[PATH_MAX];

	if (!config->devices && !config->suppression.directory)
		return 0;
	rig->keeper_log = log_new(-1, LOG_OCTETS);
	if (!rig->keeper_log)
		return -ENOMEM;
	if (config->devices) {
		snprintf(path, sizeof(path), "%s/kept", directory);
		receivers->devices = device_keeper_start(path, rig->keeper_log);
		if (!receivers->devices)
			return -ENOMEM;
		snapshot->devices = device_keeper_records(receivers->devices, config->devices);
		device_keeper_follow(receivers->devices, config->devices, snapshot->devices);
	}
	if (config->suppression.directory) {
		receivers->suppression = suppression_start(config->suppression.directory, rig->keeper_log);
		snapshot->suppression = receivers->suppression;
		if (!receivers->suppression)
			return -ENOMEM;
	}
	return 0;
}

void rig_keepers_stop(struct rig *rig)
{
	suppression_stop(rig->relay.receivers.suppression);
	device_keeper_stop(rig->relay.receivers.devices);
	rig_keepers_listen(rig);
	log_free(rig->keeper_log);
	rig->keeper_log = NULL;
}

void rig_keepers_listen(struct rig *rig)
{
	int fd = rig->keeper_log ? memfd_create("events", MFD_CLOEXEC) : -1;
	ssize_t n;

	if (fd < 0)
		return;
	log_drain(rig->keeper_log, fd);
	n = pread(fd, heard + heard_length, sizeof(heard) - 1 - heard_length, 0);
	if (n > 0 && rig_log)
		(void)!write(STDERR_FILENO, heard + heard_length, (size_t)n);
	heard_length += n > 0 ? (size_t)n : 0;
	(void)close(fd);
}

unsigned rig_keepers_told(struct rig *rig, const char *text)
{
	unsigned n = 0;

	rig_keepers_listen(rig);
	heard[heard_length] = '\0';
	for (const char *at = heard; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}
