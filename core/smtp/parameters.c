/*
 * core/smtp/parameters.c - see parameters.h.
 */
#include "core/smtp/parameters.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/utf8.h"
#include "core/smtp/xtext.h"

static bool is(struct span s, const char *name)
{
	return s.length == strlen(name) && strncasecmp(s.data, name, s.length) == 0;
}

static struct span behind(struct span s, uint32_t n)
{
	return (struct span){s.data + n, s.length - n};
}

/* The octets before `octet`, or all. */
static struct span until(struct span s, char octet)
{
	const char *found = s.length ? memchr(s.data, octet, s.length) : NULL;

	return found ? (struct span){s.data, (uint32_t)(found - s.data)} : s;
}

/* ---- reports ------------------------------------------------------------------------------------------------ */

static bool read_ret(struct smtp_mail_parameters *out, struct span value)
{
	if (is(value, "FULL"))
		out->ret = SMTP_RET_FULL;
	else if (is(value, "HDRS"))
		out->ret = SMTP_RET_HEADERS;
	return out->ret != SMTP_RET_NONE;
}

static bool read_envid(struct smtp_mail_parameters *out, struct span value)
{
	if (value.length > PARAMETERS_ENVID_MAX || !xtext_valid(value))
		return false;
	out->envid = value;
	return true;
}

static const struct notify_word {
	const char *name;
	uint8_t bit;
} notify_words[] = {{"NEVER", SMTP_NOTIFY_NEVER},
		    {"SUCCESS", SMTP_NOTIFY_SUCCESS},
		    {"FAILURE", SMTP_NOTIFY_FAILURE},
		    {"DELAY", SMTP_NOTIFY_DELAY}};
enum { NOTIFY_WORDS = sizeof(notify_words) / sizeof(notify_words[0]) };

/* NEVER, or a list of the others, each once (RFC 3461 4.1). */
static bool read_notify(struct smtp_rcpt_parameters *out, struct span value)
{
	uint8_t notify = 0;

	for (;;) {
		struct span word = until(value, ',');
		uint8_t bit = 0;

		for (size_t i = 0; i < NOTIFY_WORDS; i++)
			bit = is(word, notify_words[i].name) ? notify_words[i].bit : bit;
		if (bit == 0 || (notify & bit))
			return false;
		notify |= bit;
		if (word.length == value.length)
			break;
		value = behind(value, word.length + 1);
	}
	if ((notify & SMTP_NOTIFY_NEVER) && notify != SMTP_NOTIFY_NEVER)
		return false;
	out->notify = notify;
	return true;
}

const char *parameter_notify_text(unsigned notify, char out[PARAMETERS_NOTIFY_SIZE])
{
	char *end = out;

	for (size_t i = 0; i < NOTIFY_WORDS; i++) {
		if (!(notify & notify_words[i].bit))
			continue;
		if (end > out)
			*end++ = ',';
		end = stpcpy(end, notify_words[i].name);
	}
	*end = '\0';
	return out;
}

/* addr-type = atom (RFC 5321 4.1.2) */
static bool is_atom(struct span s)
{
	for (uint32_t i = 0; i < s.length; i++) {
		char c = s.data[i];
		if (c <= ' ' || c > '~' || strchr("()<>[]:;@\\,.\"", c))
			return false;
	}
	return s.length > 0;
}

/* What stands in "\x{...}" (RFC 6533 3): a character that is not printed ASCII, or one of those that have no other
 * form; with as many digits as it needs. */
static bool is_hexpoint(struct span digits)
{
	uint32_t value = 0;

	if (digits.length < 2 || digits.length > 6 || (digits.length > 2 && digits.data[0] == '0'))
		return false;
	for (uint32_t i = 0; i < digits.length; i++) {
		char c = digits.data[i];
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F')))
			return false;
		value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
	}
	if (value < 0x80)
		return value == '\\' || value == '+' || value == '=' || value == ' ';
	return value >= 0xa0 && (value < 0xd800 || value > 0xdfff) && value <= 0x10ffff;
}

/* Which character it is; `length`: what utf8_character() says. */
static uint32_t code_point(const char *text, uint32_t length)
{
	uint32_t value = (uint8_t)text[0] & (0xffu >> (length + 1));

	for (uint32_t i = 1; i < length; i++)
		value = value << 6 | ((uint8_t)text[i] & 0x3f);
	return value;
}

/* utf-8-addr-xtext (RFC 6533 3): as it may be said where SMTPUTF8 is not offered; or, where it is, utf-8-addr-unitext:
 * the same with letters as they are (*wide). */
static bool is_utf8_xtext(struct span text, bool *wide)
{
	uint32_t at = 0, letter;

	while (at < text.length) {
		char c = text.data[at];
		struct span rest = behind(text, at), inside;

		letter = utf8_character(rest);
		if (letter > 0 && code_point(rest.data, letter) >= 0xa0) {
			*wide = true;
			at += letter;
			continue;
		}
		if (c <= ' ' || c > '~' || c == '+' || c == '=')
			return false;
		if (c != '\\') {
			at++;
			continue;
		}
		if (rest.length < 5 || memcmp(rest.data, "\\x{", 3) != 0)
			return false;
		inside = until(behind(rest, 3), '}');
		if (inside.length + 3 == rest.length || !is_hexpoint(inside))
			return false;
		at += inside.length + 4;
	}
	return at > 0;
}

static bool read_orcpt(struct smtp_rcpt_parameters *out, struct span value)
{
	struct span type = until(value, ';'), address;
	bool wide = false, by_type;

	if (value.length > PARAMETERS_ORCPT_MAX || type.length == value.length || !is_atom(type))
		return false;
	address = behind(value, type.length + 1);
	/* In an address of that type a backslash begins a character (RFC 6533 3). */
	by_type = is(type, "utf-8") && (memchr(address.data, '\\', address.length) || utf8_needed(address));
	if (by_type ? !is_utf8_xtext(address, &wide) : !xtext_valid(address))
		return false;
	out->orcpt = value;
	out->orcpt_wide = wide;
	return true;
}

bool parameter_orcpt_ascii(struct span orcpt, char room[PARAMETERS_ORCPT_MAX], struct span *out)
{
	uint32_t length = 0, letter;

	for (uint32_t at = 0; at < orcpt.length; at += letter ? letter : 1) {
		char point[16] = {orcpt.data[at], '\0'};
		letter = utf8_character(behind(orcpt, at));
		if (letter)
			snprintf(point, sizeof(point), "\\x{%X}", code_point(orcpt.data + at, letter));
		if (length + strlen(point) > PARAMETERS_ORCPT_MAX)
			return false;
		memcpy(room + length, point, strlen(point));
		length += (uint32_t)strlen(point);
	}
	*out = (struct span){room, length};
	return true;
}

/* ---- who submitted it --------------------------------------------------------------------------------------- */

/* An address as xtext, or "<>", which is xtext, too. */
static bool read_auth(struct smtp_mail_parameters *out, struct span value)
{
	out->auth = xtext_valid(value);
	return out->auth;
}

/* ---- not before --------------------------------------------------------------------------------------------- */

/* So many digits, as a number. False: they are not. */
static bool number(const char *text, unsigned digits, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < digits; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(text[i] - '0');
	}
	return true;
}

static bool read_hold_for(struct smtp_mail_parameters *out, struct span value)
{
	unsigned seconds;

	if (value.length == 0 || value.length > PARAMETERS_HOLD_DIGITS || value.data[0] == '0' ||
	    !number(value.data, value.length, &seconds))
		return false;
	out->hold_for = true;
	out->hold = seconds;
	return true;
}

/* Days since 1970 (the proleptic Gregorian calendar, years begin in March). */
static int64_t days_from(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2), era = y / 400, in_era = y - era * 400;
	int64_t in_year = (153 * (int64_t)(month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static unsigned days_of(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* "Z", or "+hh:mm" or "-hh:mm", in seconds. */
static bool read_offset(struct span text, int64_t *seconds)
{
	unsigned hours, minutes;

	*seconds = 0;
	if (text.length == 1)
		return text.data[0] == 'Z' || text.data[0] == 'z';
	if (text.length != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':' ||
	    !number(text.data + 1, 2, &hours) || !number(text.data + 4, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*seconds = ((int64_t)hours * 60 + minutes) * 60 * (text.data[0] == '-' ? -1 : 1);
	return true;
}

/* Internet date and time (RFC 3339 5.6), which RFC 4865 4.1 has without a fraction; one is read past. */
static bool read_hold_until(struct smtp_mail_parameters *out, struct span value)
{
	unsigned year, month, day, hour, minute, second;
	const char *t = value.data;
	int64_t offset, when;
	uint32_t at = 19;

	if (value.length < 20 || t[4] != '-' || t[7] != '-' || (t[10] != 'T' && t[10] != 't') || t[13] != ':' ||
	    t[16] != ':' || !number(t, 4, &year) || !number(t + 5, 2, &month) || !number(t + 8, 2, &day) ||
	    !number(t + 11, 2, &hour) || !number(t + 14, 2, &minute) || !number(t + 17, 2, &second))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month) || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	if (t[at] == '.') {
		for (at++; at < value.length && t[at] >= '0' && t[at] <= '9'; at++)
			;
		if (at == 20)
			return false;
	}
	if (!read_offset(behind(value, at), &offset))
		return false;
	when = days_from(year, month, day) * 86400 + (int64_t)hour * 3600 + minute * 60 + second - offset;
	out->hold_until = true;
	out->hold = when > 0 ? (uint64_t)when : 0;
	return true;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static bool first_time(uint8_t *seen, unsigned bit)
{
	bool first = !(*seen & 1u << bit);

	*seen = (uint8_t)(*seen | 1u << bit);
	return first;
}

enum parameter_result parameter_of_mail(struct smtp_mail_parameters *out, enum smtp_syntax syntax, struct span keyword,
					struct span value, bool given)
{
	static const struct {
		const char *name;
		bool (*read)(struct smtp_mail_parameters *out, struct span value);
		bool lenient;
		uint8_t bit;
	} all[] = {{"RET", read_ret, true, 0},
		   {"ENVID", read_envid, true, 1},
		   {"AUTH", read_auth, true, 2},
		   /* One of the two (RFC 4865 4.1). */
		   {"HOLDFOR", read_hold_for, false, 3},
		   {"HOLDUNTIL", read_hold_until, false, 3}};

	if (is(keyword, "REQUIRETLS")) {
		if (given || out->require_tls)
			return PARAMETER_BAD;
		out->require_tls = true;
		return PARAMETER_TAKEN;
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!is(keyword, all[i].name))
			continue;
		if (!given || !first_time(&out->seen, all[i].bit))
			return PARAMETER_BAD;
		return all[i].read(out, value) || (all[i].lenient && syntax == SMTP_SYNTAX_TOLERANT) ? PARAMETER_TAKEN
												     : PARAMETER_BAD;
	}
	return PARAMETER_UNKNOWN;
}

enum parameter_result parameter_of_rcpt(struct smtp_rcpt_parameters *out, enum smtp_syntax syntax, struct span keyword,
					struct span value, bool given)
{
	bool notify = is(keyword, "NOTIFY");

	if (!notify && !is(keyword, "ORCPT"))
		return PARAMETER_UNKNOWN;
	if (!given || !first_time(&out->seen, notify))
		return PARAMETER_BAD;
	if (notify ? read_notify(out, value) : read_orcpt(out, value))
		return PARAMETER_TAKEN;
	return syntax == SMTP_SYNTAX_TOLERANT ? PARAMETER_TAKEN : PARAMETER_BAD;
}
