/*
 * core/page/health.c - the view of health: does it take mail, do its shards answer, has the spool room, until when are
 * certificates good; and which incidents are open, with what to do.
 */
#include <string.h>

#include "core/control/within.h"
#include "core/page/frame.h"
#include "core/page/page.h"
#include "core/page/shown.h"

static void rung(struct frame *f, enum frame_tone tone, const char *word, const char *what)
{
	html_put(&f->html, "<li>");
	frame_state(&f->html, tone, word);
	html_put(&f->html, " %s", what);
}

static void put_ready(struct frame *f)
{
	unsigned status;
	json_t *ready = within_ask(f->request, "GET", "/readyz", NULL, NULL, &status);

	if (status == ANSWER_OK)
		rung(f, FRAME_WELL, "yes", "New mail is taken.");
	else
		rung(f, FRAME_WRONG, "no", shown_text(ready, "text"));
	html_put(&f->html, "</li>");
	json_decref(ready);
}

static void put_shards(struct frame *f, const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "shards"), i, one)
	{
		bool answers = json_is_true(json_object_get(one, "answers"));
		rung(f, answers ? FRAME_WELL : FRAME_WRONG, answers ? "answers" : "does not answer", "Shard");
		html_put(&f->html, " %lld%s</li>", (long long)shown_number(one, "shard"),
			 answers ? "." : ": look for shard_stuck in the events, and at the load of the machine.");
	}
}

static void put_spool(struct frame *f, const json_t *one)
{
	json_int_t used = shown_number(one, "octets"), most = shown_number(one, "size_max");
	const char *refuses = shown_text(one, "refuses");
	enum frame_tone tone = refuses[0]                         ? FRAME_WRONG
			       : most > 0 && used > most / 10 * 9 ? FRAME_ATTENTION
								  : FRAME_WELL;
	char text[SHOWN_SIZE], all[SHOWN_SIZE];

	rung(f, tone,
	     tone == FRAME_WELL    ? "has room"
	     : tone == FRAME_WRONG ? "takes nothing"
				   : "nearly full",
	     "Spool of shard");
	html_put(&f->html, " %lld: %s of %s", (long long)shown_number(one, "shard"), shown_octets(used, text),
		 most > 0 ? shown_octets(most, all) : "what the disk has");
	if (shown_number(one, "commits") > 0)
		html_put(&f->html, "; its last commit took %lld us", (long long)shown_number(one, "last_commit_us"));
	if (strcmp(refuses, "disk_full") == 0)
		html_put(&f->html, ". The disk is full: make room on it");
	else if (strcmp(refuses, "size_max") == 0)
		html_put(&f->html, ". It has reached spool.size_max: let mail go, or raise it");
	else if (refuses[0])
		html_put(&f->html, ". It has failed: see spool_failed in the events, and the kernel's log");
	html_put(&f->html, ".</li>");
}

static void put_disk(struct frame *f, const json_t *disk)
{
	json_int_t all = shown_number(disk, "octets"), left = shown_number(disk, "free");
	char text[SHOWN_SIZE], whole[SHOWN_SIZE];
	bool little = left < all / 10;

	if (all == 0)
		return;
	rung(f, little ? FRAME_ATTENTION : FRAME_WELL, little ? "nearly full" : "has room", "The disk of the spool");
	html_put(&f->html, ": %s of %s are free.</li>", shown_octets(left, text), shown_octets(all, whole));
}

static void put_incident(struct frame *f, const json_t *one)
{
	bool calming = json_is_true(json_object_get(one, "calming"));
	const char *problem = shown_text(one, "problem"), *fix = shown_text(one, "fix");
	char text[SHOWN_SIZE];

	html_put(&f->html, calming ? "<div class=\"say attention\">" : "<div class=\"say wrong\">");
	frame_state(&f->html, calming ? FRAME_ATTENTION : FRAME_WRONG, calming ? "calming" : "open");
	html_put(&f->html, " <b>%s</b> <bdi>%s</bdi> <span class=\"soft\">for %s</span>", shown_text(one, "title"),
		 shown_text(one, "subject"), shown_ago(shown_text(one, "since"), f->now_s, text));
	if (problem[0])
		html_put(&f->html, "<br><bdi>%s</bdi>", problem);
	if (fix[0])
		html_put(&f->html, "<br>%s", fix);
	html_put(&f->html, "</div>");
}

/* Of the day before: who comes in the morning sees the night. */
static void put_over(struct frame *f)
{
	static const struct request_given day[] = {{"since", "24h"}, {NULL, NULL}};
	json_t *answer = within_get(f->request, "/v1/incidents/over", day);
	const json_t *one, *list = json_object_get(answer, "over");
	char since[SHOWN_SIZE], until[SHOWN_SIZE];

	if (json_array_size(list) > 0)
		html_put(&f->html, "<h3>Over within the last day</h3><ul>");
	/* The newest first. */
	for (size_t i = json_array_size(list); i > 0; i--) {
		one = json_array_get(list, i - 1);
		html_put(&f->html, "<li><b>%s</b> <bdi>%s</bdi> <span class=\"soft\">%s to %s</span>",
			 shown_text(one, "title"), shown_text(one, "subject"),
			 shown_time(shown_text(one, "since"), since), shown_time(shown_text(one, "until"), until));
		if (shown_text(one, "problem")[0])
			html_put(&f->html, "<br><bdi>%s</bdi>", shown_text(one, "problem"));
		html_put(&f->html, "</li>");
	}
	if (json_array_size(list) > 0)
		html_put(&f->html, "</ul>");
	json_decref(answer);
}

static void put_incidents(struct frame *f)
{
	unsigned status;
	json_t *answer = within_ask(f->request, "GET", "/v1/incidents", NULL, NULL, &status);
	const json_t *one;
	size_t i;

	html_put(&f->html, "<h2>Incidents</h2>");
	if (status != ANSWER_OK)
		frame_sentence(&f->html, FRAME_ATTENTION, shown_text(answer, "error"));
	else if (!json_is_true(json_object_get(answer, "watched")))
		frame_sentence(&f->html, FRAME_QUIET, "Nobody looks for them in this process.");
	else if (json_array_size(json_object_get(answer, "incidents")) == 0)
		frame_sentence(&f->html, FRAME_WELL, "None is open.");
	json_array_foreach(json_object_get(answer, "incidents"), i, one) put_incident(f, one);
	json_decref(answer);
	put_over(f);
}

static void put_ladder(struct frame *f, const json_t *resources)
{
	json_t *process = within_get(f->request, "/v1/status", NULL);
	const char *until = shown_text(resources, "certificate_until");
	const json_t *one;
	char text[SHOWN_SIZE];
	size_t i;

	html_put(&f->html, "<h2>The process</h2><ul class=\"ladder\">");
	put_ready(f);
	put_shards(f, process);
	json_array_foreach(json_object_get(resources, "spools"), i, one) put_spool(f, one);
	put_disk(f, json_object_get(resources, "disk"));
	if (until[0]) {
		html_put(&f->html, "<li>");
		page_put_certificate(f, until, "The certificate that ends first");
		html_put(&f->html, "</li>");
	}
	html_put(&f->html,
		 "</ul><dl><dt>Version</dt><dd>%s</dd><dt>Process</dt><dd>%lld, %s</dd><dt>Runs for</dt><dd>%s</dd>"
		 "<dt>Sessions of clients</dt><dd>%lld</dd></dl>",
		 shown_text(process, "version"), (long long)shown_number(process, "pid"), shown_text(process, "state"),
		 shown_span(shown_number(process, "uptime_s"), text), (long long)shown_number(process, "sessions"));
	json_decref(process);
}

static void put_bundle(struct frame *f)
{
	html_put(&f->html,
		 "<section class=\"add\"><h2>Diagnostic bundle</h2><p>All of this, the configuration, metrics and "
		 "the newest events in one file, to send to whoever looks into it. Passwords, tokens, keys and "
		 "contents of mail are not in it; addresses are.</p>");
	if (f->operate)
		html_put(&f->html,
			 "<form method=\"post\" action=\"/page/bundle\" class=\"acts\"><input type=\"hidden\" "
			 "name=\"token\" value=\"%s\"><button>Download it</button></form></section>",
			 f->token);
	else
		html_put(&f->html, "<p class=\"soft\">Who may act can have it.</p></section>");
}

void page_health(struct control_request *request)
{
	struct frame f;
	json_t *resources;

	if (!frame_begin(&f, request, FRAME_HEALTH, "Health"))
		return;
	put_incidents(&f);
	resources = within_get(request, "/v1/resources", NULL);
	if (json_array_size(json_object_get(resources, "dates")) > 0)
		html_put(&f.html, "<h2>Dates</h2>");
	page_put_dates(&f, resources, NULL);
	put_ladder(&f, resources);
	json_decref(resources);
	page_put_climbed(&f);
	put_bundle(&f);
	frame_end(&f);
}
