/*
 * core/control/link.c - POST /v1/page: a link that lets a browser in to the page, once (pass.h). For who may use the
 * socket: over TCP nobody is given one.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/pass.h"
#include "core/relay/relay.h"

/* The host that a browser is to ask: behind TLS the one of the certificate. */
static void base_of(struct desk *desk, char *out, size_t size)
{
	const struct config *config = desk->relay->config;
	const char *address = config->control.http.address_text, *port = strrchr(address, ':');
	bool everywhere = strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
	bool here = strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
	bool tls = config->control.http.certificate != NULL;
	char hostname[DESK_HOSTNAME_SIZE];

	if (everywhere || (tls && !here)) {
		desk->hostname(desk, hostname);
		snprintf(out, size, "http%s://%s%s", tls ? "s" : "", hostname, port ? port : "");
	} else {
		snprintf(out, size, "http%s://%s", tls ? "s" : "", address);
	}
}

void handle_link(struct control_request *request)
{
	const struct config *config = request->desk->relay->config;
	char link[PASS_TEXT + 1], base[512], user[PASS_USER_MAX + 1];
	json_t *json;

	if (request->remote) {
		request_fail(request, ANSWER_FORBIDDEN,
			     "links are given by the socket alone: run postrider page there");
		return;
	}
	if (!config->control.http.address_text) {
		request_fail(
			request, ANSWER_CONFLICT,
			"no browser can reach this process: write control.http: { address: \"127.0.0.1:6525\" } in "
			"the configuration, and restart");
		return;
	}
	snprintf(user, sizeof(user), "uid %u", (unsigned)request->peer.uid);
	pass_link(request->desk->passes, user, clock_monotonic_ns(), link);
	base_of(request->desk, base, sizeof(base));
	json = json_pack("{so sI}", "url", json_sprintf("%s/page/enter?link=%s", base, link), "seconds",
			 (json_int_t)PASS_LINK_S);
	explicit_bzero(link, sizeof(link));
	request_answer(request, ANSWER_OK, json);
}
