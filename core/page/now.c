/*
 * core/page/now.c - the view that opens first: is it well, in one sentence; what comes in and goes out; each
 * destination with its state, and what it waits for in words; what went wrong lately.
 */
#include <stdio.h>
#include <string.h>

#include "core/control/within.h"
#include "core/page/frame.h"
#include "core/page/live.h"
#include "core/page/page.h"

enum { WHY_MOST = 10, ERRORS_SHOWN = 10 };

/* ---- figures ---------------------------------------------------------------------------------------------------- */

static void figure(struct html *html, const char *link, const char *name, const char *key, const char *value)
{
	html_put(html, "<li><a href=\"%s\"><b data-live=\"%s\">%s</b> <span>%s</span></a></li>", link, key, value,
		 name);
}

static void count_figure(struct html *html, const char *link, const char *name, const char *key, json_int_t count)
{
	char text[SHOWN_SIZE];

	figure(html, link, name, key, shown_count(count, text));
}

static json_int_t in_state(const struct pulse_view *view, const char *state)
{
	return shown_number(json_object_get(json_object_get(view->summary, "all"), "states"), state);
}

static void put_figures(struct frame *f, const struct pulse_view *view)
{
	const json_t *all = json_object_get(view->stats, "all");
	const char *oldest = shown_text(json_object_get(view->summary, "all"), "oldest");
	char text[SHOWN_SIZE];

	html_put(&f->html, "<ul class=\"figures\">");
	figure(&f->html, "/page/mail?list=trace", "in, a second", "in",
	       shown_rate(pulse_rate(view, NULL, "accepted"), text));
	figure(&f->html, "/page/mail?list=trace&result=delivered", "out, a second", "out",
	       shown_rate(pulse_rate(view, NULL, "delivered"), text));
	count_figure(&f->html, "/page/mail", "messages here", "queued", shown_number(all, "queued"));
	if (view->summary) {
		count_figure(&f->html, "/page/mail?state=deferred", "wait to be tried again", "",
			     in_state(view, "deferred"));
		count_figure(&f->html, "/page/mail?state=held,kept", "held", "",
			     in_state(view, "held") + in_state(view, "kept"));
		if (oldest[0])
			figure(&f->html, "/page/mail?older=1h", "the oldest is here", "",
			       shown_ago(oldest, f->now_s, text));
	}
	count_figure(&f->html, "/page/mail?list=trace&result=delivered", "recipients delivered since the start",
		     "delivered", shown_number(all, "delivered"));
	count_figure(&f->html, "/page/mail?list=trace&result=failed", "recipients failed since the start", "failed",
		     shown_number(all, "failed"));
	count_figure(&f->html, "/page/mail?list=trace&result=refused", "refused to clients since the start", "refused",
		     shown_number(all, "refused"));
	html_put(&f->html, "</ul>");
	/* What has to be counted by walking all mail is of a while ago where there is much. */
	if (view->summary && view->summary_age_s > 5)
		html_put(&f->html, "<p class=\"soft\">What waits, is held, and is oldest was counted %s ago.</p>",
			 shown_span((int64_t)view->summary_age_s, text));
	else if (!view->summary && view->stats)
		html_put(&f->html,
			 "<p class=\"soft\">What waits, is held, and is oldest is being counted: load the view "
			 "again in a moment.</p>");
}

/* ---- destinations ----------------------------------------------------------------------------------------------- */

static const json_t *summary_of(const struct pulse_view *view, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(view->summary, "destinations"), i, one)
	{
		if (strcmp(shown_text(one, "destination"), name) == 0)
			return one;
	}
	return NULL;
}

/* "/page/mail?destination=NAME", and with a state. */
static void mail_link(struct html *html, const char *name, const char *state, const char *prefix, const char *number)
{
	/* A link without words is none. */
	if (!number[0]) {
		html_put(html, "<td class=\"n\"></td>");
		return;
	}
	html_put(html, "<td class=\"n\"><a href=\"/page/mail?destination=");
	html_value(html, name);
	if (state)
		html_put(html, "&state=%s", state);
	if (prefix)
		html_put(html, "\" data-live=\"%s %s\">%s</a></td>", prefix, name, number);
	else
		html_put(html, "\">%s</a></td>", number);
}

/* What keeps its mail, by the control's own sentences. */
static void put_why(struct frame *f, const char *name)
{
	char path[300];
	const json_t *one;
	json_t *why;
	size_t i;

	snprintf(path, sizeof(path), "/v1/destinations/%.255s/why", name);
	why = within_get(f->request, path, NULL);
	json_array_foreach(json_object_get(why, "limited"), i, one)
		html_put(&f->html, "%s<bdi>%s</bdi>", i ? "<br>" : "", shown_text(one, "say"));
	json_decref(why);
}

static void put_destination(struct frame *f, const struct pulse_view *view, const json_t *one, unsigned *whys)
{
	const char *name = shown_text(one, "destination");
	struct live_state state = live_destination(one);
	const json_t *summary = summary_of(view, name);
	char text[SHOWN_SIZE];

	html_put(&f->html, "<tr><th scope=\"row\"><a href=\"/page/destination/");
	html_value(&f->html, name);
	html_put(&f->html, "\">%s</a></th><td data-live=\"state %s\">", name, name);
	frame_state(&f->html, state.tone, state.word);
	html_put(&f->html, "</td><td class=\"n\"><a href=\"/page/mail?list=trace&destination=");
	html_value(&f->html, name);
	html_put(&f->html, "\" data-live=\"rate %s\">%s</a></td>", name,
		 shown_rate(pulse_rate(view, name, "delivered"), text));
	mail_link(&f->html, name, "active", "connections", shown_count(shown_number(one, "connections"), text));
	mail_link(&f->html, name, "ready", "ready", shown_count(shown_number(one, "ready"), text));
	mail_link(&f->html, name, "deferred", "deferred", shown_count(shown_number(one, "deferred"), text));
	mail_link(&f->html, name, NULL, NULL, shown_ago(shown_text(summary, "oldest"), f->now_s, text));
	html_put(&f->html, "<td>");
	if ((state.tone == FRAME_WRONG || state.tone == FRAME_ATTENTION) && (*whys)++ < WHY_MOST)
		put_why(f, name);
	html_put(&f->html, "</td></tr>");
}

static void put_destinations(struct frame *f, const struct pulse_view *view)
{
	const json_t *list = json_object_get(view->stats, "destinations"), *one;
	/* Where a shard does not answer, each of these would be waited for. */
	unsigned whys = json_array_size(json_object_get(view->stats, "missing")) > 0 ? WHY_MOST : 0;
	size_t i;

	html_put(&f->html, "<h2>Destinations</h2>");
	if (json_array_size(list) == 0) {
		html_put(&f->html, "<p>None has mail or connections.</p>");
		return;
	}
	html_put(&f->html,
		 "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Destinations\"><table><thead><tr><th "
		 "scope=\"col\">Destination</th><th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Delivered/s"
		 "</th><th scope=\"col\" class=\"n\">Connections</th><th scope=\"col\" class=\"n\">Ready</th><th "
		 "scope=\"col\" class=\"n\">Deferred</th><th scope=\"col\" class=\"n\">Oldest</th><th scope=\"col\">"
		 "What it waits for</th></tr></thead><tbody>");
	json_array_foreach((json_t *)(uintptr_t)list, i, one) put_destination(f, view, one, &whys);
	html_put(&f->html, "</tbody></table></div>");
	page_put_shown(f, view->stats);
}

/* ---- what went wrong -------------------------------------------------------------------------------------------- */

static void put_error(struct frame *f, const json_t *one)
{
	const char *id = shown_text(one, "id"), *say = shown_text(one, "say");
	char text[SHOWN_SIZE];

	html_put(&f->html, "<tr><td class=\"n\">");
	if (id[0])
		html_put(&f->html, "<a href=\"/page/mail/%s\">%s</a>", id,
			 shown_count(shown_number(one, "count"), text));
	else
		html_put(&f->html, "%s", shown_count(shown_number(one, "count"), text));
	html_put(&f->html, "</td><td>%s ago</td><td><bdi>%s</bdi></td><td>",
		 shown_ago(shown_text(one, "last"), f->now_s, text), shown_text(one, "where"));
	if (say[0])
		html_put(&f->html, "<b>%s</b><br>", say);
	if (shown_text(one, "reply")[0])
		html_put(&f->html, "<q><bdi>%s</bdi></q>", shown_text(one, "reply"));
	else if (!say[0])
		html_put(&f->html, "<code>%s</code> in the events", shown_text(one, "event"));
	html_put(&f->html, "</td></tr>");
}

static void put_errors(struct frame *f)
{
	json_t *answer = within_get(f->request, "/v1/errors", NULL);
	const json_t *list = json_object_get(answer, "errors"), *one;
	size_t i;

	if (json_array_size(list) > 0) {
		html_put(&f->html,
			 "<h2>What went wrong lately</h2><div class=\"wide\" tabindex=\"0\" role=\"region\" "
			 "aria-label=\"What went wrong lately\"><table><thead><tr><th scope=\"col\" class=\"n\">Times"
			 "</th><th scope=\"col\">Last</th><th scope=\"col\">Where</th><th scope=\"col\">What</th></tr>"
			 "</thead><tbody>");
		json_array_foreach((json_t *)(uintptr_t)list, i, one)
		{
			if (i < ERRORS_SHOWN)
				put_error(f, one);
		}
		html_put(&f->html, "</tbody></table></div>");
	}
	json_decref(answer);
}

void page_now(struct control_request *request)
{
	struct live_sentence sentence;
	struct pulse_view view;
	struct frame f;
	unsigned status;
	json_t *ready;

	if (!frame_begin(&f, request, FRAME_NOW, "Now"))
		return;
	ready = within_ask(request, "GET", "/readyz", NULL, NULL, &status);
	pulse_look(f.pulse, &view);
	live_sentence(&view, status == ANSWER_OK ? NULL : shown_text(ready, "text"), &sentence);
	html_put(&f.html, "<p class=\"say %s\" data-sentence=\"\" role=\"status\">%s</p>", frame_tone(sentence.tone),
		 sentence.text);
	put_figures(&f, &view);
	html_put(&f.html,
		 "<section id=\"hour\" aria-label=\"The last hour\"><noscript><p>The curves of the last hour want "
		 "JavaScript; everything else is here without.</p></noscript></section>");
	put_destinations(&f, &view);
	put_errors(&f);
	pulse_view_free(&view);
	json_decref(ready);
	frame_end(&f);
}
