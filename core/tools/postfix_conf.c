/*
 * core/tools/postfix_conf.c - see postfix_conf.h.
 */
#include "core/tools/postfix_conf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool postfix_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool of_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* ---- logical lines ------------------------------------------------------------------------------------------ */

/* A file's logical lines, one after the other. */
struct lines {
	const char *at, *end;
	unsigned next; /* number of the line at `at` */
	char *text;    /* the one that was read; owned */
	size_t length, size;
	unsigned number; /* where it began */
};

static bool put(struct lines *l, const char *from, size_t length)
{
	if (l->length + length + 2 > l->size) {
		size_t size = 2 * (l->length + length + 128);
		char *text = realloc(l->text, size);
		if (!text)
			return false;
		l->text = text;
		l->size = size;
	}
	memcpy(l->text + l->length, from, length);
	l->length += length;
	l->text[l->length] = '\0';
	return true;
}

bool postfix_counts_for_nothing(const char *from, const char *end)
{
	while (from < end && postfix_blank(*from))
		from++;
	return from == end || *from == '#';
}

/* 1: there is one; 0: the end; -1: no memory. */
static int next_line(struct lines *l)
{
	bool begun = false;

	l->length = 0;
	while (l->at < l->end) {
		const char *stop = memchr(l->at, '\n', (size_t)(l->end - l->at)), *end = stop ? stop : l->end;

		if (!postfix_counts_for_nothing(l->at, end)) {
			if (begun && !postfix_blank(*l->at))
				break;
			if (!begun)
				l->number = l->next;
			if (!put(l, l->at, (size_t)(end - l->at)))
				return -1;
			begun = true;
		}
		l->at = stop ? stop + 1 : l->end;
		l->next++;
	}
	while (l->length > 0 && postfix_blank(l->text[l->length - 1]))
		l->text[--l->length] = '\0';
	return begun ? 1 : 0;
}

/* Text has no octet 0, and of the other controls only blanks and ends of lines. The line of the first that is none. */
static bool is_text(const char *text, size_t length, unsigned *line)
{
	*line = 1;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '\n')
			++*line;
		else if ((c < ' ' && c != '\t' && c != '\r' && c != '\f') || c == 0x7f)
			return false;
	}
	return true;
}

/* ---- parameters --------------------------------------------------------------------------------------------- */

static void parameter_free(struct postfix_parameter *parameter)
{
	free(parameter->name);
	free(parameter->value);
}

/* `name = value` in `text`. OK, NO_NAME or NO_MEMORY. */
static enum postfix_result parameter_read(const char *text, unsigned line, struct postfix_parameter *out)
{
	const char *name = text + strspn(text, " \t\r"), *end = name, *value;
	size_t length;

	while (of_name(*end))
		end++;
	value = end + strspn(end, " \t\r");
	if (end == name || *value != '=')
		return POSTFIX_NO_NAME;
	value += 1 + strspn(value + 1, " \t\r\n");
	length = strlen(value);
	while (length > 0 && postfix_blank(value[length - 1]))
		length--;
	*out = (struct postfix_parameter){
		.name = strndup(name, (size_t)(end - name)), .value = strndup(value, length), .line = line};
	if (out->name && out->value)
		return POSTFIX_OK;
	parameter_free(out);
	return POSTFIX_NO_MEMORY;
}

static struct postfix_parameter *find(struct postfix_parameter *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	}
	return NULL;
}

/* Takes what `parameter` owns. */
static enum postfix_result keep(struct postfix_parameter **list, size_t *count, struct postfix_parameter *parameter)
{
	struct postfix_parameter *known = find(*list, *count, parameter->name), *more;

	if (known) {
		parameter_free(known);
		*known = *parameter;
		return POSTFIX_OK;
	}
	more = *count < POSTFIX_PARAMETERS_MAX ? realloc(*list, (*count + 1) * sizeof(**list)) : NULL;
	if (!more) {
		parameter_free(parameter);
		return *count < POSTFIX_PARAMETERS_MAX ? POSTFIX_NO_MEMORY : POSTFIX_TOO_MANY;
	}
	*list = more;
	more[(*count)++] = *parameter;
	return POSTFIX_OK;
}

enum postfix_result postfix_conf_read_main(struct postfix_conf *conf, const char *text, size_t length, unsigned *line)
{
	struct lines lines = {.at = text, .end = text + length, .next = 1};
	enum postfix_result result = POSTFIX_OK;
	struct postfix_parameter parameter;
	int more;

	if (!is_text(text, length, line))
		return POSTFIX_NOT_TEXT;
	while (result == POSTFIX_OK && (more = next_line(&lines)) != 0) {
		result = more < 0 ? POSTFIX_NO_MEMORY : parameter_read(lines.text, lines.number, &parameter);
		if (result == POSTFIX_OK)
			result = keep(&conf->parameters, &conf->parameter_count, &parameter);
	}
	*line = lines.number;
	free(lines.text);
	return result;
}

/* ---- services ----------------------------------------------------------------------------------------------- */

static void service_free(struct postfix_service *service)
{
	free(service->name);
	free(service->type);
	free(service->program);
	free(service->process_limit);
	for (size_t i = 0; i < service->option_count; i++)
		parameter_free(&service->options[i]);
	free(service->options);
}

/* The next argument: up to a blank, or what stands in braces. False: none is left. */
static bool argument(const char **rest, const char **from, size_t *length)
{
	const char *at = *rest + strspn(*rest, " \t\r");
	unsigned depth = 0;

	*from = at;
	if (*at == '{') {
		for (; *at; at++) {
			depth += *at == '{';
			if (*at == '}' && --depth == 0)
				break;
		}
		*length = (size_t)(at - *from) - 1;
		++*from;
		*rest = *at ? at + 1 : at;
		return true;
	}
	*length = strcspn(at, " \t\r");
	*rest = at + *length;
	return *length > 0;
}

/* -o name=value, -oname=value and -o { name = value }; other options are the program's own. */
static enum postfix_result read_options(struct postfix_service *service, const char *rest)
{
	enum postfix_result result = POSTFIX_OK;
	const char *from;
	size_t length;

	while (result == POSTFIX_OK && argument(&rest, &from, &length)) {
		struct postfix_parameter parameter;
		char *option;

		if (length < 2 || from[0] != '-' || from[1] != 'o')
			continue;
		if (length > 2) {
			from += 2;
			length -= 2;
		} else if (!argument(&rest, &from, &length)) {
			break;
		}
		option = strndup(from, length);
		result = option ? parameter_read(option, service->line, &parameter) : POSTFIX_NO_MEMORY;
		free(option);
		if (result == POSTFIX_OK)
			result = keep(&service->options, &service->option_count, &parameter);
		else if (result == POSTFIX_NO_NAME)
			result = POSTFIX_BAD_LINE;
	}
	return result;
}

/* service type private unpriv chroot wakeup maxproc command [arguments] */
static enum postfix_result read_service(const char *text, unsigned line, struct postfix_service *out)
{
	enum { COLUMNS = 8, NAME = 0, TYPE = 1, PROCESSES = 6, COMMAND = 7 };
	char *columns[COLUMNS] = {0};
	enum postfix_result result = POSTFIX_OK;
	const char *rest = text, *from;
	size_t length;

	for (int i = 0; i < COLUMNS && result == POSTFIX_OK; i++) {
		if (!argument(&rest, &from, &length))
			result = POSTFIX_BAD_LINE;
		else if (!(columns[i] = strndup(from, length)))
			result = POSTFIX_NO_MEMORY;
	}
	*out = (struct postfix_service){.name = columns[NAME],
					.type = columns[TYPE],
					.process_limit = columns[PROCESSES],
					.program = columns[COMMAND],
					.line = line};
	for (int i = TYPE + 1; i < PROCESSES; i++)
		free(columns[i]);
	if (result == POSTFIX_OK)
		result = read_options(out, rest);
	if (result != POSTFIX_OK)
		service_free(out);
	return result;
}

enum postfix_result postfix_conf_read_master(struct postfix_conf *conf, const char *text, size_t length, unsigned *line)
{
	struct lines lines = {.at = text, .end = text + length, .next = 1};
	enum postfix_result result = POSTFIX_OK;
	struct postfix_service service, *more_services;
	int more;

	if (!is_text(text, length, line))
		return POSTFIX_NOT_TEXT;
	while (result == POSTFIX_OK && (more = next_line(&lines)) != 0) {
		result = more < 0 ? POSTFIX_NO_MEMORY : read_service(lines.text, lines.number, &service);
		if (result != POSTFIX_OK)
			break;
		more_services = conf->service_count < POSTFIX_SERVICES_MAX
					? realloc(conf->services, (conf->service_count + 1) * sizeof(service))
					: NULL;
		if (!more_services) {
			service_free(&service);
			result = conf->service_count < POSTFIX_SERVICES_MAX ? POSTFIX_NO_MEMORY : POSTFIX_TOO_MANY;
			break;
		}
		conf->services = more_services;
		conf->services[conf->service_count++] = service;
	}
	*line = lines.number;
	free(lines.text);
	return result;
}

const char *postfix_result_text(enum postfix_result result)
{
	static const char *const texts[] = {
		[POSTFIX_OK] = "it is fine",
		[POSTFIX_NO_MEMORY] = "out of memory",
		[POSTFIX_NOT_TEXT] = "an octet that no text file has: give the text, not the .db or .lmdb made of it",
		[POSTFIX_NO_NAME] = "this is no line as in `name = value`",
		[POSTFIX_TOO_MANY] = "there are more of them than a configuration of Postfix has",
		[POSTFIX_BAD_LINE] = "this is no line of master.cf: eight columns, and then `-o name=value`",
	};

	return texts[result];
}

void postfix_conf_free(struct postfix_conf *conf)
{
	for (size_t i = 0; i < conf->parameter_count; i++)
		parameter_free(&conf->parameters[i]);
	for (size_t i = 0; i < conf->service_count; i++)
		service_free(&conf->services[i]);
	free(conf->parameters);
	free(conf->services);
	*conf = (struct postfix_conf){0};
}

struct postfix_parameter *postfix_conf_find(const struct postfix_conf *conf, const struct postfix_service *service,
					    const char *name)
{
	struct postfix_parameter *found = service ? find(service->options, service->option_count, name) : NULL;

	if (!found)
		found = find(conf->parameters, conf->parameter_count, name);
	if (found)
		found->used = true;
	return found;
}

bool postfix_word(const char **rest, char *word, size_t size)
{
	const char *at = *rest + strspn(*rest, " \t\r\n,"), *from = at;
	size_t length;

	if (*at == '{') {
		for (unsigned depth = 0; *at; at++) {
			depth += *at == '{';
			if (*at == '}' && --depth == 0)
				break;
		}
		from++;
		length = (size_t)(at - from);
		*rest = *at ? at + 1 : at;
		while (length > 0 && postfix_blank(*from)) {
			from++;
			length--;
		}
		while (length > 0 && postfix_blank(from[length - 1]))
			length--;
	} else {
		/* Braces keep together what is within, also behind a word: inline:{a = b, c = d}. */
		for (unsigned depth = 0; *at && (depth > 0 || !strchr(" \t\r\n,", *at)); at++) {
			depth += *at == '{';
			depth -= *at == '}' && depth > 0;
		}
		length = (size_t)(at - from);
		*rest = at;
		if (length == 0)
			return false;
	}
	if (length >= size)
		length = size - 1;
	memcpy(word, from, length);
	word[length] = '\0';
	return true;
}
