/*
 * core/page/climbed.c - of the view of health what `postrider doctor` has found: its rungs, words and advice as the
 * command has them (core/control/checkup.h), of how long ago, and a form to have it look again.
 */
#include <string.h>

#include "core/control/within.h"
#include "core/page/frame.h"
#include "core/page/page.h"
#include "core/page/shown.h"

/* A view is to be small, however many mailboxes and hosts there are. */
enum { TARGETS_SHOWN = 50 };

static enum frame_tone tone_of(const char *result)
{
	if (strcmp(result, "ok") == 0)
		return FRAME_WELL;
	if (strcmp(result, "warning") == 0)
		return FRAME_ATTENTION;
	return strcmp(result, "note") == 0 ? FRAME_QUIET : FRAME_WRONG;
}

static void put_rung(struct frame *f, const json_t *one)
{
	const char *advice = shown_text(one, "advice");

	html_put(&f->html, "<li>");
	frame_state(&f->html, tone_of(shown_text(one, "result")), shown_text(one, "result"));
	html_put(&f->html, " <b>%s</b> <bdi>%s</bdi>", shown_text(one, "rung"), shown_text(one, "text"));
	if (advice[0])
		html_put(&f->html, "<br><span class=\"advice\"><bdi>%s</bdi></span>", advice);
	html_put(&f->html, "</li>");
}

static void put_target(struct frame *f, const json_t *target)
{
	const char *destination = shown_text(target, "destination");
	const json_t *one;
	size_t i;

	html_put(&f->html, "<h3>");
	if (destination[0]) {
		html_put(&f->html, "<a href=\"/page/destination/");
		html_value(&f->html, destination);
		html_put(&f->html, "\">%s</a>: ", destination);
	}
	html_put(&f->html, "<bdi>%s</bdi></h3><ul class=\"ladder\">", shown_text(target, "target"));
	json_array_foreach(json_object_get(target, "rungs"), i, one) put_rung(f, one);
	html_put(&f->html, "</ul>");
}

/* 0: something is broken; 1: it has warnings; 2: all is well. */
static unsigned rank_of(const json_t *target)
{
	return !json_is_true(json_object_get(target, "ok")) ? 0 : shown_number(target, "warnings") > 0 ? 1 : 2;
}

/* In their order; of more than are shown those that need somebody. */
static void put_targets(struct frame *f, const json_t *targets)
{
	size_t count = json_array_size(targets), shown = 0;
	bool all = count <= TARGETS_SHOWN;
	unsigned ranks = all ? 1 : 3;

	for (unsigned rank = 0; rank < ranks; rank++) {
		for (size_t i = 0; i < count && shown < TARGETS_SHOWN; i++) {
			const json_t *one = json_array_get(targets, i);
			if (!all && rank_of(one) != rank)
				continue;
			put_target(f, one);
			shown++;
		}
	}
	if (shown < count)
		html_put(&f->html,
			 "<p class=\"soft\">%zu more are not shown, which are as well as these or better: "
			 "<code>postrider doctor</code> has all.</p>",
			 count - shown);
}

static void put_last(struct frame *f, const json_t *last)
{
	const json_t *targets = json_object_get(last, "targets"), *one;
	bool ok = json_is_true(json_object_get(last, "ok"));
	const char *problem = shown_text(last, "problem");
	char ago[SHOWN_SIZE], day[SHOWN_SIZE];
	json_int_t warnings = 0;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)targets, i, one) warnings += shown_number(one, "warnings");
	frame_sentence(&f->html,
		       !ok            ? FRAME_WRONG
		       : warnings > 0 ? FRAME_ATTENTION
				      : FRAME_WELL,
		       problem[0]     ? problem
		       : !ok          ? "Something is broken: what is marked so says what to do."
		       : warnings > 0 ? "All works, but look at what is marked as a warning."
				      : "All is well.");
	html_put(&f->html, "<p class=\"soft\">Looked at %s ago, at %s (UTC).</p>",
		 shown_ago(shown_text(last, "ended"), f->now_s, ago), shown_time(shown_text(last, "ended"), day));
	put_targets(f, targets);
}

void page_put_climbed(struct frame *f)
{
	json_t *answer = within_get(f->request, "/v1/doctor", NULL);
	const json_t *last = json_object_get(answer, "last");
	bool runs = json_is_true(json_object_get(answer, "runs"));
	char ago[SHOWN_SIZE];

	html_put(&f->html, "<h2>The way to each provider</h2>");
	if (runs)
		/* The page's script loads the view again; without it that is for who reads. */
		html_put(&f->html,
			 "<p class=\"say attention\" data-again=\"2000\">It is being looked at, for %s now. Load this "
			 "view again to see what was found.</p>",
			 shown_ago(shown_text(answer, "since"), f->now_s, ago));
	if (json_is_object(last))
		put_last(f, last);
	else if (!runs)
		html_put(&f->html, "<p>Name, port, TLS, sign-in and the start of a mail, step by step, with what to do "
				   "where it ends, as <code>postrider doctor</code> has it. Nobody has asked for it "
				   "since the start of this process.</p>");
	if (!runs && f->operate) {
		frame_form(f, "acts");
		html_put(&f->html, "<button name=\"do\" value=\"doctor\">%s</button></form>",
			 json_is_object(last) ? "Look again" : "Look now");
	} else if (!runs) {
		html_put(&f->html, "<p class=\"soft\">Who may act can have it looked at here.</p>");
	}
	json_decref(answer);
}
