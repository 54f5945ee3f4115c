/*
 * tests/unit/test_suppression.c - the list of addresses that no mail goes to: names, the set, the file, and both while
 * others ask.
 */
#include "core/agents/suppression.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/suppression_file.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "tests/unit/check.h"

enum { MANY = 1000000, WAIT_MS = 20000 };

static char directory[] = "/tmp/postrider-suppression-XXXXXX", path[64];

/* Case and needless quotes do not count; a domain is known by its A-labels; tags and dots of a provider's count. */
static void test_names(void)
{
	static const struct {
		const char *address, *name; /* "": it is none */
	} table[] = {
		{"User@Example.ORG", "user@example.org"},
		{"\"User\"@example.org", "user@example.org"},
		{"\"a\\\"b\"@example.org", "a\"b@example.org"},
		{"\"a b\"@example.org", "a b@example.org"},
		{"user+tag@example.org", "user+tag@example.org"},
		{"u.s.e.r@example.org.", "u.s.e.r@example.org"},
		{"user@b\xc3\xbc"
		 "cher.example",
		 "user@xn--bcher-kva.example"},
		{"USER@XN--BCHER-KVA.example", "user@xn--bcher-kva.example"},
		{"M\xc3\xbcller@example.org", "m\xc3\xbcller@example.org"},
		{"a@b@example.org", "a@b@example.org"},
		{"postmaster", ""},
		{"@example.org", ""},
		{"user@", ""},
		{"user@.", ""},
		{"", ""},
		{"a\tb@example.org", ""},
		{"a\nb@example.org", ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char name[SMTP_PATH_MAX + 1];
		size_t length = suppressed_name(span_text(table[i].address), name);
		name[length] = '\0';
		CHECK_STR(name, table[i].name);
	}
}

static struct span number(unsigned i, char out[64])
{
	return (struct span){out, (uint32_t)snprintf(out, 64, "user%u@example.org", i)};
}

static void test_set(void)
{
	struct suppressed s;
	char text[64];

	suppressed_init(&s, 7);
	CHECK_EQ(suppressed_find(&s, 0, span_text("a@example.org")), SUPPRESSION_NONE);
	for (unsigned i = 0; i < MANY; i++)
		CHECK(suppressed_add(&s, number(i, text), SUPPRESSION_MANUAL + i % 4));
	CHECK_EQ(suppressed_count(&s), MANY);
	/* For a million: what is written in suppressed.h. */
	CHECK(suppressed_octets(&s) < 18u << 20);
	for (unsigned i = 0; i < 2 * MANY; i += 17)
		CHECK_EQ(suppressed_find(&s, 63, number(i, text)),
			 i < MANY ? SUPPRESSION_MANUAL + i % 4 : SUPPRESSION_NONE);
	/* Another reason takes the place of the first. */
	CHECK(suppressed_add(&s, number(5, text), SUPPRESSION_COMPLAINT));
	CHECK_EQ(suppressed_count(&s), MANY);
	CHECK_EQ(suppressed_find(&s, 1, number(5, text)), SUPPRESSION_COMPLAINT);
	/* What comes and goes takes no more room than what is there. */
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < MANY / 2; i++)
			suppressed_remove(&s, number(i, text));
		CHECK_EQ(suppressed_count(&s), MANY / 2);
		CHECK_EQ(suppressed_find(&s, 1, number(6, text)), SUPPRESSION_NONE);
		for (unsigned i = 0; i < MANY / 2; i++)
			CHECK(suppressed_add(&s, number(i, text), SUPPRESSION_BOUNCE));
	}
	suppressed_remove(&s, span_text("nobody@example.org"));
	CHECK_EQ(suppressed_count(&s), MANY);
	CHECK(suppressed_octets(&s) < 35u << 20);
	suppressed_deinit(&s);
}

static bool span_equal(struct span a, struct span b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static void test_lines(void)
{
	static const struct {
		const char *line;
		bool good;
	} table[] = {
		{"+ 2026-11-27T21:03:44Z bounce user@example.org", true},
		{"- 2026-11-27T21:03:44Z manual user@example.org", true},
		{"+ 2026-11-27T21:03:44Z bounce a b@example.org\t550 5.1.1 no", true},
		{"+ 2026-11-27 bounce user@example.org", true},
		{"+ 2026-11-27 bounce user@example.org\r", true},
		{"\xef\xbb\xbf+ 2026-11-27 bounce user@example.org", true},
		{"+ 2026-11-27 bounce user@example.org\r\r", false},
		{"* 2026-11-27T21:03:44Z bounce user@example.org", false},
		{"+ yesterday bounce user@example.org", false},
		{"+ 2026-11-27T21:03:44Z whim user@example.org", false},
		{"+ 2026-11-27T21:03:44Z bounce ", false},
		{"+ 2026-11-27T21:03:44Z bounce", false},
		{"+ 2026-11-27T21:03:44Z bounce User@example.org", false},
		{"+ 2026-11-27T21:03:44Z bounce user@example.org\x01", false},
		{"+ 2026-11-27T21:03:44Z bounce user", false},
		{"+", false},
		{"", false},
	};
	struct suppression_entry entry = {.wall_s = 1795813424,
					  .reason = SUPPRESSION_BOUNCE,
					  .address = span_text("a b@example.org"),
					  .note = span_text("550\r\nno\tone")},
				 again;
	char line[SUPPRESSION_LINE_MAX], note[2 * SUPPRESSION_NOTE_MAX];
	size_t length = suppression_format(&entry, line);

	CHECK(suppression_parse((struct span){line, (uint32_t)length - 1}, &again));
	CHECK_EQ(again.wall_s, entry.wall_s);
	CHECK(span_equal(again.address, entry.address));
	CHECK(span_equal(again.note, span_text("550  no one")));
	memset(note, 'x', sizeof(note));
	entry.note = (struct span){note, sizeof(note)};
	CHECK(suppression_format(&entry, line) < SUPPRESSION_LINE_MAX);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_EQ(suppression_parse(span_text(table[i].line), &again), table[i].good);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static void append_one(const char *address, bool removed)
{
	const struct suppression_entry entry = {
		.removed = removed, .wall_s = 1795813424, .reason = SUPPRESSION_MANUAL, .address = span_text(address)};
	char line[SUPPRESSION_LINE_MAX];

	CHECK_EQ(suppression_append(path, line, suppression_format(&entry, line)), 0);
}

/* The first, and the other added and removed in turn, at once: in the end both are there. */
static void append_pair(const char *first, const char *address, unsigned times)
{
	char *text = malloc((size_t)times * SUPPRESSION_LINE_MAX);
	size_t length = 0;

	CHECK(text != NULL);
	for (unsigned i = 0; text && i < times; i++) {
		const struct suppression_entry entry = {.removed = i > 0 && i + 1 < times && i % 2 == 0,
							.wall_s = 1795813424,
							.reason = SUPPRESSION_MANUAL,
							.address = span_text(i == 0 ? first : address)};
		length += suppression_format(&entry, text + length);
	}
	CHECK_EQ(suppression_append(path, text, length), 0);
	free(text);
}

static void append_often(const char *address, unsigned times)
{
	append_pair(address, address, times);
}

static void collect(void *context, const struct suppression_entry *entry)
{
	char *out = context;
	size_t n = strlen(out);

	snprintf(out + n, 1000 - n, "%.*s ", (int)entry->address.length, entry->address.data);
}

static const char *listed(void)
{
	static char out[1000];

	out[0] = '\0';
	CHECK_EQ(suppression_list(path, collect, out), 0);
	return out;
}

static long size_of(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

/* The last line of an address counts; half a line is none, and does no harm to what is appended behind it. */
static void test_file(void)
{
	char out[1000] = "";
	size_t live;
	FILE *f;

	CHECK_EQ(suppression_list(path, collect, out), -ENOENT);
	append_one("a@example.org", false);
	append_one("b@example.org", false);
	append_one("a@example.org", true);
	append_one("c@example.org", false);
	CHECK_STR(listed(), "b@example.org c@example.org ");
	f = fopen(path, "a");
	CHECK(f && fputs("+ 2026-11-27T21:03:44Z manual half", f) >= 0 && fclose(f) == 0);
	CHECK_STR(listed(), "b@example.org c@example.org ");
	append_one("d@example.org", false);
	append_one("a@example.org", false);
	CHECK_STR(listed(), "b@example.org c@example.org d@example.org a@example.org ");
	/* Worth it only where most of the lines are of no use. */
	long before = size_of();
	CHECK_EQ(suppression_compact(path, &live), 0);
	CHECK_EQ(live, 4);
	CHECK_EQ(size_of(), before);
	append_often("b@example.org", 1100);
	CHECK_EQ(suppression_compact(path, &live), 0);
	CHECK_EQ(live, 4);
	CHECK(size_of() < before);
	CHECK_STR(listed(), "c@example.org d@example.org a@example.org b@example.org ");
	CHECK_EQ(unlink(path), 0);
}

static void write_text(const char *how, const char *text, size_t length)
{
	FILE *f = fopen(path, how);

	CHECK(f && fwrite(text, 1, length, f) == length && fclose(f) == 0);
}

static bool stands(const char *wanted)
{
	char *text = malloc(1 << 20);
	FILE *f = fopen(path, "r");
	bool there = false;

	if (text && f) {
		text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
		there = strstr(text, wanted) != NULL;
	}
	if (f)
		CHECK(fclose(f) == 0);
	free(text);
	return there;
}

/* Saved by an editor of another system it is the same list. What is none of ours is neither read nor lost, whether the
 * file is appended to or written anew. */
static void test_by_hand(void)
{
	static const char saved[] = "\xef\xbb\xbfpostrider-suppressed 1\r\n"
				    "+ 2026-11-27T21:03:44Z bounce a@example.org\r\n"
				    "b@example.org\r\n"
				    "+ 2026-11-27T21:03:44Z manual c@example.org\tsaid so\r\n";
	static const char bare[] = "someone@example.org";
	size_t live;

	write_text("w", saved, sizeof(saved) - 1);
	CHECK_STR(listed(), "a@example.org c@example.org ");
	append_often("d@example.org", 1101);
	CHECK_EQ(suppression_compact(path, &live), 0);
	CHECK_EQ(live, 3);
	CHECK_STR(listed(), "a@example.org c@example.org d@example.org ");
	CHECK(size_of() < 1000 && stands("\nb@example.org\r\n") && !stands("\xef\xbb\xbfpost"));
	CHECK_EQ(unlink(path), 0);
	/* A line that was begun by whoever: it stays, and the next one is whole. */
	write_text("w", bare, sizeof(bare) - 1);
	append_one("e@example.org", false);
	CHECK_STR(listed(), "e@example.org ");
	CHECK(stands("someone@example.org\n"));
	CHECK_EQ(unlink(path), 0);
	/* But a head that a crash cut off is made anew. */
	write_text("w", "postrider-supp", 14);
	append_one("e@example.org", false);
	CHECK(stands("postrider-suppressed 1\n") && !stands("postrider-supp\n"));
	CHECK_EQ(unlink(path), 0);
}

/* A piece of zeros, as a file system may leave it, is one line that is none, and ends none of the others. */
static void test_garbage(void)
{
	static char zeros[3 << 20];
	struct log *log = log_new(0, 1 << 16);
	struct suppression *s;
	size_t live;

	append_one("a@example.org", false);
	write_text("a", zeros, sizeof(zeros));
	append_one("b@example.org", false);
	CHECK_STR(listed(), "a@example.org b@example.org ");
	s = suppression_start(directory, log);
	CHECK(s != NULL);
	if (s) {
		CHECK_EQ(suppression_find(s, 0, span_text("a@example.org")), SUPPRESSION_MANUAL);
		CHECK_EQ(suppression_find(s, 0, span_text("b@example.org")), SUPPRESSION_MANUAL);
		suppression_stop(s);
	}
	append_often("a@example.org", 1101);
	CHECK_EQ(suppression_compact(path, &live), 0);
	CHECK_EQ(live, 2);
	CHECK(size_of() < 1000);
	CHECK_EQ(unlink(path), 0);
	log_free(log);
}

/* Who adds one after the other has all of it read a few times only; a list that is short not at all. */
static void test_due(void)
{
	static const char line[] = "+ 2026-11-27T21:03:44Z manual somebody.with.a.name@example.org\n";
	char *many = malloc(1000 * (sizeof(line) - 1));
	unsigned due = 0;

	CHECK(many != NULL);
	for (unsigned i = 0; many && i < 1000; i++)
		memcpy(many + i * (sizeof(line) - 1), line, sizeof(line) - 1);
	CHECK(suppression_is_due(path, 100));
	CHECK_EQ(suppression_append(path, line, sizeof(line) - 1), 0);
	CHECK(!suppression_is_due(path, sizeof(line) - 1));
	for (unsigned i = 0; many && i < 200; i++) {
		CHECK_EQ(suppression_append(path, many, 1000 * (sizeof(line) - 1)), 0);
		due += suppression_is_due(path, 1000 * (sizeof(line) - 1));
	}
	/* 12 MB: at each 64 KiB in the beginning, at each MiB in the end. */
	CHECK(due >= 20 && due <= 40);
	CHECK(suppression_is_due(path, 200 * 1000 * (sizeof(line) - 1)));
	CHECK_EQ(unlink(path), 0);
	free(many);
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

static enum suppression_reason found(struct suppression *s, const char *address)
{
	return suppression_find(s, 0, span_text(address));
}

static bool becomes(struct suppression *s, const char *address, enum suppression_reason reason)
{
	for (unsigned ms = 0; ms < WAIT_MS && found(s, address) != reason; ms += 10)
		usleep(10000);
	return found(s, address) == reason;
}

static void test_kept(void)
{
	struct log *log = log_new(0, 1 << 16);
	struct suppression *s = suppression_start(directory, log);
	uint64_t wall_ns = clock_wall_ns();
	size_t live;

	CHECK(s != NULL);
	if (!s)
		return;
	CHECK_EQ(found(s, "a@example.org"), SUPPRESSION_NONE);
	CHECK(!suppression_grew_since(s, wall_ns));
	append_one("a@example.org", false);
	CHECK(becomes(s, "A@EXAMPLE.org", SUPPRESSION_MANUAL));
	CHECK(suppression_grew_since(s, wall_ns));
	suppression_add(s, span_text("B@example.org"), SUPPRESSION_BOUNCE, span_text("550 5.1.1 no\nsuch"));
	suppression_add(s, span_text("nonsense"), SUPPRESSION_BOUNCE, span_text(""));
	CHECK(becomes(s, "b@example.org", SUPPRESSION_BOUNCE));
	CHECK_STR(listed(), "a@example.org b@example.org ");
	append_one("a@example.org", true);
	CHECK(becomes(s, "a@example.org", SUPPRESSION_NONE));
	/* Written anew, it is another file, and all of it counts. */
	append_often("c@example.org", 2000);
	CHECK_EQ(suppression_compact(path, &live), 0);
	CHECK(becomes(s, "c@example.org", SUPPRESSION_MANUAL));
	CHECK_EQ(found(s, "b@example.org"), SUPPRESSION_BOUNCE);
	/* So is one that got the number which a file system had for the former. */
	CHECK_EQ(unlink(path), 0);
	append_pair("first@example.org", "c@example.org", 4000);
	CHECK(becomes(s, "first@example.org", SUPPRESSION_MANUAL));
	CHECK(becomes(s, "b@example.org", SUPPRESSION_NONE));
	/* Without its file it stays as it is. What was to be added last is written before the end. */
	CHECK_EQ(unlink(path), 0);
	suppression_add(s, span_text("d@example.org"), SUPPRESSION_BOUNCE, span_text(""));
	suppression_stop(s);
	CHECK_STR(listed(), "d@example.org ");
	s = suppression_start(directory, log);
	CHECK_EQ(found(s, "d@example.org"), SUPPRESSION_BOUNCE);
	suppression_stop(s);
	CHECK_EQ(unlink(path), 0);
	log_free(log);
}

/* Nobody is sent mail because his list could not be read: a directory stands for what the system refuses to read. */
static void test_unread(void)
{
	struct log *log = log_new(0, 1 << 16);

	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK(suppression_start(directory, log) == NULL);
	CHECK_EQ(rmdir(path), 0);
	log_free(log);
}

struct asking {
	struct suppressed *set;
	unsigned reader;
	_Atomic(bool) *over;
	unsigned long asked, wrong;
};

static void *ask(void *context)
{
	struct asking *a = context;
	char text[64];

	while (!atomic_load(a->over)) {
		/* The first thousand are there at all times. */
		a->wrong += suppressed_find(a->set, a->reader, number((unsigned)(a->asked++ % 1000), text)) !=
			    SUPPRESSION_MANUAL;
		a->wrong += suppressed_find(a->set, a->reader, span_text("nobody@example.org")) != SUPPRESSION_NONE;
	}
	return NULL;
}

/* Tables grow, and are replaced as a whole, under those who ask. */
static void test_asked_meanwhile(void)
{
	struct asking asking[3];
	_Atomic(bool) over = false;
	struct suppressed s, next;
	pthread_t threads[3];
	char text[64];

	suppressed_init(&s, 7);
	for (unsigned i = 0; i < 1000; i++)
		CHECK(suppressed_add(&s, number(i, text), SUPPRESSION_MANUAL));
	for (unsigned i = 0; i < 3; i++) {
		asking[i] = (struct asking){&s, i, &over, 0, 0};
		CHECK_EQ(pthread_create(&threads[i], NULL, ask, &asking[i]), 0);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 1000; i < 20000; i++)
			CHECK(suppressed_add(&s, number(i, text), SUPPRESSION_BOUNCE));
		suppressed_init(&next, 7);
		for (unsigned i = 0; i < 1000; i++)
			CHECK(suppressed_add(&next, number(i, text), SUPPRESSION_MANUAL));
		suppressed_take(&s, &next);
		suppressed_deinit(&next);
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
		CHECK_EQ(asking[i].wrong, 0);
	}
	suppressed_deinit(&s);
}

int main(void)
{
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/suppressed", directory);
	RUN(test_names);
	RUN(test_set);
	RUN(test_lines);
	RUN(test_file);
	RUN(test_by_hand);
	RUN(test_garbage);
	RUN(test_due);
	RUN(test_kept);
	RUN(test_unread);
	RUN(test_asked_meanwhile);
	CHECK_EQ(rmdir(directory), 0);
	return check_end();
}
