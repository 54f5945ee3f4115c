/*
 * trace.c - message ids, the Received header and its date.
 *
 * Purpose
 *   An id is 128 bits: 64 of wall clock in nanoseconds, then shard (16), counter (16) and the start-up salt
 *   (32). Its text therefore sorts by time. Within a source ids only grow: when the clock stands still or
 *   steps back the counter goes on, and when the counter is used up the time is taken one further. Two shards
 *   differ by shard; two runs of one shard, even after the clock was set back between them, by salt.
 *
 * Ownership
 *   The source belongs to one shard. Nothing is allocated; no locale, time zone or lock is touched.
 *
 * Failure
 *   None. A name or an address that is not what it should be becomes "unknown": the header is built from
 *   validated atoms only (LOP-04), whoever calls.
 */
#include "core/smtp/trace.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/address.h"
#include "core/smtp/fields.h"

/* Two digits of Crockford's base 32, which has no I, L, O, U: each id is written several times for a message. */
#define WITH(a)                                                                                                        \
	a "0" a "1" a "2" a "3" a "4" a "5" a "6" a "7" a "8" a "9" a "A" a "B" a "C" a "D" a "E" a "F" a "G" a "H" a  \
	  "J" a "K" a "M" a "N" a "P" a "Q" a "R" a "S" a "T" a "V" a "W" a "X" a "Y" a "Z"
static const char pairs[] = WITH("0") WITH("1") WITH("2") WITH("3") WITH("4") WITH("5") WITH("6") WITH("7") WITH("8")
	WITH("9") WITH("A") WITH("B") WITH("C") WITH("D") WITH("E") WITH("F") WITH("G") WITH("H") WITH("J") WITH("K")
		WITH("M") WITH("N") WITH("P") WITH("Q") WITH("R") WITH("S") WITH("T") WITH("V") WITH("W") WITH("X")
			WITH("Y") WITH("Z");
#undef WITH
enum { PAIR_BITS = 10, PAIRS = 1 << PAIR_BITS };

static_assert(sizeof(pairs) == 2 * PAIRS + 1, "all of them");

void message_id_source_init(struct message_id_source *source, uint16_t shard, uint32_t salt)
{
	*source = (struct message_id_source){.shard = shard, .salt = salt};
}

struct message_id message_id_next(struct message_id_source *source, uint64_t wall_ns)
{
	if (wall_ns > source->last_time) {
		source->last_time = wall_ns;
		source->counter = 0;
	} else if (++source->counter == 0) {
		source->last_time++;
	}
	return (struct message_id){
		.high = source->last_time,
		.low = (uint64_t)source->shard << 48 | (uint64_t)source->counter << 32 | source->salt,
	};
}

/* From the last character; `part` has so many pairs. */
static char *put_pairs_before(char *at, uint64_t part, int count)
{
	for (int i = 0; i < count; i++, part >>= PAIR_BITS) {
		at -= 2;
		memcpy(at, &pairs[2 * (part & (PAIRS - 1))], 2);
	}
	return at;
}

void message_id_text(struct message_id id, char out[MESSAGE_ID_TEXT])
{
	enum { COUNT = 6, BITS = COUNT * PAIR_BITS }; /* what 64 bits hold of them */
	char *at = out + MESSAGE_ID_TEXT;

	at = put_pairs_before(at, id.low, COUNT);
	at = put_pairs_before(at, id.low >> BITS | id.high << (64 - BITS), COUNT);
	at = put_pairs_before(at, id.high >> (2 * BITS - 64), 1);
	assert(at == out);
}

/* What a character stands for, and one; 0: nothing. Upper or lower case, and the look-alikes that people write when
 * they copy an id by hand. */
static const uint8_t digit_values[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,  ['8'] = 9,
	['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['G'] = 17, ['H'] = 18,
	['I'] = 2,  ['J'] = 19, ['K'] = 20, ['L'] = 2,  ['M'] = 21, ['N'] = 22, ['O'] = 1,  ['P'] = 23, ['Q'] = 24,
	['R'] = 25, ['S'] = 26, ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32, ['a'] = 11,
	['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['g'] = 17, ['h'] = 18, ['i'] = 2,  ['j'] = 19,
	['k'] = 20, ['l'] = 2,  ['m'] = 21, ['n'] = 22, ['o'] = 1,  ['p'] = 23, ['q'] = 24, ['r'] = 25, ['s'] = 26,
	['t'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30, ['y'] = 31, ['z'] = 32,
};

int message_id_parse(const char *text, size_t length, struct message_id *out)
{
	struct message_id id = {0, 0};

	if (length != MESSAGE_ID_TEXT)
		return -1;
	for (size_t i = 0; i < length; i++) {
		unsigned value = digit_values[(uint8_t)text[i]];

		if (value == 0 || (i == 0 && value > 8)) /* 26 * 5 is two bits more than 128 */
			return -1;
		id.high = id.high << 5 | id.low >> 59;
		id.low = id.low << 5 | (value - 1);
	}
	*out = id;
	return 0;
}

static char *put(char *out, const void *text, size_t length)
{
	memcpy(out, text, length);
	return out + length;
}

static char *put_text(char *out, const char *text)
{
	return put(out, text, strlen(text));
}

static char *put_number(char *out, uint64_t value, unsigned width)
{
	for (unsigned i = width; i > 0; i--) {
		out[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return out + width;
}

struct date {
	uint64_t year;
	unsigned month, day; /* 0..11, 1..31 */
};

/*
 * The civil date of a day since 1970-01-01 (never before). The year is counted from March, so that the leap
 * day is its last, and in eras of 400 years, which all have the same number of days.
 */
static struct date date_from_days(uint64_t days)
{
	uint64_t shifted = days + 719468; /* days from 0000-03-01 to 1970-01-01 */
	uint64_t era = shifted / 146097, day_of_era = shifted % 146097;
	uint64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
	unsigned month = (unsigned)((5 * day_of_year + 2) / 153); /* 0 is March */

	return (struct date){
		.year = era * 400 + year + (month >= 10),
		.month = (month + 2) % 12,
		.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
	};
}

static char *put_date(char *out, uint64_t wall_ns)
{
	static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
	static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t seconds = wall_ns / UINT64_C(1000000000), days = seconds / 86400;
	struct date date = date_from_days(days);

	out = put(out, day_names + days % 7 * 3, 3);
	out = put(out, ", ", 2);
	out = put_number(out, date.day, 2);
	*out++ = ' ';
	out = put(out, month_names + date.month * 3, 3);
	*out++ = ' ';
	out = put_number(out, date.year, 4);
	*out++ = ' ';
	out = put_number(out, seconds / 3600 % 24, 2);
	*out++ = ':';
	out = put_number(out, seconds / 60 % 60, 2);
	*out++ = ':';
	out = put_number(out, seconds % 60, 2);
	return put(out, " +0000", 6);
}

static bool peer_valid(struct span peer)
{
	for (uint32_t i = 0; i < peer.length; i++)
		if (peer.data[i] == '\0' || !strchr("0123456789abcdefABCDEF.:", peer.data[i]))
			return false;
	return peer.length > 0 && peer.length < 46;
}

static char *put_literal(char *out, struct span peer)
{
	if (!peer_valid(peer))
		return put_text(out, "unknown");
	out = put_text(out, memchr(peer.data, ':', peer.length) ? "[IPv6:" : "[");
	out = put(out, peer.data, peer.length);
	*out++ = ']';
	return out;
}

size_t trace_received(const struct trace *trace, char *out)
{
	char *p = out;
	char id[MESSAGE_ID_TEXT];

	assert(strlen(trace->protocol) <= 16); /* ours: RFC 3848's longest is "UTF8LMTPSA" */
	message_id_text(trace->id, id);
	p = put_text(p, "Received: from ");
	/* A greeting that is no name is not copied: the address says it better (RFC 5321 4.1.4, 4.4). */
	p = address_helo_valid(trace->helo) ? put(p, trace->helo.data, trace->helo.length)
					    : put_literal(p, trace->peer);
	p = put_text(p, " (");
	p = put_literal(p, trace->peer);
	p = put_text(p, ")\r\n\tby ");
	p = address_helo_valid(trace->hostname) ? put(p, trace->hostname.data, trace->hostname.length)
						: put_text(p, "unknown");
	p = put_text(p, " (postrider) with ");
	p = put_text(p, trace->protocol);
	p = put_text(p, " id ");
	p = put(p, id, sizeof id);
	p = put_text(p, ";\r\n\t");
	p = put_date(p, trace->wall_ns);
	p = put(p, "\r\n", 2);
	assert(p - out <= TRACE_MAX);
	return (size_t)(p - out);
}

void trace_date(uint64_t wall_ns, char out[TRACE_DATE])
{
	char *end = put_date(out, wall_ns);

	/* A year has four digits until long after wall_ns has no more bits. */
	assert(end == out + TRACE_DATE);
}

/* ---- our own, again ------------------------------------------------------------------------------------------ */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word of a folded value; empty: there is none. */
static struct span next_word(struct span *value)
{
	struct span word;

	while (value->length > 0 && is_space(*value->data)) {
		value->data++;
		value->length--;
	}
	word = (struct span){value->data, 0};
	while (value->length > 0 && !is_space(*value->data)) {
		value->data++;
		value->length--;
		word.length++;
	}
	return word;
}

static bool word_is(struct span word, const char *text, size_t length)
{
	return word.length == length && strncasecmp(word.data, text, length) == 0;
}

/* "by NAME (postrider) with ESMTP id ID;" */
static bool is_own(struct span value, struct span hostname)
{
	struct message_id id;
	struct span word;

	do {
		word = next_word(&value);
		if (word.length == 0)
			return false;
	} while (!word_is(word, "by", 2));
	if (!word_is(next_word(&value), hostname.data, hostname.length) ||
	    !word_is(next_word(&value), "(postrider)", 11) || !word_is(next_word(&value), "with", 4) ||
	    next_word(&value).length == 0 || !word_is(next_word(&value), "id", 2))
		return false;
	word = next_word(&value);
	return word.length > 0 && word.data[word.length - 1] == ';' &&
	       message_id_parse(word.data, word.length - 1, &id) == 0;
}

unsigned trace_own(const char *content, size_t length, struct span hostname)
{
	struct header_field f;
	unsigned own = 0;
	size_t end;

	(void)fields_end(content, length, true, &end);
	for (size_t at = 0; at < end; at = f.end) {
		f = field_read(content, end, at);
		if (word_is(f.name, "received", 8) && is_own(field_value(content, &f), hostname))
			own++;
	}
	return own;
}
