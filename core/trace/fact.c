/*
 * core/trace/fact.c - see fact.h.
 *
 * Read by hand: with everything kept this runs twice for each message, and a library that makes a tree of a line costs
 * more than the whole relay does for the mail. The fuzz target holds it against that library.
 */
#include "core/trace/fact.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

enum what { WHAT_TEXT, WHAT_NUMBER, WHAT_EVENT, WHAT_TIME, WHAT_ID, WHAT_RESULTS };

struct key {
	const char *name; /* NULL: the end */
	enum what what;
	unsigned index;
};

#define TEXT(name, which)                                                                                              \
	{                                                                                                              \
		name, WHAT_TEXT, which                                                                                 \
	}
#define NUMBER(name, which)                                                                                            \
	{                                                                                                              \
		name, WHAT_NUMBER, which                                                                               \
	}
#define END                                                                                                            \
	{                                                                                                              \
		NULL, WHAT_TEXT, 0                                                                                     \
	}

static const struct key *const keys_of[] = {
	[2] = (const struct key[]){{"id", WHAT_ID, 0}, NUMBER("ms", FACT_MS), TEXT("to", FACT_TO), END},
	[3] = (const struct key[]){TEXT("tls", FACT_TLS), NUMBER("pid", FACT_PID), END},
	[4] = (const struct key[]){{"time", WHAT_TIME, 0},
				   TEXT("peer", FACT_PEER),
				   TEXT("user", FACT_USER),
				   TEXT("host", FACT_HOST),
				   NUMBER("code", FACT_CODE),
				   NUMBER("more", FACT_MORE),
				   TEXT("helo", FACT_HELO),
				   TEXT("next", FACT_NEXT),
				   TEXT("kind", FACT_SORT),
				   END},
	[5] = (const struct key[]){{"event", WHAT_EVENT, 0},
				   TEXT("level", FACT_LEVEL),
				   TEXT("stage", FACT_STAGE),
				   TEXT("reply", FACT_REPLY),
				   TEXT("proof", FACT_PROOF),
				   NUMBER("count", FACT_COUNT),
				   TEXT("error", FACT_ERROR),
				   TEXT("about", FACT_ABOUT),
				   END},
	[6] = (const struct key[]){TEXT("client", FACT_CLIENT), TEXT("device", FACT_DEVICE),
				   TEXT("sender", FACT_SENDER), NUMBER("octets", FACT_OCTETS),
				   TEXT("result", FACT_RESULT), TEXT("cipher", FACT_CIPHER),
				   TEXT("reason", FACT_REASON), TEXT("source", FACT_SOURCE),
				   NUMBER("untold", FACT_UNTOLD), NUMBER("errors", FACT_ERRORS), END},
	[7] = (const struct key[]){{"results", WHAT_RESULTS, 0},
				   NUMBER("attempt", FACT_TRY),
				   TEXT("mailbox", FACT_MAILBOX),
				   TEXT("problem", FACT_PROBLEM),
				   TEXT("command", FACT_COMMAND),
				   TEXT("address", FACT_ADDRESS),
				   END},
	[8] = (const struct key[]){TEXT("listener", FACT_LISTENER), NUMBER("verified", FACT_VERIFIED),
				   NUMBER("attempts", FACT_ATTEMPTS), NUMBER("messages", FACT_MESSAGES),
				   NUMBER("commands", FACT_COMMANDS), END},
	[9] = (const struct key[]){TEXT("recipient", FACT_RECIPIENT), NUMBER("queued_ms", FACT_QUEUED_MS),
				   TEXT("mechanism", FACT_MECHANISM), END},
	[10] = (const struct key[]){NUMBER("recipients", FACT_RECIPIENTS), TEXT("message_id", FACT_MESSAGE_ID),
				    TEXT("instead_of", FACT_INSTEAD_OF), END},
	[11] = (const struct key[]){TEXT("destination", FACT_DESTINATION), END},
};

enum { KEY_LENGTH_MAX = sizeof(keys_of) / sizeof(keys_of[0]) - 1 };

static const char *const kind_names[FACT_KINDS] = {
	[FACT_OTHER] = "other",
	[FACT_ACCEPTED] = "accepted",
	[FACT_ATTEMPT] = "attempt",
	[FACT_DEFERRED] = "deferred",
	[FACT_EXPIRED] = "expired",
	[FACT_HELD] = "held",
	[FACT_DAMAGED] = "damaged",
	[FACT_REPORT] = "report",
	[FACT_UNREPORTED] = "unreported",
	[FACT_REFUSED] = "refused",
	[FACT_NOT_STORED] = "not_stored",
	[FACT_SIGN_IN_REFUSED] = "sign_in_refused",
	[FACT_HANDSHAKE_FAILED] = "handshake_failed",
	[FACT_SESSION] = "session",
	[FACT_HOST_FAILED] = "host_failed",
	[FACT_LOST] = "log_lost",
};

const char *fact_kind_name(enum fact_kind kind)
{
	return kind_names[kind];
}

static enum fact_kind kind_of(struct span name)
{
	for (int kind = FACT_OTHER + 1; kind < FACT_KINDS; kind++) {
		if (strlen(kind_names[kind]) == name.length && memcmp(kind_names[kind], name.data, name.length) == 0)
			return (enum fact_kind)kind;
	}
	return FACT_OTHER;
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static bool digits(const char *text, size_t count, unsigned *value)
{
	*value = 0;
	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (unsigned)(text[i] - '0');
	}
	return true;
}

/* Days since 1970 of a date in the proleptic Gregorian calendar; a year begins in March here. */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool fact_time_parse(const char *text, size_t length, uint64_t *ms)
{
	unsigned year, month, day, hour, minute, second, fraction = 0;
	int64_t days;

	if (length < sizeof("2026-01-01T00:00:00Z") - 1 || text[length - 1] != 'Z')
		return false;
	if (!digits(text, 4, &year) || text[4] != '-' || !digits(text + 5, 2, &month) || text[7] != '-' ||
	    !digits(text + 8, 2, &day) || (text[10] != 'T' && text[10] != ' ') || !digits(text + 11, 2, &hour) ||
	    text[13] != ':' || !digits(text + 14, 2, &minute) || text[16] != ':' || !digits(text + 17, 2, &second))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return false;
	if (length > 20) {
		size_t places = length - 21;
		if (text[19] != '.' || places == 0)
			return false;
		for (size_t i = 0; i < places; i++) {
			if (text[20 + i] < '0' || text[20 + i] > '9')
				return false;
			if (i < 3)
				fraction = fraction * 10 + (unsigned)(text[20 + i] - '0');
		}
		for (size_t i = places; i < 3; i++)
			fraction *= 10;
	}
	days = days_of(year, month, day);
	*ms = ((uint64_t)days * 86400 + hour * 3600 + minute * 60 + second) * 1000 + fraction;
	return true;
}

/* ---- JSON (RFC 8259) -------------------------------------------------------------------------------------------- */

struct cursor {
	const char *at, *end;
	struct fact *fact;
};

static void blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n'))
		c->at++;
}

static bool take(struct cursor *c, char octet)
{
	blanks(c);
	if (c->at == c->end || *c->at != octet)
		return false;
	c->at++;
	return true;
}

static bool hex_of(const char *text, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++) {
		char c = text[i];
		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			*value = *value << 4 | (uint32_t)((c | 32) - 'a' + 10);
		else
			return false;
	}
	return true;
}

static size_t put_utf8(char *out, uint32_t u)
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 63));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 63));
		out[2] = (char)(0x80 | (u & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 63));
	out[2] = (char)(0x80 | (u >> 6 & 63));
	out[3] = (char)(0x80 | (u & 63));
	return 4;
}

/* What stands behind \u; two of them where it is half of a pair. A half alone, and a NUL, is U+FFFD. */
static bool unicode(struct cursor *c, uint32_t *u)
{
	uint32_t second;

	if (c->end - c->at < 4 || !hex_of(c->at, u))
		return false;
	c->at += 4;
	if (*u >= 0xd800 && *u < 0xdc00 && c->end - c->at >= 6 && c->at[0] == '\\' && c->at[1] == 'u' &&
	    hex_of(c->at + 2, &second) && second >= 0xdc00 && second < 0xe000) {
		*u = 0x10000 + ((*u - 0xd800) << 10) + (second - 0xdc00);
		c->at += 6;
	} else if ((*u >= 0xd800 && *u < 0xe000) || *u == 0) {
		*u = 0xfffd;
	}
	return true;
}

static bool escape(struct cursor *c, uint32_t *u)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (c->at == c->end)
		return false;
	if (*c->at == 'u') {
		c->at++;
		return unicode(c, u);
	}
	found = *c->at ? strchr(from, *c->at) : NULL;
	if (!found)
		return false;
	c->at++;
	*u = (uint8_t)to[found - from];
	return true;
}

/* Behind the opening quote, of a string that has escapes; into the fact's room, cut where that is full. */
static bool decode(struct cursor *c, struct span *text)
{
	struct fact *fact = c->fact;
	char *out = fact->room + fact->used, *start = out, *limit = fact->room + FACT_ROOM - 4;

	for (;;) {
		uint32_t u;
		if (c->at == c->end || (uint8_t)*c->at < ' ')
			return false;
		if (*c->at == '"')
			break;
		if (*c->at != '\\') {
			if (out < limit)
				*out++ = *c->at;
			c->at++;
			continue;
		}
		c->at++;
		if (!escape(c, &u))
			return false;
		if (out < limit)
			out += put_utf8(out, u);
	}
	c->at++;
	fact->used = (size_t)(out - fact->room);
	*text = (struct span){start, (uint32_t)(out - start)};
	return true;
}

/* Octets that are a quote, a backslash or a control character have their highest bit set, by themselves or below one
 * that has. */
static uint64_t special_of(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t quote = eight ^ ones * '"', backslash = eight ^ ones * '\\';

	return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((eight - ones * ' ') & ~eight)) &
	       highs;
}

/* The first of them, or `end`. */
static const char *special_in(const char *at, const char *end)
{
	for (; end - at >= 8; at += 8) {
		uint64_t eight, found;
		memcpy(&eight, at, 8);
		found = special_of(le64toh(eight));
		if (found)
			return at + __builtin_ctzll(found) / 8;
	}
	while (at < end && *at != '"' && *at != '\\' && (uint8_t)*at >= ' ')
		at++;
	return at;
}

/* A string; most have no escapes, and stay where they are. */
static bool string(struct cursor *c, struct span *text)
{
	const char *start, *p;

	if (!take(c, '"'))
		return false;
	start = c->at;
	p = special_in(start, c->end);
	if (p < c->end && *p == '\\')
		return decode(c, text);
	if (p == c->end || *p != '"')
		return false;
	*text = (struct span){start, (uint32_t)(p - start)};
	c->at = p + 1;
	return true;
}

/* A number, true, false or null, as it stands there. */
static bool word(struct cursor *c, struct span *text)
{
	const char *start;

	blanks(c);
	start = c->at;
	while (c->at < c->end && ((*c->at >= '0' && *c->at <= '9') || (*c->at >= 'a' && *c->at <= 'z') ||
				  *c->at == '-' || *c->at == '+' || *c->at == '.' || *c->at == 'E'))
		c->at++;
	*text = (struct span){start, (uint32_t)(c->at - start)};
	return text->length > 0;
}

/* Over a value of any kind, without looking at what it says. */
static bool skip(struct cursor *c)
{
	unsigned depth = 0;

	do {
		struct span passed;
		blanks(c);
		if (c->at == c->end)
			return false;
		switch (*c->at) {
		case '{':
		case '[':
			c->at++;
			if (++depth > DEPTH_MAX)
				return false;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return false;
			c->at++;
			depth--;
			break;
		case ',':
		case ':':
			if (depth == 0)
				return false;
			c->at++;
			break;
		case '"': {
			/* What is passed over needs no room. */
			size_t used = c->fact->used;
			if (!string(c, &passed))
				return false;
			c->fact->used = used;
			break;
		}
		default:
			if (!word(c, &passed))
				return false;
		}
	} while (depth > 0);
	return true;
}

static const struct key *key_of(struct span name)
{
	const struct key *key = name.length <= KEY_LENGTH_MAX ? keys_of[name.length] : NULL;

	/* There are none of one octet or less. */
	for (; key && key->name; key++) {
		if (key->name[0] == name.data[0] && memcmp(key->name, name.data, name.length) == 0)
			return key;
	}
	return NULL;
}

/* False: it is no whole number, or too large. */
static bool number_of(struct span text, uint64_t *number)
{
	*number = 0;
	if (text.length == 4 && memcmp(text.data, "true", 4) == 0) {
		*number = 1;
	} else if (text.length != 5 || memcmp(text.data, "false", 5) != 0) {
		for (uint32_t i = 0; i < text.length; i++) {
			if (text.data[i] < '0' || text.data[i] > '9' || *number > INT64_MAX / 10 - 9)
				return false;
			*number = *number * 10 + (uint64_t)(text.data[i] - '0');
		}
	}
	return true;
}

static void set_number(struct fact *fact, unsigned which, struct span text)
{
	uint64_t number;

	if (!number_of(text, &number))
		return;
	fact->number[which] = number;
	fact->numbers |= UINT32_C(1) << which;
}

/* One object of "results". */
static bool result(struct cursor *c, struct fact_result *one)
{
	struct span name, text = {"", 0};

	memset(one, 0, sizeof(*one));
	if (!take(c, '{'))
		return false;
	if (take(c, '}'))
		return true;
	do {
		const struct key *key;
		if (!string(c, &name) || !take(c, ':'))
			return false;
		key = key_of(name);
		blanks(c);
		if (!key || c->at == c->end || (key->what == WHAT_TEXT) != (*c->at == '"') ||
		    (key->what != WHAT_TEXT && key->what != WHAT_NUMBER)) {
			if (!skip(c))
				return false;
			continue;
		}
		if (key->what == WHAT_NUMBER) {
			uint64_t number;
			if (*c->at == '{' || *c->at == '[' ? !skip(c) : !word(c, &text))
				return false;
			if (key->index == FACT_CODE && text.length > 0 && number_of(text, &number))
				one->code = number;
			continue;
		}
		if (!string(c, &text))
			return false;
		if (key->index == FACT_RECIPIENT)
			one->recipient = text;
		else if (key->index == FACT_RESULT)
			one->result = text;
		else if (key->index == FACT_REPLY)
			one->reply = text;
	} while (take(c, ','));
	return take(c, '}');
}

static bool results(struct cursor *c)
{
	struct fact *fact = c->fact;

	blanks(c);
	if (c->at == c->end || *c->at != '[')
		return skip(c);
	c->at++;
	if (take(c, ']'))
		return true;
	do {
		blanks(c);
		if (fact->result_count == FACT_RESULTS_MAX || c->at == c->end || *c->at != '{') {
			if (!skip(c))
				return false;
			continue;
		}
		if (!result(c, &fact->results[fact->result_count]))
			return false;
		fact->result_count++;
	} while (take(c, ','));
	return take(c, ']');
}

static bool value(struct cursor *c, const struct key *key, bool *named, bool *timed)
{
	struct fact *fact = c->fact;
	struct span text;

	if (key->what == WHAT_RESULTS)
		return results(c);
	blanks(c);
	if (c->at == c->end)
		return false;
	if (key->what == WHAT_NUMBER && *c->at != '"' && *c->at != '{' && *c->at != '[') {
		if (!word(c, &text))
			return false;
		set_number(fact, key->index, text);
		return true;
	}
	if (key->what == WHAT_NUMBER || *c->at != '"')
		return skip(c);
	if (!string(c, &text))
		return false;
	switch (key->what) {
	case WHAT_EVENT:
		fact->kind = kind_of(text);
		*named = true;
		break;
	case WHAT_TIME:
		*timed = fact_time_parse(text.data, text.length, &fact->time_ms);
		break;
	case WHAT_ID:
		fact->has_id = message_id_parse(text.data, text.length, &fact->id) == 0;
		break;
	default:
		fact->text[key->index] = text;
	}
	return true;
}

bool fact_parse(const char *line, size_t length, struct fact *fact)
{
	struct cursor c = {line, line + length, fact};
	bool named = false, timed = false;
	const char *brace = memchr(line, '{', length);
	struct span name;

	memset(fact, 0, offsetof(struct fact, results));
	fact->used = 0;
	if (!brace)
		return false;
	c.at = brace + 1;
	if (take(&c, '}'))
		return false;
	do {
		const struct key *key;
		if (!string(&c, &name) || !take(&c, ':'))
			return false;
		key = key_of(name);
		if (!(key ? value(&c, key, &named, &timed) : skip(&c)))
			return false;
	} while (take(&c, ','));
	if (!take(&c, '}'))
		return false;
	blanks(&c);
	return c.at == c.end && named && timed;
}
