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

#include <stddef.h>

struct config;
struct dns;
struct keeper;
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
	struct keeper *trace;      /* NULL: none is kept */
	struct agents_taps {
		struct keeper *trace;  /* NULL: nobody */
		struct recent *recent; /* NULL: nobody */
	} taps[2];
	unsigned taps_used;        /* the one that the writer has */
	const struct config *next; /* of agents_prepare() */
	struct log *tls_report_log;
	struct log *sign_in_log;     /* of who keeps who has signed in */
	struct trust_keeper *trusts; /* the same; NULL as long as nobody may sign in */
	struct dns *retired[AGENTS_RETIRED_MAX];
	unsigned retired_count;
	struct dns *before; /* what agents_refused() goes back to */
};

/* Those that the first snapshot needs: of tokens before its mailboxes are made, of names before a shard runs. NULL, or
 * why not, for people. */
const char *agents_start_tokens(struct agents *agents, const struct config *config);
/* Who fetches MTA-STS policies, where a destination holds to them. The same. */
const char *agents_start_policies(struct agents *agents, const struct config *config);
const char *agents_start_names(struct agents *agents, const struct config *config);
/* Who compares passwords and keeps who has signed in, before the first snapshot is used. The same. */
const char *agents_start_verifiers(struct agents *agents, const struct config *config);
/* Who keeps what is known of devices. The same. */
const char *agents_start_devices(struct agents *agents, const struct config *config);
/* Who keeps the list of those that are sent nothing. The same. */
const char *agents_start_suppression(struct agents *agents, const struct config *config);
/* Who keeps the trace. The same. It is stopped when the last line has been written, so that nothing is missing. */
const char *agents_start_trace(struct agents *agents, const struct config *config);
/* Who keeps what went wrong lately, where somebody may ask for it; it ends with the trace. The same. */
const char *agents_start_recent(struct agents *agents, const struct config *config);
void agents_stop_trace(struct agents *agents);
/* Who reports about TLS. The same. */
const char *agents_start_tls_reports(struct agents *agents, const struct config *config);
/* Those that `next` needs, for the snapshot to be made of it; then one of the two below. The same. */
const char *agents_prepare(struct agents *agents, const struct config *next);
void agents_taken(struct agents *agents);
void agents_refused(struct agents *agents);
/* Stops those that nobody asks any more and that owe no answer. */
void agents_sweep(struct agents *agents);
/* When no shard runs any more. */
void agents_stop(struct agents *agents);

#endif
