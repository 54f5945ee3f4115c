/*
 * core/relay/agents.h - the agents of the process: started when a configuration first needs them, replaced when one
 * wants others, stopped at the end.
 *
 * The newest are in relay->deliverers, for whoever makes a snapshot. A lane asks the one of the snapshot it goes by, so
 * an agent that was replaced is there until all lanes go by a newer one and all that it was asked has come back.
 *
 * For the thread that reloads.
 */
#ifndef POSTRIDER_RELAY_AGENTS_H
#define POSTRIDER_RELAY_AGENTS_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct dns;
struct keeper;
struct lines_kept;
struct log;
struct log_writer;
struct relay;
struct trust_keeper;

enum { AGENTS_RETIRED_MAX = 16 };

struct agents {
	struct relay *relay;
	struct log *log;        /* of who asks for tokens */
	struct log *device_log; /* of who keeps what is known of devices */
	struct log *suppression_log;
	struct log *trace_log;
	struct log_writer *writer; /* whose lines the trace is made of */
	struct lines_kept *kept;   /* memory of events that are posted; NULL: it ends with the process */
	struct keeper *trace;      /* NULL: none is kept */
	const struct config *next; /* of agents_prepare() */
	struct log *tls_report_log;
	struct log *webhook_log;
	struct log *sign_in_log;     /* of who keeps who has signed in */
	struct trust_keeper *trusts; /* the same; NULL as long as nobody may sign in */
	bool incidents_wanted;       /* somebody will watch for them */
	struct dns *retired[AGENTS_RETIRED_MAX];
	unsigned retired_count;
	struct dns *before; /* what agents_refused() goes back to */
};

/* Those that the first snapshot needs, of tokens before its mailboxes are made. NULL, or why not, for people. */
const char *agents_start_tokens(struct agents *agents, const struct config *config);
/* Who fetches MTA-STS policies, where a destination holds to them. The same. */
const char *agents_start_policies(struct agents *agents, const struct config *config);
/* All others, before a shard runs: who asks for names, compares passwords, keeps devices, the suppression list, the
 * trace and what went wrong lately, reports about TLS, posts events. The same. */
const char *agents_start(struct agents *agents, const struct config *config);
/* Those that are shown what is logged, when the last line has been written, so that nothing is missing. */
void agents_stop_takers(struct agents *agents);
/* Those that `next` needs, for the snapshot to be made of it; then one of the two below. The same. */
const char *agents_prepare(struct agents *agents, const struct config *next);
void agents_taken(struct agents *agents);
void agents_refused(struct agents *agents);
/* Stops those that nobody asks any more and that owe no answer. */
void agents_sweep(struct agents *agents);
/* While shards drain: what they gave up comes back, however long a name server, an endpoint or a command is silent. */
void agents_hasten(struct agents *agents);
/* When no shard runs any more. */
void agents_stop(struct agents *agents);

#endif
