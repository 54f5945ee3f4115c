/*
 * core/tools/top_view.c - see top_view.h.
 */
#include "core/tools/top_view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/tools/table.h"

enum { RATE_ROWS = 4, BAR_ROWS = 2, BAR_COLUMNS = 2, PANELS_AT = 5, RATE_LABEL = 10, RATE_VALUE = 8 };

const char *const top_sort_names[TOP_SORTS] = {"waiting", "name", "connections", "failures", "delivered"};

const char top_help[] =
	"arrows, PgUp, PgDn, Home, End   another row\n"
	"Tab                             destinations, errors, devices\n"
	"/                               only what has these letters in it; empty: all\n"
	"o                               another order of destinations: waiting, name, connections, failures, "
	"delivered\n"
	"Enter                           all that is known of the row\n"
	"w                               why its mail does not go: postrider why\n"
	"t                               what became of its mail: postrider trace\n"
	"h                               hold its mail: postrider queue hold\n"
	"r                               try its mail now: postrider queue retry --now\n"
	"s                               suspend the destination, or resume it: postrider destination\n"
	"?                               this\n"
	"q                               end, or back from a page\n"
	"\n"
	"A row of errors stands for its newest message, and for its destination. What limits a destination is in the "
	"words "
	"of postrider why: suspended, sign_in, set_up, dns, back_off, limits, fallback, connections, retry.\n";

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

const char *top_count_text(uint64_t count, char out[24])
{
	static const char units[] = "kMGTPE";
	double n = (double)count;
	int unit = -1;

	if (count < 100000) {
		snprintf(out, 24, "%u", (unsigned)count);
		return out;
	}
	while (n >= 1000 && unit < 5) {
		n /= 1000;
		unit++;
	}
	snprintf(out, 24, n < 100 ? "%.1f%c" : "%.0f%c", n, units[unit]);
	return out;
}

const char *top_rate_text(double rate, char out[24])
{
	if (rate < 9.95)
		snprintf(out, 24, "%.1f", rate > 0 ? rate : 0);
	else if (rate < 99999.5)
		snprintf(out, 24, "%.0f", rate);
	else
		return top_count_text(rate < 1e18 ? (uint64_t)rate : (uint64_t)1e18, out);
	return out;
}

static const char *duration_text(uint64_t ms, char out[24])
{
	if (ms < 1000)
		snprintf(out, 24, "%ums", (unsigned)ms);
	else if (ms < 60000)
		snprintf(out, 24, "%us", (unsigned)(ms / 1000));
	else if (ms < 3600000)
		snprintf(out, 24, "%um", (unsigned)(ms / 60000));
	else if (ms < 86400000)
		snprintf(out, 24, "%uh", (unsigned)(ms / 3600000));
	else
		snprintf(out, 24, "%ud", (unsigned)(ms / 86400000 < 10000 ? ms / 86400000 : 9999));
	return out;
}

static const char *clock_text(int64_t seconds, bool utc, char out[24])
{
	time_t then = (time_t)seconds;
	struct tm tm;

	snprintf(out, 24, "-");
	if (seconds > 0 && (utc ? gmtime_r(&then, &tm) : localtime_r(&then, &tm)))
		(void)strftime(out, 24, "%H:%M:%S", &tm);
	return out;
}

/* ---- pictures --------------------------------------------------------------------------------------------------- */

/* From nothing to full; the first is for no more than nothing. */
static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
static const char *const ramp[] = {"_", ".", "-", "=", "+", "*", "#", "@"};
enum { LEVELS = 8 };

static int level_of(double value, double most)
{
	int level;

	if (value <= 0 || most <= 0)
		return 0;
	level = 1 + (int)(value / most * (LEVELS - 1.5));
	return level < LEVELS ? level : LEVELS - 1;
}

/* The newest to the right. */
static void draw_line(struct top_screen *screen, int row, int column, int columns, const double *values, unsigned count,
		      enum top_style style)
{
	unsigned shown = (int)count < columns ? count : (unsigned)columns;
	double most = 0;

	for (unsigned i = count - shown; i < count; i++)
		most = values[i] > most ? values[i] : most;
	for (unsigned i = 0; i < shown; i++) {
		int level = level_of(values[count - shown + i], most);
		top_put(screen, row, column + columns - (int)shown + (int)i, 1, style,
			screen->utf8 ? blocks[level] : ramp[level]);
	}
}

static void draw_rates(const struct top_model *model, struct top_screen *screen, int columns)
{
	static const char *const names[TOP_RATES] = {"accepted", "delivered", "put off", "failed"};
	static const enum top_style styles[TOP_RATES] = {TOP_PLAIN, TOP_GOOD, TOP_WARN, TOP_BAD};
	char text[24];

	for (int r = 0; r < TOP_RATES; r++) {
		top_put(screen, 1 + r, 0, RATE_LABEL, TOP_PLAIN, names[r]);
		if (columns > RATE_LABEL + RATE_VALUE + 1)
			draw_line(screen, 1 + r, RATE_LABEL, columns - RATE_LABEL - RATE_VALUE - 1, model->history[r],
				  model->samples, styles[r]);
		top_print(screen, 1 + r, columns - RATE_VALUE, -RATE_VALUE, TOP_PLAIN, "%s/s",
			  model->between > 0 ? top_rate_text(model->rates[r], text) : "-");
	}
}

static void draw_bar(struct top_screen *screen, int column, uint64_t count, uint64_t most)
{
	/* In eighths of a row; what is there at all is seen. */
	int height = most ? (int)((double)count / (double)most * (BAR_ROWS * LEVELS)) : 0;

	if (count > 0 && height == 0)
		height = 1;
	for (int row = 0; row < BAR_ROWS; row++) {
		int part = height - (BAR_ROWS - 1 - row) * LEVELS;
		const char *one;
		if (part <= 0)
			continue;
		one = screen->utf8 ? blocks[part > LEVELS ? LEVELS - 1 : part - 1] : part > LEVELS / 2 ? "#" : ".";
		for (int i = 0; i < BAR_COLUMNS; i++)
			top_put(screen, 2 + row, column + i, 1, TOP_GOOD, one);
	}
}

/* Bars of how long deliveries took; names below every third. */
static void draw_times(const struct top_model *model, struct top_screen *screen, int column)
{
	uint64_t counts[TOP_TIMES], most = 0;
	bool since_start;
	char text[24];

	if (top_model_times(model, counts, &since_start) == 0) {
		top_put(screen, 2, column, TOP_TIMES * BAR_COLUMNS, TOP_DIM, "nothing was delivered yet");
		return;
	}
	for (unsigned i = 0; i <= model->bound_count; i++)
		most = counts[i] > most ? counts[i] : most;
	for (unsigned i = 0; i <= model->bound_count; i++) {
		draw_bar(screen, column + (int)i * BAR_COLUMNS, counts[i], most);
		if (i % 3 == 0 && i < model->bound_count)
			top_put(screen, 2 + BAR_ROWS, column + (int)i * BAR_COLUMNS, 3 * BAR_COLUMNS - 1, TOP_DIM,
				duration_text(model->bounds_ms[i], text));
	}
	top_put(screen, 1, column, TOP_TIMES * BAR_COLUMNS, TOP_DIM,
		since_start ? "took, since the start" : "took, in the last minute");
}

/* ---- the first row, and the last -------------------------------------------------------------------------------- */

static void draw_title(const struct top_model *model, const struct top_view *view, struct top_screen *screen)
{
	char clock[24], queued[24], sessions[24], age[TABLE_AGE_SIZE];
	int columns = screen->columns, right = 10;
	enum top_style style = TOP_CHOSEN;

	if (model->problem[0] || !model->known) {
		if (model->answered_s)
			top_print(screen, 0, 0, columns - right, TOP_BAD, "no answer since %s: %s",
				  clock_text(model->answered_s, view->utc, clock), model->problem);
		else
			top_print(screen, 0, 0, columns - right, TOP_BAD, "%s",
				  model->problem[0] ? model->problem : "asking the relay");
		style = TOP_BAD;
	} else {
		int at = top_print(screen, 0, 0, columns - right, style, "postrider %s %s %s   queued %s   sessions %s",
				   model->version, model->state,
				   table_age((int64_t)(model->uptime_s < INT64_MAX ? model->uptime_s : 0), age),
				   top_count_text(model->queued, queued), top_count_text(model->sessions, sessions));
		if (model->missing)
			top_print(screen, 0, at + 2, columns - right - at - 2, TOP_BAD, "%u shards do not answer",
				  model->missing);
		else if (model->restarted)
			top_put(screen, 0, at + 2, columns - right - at - 2, TOP_WARN, "it has restarted");
	}
	if (!view->once)
		top_put(screen, 0, columns - right, -right, style, clock_text(view->wall_s, view->utc, clock));
	if (style == TOP_BAD)
		top_paint(screen, 0, 0, columns, TOP_BAD);
}

static void draw_last(const struct top_view *view, struct top_screen *screen)
{
	int row = screen->rows - 1;

	if (view->question) {
		int at = top_put(screen, row, 0, screen->columns * 3 / 4, TOP_HEAD, view->question);
		int room = screen->columns - at - 2;
		size_t length = strlen(view->typed), from = 0;
		/* Of what is longer the end, where the next letter comes. */
		while (room > 0 && length - from > (size_t)room)
			from++;
		while (from > 0 && ((unsigned char)view->typed[from] & 0xc0) == 0x80)
			from++;
		at += top_put(screen, row, at + 1, room, TOP_PLAIN, view->typed + from);
		top_put(screen, row, at + 1, 1, TOP_PLAIN, "_");
	} else if (view->said[0]) {
		top_put(screen, row, 0, screen->columns, TOP_WARN, view->said);
	} else {
		top_put(screen, row, 0, screen->columns, TOP_DIM,
			view->page ? "arrows PgUp PgDn   q back"
				   : "? help / filter Tab Enter detail w why t trace h hold s suspend r retry q quit");
	}
}

/* ---- panels ----------------------------------------------------------------------------------------------------- */

struct place {
	struct top_screen *screen;
	int row;
	enum top_style style;
};

/* So many columns from the right edge. */
static void put_number(const struct place *p, int right, int width, uint64_t count)
{
	char text[24];

	top_put(p->screen, p->row, p->screen->columns - right, -width, p->style, top_count_text(count, text));
}

/* Nothing where there is none: what moves is to be seen. */
static void put_rate(const struct place *p, int right, int width, double rate, enum top_style style)
{
	char text[24];

	if (rate > 0)
		top_put(p->screen, p->row, p->screen->columns - right, -width,
			p->style == TOP_CHOSEN ? p->style : style, top_rate_text(rate, text));
}

/* Where its columns begin, from the right edge. */
enum { WIDE = 80 }; /* narrower ones have the first and the last */
enum { D_READY_NARROW = 29 };
enum { D_READY = 64, D_DEFERRED = 56, D_CONNECTIONS = 48, D_OUT = 41, D_OFF = 34, D_FAILED = 27, D_LIMITED = 20 };

/* The column that they are in the order of has a mark. */
static void head_column(const struct place *p, int right, int most, const char *name, bool marked)
{
	top_print(p->screen, p->row, p->screen->columns - right, most, p->style, "%s%s", name,
		  !marked           ? ""
		  : p->screen->utf8 ? "\u25be"
				    : "v");
}

static void head_destinations(const struct top_model *model, const struct top_view *view, const struct place *p)
{
	int ready = p->screen->columns < WIDE ? D_READY_NARROW : D_READY;
	char all[24];

	top_print(p->screen, p->row, 0, p->screen->columns - ready - 1, p->style, "DESTINATIONS %s%s",
		  top_count_text(model->destination_all, all),
		  view->sort != TOP_BY_NAME ? ""
		  : p->screen->utf8         ? "\u25be"
					    : "v");
	head_column(p, ready, -7, "READY", view->sort == TOP_BY_WAITING);
	head_column(p, D_LIMITED, D_LIMITED, "LIMITED BY", false);
	if (p->screen->columns < WIDE)
		return;
	head_column(p, D_DEFERRED, -7, "RETRY", view->sort == TOP_BY_WAITING);
	head_column(p, D_CONNECTIONS, -6, "CONN", view->sort == TOP_BY_CONNECTIONS);
	head_column(p, D_OUT, -6, "OUT/S", view->sort == TOP_BY_DELIVERED);
	head_column(p, D_OFF, -6, "OFF/S", view->sort == TOP_BY_FAILURES);
	head_column(p, D_FAILED, -6, "FAIL/S", false);
}

static void row_destination(const struct top_model *model, size_t index, const struct place *p)
{
	const struct top_destination *one = &model->destinations[index];
	int c = p->screen->columns, ready = c < WIDE ? D_READY_NARROW : D_READY;
	bool chosen = p->style == TOP_CHOSEN;

	top_put(p->screen, p->row, 0, c - ready - 1, p->style, one->name);
	put_number(p, ready, 7, one->ready);
	top_put(p->screen, p->row, c - D_LIMITED, D_LIMITED, chosen ? p->style : TOP_WARN, one->limited);
	if (c < WIDE)
		return;
	put_number(p, D_DEFERRED, 7, one->deferred);
	put_number(p, D_CONNECTIONS, 6, one->connections);
	put_rate(p, D_OUT, 6, one->rates[TOP_DELIVERED], TOP_GOOD);
	put_rate(p, D_OFF, 6, one->rates[TOP_PUT_OFF], TOP_WARN);
	put_rate(p, D_FAILED, 6, one->rates[TOP_FAILED], TOP_BAD);
}

enum { E_COUNT = 9, E_WHERE = 17, E_TEXT = 34 };

static void head_errors(const struct top_model *model, const struct top_view *view, const struct place *p)
{
	char left[24];

	top_put(p->screen, p->row, 0, 8, p->style, "ERRORS");
	top_put(p->screen, p->row, E_COUNT, -7, p->style, "TIMES");
	top_put(p->screen, p->row, E_WHERE, 16, p->style, "WHERE");
	if (model->errors_left_out)
		top_print(p->screen, p->row, E_TEXT, p->screen->columns - E_TEXT, p->style,
			  "WHAT, AND WHAT TO DO (%s more were not looked at)",
			  top_count_text(model->errors_left_out, left));
	else
		top_put(p->screen, p->row, E_TEXT, p->screen->columns - E_TEXT, p->style, "WHAT, AND WHAT TO DO");
}

/* What a rule knows, else what was answered, else what it is called. */
static const char *sentence(const struct top_error *error)
{
	return error->say[0] ? error->say : error->reply[0] ? error->reply : error->event;
}

static void row_error(const struct top_model *model, const struct top_view *view, size_t index, const struct place *p)
{
	const struct top_error *one = &model->errors[index];
	enum top_style style = p->style == TOP_CHOSEN               ? TOP_CHOSEN
			       : strcmp(one->level, "error") == 0   ? TOP_BAD
			       : strcmp(one->level, "warning") == 0 ? TOP_WARN
								    : TOP_PLAIN;
	int c = p->screen->columns;
	char text[24];

	top_put(p->screen, p->row, 0, 8, p->style, clock_text(one->last_s, view->utc, text));
	top_put(p->screen, p->row, E_COUNT, -7, p->style, top_count_text(one->count, text));
	top_put(p->screen, p->row, E_WHERE, 16, p->style, one->where[0] ? one->where : "-");
	if (one->code)
		top_print(p->screen, p->row, E_TEXT, c - E_TEXT, style, "%u %s", (unsigned)one->code, sentence(one));
	else
		top_put(p->screen, p->row, E_TEXT, c - E_TEXT, style, sentence(one));
}

enum { V_STATE_NARROW = 11, V_BY = 57, V_STATE = 41, V_SEEN = 29, V_MESSAGES = 22, V_REFUSAL = 14 };

static void head_devices(const struct top_model *model, const struct top_view *view, const struct place *p)
{
	int c = p->screen->columns;
	char all[24], silent[24];

	top_print(p->screen, p->row, 0, c - (c < WIDE ? V_STATE_NARROW : V_BY) - 1, p->style, "DEVICES %s %s silent",
		  top_count_text(model->device_all, all), top_count_text(model->device_silent, silent));
	if (c < WIDE) {
		top_put(p->screen, p->row, c - V_STATE_NARROW, V_STATE_NARROW, p->style, "STATE");
		return;
	}
	top_put(p->screen, p->row, c - V_BY, 15, p->style, "BY");
	top_put(p->screen, p->row, c - V_STATE, 11, p->style, "STATE");
	top_put(p->screen, p->row, c - V_SEEN, -6, p->style, "SEEN");
	top_put(p->screen, p->row, c - V_MESSAGES, -7, p->style, "MAIL");
	top_put(p->screen, p->row, c - V_REFUSAL, V_REFUSAL, p->style, "LAST REFUSAL");
}

static void row_device(const struct top_model *model, const struct top_view *view, size_t index, const struct place *p)
{
	const struct top_device *one = &model->devices[index];
	enum top_style style = p->style == TOP_CHOSEN               ? TOP_CHOSEN
			       : strcmp(one->state, "silent") == 0  ? TOP_BAD
			       : strcmp(one->state, "refused") == 0 ? TOP_WARN
								    : TOP_PLAIN;
	int c = p->screen->columns;
	char age[TABLE_AGE_SIZE];

	top_put(p->screen, p->row, 0, c - (c < WIDE ? V_STATE_NARROW : V_BY) - 1, p->style, one->name);
	if (c < WIDE) {
		top_put(p->screen, p->row, c - V_STATE_NARROW, V_STATE_NARROW, style, one->state);
		return;
	}
	top_put(p->screen, p->row, c - V_BY, 15, p->style, one->by);
	top_put(p->screen, p->row, c - V_STATE, 11, style, one->state);
	top_put(p->screen, p->row, c - V_SEEN, -6, p->style,
		one->seen_s ? table_age(view->wall_s - one->seen_s, age) : "-");
	put_number(p, V_MESSAGES, 7, one->messages);
	top_put(p->screen, p->row, c - V_REFUSAL, V_REFUSAL, p->style, one->refusal);
}

static size_t row_count(const struct top_model *model, enum top_panel panel)
{
	return panel == TOP_DESTINATIONS ? model->destination_count
	       : panel == TOP_ERRORS     ? model->error_count
					 : model->device_count;
}

/* What a row is, as long as it is there. */
static void key_of(const struct top_model *model, enum top_panel panel, size_t index, char key[TOP_KEY_MAX])
{
	if (panel == TOP_DESTINATIONS)
		snprintf(key, TOP_KEY_MAX, "%s", model->destinations[index].name);
	else if (panel == TOP_DEVICES)
		snprintf(key, TOP_KEY_MAX, "%s", model->devices[index].name);
	else
		snprintf(key, TOP_KEY_MAX, "%s %s %u %.150s", model->errors[index].event, model->errors[index].where,
			 (unsigned)model->errors[index].code, sentence(&model->errors[index]));
}

/* The chosen row is where it was, or where it has moved to, and is seen. */
static void follow(const struct top_model *model, struct top_view *view, enum top_panel panel, int rows)
{
	size_t count = row_count(model, panel), *chosen = &view->panels[panel].chosen;
	size_t *first = &view->panels[panel].first;
	char key[TOP_KEY_MAX];

	view->panels[panel].rows = rows;
	if (count == 0) {
		*chosen = *first = 0;
		return;
	}
	for (size_t i = 0; view->panels[panel].key[0] && i < count; i++) {
		key_of(model, panel, i, key);
		if (strcmp(key, view->panels[panel].key) == 0) {
			*chosen = i;
			break;
		}
	}
	if (*chosen >= count)
		*chosen = count - 1;
	if (*chosen < *first)
		*first = *chosen;
	if (rows > 0 && *chosen >= *first + (size_t)rows)
		*first = *chosen - (size_t)rows + 1;
	/* No empty rows below where there are some above. */
	if (rows > 0 && *first + (size_t)rows > count)
		*first = count > (size_t)rows ? count - (size_t)rows : 0;
}

static void draw_panel(const struct top_model *model, struct top_view *view, struct top_screen *screen,
		       enum top_panel panel, int row, int rows)
{
	struct place p = {screen, row, TOP_HEAD};
	bool has_keys = view->panel == panel && !view->once;

	if (rows < 1)
		return;
	follow(model, view, panel, rows - 1);
	top_paint(screen, row, 0, screen->columns, TOP_HEAD);
	if (panel == TOP_DESTINATIONS)
		head_destinations(model, view, &p);
	else if (panel == TOP_ERRORS)
		head_errors(model, view, &p);
	else
		head_devices(model, view, &p);
	for (int i = 0; i < rows - 1; i++) {
		size_t index = view->panels[panel].first + (size_t)i;
		if (index >= row_count(model, panel))
			break;
		p.row = row + 1 + i;
		p.style = has_keys && index == view->panels[panel].chosen ? TOP_CHOSEN : TOP_PLAIN;
		if (p.style == TOP_CHOSEN)
			top_paint(screen, p.row, 0, screen->columns, TOP_CHOSEN);
		if (panel == TOP_DESTINATIONS)
			row_destination(model, index, &p);
		else if (panel == TOP_ERRORS)
			row_error(model, view, index, &p);
		else
			row_device(model, view, index, &p);
	}
}

/* Half for destinations; what is not needed by one is the others'. A panel without rows has its head alone, that of
 * devices is not there where none are configured. */
static void draw_panels(const struct top_model *model, struct top_view *view, struct top_screen *screen, int row,
			int rows)
{
	int want[TOP_PANELS], has[TOP_PANELS], left = rows;

	for (int i = 0; i < TOP_PANELS; i++) {
		size_t count = row_count(model, (enum top_panel)i);
		want[i] = count < TOP_LINES_MAX ? (int)count + 1 : TOP_LINES_MAX;
		if (i == TOP_DEVICES && model->device_all == 0)
			want[i] = 0;
		has[i] = 0;
	}
	/* In turns: two for destinations, one for each of the others. */
	while (left > 0 && (has[0] < want[0] || has[1] < want[1] || has[2] < want[2])) {
		static const int turns[] = {TOP_DESTINATIONS, TOP_ERRORS, TOP_DESTINATIONS, TOP_DEVICES};
		for (int t = 0; t < 4 && left > 0; t++) {
			if (has[turns[t]] < want[turns[t]]) {
				has[turns[t]]++;
				left--;
			}
		}
	}
	for (int i = 0; i < TOP_PANELS; i++) {
		/* What is left over keeps them apart from the last row, not from each other. */
		draw_panel(model, view, screen, (enum top_panel)i, row, has[i]);
		row += has[i];
	}
}

/* ---- a page over everything ------------------------------------------------------------------------------------- */

/* Where the second column of a line begins, for what does not fit behind it: behind blanks of two or more, or where its
 * words begin. */
static int indent_of(struct span line, int columns)
{
	uint32_t at = 0, words;

	while (at < line.length && line.data[at] == ' ')
		at++;
	words = at;
	while (at + 1 < line.length && line.data[at] != '\n' && !(line.data[at] == ' ' && line.data[at + 1] == ' '))
		at++;
	while (at < line.length && line.data[at] == ' ')
		at++;
	if (at < line.length && line.data[at] != '\n' && (int)at <= columns / 2)
		return (int)at;
	return (int)words <= columns / 2 ? (int)words : 0;
}

/* Draws what is seen of it, from its line `first`; returns how many lines it has. */
static size_t draw_lines(struct top_screen *screen, const char *page, size_t first, int row, int rows)
{
	struct span rest = span_text(page);
	size_t line = 0;
	int indent = 0;
	bool begins = true;

	while (rest.length > 0) {
		char text[4 * TOP_LINE_MAX + 1];
		int column = begins ? 0 : indent;
		size_t octets, shown;
		if (begins)
			indent = indent_of(rest, screen->columns);
		octets = top_break(rest, screen->columns - column, screen->utf8);
		shown = octets < sizeof(text) - 1 ? octets : sizeof(text) - 1;
		if (line >= first && line < first + (size_t)rows) {
			memcpy(text, rest.data, shown);
			text[shown] = '\0';
			top_put(screen, row + (int)(line - first), column, screen->columns - column, TOP_PLAIN, text);
		}
		line++;
		begins = octets < rest.length && rest.data[octets] == '\n';
		octets += begins;
		rest.data += octets;
		rest.length -= (uint32_t)octets;
	}
	return line;
}

static void draw_page(struct top_view *view, struct top_screen *screen)
{
	int rows = screen->rows - 3;
	size_t lines;

	top_paint(screen, 1, 0, screen->columns, TOP_HEAD);
	top_put(screen, 1, 0, screen->columns, TOP_HEAD, view->page_title);
	if (rows < 1)
		return;
	lines = draw_lines(screen, view->page, SIZE_MAX / 2, 2, rows);
	if (view->page_first + (size_t)rows > lines)
		view->page_first = lines > (size_t)rows ? lines - (size_t)rows : 0;
	(void)draw_lines(screen, view->page, view->page_first, 2, rows);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

void top_draw(const struct top_model *model, struct top_view *view, struct top_screen *screen)
{
	int wide = TOP_TIMES * BAR_COLUMNS, rates = screen->columns - wide - 2;

	top_screen_clear(screen);
	if (screen->rows < TOP_ROWS_LEAST || screen->columns < TOP_COLUMNS_LEAST) {
		top_print(screen, 0, 0, screen->columns, TOP_BAD, "too small: 80x24 is as it is meant");
		return;
	}
	draw_title(model, view, screen);
	if (!view->once)
		draw_last(view, screen);
	if (view->page) {
		draw_page(view, screen);
		return;
	}
	if (rates >= RATE_LABEL + RATE_VALUE + 8) {
		draw_rates(model, screen, rates);
		draw_times(model, screen, rates + 2);
	} else {
		draw_rates(model, screen, screen->columns);
	}
	if (view->filter[0])
		top_print(screen, 0, screen->columns - 30, -18, TOP_WARN, "/%s", view->filter);
	draw_panels(model, view, screen, PANELS_AT, screen->rows - PANELS_AT - (view->once ? 0 : 1));
}

void top_move(const struct top_model *model, struct top_view *view, long by)
{
	size_t count = row_count(model, view->panel),
	       *at = view->page ? &view->page_first : &view->panels[view->panel].chosen;

	if (by < 0)
		*at = *at > (size_t)-by ? *at - (size_t)-by : 0;
	else
		*at = *at < SIZE_MAX / 4 ? *at + (size_t)by : *at;
	if (view->page || count == 0)
		return;
	if (*at >= count)
		*at = count - 1;
	key_of(model, view->panel, *at, view->panels[view->panel].key);
}

const struct top_destination *top_chosen_destination(const struct top_model *model, const struct top_view *view)
{
	size_t at = view->panels[TOP_DESTINATIONS].chosen;

	return view->panel == TOP_DESTINATIONS && at < model->destination_count ? &model->destinations[at] : NULL;
}

const struct top_error *top_chosen_error(const struct top_model *model, const struct top_view *view)
{
	size_t at = view->panels[TOP_ERRORS].chosen;

	return view->panel == TOP_ERRORS && at < model->error_count ? &model->errors[at] : NULL;
}

const struct top_device *top_chosen_device(const struct top_model *model, const struct top_view *view)
{
	size_t at = view->panels[TOP_DEVICES].chosen;

	return view->panel == TOP_DEVICES && at < model->device_count ? &model->devices[at] : NULL;
}
