/*
 * core/tools/postfix_conf.h - what stands in Postfix's main.cf and master.cf, as text: no files, and nothing is run.
 *
 * main.cf (postconf(5)): a line that begins with a blank goes on with the one before; lines that are empty or whose
 * first other octet is # count for nothing, also between those. master.cf (master(5)): eight columns, and -o options
 * of the command. What a parameter's value comes to with $name, ${name?text}, ${name:text}, ${name?{text}:{text}} and
 * ${{left} == {right}?{text}:{text}} is worked out when it is asked for, by what is in the file and the few defaults
 * that others lean on; bounded in depth and length, so that no value can be made to grow without end.
 *
 * The structures own their memory; postfix_conf_free() gives it back.
 */
#ifndef POSTRIDER_TOOLS_POSTFIX_CONF_H
#define POSTRIDER_TOOLS_POSTFIX_CONF_H

#include <stdbool.h>
#include <stddef.h>

enum { POSTFIX_VALUE_MAX = 65536, POSTFIX_PARAMETERS_MAX = 10000, POSTFIX_SERVICES_MAX = 1000 };

struct postfix_parameter {
	char *name, *value; /* the value as it is written, in one line */
	unsigned line;      /* from 1; where it begins */
	bool used;          /* somebody asked for it */
};

struct postfix_service {
	char *name, *type, *program;
	char *process_limit;               /* "-": the default */
	struct postfix_parameter *options; /* of -o */
	size_t option_count;
	unsigned line;
};

struct postfix_conf {
	struct postfix_parameter *parameters; /* one for each name: the last one in the file counts */
	size_t parameter_count;
	struct postfix_service *services;
	size_t service_count;
};

enum postfix_result {
	POSTFIX_OK,
	POSTFIX_NO_MEMORY,
	POSTFIX_NOT_TEXT, /* an octet that no text file has */
	POSTFIX_NO_NAME,  /* a line of main.cf that is no `name = value` */
	POSTFIX_TOO_MANY,
	POSTFIX_BAD_LINE, /* of master.cf: fewer than eight columns */
};

/* Adds what the text has. `line` is where it ended, if it was not POSTFIX_OK. */
enum postfix_result postfix_conf_read_main(struct postfix_conf *conf, const char *text, size_t length, unsigned *line);
enum postfix_result postfix_conf_read_master(struct postfix_conf *conf, const char *text, size_t length,
					     unsigned *line);
const char *postfix_result_text(enum postfix_result result);
void postfix_conf_free(struct postfix_conf *conf);

/* As it is written, for a service with its -o, or NULL for none. NULL: not there. Counts as used. */
struct postfix_parameter *postfix_conf_find(const struct postfix_conf *conf, const struct postfix_service *service,
					    const char *name);

/*
 * A text with its variables worked out; the caller frees it. NULL with *problem, a sentence: what cannot be had (too
 * deep, too long, a brace that is not closed, no memory). A name that is nowhere is "".
 */
char *postfix_conf_expand(const struct postfix_conf *conf, const struct postfix_service *service, const char *text,
			  const char **problem);

/* Of a line, of tables as well: what stands between words; whether it is empty, or its first other octet is #. */
bool postfix_blank(char c);
bool postfix_counts_for_nothing(const char *from, const char *end);

/* The next word of a list, between commas and blanks; what stands in braces is one word, without them. False: none. */
bool postfix_word(const char **rest, char *word, size_t size);

#endif
