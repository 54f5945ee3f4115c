/*
 * core/agents/tls_reports.h - reports about TLS to those who want them (RFC 8460): an agent, which adds up what shards
 * have counted (tls_count.h), makes a report of it for each domain when a day is over (tls_days.h), and has it
 * delivered.
 *
 * What asks the DNS or stores mail is a shard's to do. So a shard asks the agent what there is to do, does it, and says
 * what came of it with the next question:
 *
 *     a report's time has come --> RECORD: who wants it? --> for each place:
 *                                        a mail --> LETTER: into the spool
 *                                        https --> ADDRESS: where is it? --> posted by the agent itself
 *
 * Whoever names places for reports must not be able to hold up others: each report has its own time, many are under
 * way at once, and what fails is tried later, for a day. What is counted, and what is not delivered, is in a file by
 * the spool, which is replaced as a whole every few minutes, when a day ends, and at the end of the process.
 *
 * Two implementations, chosen by the linker: tls_reports.c, and the simulation's actor.
 */
#ifndef POSTRIDER_AGENTS_TLS_REPORTS_H
#define POSTRIDER_AGENTS_TLS_REPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/agents/agent.h"
#include "core/agents/dns.h"
#include "core/agents/dns_exchangers.h"
#include "core/agents/tls_count.h"
#include "core/smtp/tlsrpt.h"

struct log;
struct tls_report;
struct tls_reports;

enum {
	TLS_REPORTS_QUESTIONS_MAX = 64,
	TLS_REPORTS_WAIT_S = 10, /* a shard that has nothing to do asks again after so long */
	TLS_REPORTS_PROBLEM_SIZE = 300,
};

enum tls_task { TLS_TASK_NONE, TLS_TASK_RECORD, TLS_TASK_ADDRESS, TLS_TASK_LETTER };

struct tls_reports_question {
	/* Given: fn and deadline. It is answered at once where there is something to do, or nothing is under way; else
	 * when there is, and after TLS_REPORTS_WAIT_S at the latest. Its result < 0: nobody has looked at it, as it is
	 * switched off or too many are asked; what came of the last task is to be said again. */
	struct question question;

	/* The answer, and with the next question what came of it: -ENOENT: there is no such record, or address. NONE:
	 * it is to be asked again in a while. */
	enum tls_task task;
	struct tls_report *report;    /* the agent's */
	char name[DNS_NAME_MAX + 16]; /* RECORD, ADDRESS: of what is looked for */
	uint16_t port;
	char to[TLSRPT_ADDRESS_MAX + 1]; /* LETTER */
	char *letter;                    /* owned by who has the question; the agent frees it */
	size_t letter_length;

	/* Given. */
	int result;
	char problem[TLS_REPORTS_PROBLEM_SIZE];
	struct tlsrpt_places places; /* RECORD */
	struct ring_address addresses[DNS_ADDRESSES_MAX];
	unsigned address_count;
};

/* Texts are copied. */
struct tls_reports_settings {
	const char *organization; /* NULL: no report is made or sent any more */
	const char *contact, *from, *submitter;
	const char *ca_file; /* whom places are trusted by; NULL: the system's authorities */
};

/* `path`: of the file. NULL without memory, or where no thread can be started. */
struct tls_reports *tls_reports_start(const char *path, struct log *log);
/* Writes the file once more. Nothing comes back any more. NULL is fine. */
void tls_reports_stop(struct tls_reports *reports);
/* From now on. False: no memory, and nothing has changed. For who makes a snapshot. */
bool tls_reports_follow(struct tls_reports *reports, const struct tls_reports_settings *settings);
/* Takes what was counted (tls_given.h). From any thread, without waiting. */
void tls_reports_give(struct tls_reports *reports, struct tls_count *count);
void tls_reports_ask(struct tls_reports *reports, struct asker *asker, struct tls_reports_question *question);

#endif
