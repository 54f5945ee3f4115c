/*
 * core/agents/fetch.c - see fetch.h.
 */
#include "core/agents/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/clock.h"

enum { EVENTS = 16, CONNECTIONS_MAX = 32, CONNECTIONS_KEPT = 8, IDLE_S = 60, LOOK_MS = 50, HEAD_MOST = 256 << 10 };

struct fetcher {
	CURLM *multi;
	int epoll;
	uint64_t timer_ns; /* when libcurl wants to be called; UINT64_MAX: not */
};

int fetch_global_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

/* ---- what libcurl waits for ----------------------------------------------------------------------------------- */

static int on_socket(CURL *handle, curl_socket_t fd, int what, void *context, void *known)
{
	struct fetcher *fetcher = context;
	struct epoll_event event = {.data.fd = fd};

	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(fetcher->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
		return 0;
	}
	if (epoll_ctl(fetcher->epoll, EPOLL_CTL_MOD, fd, &event) < 0)
		return epoll_ctl(fetcher->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -1 : 0;
	return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *context)
{
	struct fetcher *fetcher = context;

	fetcher->timer_ns = wait_ms < 0 ? UINT64_MAX : clock_monotonic_ns() + (uint64_t)wait_ms * CLOCK_NS_PER_MS;
	return 0;
}

struct fetcher *fetcher_new(void)
{
	struct fetcher *fetcher = calloc(1, sizeof(*fetcher));

	if (!fetcher)
		return NULL;
	fetcher->timer_ns = UINT64_MAX;
	fetcher->epoll = epoll_create1(EPOLL_CLOEXEC);
	fetcher->multi = fetcher->epoll >= 0 ? curl_multi_init() : NULL;
	if (!fetcher->multi) {
		fetcher_free(fetcher);
		return NULL;
	}
	curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	curl_multi_setopt(fetcher->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
	return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
	if (!fetcher)
		return;
	if (fetcher->multi)
		curl_multi_cleanup(fetcher->multi);
	if (fetcher->epoll >= 0)
		close(fetcher->epoll);
	free(fetcher);
}

int fetcher_fd(const struct fetcher *fetcher)
{
	return fetcher->epoll;
}

uint64_t fetcher_wait_ns(const struct fetcher *fetcher, uint64_t now_ns)
{
	if (fetcher->timer_ns == UINT64_MAX)
		return UINT64_MAX;
	return fetcher->timer_ns > now_ns ? fetcher->timer_ns - now_ns : 0;
}

/* ---- an answer ------------------------------------------------------------------------------------------------ */

/* Grows without leaving a copy behind. */
static bool make_room(struct fetch *fetch, size_t more)
{
	size_t size = fetch->size ? fetch->size : 4096;
	char *larger;

	while (size < fetch->length + more + 1)
		size *= 2;
	if (size == fetch->size)
		return true;
	larger = calloc(1, size);
	if (!larger)
		return false;
	if (fetch->text) {
		memcpy(larger, fetch->text, fetch->length);
		explicit_bzero(fetch->text, fetch->size);
		free(fetch->text);
	}
	fetch->text = larger;
	fetch->size = size;
	return true;
}

static size_t on_body(char *data, size_t one, size_t count, void *context)
{
	struct fetch *fetch = context;
	size_t n = one * count;

	if (n > fetch->most - fetch->length || !make_room(fetch, n))
		return 0;
	memcpy(fetch->text + fetch->length, data, n);
	fetch->length += n;
	fetch->text[fetch->length] = '\0';
	return n;
}

/* libcurl's own answer to Retry-After is right for seconds and for dates. */
static size_t on_header(char *data, size_t one, size_t count, void *context)
{
	struct fetch *fetch = context;
	size_t n = one * count, name = strlen("date:");
	char text[64];

	/* libcurl keeps each field for who may ask for it. */
	fetch->head += n;
	if (fetch->head > HEAD_MOST)
		return 0;
	/* What comes before the answer (RFC 9110 15.2) has a header of its own, and what comes behind it is none. */
	if (n <= 2 || (n > 5 && memcmp(data, "HTTP/", 5) == 0))
		fetch->head_ended = n <= 2;
	if (n > name && n - name < sizeof(text) && strncasecmp(data, "date:", name) == 0) {
		memcpy(text, data + name, n - name);
		text[n - name] = '\0';
		time_t date = curl_getdate(text, NULL);
		fetch->date = date > 0 ? date : 0;
	}
	return n;
}

static const char *advice_of(CURLcode result)
{
	switch (result) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return ": its certificate is not to be trusted: look at ca_file, at what stands between here and the "
		       "endpoint, and at this machine's clock";
	case CURLE_SSL_CACERT_BADFILE:
		return ": look at ca_file";
	case CURLE_COULDNT_RESOLVE_HOST:
		return ": look at this machine's name servers";
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		return ": look whether a firewall keeps port 443 closed";
	case CURLE_WRITE_ERROR:
		return ": the answer is longer than any such answer";
	default:
		return "";
	}
}

/* libcurl takes a common name where there is no other. */
static bool has_alternative_name(CURL *handle)
{
	static const char field[] = "X509v3 Subject Alternative Name:";
	struct curl_certinfo *certificates = NULL;
	struct curl_slist *line;

	if (curl_easy_getinfo(handle, CURLINFO_CERTINFO, &certificates) != CURLE_OK || !certificates ||
	    certificates->num_of_certs < 1)
		return false;
	for (line = certificates->certinfo[0]; line; line = line->next) {
		if (strncmp(line->data, field, strlen(field)) == 0 && strstr(line->data, "DNS:"))
			return true;
	}
	return false;
}

static void take_type(struct fetch *fetch)
{
	char *type = NULL;

	if (curl_easy_getinfo(fetch->handle, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
		snprintf(fetch->type, sizeof(fetch->type), "%s", type);
}

/* Its header is there, and what is missing is of no interest. */
static bool is_cut(const struct fetch *fetch, CURLcode result, long status)
{
	if (fetch->head > HEAD_MOST)
		return false;
	return result == CURLE_WRITE_ERROR || result == CURLE_FILESIZE_EXCEEDED ||
	       (result == CURLE_OPERATION_TIMEDOUT && fetch->head_ended && status >= 200);
}

static void finish(struct fetcher *fetcher, struct fetch *fetch, CURLcode result)
{
	CURL *handle = fetch->handle;
	long status = 0;
	curl_off_t after = 0;

	take_type(fetch);
	if (result == CURLE_OK && fetch->by_alternative_name && !has_alternative_name(handle)) {
		snprintf(fetch->problem, sizeof(fetch->problem), "no subjectAltName names the host");
		result = CURLE_PEER_FAILED_VERIFICATION;
	}

	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
	if (fetch->any_length && is_cut(fetch, result, status))
		result = CURLE_OK;
	if (result == CURLE_OK) {
		curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &after);
	} else {
		/* What libcurl says of it is in `problem`, if it has said anything. */
		size_t n = strlen(fetch->problem);
		if (n == 0)
			n = (size_t)snprintf(fetch->problem, sizeof(fetch->problem), "%s", curl_easy_strerror(result));
		snprintf(fetch->problem + n, sizeof(fetch->problem) - n, "%s", advice_of(result));
		fetch->untrusted = result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE;
	}
	fetch->status = result == CURLE_OK && status > 0 ? (unsigned)status : 0;
	fetch->retry_after_s = after > 0 ? (uint64_t)after : 0;
	fetch_cancel(fetcher, fetch);
	fetch->fn(fetch);
}

static void take_results(struct fetcher *fetcher)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
		struct fetch *fetch = NULL;
		CURLcode result = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
		finish(fetcher, fetch, result);
	}
}

void fetcher_process(struct fetcher *fetcher)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(fetcher->epoll, events, EVENTS, 0), running;

	for (int i = 0; i < n; i++) {
		int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		(void)curl_multi_socket_action(fetcher->multi, events[i].data.fd, what, &running);
	}
	if (fetcher->timer_ns <= clock_monotonic_ns()) {
		fetcher->timer_ns = UINT64_MAX;
		(void)curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	take_results(fetcher);
}

/* ---- a request ------------------------------------------------------------------------------------------------ */

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	struct curl_slist *longer;
	char *text;

	if (!value)
		return list;
	if (asprintf(&text, "%s: %s", name, value) < 0)
		return list;
	longer = curl_slist_append(list, text);
	explicit_bzero(text, strlen(text));
	free(text);
	return longer ? longer : list;
}

static void set_bounds(CURL *handle, const struct fetch *fetch)
{
	curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)FETCH_TIMEOUT_MS);
	curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCH_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)fetch->most);
	/* An empty one also means: none from the environment. */
	curl_easy_setopt(handle, CURLOPT_PROXY, fetch->proxy ? fetch->proxy : "");
	curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	/* An idle connection that a firewall has forgotten costs a timeout. */
	curl_easy_setopt(handle, CURLOPT_MAXAGE_CONN, (long)IDLE_S);
	if (fetch->ca_file) {
		curl_easy_setopt(handle, CURLOPT_CAINFO, fetch->ca_file);
		curl_easy_setopt(handle, CURLOPT_CAPATH, NULL);
	}
}

static void set_request(CURL *handle, struct fetch *fetch)
{
	struct curl_slist *headers = add_header(NULL, "Accept", fetch->accept ? fetch->accept : "application/json");

	headers = add_header(headers, "Content-Type", fetch->content_type);
	headers = add_header(headers, "Authorization", fetch->authorization);
	for (size_t i = 0; fetch->more_headers && fetch->more_headers[i]; i += 2)
		headers = add_header(headers, fetch->more_headers[i], fetch->more_headers[i + 1]);
	/* A body of some KiB is sent at once, not after a round trip. */
	headers = add_header(headers, "Expect", "");
	fetch->headers = headers;
	if (fetch->at) {
		fetch->hosts = curl_slist_append(NULL, fetch->at);
		curl_easy_setopt(handle, CURLOPT_RESOLVE, fetch->hosts);
	}
	if (fetch->by_alternative_name)
		curl_easy_setopt(handle, CURLOPT_CERTINFO, 1L);
	curl_easy_setopt(handle, CURLOPT_URL, fetch->url);
	curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(handle, CURLOPT_USERAGENT, "postrider/" POSTRIDER_VERSION);
	if (fetch->body) {
		curl_easy_setopt(handle, CURLOPT_POST, 1L);
		curl_easy_setopt(handle, CURLOPT_POSTFIELDS, fetch->body);
		curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body_length);
	}
	if (fetch->method)
		curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, fetch->method);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, fetch);
	curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(handle, CURLOPT_HEADERDATA, fetch);
	curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, fetch->problem);
	curl_easy_setopt(handle, CURLOPT_PRIVATE, fetch);
}

void fetch_at(const char *host, uint16_t port, const struct ring_address *addresses, unsigned count,
	      char out[FETCH_AT_SIZE])
{
	size_t n = (size_t)snprintf(out, FETCH_AT_SIZE, "%s:%u:", host, port), none = n;

	for (unsigned i = 0; i < count && n + INET6_ADDRSTRLEN + 3 < FETCH_AT_SIZE; i++) {
		const struct ring_address *one = &addresses[i];
		char text[INET6_ADDRSTRLEN];
		bool v6 = one->any.sa_family == AF_INET6;
		const void *octets = v6 ? (const void *)&one->v6.sin6_addr : (const void *)&one->v4.sin_addr;
		if (!inet_ntop(one->any.sa_family, octets, text, sizeof(text)))
			continue;
		n += (size_t)snprintf(out + n, FETCH_AT_SIZE - n, v6 ? "%s[%s]" : "%s%s", i ? "," : "", text);
	}
	if (n == none)
		out[0] = '\0';
}

void fetch_start(struct fetcher *fetcher, struct fetch *fetch)
{
	CURL *handle = curl_easy_init();

	fetch->status = 0;
	fetch->untrusted = false;
	fetch->text = NULL;
	fetch->length = fetch->size = 0;
	fetch->retry_after_s = 0;
	fetch->date = 0;
	fetch->head = 0;
	fetch->head_ended = false;
	fetch->problem[0] = '\0';
	fetch->handle = handle;
	fetch->headers = fetch->hosts = NULL;
	fetch->type[0] = '\0';
	if (handle) {
		set_bounds(handle, fetch);
		set_request(handle, fetch);
	}
	if (handle && curl_multi_add_handle(fetcher->multi, handle) == CURLM_OK)
		return;
	snprintf(fetch->problem, sizeof(fetch->problem), "out of memory");
	if (handle)
		fetch_cancel(fetcher, fetch);
	fetch->fn(fetch);
}

void fetch_cancel(struct fetcher *fetcher, struct fetch *fetch)
{
	struct curl_slist *header;

	(void)curl_multi_remove_handle(fetcher->multi, fetch->handle);
	curl_easy_cleanup(fetch->handle);
	for (header = fetch->headers; header; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_slist_free_all(fetch->headers);
	curl_slist_free_all(fetch->hosts);
	fetch->handle = fetch->headers = fetch->hosts = NULL;
}

void fetch_wipe(struct fetch *fetch)
{
	if (fetch->text)
		explicit_bzero(fetch->text, fetch->size);
	free(fetch->text);
	fetch->text = NULL;
	fetch->length = fetch->size = 0;
}

void fetch_now(struct fetch *fetch)
{
	struct fetcher *fetcher = fetcher_new();

	if (!fetcher) {
		fetch->status = 0;
		snprintf(fetch->problem, sizeof(fetch->problem), "out of memory");
		return;
	}
	fetch_start(fetcher, fetch);
	while (fetch_under_way(fetch)) {
		struct pollfd fd = {.fd = fetcher_fd(fetcher), .events = POLLIN};
		(void)poll(&fd, 1, LOOK_MS);
		fetcher_process(fetcher);
	}
	fetcher_free(fetcher);
}
