/*
 * core/agents/sts_shelf.c - see sts_shelf.h.
 */
#include "core/agents/sts_shelf.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/sts.h"
#include "core/base/durable.h"
#include "core/base/text_mark.h"
#include "core/config/text_file.h"

#define FIRST_LINE "postrider MTA-STS policy 1\n"

bool sts_shelf_name(const char *domain, const char *ca_file, char name[STS_SHELF_NAME])
{
	size_t n = 0;

	for (; domain[n]; n++) {
		char c = domain[n];
		bool dot = c == '.' && n > 0 && domain[n - 1] != '.' && domain[n + 1];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (n == DNS_NAME_MAX ||
		    !(dot || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		name[n] = c;
	}
	name[n] = '\0';
	if (ca_file)
		snprintf(name + n, STS_SHELF_NAME - n, "+%016" PRIx64, text_mark(ca_file));
	return n > 0;
}

size_t sts_shelf_head(const char *id, uint64_t fetched_s, char out[STS_SHELF_HEAD_MAX])
{
	return (size_t)snprintf(out, STS_SHELF_HEAD_MAX, FIRST_LINE "id: %s\nfetched: %" PRIu64 "\n\n", id, fetched_s);
}

/* "NAME: VALUE" and its line end, from the front of *in. */
static bool take_line(const char **in, const char *end, const char *name, char *value, size_t size)
{
	const char *stop = *in < end ? memchr(*in, '\n', (size_t)(end - *in)) : NULL;
	size_t head = strlen(name), length = stop ? (size_t)(stop - *in) : 0;

	if (!stop || length < head || memcmp(*in, name, head) != 0 || length - head >= size)
		return false;
	memcpy(value, *in + head, length - head);
	value[length - head] = '\0';
	*in = stop + 1;
	return strlen(value) == length - head;
}

bool sts_shelf_parse(const char *file, size_t size, char id[MTA_STS_ID_MAX + 1], uint64_t *fetched_s, const char **text,
		     size_t *length)
{
	const char *at = file, *end = file + size;
	char rest[2], number[21], *stop;

	if (!take_line(&at, end, "postrider MTA-STS policy 1", rest, sizeof(rest)) || rest[0] ||
	    !take_line(&at, end, "id: ", id, MTA_STS_ID_MAX + 1) ||
	    !take_line(&at, end, "fetched: ", number, sizeof(number)) || number[0] < '0' || number[0] > '9')
		return false;
	*fetched_s = strtoull(number, &stop, 10);
	if (*stop || at == end || *at != '\n')
		return false;
	*text = at + 1;
	*length = (size_t)(end - *text);
	return true;
}

static bool path_of(const char *directory, const char *name, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

struct sts_policy *sts_shelf_take(const char *directory, const char *name, uint64_t now_s)
{
	char path[PATH_MAX], id[MTA_STS_ID_MAX + 1], *file = NULL;
	struct sts_policy *policy = NULL;
	uint64_t fetched_s;
	const char *text, *why;
	size_t size, length;
	bool opened;

	if (!path_of(directory, name, path) ||
	    text_file_read(path, MTA_STS_POLICY_MAX + STS_SHELF_HEAD_MAX, &file, &size, &opened) < 0)
		return NULL;
	/* What was fetched in a future that has not come was fetched now: clocks are set back. */
	if (sts_shelf_parse(file, size, id, &fetched_s, &text, &length))
		policy = sts_policy_new(id, fetched_s < now_s ? fetched_s : now_s, text, length, &why);
	free(file);
	if (!policy || policy->end_s > now_s)
		return policy;
	sts_policy_release(policy);
	sts_shelf_drop(directory, name);
	return NULL;
}

int sts_shelf_put(const char *directory, const char *name, const struct sts_policy *policy)
{
	char path[PATH_MAX], *file = malloc(STS_SHELF_HEAD_MAX + policy->length);
	size_t n;
	int r;

	if (!file)
		return -ENOMEM;
	n = sts_shelf_head(policy->id, policy->fetched_s, file);
	memcpy(file + n, policy->text, policy->length);
	(void)mkdir(directory, S_IRWXU);
	r = path_of(directory, name, path) ? durable_replace(path, file, n + policy->length) : -ENAMETOOLONG;
	free(file);
	return r;
}

void sts_shelf_drop(const char *directory, const char *name)
{
	char path[PATH_MAX];

	if (path_of(directory, name, path))
		(void)unlink(path);
}

/* ---- sweeping --------------------------------------------------------------------------------------------------- */

/* Called as a policy's file is; whatever else lies there is not ours to judge. */
static bool is_policy(const char *file)
{
	char domain[DNS_NAME_MAX + 1], name[STS_SHELF_NAME];
	size_t n = strcspn(file, "+");

	if (n > DNS_NAME_MAX)
		return false;
	memcpy(domain, file, n);
	domain[n] = '\0';
	return sts_shelf_name(domain, NULL, name) && strcmp(name, domain) == 0 &&
	       (!file[n] || (strlen(file + n) == 17 && strspn(file + n + 1, "0123456789abcdef") == 16));
}

size_t sts_shelf_count(const char *directory)
{
	DIR *files = opendir(directory);
	const struct dirent *file;
	size_t count = 0;

	while (files && (file = readdir(files)) != NULL)
		count += is_policy(file->d_name);
	if (files)
		(void)closedir(files);
	return count;
}

static void look_at(struct sts_sweep *sweep, const char *directory, const char *name, uint64_t now_s)
{
	struct sts_policy *policy = sts_shelf_take(directory, name, now_s);

	if (!policy)
		return;
	if (policy->fetched_s < sweep->idle_s && !sweep->is_known(sweep->context, name))
		sts_shelf_drop(directory, name);
	else
		sweep->kept++;
	sts_policy_release(policy);
}

bool sts_sweep_on(struct sts_sweep *sweep, const char *directory, uint64_t now_s, unsigned most)
{
	const struct dirent *file;

	if (!sweep->files)
		sweep->files = opendir(directory);
	while (sweep->files && most-- > 0) {
		file = readdir(sweep->files);
		if (!file)
			sts_sweep_stop(sweep);
		else if (is_policy(file->d_name))
			look_at(sweep, directory, file->d_name, now_s);
	}
	return !sweep->files;
}

void sts_sweep_stop(struct sts_sweep *sweep)
{
	if (sweep->files)
		(void)closedir(sweep->files);
	sweep->files = NULL;
}
