/*
 * core/agents/fetch.h - HTTPS requests by an agent's thread: the only place that knows libcurl.
 *
 * One fetcher for a thread, with many requests at a time. Nothing here blocks: the thread sleeps on fetcher_fd() for at
 * most fetcher_wait_ns(), and calls fetcher_process(). Bounded: an answer in size and time; no redirect is followed, no
 * proxy is used but the one that is given, whatever the environment says; TLS 1.2 or later, and the name is verified.
 */
#ifndef POSTRIDER_AGENTS_FETCH_H
#define POSTRIDER_AGENTS_FETCH_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/dns.h"
#include "core/agents/dns_exchangers.h"

enum {
	FETCH_PROBLEM_SIZE = 300,
	FETCH_TIMEOUT_MS = 20000,
	FETCH_CONNECT_TIMEOUT_MS = 10000,
	FETCH_AT_SIZE = DNS_NAME_MAX + 16 + DNS_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3),
};

struct fetcher;
struct fetch;
typedef void fetch_fn(struct fetch *fetch);

struct fetch {
	/* Given; texts stay until fn is called. */
	const char *method; /* NULL: POST where there is a body, else GET */
	const char *url, *body;
	size_t body_length;
	const char *content_type, *authorization; /* NULL: none; authorization: the header's value */
	const char *ca_file;                      /* NULL: the system's authorities */
	const char *proxy;                        /* NULL: none */
	const char *accept;                       /* NULL: application/json */
	const char *at; /* "HOST:PORT:ADDRESS,ADDRESS": where the URL's host is; NULL: the system's resolver knows */
	const char *const *more_headers; /* name, value, name, ..., NULL; NULL: none */
	bool any_length;                 /* an answer beyond `most`, or that does not end in time, is cut, and no
					  * failure: only its status counts */
	bool by_alternative_name; /* the endpoint's certificate is for its host by a subjectAltName (RFC 8461 3.3) */
	size_t most;              /* octets of an answer */
	fetch_fn *fn;             /* from fetcher_process(), but see fetch_start() */

	/* The answer. */
	unsigned status; /* of HTTP; 0: there is none, and `problem` says why */
	char type[64];   /* Content-Type, cut; "": none was said */
	bool untrusted;  /* because of the endpoint's certificate, or of ca_file */
	char *text;      /* of `length`, NUL behind it; wiped and freed by fetch_wipe() */
	size_t length, size;
	uint64_t retry_after_s; /* 0: it asks for nothing */
	int64_t date;           /* of the answer's header, seconds since 1970; 0: none */
	char problem[FETCH_PROBLEM_SIZE];
	size_t head;     /* octets of the answer's header so far */
	bool head_ended; /* it is whole */

	void *handle, *headers, *hosts; /* libcurl's, while it is under way */
};

/* Once, before threads. 0 or -ENOMEM. */
int fetch_global_init(void);
/* NULL without memory. */
struct fetcher *fetcher_new(void);
/* None is under way. */
void fetcher_free(struct fetcher *fetcher);
int fetcher_fd(const struct fetcher *fetcher); /* readable: fetcher_process() has something to do */
uint64_t fetcher_wait_ns(const struct fetcher *fetcher, uint64_t now_ns);
void fetcher_process(struct fetcher *fetcher);

/* For `at`: where the host is. "": there is no address. */
void fetch_at(const char *host, uint16_t port, const struct ring_address *addresses, unsigned count,
	      char out[FETCH_AT_SIZE]);
/* Begins. Without memory fn is called before it returns. */
void fetch_start(struct fetcher *fetcher, struct fetch *fetch);
/* Under way; fn does not come. */
void fetch_cancel(struct fetcher *fetcher, struct fetch *fetch);
static inline bool fetch_under_way(const struct fetch *fetch)
{
	return fetch->handle != NULL;
}
/* For commands that can wait: the whole of it. */
void fetch_now(struct fetch *fetch);
/* What came back. */
void fetch_wipe(struct fetch *fetch);

#endif
