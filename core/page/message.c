/*
 * core/page/message.c - one message: where each recipient of it stands, what happened to it in its order, with each
 * reply and what that means, and the fields of its header.
 */
#include <stdio.h>
#include <string.h>

#include "core/control/within.h"
#include "core/page/act.h"
#include "core/page/frame.h"
#include "core/page/page.h"
#include "core/page/said.h"
#include "core/page/shown.h"

static void put_fact(struct frame *f, const char *name, const char *value)
{
	if (value[0])
		html_put(&f->html, "<dt>%s</dt><dd><bdi>%s</bdi></dd>", name, value);
}

/* ---- what is here ----------------------------------------------------------------------------------------------- */

static void put_recipient(struct frame *f, const json_t *one)
{
	const char *destination = shown_text(one, "destination");
	char text[SHOWN_SIZE];

	html_put(&f->html, "<tr><th scope=\"row\"><bdi>%s</bdi></th><td>", shown_text(one, "address"));
	mail_put_state(f, shown_text(one, "status"));
	html_put(&f->html, "</td><td><a href=\"/page/destination/");
	html_value(&f->html, destination);
	html_put(&f->html, "\">%s</a></td><td class=\"n\">%lld</td><td class=\"n\">%s</td><td>", destination,
		 (long long)shown_number(one, "attempts"), shown_in(shown_text(one, "due"), f->now_s, text));
	said_put(f, json_object_get(one, "reply"), "text", destination, true);
	html_put(&f->html, "</td></tr>");
}

static void put_header(struct frame *f, const json_t *message)
{
	const json_t *one;
	size_t i;

	html_put(&f->html, "<h2>Header</h2><dl>");
	json_array_foreach(json_object_get(message, "header"), i, one)
		put_fact(f, shown_text(one, "name"), shown_text(one, "value"));
	html_put(&f->html, "</dl>");
}

static void put_here(struct frame *f, const json_t *message)
{
	const json_t *one;
	char text[SHOWN_SIZE];
	size_t i;

	html_put(&f->html, "<dl><dt>State</dt><dd>");
	mail_put_state(f, shown_text(message, "state"));
	html_put(&f->html, "</dd>");
	put_fact(f, "Sender", shown_text(message, "sender")[0] ? shown_text(message, "sender") : "<>");
	put_fact(f, "Client", shown_text(message, "client"));
	put_fact(f, "Device", shown_text(message, "device"));
	put_fact(f, "From the address", shown_text(message, "peer"));
	put_fact(f, "Which said it was", shown_text(message, "helo"));
	put_fact(f, "Came (UTC)", shown_time(shown_text(message, "accepted"), text));
	put_fact(f, "Size", shown_octets(shown_number(message, "size"), text));
	put_fact(f, "Told of it", shown_text(message, "owner"));
	html_put(
		&f->html,
		"</dl><h2>Recipients</h2><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Recipients\">"
		"<table><thead><tr><th scope=\"col\">Recipient</th><th scope=\"col\">State</th><th scope=\"col\">"
		"Destination</th><th scope=\"col\" class=\"n\">Tries</th><th scope=\"col\" class=\"n\">Next in</th><th "
		"scope=\"col\">Last reply</th></tr></thead><tbody>");
	json_array_foreach(json_object_get(message, "envelope"), i, one) put_recipient(f, one);
	html_put(&f->html, "</tbody></table></div>");
	put_header(f, message);
}

/* ---- what happened ---------------------------------------------------------------------------------------------- */

static void put_step(struct frame *f, const json_t *step)
{
	const char *event = shown_text(step, "event"), *result = shown_text(step, "result");
	const char *problem = shown_text(step, "problem");
	char text[SHOWN_SIZE];

	html_put(&f->html, "<li><span class=\"soft\">%s</span> ", shown_time(shown_text(step, "time"), text));
	if (result[0])
		mail_put_state(f, result);
	else
		html_put(&f->html, "<b>%s</b>", event);
	if (strcmp(event, "attempt") == 0 && shown_number(step, "attempt") > 0)
		html_put(&f->html, " attempt %lld", (long long)shown_number(step, "attempt"));
	if (shown_text(step, "host")[0])
		html_put(&f->html, " at <bdi>%s</bdi>", shown_text(step, "host"));
	if (shown_text(step, "tls")[0])
		html_put(&f->html, ", <bdi>%s</bdi>", shown_text(step, "tls"));
	if (shown_number(step, "ms") > 0)
		html_put(&f->html, ", %lld ms", (long long)shown_number(step, "ms"));
	if (shown_text(step, "next")[0])
		html_put(&f->html, "; again at %s", shown_time(shown_text(step, "next"), text));
	/* An attempt's words are said once. */
	if (strcmp(event, "deferred") != 0 && (shown_text(step, "reply")[0] || shown_number(step, "code") > 0)) {
		html_put(&f->html, "<br>");
		said_put(f, step, "reply", shown_text(step, "destination"), true);
	} else if (strcmp(event, "deferred") != 0 && problem[0]) {
		html_put(&f->html, "<br><b>%s</b>", problem);
	}
	html_put(&f->html, "</li>");
}

static void put_life(struct frame *f, const json_t *message, bool alone)
{
	const json_t *one;
	char text[SHOWN_SIZE];
	size_t i;

	if (alone) {
		html_put(&f->html, "<dl>");
		put_fact(f, "Sender", shown_text(message, "sender"));
		put_fact(f, "Client", shown_text(message, "client"));
		put_fact(f, "Device", shown_text(message, "device"));
		put_fact(f, "From the address", shown_text(message, "peer"));
		put_fact(f, "Message-ID", shown_text(message, "message_id"));
		html_put(&f->html, "</dl><h2>Recipients</h2><ul>");
		json_array_foreach(json_object_get(message, "recipients"), i, one)
		{
			html_put(&f->html, "<li><bdi>%s</bdi> ", shown_text(one, "recipient"));
			mail_put_state(f, shown_text(one, "result"));
			html_put(&f->html, " by <bdi>%s</bdi></li>", shown_text(one, "destination"));
		}
		html_put(&f->html, "</ul>");
	}
	html_put(&f->html,
		 "<h2>What happened (UTC)</h2><ol class=\"life\"><li><span class=\"soft\">%s</span> <b>%s</b></li>",
		 shown_time(shown_text(message, "time"), text), shown_text(message, "kind"));
	json_array_foreach(json_object_get(message, "steps"), i, one) put_step(f, one);
	html_put(&f->html, "</ol>");
}

static void put_acts(struct frame *f)
{
	if (!f->operate)
		return;
	frame_form(f, "");
	html_put(&f->html, "<input type=\"hidden\" name=\"id\" value=\"%s\">", f->request->argument);
	act_put_messages(f);
	html_put(&f->html, "</form>");
}

void page_message(struct control_request *request)
{
	json_t *here, *life;
	const json_t *one;
	unsigned here_status, life_status;
	char path[300];
	struct frame f;
	size_t i;

	if (!frame_begin(&f, request, FRAME_MAIL, "Message"))
		return;
	html_put(&f.html, "<p class=\"id\">%s</p>", request->argument);
	snprintf(path, sizeof(path), "/v1/queue/messages/%s", request->argument);
	here = within_ask(request, "GET", path, NULL, NULL, &here_status);
	snprintf(path, sizeof(path), "/v1/trace/%s", request->argument);
	life = within_ask(request, "GET", path, NULL, NULL, &life_status);
	frame_missing(&f, here);
	json_array_foreach(json_object_get(here, "messages"), i, one)
	{
		if (i == 0)
			put_acts(&f);
		put_here(&f, one);
	}
	if (here_status != ANSWER_OK && life_status == ANSWER_OK)
		frame_sentence(&f.html, FRAME_QUIET, "It is not here any more: this is what the trace has of it.");
	json_array_foreach(json_object_get(life, "messages"), i, one) put_life(&f, one, here_status != ANSWER_OK);
	if (life_status != ANSWER_OK) {
		frame_error(&f, here_status != ANSWER_OK ? here : life);
		f.status = here_status != ANSWER_OK ? here_status : ANSWER_OK;
	}
	json_decref(here);
	json_decref(life);
	frame_end(&f);
}
