/*
 * core/tools/top_keys.c - see top_keys.h.
 */
#include "core/tools/top_keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/top_terminal.h"
#include "core/tools/when.h"
#include "core/trace/plain.h"

enum { PAGE_MAX = 16384 };

void top_keys_init(struct top_keys *keys, const struct ask *ask)
{
	memset(keys, 0, sizeof(*keys));
	keys->ask = ask;
	keys->child.fd = -1;
}

static void close_page(struct top_keys *keys)
{
	keys->view.page = NULL;
	keys->view.page_title = NULL;
	keys->view.page_first = 0;
	free(keys->page);
	keys->page = NULL;
}

void top_keys_deinit(struct top_keys *keys)
{
	close_page(keys);
	top_child_free(&keys->child);
}

__attribute__((format(printf, 2, 3))) static void say(struct top_keys *keys, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(keys->view.said, sizeof(keys->view.said), format, arguments);
	va_end(arguments);
}

/* Takes `page`, from malloc. */
static void open_page(struct top_keys *keys, const char *title, char *page)
{
	close_page(keys);
	if (!page) {
		say(keys, "out of memory");
		return;
	}
	snprintf(keys->title, sizeof(keys->title), "%s", title);
	keys->page = page;
	keys->view.page = page;
	keys->view.page_title = keys->title;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

struct words {
	const char *list[TOP_CHILD_WORDS];
	size_t count;
};

static void add(struct words *words, const char *word)
{
	if (words->count < TOP_CHILD_WORDS - 1)
		words->list[words->count++] = word;
}

static void add_two(struct words *words, const char *option, const char *value)
{
	if (!value || !value[0])
		return;
	add(words, option);
	add(words, value);
}

static void run(struct top_keys *keys, const struct words *words, bool as_page)
{
	int r;

	if (keys->child.pid) {
		say(keys, "wait: it still runs: %.150s", keys->child.line);
		return;
	}
	keys->as_page = as_page;
	r = top_child_start(&keys->child, words->list);
	if (r < 0)
		say(keys, "it cannot be run: %s", strerror(-r));
	else
		say(keys, "%.190s ...", keys->child.line);
}

static void run_why(struct top_keys *keys, const char *destination)
{
	struct words words = {{"why", "--socket", keys->ask->path, "--", destination}, 5};

	run(keys, &words, true);
}

/* What the trace has is in a file that the configuration names. */
static void run_trace(struct top_keys *keys, const char *option, const char *value)
{
	struct words words = {{"trace"}, 1};

	add_two(&words, "--config", keys->ask->config);
	if (option) {
		add_two(&words, option, value);
		add_two(&words, "--limit", "50");
	} else {
		add(&words, "--");
		add(&words, value);
	}
	run(keys, &words, true);
}

static void run_queue(struct top_keys *keys, const char *verb, const char *reason)
{
	struct words words = {{"queue", verb, "--socket", keys->ask->path}, 4};

	add_two(&words, "--reason", reason);
	if (strcmp(verb, "retry") == 0)
		add(&words, "--now");
	if (keys->by_id) {
		add(&words, "--");
		add(&words, keys->target);
	} else {
		add_two(&words, "--destination", keys->target);
	}
	run(keys, &words, false);
}

static void run_destination(struct top_keys *keys, const char *verb, const char *duration, const char *reason)
{
	struct words words = {{"destination", verb, "--socket", keys->ask->path}, 4};

	add_two(&words, "--for", duration);
	add_two(&words, "--reason", reason);
	add(&words, "--");
	add(&words, keys->target);
	run(keys, &words, false);
}

/* The first line that says something. */
static void say_first_line(struct top_keys *keys)
{
	const char *line = keys->child.output;
	size_t length;

	while (*line == '\n')
		line++;
	length = strcspn(line, "\n");
	if (length == 0)
		say(keys, "done: %.180s", keys->child.line);
	else
		say(keys, "%.*s", (int)(length < TOP_ASKED_MAX ? length : TOP_ASKED_MAX), line);
}

bool top_keys_turn(struct top_keys *keys, const struct top_model *model)
{
	const char *newline;

	if (!top_child_ended(&keys->child))
		return false;
	keys->view.said[0] = '\0';
	newline = strchr(keys->child.output, '\n');
	/* What an order has to say is a line; more of it is read as a page. */
	if (keys->as_page || (newline && newline[1] != '\0')) {
		if (keys->child.length == 0)
			say(keys, "it wrote nothing, and ended with %d", keys->child.status);
		else
			open_page(keys, keys->child.line, strdup(keys->child.output));
	} else {
		say_first_line(keys);
	}
	return true;
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void ask(struct top_keys *keys, enum top_asking asking, const char *format,
						      ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(keys->question, sizeof(keys->question), format, arguments);
	va_end(arguments);
	keys->asking = asking;
	keys->view.typed[0] = '\0';
	keys->view.question = keys->question;
}

static void answered(struct top_keys *keys)
{
	enum top_asking asking = keys->asking;
	const char *typed = keys->view.typed;

	keys->asking = TOP_ASKS_NOTHING;
	keys->view.question = NULL;
	switch (asking) {
	case TOP_ASKS_FILTER:
		snprintf(keys->view.filter, sizeof(keys->view.filter), "%.*s", (int)sizeof(keys->view.filter) - 1,
			 typed);
		for (int i = 0; i < TOP_PANELS; i++) {
			keys->view.panels[i].chosen = 0;
			keys->view.panels[i].key[0] = '\0';
		}
		break;
	case TOP_ASKS_FOR:
		snprintf(keys->duration, sizeof(keys->duration), "%s", typed);
		ask(keys, TOP_ASKS_WHY, "suspend %s: the reason (Esc: not):", keys->target);
		break;
	case TOP_ASKS_WHY:
		run_destination(keys, "suspend", keys->duration, typed);
		break;
	case TOP_ASKS_RESUME:
		run_destination(keys, "resume", NULL, typed);
		break;
	case TOP_ASKS_HOLD:
		run_queue(keys, "hold", typed);
		break;
	case TOP_ASKS_RETRY:
		run_queue(keys, "retry", typed);
		break;
	default:
		break;
	}
}

/* A letter more, as UTF-8. */
static void type(struct top_keys *keys, uint32_t code)
{
	size_t n = strlen(keys->view.typed), most = keys->asking == TOP_ASKS_FILTER ? TOP_FILTER_MAX : TOP_ASKED_MAX;
	char *out = keys->view.typed + n;

	if (code > 0x10ffff || (code >= 0x7f && code < 0xa0) || n + 5 > most)
		return;
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 63));
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 63));
		*out++ = (char)(0x80 | (code & 63));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 63));
		*out++ = (char)(0x80 | (code >> 6 & 63));
		*out++ = (char)(0x80 | (code & 63));
	}
	*out = '\0';
}

static void press_question(struct top_keys *keys, uint32_t key)
{
	size_t n = strlen(keys->view.typed);

	if (key == TOP_KEY_ENTER) {
		answered(keys);
	} else if (key == TOP_KEY_ESCAPE) {
		keys->asking = TOP_ASKS_NOTHING;
		keys->view.question = NULL;
	} else if (key == TOP_KEY_BACKSPACE) {
		while (n > 0 && ((unsigned char)keys->view.typed[--n] & 0xc0) == 0x80)
			continue;
		keys->view.typed[n] = '\0';
	} else if (key < TOP_KEY_NONE) {
		type(keys, key);
	}
}

/* ---- pages of what is known ------------------------------------------------------------------------------------- */

/* Lines of "key  value"; what strangers wrote stays on its line. */
__attribute__((format(printf, 3, 4))) static void put_line(char *page, const char *key, const char *format, ...)
{
	size_t n = strlen(page), length;
	char value[1200], safe[1200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	length = plain_copy(safe, sizeof(safe) - 1, span_text(value), NULL);
	if (length > 0)
		snprintf(page + n, PAGE_MAX - n, "%-14s%.*s\n", key, (int)length, safe);
}

static void put_time(char *page, const char *key, int64_t seconds, bool utc)
{
	char text[WHEN_SIZE] = "never";

	if (seconds > 0)
		when_format((uint64_t)seconds * 1000, utc, text);
	put_line(page, key, "%s", text);
}

static void page_of_error(struct top_keys *keys, const struct top_error *one)
{
	char *page = calloc(1, PAGE_MAX);

	if (page) {
		put_line(page, "event", "%s (%s)", one->event, one->level);
		put_line(page, "where", "%s", one->where);
		put_line(page, "times", "%llu", (unsigned long long)one->count);
		put_time(page, "first", one->first_s, keys->view.utc);
		put_time(page, "last", one->last_s, keys->view.utc);
		put_line(page, "message", "%s", one->id);
		if (one->code)
			put_line(page, "code", "%llu", (unsigned long long)one->code);
		put_line(page, "what to do", "%s", one->say);
		put_line(page, "reply", "%s", one->reply);
	}
	open_page(keys, "what went wrong", page);
}

static void page_of_device(struct top_keys *keys, const struct top_device *one)
{
	char *page = calloc(1, PAGE_MAX);

	if (page) {
		put_line(page, "device", "%s", one->name);
		put_line(page, "place", "%s", one->place);
		put_line(page, "by", "%s", one->by);
		put_line(page, "state", "%s", one->state);
		put_time(page, "seen", one->seen_s, keys->view.utc);
		put_line(page, "messages", "%llu", (unsigned long long)one->messages);
		put_line(page, "refusals", "%llu", (unsigned long long)one->refusals);
		put_line(page, "last refusal", "%s", one->refusal);
	}
	open_page(keys, "device", page);
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

/* What an act is about: the chosen destination, or that of the chosen error, of which `ids` wants the message. False:
 * it was said why there is none. */
static bool find_target(struct top_keys *keys, const struct top_model *model, bool ids)
{
	const struct top_destination *destination = top_chosen_destination(model, &keys->view);
	const struct top_error *error = top_chosen_error(model, &keys->view);
	const char *target = destination ? destination->name : error ? ids ? error->id : error->where : "";

	keys->by_id = error && ids;
	snprintf(keys->target, sizeof(keys->target), "%s", target);
	if (target[0])
		return true;
	if (error)
		say(keys, ids ? "this is about no message" : "this is about no destination");
	else
		say(keys, "that is about a destination: Tab leads there");
	return false;
}

static void press_detail(struct top_keys *keys, const struct top_model *model)
{
	const struct top_destination *destination = top_chosen_destination(model, &keys->view);
	const struct top_error *error = top_chosen_error(model, &keys->view);
	const struct top_device *device = top_chosen_device(model, &keys->view);

	if (destination)
		run_why(keys, destination->name);
	else if (error)
		page_of_error(keys, error);
	else if (device)
		page_of_device(keys, device);
}

static void press_trace(struct top_keys *keys, const struct top_model *model)
{
	const struct top_device *device = top_chosen_device(model, &keys->view);

	if (device)
		run_trace(keys, "--device", device->name);
	else if (find_target(keys, model, true))
		run_trace(keys, keys->by_id ? NULL : "--destination", keys->target);
}

static void press_suspend(struct top_keys *keys, const struct top_model *model)
{
	if (!find_target(keys, model, false))
		return;
	for (size_t i = 0; i < model->destination_count; i++) {
		if (strcmp(model->destinations[i].name, keys->target) == 0 &&
		    strstr(model->destinations[i].limited, "suspended")) {
			ask(keys, TOP_ASKS_RESUME, "resume %s: the reason (Esc: not):", keys->target);
			return;
		}
	}
	ask(keys, TOP_ASKS_FOR,
	    "suspend %s: for how long, as 30m, 2h, 3d; empty: until it is resumed (Esc: not):", keys->target);
}

static void press_act(struct top_keys *keys, const struct top_model *model, enum top_asking asking)
{
	const struct top_destination *destination = top_chosen_destination(model, &keys->view);
	unsigned long long count = destination ? destination->ready + destination->deferred : 1;

	if (!find_target(keys, model, true))
		return;
	if (asking == TOP_ASKS_HOLD)
		ask(keys, asking, "hold %s (%llu now): the reason (Esc: not):", keys->target, count);
	else
		ask(keys, asking, "try %s now (%llu): the reason (Esc: not):", keys->target, count);
}

static void press_letter(struct top_keys *keys, const struct top_model *model, uint32_t key)
{
	if (key == '?') {
		open_page(keys, "keys", strdup(top_help));
	} else if (key == '/') {
		ask(keys, TOP_ASKS_FILTER, "only what has in it:");
		snprintf(keys->view.typed, sizeof(keys->view.typed), "%s", keys->view.filter);
	} else if (key == 'o') {
		keys->view.sort = (enum top_sort)((keys->view.sort + 1) % TOP_SORTS);
	} else if (key == 'w') {
		if (find_target(keys, model, false))
			run_why(keys, keys->target);
	} else if (key == 't') {
		press_trace(keys, model);
	} else if (key == 's') {
		press_suspend(keys, model);
	} else if (key == 'h') {
		press_act(keys, model, TOP_ASKS_HOLD);
	} else if (key == 'r') {
		press_act(keys, model, TOP_ASKS_RETRY);
	}
}

static void press_move(struct top_keys *keys, const struct top_model *model, uint32_t key)
{
	int rows = keys->view.page ? 15 : keys->view.panels[keys->view.panel].rows;
	long page = rows > 1 ? rows - 1 : 1;

	if (key == TOP_KEY_UP || key == TOP_KEY_DOWN)
		top_move(model, &keys->view, key == TOP_KEY_UP ? -1 : 1);
	else if (key == TOP_KEY_PAGE_UP || key == TOP_KEY_PAGE_DOWN)
		top_move(model, &keys->view, key == TOP_KEY_PAGE_UP ? -page : page);
	else if (key == TOP_KEY_HOME || key == TOP_KEY_END)
		top_move(model, &keys->view, key == TOP_KEY_HOME ? -1000000 : 1000000);
	else if (key == TOP_KEY_TAB && !keys->view.page)
		keys->view.panel = (enum top_panel)((keys->view.panel + 1) % TOP_PANELS);
}

bool top_keys_press(struct top_keys *keys, const struct top_model *model, uint32_t key)
{
	if (key == TOP_KEY_NONE || key == TOP_KEY_AGAIN)
		return true;
	if (keys->view.question) {
		press_question(keys, key);
		return true;
	}
	if (!keys->child.pid)
		keys->view.said[0] = '\0';
	if (keys->view.page && (key == 'q' || key == TOP_KEY_ESCAPE || key == TOP_KEY_ENTER)) {
		close_page(keys);
		return true;
	}
	if (key == 'q')
		return false;
	if (key == TOP_KEY_ENTER)
		press_detail(keys, model);
	else if (key > TOP_KEY_NONE)
		press_move(keys, model, key);
	else if (!keys->view.page)
		press_letter(keys, model, key);
	return true;
}
