/*
 * core/page/page.c - see page.h: which address is whose, and coming and going.
 */
#include "core/page/page.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/pass.h"
#include "core/control/remote.h"
#include "core/page/files.h"
#include "core/page/frame.h"
#include "core/page/pulse.h"
#include "core/relay/relay.h"

static void page_root(struct control_request *request)
{
	request_redirect(request, "/page");
}

static void set_cookie(struct control_request *request, const char *pass, unsigned seconds)
{
	const struct config *config = request->desk->relay->config;
	char name[REMOTE_COOKIE_SIZE], field[PASS_TEXT + 128];

	remote_cookie(config, name);
	snprintf(field, sizeof(field), "%s=%s; Path=/page; Max-Age=%u; HttpOnly; SameSite=Strict%s", name, pass,
		 seconds, request->secure ? "; Secure" : "");
	request_add(request, "Set-Cookie", field);
	explicit_bzero(field, sizeof(field));
}

/* GET /page/enter?link=...: as `postrider page` has printed it. */
static void page_enter(struct control_request *request)
{
	const char *link = request_value(request, "link");
	char pass[PASS_TEXT + 1];

	/* HEAD takes nothing. */
	if (!request->remote || strcmp(request->method, "GET") != 0) {
		request_redirect(request, "/page");
		return;
	}
	if (!link || !pass_enter(request->desk->passes, link, clock_monotonic_ns(), pass)) {
		frame_say(request, ANSWER_FORBIDDEN, "Sign in",
			  "This link was used before, or is older than ten minutes: run \"postrider page\" again.");
		return;
	}
	request_redirect(request, "/page");
	set_cookie(request, pass, PASS_LIFE_S);
	explicit_bzero(pass, sizeof(pass));
}

static const char *const still_in[] = {
	[REQUEST_BY_NOTHING] = "You are signed out.",
	[REQUEST_BY_LINK] = "You are signed out.",
	[REQUEST_BY_PASSWORD] = "Your browser knows your password until it is closed.",
	[REQUEST_BY_CERTIFICATE] = "Your browser shows your certificate until it is closed.",
	[REQUEST_BY_PROXY] = "The proxy in front of this page signs you in: sign out there.",
};

static void page_leave(struct control_request *request)
{
	char name[REMOTE_COOKIE_SIZE];
	const char *pass;
	struct form form;

	if (!frame_form_sent(request, &form)) {
		frame_say(request, ANSWER_FORBIDDEN, "Not done", "The form is not of this page: load the page again.");
	} else {
		remote_cookie(request->desk->relay->config, name);
		pass = request_cookie(request, name);
		if (pass)
			pass_leave(request->desk->passes, pass);
		frame_say(request, ANSWER_OK, "Signed out", still_in[request->by]);
		set_cookie(request, "", 0);
	}
	form_free(&form);
}

static void page_hour(struct control_request *request)
{
	if (request->role < CONTROL_VIEW)
		request_fail(request, ANSWER_FORBIDDEN, "sign in");
	else
		request_answer(request, ANSWER_OK, pulse_hour(request->desk->more_context));
}

static const struct control_handler handlers[] = {
	{"GET", "/", CONTROL_ANYBODY, page_root},
	{"GET", "/page", CONTROL_VIEW, page_now},
	{"GET", "/page/enter", CONTROL_ANYBODY, page_enter},
	{"GET", "/page/file/*", CONTROL_ANYBODY, files_handle},
	{"GET", "/page/hour", CONTROL_VIEW, page_hour},
	{"GET", "/page/stream", CONTROL_VIEW, page_stream},
	{"GET", "/page/mail", CONTROL_VIEW, page_mail},
	{"GET", "/page/mail/*", CONTROL_VIEW, page_message},
	{"GET", "/page/devices", CONTROL_VIEW, page_devices},
	{"GET", "/page/device", CONTROL_VIEW, page_device},
	{"GET", "/page/providers", CONTROL_VIEW, page_providers},
	{"GET", "/page/destination/*", CONTROL_VIEW, page_destination},
	{"GET", "/page/health", CONTROL_VIEW, page_health},
	{"POST", "/page/act", CONTROL_OPERATE, page_act},
	{"POST", "/page/bundle", CONTROL_OPERATE, page_bundle},
	{"POST", "/page/leave", CONTROL_VIEW, page_leave},
};

static void *start(struct desk *desk)
{
	return pulse_start(desk);
}

static void stop(void *context)
{
	pulse_stop(context);
}

const struct control_more page_more = {handlers, sizeof(handlers) / sizeof(handlers[0]), start, stop};
