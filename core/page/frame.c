/*
 * core/page/frame.c - see frame.h.
 */
#include "core/page/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/page/files.h"
#include "core/page/shown.h"

static const struct {
	const char *path, *name;
} views[FRAME_VIEWS] = {
	[FRAME_NOW] = {"/page", "Now"},
	[FRAME_MAIL] = {"/page/mail", "Mail"},
	[FRAME_DEVICES] = {"/page/devices", "Devices"},
	[FRAME_PROVIDERS] = {"/page/providers", "Providers"},
	[FRAME_HEALTH] = {"/page/health", "Health"},
};

static void head(struct frame *f, enum frame_view view, const char *title)
{
	html_put(&f->html,
		 "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s - postrider</title>"
		 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		 "<meta name=\"color-scheme\" content=\"light dark\">"
		 "<link rel=\"icon\" href=\"%s\" type=\"image/svg+xml\">"
		 "<link rel=\"stylesheet\" href=\"%s\">",
		 title, files_path(FILE_ICON), files_path(FILE_STYLE));
	if (view == FRAME_NOW)
		html_put(&f->html, "<script src=\"%s\" defer></script>", files_path(FILE_PLOT));
	html_put(&f->html,
		 "<script src=\"%s\" defer></script></head><body><a class=\"skip\" href=\"#main\">To the "
		 "content</a>",
		 files_path(FILE_SCRIPT));
}

static void navigation(struct frame *f, enum frame_view view)
{
	html_put(&f->html, "<header><strong>postrider</strong><nav aria-label=\"Views\"><ul>");
	for (size_t i = 0; i < FRAME_VIEWS; i++)
		html_put(&f->html,
			 i == view ? "<li><a href=\"%s\" aria-current=\"page\">%s</a></li>"
				   : "<li><a href=\"%s\">%s</a></li>",
			 views[i].path, views[i].name);
	html_put(&f->html, "</ul></nav><span class=\"live\" id=\"live\" role=\"status\"></span>");
	if (f->request->remote)
		html_put(&f->html, "<span class=\"who\">%s, %s</span>", f->request->user,
			 f->operate ? "may act" : "may look");
	if (f->request->remote && f->operate)
		html_put(&f->html,
			 "<form method=\"post\" action=\"/page/leave\"><input type=\"hidden\" name=\"token\" "
			 "value=\"%s\"><button>Sign out</button></form>",
			 f->token);
	html_put(&f->html, "</header>");
}

/* Of the forms of who asks. */
static void token_of(const struct control_request *request, char out[PASS_TEXT + 1])
{
	char identity[REQUEST_USER_MAX + 16];

	if (request->remote)
		snprintf(identity, sizeof(identity), "user %s", request->user);
	else
		snprintf(identity, sizeof(identity), "uid %u", (unsigned)request->peer.uid);
	pass_token(request->desk->passes, identity, out);
}

static void begin(struct frame *f, struct control_request *request, enum frame_view view, const char *title)
{
	*f = (struct frame){.request = request,
			    .pulse = request->desk->more_context,
			    .status = ANSWER_OK,
			    .now_s = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S),
			    .operate = request->role >= CONTROL_OPERATE};
	token_of(request, f->token);
	head(f, view, title);
}

bool frame_begin(struct frame *f, struct control_request *request, enum frame_view view, const char *title)
{
	if (request->role < CONTROL_VIEW) {
		frame_say(request, ANSWER_FORBIDDEN, "Sign in",
			  "On the relay's machine run \"postrider page\" as root or a member of the group that may use "
			  "the control socket: it prints a link that lets this browser in. If you have just followed a "
			  "link "
			  "to this page, load it once more.");
		return false;
	}
	begin(f, request, view, title);
	navigation(f, view);
	html_put(&f->html, "<main id=\"main\"><h1>%s</h1>", title);
	return true;
}

void frame_end(struct frame *f)
{
	size_t length;
	char *text;

	html_put(&f->html, "</main><footer>postrider %s</footer></body></html>\n", POSTRIDER_VERSION);
	text = html_take(&f->html, &length);
	request_take_page(f->request, f->status, text, length);
}

void frame_say(struct control_request *request, unsigned status, const char *title, const char *sentence)
{
	struct frame f;

	begin(&f, request, FRAME_NONE, title);
	f.status = status;
	html_put(&f.html, "<main id=\"main\"><h1>%s</h1>", title);
	frame_sentence(&f.html, status < 400 ? FRAME_WELL : FRAME_ATTENTION, sentence);
	html_put(&f.html, "<p><a href=\"/page\">To the page</a></p>");
	frame_end(&f);
}

static const char *const tones[] = {
	[FRAME_WELL] = "well",
	[FRAME_ATTENTION] = "attention",
	[FRAME_WRONG] = "wrong",
	[FRAME_QUIET] = "quiet",
};

const char *frame_tone(enum frame_tone tone)
{
	return tones[tone];
}

void frame_state(struct html *html, enum frame_tone tone, const char *word)
{
	html_put(html, "<span class=\"state %s\">%s</span>", tones[tone], word);
}

void frame_sentence(struct html *html, enum frame_tone tone, const char *sentence)
{
	html_put(html, "<p class=\"say %s\">%s</p>", tones[tone], sentence);
}

bool frame_error(struct frame *f, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (answer && !error)
		return false;
	frame_sentence(&f->html, FRAME_WRONG, error ? error : "There was no memory for the answer: try again.");
	return true;
}

void frame_missing(struct frame *f, const json_t *answer)
{
	const json_t *missing = json_object_get(answer, "missing"), *one;
	size_t i;

	if (json_array_size(missing) == 0)
		return;
	html_put(&f->html, "<p class=\"say wrong\">Not all is shown: these shards did not answer in time:");
	json_array_foreach((json_t *)(uintptr_t)missing, i, one) html_put(&f->html, " %lld", json_integer_value(one));
	html_put(&f->html, ". Look for shard_stuck in the events, and at the load of the machine.</p>");
}

void frame_form(struct frame *f, const char *class)
{
	html_put(&f->html,
		 "<form method=\"post\" action=\"/page/act\" class=\"%s\"><input type=\"hidden\" name=\"token\" "
		 "value=\"%s\">",
		 class, f->token);
}

bool frame_form_sent(const struct control_request *request, struct form *form)
{
	char token[PASS_TEXT + 1];
	const char *sent;

	token_of(request, token);
	return form_read(form, request->body, request->body_length) == 0 && (sent = form_value(form, "token")) &&
	       pass_same(sent, token);
}
