/*
 * core/agents/tls_days.h - what is counted of TLS becomes a report for each domain when its day is over, by UTC (RFC
 * 8460 4.1), and each report has its time. Pure: whoever asks says what time it is.
 *
 *     counted -- the day ends --> DUE, at its own moment of the hours after --> OUT -- delivered, or unwanted --> gone
 *                                  ^                                             |
 *                                  '-- later each time, for a day (RFC 8460 5.5) '-- and then it is given up
 *
 * The clock is the wall's, and may jump. A day never gets shorter than it was when it is set back by less than a day;
 * when it is set back by more, what was counted is taken for the day that it is now, and no report waits for a time
 * that is far away.
 */
#ifndef POSTRIDER_AGENTS_TLS_DAYS_H
#define POSTRIDER_AGENTS_TLS_DAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/tls_count.h"
#include "core/base/list.h"
#include "core/base/random.h"
#include "core/smtp/tlsrpt.h"

enum {
	TLS_DAY_S = 24 * 3600,
	TLS_DAYS_SPREAD_S = 4 * 3600, /* reports of a day begin within so long after it (RFC 8460 4.1) */
	TLS_DAYS_TRY_S = 24 * 3600,   /* each is tried for so long */
	TLS_DAYS_AGAIN_S = 300,       /* after it failed; doubles */
	TLS_DAYS_AGAIN_MOST_S = 2 * 3600,
	TLS_DAYS_KEPT = 4, /* days for which one waits that nobody takes up */
	TLS_DAYS_REPORTS_MAX = 200000,
	TLS_DAYS_OCTETS_MAX = 2 * TLS_COUNT_DAY_OCTETS, /* of what all reports have to say */
};

struct tls_place {
	char *text; /* owned */
	bool mail, done;
};

struct tls_report {
	struct list link;
	struct tls_domain_count *domain; /* owned */
	uint64_t day, due_s, first_s;    /* first_s: of the first try; 0: there was none */
	unsigned tries;
	unsigned place_count;
	struct tls_place places[TLSRPT_PLACES_MAX];
	/* OUT: which of them is tried; one of those before did not take it; and it waits to go on. */
	unsigned at;
	bool failed;
	struct list ready;
};

struct tls_days {
	uint64_t day;            /* since 1970: that is being counted */
	struct tls_count *today; /* owned */
	struct list out;         /* struct tls_report */
	struct tls_report **due; /* owned: a heap, the next first */
	size_t due_count, due_room, report_count;
	size_t report_octets; /* of what these have to say */
	struct random random;
	bool changed; /* since somebody cleared it */
};

/* False: no memory. */
bool tls_days_init(struct tls_days *days, uint64_t now_s);
void tls_days_deinit(struct tls_days *days);
/* Nothing is counted, and no report is there: none is OUT. */
void tls_days_clear(struct tls_days *days);
void tls_days_count(struct tls_days *days, const struct tls_count *count);

struct tls_day_end {
	uint64_t day;
	size_t domains;
	uint64_t lost;    /* sessions that were not counted */
	uint64_t dropped; /* reports for which there is no room, or which nobody took up */
};
/* It is this time. True: a day is over. */
bool tls_days_at(struct tls_days *days, uint64_t now_s, struct tls_day_end *end);

/* One whose time has come, which is OUT then; NULL: none, and not before *next_s (UINT64_MAX: none at all). */
struct tls_report *tls_days_take(struct tls_days *days, uint64_t now_s, uint64_t *next_s);
/* OUT: these are the places where it is wanted; what is done is done. */
void tls_report_wanted(struct tls_report *report, const struct tlsrpt_places *places);
/* OUT: the place that is tried now, or the next one to which it has not been delivered. NULL: that was the last. */
struct tls_place *tls_report_place(struct tls_report *report);
/* OUT: it is delivered to that place, or is not. */
void tls_report_tried(struct tls_report *report, bool delivered);
/* OUT: not everybody has it: later. Its time; 0: it is given up, and gone. */
uint64_t tls_days_again(struct tls_days *days, struct tls_report *report, uint64_t now_s);
/* OUT: it is over, and gone. */
void tls_days_over(struct tls_days *days, struct tls_report *report);

/* For who reads what was kept: one more, which is DUE. It takes `domain`. False: no memory, or no room; it is freed. */
bool tls_days_put(struct tls_days *days, const struct tls_report *report);
void tls_report_free(struct tls_report *report);

#endif
