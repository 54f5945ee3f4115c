/*
 * bench/source.h - what the parts of the load generator share: options, templates, threads, sessions.
 *
 *     source.c            main(), threads, the result
 *     source_options.c    the command line
 *     source_content.c    the prepared message
 *     source_thread.c     a thread: its sessions, the schedule, what has to be sent again
 *     source_session.c    one connection: greeting to READY, replies, the end
 *     source_transfer.c   the transactions on a READY connection
 *
 * Ownership: a run outlives its threads, a thread its sessions. A session belongs to one thread alone; between
 * threads only the sequence counter, the stop flag and the acknowledged file are shared.
 */
#ifndef POSTRIDER_BENCH_SOURCE_H
#define POSTRIDER_BENCH_SOURCE_H

#include <stdatomic.h>

#include "bench/common.h"
#include "bench/histogram.h"
#include "bench/tcp_io.h"
#include "core/base/list.h"
#include "core/smtp/reply.h"

enum source_mode { SOURCE_LOCKSTEP, SOURCE_GROUPED, SOURCE_PIPELINED };
enum source_tls { SOURCE_TLS_OFF, SOURCE_TLS_START, SOURCE_TLS_IMPLICIT };
enum { SOURCE_CODE_MAX = 600, SOURCE_WINDOW_MAX = 100000 };

struct source_options {
	struct ring_address target;
	const char *target_text;
	unsigned connections, threads, recipients, window;
	unsigned domains;  /* 0: one, as it is written */
	uint64_t messages; /* UINT64_MAX: as many as the duration allows */
	uint64_t messages_per_connection;
	uint64_t sequence_start;
	uint64_t size;
	uint64_t duration_ns, timeout_ns; /* duration 0: no limit */
	double rate;                      /* messages per second; 0: as fast as it goes */
	enum source_mode mode;
	enum source_tls tls;
	bool chunking, blind, reconnect, progress, resume;
	const char *sender, *recipient, *helo, *server_name;
	const char *ca_file, *certificate_file, *private_key_file;
	const char *acknowledged_path, *json_path;
};

/* The message: a head that is patched for each message and a body that all share. */
struct source_content {
	uint8_t *head; /* owned */
	size_t head_length;
	size_t sequence_at[2]; /* where the digits go: the header both tools know, and the Message-ID */
	uint8_t *body;         /* owned; ends in CRLF, no line begins with a dot */
	size_t body_length;
	char *recipients;       /* owned: all RCPT lines, "\r\n" included */
	size_t *recipient_ends; /* owned: where each RCPT line ends */
	unsigned domains;       /* 0: one; else the digits of each line's domain are patched for each message */
	size_t digits_back;     /* and stand so far before its end */
};

/* Everything that is counted, for one thread; merged at the end. The main thread peeks at two for --progress. */
struct source_stats {
	uint64_t connections, connect_failures, handshakes, handshakes_resumed, handshake_failures;
	uint64_t disconnects, protocol_errors, fallbacks;
	uint64_t ungreeted;        /* connected, and then closed by the server without a word */
	uint64_t taken;            /* sequences begun */
	_Atomic uint64_t sent;     /* whole messages written, resent ones again */
	_Atomic uint64_t accepted; /* answered 250 */
	uint64_t refused;
	uint64_t resent;         /* written again after a disconnect */
	uint64_t unacknowledged; /* lost sight of: a disconnect without --on-disconnect reconnect, or the end */
	uint64_t recipients_refused;
	uint64_t octets; /* content of whole messages written */
	uint64_t refused_by_code[SOURCE_CODE_MAX];
	uint64_t first_ns, last_ns; /* first MAIL, last answer */
	char first_error[200];
	char tls_text[80];
	struct histogram content_latency; /* last octet of content to its answer */
	struct histogram message_latency; /* MAIL, or with --rate its scheduled time, to the answer */
};

struct source_run {
	struct source_options options;
	struct source_content content;
	_Atomic uint64_t next; /* sequences handed out, from 0 */
	_Atomic bool stop;
	_Atomic unsigned threads_running;
	struct line_file acknowledged;
};

struct source_again {
	uint64_t sequence, due_ns;
};

struct source_session;

struct source_thread {
	struct source_run *run;
	pthread_t thread;
	unsigned index;
	struct tcp_loop loop;
	struct tls_context *tls;         /* owned; NULL without TLS */
	struct source_session *sessions; /* owned array */
	unsigned session_count, sessions_ended, connecting;
	struct list idle;           /* READY sessions with room, waiting for the schedule */
	struct list waiting;        /* sessions to be connected, earliest first */
	uint64_t start_ns;          /* of the schedule; 0: not begun */
	uint64_t scheduled;         /* messages of the schedule handed out */
	uint64_t progress_ns;       /* when an answer last came */
	uint64_t stop_ns;           /* when everything is cut off; UINT64_MAX: not stopping */
	struct source_again *again; /* owned ring: to be sent again */
	size_t again_first, again_count, again_capacity;
	struct line_buffer acknowledged;
	struct source_stats stats;
};

enum source_next { SOURCE_NEXT_MESSAGE, SOURCE_NEXT_LATER, SOURCE_NEXT_NONE };

/* ---- sessions ------------------------------------------------------------------------------------------------ */

enum source_step { STEP_RESET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_CONTENT, STEP_DONE };

struct source_message {
	uint64_t sequence;
	uint64_t due_ns;           /* when it was to be sent */
	uint64_t end_ns;           /* when the last octet of content was written */
	enum source_step writing;  /* the step to write next */
	enum source_step awaiting; /* the step whose answer comes next */
	unsigned recipients_written, recipients_answered, recipients_accepted;
	uint16_t code; /* the first refusal that mattered; 0: none */
	bool reset;    /* begins with RSET, for the server may still be in the last transaction */
	bool go_ahead; /* 354 came */
};

enum source_state {
	SOURCE_WAITING,    /* to be connected, now or later */
	SOURCE_CONNECTING, /* and implicit TLS */
	SOURCE_GREETING,
	SOURCE_HELLO,
	SOURCE_STARTTLS,
	SOURCE_HANDSHAKE,
	SOURCE_READY,
	SOURCE_QUITTING,
	SOURCE_CLOSING, /* given up: on_closed() decides what follows */
	SOURCE_ENDED,
};

struct source_session {
	struct tcp_io io;
	struct source_thread *thread;
	enum source_state state;
	struct list link; /* in thread->idle or thread->waiting */
	uint64_t retry_ns, backoff_ns;
	uint64_t taken_here;              /* messages begun on this connection */
	bool lockstep, chunking, grouped; /* what this server allows of what was asked for */
	bool needs_reset;
	struct smtp_extensions extensions;
	struct smtp_reply_parser parser;
	struct source_message *messages; /* owned ring of `window` */
	unsigned first, count, window;
	unsigned outstanding;               /* commands written and not answered */
	size_t content_offset;              /* of the message being written */
	char mail_line[512], bdat_line[40]; /* as this server takes them */
	size_t mail_length, bdat_length;
	bool counted_connecting;   /* in thread->connecting */
	struct tls_ticket *ticket; /* owned; NULL: none */
};

/* source_options.c */
void source_options_parse(struct source_options *options, int argc, char **argv);

/* source_content.c */
void source_content_init(struct source_content *content, const struct source_options *options);
/* The RCPT lines of these recipients of a message into `out`, which has the room. */
void source_recipients_copy(const struct source_content *content, unsigned first, unsigned end, uint64_t sequence,
			    uint8_t *out);
void source_content_free(struct source_content *content);

/* source_thread.c */
void *source_thread_main(void *argument);
/* MESSAGE: sequence and due_ns are filled in. LATER: the schedule has none yet. NONE: nothing is left. */
enum source_next source_thread_next(struct source_thread *thread, struct source_message *message);
/* Is there nothing left to begin? */
bool source_thread_exhausted(const struct source_thread *thread);
void source_thread_send_again(struct source_thread *thread, const struct source_message *message);
void source_thread_error(struct source_thread *thread, const char *format, ...) __attribute__((format(printf, 2, 3)));
void source_thread_connect_later(struct source_thread *thread, struct source_session *session, uint64_t when_ns);

/* source_session.c */
void source_session_init(struct source_session *session, struct source_thread *thread);
void source_session_deinit(struct source_session *session);
void source_session_connect(struct source_session *session);
/* Gives up the connection; what was in flight is resent or counted once it is closed. */
void source_session_abort(struct source_session *session, const char *why);
void source_session_quit(struct source_session *session);

/* source_transfer.c: the session is READY. */
void source_transfer_begin(struct source_session *session);
/* Writes whatever the mode, the window, the schedule and the output's room allow now. */
void source_transfer_pump(struct source_session *session);
/* Takes one complete reply. */
void source_transfer_reply(struct source_session *session, unsigned code);
/* The connection is gone: what is in flight is handed back or counted. */
void source_transfer_lost(struct source_session *session);

#endif
