/*
 * core/page/providers.c - the view of providers: where mail goes, by which mailboxes, what their budgets have left; and
 * one destination with all that keeps its mail.
 */
#include <stdio.h>
#include <string.h>

#include "core/control/within.h"
#include "core/page/act.h"
#include "core/page/frame.h"
#include "core/page/live.h"
#include "core/page/page.h"
#include "core/page/shown.h"

/* ---- parts ------------------------------------------------------------------------------------------------------ */

void page_put_dates(struct frame *f, const json_t *resources, const char *only)
{
	const json_t *one;
	char text[SHOWN_SIZE];
	size_t i;

	json_array_foreach(json_object_get(resources, "dates"), i, one)
	{
		const char *name = shown_text(one, "destination"), *after = shown_text(one, "after");
		int64_t left_s = shown_seconds_of_day(after) + 86400 - f->now_s;
		if (only && strcmp(name, only) != 0)
			continue;
		html_put(&f->html, left_s > 0 ? "<p class=\"say attention\">" : "<p class=\"say wrong\">");
		frame_state(&f->html, left_s > 0 ? FRAME_ATTENTION : FRAME_WRONG, left_s > 0 ? "coming" : "now");
		html_put(&f->html, " After <b>%s</b>%s%s: %s. <a href=\"/page/destination/", after,
			 left_s > 0 ? ", in " : "", left_s > 0 ? shown_span(left_s, text) : "", shown_text(one, "say"));
		html_value(&f->html, name);
		html_put(&f->html, "\">%s</a> <span class=\"soft\">as the preset %s knows</span></p>", name,
			 shown_text(one, "preset"));
	}
}

/* The clock of a token. One is fetched when somebody wants to sign in. */
static void put_sign_in(struct frame *f, const json_t *one)
{
	const char *by = shown_text(one, "signs_in"), *until = shown_text(one, "token_until");
	char text[SHOWN_SIZE];

	if (strcmp(by, "token") == 0 && until[0])
		html_put(&f->html, "a token, good for %s", shown_in(until, f->now_s, text));
	else if (strcmp(by, "token") == 0)
		html_put(&f->html, "a token; there is none just now");
	else
		html_put(&f->html, by[0] ? "a password" : "-");
}

/* The clock of certificates: of those that are watched, the one that ends first. */
void page_put_certificate(struct frame *f, const char *until, const char *what)
{
	int64_t left_s = shown_seconds(until) - f->now_s;
	char text[SHOWN_SIZE], day[SHOWN_SIZE];

	frame_state(&f->html,
		    left_s < 0            ? FRAME_WRONG
		    : left_s < 21 * 86400 ? FRAME_ATTENTION
					  : FRAME_WELL,
		    left_s < 0 ? "has ended" : "is good");
	html_put(&f->html, left_s < 0 ? " %s: %s (UTC), %s ago." : " %s: %s (UTC), in %s.", what,
		 shown_time(until, day), shown_span(left_s < 0 ? -left_s : left_s, text));
}

static void put_certificates(struct frame *f, const json_t *resources)
{
	const char *until = shown_text(resources, "certificate_until");

	if (!until[0])
		return;
	html_put(&f->html, "<h2>Certificates</h2><p>");
	page_put_certificate(f, until, "The first of this relay's own to end");
	html_put(&f->html, " <a href=\"/page/health\">Health</a></p>");
}

static void put_mailbox(struct frame *f, const json_t *one)
{
	const char *mailbox = shown_text(one, "mailbox");
	json_int_t budget = shown_number(one, "recipients_a_day"), left = shown_number(one, "left");
	char text[SHOWN_SIZE], all[SHOWN_SIZE];

	html_put(&f->html, "<tr><th scope=\"row\"><bdi>%s</bdi></th><td>%s</td><td>",
		 mailbox[0] ? mailbox : "the destination", shown_text(one, "destination"));
	frame_state(&f->html, json_is_true(json_object_get(one, "usable")) ? FRAME_WELL : FRAME_WRONG,
		    json_is_true(json_object_get(one, "usable")) ? "can be used" : "is left alone");
	html_put(&f->html, "</td><td>");
	put_sign_in(f, one);
	html_put(&f->html, "</td><td class=\"n\">%s</td><td>", shown_count(shown_number(one, "connections"), text));
	if (budget > 0 && json_is_integer(json_object_get(one, "left")))
		html_put(&f->html,
			 "<progress max=\"%lld\" value=\"%lld\" aria-label=\"used today\"></progress> %s of %s "
			 "recipients left today",
			 (long long)budget, (long long)(budget - left), shown_count(left, text),
			 shown_count(budget, all));
	else
		html_put(&f->html, budget > 0 ? "not known just now" : "no limit a day");
	html_put(&f->html, "</td></tr>");
}

/* `only`: of this destination; NULL: of all. */
static void put_mailboxes(struct frame *f, const json_t *answer, const char *only)
{
	const json_t *one;
	bool any = false;
	size_t i;

	json_array_foreach(json_object_get(answer, "mailboxes"), i, one)
	{
		if (only && strcmp(shown_text(one, "destination"), only) != 0)
			continue;
		if (!any)
			html_put(&f->html,
				 "<h2>Mailboxes and budgets</h2><div class=\"wide\" tabindex=\"0\" role=\"region\" "
				 "aria-label=\"Mailboxes\"><table><thead><tr><th scope=\"col\">Mailbox</th><th "
				 "scope=\"col\">Destination</th><th scope=\"col\">State</th><th "
				 "scope=\"col\">Signs in by</th><th scope=\"col\" class=\"n\">"
				 "Connections</th><th scope=\"col\">Budget</th></tr></thead><tbody>");
		any = true;
		put_mailbox(f, one);
	}
	if (any)
		html_put(&f->html, "</tbody></table></div>");
}

/* True: the destination, all of it, is suspended. */
static bool put_suspensions(struct frame *f, const char *only)
{
	json_t *answer = within_get(f->request, "/v1/suspensions", NULL);
	bool whole = false;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "suspensions"), i, one)
	{
		const char *name = shown_text(one, "destination"), *domain = shown_text(one, "domain"),
			   *reason = shown_text(one, "reason");
		char since[SHOWN_SIZE], until[SHOWN_SIZE];
		if (only && strcmp(name, only) != 0)
			continue;
		whole |= !domain[0];
		shown_in(shown_text(one, "until"), f->now_s, until);
		html_put(&f->html,
			 "<p class=\"say attention\">%s%s<bdi>%s</bdi> is suspended for %s, by "
			 "<bdi>%s</bdi>%s<bdi>%s</bdi>; "
			 "%s%s.</p>",
			 name, domain[0] ? ", domain " : "", domain,
			 shown_ago(shown_text(one, "since"), f->now_s, since), shown_text(one, "who"),
			 reason[0] ? ": " : "", reason, until[0] ? "it ends in " : "until it is resumed", until);
	}
	json_decref(answer);
	return whole;
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

static void put_row(struct frame *f, const struct pulse_view *view, const json_t *one)
{
	const char *name = shown_text(one, "destination");
	struct live_state state = live_destination(one);
	char text[SHOWN_SIZE];

	html_put(&f->html, "<tr><th scope=\"row\"><a href=\"/page/destination/");
	html_value(&f->html, name);
	html_put(&f->html, "\">%s</a></th><td>", name);
	frame_state(&f->html, state.tone, state.word);
	html_put(&f->html,
		 "</td><td class=\"n\"><a href=\"/page/mail?list=trace&amp;result=delivered&amp;destination=");
	html_value(&f->html, name);
	html_put(&f->html,
		 "\">%s</a></td><td class=\"n\"><a href=\"/page/mail?list=trace&amp;result=deferred&amp;destination=",
		 shown_count(shown_number(one, "delivered"), text));
	html_value(&f->html, name);
	html_put(&f->html,
		 "\">%s</a></td><td class=\"n\"><a href=\"/page/mail?list=trace&amp;result=failed&amp;destination=",
		 shown_count(shown_number(one, "put_off"), text));
	html_value(&f->html, name);
	html_put(&f->html, "\">%s</a></td><td class=\"n\">%s</td></tr>", shown_count(shown_number(one, "failed"), text),
		 shown_rate(pulse_rate(view, name, "delivered"), text));
}

void page_put_shown(struct frame *f, const json_t *stats)
{
	json_int_t all = shown_number(stats, "destination_count");

	if (all > PULSE_DESTINATIONS)
		html_put(&f->html,
			 "<p>The %d in trouble or with most mail, of %lld. Each has its view: "
			 "/page/destination/NAME.</p>",
			 PULSE_DESTINATIONS, (long long)all);
}

void page_providers(struct control_request *request)
{
	struct pulse_view view;
	const json_t *one;
	json_t *resources;
	struct frame f;
	size_t i;

	if (!frame_begin(&f, request, FRAME_PROVIDERS, "Providers"))
		return;
	pulse_look(f.pulse, &view);
	resources = within_get(request, "/v1/resources", NULL);
	page_put_dates(&f, resources, NULL);
	(void)put_suspensions(&f, NULL);
	html_put(&f.html,
		 "<h2>Destinations, since the start</h2><div class=\"wide\" tabindex=\"0\" role=\"region\" "
		 "aria-label=\"Destinations\"><table><thead><tr><th scope=\"col\">Destination</th><th "
		 "scope=\"col\">State"
		 "</th><th scope=\"col\" class=\"n\">Delivered</th><th scope=\"col\" class=\"n\">Put off</th><th "
		 "scope=\"col\" class=\"n\">Failed</th><th scope=\"col\" "
		 "class=\"n\">Delivered/s</th></tr></thead><tbody>");
	json_array_foreach(json_object_get(view.stats, "destinations"), i, one) put_row(&f, &view, one);
	html_put(&f.html, "</tbody></table></div>");
	page_put_shown(&f, view.stats);
	put_mailboxes(&f, resources, NULL);
	put_certificates(&f, resources);
	json_decref(resources);
	pulse_view_free(&view);
	frame_end(&f);
}

/* ---- one -------------------------------------------------------------------------------------------------------- */

static void put_count(struct frame *f, const char *label, const char *state, json_int_t count)
{
	char text[SHOWN_SIZE];

	html_put(&f->html, "<dt>%s</dt><dd><a href=\"/page/mail?state=%s&amp;destination=", label, state);
	html_value(&f->html, f->request->argument);
	html_put(&f->html, "\">%s</a></dd>", shown_count(count, text));
}

static void put_destination(struct frame *f, const json_t *why)
{
	json_t *resources = within_get(f->request, "/v1/resources", NULL);
	const char *name = f->request->argument;
	const json_t *one;
	char text[SHOWN_SIZE];
	bool suspended;
	size_t i;

	frame_missing(f, why);
	page_put_dates(f, resources, name);
	suspended = put_suspensions(f, name);
	json_array_foreach(json_object_get(why, "limited"), i, one)
	{
		bool nothing = strcmp(shown_text(one, "by"), "nothing") == 0;
		html_put(&f->html, nothing ? "<p class=\"say well\">" : "<p class=\"say attention\">");
		html_put(&f->html, "<bdi>%s</bdi>", shown_text(one, "say"));
		if (shown_in(shown_text(one, "until"), f->now_s, text)[0])
			html_put(&f->html, " It ends in %s.", text);
		html_put(&f->html, "</p>");
	}
	html_put(&f->html, "<dl>");
	put_count(f, "May go now", "ready", shown_number(why, "ready"));
	put_count(f, "Wait for their next attempt", "deferred", shown_number(why, "deferred"));
	html_put(&f->html, "<dt>Connections</dt><dd>%s</dd><dt>Its ceiling</dt><dd><bdi>%s</bdi></dd></dl>",
		 shown_count(shown_number(why, "connections"), text), shown_text(why, "ceiling"));
	put_mailboxes(f, resources, name);
	json_decref(resources);
	if (f->operate) {
		html_put(&f->html, "<h2>%s</h2>", suspended ? "Resume" : "Suspend");
		act_put_destination(f, name, suspended);
	}
}

void page_destination(struct control_request *request)
{
	struct frame f;
	char path[300];
	unsigned status;
	json_t *why;

	if (!frame_begin(&f, request, FRAME_PROVIDERS, request->argument))
		return;
	snprintf(path, sizeof(path), "/v1/destinations/%s/why", request->argument);
	why = within_ask(request, "GET", path, NULL, NULL, &status);
	if (frame_error(&f, why))
		f.status = status;
	else
		put_destination(&f, why);
	json_decref(why);
	frame_end(&f);
}
