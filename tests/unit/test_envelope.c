/*
 * tests/unit/test_envelope.c - envelopes: what is encoded comes back, those of version 1 are read, fields of later
 * versions are passed over or held as they ask, and no damaged or cut octets are taken for something else. Every buffer
 * is malloc'd to size, so that AddressSanitizer sees an octet too far.
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

struct sample {
	unsigned destination;
	const char *address;
};

static const struct sample three[] = {{0, "a@example.com"}, {2, "\"q @ r\"@example.com"}, {1, "c@example.net"}};

static size_t encode_sample(uint8_t *out, size_t capacity, const struct sample *recipients, size_t count)
{
	struct envelope fields = {
		.flags = ENVELOPE_EIGHT_BIT,
		.client = span_text("printers"),
		.peer = span_text("192.0.2.7"),
		.helo = span_text("printer.example.org"),
		.sender = span_text("sender@example.org"),
	};
	struct envelope_writer writer;

	envelope_begin(&writer, out, capacity, &fields);
	envelope_add_destination(&writer, span_text("office365"));
	envelope_add_destination(&writer, span_text("partner"));
	envelope_add_destination(&writer, span_text("internet"));
	for (size_t i = 0; i < count; i++)
		envelope_add_recipient(&writer, recipients[i].destination, span_text(recipients[i].address));
	return envelope_end(&writer);
}

static void check_recipients(const struct envelope *e, const struct sample *wanted, unsigned count)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;

	CHECK_EQ(e->recipients, count);
	envelope_first(e, &cursor);
	for (unsigned i = 0; i < count; i++) {
		CHECK(envelope_next(&cursor, &recipient));
		CHECK(same(recipient.address, wanted[i].address, strlen(wanted[i].address)));
		CHECK_EQ(recipient.destination, wanted[i].destination);
	}
	CHECK(!envelope_next(&cursor, &recipient));
}

static void test_round_trip(void)
{
	struct envelope e;
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	CHECK(length > 0);
	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK_EQ(e.flags, ENVELOPE_EIGHT_BIT);
	CHECK(same(e.client, "printers", 8) && same(e.peer, "192.0.2.7", 9));
	CHECK(same(e.helo, "printer.example.org", 19) && same(e.sender, "sender@example.org", 18));
	CHECK_EQ(e.destinations, 3);
	CHECK(same(envelope_destination(&e, 0), "office365", 9) && same(envelope_destination(&e, 1), "partner", 7));
	CHECK(same(envelope_destination(&e, 2), "internet", 8) && envelope_destination(&e, 3).length == 0);
	check_recipients(&e, three, 3);
}

/* As queue/README.md has them: what is on disks does not change with the code. */
static void test_octets(void)
{
	static const char wanted[] = "\x02"
				     "\x01\x00\x01\x00\x03"
				     "\x05\x80\x03\x00s@t"
				     "\x06\x80\x01\x00z"
				     "\x40\x80\x05\x00\x00\x00r@u";
	struct envelope fields = {.flags = 3, .sender = span_text("s@t")};
	struct envelope_writer writer;

	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_destination(&writer, span_text("z"));
	envelope_add_recipient(&writer, 0, span_text("r@u"));
	CHECK_EQ(envelope_end(&writer), sizeof(wanted) - 1);
	CHECK(memcmp(buffer, wanted, sizeof(wanted) - 1) == 0);
}

/* SMTPUTF8 must be understood, or the message would go where it cannot (RFC 6531 3.2). */
static void test_wide(void)
{
	static const char wanted[] = "\x02"
				     "\x01\x00\x01\x00\x01"
				     "\x05\x80\x04\x00\xc3\xa9@t"
				     "\x12\x80\x01\x00\x03"
				     "\x06\x80\x01\x00z"
				     "\x40\x80\x05\x00\x00\x00r@u";
	struct envelope fields = {
		.flags = 1, .wide = ENVELOPE_WIDE_ADDRESS | ENVELOPE_WIDE_HEADER, .sender = span_text("\xc3\xa9@t")};
	struct envelope_writer writer;
	struct envelope e;

	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_destination(&writer, span_text("z"));
	envelope_add_recipient(&writer, 0, span_text("r@u"));
	CHECK_EQ(envelope_end(&writer), sizeof(wanted) - 1);
	CHECK(memcmp(buffer, wanted, sizeof(wanted) - 1) == 0);
	CHECK_EQ(envelope_decode(buffer, sizeof(wanted) - 1, &e), 0);
	CHECK_EQ(e.wide, 3);
}

static void check_wishes(const struct envelope *e, unsigned i, unsigned notify, const char *orcpt)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;

	envelope_first(e, &cursor);
	for (unsigned n = 0; n <= i; n++)
		CHECK(envelope_next(&cursor, &recipient));
	CHECK_EQ(recipient.notify, notify);
	CHECK(same(recipient.orcpt, orcpt, strlen(orcpt)));
}

/* What its sender asks for: of the message, and of each recipient whom something is said of. */
static void test_wishes(void)
{
	static const char wanted[] = "\x02"
				     "\x01\x00\x01\x00\x00"
				     "\x10\x00\x01\x00\x02"
				     "\x11\x00\x03\x00"
				     "E+2"
				     "\x13\x80\x00\x00"
				     "\x16\x80\x08\x00\x08\x07\x06\x05\x04\x03\x02\x01"
				     "\x06\x80\x01\x00z"
				     "\x40\x80\x05\x00\x00\x00r@u"
				     "\x40\x80\x05\x00\x00\x00s@u"
				     "\x41\x00\x01\x00\x06"
				     "\x42\x00\x0a\x00rfc822;x@y"
				     "\x40\x80\x05\x00\x00\x00t@u"
				     "\x42\x00\x03\x00"
				     "a;b";
	struct envelope fields = {.ret = ENVELOPE_RET_HEADERS,
				  .envid = span_text("E+2"),
				  .require_tls = true,
				  .not_before_ns = 0x0102030405060708},
			e;
	struct envelope_writer writer;
	struct span none = {"", 0};

	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_destination(&writer, span_text("z"));
	envelope_add_recipient(&writer, 0, span_text("r@u"));
	envelope_add_parameters(&writer, 0, none);
	envelope_add_recipient(&writer, 0, span_text("s@u"));
	envelope_add_parameters(&writer, ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_FAILURE, span_text("rfc822;x@y"));
	envelope_add_recipient(&writer, 0, span_text("t@u"));
	envelope_add_parameters(&writer, 0, span_text("a;b"));
	CHECK_EQ(envelope_end(&writer), sizeof(wanted) - 1);
	CHECK(memcmp(buffer, wanted, sizeof(wanted) - 1) == 0);
	CHECK_EQ(envelope_decode(buffer, sizeof(wanted) - 1, &e), 0);
	CHECK_EQ(e.ret, ENVELOPE_RET_HEADERS);
	CHECK(same(e.envid, "E+2", 3) && e.require_tls && e.parameters);
	CHECK_EQ(e.not_before_ns, 0x0102030405060708);
	check_wishes(&e, 0, 0, "");
	check_wishes(&e, 1, ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_FAILURE, "rfc822;x@y");
	check_wishes(&e, 2, 0, "a;b");
	/* Nobody's, in front of all. */
	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_destination(&writer, span_text("z"));
	envelope_add_parameters(&writer, ENVELOPE_NOTIFY_NEVER, none);
	envelope_add_recipient(&writer, 0, span_text("r@u"));
	CHECK_EQ(envelope_end(&writer), 0);
}

/* A report names what it speaks of, and each message its owner and its device. */
static void test_reports(void)
{
	static const char bits[] = {5, 0, 1};
	struct envelope fields = {.owner = span_text("it@u"), .device = span_text("Copier 3rd floor")}, e;
	struct envelope_report report = {1, 2, ENVELOPE_REPORTED_END, {bits, 3}};
	struct envelope_writer writer;
	size_t length;

	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_report(&writer, &report);
	report = (struct envelope_report){3, 4, ENVELOPE_REPORTED_DELAY, {"", 0}};
	envelope_add_report(&writer, &report);
	envelope_add_destination(&writer, span_text("z"));
	envelope_add_recipient(&writer, 0, span_text("r@u"));
	length = envelope_end(&writer);
	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK_EQ(e.reports, 2);
	CHECK(same(e.owner, "it@u", 4) && same(e.device, "Copier 3rd floor", 16));
	CHECK(same(envelope_destination(&e, 0), "z", 1));
	CHECK(envelope_report(&e, 0, &report) && report.high == 1 && report.low == 2 &&
	      report.what == ENVELOPE_REPORTED_END && same(report.recipients, bits, 3));
	CHECK(envelope_reports(&report, 0) && !envelope_reports(&report, 1) && envelope_reports(&report, 2));
	CHECK(!envelope_reports(&report, 8) && envelope_reports(&report, 16) && !envelope_reports(&report, 24));
	CHECK(envelope_report(&e, 1, &report) && report.high == 3 && report.what == ENVELOPE_REPORTED_DELAY);
	CHECK(!envelope_report(&e, 2, &report));
	/* One octet less is none. */
	for (size_t i = 0; i + 4 < length; i++) {
		if (buffer[i] == 24 && buffer[i + 1] == 0x80) {
			buffer[i + 2] = 16;
			CHECK_EQ(envelope_decode(buffer, length, &e), -EBADMSG);
			break;
		}
	}
}

/* Who says nothing of that takes not an octet for it. */
static void test_no_wishes(void)
{
	struct envelope e;

	CHECK_EQ(envelope_decode(buffer, encode_sample(buffer, sizeof(buffer), three, 3), &e), 0);
	CHECK(e.ret == 0 && e.envid.length == 0 && !e.require_tls && !e.parameters && e.not_before_ns == 0);
	check_wishes(&e, 2, 0, "");
}

/* Line ends, NULs and length octets in a field are only octets (PAR-03). */
static void test_any_octets(void)
{
	static const char evil[] = "a\r\nb\0\x01\x00\x40\x80\x01\x00z\xff";
	struct envelope fields = {.sender = {evil, sizeof(evil)}, .helo = {evil, sizeof(evil)}}, e;
	struct envelope_writer writer;
	struct envelope_cursor cursor;
	struct envelope_recipient recipient;
	size_t length;

	envelope_begin(&writer, buffer, sizeof(buffer), &fields);
	envelope_add_destination(&writer, (struct span){evil, sizeof(evil)});
	envelope_add_recipient(&writer, 0, (struct span){evil, sizeof(evil)});
	envelope_add_recipient(&writer, 0, (struct span){"", 0});
	length = envelope_end(&writer);
	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK(same(e.sender, evil, sizeof(evil)) && same(e.helo, evil, sizeof(evil)));
	CHECK(e.client.length == 0 && e.peer.length == 0 && same(envelope_destination(&e, 0), evil, sizeof(evil)));
	envelope_first(&e, &cursor);
	CHECK(envelope_next(&cursor, &recipient) && same(recipient.address, evil, sizeof(evil)));
	CHECK(envelope_next(&cursor, &recipient) && recipient.address.length == 0);
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
	envelope_add_destination(&writer, span_text("d"));
	envelope_add_recipient(&writer, 0, span_text("r@example.com"));
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

static void test_limits(void)
{
	const size_t room = 64 + (size_t)(ENVELOPE_RECIPIENTS_MAX + 1) * ENVELOPE_RECIPIENT_OVERHEAD;
	static char text[UINT16_MAX];
	struct envelope none = {0}, e;
	struct envelope_writer writer, before;
	uint8_t *out = malloc(room);
	size_t length;

	envelope_begin(&writer, out, room, &none);
	envelope_add_destination(&writer, span_text("d"));
	CHECK_EQ(envelope_end(&writer), 0); /* nobody */
	before = writer;
	envelope_add_recipient(&writer, 1, span_text("r")); /* of no destination */
	CHECK_EQ(envelope_end(&writer), 0);
	writer = before;
	envelope_add_recipient(&writer, 0, (struct span){text, UINT16_MAX - 1}); /* longer than a value */
	CHECK_EQ(envelope_end(&writer), 0);
	writer = before;
	for (unsigned i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
		envelope_add_recipient(&writer, 0, (struct span){"", 0});
	length = envelope_end(&writer);
	CHECK(length > 0);
	CHECK_EQ(envelope_decode(out, length, &e), 0);
	CHECK_EQ(e.recipients, ENVELOPE_RECIPIENTS_MAX);
	before = writer;
	envelope_add_recipient(&writer, 0, (struct span){"", 0});
	CHECK_EQ(envelope_end(&writer), 0);
	writer = before;
	envelope_add_destination(&writer, span_text("late"));
	CHECK_EQ(envelope_end(&writer), 0);
	free(out);
}

/* Cut between two recipients it would be another message: the record's own hash and length are for that. */
static void test_cut_and_extended(void)
{
	struct envelope e;
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	for (size_t n = 0; n < length; n++) {
		int result = decode_copy(buffer, n, &e);
		CHECK(result == -EBADMSG || (result == 0 && e.recipients < 3));
	}
	for (size_t extra = 1; extra < 4; extra++) {
		memset(buffer + length, 0, extra);
		CHECK_EQ(decode_copy(buffer, length + extra, &e), -EBADMSG);
	}
}

/* Lengths that lie never lead outside, and what is still accepted is consistent in itself. */
static void test_changed_octets(void)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct envelope e;
	size_t length = encode_sample(buffer, sizeof(buffer), three, 3);

	for (size_t i = 0; i < length; i++) {
		uint8_t before = buffer[i];
		for (unsigned value = 0; value < 256; value++) {
			buffer[i] = (uint8_t)value;
			int result = envelope_decode(buffer, length, &e);
			CHECK(result == 0 || result == -EBADMSG || result == -ENOTSUP);
			if (i == 0 && value != before)
				CHECK(result < 0);
			unsigned count = 0;
			if (result < 0)
				continue;
			envelope_first(&e, &cursor);
			while (envelope_next(&cursor, &recipient)) {
				CHECK(recipient.destination < e.destinations);
				count++;
			}
			CHECK_EQ(count, e.recipients);
		}
		buffer[i] = before;
	}
}

/* ---- fields of later versions ---- */

struct piece {
	uint16_t tag;
	const char *value;
	size_t length;
};

static size_t pieces_write(const struct piece *pieces, size_t count)
{
	struct field_writer w = {.out = buffer, .length = 1, .capacity = sizeof(buffer)};

	buffer[0] = 2;
	for (size_t i = 0; i < count; i++)
		field_put(&w, pieces[i].tag, pieces[i].value, pieces[i].length);
	return w.length;
}

static void test_later_fields(void)
{
	enum { MUST = FIELD_MUST, DESTINATION = 6 | MUST, RECIPIENT = 64 | MUST };
	static const struct {
		const char *name;
		int result;
		struct piece pieces[5];
	} cases[] = {
		{"known only", 0, {{DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}}},
		{"may be passed over", 0, {{31, "id", 2}, {DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}}},
		{"of the recipient", 0, {{DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}, {98, "\3", 1}, {97, "x", 1}}},
		{"must be understood", -ENOTSUP, {{30 | MUST, "", 0}, {DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}}},
		{"of the recipient, must",
		 -ENOTSUP,
		 {{DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}, {99 | MUST, "", 0}}},
		{"a known one without the bit", 0, {{6, "d", 1}, {64, "\0\0r", 3}}},
		{"about the message, behind", -EBADMSG, {{DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}, {17, "", 0}}},
		{"of a recipient, in front", -EBADMSG, {{65, "\3", 1}, {DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}}},
		{"no destination", -EBADMSG, {{RECIPIENT, "\0\0r", 3}}},
		{"another destination", -EBADMSG, {{DESTINATION, "d", 1}, {RECIPIENT, "\1\0r", 3}}},
		{"no index", -EBADMSG, {{DESTINATION, "d", 1}, {RECIPIENT, "\0", 1}}},
		{"nobody", -EBADMSG, {{DESTINATION, "d", 1}}},
		{"two octets of ret", -EBADMSG, {{16, "\1\1", 2}, {DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}}},
		{"a short time", -EBADMSG, {{22 | MUST, "1234567", 7}, {DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}}},
		{"no notify", -EBADMSG, {{DESTINATION, "d", 1}, {RECIPIENT, "\0\0r", 3}, {65, "", 0}}},
		{"damage counts more", -EBADMSG, {{30 | MUST, "", 0}, {DESTINATION, "d", 1}, {RECIPIENT, "\1\0r", 3}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct envelope e;
		size_t count = 0;
		while (count < 5 && cases[i].pieces[count].tag)
			count++;
		int result = decode_copy(buffer, pieces_write(cases[i].pieces, count), &e);
		CHECK_EQ(result, cases[i].result);
		if (result != cases[i].result)
			fprintf(stderr, "  %s\n", cases[i].name);
	}
	struct envelope e;
	buffer[0] = 3;
	CHECK_EQ(decode_copy(buffer, 1, &e), -ENOTSUP);
	buffer[0] = 0;
	CHECK_EQ(decode_copy(buffer, 1, &e), -EBADMSG);
}

/* ---- version 1 ---- */

static const struct sample three_1[] = {{0, "a@example.com"}, {0, "\"q @ r\"@example.com"}, {0, "c@example.net"}};

static size_t encode_1(void)
{
	static const uint8_t header[] = {1, ENVELOPE_EIGHT_BIT, 3, 0, 9, 8, 9, 4, 8, 0};
	static const char text[] = "office365printers192.0.2.7helos@exampl";
	size_t length = sizeof(header) + sizeof(text) - 1;

	memcpy(buffer, header, sizeof(header));
	memcpy(buffer + sizeof(header), text, sizeof(text) - 1);
	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(three_1[i].address);
		put16(buffer + length, (uint16_t)n);
		memcpy(buffer + length + 2, three_1[i].address, n);
		length += 2 + n;
	}
	return length;
}

static void test_version_1(void)
{
	struct envelope e;
	size_t length = encode_1();

	CHECK_EQ(envelope_decode(buffer, length, &e), 0);
	CHECK_EQ(e.flags, ENVELOPE_EIGHT_BIT);
	CHECK(same(e.client, "printers", 8) && same(e.peer, "192.0.2.7", 9) && same(e.helo, "helo", 4));
	CHECK(same(e.sender, "s@exampl", 8));
	CHECK_EQ(e.destinations, 1);
	CHECK(same(envelope_destination(&e, 0), "office365", 9) && envelope_destination(&e, 1).length == 0);
	check_recipients(&e, three_1, 3);
	for (size_t n = 0; n < length; n++)
		CHECK_EQ(decode_copy(buffer, n, &e), -EBADMSG);
	memset(buffer + length, 0, 4);
	for (size_t extra = 1; extra < 5; extra++)
		CHECK_EQ(decode_copy(buffer, length + extra, &e), -EBADMSG);
	for (size_t i = 1; i < length; i++) {
		uint8_t before = buffer[i];
		for (unsigned value = 0; value < 256; value++) {
			buffer[i] = (uint8_t)value;
			int result = decode_copy(buffer, length, &e);
			CHECK(result == 0 || result == -EBADMSG);
		}
		buffer[i] = before;
	}
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_octets);
	RUN(test_wide);
	RUN(test_wishes);
	RUN(test_reports);
	RUN(test_no_wishes);
	RUN(test_any_octets);
	RUN(test_long_fields_are_cut);
	RUN(test_capacity);
	RUN(test_limits);
	RUN(test_cut_and_extended);
	RUN(test_changed_octets);
	RUN(test_later_fields);
	RUN(test_version_1);
	return check_end();
}
