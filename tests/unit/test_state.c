/*
 * tests/unit/test_state.c - states: what is encoded comes back, those of version 1 are read, what a later version wrote
 * is passed over or held as it asks, and no damaged or cut octets are taken for something else.
 */
#include "queue/state.h"

#include <errno.h>
#include <stdlib.h>

#include "queue/envelope.h"
#include "tests/unit/check.h"

static uint8_t buffer[STATE_SIZE_MAX];

static bool same(struct span span, const char *text)
{
	return span.length == strlen(text) && memcmp(span.data, text, span.length) == 0;
}

static int decode_copy(const uint8_t *data, size_t length, struct queue_state *out)
{
	uint8_t *copy = malloc(length ? length : 1);
	int result;

	memcpy(copy, data, length);
	result = queue_state_decode(copy, length, 77, out);
	free(copy);
	return result;
}

/* Pending, delivered, delivered, failed, pending, pending; the last three heard the same. */
static size_t encode_sample(uint8_t *out, size_t capacity)
{
	const struct state_reply later = {451, 6, span_text("4.3.0 try\nlater")}, never = {550, 6, span_text("5.1.1")};
	struct state_fate fate = {.status = RECIPIENT_PENDING, .attempts = 7, .due_wall_ns = UINT64_C(1) << 60};
	struct state_writer w;
	unsigned pending, delivered, failed;

	state_begin(&w, out, capacity);
	fate.reply = (uint16_t)state_add_reply(&w, &later);
	pending = state_add_fate(&w, &fate);
	delivered = state_add_fate(&w, &(struct state_fate){.status = RECIPIENT_DELIVERED, .attempts = 1});
	fate = (struct state_fate){RECIPIENT_FAILED, 2, (uint16_t)state_add_reply(&w, &never), 0, 0};
	failed = state_add_fate(&w, &fate);
	state_add(&w, pending, 1);
	state_add(&w, delivered, 1);
	state_add(&w, delivered, 1);
	state_add(&w, failed, 1);
	state_add(&w, pending, 2);
	return state_end(&w);
}

static void test_round_trip(void)
{
	static const unsigned runs[][2] = {{0, 1}, {1, 2}, {2, 1}, {0, 2}};
	struct state_cursor cursor;
	struct state_reply reply;
	struct state_fate fate;
	struct queue_state s;
	unsigned number, count;
	size_t length = encode_sample(buffer, sizeof(buffer));

	CHECK_EQ(queue_state_decode(buffer, length, 0, &s), 0);
	CHECK_EQ(s.recipients, 6);
	CHECK_EQ(s.fates, 3);
	CHECK(state_fate(&s, 0, &fate) && fate.status == RECIPIENT_PENDING && fate.attempts == 7);
	CHECK(fate.due_wall_ns == UINT64_C(1) << 60);
	CHECK(state_reply(&s, fate.reply, &reply) && reply.code == 451 && reply.stage == 6);
	CHECK(same(reply.text, "4.3.0 try\nlater"));
	CHECK(state_fate(&s, 1, &fate) && fate.status == RECIPIENT_DELIVERED && fate.attempts == 1 && fate.reply == 0);
	CHECK(state_fate(&s, 2, &fate) && fate.status == RECIPIENT_FAILED && fate.attempts == 2);
	CHECK(state_reply(&s, fate.reply, &reply) && reply.code == 550 && same(reply.text, "5.1.1"));
	CHECK(!state_fate(&s, 3, &fate) && !state_reply(&s, 0, &reply) && !state_reply(&s, 3, &reply));
	state_first(&s, &cursor);
	for (size_t i = 0; i < 4; i++) {
		CHECK(state_next(&cursor, &number, &count));
		CHECK_EQ(number, runs[i][0]);
		CHECK_EQ(count, runs[i][1]);
	}
	CHECK(!state_next(&cursor, &number, &count));
}

/* As queue/README.md has them. */
static void test_octets(void)
{
	static const char wanted[] = "\x02"
				     "\x01\x00\x07\x00\xc2\x01\x06\x00now"
				     "\x40\x80\x10\x00\x00\x00\x03\x00\x01\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01"
				     "\x02\x80\x04\x00\x02\x00\x00\x00";
	struct state_fate fate = {.attempts = 3, .reply = 1, .due_wall_ns = UINT64_C(0x0102030405060708)};
	struct state_writer w;

	state_begin(&w, buffer, sizeof(buffer));
	state_add_reply(&w, &(struct state_reply){450, 6, span_text("now")});
	state_add(&w, state_add_fate(&w, &fate), 2);
	CHECK_EQ(state_end(&w), sizeof(wanted) - 1);
	CHECK(memcmp(buffer, wanted, sizeof(wanted) - 1) == 0);
}

static void test_capacity(void)
{
	size_t length = encode_sample(buffer, sizeof(buffer));

	for (size_t capacity = 0; capacity <= length; capacity++) {
		uint8_t *out = malloc(capacity ? capacity : 1);
		CHECK_EQ(encode_sample(out, capacity), capacity == length ? length : 0);
		free(out);
	}
}

/* As many of everything as there can be, every recipient another fate than the one before: it fits a record. */
static void test_largest(void)
{
	static char text[STATE_REPLY_MAX + 100];
	struct state_cursor cursor;
	struct queue_state s;
	struct state_writer w;
	unsigned number, count, i;
	size_t length;

	state_begin(&w, buffer, sizeof(buffer));
	for (i = 1; i <= STATE_REPLIES_MAX; i++)
		CHECK_EQ(state_add_reply(&w, &(struct state_reply){.text = {text, sizeof(text)}}), i);
	CHECK_EQ(state_add_reply(&w, &(struct state_reply){.text = {text, 1}}), 0);
	for (i = 0; i < STATE_FATES_MAX; i++)
		CHECK_EQ(
			state_add_fate(&w, &(struct state_fate){.reply = (uint16_t)(i % 100), .attempts = (uint16_t)i}),
			i);
	for (i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
		state_add(&w, i % STATE_FATES_MAX, 1);
	length = state_end(&w);
	CHECK(length > 0 && length <= STATE_SIZE_MAX && STATE_SIZE_MAX <= 512 << 10);
	CHECK_EQ(queue_state_decode(buffer, length, 0, &s), 0);
	CHECK_EQ(s.recipients, ENVELOPE_RECIPIENTS_MAX);
	state_first(&s, &cursor);
	for (i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
		CHECK(state_next(&cursor, &number, &count) && number == i % STATE_FATES_MAX && count == 1);
	CHECK(!state_next(&cursor, &number, &count));
}

static void test_cut_and_changed(void)
{
	struct queue_state s;
	size_t length = encode_sample(buffer, sizeof(buffer));

	for (size_t n = 0; n < length; n++)
		CHECK_EQ(decode_copy(buffer, n, &s), -EBADMSG);
	for (size_t i = 0; i < length; i++) {
		uint8_t before = buffer[i];
		for (unsigned value = 0; value < 256; value++) {
			struct state_cursor cursor;
			struct state_fate fate;
			unsigned number, count, sum = 0;

			buffer[i] = (uint8_t)value;
			int result = queue_state_decode(buffer, length, 0, &s);
			CHECK(result == 0 || result == -EBADMSG || result == -ENOTSUP);
			if (result < 0)
				continue;
			for (state_first(&s, &cursor); state_next(&cursor, &number, &count); sum += count)
				CHECK(state_fate(&s, number, &fate) && fate.status <= RECIPIENT_ELSEWHERE);
			CHECK_EQ(sum, s.recipients);
		}
		buffer[i] = before;
	}
}

/* ---- fields of later versions ---- */

static void test_later_fields(void)
{
	enum { MUST = FIELD_MUST, MAP = 2 | MUST, FATE = 64 | MUST };
	static const char good[16], status_4[16] = {4}, reply_1[16] = {0, 0, 0, 0, 1};
	static const struct {
		const char *name;
		int result;
		struct {
			uint16_t tag;
			const char *value;
			size_t length;
		} pieces[4];
	} cases[] = {
		{"known only", 0, {{FATE, good, 16}, {MAP, "\1\0\0\0", 4}}},
		{"may be passed over", 0, {{9, "x", 1}, {FATE, good, 16}, {66, "b", 1}, {MAP, "\1\0\0\0", 4}}},
		{"must be understood", -ENOTSUP, {{9 | MUST, "x", 1}, {FATE, good, 16}, {MAP, "\1\0\0\0", 4}}},
		{"of a fate, must", -ENOTSUP, {{FATE, good, 16}, {68 | MUST, "\1", 1}, {MAP, "\1\0\0\0", 4}}},
		{"what was reported", 0, {{FATE, good, 16}, {65 | MUST, "\7", 1}, {MAP, "\1\0\0\0", 4}}},
		{"another report", -ENOTSUP, {{FATE, good, 16}, {65 | MUST, "\x10", 1}, {MAP, "\1\0\0\0", 4}}},
		{"a report of no fate", -EBADMSG, {{65 | MUST, "\1", 1}, {FATE, good, 16}, {MAP, "\1\0\0\0", 4}}},
		{"a long report", -EBADMSG, {{FATE, good, 16}, {65 | MUST, "\1\1", 2}, {MAP, "\1\0\0\0", 4}}},
		{"another status", -ENOTSUP, {{FATE, status_4, 16}, {MAP, "\1\0\0\0", 4}}},
		{"of no fate", -EBADMSG, {{66, "b", 1}, {FATE, good, 16}, {MAP, "\1\0\0\0", 4}}},
		{"a reply that is not there", -EBADMSG, {{FATE, reply_1, 16}, {MAP, "\1\0\0\0", 4}}},
		{"a fate that is not there", -EBADMSG, {{FATE, good, 16}, {MAP, "\1\0\1\0", 4}}},
		{"the map before its fate", -EBADMSG, {{MAP, "\1\0\0\0", 4}, {FATE, good, 16}}},
		{"a run of nobody", -EBADMSG, {{FATE, good, 16}, {MAP, "\0\0\0\0", 4}}},
		{"half a pair", -EBADMSG, {{FATE, good, 16}, {MAP, "\1\0\0\0\1", 5}}},
		{"too many", -EBADMSG, {{FATE, good, 16}, {MAP, "\xff\xff\0\0\1\0\0\0", 8}}},
		{"no map", -EBADMSG, {{FATE, good, 16}}},
		{"a short fate", -EBADMSG, {{FATE, good, 15}, {MAP, "\1\0\0\0", 4}}},
		{"a short reply", -EBADMSG, {{1, "\0\0\0", 3}, {FATE, good, 16}, {MAP, "\1\0\0\0", 4}}},
		{"a map in two fields", 0, {{FATE, good, 16}, {MAP, "\1\0\0\0", 4}, {MAP, "\2\0\0\0", 4}}},
	};
	struct queue_state s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct field_writer w = {.out = buffer, .length = 1, .capacity = sizeof(buffer)};
		buffer[0] = 2;
		for (size_t k = 0; k < 4 && cases[i].pieces[k].tag; k++)
			field_put(&w, cases[i].pieces[k].tag, cases[i].pieces[k].value, cases[i].pieces[k].length);
		int result = decode_copy(buffer, w.length, &s);
		CHECK_EQ(result, cases[i].result);
		if (result != cases[i].result)
			fprintf(stderr, "  %s\n", cases[i].name);
	}
	buffer[0] = 3;
	CHECK_EQ(decode_copy(buffer, 1, &s), -ENOTSUP);
	buffer[0] = 0;
	CHECK_EQ(decode_copy(buffer, 1, &s), -EBADMSG);
}

/* What was reported stands behind the fate that it is about, and takes nothing where nothing was. */
static void test_marks(void)
{
	static const uint8_t marks[] = {STATE_MARK_HELD, STATE_MARK_DELAY, 0, STATE_MARK_OWED | STATE_MARK_DELAY};
	struct state_fate fate;
	struct state_writer w;
	struct queue_state s;
	size_t length;

	state_begin(&w, buffer, sizeof(buffer));
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(state_add_fate(&w, &(struct state_fate){.attempts = (uint16_t)i, .marks = marks[i]}), i);
	for (unsigned i = 0; i < 4; i++)
		state_add(&w, i, 1);
	length = state_end(&w);
	CHECK_EQ(queue_state_decode(buffer, length, 0, &s), 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK(state_fate(&s, i, &fate) && fate.marks == marks[i] && fate.attempts == i);
	CHECK_EQ(length, 1 + 4 * (FIELD_HEADER + 16) + 3 * (FIELD_HEADER + 1) + FIELD_HEADER + 4 * 4);
}

/* From when on it is as old as it is: who does not know that passes it over, and it is older for him. */
static void test_age(void)
{
	static const char wanted[] = "\x02"
				     "\x03\x00\x08\x00\x08\x07\x06\x05\x04\x03\x02\x01";
	struct state_writer w;
	struct queue_state s;
	size_t length;

	state_begin(&w, buffer, sizeof(buffer));
	state_add_age(&w, UINT64_C(0x0102030405060708));
	state_add(&w, state_add_fate(&w, &(struct state_fate){.attempts = 1}), 1);
	length = state_end(&w);
	CHECK(memcmp(buffer, wanted, sizeof(wanted) - 1) == 0);
	CHECK_EQ(queue_state_decode(buffer, length, 0, &s), 0);
	CHECK(s.age_from_wall_ns == UINT64_C(0x0102030405060708));
	buffer[3] = 7;
	memmove(buffer + 12, buffer + 13, length - 13);
	CHECK_EQ(decode_copy(buffer, length - 1, &s), -EBADMSG);
}

/* ---- version 1 ---- */

static void test_version_1(void)
{
	static const char octets[] = "\x01\x00\x04\x00\x05\x00\x00\x00\x06\x00\x00\x00"
				     "\x00\x01\x02\x02"
				     "450 no";
	static const unsigned runs[][2] = {{RECIPIENT_PENDING, 1}, {RECIPIENT_DELIVERED, 1}, {RECIPIENT_FAILED, 2}};
	const size_t length = sizeof(octets) - 1;
	struct state_cursor cursor;
	struct state_reply reply;
	struct state_fate fate;
	struct queue_state s;
	unsigned number, count;

	memcpy(buffer, octets, length);
	CHECK_EQ(queue_state_decode(buffer, length, 77, &s), 0);
	CHECK_EQ(s.recipients, 4);
	state_first(&s, &cursor);
	for (size_t i = 0; i < 3; i++) {
		CHECK(state_next(&cursor, &number, &count) && number == runs[i][0] && count == runs[i][1]);
		CHECK(state_fate(&s, number, &fate) && fate.status == runs[i][0] && fate.attempts == 5);
		CHECK_EQ(fate.due_wall_ns, number == RECIPIENT_PENDING ? 77 : 0);
		if (number != RECIPIENT_DELIVERED)
			CHECK(state_reply(&s, fate.reply, &reply) && reply.code == 0 && same(reply.text, "450 no"));
	}
	CHECK(!state_next(&cursor, &number, &count));
	for (size_t n = 0; n < length + 4; n++)
		CHECK_EQ(decode_copy(buffer, n, &s), n == length ? 0 : -EBADMSG);
	for (unsigned value = 0; value < 256; value++) {
		buffer[13] = (uint8_t)value;
		CHECK_EQ(decode_copy(buffer, length, &s), value <= RECIPIENT_FAILED ? 0 : -EBADMSG);
	}
	memcpy(buffer, octets, length);
	buffer[6] = 1; /* more attempts than are told apart */
	CHECK_EQ(queue_state_decode(buffer, length, 77, &s), 0);
	CHECK(state_fate(&s, 0, &fate) && fate.attempts == UINT16_MAX);
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_octets);
	RUN(test_capacity);
	RUN(test_largest);
	RUN(test_cut_and_changed);
	RUN(test_later_fields);
	RUN(test_marks);
	RUN(test_age);
	RUN(test_version_1);
	return check_end();
}
