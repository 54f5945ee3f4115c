/*
 * core/tools/postfix_expand.c - postfix_conf_expand() of postfix_conf.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/postfix_conf.h"

/* One value may use others to this depth; a million times `$a$a` ends at POSTFIX_VALUE_MAX, or after so many steps. */
enum { DEPTH_MAX = 20, STEPS_MAX = 10000 };

/* What other values lean on where the file does not say. Of all others only what is written counts. */
static const struct {
	const char *name, *value;
} defaults[] = {
	{"myorigin", "$myhostname"},
	{"mydestination", "$myhostname, localhost.$mydomain, localhost"},
	{"relay_domains", ""},
	{"config_directory", "/etc/postfix"},
	{"data_directory", "/var/lib/postfix"},
	{"queue_directory", "/var/spool/postfix"},
	{"default_database_type", "hash"},
	{"mail_name", "Postfix"},
	{"inet_interfaces", "all"},
	{"default_destination_concurrency_limit", "20"},
};

struct expansion {
	const struct postfix_conf *conf;
	const struct postfix_service *service;
	char *text; /* POSTFIX_VALUE_MAX octets */
	size_t length;
	unsigned depth, steps;
	const char *problem;
};

static bool expand(struct expansion *e, const char *text, size_t length);

static bool fail(struct expansion *e, const char *problem)
{
	if (!e->problem)
		e->problem = problem;
	return false;
}

static bool put(struct expansion *e, const char *text, size_t length)
{
	if (length >= POSTFIX_VALUE_MAX - e->length)
		return fail(e, "its value becomes longer than 64 KiB");
	memcpy(e->text + e->length, text, length);
	e->length += length;
	e->text[e->length] = '\0';
	return true;
}

/* mydomain is what stands behind the first dot of myhostname. */
static bool put_domain(struct expansion *e)
{
	size_t before = e->length;
	static const char hostname[] = "$myhostname";
	const char *dot;

	if (!expand(e, hostname, sizeof(hostname) - 1))
		return false;
	dot = strchr(e->text + before, '.');
	if (!dot)
		return true;
	memmove(e->text + before, dot + 1, strlen(dot + 1) + 1);
	e->length = before + strlen(e->text + before);
	return true;
}

static bool put_value(struct expansion *e, const char *name)
{
	const struct postfix_parameter *found = postfix_conf_find(e->conf, e->service, name);

	if (found)
		return expand(e, found->value, strlen(found->value));
	if (strcmp(name, "mydomain") == 0)
		return put_domain(e);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		if (strcmp(defaults[i].name, name) == 0)
			return expand(e, defaults[i].value, strlen(defaults[i].value));
	}
	return true;
}

/* The value of a text into memory of its own; NULL: e->problem. */
static char *value_of(struct expansion *e, const char *text, size_t length)
{
	size_t before = e->length;
	char *value;

	if (!expand(e, text, length))
		return NULL;
	value = strdup(e->text + before);
	e->length = before;
	e->text[before] = '\0';
	if (!value)
		fail(e, "out of memory");
	return value;
}

/* Where the brace at `from` is closed; NULL: nowhere before `end`. */
static const char *closing(const char *from, const char *end, char open, char close)
{
	unsigned depth = 0;

	for (; from < end; from++) {
		depth += *from == open;
		if (*from == close && --depth == 0)
			return from;
	}
	return NULL;
}

static const char *skip(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* Behind ? or :, {text} or text up to the end. */
static bool branch(struct expansion *e, const char **at, const char *end, const char **from, size_t *length)
{
	const char *stop;

	*at = skip(*at, end);
	if (*at < end && **at == '{') {
		stop = closing(*at, end, '{', '}');
		if (!stop)
			return fail(e, "a brace is not closed");
		*from = *at + 1;
		*length = (size_t)(stop - *from);
		*at = skip(stop + 1, end);
		return true;
	}
	*from = *at;
	*length = (size_t)(end - *at);
	*at = end;
	return true;
}

/* From behind a condition to the end: ?yes, :no, or ?{yes}:{no}. */
static bool choose(struct expansion *e, bool holds, const char *at, const char *end)
{
	const char *from;
	size_t length;
	bool wanted;

	for (at = skip(at, end); at < end && (*at == '?' || *at == ':');) {
		wanted = (*at == '?') == holds;
		at++;
		if (!branch(e, &at, end, &from, &length) || (wanted && !expand(e, from, length)))
			return false;
	}
	return at == end || fail(e, "what stands behind a condition cannot be read");
}

/* Numbers where both are; else as text. */
static int compare(const char *left, const char *right)
{
	char *l, *r;
	long a = strtol(left, &l, 10), b = strtol(right, &r, 10);

	if (*left && *right && *l == '\0' && *r == '\0')
		return (a > b) - (a < b);
	return strcmp(left, right);
}

static bool holds(const char *operator, size_t length, int order)
{
	static const struct {
		const char *text;
		bool less, equal, more;
	} operators[] = {
		{"==", false, true, false}, {"!=", true, false, true}, {"<=", true, true, false},
		{">=", false, true, true},  {"<", true, false, false}, {">", false, false, true},
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (strlen(operators[i].text) == length && strncmp(operators[i].text, operator, length) == 0)
			return order < 0 ? operators[i].less : order > 0 ? operators[i].more : operators[i].equal;
	}
	return false;
}

/* {left} operator {right} ?{yes}:{no} */
static bool expand_comparison(struct expansion *e, const char *at, const char *end)
{
	const char *from[2], *operator;
	size_t length[2], operator_length;
	char *left, *right = NULL;
	bool result;

	if (!branch(e, &at, end, &from[0], &length[0]))
		return false;
	operator= at;
	while (at < end && strchr("=!<>", *at))
		at++;
	operator_length = (size_t)(at - operator);
	if (operator_length == 0 || !branch(e, &at, end, &from[1], &length[1]))
		return fail(e, "a comparison cannot be read");
	left = value_of(e, from[0], length[0]);
	if (left)
		right = value_of(e, from[1], length[1]);
	result = right && choose(e, holds(operator, operator_length, compare(left, right)), at, end);
	free(left);
	free(right);
	return result;
}

/* What stands between ${ and }. */
static bool expand_braces(struct expansion *e, const char *at, const char *end)
{
	char name[128], *value;
	size_t length = 0, before;
	bool result;

	at = skip(at, end);
	if (at < end && *at == '{')
		return expand_comparison(e, at, end);
	while (at < end && (*at == '_' || (*at >= '0' && *at <= '9') || ((*at | 32) >= 'a' && (*at | 32) <= 'z'))) {
		if (length == sizeof(name) - 1)
			return fail(e, "the name of a variable is too long");
		name[length++] = *at++;
	}
	name[length] = '\0';
	at = skip(at, end);
	if (at == end)
		return put_value(e, name);
	before = e->length;
	if (!put_value(e, name))
		return false;
	value = strdup(e->text + before);
	e->length = before;
	e->text[before] = '\0';
	result = value ? choose(e, *value != '\0', at, end) : fail(e, "out of memory");
	free(value);
	return result;
}

/* What follows a $ at `at`; *at is then behind it. */
static bool expand_variable(struct expansion *e, const char **at, const char *end)
{
	const char *from = *at, *stop;
	char name[128];
	size_t length = 0;

	if (from < end && *from == '$') { /* $$ is a dollar */
		++*at;
		return put(e, "$", 1);
	}
	if (from < end && (*from == '{' || *from == '(')) {
		stop = closing(from, end, *from, *from == '{' ? '}' : ')');
		if (!stop)
			return fail(e, "a brace is not closed");
		*at = stop + 1;
		return expand_braces(e, from + 1, stop);
	}
	while (from < end && length < sizeof(name) - 1 &&
	       (*from == '_' || (*from >= '0' && *from <= '9') || ((*from | 32) >= 'a' && (*from | 32) <= 'z')))
		name[length++] = *from++;
	name[length] = '\0';
	*at = from;
	return length > 0 ? put_value(e, name) : put(e, "$", 1);
}

static bool expand(struct expansion *e, const char *text, size_t length)
{
	const char *at = text, *end = text + length;
	bool ok = true;

	if (e->depth == DEPTH_MAX || ++e->steps > STEPS_MAX)
		return fail(e, "its variables lead to each other without end");
	e->depth++;
	while (ok && at < end) {
		const char *dollar = memchr(at, '$', (size_t)(end - at)), *stop = dollar ? dollar : end;

		ok = put(e, at, (size_t)(stop - at));
		at = stop;
		if (ok && dollar) {
			at++;
			ok = expand_variable(e, &at, end);
		}
	}
	e->depth--;
	return ok;
}

char *postfix_conf_expand(const struct postfix_conf *conf, const struct postfix_service *service, const char *text,
			  const char **problem)
{
	struct expansion e = {.conf = conf, .service = service, .text = malloc(POSTFIX_VALUE_MAX)};

	*problem = "out of memory";
	if (!e.text)
		return NULL;
	e.text[0] = '\0';
	if (expand(&e, text, strlen(text)))
		return e.text;
	*problem = e.problem;
	free(e.text);
	return NULL;
}
