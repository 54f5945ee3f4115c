/*
 * core/smtp/mta_sts.c - see mta_sts.h.
 */
#include "core/smtp/mta_sts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/pieces.h"

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* sts-ext-name and sts-policy-ext-name (RFC 8461 3.1, 3.2). */
static bool is_name(struct text name)
{
	enum { NAME_MAX_OCTETS = 32 };

	if (name.length == 0 || name.length > NAME_MAX_OCTETS || !letter_or_digit(name.at[0]))
		return false;
	for (size_t i = 1; i < name.length; i++) {
		if (!letter_or_digit(name.at[i]) && !strchr("_-.", name.at[i]))
			return false;
	}
	return memchr(name.at, '\0', name.length) == NULL;
}

/* ---- the record ------------------------------------------------------------------------------------------------- */

static bool take_id(struct text value, char id[MTA_STS_ID_MAX + 1])
{
	if (value.length == 0 || value.length > MTA_STS_ID_MAX)
		return false;
	for (size_t i = 0; i < value.length; i++) {
		if (!letter_or_digit(value.at[i]))
			return false;
	}
	memcpy(id, value.at, value.length);
	id[value.length] = '\0';
	return true;
}

static bool is_extension(struct text name, struct text value)
{
	if (!is_name(name) || value.length == 0)
		return false;
	for (size_t i = 0; i < value.length; i++) {
		if (value.at[i] < 0x21 || value.at[i] > 0x7e || value.at[i] == '=')
			return false;
	}
	return true;
}

/* A field; the first id counts. */
static bool take_field(struct text field, char id[MTA_STS_ID_MAX + 1])
{
	struct text name = text_take_until(&field, '='), value = field;

	text_drop_blanks(&name);
	text_skip_blanks(&value);
	if (text_is(name, "id"))
		return id[0] != '\0' || take_id(value, id);
	return is_extension(name, value);
}

enum mta_sts_record mta_sts_record_parse(const char *text, size_t length, char id[MTA_STS_ID_MAX + 1])
{
	struct text in = {text, length}, field = text_take_until(&in, ';');

	id[0] = '\0';
	text_drop_blanks(&field);
	if (!text_is(field, "v=STSv1"))
		return MTA_STS_OTHER;
	while (in.length > 0) {
		field = text_take_until(&in, ';');
		text_skip_blanks(&field);
		text_drop_blanks(&field);
		/* The last separator may have nothing behind it. */
		if (field.length == 0 && in.length == 0)
			break;
		if (!take_field(field, id))
			return MTA_STS_BAD;
	}
	return id[0] != '\0' ? MTA_STS_GOOD : MTA_STS_BAD;
}

/* ---- the policy ------------------------------------------------------------------------------------------------- */

struct reading {
	struct mta_sts_policy *policy;
	bool version, mode, max_age;
};

/* "*." once in front, then a name of labels as hosts have them; "_" is in use as well. */
static bool is_pattern(struct text value)
{
	size_t label = 0;

	if (value.length > 2 && value.at[0] == '*' && value.at[1] == '.') {
		value.at += 2;
		value.length -= 2;
	}
	if (value.length == 0 || value.length > MTA_STS_PATTERN_MAX - 2)
		return false;
	for (size_t i = 0; i < value.length; i++) {
		if (value.at[i] == '.' && label == 0)
			return false;
		label = value.at[i] == '.' ? 0 : label + 1;
		if (value.at[i] != '.' && value.at[i] != '-' && value.at[i] != '_' && !letter_or_digit(value.at[i]))
			return false;
	}
	return true;
}

static const char *take_mode(struct reading *reading, struct text value)
{
	struct mta_sts_policy *policy = reading->policy;

	if (reading->mode)
		return NULL;
	reading->mode = true;
	if (text_is(value, "enforce"))
		policy->mode = MTA_STS_ENFORCE;
	else if (text_is(value, "testing"))
		policy->mode = MTA_STS_TESTING;
	else if (text_is(value, "none"))
		policy->mode = MTA_STS_NONE;
	else
		return "its mode is none that there is";
	return NULL;
}

static const char *take_age(struct reading *reading, struct text value)
{
	enum { DIGITS_MAX = 10 };
	uint64_t seconds = 0;

	if (reading->max_age)
		return NULL;
	reading->max_age = true;
	if (value.length == 0 || value.length > DIGITS_MAX)
		return "its max_age is no number of seconds";
	for (size_t i = 0; i < value.length; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return "its max_age is no number of seconds";
		seconds = seconds * 10 + (uint64_t)(value.at[i] - '0');
	}
	reading->policy->max_age_s = seconds < MTA_STS_AGE_MAX_S ? (uint32_t)seconds : MTA_STS_AGE_MAX_S;
	return NULL;
}

/* An address in brackets, or one of IPv6. */
static bool is_address(struct text value)
{
	bool bracketed = value.length > 2 && value.at[0] == '[' && value.at[value.length - 1] == ']';
	const char *known = bracketed ? "0123456789abcdefABCDEFIPv:.[]" : "0123456789abcdefABCDEF:.";

	for (size_t i = 0; i < value.length; i++) {
		if (value.at[i] == '\0' || !strchr(known, value.at[i]))
			return false;
	}
	return bracketed || memchr(value.at, ':', value.length) != NULL;
}

/* Room is as much as the whole text has. An address is no host's name, and who lists his beside the names demands no
 * less of those: it is passed over, or all of the policy would come to nothing. */
static const char *take_pattern(struct mta_sts_policy *policy, struct text value)
{
	if (is_address(value))
		return NULL;
	if (!is_pattern(value))
		return "one of its mx is no host";
	memcpy(policy->patterns + policy->length, value.at, value.length);
	policy->length += value.length;
	policy->patterns[policy->length++] = '\0';
	policy->pattern_count++;
	return NULL;
}

/* Octets of UTF-8 are not looked at further: nobody reads such a value. */
static bool readable(struct text value)
{
	for (size_t i = 0; i < value.length; i++) {
		if (((unsigned char)value.at[i] < 0x20 && value.at[i] != '\t') || value.at[i] == 0x7f)
			return false;
	}
	return value.length > 0;
}

/* Fields that are not known are left alone; of those that may come once the first counts (RFC 8461 3.2). */
static const char *take_line(struct reading *reading, struct text line)
{
	struct text name = line;
	struct text value;

	if (!memchr(line.at, ':', line.length))
		return "a line is no field";
	value = line;
	name = text_take_until(&value, ':');
	text_skip_blanks(&value);
	text_drop_blanks(&value);
	if (text_is(name, "version")) {
		if (!reading->version && !text_is(value, "STSv1"))
			return "its version is not STSv1";
		reading->version = true;
		return NULL;
	}
	if (text_is(name, "mode"))
		return take_mode(reading, value);
	if (text_is(name, "max_age"))
		return take_age(reading, value);
	if (text_is(name, "mx"))
		return take_pattern(reading->policy, value);
	return is_name(name) && readable(value) ? NULL : "a line is no field";
}

static const char *missing(const struct reading *reading)
{
	if (!reading->version)
		return "it has no version";
	if (!reading->mode)
		return "it has no mode";
	if (!reading->max_age)
		return "it has no max_age";
	/* With "none" there may be hosts and need not. */
	if (reading->policy->mode != MTA_STS_NONE && reading->policy->pattern_count == 0)
		return "it names no mx";
	return NULL;
}

struct mta_sts_policy *mta_sts_policy_parse(const char *text, size_t length, const char **why)
{
	struct text in = {text, length};
	/* Patterns are shorter than their lines. */
	struct reading reading = {.policy = calloc(1, sizeof(*reading.policy) + length + 1)};

	*why = reading.policy ? NULL : "out of memory";
	if (!*why && length > MTA_STS_POLICY_MAX)
		*why = "it is longer than any policy may be";
	while (!*why && in.length > 0) {
		struct text line = text_take_until(&in, '\n');
		if (line.length > 0 && line.at[line.length - 1] == '\r')
			line.length--;
		text_drop_blanks(&line);
		/* Empty lines say nothing, and stand at the end of many. */
		if (line.length > 0)
			*why = take_line(&reading, line);
	}
	if (!*why)
		*why = missing(&reading);
	if (!*why)
		return reading.policy;
	free(reading.policy);
	return NULL;
}

static bool matches(const char *pattern, const char *host, size_t length)
{
	size_t n = strlen(pattern);

	/* A wildcard stands for one label, which is there (RFC 8461 4.1). */
	if (pattern[0] == '*') {
		const char *dot = memchr(host, '.', length);
		if (!dot || dot == host)
			return false;
		length -= (size_t)(dot - host);
		host = dot;
		pattern++;
		n--;
	}
	/* A final dot only says that the name is absolute. */
	if (n > 1 && pattern[n - 1] == '.')
		n--;
	return n == length && strncasecmp(pattern, host, n) == 0;
}

bool mta_sts_policy_names(const struct mta_sts_policy *policy, const char *host)
{
	size_t length = strlen(host);
	const char *pattern = policy->patterns;

	if (length > 0 && host[length - 1] == '.')
		length--;
	for (unsigned i = 0; i < policy->pattern_count; i++, pattern += strlen(pattern) + 1) {
		if (length > 0 && matches(pattern, host, length))
			return true;
	}
	return false;
}

const char *mta_sts_mode_name(enum mta_sts_mode mode)
{
	static const char *const names[] = {"none", "testing", "enforce"};

	return names[mode];
}
