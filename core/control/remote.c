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
#include "core/config/user_file.h"
#include "core/control/access.h"
#include "core/control/client_certificate.h"
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

char *remote_issuers_read(const struct config *config, char *problem, size_t size)
{
	snprintf(problem, size, "control.http: out of memory");
	return read_pem(config->control.http.client_ca, "client_ca", problem, size);
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

/* ---- who it is, by a password ----------------------------------------------------------------------------------- */

/* The thread is the connection's own, and ends when the process does. Who had to go for somebody else hears nothing any
 * more, and his slot is wanted; who has only ended his direction waits as all do. */
static void wait_for(const struct control_request *request, unsigned ms)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * (long)CLOCK_NS_PER_MS};
	uint64_t end_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	while (clock_monotonic_ns() < end_ns && !desk_stops(request->desk) && !request_cut(request))
		(void)nanosleep(&pause, NULL);
}

/* `passwords`: one can be given. */
static bool refuse_sign_in(struct control_request *request, bool passwords, const char *why)
{
	request_fail(request, passwords ? ANSWER_UNAUTHORIZED : ANSWER_FORBIDDEN, "%s", why);
	if (passwords)
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
	wait_for(request, wait_ms);
	return refuse_sign_in(request, true, "user or password is wrong");
}

static void set_user(struct control_request *request, const char *user, enum request_by by)
{
	snprintf(request->user, sizeof(request->user), "%s", user);
	request->by = by;
}

static bool by_password(struct control_request *request, struct gate *gate)
{
	char *password = NULL, *user = MHD_basic_auth_get_username_password(request->connection, &password);
	enum gate_answer answer;
	unsigned wait_ms = 0;
	bool in = false;

	if (!user || !password || strlen(user) >= sizeof(request->user)) {
		(void)refuse_sign_in(request, true, "sign in: user and password of control.http.users_file");
	} else {
		answer = gate_ask(gate, &request->address, user, password, &wait_ms);
		in = answered(request, answer, wait_ms);
		if (in)
			set_user(request, user, REQUEST_BY_PASSWORD);
	}
	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(password);
	MHD_free(user);
	return in;
}

/* ---- by a certificate ------------------------------------------------------------------------------------------- */

static void *session_of(const struct control_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info ? info->tls_session : NULL;
}

/* Who is shown a certificate that is not let in is told which one. */
static bool refuse_certificate(struct control_request *request, const struct client_certificate *certificate,
			       const char *why)
{
	size_t size = sizeof(certificate->subject) + sizeof(certificate->fingerprint) + 4;

	request->refused = true;
	request->why = why;
	if (!certificate->fingerprint[0])
		return false;
	request->certificate = malloc(size);
	if (request->certificate)
		snprintf(request->certificate, size, "%s, %s", certificate->subject, certificate->fingerprint);
	return false;
}

/* One that is shown is what decides: another way in would be a weaker one. *shown: there was one. False: it was
 * answered. A proxy's own is nobody's, as the proxy says who asks; a user's own does not let him say who he is. */
static bool look_at_certificate(struct control_request *request, struct gate *gate, const struct gate_ways *ways,
				bool named, bool *shown)
{
	struct client_certificate certificate;
	enum client_certificate_state state = gate_look(gate, session_of(request), &certificate);
	char user[REQUEST_USER_MAX + 1];
	bool in = true;

	*shown = state != CLIENT_CERTIFICATE_NONE;
	if (state == CLIENT_CERTIFICATE_BAD) {
		request_fail(request, ANSWER_FORBIDDEN, "the certificate is not believed: %s", certificate.problem);
		in = refuse_certificate(request, &certificate, "a certificate that is not believed");
	} else if (!*shown && ways->certificate_required) {
		request->refused = true;
		request->why = "no certificate";
		request_fail(request, ANSWER_FORBIDDEN,
			     "a certificate is needed here, issued by one of control.http.client_ca");
		in = false;
	} else if (named && !gate_speaks(gate, *shown ? &certificate : NULL)) {
		request_fail(request, ANSWER_FORBIDDEN,
			     "this is not the certificate of a proxy, which alone names users: "
			     "control.http.proxy.certificate says which is (%s)",
			     *shown ? certificate.fingerprint : "none was shown");
		in = refuse_certificate(request, &certificate, "a certificate that is not the proxy's");
	} else if (*shown && !named && !gate_certificate(gate, &certificate, user, sizeof(user))) {
		request_fail(request, ANSWER_FORBIDDEN,
			     "the certificate is nobody's: control.http.certificate_users says whose which is (%s)",
			     certificate.fingerprint);
		in = refuse_certificate(request, &certificate, "a certificate that is nobody's");
	} else if (*shown && !named) {
		set_user(request, user, REQUEST_BY_CERTIFICATE);
	}
	client_certificate_free(&certificate);
	return in;
}

/* ---- by a proxy ------------------------------------------------------------------------------------------------- */

static const char *const address_headers[] = {
	[SIGN_IN_X_FORWARDED_FOR] = "X-Forwarded-For",
	[SIGN_IN_FORWARDED] = "Forwarded",
};

static bool refuse_proxy(struct control_request *request, const char *why)
{
	request->refused = true;
	request->why = why;
	request_fail(request, ANSWER_FORBIDDEN, "%s", why);
	return false;
}

/* Whoever is no proxy and writes what proxies write wants to be somebody else, or is a proxy that is not named. */
static bool refuse_stranger(struct control_request *request, const struct gate_ways *ways)
{
	if (ways->user_header[0] && request_header(request, ways->user_header))
		return refuse_proxy(request, "a field that names a user is believed from the addresses of "
					     "control.http.proxy.from alone, and this is none of them");
	if (request_header(request, address_headers[ways->address_header]))
		return refuse_proxy(request,
				    "a field that says for whom a proxy asks is believed from the addresses of "
				    "control.http.proxy.from alone, and this is none of them");
	return true;
}

/* For whom it asks, and from where. *named: it has said who. False: it was answered. */
static bool look_at_proxy(struct control_request *request, struct gate *gate, const struct gate_ways *ways,
			  char user[REQUEST_USER_MAX + 1], bool *named)
{
	const char *problem = "there was no memory to read its fields", *name;
	char *text;

	*named = false;
	if (!ways->proxied)
		return !ways->proxies || refuse_stranger(request, ways);
	request->proxied = true;
	request->proxy = request->address;
	text = request_header_all(request, address_headers[ways->address_header]);
	if (text)
		problem = gate_client(gate, text, &request->proxy, &request->address);
	free(text);
	if (problem)
		return refuse_proxy(request, problem);
	name = ways->user_header[0] ? request_header(request, ways->user_header) : NULL;
	if (!name)
		return true;
	if (request_header_count(request, ways->user_header) > 1)
		return refuse_proxy(request,
				    "the field that names the user is there twice: the proxy is to replace what "
				    "who asks has written");
	if (name[0] == '\0' || strlen(name) > REQUEST_USER_MAX || user_name_problem(name, strlen(name)) ||
	    strchr(name, ','))
		return refuse_proxy(request, "the field that names the user has no name of one");
	if (!gate_may_name(gate, name))
		return refuse_proxy(request, "the proxy names a user that is none of control.http.proxy.users");
	snprintf(user, REQUEST_USER_MAX + 1, "%s", name);
	*named = true;
	return true;
}

/* ---- who is let in ---------------------------------------------------------------------------------------------- */

/* A link of another page, or of a letter, leads to one of ours: that shows nothing to that page. */
static bool follows_a_link(const struct control_request *request)
{
	const char *mode = request_header(request, "Sec-Fetch-Mode"),
		   *destination = request_header(request, "Sec-Fetch-Dest");

	return request->page && strcmp(request->method, "GET") == 0 && mode && strcmp(mode, "navigate") == 0 &&
	       destination && strcmp(destination, "document") == 0;
}

/* A link of `postrider page` was followed by this browser. */
static bool has_pass(struct control_request *request)
{
	char name[REMOTE_COOKIE_SIZE], user[PASS_USER_MAX + 1];
	const char *pass;

	remote_cookie(request->desk->relay->config, name);
	pass = request_cookie(request, name);
	if (!pass || !pass_find(request->desk->passes, pass, clock_monotonic_ns(), user))
		return false;
	set_user(request, user, REQUEST_BY_LINK);
	return true;
}

/* Certificate, proxy, pass (to the page), password: the first that there is decides, and where it is not good nothing
 * behind it is looked at. False: it was answered. Without a gate the page says itself how to come in. */
static bool sign_in(struct control_request *request, struct gate *gate, const struct gate_ways *ways)
{
	char user[REQUEST_USER_MAX + 1];
	bool named = false, shown = false;

	if (gate && (!look_at_proxy(request, gate, ways, user, &named) ||
		     !look_at_certificate(request, gate, ways, named, &shown)))
		return false;
	if (named)
		set_user(request, user, REQUEST_BY_PROXY);
	else if (!shown && request->page && has_pass(request)) {
		request->role = CONTROL_OPERATE;
		return true;
	} else if (gate && !shown && !ways->passwords)
		return refuse_sign_in(
			request, false,
			"nobody has signed in: come with a certificate of control.http.client_ca, or through "
			"a proxy that names who asks");
	else if (gate && !shown && !by_password(request, gate))
		return false;
	if (gate)
		request->role = gate_may_act(gate, request->user, named) ? CONTROL_OPERATE : CONTROL_VIEW;
	return true;
}

/* What is of this port alone: browsers give cookies to every port of a host. */
void remote_cookie(const struct config *config, char out[REMOTE_COOKIE_SIZE])
{
	const struct ring_address *address = &config->control.http.address;

	snprintf(out, REMOTE_COOKIE_SIZE, "postrider-%u",
		 (unsigned)ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port));
}

static bool says_proxy(const struct control_request *request)
{
	return request_header(request, "Forwarded") || request_header(request, "X-Forwarded-For") ||
	       request_header(request, "X-Real-IP");
}

bool remote_admit_local(struct control_request *request, const char *hostname)
{
	struct access_facts facts = {
		.host = request_header(request, "Host"),
		.origin = request_header(request, "Origin"),
		.fetch_site = follows_a_link(request) ? NULL : request_header(request, "Sec-Fetch-Site"),
		.hostname = hostname,
	};
	const char *problem = access_host_problem(facts.host, hostname);

	/* Programs have no such fields, and what they like in Host but for names of others: a browser that gets its own
	 * page from such a name, without TLS, has none of them either. */
	if (!problem && (facts.origin || request_header(request, "Sec-Fetch-Site")))
		problem = access_problem(&facts);
	if (says_proxy(request))
		problem = "a proxy asks for somebody, and whoever is let through to this socket may do everything: put "
			  "it in front of control.http, with control.http.proxy";
	if (problem)
		request_fail(request, ANSWER_FORBIDDEN, "%s", problem);
	return !problem;
}

bool remote_admit(struct control_request *request, struct gate *gate, const struct config *config, const char *hostname)
{
	bool known;
	const struct control_handler *handler = handlers_find(request, &known);
	bool page = request->page, acts = handler && handler->role == CONTROL_OPERATE;
	bool anybody = !page && handler && handler->role == CONTROL_ANYBODY;
	struct gate_ways ways = {.passwords = false};
	struct access_facts facts = {
		.host = request_header(request, "Host"),
		.origin = request_header(request, "Origin"),
		.fetch_site = follows_a_link(request) ? NULL : request_header(request, "Sec-Fetch-Site"),
		.act = request_header(request, ACCESS_ACT),
		.hostname = hostname,
		.tls = config->control.http.certificate != NULL,
		.acts = acts && !page,
		.anybody = anybody,
	};
	const char *problem;

	if (!request_is_framed(request)) {
		request_fail(request, ANSWER_BAD, "where this request ends can be read in more than one way");
		request_add(request, "Connection", "close");
		return false;
	}
	if (gate)
		gate_ways(gate, &request->address, &ways);
	if (ways.proxied && ways.origin[0])
		facts.proxy_origin = ways.origin;
	request->secure = facts.tls || (facts.proxy_origin && strncmp(facts.proxy_origin, "https:", 6) == 0);
	problem = access_problem(&facts);
	if (problem) {
		request_fail(request, ANSWER_FORBIDDEN, "%s", problem);
		return false;
	}
	/* Whoever a proxy on this machine lets in comes from this machine, as far as can be seen. */
	if (!gate && !anybody && says_proxy(request)) {
		request_fail(request, ANSWER_FORBIDDEN,
			     "a proxy asks for somebody: behind one control.http.proxy or users_file is needed");
		return false;
	}
	/* They say nothing that a connection to an SMTP port does not; nor do a page's files, and its door. */
	if (anybody || (page && handler && handler->role == CONTROL_ANYBODY))
		return true;
	if (!gate && !page)
		request->role = CONTROL_VIEW;
	else if (!sign_in(request, gate, &ways))
		return false;
	if (!acts || page || request->role == CONTROL_OPERATE)
		return true;
	if (gate)
		request_fail(request, ANSWER_FORBIDDEN,
			     "%.80s may look and not act: control.http.operate names who may", request->user);
	else
		request_fail(request, ANSWER_FORBIDDEN,
			     "nobody may act over TCP without control.http.users_file and operate: use the socket");
	return false;
}
