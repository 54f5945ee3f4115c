/*
 * core/trace/sift.c - see sift.h.
 */
#include "core/trace/sift.h"

#include <string.h>

#include "core/base/line_ring.h"

/* {"time":"2026-03-01T07:12:09.113Z","event":"attempt","level":"info","shard":1,"id":"01KJK3V3N3ZJ2K8WQX5T7Y0ABC", */
enum { BEHIND_NAME = 32, ID_LENGTH = 26, ID_WITHIN = 64 };

void sift_tick(struct sift *sift, uint64_t second)
{
	if (second == sift->second)
		return;
	/* It ends with a second that is well below. */
	sift->bulk = sift->accepted > (sift->bulk ? SIFT_BULK / 2 : SIFT_BULK);
	sift->second = second;
	sift->accepted = 0;
}

/* Behind `word`, which is looked for by its letter `rare`: each line of a flood is looked at, and has few of that. */
static const char *behind(const char *from, const char *end, struct span word, size_t rare)
{
	const char *at = from + rare;

	while (at < end && (at = memchr(at, word.data[rare], (size_t)(end - at))) != NULL) {
		if ((size_t)(end - at) >= word.length - rare && memcmp(at - rare, word.data, word.length) == 0)
			return at - rare + word.length;
		at++;
	}
	return NULL;
}

/* Of the id, which stands right behind the shard; 0: there is none. */
static uint32_t mark(const char *from, const char *end)
{
	const char *limit = end - from < ID_WITHIN ? end : from + ID_WITHIN;
	const char *id = behind(from, limit, (struct span){"\"id\":\"", 6}, 1);
	uint64_t a, b, c;

	if (!id || end - id < ID_LENGTH)
		return 0;
	memcpy(&a, id, 8);
	memcpy(&b, id + 8, 8);
	memcpy(&c, id + ID_LENGTH - 8, 8);
	a = (a ^ a >> 29 ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
	a = (a ^ a >> 32 ^ c) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(a >> 32) | 1;
}

static void watch(struct sift *sift, uint32_t id)
{
	sift->watched[id >> 1 & (SIFT_WATCHED - 1)] = id;
}

static bool watched(const struct sift *sift, uint32_t id)
{
	return id != 0 && sift->watched[id >> 1 & (SIFT_WATCHED - 1)] == id;
}

static bool accepted(struct sift *sift, uint32_t id)
{
	sift->accepted++;
	sift->bulk |= sift->detail == SIFT_AUTO && sift->accepted > SIFT_BULK;
	if (sift->detail == SIFT_ALL)
		return true;
	if (sift->detail == SIFT_AUTO && (!sift->bulk || (id >> 12) % SIFT_SAMPLE == 0)) {
		watch(sift, id);
		return true;
	}
	sift->left_out++;
	return false;
}

/* `level`: the first letter of it: "info" says that all went well. */
static bool attempt(struct sift *sift, const char *line, const char *end, char level, uint32_t id)
{
	const char *count;

	if (sift->detail == SIFT_ALL || (sift->detail == SIFT_AUTO && !sift->bulk))
		return true;
	if (level != 'i') {
		watch(sift, id);
		return true;
	}
	if (watched(sift, id))
		return true;
	/* It went wrong before, perhaps before this process began. */
	count = behind(line, end, (struct span){"\"attempt\":", 10}, 5);
	return count && end - count > 2 && !(count[0] == '1' && count[1] == ',');
}

static bool is(struct span name, const char *word, size_t length)
{
	return name.length == length && memcmp(name.data, word, length) == 0;
}

bool sift_line(struct sift *sift, const char *line, size_t length)
{
	static const struct {
		const char *name;
		size_t length;
	} kept[] = {{"deferred", 8},         {"expired", 7},           {"held", 4},    {"damaged", 7},
		    {"report", 6},           {"unreported", 10},       {"refused", 7}, {"not_stored", 10},
		    {"sign_in_refused", 15}, {"handshake_failed", 16}, {"log_lost", 8}};
	const char *end = line + length;
	struct span name;

	if (sift->detail == SIFT_OFF)
		return false;
	name = line_event(line, length);
	if (name.length == 0 || end - name.data < BEHIND_NAME)
		return false;
	if (is(name, "attempt", 7))
		return attempt(sift, name.data, end, name.data[sizeof("attempt\",\"level\":\"") - 1],
			       mark(name.data + 16, end));
	if (is(name, "accepted", 8))
		return accepted(sift, mark(name.data + 16, end));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (is(name, kept[i].name, kept[i].length))
			return true;
	}
	return false;
}
