/*
 * core/tools/top_view.h - how `postrider top` looks: what is known (top_model.h) and what was chosen become a screen
 * (top_screen.h). Pure.
 *
 *     row 0     the process, or since when it does not answer
 *     rows 1-4  rates as lines, and how long deliveries took
 *     below     destinations, errors, devices: a head and rows each; one of them has the keys
 *     last row  keys, a question, or what came of an order
 */
#ifndef POSTRIDER_TOOLS_TOP_VIEW_H
#define POSTRIDER_TOOLS_TOP_VIEW_H

#include "core/tools/top_model.h"
#include "core/tools/top_screen.h"

enum top_panel { TOP_DESTINATIONS, TOP_ERRORS, TOP_DEVICES, TOP_PANELS };
enum top_sort { TOP_BY_WAITING, TOP_BY_NAME, TOP_BY_CONNECTIONS, TOP_BY_FAILURES, TOP_BY_DELIVERED, TOP_SORTS };
extern const char *const top_sort_names[TOP_SORTS]; /* as /v1/stats has them */

enum { TOP_FILTER_MAX = 64, TOP_ASKED_MAX = 200, TOP_KEY_MAX = 256, TOP_ROWS_LEAST = 10, TOP_COLUMNS_LEAST = 40 };

struct top_view {
	enum top_panel panel;
	enum top_sort sort;
	struct {
		size_t chosen, first;  /* row with the keys; first one that is seen */
		char key[TOP_KEY_MAX]; /* what the chosen row is, so that it stays chosen when rows move */
		int rows;              /* that are seen, since the last drawing */
	} panels[TOP_PANELS];
	char filter[TOP_FILTER_MAX];
	const char *page_title; /* over everything; NULL: nothing is */
	const char *page;       /* lines */
	size_t page_first;      /* line of the page, as it is broken */
	const char *question;   /* in the last row, with what was typed; NULL: none */
	char typed[TOP_ASKED_MAX];
	char said[TOP_ASKED_MAX]; /* in the last row; "": the keys are */
	int64_t wall_s;
	bool utc, once; /* `once`: nobody presses keys */
};

extern const char top_help[];

/* Draws all of it, and sets what of the view follows from that. */
void top_draw(const struct top_model *model, struct top_view *view, struct top_screen *screen);
/* Moves the chosen row, or the page, by so many. */
void top_move(const struct top_model *model, struct top_view *view, long by);
/* The chosen one; NULL: there is none. */
const struct top_destination *top_chosen_destination(const struct top_model *model, const struct top_view *view);
const struct top_error *top_chosen_error(const struct top_model *model, const struct top_view *view);
const struct top_device *top_chosen_device(const struct top_model *model, const struct top_view *view);
/* "1204", "12.3k", "4.1M"; of rates "0.4", "31", "12k". */
const char *top_count_text(uint64_t count, char out[24]);
const char *top_rate_text(double rate, char out[24]);

#endif
