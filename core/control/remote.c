/*
 * core/control/remote.c - see remote.h.
 */
#include "core/control/remote.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/text_file.h"
#include "core/control/access.h"
#include "core/control/desk.h"
#include "core/control/gate.h"
#include "core/control/handlers.h"
#include "core/control/pass.h"
#include "core/control/request.h"
#include "core/relay/relay.h"

enum { BACKLOG = 64, PEM_MAX = 1 << 20, LOOK_MS = 100 };

/* ---- the socket ------------------------------------------------------------------------------------------------- */

int remote_listen(const struct config *config, char *problem, size_t size)
{
	const struct ring_address *address = &config->control.http.address;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, r;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (address->any.sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, &address->any, address->length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	r = -errno;
	snprintf(problem, size, "control.http: %s: %s", config->control.http.address_text, strerror(-r));
	if (fd >= 0)
		close(fd);
	return r;
}

static char *read_pem(const char *path, const char *what, char *problem, size_t size)
{
	size_t length;
	bool opened;
	char *text, *out;
	int r = text_file_read(path, PEM_MAX, &text, &length, &opened);

	if (r < 0) {
		snprintf(problem, size, "control.http.%s: %s: %s", what, path, strerror(-r));
		return NULL;
	}
	out = malloc(length + 1);
	if (out) {
		memcpy(out, text, length);
		out[length] = '\0';
	}
	explicit_bzero(text, length);
	free(text);
	return out;
}

int remote_key_read(const struct config *config, struct remote_key *key, char *problem, size_t size)
{
	*key = (struct remote_key){NULL, NULL};
	snprintf(problem, size, "control.http: out of memory");
	key->certificate = read_pem(config->control.http.certificate, "certificate", problem, size);
	if (key->certificate)
		key->private_key = read_pem(config->control.http.private_key, "private_key", problem, size);
	if (key->certificate && key->private_key)
		return 0;
	remote_key_wipe(key);
	return -EINVAL;
}

void remote_key_wipe(struct remote_key *key)
{
	if (key->private_key)
		explicit_bzero(key->private_key, strlen(key->private_key));
	free(key->private_key);
	free(key->certificate);
	*key = (struct remote_key){NULL, NULL};
}

/* ---- who is let in ---------------------------------------------------------------------------------------------- */

/* The thread is the connection's own, and ends when the process does. */
static void wait_for(const struct desk *desk, unsigned ms)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * (long)CLOCK_NS_PER_MS};
	uint64_t end_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	while (clock_monotonic_ns() < end_ns && !desk_stops(desk))
		(void)nanosleep(&pause, NULL);
}

static bool refuse_sign_in(struct control_request *request, const char *why)
{
	request_fail(request, ANSWER_UNAUTHORIZED, "%s", why);
	request_add(request, "WWW-Authenticate", "Basic realm=\"postrider\", charset=\"UTF-8\"");
	return false;
}

static bool answered(struct control_request *request, enum gate_answer answer, unsigned wait_ms)
{
	switch (answer) {
	case GATE_IN:
		return true;
	case GATE_LOCKED:
		request->refused = true;
		request_fail(request, ANSWER_TOO_MANY, "too many wrong passwords: try again in some minutes");
		return false;
	case GATE_BUSY:
		request_fail(request, ANSWER_UNAVAILABLE, "too many sign in at a time: try again");
		return false;
	case GATE_WRONG:
		break;
	}
	request->refused = true;
	wait_for(request->desk, wait_ms);
	return refuse_sign_in(request, "user or password is wrong");
}

static bool sign_in(struct control_request *request, struct gate *gate)
{
	char *password = NULL, *user = MHD_basic_auth_get_username_password(request->connection, &password);
	enum gate_answer answer;
	unsigned wait_ms = 0;
	bool in = false;

	if (!user || !password || strlen(user) >= sizeof(request->user)) {
		(void)refuse_sign_in(request, "sign in: user and password of control.http.users_file");
	} else {
		answer = gate_ask(gate, &request->address, user, password, &wait_ms);
		in = answered(request, answer, wait_ms);
		if (in)
			snprintf(request->user, sizeof(request->user), "%s", user);
	}
	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(password);
	MHD_free(user);
	return in;
}

/* A link of another page, or of a letter, leads to one of ours: that shows nothing to that page. */
static bool follows_a_link(const struct control_request *request)
{
	const char *mode = request_header(request, "Sec-Fetch-Mode"),
		   *destination = request_header(request, "Sec-Fetch-Dest");

	return request->page && strcmp(request->method, "GET") == 0 && mode && strcmp(mode, "navigate") == 0 &&
	       destination && strcmp(destination, "document") == 0;
}

/* To the page: by a pass, by a password where there are users; else it says itself how to come in. */
static bool admit_to_page(struct control_request *request, struct gate *gate)
{
	char name[REMOTE_COOKIE_SIZE], user[PASS_USER_MAX + 1];
	const char *pass;

	remote_cookie(request->desk->relay->config, name);
	pass = request_cookie(request, name);
	if (pass && pass_find(request->desk->passes, pass, clock_monotonic_ns(), user)) {
		snprintf(request->user, sizeof(request->user), "%s", user);
		request->role = CONTROL_OPERATE;
		return true;
	}
	if (!gate)
		return true;
	if (!sign_in(request, gate))
		return false;
	request->role = gate_may_act(gate, request->user) ? CONTROL_OPERATE : CONTROL_VIEW;
	return true;
}

/* What is of this port alone: browsers give cookies to every port of a host. */
void remote_cookie(const struct config *config, char out[REMOTE_COOKIE_SIZE])
{
	const struct ring_address *address = &config->control.http.address;

	snprintf(out, REMOTE_COOKIE_SIZE, "postrider-%u",
		 (unsigned)ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port));
}

bool remote_admit(struct control_request *request, struct gate *gate, const struct config *config, const char *hostname)
{
	bool known;
	const struct control_handler *handler = handlers_find(request, &known);
	bool page = request->page, acts = handler && handler->role == CONTROL_OPERATE;
	bool anybody = !page && handler && handler->role == CONTROL_ANYBODY;
	const struct access_facts facts = {
		.host = request_header(request, "Host"),
		.origin = request_header(request, "Origin"),
		.fetch_site = follows_a_link(request) ? NULL : request_header(request, "Sec-Fetch-Site"),
		.act = request_header(request, ACCESS_ACT),
		.hostname = hostname,
		.tls = config->control.http.certificate != NULL,
		.acts = acts && !page,
		.anybody = anybody,
	};
	const char *problem = access_problem(&facts);

	if (problem) {
		request_fail(request, ANSWER_FORBIDDEN, "%s", problem);
		return false;
	}
	/* Whoever a proxy on this machine lets in comes from this machine, as far as can be seen. */
	if (!gate && !anybody &&
	    (request_header(request, "Forwarded") || request_header(request, "X-Forwarded-For") ||
	     request_header(request, "X-Real-IP"))) {
		request_fail(request, ANSWER_FORBIDDEN,
			     "a proxy asks for somebody: behind one control.http.users_file is needed");
		return false;
	}
	/* They say nothing that a connection to an SMTP port does not; nor do a page's files, and its door. */
	if (anybody || (page && handler && handler->role == CONTROL_ANYBODY))
		return true;
	if (page)
		return admit_to_page(request, gate);
	if (gate && !sign_in(request, gate))
		return false;
	if (!acts || (gate && gate_may_act(gate, request->user)))
		return true;
	if (gate)
		request_fail(request, ANSWER_FORBIDDEN,
			     "%.80s may look and not act: control.http.operate names who may", request->user);
	else
		request_fail(request, ANSWER_FORBIDDEN,
			     "nobody may act over TCP without control.http.users_file and operate: use the socket");
	return false;
}
