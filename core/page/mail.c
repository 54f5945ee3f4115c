/*
 * core/page/mail.c - the view of mail: what is here, and what became of what was; found by address, client, device,
 * destination, state, time and reply. What is ticked is acted on.
 */
#include <stdio.h>
#include <string.h>

#include "core/control/within.h"
#include "core/page/act.h"
#include "core/page/frame.h"
#include "core/page/page.h"
#include "core/page/said.h"
#include "core/page/shown.h"

enum { ROWS = 50 };

/* What is asked, in the order of the form; also in the address of the next page. */
static const char *const keys[] = {"to",    "from",   "client", "device", "destination",
				   "state", "result", "older",  "since",  "error"};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

/* One that is empty was left so in the form. */
static const char *given(const struct control_request *request, const char *key)
{
	const char *value = request_value(request, key);

	return value && value[0] ? value : NULL;
}

/* ---- the form --------------------------------------------------------------------------------------------------- */

static void put_input(struct frame *f, const char *key, const char *label, const char *hint)
{
	const char *value = request_value(f->request, key);

	html_put(&f->html, "<label>%s<input name=\"%s\" value=\"%s\" placeholder=\"%s\"></label>", label, key,
		 value ? value : "", hint);
}

static void put_choice(struct frame *f, const char *key, const char *label, const char *const *choices)
{
	const char *value = request_value(f->request, key);
	bool listed = !value || !value[0];

	html_put(&f->html, "<label>%s<select name=\"%s\"><option value=\"\">any</option>", label, key);
	for (; *choices; choices++) {
		bool chosen = value && strcmp(value, *choices) == 0;
		listed |= chosen;
		html_put(&f->html, chosen ? "<option selected>%s</option>" : "<option>%s</option>", *choices);
	}
	if (!listed)
		html_put(&f->html, "<option selected>%s</option>", value);
	html_put(&f->html, "</select></label>");
}

static void put_form(struct frame *f, bool trace)
{
	static const char *const states[] = {"ready", "deferred", "active", "held", "kept", "failed", NULL};
	static const char *const results[] = {"queued", "delivered", "deferred", "failed",
					      "held",   "expired",   "refused",  NULL};

	html_put(&f->html, "<form class=\"search\" method=\"get\" action=\"/page/mail\" role=\"search\"><label>Look "
			   "in<select name=\"list\">");
	html_put(&f->html,
		 trace ? "<option value=\"queue\">what is here</option><option value=\"trace\" selected>all that "
			 "was</option>"
		       : "<option value=\"queue\" selected>what is here</option><option value=\"trace\">all that "
			 "was</option>");
	html_put(&f->html, "</select></label>");
	put_input(f, "id", "Message", "its id");
	put_input(f, "to", "To", trace ? "ann@example.org" : "*@example.org");
	put_input(f, "from", "From", trace ? "scan@example.com" : "*@example.com");
	put_input(f, "client", "Client", "name");
	put_input(f, "device", "Device", "name");
	put_input(f, "destination", "Destination", "name");
	if (trace) {
		put_choice(f, "result", "Result", results);
		put_input(f, "since", "Since", "4h, 2d");
	} else {
		put_choice(f, "state", "State", states);
		put_input(f, "older", "Older than", "15m, 4h, 2d");
		put_input(f, "error", "Reply has", "words");
	}
	html_put(&f->html, "<button>Look</button></form>");
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static enum frame_tone tone_of(const char *state)
{
	static const struct {
		const char *state;
		enum frame_tone tone;
	} rows[] = {{"ready", FRAME_QUIET},    {"active", FRAME_WELL},    {"delivered", FRAME_WELL},
		    {"queued", FRAME_QUIET},   {"pending", FRAME_QUIET},  {"deferred", FRAME_ATTENTION},
		    {"held", FRAME_ATTENTION}, {"kept", FRAME_ATTENTION}, {"failed", FRAME_WRONG},
		    {"expired", FRAME_WRONG},  {"refused", FRAME_WRONG}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].state, state) == 0)
			return rows[i].tone;
	}
	return FRAME_QUIET;
}

void mail_put_state(struct frame *f, const char *state)
{
	frame_state(&f->html, tone_of(state), state);
}

static void put_addresses(struct frame *f, const json_t *list, json_int_t count)
{
	const json_t *one;
	size_t i;

	html_put(&f->html, "<td>");
	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		if (i < 3)
			html_put(&f->html, "%s<bdi>%s</bdi>", i ? "<br>" : "",
				 json_is_string(one) ? json_string_value(one) : shown_text(one, "recipient"));
	}
	if (count > 3)
		html_put(&f->html, "<br>and %lld more", (long long)count - 3);
	html_put(&f->html, "</td>");
}

static void put_queued(struct frame *f, const json_t *one)
{
	const char *id = shown_text(one, "id"),
		   *destination = json_string_value(json_array_get(json_object_get(one, "destinations"), 0));
	char text[SHOWN_SIZE];

	html_put(&f->html, "<tr>");
	if (f->operate)
		html_put(&f->html,
			 "<td><input type=\"checkbox\" name=\"id\" value=\"%s\" aria-label=\"message %s\"></td>", id,
			 id);
	html_put(&f->html, "<th scope=\"row\"><a class=\"id\" href=\"/page/mail/%s\">%s</a></th><td>", id, id);
	mail_put_state(f, shown_text(one, "state"));
	html_put(&f->html,
		 "</td><td class=\"n\">%s</td><td><bdi>%s</bdi><br><span class=\"soft\"><bdi>%s</bdi></span></td>",
		 shown_span(shown_number(one, "age_s"), text), shown_text(one, "sender"),
		 shown_text(one, shown_text(one, "device")[0] ? "device" : "client"));
	put_addresses(f, json_object_get(one, "to"), shown_number(one, "recipients"));
	html_put(&f->html, "<td>%s</td><td class=\"n\">%lld</td><td class=\"n\">%s</td><td>",
		 destination ? destination : "-", (long long)shown_number(one, "attempts"),
		 shown_in(shown_text(one, "due"), f->now_s, text));
	said_put(f, json_object_get(one, "error"), "text", destination ? destination : "", false);
	html_put(&f->html, "</td></tr>");
}

static void put_traced(struct frame *f, const json_t *one)
{
	const json_t *recipients = json_object_get(one, "recipients"), *first = json_array_get(recipients, 0);
	const char *id = shown_text(one, "id"), *device = shown_text(one, "device");
	const char *result = first ? shown_text(first, "result") : shown_text(one, "kind");
	char text[SHOWN_SIZE];

	html_put(&f->html, "<tr><th scope=\"row\">");
	if (id[0])
		html_put(&f->html, "<a class=\"id\" href=\"/page/mail/%s\">%s</a>", id, id);
	else
		html_put(&f->html, "no id: refused before");
	html_put(&f->html, "</th><td>");
	mail_put_state(f, result);
	html_put(&f->html, "</td><td>%s</td><td><bdi>%s</bdi><br><span class=\"soft\"><bdi>%s</bdi></span></td>",
		 shown_time(shown_text(one, "time"), text), shown_text(one, "sender"),
		 device[0] ? device : shown_text(one, "client"));
	put_addresses(f, recipients, shown_number(one, "recipient_count"));
	html_put(&f->html, "<td><bdi>%s</bdi></td></tr>", first ? shown_text(first, "destination") : "");
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

static json_t *ask(struct frame *f, bool trace, const char *limit, unsigned *status)
{
	static const char *const of_queue[] = {"to",    "from",  "client", "device", "destination",
					       "state", "older", "error",  NULL};
	static const char *const of_trace[] = {"to",          "from",   "client", "device",
					       "destination", "result", "since",  NULL};
	const char *const *mine = trace ? of_trace : of_queue;
	struct request_given values[KEYS + 3];
	size_t count = 0;

	for (; *mine; mine++) {
		if (given(f->request, *mine))
			values[count++] = (struct request_given){*mine, given(f->request, *mine)};
	}
	values[count++] = (struct request_given){"limit", limit};
	if (!trace && given(f->request, "cursor"))
		values[count++] = (struct request_given){"cursor", given(f->request, "cursor")};
	values[count] = (struct request_given){NULL, NULL};
	return within_ask(f->request, "GET", trace ? "/v1/trace" : "/v1/queue/messages", values, NULL, status);
}

static void put_next(struct frame *f, const char *cursor)
{
	html_put(&f->html, "<p><a rel=\"next\" href=\"/page/mail?cursor=");
	html_value(&f->html, cursor);
	for (size_t i = 0; i < KEYS; i++) {
		const char *value = given(f->request, keys[i]);
		if (!value)
			continue;
		html_put(&f->html, "&amp;%s=", keys[i]);
		html_value(&f->html, value);
	}
	html_put(&f->html, "\">More</a></p>");
}

static void put_queue(struct frame *f)
{
	unsigned status;
	json_t *answer = ask(f, false, "50", &status);
	const json_t *list = json_object_get(answer, "messages"), *one;
	const char *next = json_string_value(json_object_get(answer, "next"));
	size_t i;

	if (frame_error(f, answer)) {
		f->status = status;
		json_decref(answer);
		return;
	}
	frame_missing(f, answer);
	if (json_array_size(list) == 0)
		html_put(&f->html, "<p>%s</p>",
			 next ? "None so far: not all was looked at yet." : "No message that is here is like that.");
	if (f->operate)
		frame_form(f, "");
	if (json_array_size(list) > 0) {
		html_put(&f->html, "<div class=\"wide\" tabindex=\"0\" role=\"region\" "
				   "aria-label=\"Messages\"><table><thead><tr>");
		if (f->operate)
			html_put(&f->html,
				 "<td><input type=\"checkbox\" id=\"all\" aria-label=\"all of them\" hidden></td>");
		html_put(&f->html,
			 "<th scope=\"col\">Message</th><th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Age"
			 "</th><th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">Destination</th>"
			 "<th scope=\"col\" class=\"n\">Tries</th><th scope=\"col\" class=\"n\">Next in</th><th "
			 "scope=\"col\">Last reply</th></tr></thead><tbody>");
		json_array_foreach((json_t *)(uintptr_t)list, i, one) put_queued(f, one);
		html_put(&f->html, "</tbody></table></div>");
	}
	if (f->operate) {
		act_put_messages(f);
		html_put(&f->html, "</form>");
	}
	if (next)
		put_next(f, next);
	json_decref(answer);
}

static void put_trace(struct frame *f)
{
	unsigned status;
	json_t *answer = ask(f, true, "50", &status);
	const json_t *list = json_object_get(answer, "messages"), *one;
	size_t i;

	if (frame_error(f, answer)) {
		f->status = status;
	} else if (json_array_size(list) == 0) {
		html_put(&f->html, "<p>Nothing like that is in the trace.</p>");
	} else {
		html_put(&f->html,
			 "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Mail\"><table><thead><tr><th "
			 "scope=\"col\">Message</th><th scope=\"col\">Result</th><th scope=\"col\">Came (UTC)</th><th "
			 "scope=\"col\">From</th><th scope=\"col\">To</th><th "
			 "scope=\"col\">Destination</th></tr></thead>"
			 "<tbody>");
		json_array_foreach((json_t *)(uintptr_t)list, i, one) put_traced(f, one);
		html_put(&f->html, "</tbody></table></div>");
		if (json_array_size(list) == ROWS)
			html_put(&f->html, "<p>The newest %d. Say more of what you look for to see others.</p>", ROWS);
	}
	json_decref(answer);
}

void page_mail(struct control_request *request)
{
	const char *list = request_value(request, "list"), *id = given(request, "id");
	bool trace = list && strcmp(list, "trace") == 0;
	struct frame f;

	if (!frame_begin(&f, request, FRAME_MAIL, "Mail"))
		return;
	put_form(&f, trace);
	if (id) {
		html_put(&f.html, "<p><a href=\"/page/mail/");
		html_value(&f.html, id);
		html_put(&f.html, "\">Message %s</a></p>", id);
	} else if (trace) {
		put_trace(&f);
	} else {
		put_queue(&f);
	}
	frame_end(&f);
}
