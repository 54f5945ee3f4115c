/*
 * bench/sink.h - what the parts of the sink share.
 *
 *     sink.c           main(), threads, the result
 *     sink_options.c   the command line
 *     sink_thread.c    a thread: its listener, its sessions, replies held back, faults
 *     sink_session.c   one connection: input, replies, the end of a message
 *     sink_command.c   the commands
 *     sink_content.c   finds the end of data and line endings that are wrong
 *     sink_account.c   which sequences came, how often
 *
 * Ownership: a run outlives its threads, a thread its sessions (recycled, never freed before the end). Threads
 * share only the account, the counters below marked atomic, and the files.
 */
#ifndef POSTRIDER_BENCH_SINK_H
#define POSTRIDER_BENCH_SINK_H

#include <stdatomic.h>

#include "bench/common.h"
#include "bench/tcp_io.h"
#include "core/base/list.h"
#include "core/base/random.h"

enum sink_tls { SINK_TLS_OFF, SINK_TLS_STARTTLS, SINK_TLS_REQUIRED, SINK_TLS_IMPLICIT };

/* Where a fault can strike. ACCEPTED is behind END: the message is taken and accounted, its answer is lost. */
enum sink_stage {
	STAGE_CONNECT,
	STAGE_HELO,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_END,
	STAGE_ACCEPTED,
	STAGE_COUNT,
};
extern const char *const sink_stage_names[STAGE_COUNT + 1]; /* ends with NULL */

enum { SINK_FAULTS_MAX = 32, SINK_LINE_MAX = 4096, SINK_HEAD_MAX = 1024, SINK_SIZE_MAX = 1 << 30 };

struct sink_fault {
	enum sink_stage stage;
	unsigned code;      /* 0: disconnect */
	double probability; /* or */
	uint64_t every;     /* each so many times; 0: by probability */
	_Atomic uint64_t passed;
};

struct sink_options {
	struct ring_address listen;
	bool listen_given, pipelining, chunking, size, eight_bit, enhanced, auth, keep_transaction;
	enum sink_tls tls;
	const char *certificate_file, *private_key_file, *client_ca_file;
	uint64_t delay_ns, messages, seed;
	struct sink_fault faults[SINK_FAULTS_MAX];
	unsigned fault_count;
	bool expect;
	uint64_t expect_first, expect_last;
	unsigned threads;
	uint64_t connections_max; /* 0: no limit */
	const char *record_path, *received_path, *json_path;
};

/* Which sequences came. One bit each, touched pages only; shared by all threads without a lock. */
enum { ACCOUNT_SEQUENCES = 100000000 };
struct sink_account {
	_Atomic uint64_t *bits; /* owned */
	_Atomic uint64_t distinct;
	_Atomic uint64_t beyond; /* sequences too large to be told apart */
};

enum sink_verb {
	VERB_OTHER,
	VERB_EHLO,
	VERB_HELO,
	VERB_MAIL,
	VERB_RCPT,
	VERB_DATA,
	VERB_BDAT,
	VERB_RSET,
	VERB_NOOP,
	VERB_VRFY,
	VERB_HELP,
	VERB_QUIT,
	VERB_STARTTLS,
	VERB_AUTH,
	VERB_COUNT,
};
extern const char *const sink_verb_names[VERB_COUNT];

enum { SINK_NAMES_MAX = 8 };
/* How often each of a few names was seen (TLS versions, ciphers). */
struct sink_names {
	char name[SINK_NAMES_MAX][48];
	uint64_t count[SINK_NAMES_MAX];
};

struct sink_stats {
	uint64_t connections, connections_refused, handshakes, handshakes_resumed, handshake_failures;
	uint64_t disconnects; /* without QUIT, not by a fault of ours */
	uint64_t faults, messages, unnumbered, duplicates, recipients, octets, bad, violations;
	uint64_t first_ns, last_ns;
	uint64_t commands[VERB_COUNT];
	struct sink_names versions, ciphers;
	char first_violation[120];
	char first_tls_error[160];
};

struct sink_run {
	struct sink_options options;
	struct sink_account account;
	struct line_file record, received;
	_Atomic uint64_t open, open_peak;
	_Atomic bool stop;
	_Atomic unsigned threads_running, threads_listening;
	struct ring_address address; /* where the first thread listens, with the port the kernel chose */
};

struct sink_session;

/* Octets of a session's held replies that may leave at due_ns. */
struct sink_held {
	struct sink_session *session;
	uint32_t life; /* of the session when they were held */
	uint32_t length;
	uint64_t due_ns;
};

struct sink_thread {
	struct sink_run *run;
	pthread_t thread;
	unsigned index;
	struct tcp_loop loop;
	struct tcp_listener listener;
	struct tls_context *tls; /* owned; NULL without TLS */
	struct random random;
	uint64_t open;
	struct list sessions;   /* all that were ever made, linked by `all`; owned */
	struct list free;       /* those to be used again */
	struct sink_held *held; /* owned ring, in order of due_ns since the delay is the same for all */
	size_t held_first, held_count, held_capacity;
	struct line_buffer received;
	struct sink_stats stats;
};

/* ---- content ------------------------------------------------------------------------------------------------- */

/* Scans for the end of data and for CR and LF that are not CRLF. Zeroed: at the start of content. */
struct sink_content {
	uint8_t state; /* enum content_state; private */
	bool bad;
};

/* Octets consumed: all, or up to and with CRLF.CRLF, then *end is true. */
size_t sink_content_data(struct sink_content *content, const uint8_t *data, size_t length, bool *end);
/* BDAT: all octets are content. */
void sink_content_chunk(struct sink_content *content, const uint8_t *data, size_t length);
/* At the end of the last chunk: a CR that still waits for its LF is bad. */
void sink_content_finish(struct sink_content *content);

/* ---- sessions ------------------------------------------------------------------------------------------------ */

enum sink_input { INPUT_COMMAND, INPUT_DATA, INPUT_CHUNK, INPUT_DEAF };

/* What is to be done once all replies so far have left. */
enum sink_then { THEN_NOTHING, THEN_CLOSE, THEN_STARTTLS };

struct sink_session {
	struct tcp_io io;
	struct sink_thread *thread;
	struct list all, free_link;
	uint32_t life;
	enum sink_input input;
	enum sink_then then;
	bool helo, secure, quit, counted;
	bool signed_in;
	unsigned auth_lines; /* of an answer to 334 that are still to come */
	/* The transaction. */
	bool mail;
	unsigned recipients;
	bool chunked, chunk_last, chunk_refused;
	uint64_t chunk_left;
	struct sink_content content;
	uint64_t octets;
	uint16_t head_length;
	uint8_t head[SINK_HEAD_MAX]; /* where content begins, to find the sequence in */
	struct buffer envelope;      /* --record: the JSON of MAIL and RCPT */
	struct buffer body;          /* --record: content as it came */
	struct buffer held;          /* replies that wait for the delay */
	uint16_t line_length;
	char line[SINK_LINE_MAX]; /* the beginning of a command whose end has not come */
};

/* sink_options.c */
void sink_options_parse(struct sink_options *options, int argc, char **argv);

/* sink_thread.c */
void *sink_thread_main(void *argument);
/* Does a fault strike here? 0: none, else the code to answer; disconnects are carried out and give UINT_MAX. */
unsigned sink_thread_fault(struct sink_session *session, enum sink_stage stage);
void sink_thread_hold(struct sink_thread *thread, struct sink_session *session, const char *text, size_t length);

/* sink_session.c */
void sink_session_start(struct sink_session *session, int fd);
/* code, enhanced status ("" for none) and text; the line is put together here. */
void sink_reply(struct sink_session *session, unsigned code, const char *enhanced, const char *text);
void sink_reply_raw(struct sink_session *session, const char *text, size_t length);
/* Answers a fault's code; 421 also closes. */
void sink_reply_fault(struct sink_session *session, unsigned code);
void sink_session_then(struct sink_session *session, enum sink_then then);
void sink_session_reset(struct sink_session *session);
void sink_session_message(struct sink_session *session);
void sink_session_violation(struct sink_session *session, const char *what);
/* Called by the thread when held replies have left. */
void sink_session_released(struct sink_session *session);

/* sink_command.c: `line` without CRLF. */
void sink_command(struct sink_session *session, const char *line, size_t length);

/* sink_account.c */
enum account_result { ACCOUNT_FIRST, ACCOUNT_DUPLICATE, ACCOUNT_BEYOND };
void sink_account_init(struct sink_account *account);
void sink_account_free(struct sink_account *account);
enum account_result sink_account_add(struct sink_account *account, uint64_t sequence);
/* How many of first..last are missing; up to `capacity` of them go to `some`. */
uint64_t sink_account_missing(const struct sink_account *account, uint64_t first, uint64_t last, uint64_t *some,
			      unsigned capacity);
/* Finds the sequence in the beginning of a message; false when it has none. */
bool sink_account_find(const uint8_t *head, size_t length, uint64_t *sequence);
void sink_names_add(struct sink_names *names, const char *name, uint64_t count);

#endif
