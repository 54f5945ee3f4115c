/*
 * core/tools/doctor_around.c - see doctor_around.h.
 */
#include "core/tools/doctor_around.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/agents/fetch.h"
#include "core/agents/revocations.h"
#include "core/agents/webhook_sign.h"
#include "core/base/clock.h"
#include "core/base/disk_room.h"
#include "core/base/random.h"
#include "core/base/secret.h"
#include "core/config/config.h"
#include "core/config/text_file.h"
#include "core/route/route.h"
#include "core/tools/ask.h"
#include "core/tools/doctor_confined.h"
#include "core/trace/search.h"
#include "tls/tls.h"

enum { DAY_S = 86400, SOON_DAYS = 14, TRACE_HOURS = 24, CONNECT_S = 5, ANSWER_MOST = 4 << 10, PEM_MAX = 1 << 20 };

/* ---- whom commands ask ------------------------------------------------------------------------------------------ */

static void look_at_socket(struct ladder *ladder, const struct config *config)
{
	char problem[512] = "";
	struct ask ask = {.command = "doctor",
			  .socket = config->control.socket,
			  .problem = problem,
			  .problem_size = sizeof(problem)};
	int status = ask_open(&ask);

	if (status == 0) {
		ladder_add(ladder, "control socket", RUNG_OK, "somebody listens at %s", ask.path);
		doctor_look_confined(ladder, config);
		return;
	}
	ladder_add(ladder, "control socket", status == ASK_PERMISSION ? RUNG_NOTE : RUNG_WARNING, "%s", problem);
	if (status == ASK_PERMISSION)
		ladder_advise(ladder, "be root or in the group of control.group to ask there");
	else
		ladder_advise(ladder, "postrider does not run by this configuration: systemctl status postrider");
}

static void look_at_certificate(struct ladder *ladder, const char *file)
{
	size_t count;
	struct tls_certificate_text *texts = tls_certificates_read(file, "", &count);
	int64_t left = 0;

	if (texts && count > 0) {
		left = texts[0].not_after - (int64_t)time(NULL);
		ladder_add(ladder, "HTTP certificate",
			   left <= 0                           ? RUNG_BROKEN
			   : left < SOON_DAYS * (int64_t)DAY_S ? RUNG_WARNING
							       : RUNG_OK,
			   left <= 0 ? "%s has ended" : "%s is good for %" PRId64 " days", file, left / DAY_S);
	} else {
		ladder_add(ladder, "HTTP certificate", RUNG_BROKEN, "%s has no certificate that can be read", file);
	}
	if (!texts || count == 0 || left < SOON_DAYS * (int64_t)DAY_S)
		ladder_advise(ladder, "renew it: put the new files in their places");
	free(texts);
}

/* Who hangs takes no connection, and a queue of them that is full has the next one wait. */
static int connect_to(const struct ring_address *address)
{
	const struct timeval most = {.tv_sec = CONNECT_S};
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) < 0 ||
				connect(fd, &address->any, address->length) < 0
			? -errno
			: 0;

	if (fd >= 0)
		close(fd);
	return r == -EINPROGRESS ? -ETIMEDOUT : r;
}

static void look_at_authority(void *context, const struct revocations_authority *authority)
{
	struct ladder *ladder = context;
	static const char *const words[] = {
		[REVOCATIONS_OUT_OF_DATE] = "is out of date",
		[REVOCATIONS_UNSIGNED] = "is not signed by it, or it may not sign lists",
		[REVOCATIONS_NONE] = "is not there",
	};

	if (authority->state == REVOCATIONS_GOOD) {
		ladder_add(ladder, "revoked", RUNG_OK, "%zu certificates of %s", authority->revoked,
			   authority->subject);
		return;
	}
	ladder_add(ladder, "revoked", RUNG_BROKEN, "the list of %s %s", authority->subject, words[authority->state]);
	ladder_advise(ladder, "nobody signs in by a certificate that it would be about: put its newest list into "
			      "control.http.client_crl");
}

/* Which certificates of operators are revoked. */
static void look_at_lists(struct ladder *ladder, const struct config *config)
{
	const char *file = config->control.http.client_crl;
	struct revocations *lists;
	char problem[512], *pem;
	size_t length;
	bool opened;

	lists = revocations_read(file, problem, sizeof(problem));
	if (!lists) {
		ladder_add(ladder, "revoked", RUNG_BROKEN, "%s: %s", file, problem);
		ladder_advise(ladder, "nobody signs in by a certificate: put a list of revoked ones (CRL) there");
	} else if (text_file_read(config->control.http.client_ca, PEM_MAX, &pem, &length, &opened) == 0) {
		(void)revocations_authorities(lists, pem, length, time(NULL), look_at_authority, ladder);
		free(pem);
	}
	revocations_free(lists);
}

static void look_at_http(struct ladder *ladder, const struct config *config)
{
	int r = connect_to(&config->control.http.address);

	ladder_add(ladder, "control.http", r == 0 ? RUNG_OK : RUNG_WARNING, "%s: %s", config->control.http.address_text,
		   r == 0 ? "somebody listens" : strerror(-r));
	if (r < 0)
		ladder_advise(ladder, "postrider does not run by this configuration, or a firewall is between");
	if (config->control.http.certificate)
		look_at_certificate(ladder, config->control.http.certificate);
	if (config->control.http.client_crl)
		look_at_lists(ladder, config);
}

/* ---- the trace -------------------------------------------------------------------------------------------------- */

static void add_gap(void *context, const struct search_gap *gap)
{
	/* What was left out by intention is no trouble. */
	if (gap->why.length != 7 || memcmp(gap->why.data, "sampled", 7) != 0)
		*(uint64_t *)context += gap->count;
}

static void add_unread(struct ladder *ladder, const char *file, const char *problem)
{
	ladder_add(ladder, "trace", RUNG_WARNING, "%s: %s", file, problem);
	ladder_advise(ladder, "mail goes on without it: look for trace_unwritten and trace_damaged in the events");
}

static void look_at_trace(struct ladder *ladder, const struct config *config)
{
	char problem[TRACE_PROBLEM_SIZE];
	struct search *search;
	enum trace_status status;
	uint64_t lost = 0, now_ms = clock_wall_ns() / CLOCK_NS_PER_MS;

	if (config->trace.detail == CONFIG_TRACE_OFF)
		return;
	if (access(config->trace.file, F_OK) < 0) {
		ladder_add(ladder, "trace", RUNG_NOTE, "%s: %s", config->trace.file, strerror(errno));
		ladder_advise(ladder, "it is made when postrider starts");
		return;
	}
	if (search_open(config->trace.file, &search, problem) != TRACE_OK) {
		add_unread(ladder, config->trace.file, problem);
		return;
	}
	status = search_gaps(search, now_ms - TRACE_HOURS * UINT64_C(3600000), now_ms, add_gap, &lost);
	if (status != TRACE_OK) {
		add_unread(ladder, config->trace.file, search_problem(search));
		search_close(search);
		return;
	}
	search_close(search);
	if (!disk_has_room(config->trace.file)) {
		ladder_add(ladder, "trace", RUNG_WARNING, "its disk is nearly full, and nothing is written to it");
		ladder_advise(ladder, "make room on the disk of %s", config->trace.file);
	} else if (lost > 0) {
		ladder_add(ladder, "trace", RUNG_WARNING, "%" PRIu64 " lines were left out in the last %d hours", lost,
			   TRACE_HOURS);
		ladder_advise(ladder, "its disk is too slow, or the log was full: postrider report says when");
	} else {
		ladder_add(ladder, "trace", RUNG_OK, "%s can be read, and nothing was left out in the last %d hours",
			   config->trace.file, TRACE_HOURS);
	}
}

/* ---- who gets events -------------------------------------------------------------------------------------------- */

static void on_answer(struct fetch *fetch)
{
	(void)fetch;
}

/* A batch like any other, without events. */
static void post(struct ladder *ladder, const struct config *config, const struct secret *secret)
{
	char id[40], stamp[32], body[600], signature[WEBHOOK_SIGNATURE_SIZE];
	const char *const headers[] = {"webhook-id", id,  "webhook-timestamp", stamp, "webhook-signature",
				       signature,    NULL};
	int64_t now_s = (int64_t)time(NULL);
	struct fetch fetch = {.url = config->events.webhook.url,
			      .ca_file = config->events.webhook.ca_file,
			      .content_type = "application/json",
			      .more_headers = headers,
			      .most = ANSWER_MOST,
			      .any_length = true,
			      .fn = on_answer};
	uint64_t chance;

	random_bytes(&chance, sizeof(chance));
	snprintf(id, sizeof(id), "test-%016" PRIx64, chance);
	snprintf(stamp, sizeof(stamp), "%" PRId64, now_s);
	fetch.body_length =
		(size_t)snprintf(body, sizeof(body),
				 "{\"id\":\"%s\",\"relay\":\"%.255s\",\"first\":0,\"last\":0,\"left_out\":0,"
				 "\"events\":[]}",
				 id, config->hostname);
	fetch.body = body;
	if (!webhook_sign(secret->text, secret->length, id, now_s, (struct span){body, (uint32_t)fetch.body_length},
			  signature))
		return;
	fetch_now(&fetch);
	if (fetch.status >= 200 && fetch.status < 300) {
		ladder_add(ladder, "webhook", RUNG_OK, "a test batch was answered with %u", fetch.status);
	} else {
		if (fetch.status)
			ladder_add(ladder, "webhook", RUNG_BROKEN, "a test batch was answered with %u", fetch.status);
		else
			ladder_add(ladder, "webhook", RUNG_BROKEN, "%s", fetch.problem);
		ladder_advise(ladder,
			      "look at events.webhook: url, secret_file, ca_file; docs/webhook.md says what is to "
			      "be answered");
	}
	fetch_wipe(&fetch);
}

static void look_at_webhook(struct ladder *ladder, const struct config *config, bool send)
{
	char signature[WEBHOOK_SIGNATURE_SIZE];
	struct secret secret = {0};
	int r = secret_read(config->events.webhook.secret_file, &secret);

	if (r < 0 || !webhook_sign(secret.text, secret.length, "", 0, (struct span){"", 0}, signature)) {
		ladder_add(ladder, "webhook secret", RUNG_BROKEN, "%s: %s", config->events.webhook.secret_file,
			   r < 0 ? strerror(-r) : "no secret of 16 to 256 octets, or more than two");
		ladder_advise(ladder, "(printf whsec_; head -c 32 /dev/urandom | base64) > %s",
			      config->events.webhook.secret_file);
	} else if (send) {
		post(ladder, config, &secret);
	} else {
		ladder_add(ladder, "webhook", RUNG_NOTE, "its secret can be used; nothing was posted");
		ladder_advise(ladder, "--send ADDRESS posts a test batch as well");
	}
	secret_wipe(&secret);
}

/* ---- who is told of incidents ----------------------------------------------------------------------------------- */

static void look_at_incidents(struct ladder *ladder, const struct config *config)
{
	const struct config_route *route =
		route_find(config, &(struct route_question){.recipient = span_text(config->incidents.mail),
							    .sender = span_text(config->incidents.from)});

	if (route && !route->refuse) {
		ladder_add(ladder, "incidents.mail", RUNG_OK, "%s: by %s", config->incidents.mail,
			   config->destinations[route->destination].name);
		return;
	}
	ladder_add(ladder, "incidents.mail", RUNG_BROKEN, "%s: no route leads there", config->incidents.mail);
	ladder_advise(ladder, "write a route for it, or another address: postrider route %s", config->incidents.mail);
}

bool doctor_look_around(struct ladder *ladder, const struct config *config, bool send)
{
	if (!config->control.socket && !config->events.webhook.url && !config->incidents.mail)
		return true;
	ladder_begin(ladder, NULL, "this relay");
	if (config->control.socket)
		look_at_socket(ladder, config);
	if (config->control.http.address_text)
		look_at_http(ladder, config);
	look_at_trace(ladder, config);
	if (config->events.webhook.url)
		look_at_webhook(ladder, config, send);
	if (config->incidents.watched && config->incidents.mail)
		look_at_incidents(ladder, config);
	return ladder_end(ladder);
}
