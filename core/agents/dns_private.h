/*
 * core/agents/dns_private.h - what the files of the agent `dns` share: dns.c (questions, files, the thread) stands on
 * dns_places.c (whose turn it is), that on dns_job.c (what is asked and answered for one question), and that on
 * dns_library.c (libunbound).
 */
#ifndef POSTRIDER_AGENTS_DNS_PRIVATE_H
#define POSTRIDER_AGENTS_DNS_PRIVATE_H

#include "core/agents/agent_thread.h"
#include "core/agents/dns.h"
#include "core/agents/dns_exchangers.h"
#include "core/agents/dns_files.h"
#include "core/agents/dns_records.h"
#include "core/base/list.h"

struct ub_ctx;
struct ub_result;
struct dns_job;

enum dns_kind { DNS_A, DNS_AAAA, DNS_KINDS, /* instead of the first: */ DNS_MX, DNS_CNAME, DNS_TXT, DNS_TLSA };

/* What one query of the library's came to. */
enum dns_answer {
	DNS_ANSWER_NONE, /* not asked, or not answered yet */
	DNS_ANSWER_DATA,
	DNS_ANSWER_EMPTY, /* the name exists, without an address of this kind */
	DNS_ANSWER_NO_NAME,
	DNS_ANSWER_FAILED, /* `rcode` says how */
};

struct dns_query {
	struct dns_job *job;
	int id; /* the library's; valid while `out` */
	bool out;
	enum dns_answer answer;
	int rcode;
	bool secure, bogus;
	unsigned ttl_s;
	unsigned count;
	char canonical[DNS_NAME_SIZE]; /* where an alias has led; "": it was none */
	struct ring_address addresses[DNS_ADDRESSES_MAX];
};

/*
 * Questions wait for and take places by whose they are, and each rank has a context of the library's to itself: what
 * one has made of the servers' silence, and the sockets that it keeps busy, is nothing to the others.
 */
enum dns_rank {
	DNS_OWN,   /* names that the operator wrote */
	DNS_FIRST, /* names of strangers */
	DNS_AGAIN, /* and those of them that nobody answered in a moment */
	DNS_RANKS,
};

struct dns_places {
	struct ub_ctx *library; /* NULL: not wanted yet, or could not be made */
	bool tried;             /* that, since the files were looked at */
	struct list waiting, running;
	unsigned running_count;
	bool newest_next;    /* of those that wait, or the oldest */
	uint64_t jostled_ns; /* when the last one lost its place */
};

/* One question under way. */
struct dns_job {
	struct list link; /* waiting or running */
	enum dns_rank rank;
	uint64_t wanted_ns;
	uint64_t began_ns; /* since when it has a place, 0: it had none yet */
	struct dns_question *question;
	struct dns_query queries[DNS_KINDS];
	unsigned candidate;               /* of the search list */
	struct dns_records_search search; /* for records */
	uint64_t deadline_ns;             /* sooner than the question's once there is something to answer */
	bool empty, failed;               /* what earlier candidates came to */
	bool unproven, bogus;             /* of these: one was not proven; one was bogus */
	int rcode;                        /* of the failure */
	char why[100];                    /* what was bogus */
	unsigned ttl_s;                   /* the least, of what earlier candidates came to */
};

struct dns {
	struct agent_thread thread;
	char servers[DNS_SERVERS_MAX][DNS_SERVER_TEXT]; /* of the configuration */
	unsigned server_count;
	bool validate;
	char *anchor, *anchor_kept; /* owned; NULL as in struct dns_settings */

	/* The thread's. */
	struct dns_places places[DNS_RANKS];
	int epoll; /* of the libraries' descriptors */
	struct resolv_conf conf;
	uint64_t looked_ns;  /* when resolv.conf was looked at */
	uint64_t conf_stamp; /* which one it was */
	char *hosts;         /* the text of /etc/hosts; owned, NULL: none */
	size_t hosts_length;
	uint64_t hosts_stamp;
};

/* dns_job.c: what is asked, and answered. */

/* Asks for what comes first, or next; false: there was none, and the question is answered. */
bool dns_ask_next(struct dns *dns, struct dns_job *job);
/* Looks at what has come; false: it is over. */
bool dns_step(struct dns *dns, struct dns_job *job, uint64_t now_ns);
/* The end of a job, wherever it is. */
void dns_answer(struct dns *dns, struct dns_job *job, int result);
void dns_answer_failed(struct dns *dns, struct dns_job *job, const char *what, int result);
/* With addresses that have come; false: there are none, and it goes on. */
bool dns_take_data(struct dns *dns, struct dns_job *job);

/* It asks for nothing any more. */
void dns_cancel(struct dns *dns, struct dns_job *job);
/* For how long the answer is good. */
void dns_valid(struct dns_question *question, unsigned ttl_s, unsigned least_s, unsigned most_s);

/* dns_places.c: whose turn it is. */

/* 0 or -errno. */
int dns_places_begin(struct dns *dns);
void dns_places_end(struct dns *dns);
bool dns_has_work(const struct dns *dns);
/* The job is in no list. */
void dns_wait(struct dns *dns, struct dns_job *job, enum dns_rank rank);
/* Asks, gives up, answers; *next_ns: when to look again at the latest. */
void dns_look_at_all(struct dns *dns, uint64_t now_ns, uint64_t *next_ns);
/* Takes what has come to the libraries. */
void dns_process(struct dns *dns);
/* What is under way is asked anew, of the servers that are in the file now. */
void dns_renew(struct dns *dns);
/* Those that could not be made may be tried again. */
void dns_try_libraries(struct dns *dns);

/* dns_order.c: the addresses as they should be tried, with their port; those that this machine is at are marked. */
void dns_put_in_order(struct dns_question *q);

/* dns_library.c: the only one that knows libunbound. */

/* A context for these servers, or NULL. */
struct ub_ctx *dns_library_new(const struct dns *dns, enum dns_rank rank);
void dns_library_free(struct ub_ctx *library);
int dns_library_fd(struct ub_ctx *library);
/* Runs what has come: fills in queries that are `out`. */
void dns_library_process(struct ub_ctx *library);
/* Asks; where that fails the query is answered FAILED at once. */
void dns_library_ask(struct ub_ctx *library, struct dns_query *query, const char *name, enum dns_kind kind);
/* Nothing will be filled in any more. */
void dns_library_cancel(struct ub_ctx *library, struct dns_query *query);
const char *dns_library_rcode(int rcode);

#endif
