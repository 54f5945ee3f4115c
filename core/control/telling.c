/*
 * core/control/telling.c - see telling.h.
 */
#include "core/control/telling.h"

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/control/request.h"

void telling_init(struct telling *telling, struct log *log)
{
	*telling = (struct telling){.log = log};
	pthread_mutex_init(&telling->lock, NULL);
}

void telling_deinit(struct telling *telling)
{
	pthread_mutex_destroy(&telling->lock);
}

static const char *const ways_in[] = {
	[REQUEST_BY_NOTHING] = "nothing",         [REQUEST_BY_PASSWORD] = "password", [REQUEST_BY_LINK] = "link",
	[REQUEST_BY_CERTIFICATE] = "certificate", [REQUEST_BY_PROXY] = "proxy",
};

static void tell_proxy(struct log_event *e, const struct control_request *request)
{
	char proxy[ADDRESS_TEXT_SIZE];

	(void)address_text_format(&request->proxy, proxy);
	log_text(e, "proxy", proxy);
}

void telling_act(struct telling *telling, const struct control_request *request, uint64_t began_ns)
{
	char address[ADDRESS_TEXT_SIZE];
	struct log_event e;

	pthread_mutex_lock(&telling->lock);
	log_begin_at(&e, telling->log, LOG_LEVEL_NOTICE, "control");
	log_text(&e, "method", request->method);
	log_text(&e, "path", request->path);
	if (request->remote) {
		(void)address_text_format(&request->address, address);
		log_text(&e, "user", request->user);
		log_text(&e, "by", ways_in[request->by]);
		log_text(&e, "address", address);
		if (request->proxied)
			tell_proxy(&e, request);
	} else {
		log_number(&e, "uid", request->peer.uid);
		log_number(&e, "pid", (uint64_t)request->peer.pid);
	}
	log_number(&e, "status", request->status);
	log_string(&e, "body", request->body ? request->body : "", request->body_length);
	log_number(&e, "ms", (clock_monotonic_ns() - began_ns) / CLOCK_NS_PER_MS);
	log_end(&e);
	pthread_mutex_unlock(&telling->lock);
}

void telling_refused(struct telling *telling, const struct control_request *request)
{
	uint64_t now_ns = clock_monotonic_ns();
	char address[ADDRESS_TEXT_SIZE];
	struct log_event e;

	if (request->remote)
		(void)address_text_format(&request->address, address);
	pthread_mutex_lock(&telling->lock);
	if (now_ns < telling->refused_next_ns) {
		telling->refused_untold++;
	} else {
		log_begin_at(&e, telling->log, LOG_LEVEL_WARNING, "control_refused");
		if (request->remote) {
			log_text(&e, "address", address);
		} else {
			log_number(&e, "uid", request->peer.uid);
			log_number(&e, "pid", (uint64_t)request->peer.pid);
		}
		log_text(&e, "method", request->method);
		log_text(&e, "path", request->path);
		if (request->user[0])
			log_text(&e, "user", request->user);
		if (request->proxied)
			tell_proxy(&e, request);
		if (request->why)
			log_text(&e, "why", request->why);
		if (request->certificate)
			log_text(&e, "certificate", request->certificate);
		log_number(&e, "status", request->status);
		log_number(&e, "untold", telling->refused_untold);
		log_end(&e);
		telling->refused_untold = 0;
		telling->refused_next_ns = now_ns + CLOCK_NS_PER_S;
	}
	pthread_mutex_unlock(&telling->lock);
}
