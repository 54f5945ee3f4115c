/*
 * core/deliver/suspend.c - see suspend.h.
 */
#include "core/deliver/suspend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/config/config.h"

static const char file_name[] = "suspended", new_name[] = "suspended.new";

enum { FILE_MOST = SUSPEND_MAX * SUSPEND_LINE };

/* ---- the list --------------------------------------------------------------------------------------------------- */

int suspensions_init(struct suspensions *s, const struct config *config, size_t room)
{
	pthread_mutex_init(&s->acts, NULL);
	pthread_mutex_init(&s->lock, NULL);
	s->config = config;
	s->room = room;
	s->until_ns = calloc(room + 1, sizeof(*s->until_ns));
	s->directory = strdup(config->spool.directory);
	return s->until_ns && s->directory ? 0 : -ENOMEM;
}

static void free_all(struct suspension *first)
{
	while (first) {
		struct suspension *one = first;
		first = one->next;
		free(one);
	}
}

void suspensions_deinit(struct suspensions *s)
{
	if (!s->config)
		return;
	free_all(s->first);
	free(s->until_ns);
	free(s->directory);
	pthread_mutex_destroy(&s->acts);
	pthread_mutex_destroy(&s->lock);
	memset(s, 0, sizeof(*s));
}

/* A copy, with its texts in one block, cut where they are too long. NULL: no memory. */
static struct suspension *copy_of(const struct suspension *like)
{
	const char *texts[] = {like->destination, like->domain, like->reason, like->who};
	const size_t most[] = {SUSPEND_NAME - 1, SUSPEND_NAME - 1, SUSPEND_TEXT_MAX - 1, SUSPEND_TEXT_MAX - 1};
	size_t size = sizeof(*like), i;
	struct suspension *one;
	char *at, *parts[4];

	for (i = 0; i < 4; i++)
		size += strnlen(texts[i], most[i]) + 1;
	one = malloc(size);
	if (!one)
		return NULL;
	at = (char *)(one + 1);
	for (i = 0; i < 4; i++) {
		size_t length = strnlen(texts[i], most[i]);
		parts[i] = memcpy(at, texts[i], length);
		at[length] = '\0';
		at += length + 1;
	}
	*one = *like;
	one->next = NULL;
	one->destination = parts[0];
	one->domain = parts[1];
	one->reason = parts[2];
	one->who = parts[3];
	return one;
}

static bool is_of(const struct suspension *one, const char *destination, const char *domain)
{
	return strcmp(one->destination, destination) == 0 && strcasecmp(one->domain, domain) == 0;
}

static unsigned bit_of(const char *domain)
{
	uint32_t hash = 2166136261;

	for (; *domain != '\0'; domain++) {
		uint8_t octet = (uint8_t)*domain;
		octet |= octet >= 'A' && octet <= 'Z' ? 0x20 : 0;
		hash = (hash ^ octet) * 16777619;
	}
	return (hash ^ hash >> 16) % SUSPEND_BITS;
}

/* Each word goes from what it was to what it is to be, so that none that stays is missed meanwhile. */
static void follow_domains(struct suspensions *s)
{
	uint64_t words[SUSPEND_BITS / 64] = {0};
	bool any = false;

	for (const struct suspension *one = s->first; one; one = one->next) {
		unsigned bit = bit_of(one->domain);
		if (one->domain[0] == '\0')
			continue;
		words[bit / 64] |= UINT64_C(1) << bit % 64;
		any = true;
	}
	for (unsigned i = 0; i < SUSPEND_BITS / 64; i++)
		atomic_store(&s->domains[i], words[i]);
	atomic_store(&s->of_domains, any);
}

/* The lock is held. What lanes look at follows from the list. */
static void follow(struct suspensions *s)
{
	uint64_t now_ns = clock_monotonic_ns();

	follow_domains(s);
	for (size_t d = 0; d < s->room; d++) {
		uint64_t until_ns = atomic_load(&s->until_ns[d]);
		/* It is not, since then. */
		until_ns = until_ns > now_ns ? now_ns : until_ns;
		for (const struct suspension *one = s->first; one && d < s->config->destination_count;
		     one = one->next) {
			if (one->until_ns > now_ns && is_of(one, s->config->destinations[d].name, ""))
				until_ns = one->until_ns;
		}
		atomic_store(&s->until_ns[d], until_ns);
	}
}

void suspensions_follow(struct suspensions *s, const struct config *config)
{
	pthread_mutex_lock(&s->lock);
	s->config = config;
	follow(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static int write_text(int directory, const char *text, size_t length)
{
	int fd, r;

	r = disk_unlink(directory, new_name);
	if (r < 0 && r != -ENOENT)
		return r;
	fd = disk_open(directory, new_name, DISK_CREATE | DISK_WRITE);
	if (fd < 0)
		return fd;
	r = (int)disk_write(fd, text, length, 0);
	r = r < 0 ? r : (size_t)r == length ? disk_sync(fd) : -EIO;
	disk_close(fd);
	if (r == 0)
		r = disk_rename(directory, new_name, file_name);
	return r == 0 ? disk_sync(directory) : r;
}

/* All that is in force, without `gone`, and with `come`: it is the old file or the new one, whole. */
static int write_file(const struct suspensions *s, const struct suspension *gone, const struct suspension *come)
{
	char *text = malloc(((size_t)s->count + 1) * SUSPEND_LINE);
	uint64_t now_ns = clock_monotonic_ns();
	size_t length = 0;
	int directory, r;

	if (!text)
		return -ENOMEM;
	for (const struct suspension *one = s->first; one; one = one->next) {
		if (one != gone && one->until_ns > now_ns)
			length += suspension_write(one, text + length);
	}
	if (come)
		length += suspension_write(come, text + length);
	directory = disk_directory_open(s->directory, true);
	r = directory < 0 ? directory : write_text(directory, text, length);
	if (directory >= 0)
		disk_close(directory);
	free(text);
	return r;
}

/* By the wall clock, but never longer than it was to last in all. */
static uint64_t until_of(const struct suspension *one, uint64_t now_ns, uint64_t wall_ns)
{
	uint64_t whole_ns, left_ns;

	if (one->until_wall_ns == 0)
		return SUSPEND_FOR_EVER;
	if (one->until_wall_ns <= wall_ns || one->until_wall_ns <= one->since_wall_ns)
		return now_ns;
	whole_ns = one->until_wall_ns - one->since_wall_ns;
	left_ns = one->until_wall_ns - wall_ns;
	return now_ns + (left_ns < whole_ns ? left_ns : whole_ns);
}

static int take_line(struct suspensions *s, const char *line, size_t length)
{
	struct suspension read, *one;
	char text[SUSPEND_LINE];

	if (s->count == SUSPEND_MAX || !suspension_read(line, length, text, &read))
		return -EBADMSG;
	one = copy_of(&read);
	if (!one)
		return -ENOMEM;
	one->until_ns = until_of(one, clock_monotonic_ns(), clock_wall_ns());
	one->next = s->first;
	s->first = one;
	s->count++;
	return 0;
}

static int take_text(struct suspensions *s, const char *text, size_t length)
{
	const char *at = text, *end = text + length, *line_end;
	int r = 0;

	for (; at < end && r == 0; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			return -EBADMSG;
		r = take_line(s, at, (size_t)(line_end - at));
	}
	return r;
}

static int read_file(struct suspensions *s, int fd)
{
	int64_t size = disk_size(fd);
	char *text;
	int r;

	if (size <= 0 || size > FILE_MOST)
		return size == 0 ? 0 : size < 0 ? (int)size : -EBADMSG;
	text = malloc((size_t)size);
	if (!text)
		return -ENOMEM;
	r = disk_read(fd, text, (size_t)size, 0) == size ? take_text(s, text, (size_t)size) : -EIO;
	free(text);
	return r;
}

int suspensions_load(struct suspensions *s)
{
	int directory = disk_directory_open(s->directory, false), fd, r;

	if (directory < 0)
		/* What is wrong with the spool's directory is said by who recovers it, and to the manager. */
		return directory == -ENOENT || directory == -ENOTDIR ? 0 : directory;
	fd = disk_open(directory, file_name, 0);
	r = fd == -ENOENT ? 0 : fd < 0 ? fd : read_file(s, fd);
	if (fd >= 0)
		disk_close(fd);
	disk_close(directory);
	return r;
}

/* ---- acts ------------------------------------------------------------------------------------------------------- */

/* Who acts has `acts`, and nobody else changes the list. */
static struct suspension *find(const struct suspensions *s, const char *destination, const char *domain)
{
	struct suspension *one = s->first;

	while (one && !is_of(one, destination, domain))
		one = one->next;
	return one;
}

/* `gone` leaves the list, `come` joins it; NULL: nobody. */
static void change(struct suspensions *s, struct suspension *gone, struct suspension *come)
{
	struct suspension **at = &s->first;

	pthread_mutex_lock(&s->lock);
	while (gone && *at != gone)
		at = &(*at)->next;
	if (gone) {
		*at = gone->next;
		s->count--;
	}
	if (come) {
		come->next = s->first;
		s->first = come;
		s->count++;
	}
	follow(s);
	pthread_mutex_unlock(&s->lock);
	free(gone);
}

static bool was_told(struct suspensions *s, const struct suspension *one)
{
	bool told;

	pthread_mutex_lock(&s->lock);
	told = one->over;
	pthread_mutex_unlock(&s->lock);
	return told;
}

/* What is over makes room. */
static void sweep(struct suspensions *s)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct suspension *one, *next;

	for (one = s->first; one; one = next) {
		next = one->next;
		if (one->until_ns <= now_ns && was_told(s, one))
			change(s, one, NULL);
	}
}

int suspend_begin(struct suspensions *s, const struct suspend_order *order)
{
	uint64_t wall_ns = clock_wall_ns();
	bool ever = order->for_ns == SUSPEND_FOR_EVER;
	const struct suspension like = {
		.destination = (char *)(uintptr_t)order->destination,
		.domain = (char *)(uintptr_t)order->domain,
		.reason = (char *)(uintptr_t)order->reason,
		.who = (char *)(uintptr_t)order->who,
		.since_wall_ns = wall_ns,
		.until_wall_ns = ever ? 0 : wall_ns + order->for_ns,
		.until_ns = ever ? SUSPEND_FOR_EVER : clock_monotonic_ns() + order->for_ns,
	};
	struct suspension *come = copy_of(&like), *gone;
	int r;

	if (!come)
		return -ENOMEM;
	pthread_mutex_lock(&s->acts);
	sweep(s);
	gone = find(s, come->destination, come->domain);
	r = s->count == SUSPEND_MAX && !gone ? -EXFULL : write_file(s, gone, come);
	if (r == 0)
		change(s, gone, come);
	pthread_mutex_unlock(&s->acts);
	if (r < 0)
		free(come);
	return r;
}

int suspend_end(struct suspensions *s, const char *destination, const char *domain, uint64_t *since_ns)
{
	uint64_t wall_ns = clock_wall_ns();
	struct suspension *gone;
	int r;

	pthread_mutex_lock(&s->acts);
	gone = find(s, destination, domain);
	r = gone && gone->until_ns > clock_monotonic_ns() ? write_file(s, gone, NULL) : -ENOENT;
	if (r == 0) {
		*since_ns = wall_ns > gone->since_wall_ns ? wall_ns - gone->since_wall_ns : 0;
		change(s, gone, NULL);
	}
	pthread_mutex_unlock(&s->acts);
	return r;
}

bool suspend_knows(struct suspensions *s, const char *destination, bool *mx)
{
	bool known = false;

	pthread_mutex_lock(&s->lock);
	for (size_t d = 0; d < s->config->destination_count && !known; d++) {
		known = strcmp(s->config->destinations[d].name, destination) == 0 && !s->config->destinations[d].gone;
		*mx = s->config->destinations[d].mx;
	}
	pthread_mutex_unlock(&s->lock);
	return known;
}

void suspend_each(struct suspensions *s, void (*fn)(void *context, const struct suspension *one), void *context)
{
	uint64_t now_ns = clock_monotonic_ns();
	/* Who changes one may wait for the disk, and then this does not. */
	pthread_mutex_t *lock = pthread_mutex_trylock(&s->acts) == 0 ? &s->acts : &s->lock;

	if (lock == &s->lock)
		pthread_mutex_lock(lock);
	for (const struct suspension *one = s->first; one; one = one->next) {
		if (one->until_ns > now_ns)
			fn(context, one);
	}
	pthread_mutex_unlock(lock);
}

/* ---- on shards -------------------------------------------------------------------------------------------------- */

void suspensions_forget(struct suspensions *s, size_t place)
{
	atomic_store(&s->until_ns[place], 0);
}

uint64_t suspend_until_ns(const struct suspensions *s, unsigned place)
{
	return atomic_load_explicit(&s->until_ns[place], memory_order_relaxed);
}

bool suspend_holds(const struct suspensions *s, unsigned place, uint64_t now_ns, uint64_t *next_ns)
{
	uint64_t until_ns = suspend_until_ns(s, place);
	uint64_t look_ns = now_ns + CLOCK_NS_PER_S;

	if (until_ns <= now_ns)
		return false;
	/* He may resume it at any time. */
	look_ns = until_ns < look_ns ? until_ns : look_ns;
	*next_ns = look_ns < *next_ns ? look_ns : *next_ns;
	return true;
}

bool suspend_holds_domain(struct suspensions *s, const char *destination, const char *domain, uint64_t now_ns)
{
	const struct suspension *one;
	unsigned bit;
	bool holds;

	if (!atomic_load_explicit(&s->of_domains, memory_order_relaxed))
		return false;
	bit = bit_of(domain);
	if (!(atomic_load_explicit(&s->domains[bit / 64], memory_order_relaxed) & UINT64_C(1) << bit % 64))
		return false;
	pthread_mutex_lock(&s->lock);
	one = find(s, destination, domain);
	holds = one && one->until_ns > now_ns;
	pthread_mutex_unlock(&s->lock);
	return holds;
}

bool suspend_over(struct suspensions *s, uint64_t now_ns, char destination[SUSPEND_NAME], char domain[SUSPEND_NAME])
{
	struct suspension *one;

	pthread_mutex_lock(&s->lock);
	one = s->first;
	while (one && (one->over || one->until_ns > now_ns))
		one = one->next;
	if (one) {
		one->over = true;
		strcpy(destination, one->destination);
		strcpy(domain, one->domain);
	}
	pthread_mutex_unlock(&s->lock);
	return one != NULL;
}
