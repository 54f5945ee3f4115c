/*
 * core/control/request.h - one request, and its answer: what a handler has to do with.
 *
 * A handler runs on a thread of its connection. It reads, may wait (inquiry.h), and answers exactly once. One that is
 * made inside of the process (within.h) has no connection: its values are given, and its answer stays JSON.
 */
#ifndef POSTRIDER_CONTROL_REQUEST_H
#define POSTRIDER_CONTROL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/ring.h"
#include "core/base/span.h"

struct desk;

enum control_role {
	CONTROL_ANYBODY, /* over TCP, too, without signing in */
	CONTROL_VIEW,
	CONTROL_OPERATE, /* an act: there is an event of it */
};

struct request_given {
	const char *key, *value; /* a value of NULL: not given */
};

/* RFC 9110 15 */
enum {
	ANSWER_OK = 200,
	ANSWER_SEE_OTHER = 303,
	ANSWER_NOT_MODIFIED = 304,
	ANSWER_BAD = 400, /* the request says something that has no meaning */
	ANSWER_UNAUTHORIZED = 401,
	ANSWER_FORBIDDEN = 403,
	ANSWER_NOT_FOUND = 404,
	ANSWER_NOT_SO = 405,
	ANSWER_CONFLICT = 409, /* not as things are */
	ANSWER_TOO_LARGE = 413,
	ANSWER_TOO_MANY = 429,
	ANSWER_UNAVAILABLE = 503,
};

enum { REQUEST_USER_MAX = 240 };

/* How somebody over TCP has signed in. */
enum request_by { REQUEST_BY_NOTHING, REQUEST_BY_PASSWORD, REQUEST_BY_LINK, REQUEST_BY_CERTIFICATE, REQUEST_BY_PROXY };

struct control_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* 0: not known */
};

struct control_request {
	struct desk *desk; /* for inquiries */
	const char *method, *path;
	char argument[256]; /* what stands where the handler's path has `*`; "" without */
	struct control_peer peer;
	/* Over TCP: from where, and who has signed in there; `user` "": nobody. */
	bool remote;
	bool refused;                /* what shows who he is was not good, or not looked at: it is told */
	struct ring_address address; /* where a proxy of ours says that it comes from, if it comes by one */
	bool proxied;
	struct ring_address proxy; /* that one */
	char user[REQUEST_USER_MAX + 1];
	enum request_by by;     /* how */
	bool secure;            /* over TLS, as who asks sees it */
	const char *why;        /* static: a reason that is not told who asks; NULL: none */
	char *certificate;      /* owned: whose certificate, that is not let in; NULL: none */
	enum control_role role; /* what who asks may do */
	const char *allow;      /* the method of the path, where another one was asked */
	bool page;              /* a browser asks for a page (handlers.h) */
	char *body;             /* owned; NUL-terminated; NULL: there is none */
	size_t body_length;
	/* private */
	void *connection, *slot;
	const struct request_given *given; /* within the process; NULL: it came over a connection */
	json_t *answer;                    /* to such a one; owned by who asks */
	bool too_large;
	unsigned status; /* of the answer; 0: none yet */
	void *response;
};

typedef void control_fn(struct control_request *request);

/* A parameter of the query (`?key=value`), the first of that name, decoded; NULL: not given. */
const char *request_value(const struct control_request *request, const char *key);
/* Digits alone, of a number up to `most`. */
bool request_number(const char *text, uint64_t most, uint64_t *out);
/* The parameter `limit`, from 1 to `most`; *out stays where it was not given. False: it was answered, as it has no
 * meaning. */
bool request_limit(struct control_request *request, unsigned most, unsigned *out);
/* A field of the header, the first of that name; NULL: not given. */
const char *request_header(const struct control_request *request, const char *name);
/* How many there are of that name. */
unsigned request_header_count(const struct control_request *request, const char *name);
/* All of them, in their order, with a comma between. NULL without memory. The caller's to free. */
char *request_header_all(const struct control_request *request, const char *name);
/* Where it ends can be read in one way alone (RFC 9112 6.1): a proxy in front that reads it in another would pass on as
 * the body of one what we would take for the next one, of anybody. */
bool request_is_framed(const struct control_request *request);
/* A cookie of that name; NULL: not given. */
const char *request_cookie(const struct control_request *request, const char *name);
/* All of them, in their order; fn may end it by false. */
typedef bool request_value_fn(void *context, const char *key, const char *value);
void request_values(const struct control_request *request, request_value_fn *fn, void *context);

/* Takes `json`, an object; NULL: there was no memory to make it, which is answered instead. */
void request_answer(struct control_request *request, unsigned status, json_t *json);
/* {"error": ...}: a sentence for people, that says what to do. */
__attribute__((format(printf, 3, 4))) void request_fail(struct control_request *request, unsigned status,
							const char *format, ...);
/* A field of the answer, which there is. */
void request_add(struct control_request *request, const char *name, const char *value);
/* Takes `text`, malloc'd; NULL: there was no memory for it, which is answered instead. */
void request_take_text(struct control_request *request, unsigned status, const char *type, char *text, size_t length);
/* The same of a page: what it may load is on this host alone, and nothing that stands in it is run. */
void request_take_page(struct control_request *request, unsigned status, char *text, size_t length);
/* Elsewhere (303); `path` is one of ours. */
void request_redirect(struct control_request *request, const char *path);
/* What is part of the program and never changes: `tag` is of its content. Not sent where the browser has it; `packed`
 * (gzip) where the browser takes that. */
struct request_file {
	const char *type, *tag;
	const unsigned char *plain, *packed;
	size_t plain_length, packed_length;
};
void request_send_file(struct control_request *request, const struct request_file *file);
/* Who asks has ended his direction; or all of it, and nothing that is written arrives. From the request's thread. */
bool request_gone(const struct control_request *request);
/* Both directions have ended, by us or by a reset: no answer can be sent. Not where he has only ended his. */
bool request_cut(const struct control_request *request);
/* Octets as they come: `read` writes up to `size` of them, and answers how many, 0 at the end, REQUEST_LATER: none so
 * far, it is called again where the peer is still there, or -1: it cannot go on, and the connection ends, so that
 * nobody takes it for whole. `end` is called in any case, last. */
enum { REQUEST_LATER = -2 };
typedef ssize_t request_read_fn(void *context, char *out, size_t size);
void request_stream(struct control_request *request, const char *type, request_read_fn *read,
		    void (*end)(void *context), void *context);

/* ---- values ---- */

/* What others have written: octets that are not UTF-8 are replaced. */
json_t *request_text(struct span text);
/* A time of the wall clock as events have it: RFC 3339, UTC, milliseconds; 0: null. */
json_t *request_time(uint64_t wall_ns);

#endif
