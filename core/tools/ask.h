/*
 * core/tools/ask.h - how a command asks the process that runs (core/control): one request, one answer in JSON.
 *
 * Where it listens: --socket PATH, or `control.socket` of --config FILE; without either /run/postrider/control.sock,
 * and where there is none what /etc/postrider/postrider.yaml says. So somebody who may use the socket need not be able
 * to read the configuration, with its secrets.
 *
 * Nothing that came over the wire is printed as it is: table.h.
 */
#ifndef POSTRIDER_TOOLS_ASK_H
#define POSTRIDER_TOOLS_ASK_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define ASK_CONFIGURATION "/etc/postrider/postrider.yaml"
#define ASK_SOCKET "/run/postrider/control.sock"

/* What the commands answer. */
enum {
	ASK_DONE = 0,
	ASK_NOT = 1,          /* what was asked for is not there */
	ASK_USAGE = 64,       /* the request has no meaning */
	ASK_UNAVAILABLE = 69, /* no process answers */
	ASK_SOFTWARE = 70,
	ASK_PART = 75, /* the answer is not whole, or it is not now */
	ASK_PERMISSION = 77,
	ASK_CONFIG = 78,
};

/* What every command takes. */
struct ask {
	const char *command; /* for what is said on standard error */
	const char *config, *socket;
	bool json, utc;
	char path[PATH_MAX];
	char *problem; /* where what would be said on standard error goes; NULL: there */
	size_t problem_size;
	long answer_s; /* how long an answer may take; 0: as usual */
	void *line;    /* libcurl's, with the connection that is kept for the next request; NULL: each has its own */
};

/* The options of a command that takes no others, into `ask`. True where `count` words are left, behind optind; else
 * *status is what is to be answered, after its usage. */
bool ask_options(struct ask *ask, int argc, char **argv, int count, int *status);
/* One of them, as getopt_long() has found it; 'c', 's', 'j' and 'u' stand for --config, --socket, --json and --utc.
 * False: it is another one. */
bool ask_option(struct ask *ask, int option, const char *value);
/* Finds the socket. 0, or the exit status after saying why. */
int ask_open(struct ask *ask);
/* For a command with many requests: they go over one connection, and give way to who else wants the processor. Until
 * ask_close(), on one thread. */
void ask_many(struct ask *ask);
void ask_close(struct ask *ask);
/* `path` with its query. 0 with the *answer, which is the caller's; or the exit status after saying why. `body`: NULL:
 * none, and the method is GET; else POST, unless another one is named. */
int ask_get(const struct ask *ask, const char *path, json_t **answer);
int ask_send(const struct ask *ask, const char *method, const char *path, json_t *body, json_t **answer);
/* Octets, not JSON: handed to `write`, which answers false to end it. */
typedef bool ask_write_fn(void *context, const char *data, size_t length);
int ask_octets(const struct ask *ask, const char *path, ask_write_fn *write, void *context);

/* Of an answer: a number, 0 without one; a text, "-" without one. */
json_int_t ask_number(const json_t *json, const char *key);
const char *ask_text(const json_t *json, const char *key);

/* A path with its query as it grows. */
struct ask_path {
	char text[8192];
	size_t length;
	bool query, full; /* `full`: it did not fit */
};
/* As in ask_path_begin(&path, "/v1/queue/messages"). */
void ask_path_begin(struct ask_path *path, const char *text);
/* `/` and the value, escaped. */
void ask_path_segment(struct ask_path *path, const char *value);
/* key=value, escaped; a `value` of NULL is left out. */
void ask_path_value(struct ask_path *path, const char *key, const char *value);

#endif
