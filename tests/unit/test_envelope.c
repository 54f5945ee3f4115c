/*
 * tests/unit/test_envelope.c - envelopes and states: what is encoded comes back, and no damaged or cut octets are taken
 * for something else. Every buffer is malloc'd to size, so that AddressSanitizer sees an octet too far.
 */
#include "queue/envelope.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/check.h"

enum { BUFFER = 70000 };

static uint8_t buffer[BUFFER];

static bool same(struct span span, const char *text, size_t length)
{
	return span.length == length && memcmp(span.data, text, length) == 0;
}

static int decode_copy(const uint8_t *data, size_t length, struct envelope *out)
{
	uint8_t *copy = malloc(length ? length : 1);
	int result;

	memcpy(copy, data, length);
	result = envelope_decode(copy, length, out);
	free(copy);
	return result;
}

static size_t encode_sample(uint8_t *out, size_t capacity, const char *const *recipients, size_t count)
{
	struct envelope fields = {
		.flags = ENVELOPE_EIGHT_BIT,
		.destination = span_text("office365"),
		.client = span_text("printers"),
		.peer = span_text("192.0.2.7"),
		.helo = span_text("printer.example.org"),
		.sender = span_text("sender@example.org"),
	};
	struct envelope_writer writer;

	envelope_begin(&writer, out, capacity, &fields);
	for (size_t i = 0; i < count; i++)
		envelope_add_recipient(&writer, span_text(recipients[i]));
	return envelope_end(&writer);
}

static const char *const three[] = {"a@example.com", "\"q @ r\"@example.com", "c@example.net"};

static void test_round_trip(void)
{
	struct envelope_cursor cursor;
	struct envelope e;
	struct span recipient;
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	CHECK(length > 0);
	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK_EQ(e.flags, ENVELOPE_EIGHT_BIT);
	CHECK_EQ(e.recipients, 3);
	CHECK(same(e.destination, "office365", 9) && same(e.client, "printers", 8) && same(e.peer, "192.0.2.7", 9));
	CHECK(same(e.helo, "printer.example.org", 19) && same(e.sender, "sender@example.org", 18));
	envelope_first(&e, &cursor);
	for (int i = 0; i < 3; i++) {
		CHECK(envelope_next(&cursor, &recipient));
		CHECK(same(recipient, three[i], strlen(three[i])));
	}
	CHECK(!envelope_next(&cursor, &recipient));
}

/* Line ends, NULs and length octets in a field are only octets (PAR-03). */
static void test_any_octets(void)
{
	static const char evil[] = "a\r\nb\0\x01\x00z\xff";
	struct envelope fields = {.sender = {evil, sizeof(evil)}, .helo = {evil, sizeof(evil)}}, e;
	struct envelope_writer writer;
	struct envelope_cursor cursor;
	struct span recipient;
	size_t length;

	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_recipient(&writer, (struct span){evil, sizeof(evil)});
	envelope_add_recipient(&writer, (struct span){"", 0});
	length = envelope_end(&writer);
	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK(same(e.sender, evil, sizeof(evil)) && same(e.helo, evil, sizeof(evil)));
	CHECK(e.client.length == 0 && e.peer.length == 0 && e.destination.length == 0);
	envelope_first(&e, &cursor);
	CHECK(envelope_next(&cursor, &recipient) && same(recipient, evil, sizeof(evil)));
	CHECK(envelope_next(&cursor, &recipient) && recipient.length == 0);
	CHECK(!envelope_next(&cursor, &recipient));
}

static void test_long_fields_are_cut(void)
{
	static char text[300];
	struct envelope fields = {.client = {text, 300}, .peer = {text, 255}, .helo = {text, 256}}, e;
	struct envelope_writer writer;
	size_t length;

	memset(text, 'x', sizeof(text));
	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_recipient(&writer, span_text("r@example.com"));
	length = envelope_end(&writer);
	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK_EQ(e.client.length, 255);
	CHECK_EQ(e.peer.length, 255);
	CHECK_EQ(e.helo.length, 255);
	CHECK_EQ(e.recipients, 1);
}

/* Exactly enough room works, one octet less is refused, at every size below too. */
static void test_capacity(void)
{
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	for (size_t capacity = 0; capacity <= length; capacity++) {
		uint8_t *out = malloc(capacity ? capacity : 1);
		CHECK_EQ(encode_sample(out, capacity, three, 3), capacity == length ? length : 0);
		free(out);
	}
}

static void test_recipient_limit(void)
{
	const size_t room = 16 + 2 * (ENVELOPE_RECIPIENTS_MAX + 1);
	struct envelope none = {0}, e;
	struct envelope_writer writer;
	uint8_t *out = malloc(room);
	size_t length;

	envelope_begin(&writer, out, room, &none);
	for (unsigned i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
		envelope_add_recipient(&writer, (struct span){"", 0});
	length = envelope_end(&writer);
	CHECK(length > 0);
	CHECK_EQ(envelope_decode(out, length, &e), 0);
	CHECK_EQ(e.recipients, ENVELOPE_RECIPIENTS_MAX);
	envelope_add_recipient(&writer, (struct span){"", 0});
	CHECK_EQ(envelope_end(&writer), 0);
	free(out);
}

static void test_recipient_too_long(void)
{
	static char text[UINT16_MAX + 1];
	struct envelope none = {0};
	struct envelope_writer writer;
	static uint8_t out[2 * sizeof(text)];

	envelope_begin(&writer, out, sizeof(out), &none);
	envelope_add_recipient(&writer, (struct span){text, UINT16_MAX});
	CHECK(envelope_end(&writer) > UINT16_MAX);
	envelope_add_recipient(&writer, (struct span){text, UINT16_MAX + 1});
	CHECK_EQ(envelope_end(&writer), 0);
}

static void test_cut_and_extended(void)
{
	struct envelope e;
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	for (size_t n = 0; n < length; n++)
		CHECK_EQ(decode_copy(buffer, n, &e), -EBADMSG);
	for (size_t extra = 1; extra < 5; extra++) {
		memset(buffer + length, 0, extra);
		CHECK_EQ(decode_copy(buffer, length + extra, &e), -EBADMSG);
	}
}

/* Lengths that lie never lead outside, and what is still accepted is consistent in itself. */
static void test_changed_octets(void)
{
	struct envelope e;
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	for (size_t i = 0; i < length; i++) {
		uint8_t before = buffer[i];
		for (unsigned value = 0; value < 256; value++) {
			buffer[i] = (uint8_t)value;
			int result = decode_copy(buffer, length, &e);
			CHECK(result == 0 || result == -EBADMSG);
			if (i == 0)
				CHECK_EQ(result, value == before ? 0 : -EBADMSG);
			if (result == 0)
				CHECK_EQ(10 + e.destination.length + e.client.length + e.peer.length + e.helo.length +
						 e.sender.length + e.recipient_length,
					 length);
		}
		buffer[i] = before;
	}
}

/* ---- states ---- */

static void test_state_round_trip(void)
{
	static const uint8_t statuses[] = {RECIPIENT_PENDING, RECIPIENT_DELIVERED, RECIPIENT_FAILED, RECIPIENT_PENDING};
	struct queue_state state = {.attempts = 0x12345678, .recipients = 4, .statuses = statuses}, out;
	size_t length;

	state.reply = span_text("451 4.3.0 try\nlater");
	length = queue_state_encode(buffer, &state);
	CHECK_EQ(length, STATE_HEADER + 4 + state.reply.length);
	CHECK_EQ(queue_state_decode(buffer, length, &out), 0);
	CHECK_EQ(out.attempts, 0x12345678);
	CHECK_EQ(out.recipients, 4);
	CHECK(memcmp(out.statuses, statuses, 4) == 0);
	CHECK(same(out.reply, state.reply.data, state.reply.length));
}

static void test_state_reply_is_cut(void)
{
	static char text[STATE_REPLY_MAX + 100];
	static const uint8_t statuses[1];
	struct queue_state state = {.recipients = 1, .statuses = statuses, .reply = {text, sizeof(text)}}, out;
	uint8_t *room = malloc(STATE_HEADER + 1 + STATE_REPLY_MAX);
	size_t length = queue_state_encode(room, &state);

	CHECK_EQ(length, STATE_HEADER + 1 + STATE_REPLY_MAX);
	CHECK_EQ(queue_state_decode(room, length, &out), 0);
	CHECK_EQ(out.reply.length, STATE_REPLY_MAX);
	free(room);
}

static void test_state_damaged(void)
{
	static const uint8_t statuses[] = {RECIPIENT_PENDING, RECIPIENT_FAILED};
	struct queue_state state = {.attempts = 3, .recipients = 2, .statuses = statuses}, out;
	size_t length;

	state.reply = span_text("450 no");
	length = queue_state_encode(buffer, &state);
	for (size_t n = 0; n < length + 4; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, buffer, n);
		CHECK_EQ(queue_state_decode(copy, n, &out), n == length ? 0 : -EBADMSG);
		free(copy);
	}
	buffer[0] = 2;
	CHECK_EQ(queue_state_decode(buffer, length, &out), -EBADMSG);
	buffer[0] = 1;
	for (unsigned value = 0; value < 256; value++) {
		buffer[STATE_HEADER + 1] = (uint8_t)value;
		CHECK_EQ(queue_state_decode(buffer, length, &out), value <= RECIPIENT_FAILED ? 0 : -EBADMSG);
	}
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_any_octets);
	RUN(test_long_fields_are_cut);
	RUN(test_capacity);
	RUN(test_recipient_limit);
	RUN(test_recipient_too_long);
	RUN(test_cut_and_extended);
	RUN(test_changed_octets);
	RUN(test_state_round_trip);
	RUN(test_state_reply_is_cut);
	RUN(test_state_damaged);
	return check_end();
}
