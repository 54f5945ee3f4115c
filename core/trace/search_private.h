/*
 * core/trace/search_private.h - what the files share that look into the trace: search.c finds and shows, replay.c tells
 * it again as events.
 */
#ifndef POSTRIDER_TRACE_SEARCH_PRIVATE_H
#define POSTRIDER_TRACE_SEARCH_PRIVATE_H

#include <sqlite3.h>

#include "core/trace/search.h"

enum search_statement { FIND, KEY, UNFINISHED, NAME, FIRST, LAST, MESSAGE, RECIPIENTS, STEPS, GAPS, SEARCH_STATEMENTS };

struct search {
	sqlite3 *db;
	sqlite3_stmt *statements[SEARCH_STATEMENTS];
	char problem[TRACE_PROBLEM_SIZE];
};

/* What SQLite answered; keeps its words where it is no success. */
enum trace_status search_failed(struct search *search, int code);
/* Until the next step; without data: there is none. */
struct span search_text(sqlite3_stmt *statement, int column);
/* -1: there is none. */
int64_t search_number(sqlite3_stmt *statement, int column);

#endif
