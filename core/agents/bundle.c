/*
 * core/agents/bundle.c - see bundle.h. The form is ustar (POSIX.1-1988), which every tar reads.
 */
#include "core/agents/bundle.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "core/agents/bundle_hidden.h"
#include "core/config/config.h"

enum { BLOCK = 512, GZIP_WINDOW = 15 + 16, GZIP_LEVEL = 6, GZIP_MEMORY = 8, FACT_MAX = 16 << 10 };

struct bundle {
	char *tar; /* owned; so far */
	size_t length, room;
	bool failed;
	struct hidden_words *hidden; /* owned */
	int64_t now_s;
};

const struct bundle_part bundle_parts[] = {
	{"status.json", "/v1/status"},
	{"stats.json", "/v1/stats"},
	{"resources.json", "/v1/resources"},
	{"incidents.json", "/v1/incidents"},
	{"errors.json", "/v1/errors"},
	{"suspensions.json", "/v1/suspensions"},
	{"queue-summary.json", "/v1/queue/summary"},
	{NULL, NULL},
};

static const char readme[] =
	"What is known of a postrider relay, to be sent to whoever looks into it. Texts; look through them before.\n\n"
	"Not in it: passwords, tokens, keys, hashes, programs' arguments, what follows the host in URLs, and contents "
	"of\n"
	"mail. [left out] stands in their place.\n\n"
	"In it: names of hosts, mailboxes and devices, and, in events.jsonl and errors.json, addresses of senders and\n"
	"recipients, addresses of clients, and what next hops have replied.\n";

/* ---- tar -------------------------------------------------------------------------------------------------------- */

static bool make_room(struct bundle *b, size_t more)
{
	size_t room = b->room ? b->room : 256 << 10;
	char *larger;

	if (b->failed)
		return false;
	while (room - b->length < more)
		room *= 2;
	larger = room == b->room ? b->tar : realloc(b->tar, room);
	b->failed = !larger;
	if (larger) {
		b->tar = larger;
		b->room = room;
	}
	return larger;
}

/* Places and sizes of fields: POSIX.1-2017, pax, ustar Interchange Format. */
static void put_header(struct bundle *b, const char *name, size_t length)
{
	char *h = b->tar + b->length;
	unsigned sum = 0;

	memset(h, 0, BLOCK);
	snprintf(h, 100, "postrider/%s", name);
	snprintf(h + 100, 8, "%07o", 0600u);
	snprintf(h + 108, 8, "%07o", 0u);
	snprintf(h + 116, 8, "%07o", 0u);
	snprintf(h + 124, 12, "%011llo", (unsigned long long)length);
	snprintf(h + 136, 12, "%011llo", (unsigned long long)b->now_s);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	snprintf(h + 265, 32, "root");
	snprintf(h + 297, 32, "root");
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	b->length += BLOCK;
}

static void put_member(struct bundle *b, const char *name, const char *text, size_t length)
{
	size_t padding = (BLOCK - length % BLOCK) % BLOCK;

	if (!make_room(b, BLOCK + length + padding))
		return;
	put_header(b, name, length);
	memcpy(b->tar + b->length, text, length);
	memset(b->tar + b->length + length, 0, padding);
	b->length += length + padding;
}

void bundle_add(struct bundle *b, const char *name, const char *text, size_t length)
{
	static const char none[] = "it is not there\n", cut[] = "\n[left out: it is longer]\n";
	size_t left = BUNDLE_OCTETS_MAX - (b->length < BUNDLE_OCTETS_MAX ? b->length : BUNDLE_OCTETS_MAX);
	size_t most = left < BUNDLE_MEMBER_MAX ? left : BUNDLE_MEMBER_MAX;
	bool longer;
	char *bare;

	if (!text) {
		put_member(b, name, none, sizeof(none) - 1);
		return;
	}
	bare = hidden_words_out(b->hidden, text, &length);
	longer = length > most;
	/* It is cut behind that, so that no half of a word is left. */
	if (bare && longer) {
		length = most;
		memcpy(bare + length, cut, sizeof(cut));
		length += sizeof(cut) - 1;
	}
	if (bare)
		put_member(b, name, bare, length);
	else
		b->failed = true;
	free(bare);
}

/* ---- what it has by itself -------------------------------------------------------------------------------------- */

static void add_text(struct bundle *b, const char *name, char *text, size_t length)
{
	bundle_add(b, name, text, length);
	free(text);
}

static void add_configuration(struct bundle *b, const char *file)
{
	struct config_problems *problems = malloc(sizeof(*problems));
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	struct config *config = NULL;

	if (out && problems) {
		config = config_load_bare(file, problems, out);
		for (unsigned i = 0; i < problems->count; i++)
			fprintf(out, "# %s\n", problems->list[i].text);
	}
	b->failed |= !out || !problems;
	if (config)
		hidden_words_of(b->hidden, config);
	hidden_words_read(b->hidden);
	if (out && fclose(out) != 0)
		b->failed = true;
	add_text(b, "configuration.txt", text, length);
	config_free(config);
	free(problems);
}

static void put_file(FILE *out, const char *path)
{
	FILE *in = fopen(path, "re");
	char line[512];
	size_t octets = 0;

	fprintf(out, "\n==> %s\n", path);
	while (in && octets < FACT_MAX && fgets(line, sizeof(line), in)) {
		fputs(line, out);
		octets += strlen(line);
	}
	if (in)
		(void)fclose(in);
	else
		fputs("it cannot be read\n", out);
}

static void put_limits(FILE *out)
{
	static const struct {
		int resource;
		const char *name;
	} limits[] = {{RLIMIT_NOFILE, "open files"}, {RLIMIT_MEMLOCK, "locked memory"}, {RLIMIT_CORE, "core"}};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (getrlimit((__rlimit_resource_t)limits[i].resource, &limit) == 0)
			fprintf(out, "limit of %s: %llu of %llu\n", limits[i].name, (unsigned long long)limit.rlim_cur,
				(unsigned long long)limit.rlim_max);
	}
}

static void add_machine(struct bundle *b)
{
	static const char *const files[] = {"/etc/os-release",
					    "/proc/loadavg",
					    "/proc/meminfo",
					    "/proc/pressure/io",
					    "/proc/pressure/memory",
					    "/proc/sys/kernel/io_uring_disabled",
					    "/proc/sys/kernel/random/entropy_avail"};
	struct utsname kernel;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out) {
		b->failed = true;
		return;
	}
	fprintf(out, "postrider %s\n", POSTRIDER_VERSION);
	if (uname(&kernel) == 0)
		fprintf(out, "%s %s %s %s\n", kernel.sysname, kernel.release, kernel.version, kernel.machine);
	fprintf(out, "processors: %ld\nuser: %u\n", sysconf(_SC_NPROCESSORS_ONLN), (unsigned)geteuid());
	put_limits(out);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_file(out, files[i]);
	if (fclose(out) != 0)
		b->failed = true;
	add_text(b, "machine.txt", text, length);
}

struct bundle *bundle_new(void)
{
	struct bundle *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->now_s = (int64_t)time(NULL);
	b->hidden = hidden_words_new();
	if (!b->hidden) {
		free(b);
		return NULL;
	}
	return b;
}

void bundle_hide(struct bundle *b, const struct config *config)
{
	hidden_words_of(b->hidden, config);
}

void bundle_begin(struct bundle *b, const char *config_file)
{
	put_member(b, "README.txt", readme, sizeof(readme) - 1);
	add_configuration(b, config_file);
	add_machine(b);
}

void bundle_free(struct bundle *b)
{
	if (!b)
		return;
	hidden_words_free(b->hidden);
	free(b->tar);
	free(b);
}

/* ---- packed ----------------------------------------------------------------------------------------------------- */

char *bundle_end(struct bundle *b, size_t *length)
{
	z_stream stream = {.avail_in = 0};
	char *out = NULL;
	uLong room;

	/* Two blocks of zeros are the end. */
	if (!make_room(b, 2 * (size_t)BLOCK) ||
	    deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	memset(b->tar + b->length, 0, 2 * (size_t)BLOCK);
	b->length += 2 * (size_t)BLOCK;
	room = deflateBound(&stream, (uLong)b->length);
	out = malloc(room);
	stream.next_in = (unsigned char *)b->tar;
	stream.avail_in = (uInt)b->length;
	stream.next_out = (unsigned char *)out;
	stream.avail_out = (uInt)room;
	if (out && deflate(&stream, Z_FINISH) != Z_STREAM_END) {
		free(out);
		out = NULL;
	}
	*length = stream.total_out;
	(void)deflateEnd(&stream);
	b->failed = true;
	return out;
}

void bundle_name(char out[BUNDLE_NAME])
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(out, BUNDLE_NAME, "postrider-%Y%m%dT%H%M%SZ.tar.gz", &tm);
}
