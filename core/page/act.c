/*
 * core/page/act.c - POST /page/act: what somebody does by a form. It becomes an act of the control (within.h), with its
 * event; the answer says what became of each.
 *
 * Fields: token; do: hold, release, retry, delete, suspend, resume or doctor; id (as many as there are) or destination;
 * reason; for: of suspend, in hours; report, sure: of delete, which is asked for twice.
 */
#include "core/page/act.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/bundle.h"
#include "core/control/desk.h"
#include "core/control/within.h"
#include "core/page/page.h"
#include "core/page/shown.h"

enum { HOURS_MOST = 1000000 };

/* ---- forms ------------------------------------------------------------------------------------------------------ */

void act_put_messages(struct frame *f)
{
	html_put(&f->html,
		 "<p class=\"acts\"><label>Reason <input name=\"reason\" maxlength=\"199\"></label> "
		 "<button name=\"do\" value=\"retry\">Try now</button> <button name=\"do\" value=\"hold\">Hold"
		 "</button> <button name=\"do\" value=\"release\">Release</button> <button name=\"do\" "
		 "value=\"delete\">Delete ...</button></p>");
}

void act_put_destination(struct frame *f, const char *name, bool suspended)
{
	frame_form(f, "acts");
	html_put(&f->html,
		 "<input type=\"hidden\" name=\"destination\" value=\"%s\"><label>Reason <input name=\"reason\" "
		 "maxlength=\"199\"></label> ",
		 name);
	if (suspended)
		html_put(&f->html, "<button name=\"do\" value=\"resume\">Resume</button></form>");
	else
		html_put(&f->html,
			 "<label>For <select name=\"for\"><option value=\"1\">1 hour</option><option value=\"4\">4 "
			 "hours</option><option value=\"24\">a day</option><option value=\"0\">until it is resumed"
			 "</option></select></label> <button name=\"do\" value=\"suspend\">Suspend</button></form>");
}

/* ---- what became of it ------------------------------------------------------------------------------------------ */

/* As docs/control.md has them. */
static const struct {
	const char *result, *say;
	enum frame_tone tone;
} results[] = {
	{"done", "done", FRAME_WELL},
	{"as_it_was", "there was nothing to do: it was so already", FRAME_QUIET},
	{"not_found", "it is not in the queue any more, or never was", FRAME_ATTENTION},
	{"is_held", "it is held: release it first", FRAME_ATTENTION},
	{"in_delivery", "some of it is being sent: that ends first, and then it is done if it was not delivered",
	 FRAME_ATTENTION},
	{"being_deleted", "it was deleted before, and is being sent still", FRAME_ATTENTION},
	{"unreadable", "its record cannot be read: it can only be deleted", FRAME_WRONG},
	{"no_room", "nothing has changed: the disk is full", FRAME_WRONG},
	{"failed", "nothing has changed: the spool has failed, or the process ends", FRAME_WRONG},
};

static void put_result(struct frame *f, const json_t *one)
{
	const char *id = shown_text(one, "id"), *result = shown_text(one, "result");

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (strcmp(results[i].result, result) != 0)
			continue;
		html_put(&f->html, "<li><a href=\"/page/mail/%s\">%s</a>: ", id, id);
		frame_state(&f->html, results[i].tone, results[i].say);
		html_put(&f->html, "</li>");
	}
}

static void put_answer(struct frame *f, const json_t *answer)
{
	const json_t *one;
	size_t i;

	if (frame_error(f, answer))
		return;
	frame_missing(f, answer);
	if (!json_object_get(answer, "results")) {
		frame_sentence(&f->html, FRAME_WELL, "Done.");
		return;
	}
	html_put(&f->html, "<ul>");
	json_array_foreach(json_object_get(answer, "results"), i, one) put_result(f, one);
	html_put(&f->html, "</ul>");
}

/* As a program asks for it. What there was no memory to say in whole is not done: a suspension without its end would be
 * another one. */
static void ask_for(struct frame *f, const char *path, json_t *body)
{
	unsigned status;
	json_t *answer = body ? within_ask(f->request, "POST", path, NULL, body, &status) : NULL;

	put_answer(f, answer);
	json_decref(answer);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static json_t *ids_of(const struct form *form)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < form->count; i++) {
		if (strcmp(form->fields[i].key, "id") == 0)
			json_array_append_new(ids, json_string(form->fields[i].value));
	}
	return ids;
}

/* What is gone does not come back. */
static void ask_whether(struct frame *f, const struct form *form, size_t count)
{
	const char *reason = form_value(form, "reason");

	frame_form(f, "");
	for (size_t i = 0; i < form->count; i++) {
		if (strcmp(form->fields[i].key, "id") == 0)
			html_put(&f->html, "<input type=\"hidden\" name=\"id\" value=\"%s\">", form->fields[i].value);
	}
	html_put(&f->html,
		 "<p class=\"say attention\">%zu message%s will be deleted, with all recipients that wait. This cannot "
		 "be undone.</p><p class=\"acts\"><input type=\"hidden\" name=\"do\" value=\"delete\"><input "
		 "type=\"hidden\" name=\"sure\" value=\"yes\"><label>Reason <input name=\"reason\" "
		 "maxlength=\"199\" value=\"%s\"></label> <label><input type=\"checkbox\" name=\"report\" "
		 "value=\"yes\"> Tell the sender (he reads the reason)</label> <button>Delete</button> <a "
		 "href=\"/page/mail\">Leave them</a></p></form>",
		 count, count == 1 ? "" : "s", reason ? reason : "");
}

static void act_on_messages(struct frame *f, const struct form *form, const char *what)
{
	const char *reason = form_value(form, "reason");
	bool delete = strcmp(what, "delete") == 0;
	json_t *ids = ids_of(form);
	char path[64];

	if (json_array_size(ids) == 0) {
		frame_sentence(&f->html, FRAME_ATTENTION, "No message was chosen: tick some of the list.");
		json_decref(ids);
		return;
	}
	if (delete &&!form_value(form, "sure")) {
		ask_whether(f, form, json_array_size(ids));
		json_decref(ids);
		return;
	}
	snprintf(path, sizeof(path), "/v1/queue/%s", what);
	ask_for(f, path,
		json_pack("{so so* ss*}", "ids", ids, "report",
			  delete &&form_value(form, "report") ? json_true() : NULL, "reason",
			  reason && reason[0] ? reason : NULL));
}

/* ---- destinations ----------------------------------------------------------------------------------------------- */

static void act_on_destination(struct frame *f, const struct form *form, const char *what)
{
	const char *name = form_value(form, "destination"), *reason = form_value(form, "reason"),
		   *hours = form_value(form, "for");
	long for_h = hours && strcmp(what, "suspend") == 0 ? strtol(hours, NULL, 10) : 0;
	char path[320];

	snprintf(path, sizeof(path), "/v1/destinations/%.255s/%s", name ? name : "", what);
	/* More than a suspension may have is refused by the control. */
	if (for_h > HOURS_MOST)
		for_h = HOURS_MOST;
	ask_for(f, path,
		json_pack("{so* ss*}", "for_s", for_h > 0 ? json_integer(for_h * 3600) : NULL, "reason",
			  reason && reason[0] ? reason : NULL));
	html_put(&f->html, "<p><a href=\"/page/destination/");
	html_value(&f->html, name);
	html_put(&f->html, "\">To the destination</a></p>");
}

/* ---- the doctor ------------------------------------------------------------------------------------------------- */

static void act_on_doctor(struct frame *f)
{
	unsigned status;
	json_t *answer = within_ask(f->request, "POST", "/v1/doctor", NULL, NULL, &status);

	if (!frame_error(f, answer))
		frame_sentence(&f->html, FRAME_WELL,
			       "It is being looked at, step by step, which takes from seconds to two minutes.");
	html_put(&f->html, "<p><a href=\"/page/health\">To what is found</a></p>");
	json_decref(answer);
}

static void act(struct frame *f, const struct form *form)
{
	static const char *const of_messages[] = {"hold", "release", "retry", "delete"};
	static const char *const of_destinations[] = {"suspend", "resume"};
	const char *what = form_value(form, "do");

	for (size_t i = 0; what && i < sizeof(of_messages) / sizeof(of_messages[0]); i++) {
		if (strcmp(of_messages[i], what) == 0) {
			act_on_messages(f, form, what);
			return;
		}
	}
	for (size_t i = 0; what && i < sizeof(of_destinations) / sizeof(of_destinations[0]); i++) {
		if (strcmp(of_destinations[i], what) == 0) {
			act_on_destination(f, form, what);
			return;
		}
	}
	if (what && strcmp(what, "doctor") == 0) {
		act_on_doctor(f);
		return;
	}
	frame_sentence(&f->html, FRAME_WRONG, "The form does not say what to do.");
}

/* The form is of this page, and whoever sent it may act; false: what it is instead is said. */
static bool may(struct frame *f, struct form *form)
{
	if (!frame_form_sent(f->request, form)) {
		f->status = ANSWER_FORBIDDEN;
		frame_sentence(
			&f->html, FRAME_WRONG,
			"Nothing was done: the form is not of this page, or of a process that has ended. Load the view "
			"again, and do it there.");
		return false;
	}
	if (f->operate)
		return true;
	f->status = ANSWER_FORBIDDEN;
	frame_sentence(&f->html, FRAME_WRONG,
		       "Nothing was done: you may look and not act. control.http.operate names who may.");
	return false;
}

void page_act(struct control_request *request)
{
	struct form form;
	struct frame f;

	if (!frame_begin(&f, request, FRAME_NONE, "Done by you"))
		return;
	if (may(&f, &form))
		act(&f, &form);
	form_free(&form);
	frame_end(&f);
}

/* POST /page/bundle: the answer is the file, for the browser to keep. Its event is that of the control's. */
void page_bundle(struct control_request *request)
{
	uint64_t began_ns = clock_monotonic_ns();
	struct control_request told;
	struct form form;
	struct frame f;

	if (!frame_begin(&f, request, FRAME_NONE, "Done by you"))
		return;
	if (may(&f, &form)) {
		html_free(&f.html);
		control_bundle_answer(request);
		told = *request;
		told.path = "/v1/bundle";
		told.body = NULL;
		told.body_length = 0;
		request->desk->tell(&told, began_ns);
	} else {
		frame_end(&f);
	}
	form_free(&form);
}
