/*
 * core/tools/parcel.c - see parcel.h.
 */
#include "core/tools/parcel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/address.h"
#include "core/smtp/parameters.h"
#include "core/smtp/utf8.h"

static const char *const statuses[] = {
	[PARCEL_WAITS] = "pending", [PARCEL_HELD] = "held",           [PARCEL_DELIVERED] = "delivered",
	[PARCEL_FAILED] = "failed", [PARCEL_ELSEWHERE] = "elsewhere",
};
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

/* ---- reading ---------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool wrong(char problem[PARCEL_PROBLEM], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem, PARCEL_PROBLEM, format, arguments);
	va_end(arguments);
	return false;
}

/* "" where it is not there or null. */
static bool take_text(const json_t *json, const char *key, const char **out, char problem[PARCEL_PROBLEM])
{
	const json_t *value = json_object_get(json, key);

	*out = "";
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value))
		return wrong(problem, "\"%s\" is no text", key);
	*out = json_string_value(value);
	return true;
}

static bool take_flag(const json_t *json, const char *key, bool *out, char problem[PARCEL_PROBLEM])
{
	const json_t *value = json_object_get(json, key);

	*out = json_is_true(value);
	return !value || json_is_boolean(value) || wrong(problem, "\"%s\" is neither true nor false", key);
}

/* What a command of SMTP can carry between its angle brackets. */
static bool address_good(const char *text, bool wide)
{
	struct span address = span_text(text);
	struct address ignored;

	return (wide ? address_parse_wide : address_parse)(address, SMTP_SYNTAX_TOLERANT, &ignored) == ADDRESS_OK;
}

/* U+FFFD stands for what could not be written: to whom it went is not known any more. */
static bool whole(const char *text)
{
	return !strstr(text, "\xef\xbf\xbd");
}

static bool take_address(const json_t *json, const char *key, bool wide, const char **out, char problem[PARCEL_PROBLEM])
{
	if (!take_text(json, key, out, problem))
		return false;
	if (**out == '\0')
		return true;
	if (!whole(*out))
		return wrong(problem, "\"%s\" has a character that could not be exported", key);
	if (!address_good(*out, wide))
		return wrong(problem, "\"%s\" is no address: %.100s", key, *out);
	return true;
}

static bool mail_parameter(struct smtp_mail_parameters *parameters, const char *keyword, const char *value)
{
	return parameter_of_mail(parameters, SMTP_SYNTAX_STRICT, span_text(keyword), span_text(value), true) ==
	       PARAMETER_TAKEN;
}

static bool rcpt_parameter(struct smtp_rcpt_parameters *parameters, const char *keyword, const char *value)
{
	return parameter_of_rcpt(parameters, SMTP_SYNTAX_STRICT, span_text(keyword), span_text(value), true) ==
	       PARAMETER_TAKEN;
}

static bool take_recipient(const json_t *json, bool wide, struct parcel_recipient *out, char problem[PARCEL_PROBLEM])
{
	struct smtp_rcpt_parameters parameters = {0};
	const char *status;
	unsigned i;

	if (!json_is_object(json))
		return wrong(problem, "a recipient is no object");
	if (!take_address(json, "to", wide, &out->address, problem) || !take_text(json, "status", &status, problem) ||
	    !take_text(json, "notify", &out->notify, problem) || !take_text(json, "orcpt", &out->orcpt, problem))
		return false;
	if (*out->address == '\0')
		return wrong(problem, "a recipient has no \"to\"");
	for (i = 0; i < STATUSES && strcmp(statuses[i], status) != 0; i++)
		;
	if (*status && i == STATUSES)
		return wrong(problem, "a recipient's \"status\" is not known: %.40s", status);
	out->status = *status ? (enum parcel_status)i : PARCEL_WAITS;
	if (*out->notify && !rcpt_parameter(&parameters, "NOTIFY", out->notify))
		return wrong(problem, "a recipient's \"notify\" is none: %.40s", out->notify);
	if (*out->orcpt && (!rcpt_parameter(&parameters, "ORCPT", out->orcpt) || parameters.orcpt_wide > wide))
		return wrong(problem, "a recipient's \"orcpt\" is none: %.100s", out->orcpt);
	return true;
}

static bool take_recipients(struct parcel *p, char problem[PARCEL_PROBLEM])
{
	const json_t *list = json_object_get(p->json, "recipients");

	if (!json_is_array(list) || json_array_size(list) == 0)
		return wrong(problem, "there are no \"recipients\"");
	p->recipients = calloc(json_array_size(list), sizeof(*p->recipients));
	if (!p->recipients)
		return wrong(problem, "out of memory");
	for (; p->count < json_array_size(list); p->count++) {
		if (!take_recipient(json_array_get(list, p->count), p->smtputf8, &p->recipients[p->count], problem))
			return false;
	}
	return true;
}

/* RFC 3339 in UTC, of which seconds are enough for RFC 4865. */
static bool take_hold(struct parcel *p, char problem[PARCEL_PROBLEM])
{
	struct smtp_mail_parameters parameters = {0};
	const char *time;
	size_t length;

	if (!take_text(p->json, "not_before", &time, problem))
		return false;
	if (*time == '\0')
		return true;
	length = strcspn(time, ".Z");
	if (length + 2 <= sizeof(p->hold_until)) {
		memcpy(p->hold_until, time, length);
		memcpy(p->hold_until + length, "Z", 2);
		if (mail_parameter(&parameters, "HOLDUNTIL", p->hold_until))
			return true;
	}
	return wrong(problem, "\"not_before\" is no time: %.40s", time);
}

static bool take_size(struct parcel *p, char problem[PARCEL_PROBLEM])
{
	const json_t *size = json_object_get(p->json, "size");

	if (!size)
		return true;
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return wrong(problem, "\"size\" is no number of octets");
	p->size_known = true;
	p->size = (uint64_t)json_integer_value(size);
	return true;
}

static bool take_all(struct parcel *p, char problem[PARCEL_PROBLEM])
{
	struct smtp_mail_parameters parameters = {0};
	const char *body;

	if (!json_is_object(p->json))
		return wrong(problem, "it is no object of JSON");
	if (!json_is_string(json_object_get(p->json, "from")))
		return wrong(problem, "there is no \"from\"; of mail without a sender it is \"\"");
	if (!take_flag(p->json, "smtputf8", &p->smtputf8, problem) ||
	    !take_flag(p->json, "require_tls", &p->require_tls, problem) ||
	    !take_text(p->json, "id", &p->id, problem) ||
	    !take_address(p->json, "from", p->smtputf8, &p->sender, problem) ||
	    !take_text(p->json, "body", &body, problem) || !take_text(p->json, "ret", &p->ret, problem) ||
	    !take_text(p->json, "envid", &p->envid, problem) || !take_hold(p, problem) || !take_size(p, problem))
		return false;
	if (*body && strcmp(body, "7BIT") != 0 && strcmp(body, "8BITMIME") != 0)
		return wrong(problem, "\"body\" is neither 7BIT nor 8BITMIME");
	p->eight_bit = strcmp(body, "8BITMIME") == 0;
	if (*p->ret && !mail_parameter(&parameters, "RET", p->ret))
		return wrong(problem, "\"ret\" is neither FULL nor HDRS");
	if (*p->envid && !mail_parameter(&parameters, "ENVID", p->envid))
		return wrong(problem, "\"envid\" is none: %.100s", p->envid);
	return take_recipients(p, problem);
}

bool parcel_read(const char *text, size_t length, struct parcel *out, char problem[PARCEL_PROBLEM])
{
	json_error_t error;

	*out = (struct parcel){.json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error)};
	if (!out->json)
		return wrong(problem, "it is no JSON: line %d: %.160s", error.line, error.text);
	if (take_all(out, problem))
		return true;
	parcel_free(out);
	return false;
}

void parcel_free(struct parcel *parcel)
{
	free(parcel->recipients);
	json_decref(parcel->json);
	*parcel = (struct parcel){0};
}

size_t parcel_count(const struct parcel *parcel, enum parcel_status status)
{
	size_t n = 0;

	for (size_t i = 0; i < parcel->count; i++)
		n += parcel->recipients[i].status == status;
	return n;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* What is said of it, as it is. */
static void copy(json_t *to, const char *name, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);
	const char *text = json_string_value(value);

	if (value && !json_is_null(value) && !json_is_false(value) && !(text && *text == '\0'))
		json_object_set(to, name, value);
}

static json_t *recipient_of(const json_t *one)
{
	const json_t *reply = json_object_get(one, "reply");
	json_t *out = json_object();

	copy(out, "to", one, "address");
	json_object_set(out, "destination", json_object_get(one, "destination"));
	json_object_set(out, "status", json_object_get(one, "status"));
	json_object_set(out, "attempts", json_object_get(one, "attempts"));
	copy(out, "due", one, "due");
	if (json_is_object(reply)) {
		json_object_set_new(out, "code", json_integer(json_integer_value(json_object_get(reply, "code"))));
		json_object_set(out, "reply", json_object_get(reply, "text"));
	}
	copy(out, "notify", one, "notify");
	copy(out, "orcpt", one, "orcpt");
	return out;
}

json_t *parcel_of_answer(const json_t *message)
{
	static const char *const as_they_are[] = {"client", "peer", "helo"};
	static const char *const if_said[] = {"body",        "smtputf8",   "ret",   "envid",
					      "require_tls", "not_before", "owner", "report"};
	json_t *out = json_object(), *list = json_array(), *one;
	size_t i;

	json_object_set(out, "id", json_object_get(message, "id"));
	json_object_set(out, "size", json_object_get(message, "size"));
	json_object_set(out, "accepted", json_object_get(message, "accepted"));
	for (i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++)
		json_object_set(out, as_they_are[i], json_object_get(message, as_they_are[i]));
	json_object_set(out, "from", json_object_get(message, "sender"));
	for (i = 0; i < sizeof(if_said) / sizeof(if_said[0]); i++)
		copy(out, if_said[i], message, if_said[i]);
	json_array_foreach(json_object_get(message, "envelope"), i, one) json_array_append_new(list, recipient_of(one));
	json_object_set_new(out, "recipients", list);
	return out;
}
