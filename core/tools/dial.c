/*
 * core/tools/dial.c - see dial.h.
 */
#include "core/tools/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

enum { PORTS_MAX = 8 };

void dial_init(struct dial *dial, uint64_t wait_ns)
{
	dial->fd = -1;
	dial->tls = NULL;
	dial->secured = false;
	dial->wait_ns = wait_ns;
	dial->plain_from = dial->plain_to = 0;
	dial->problem[0] = '\0';
}

void dial_close(struct dial *dial)
{
	if (dial->tls)
		tls_session_free(dial->tls);
	if (dial->fd >= 0)
		close(dial->fd);
	dial_init(dial, dial->wait_ns);
}

static int failed(struct dial *dial, int error)
{
	snprintf(dial->problem, sizeof(dial->problem), "%s",
		 error == ETIMEDOUT    ? "nothing came in time"
		 : error == ECONNRESET ? "the other side closed the connection"
				       : strerror(error));
	return -error;
}

/* Until `deadline_ns`. 0 or -ETIMEDOUT. */
static int wait_for(struct dial *dial, short events, uint64_t deadline_ns)
{
	struct pollfd poll_fd = {.fd = dial->fd, .events = events};

	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		int ready;
		if (now_ns >= deadline_ns)
			return failed(dial, ETIMEDOUT);
		ready = poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / CLOCK_NS_PER_MS) + 1);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return failed(dial, errno);
	}
}

static int open_socket(const struct ring_address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &address->any, address->length) == 0 || errno == EINPROGRESS)
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

static int connect_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

int dial_connect(struct dial *dial, const struct ring_address *address)
{
	int r = open_socket(address);

	if (r < 0)
		return failed(dial, -r);
	dial->fd = r;
	r = wait_for(dial, POLLOUT, clock_monotonic_ns() + dial->wait_ns);
	if (r == 0 && (r = connect_error(dial->fd)) != 0)
		r = failed(dial, r);
	if (r < 0) {
		close(dial->fd);
		dial->fd = -1;
	}
	return r;
}

static int send_octets(struct dial *dial, const uint8_t *data, size_t length)
{
	uint64_t deadline_ns = clock_monotonic_ns() + dial->wait_ns;

	while (length > 0) {
		ssize_t n = send(dial->fd, data, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(dial, POLLOUT, deadline_ns);
			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return failed(dial, errno == EPIPE ? ECONNRESET : errno);
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

/* > 0, or -errno; the end of the stream is -ECONNRESET. */
static ssize_t receive(struct dial *dial, uint8_t *out, size_t size, uint64_t deadline_ns)
{
	for (;;) {
		ssize_t n = recv(dial->fd, out, size, 0);
		if (n > 0)
			return n;
		if (n == 0)
			return failed(dial, ECONNRESET);
		if (errno != EAGAIN)
			return failed(dial, errno);
		int r = wait_for(dial, POLLIN, deadline_ns);
		if (r < 0)
			return r;
	}
}

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

enum what { HANDSHAKE, READ, WRITE };
struct step {
	enum what what;
	const uint8_t *data;
	size_t length;
};

static enum tls_status one_step(struct dial *dial, const struct step *step)
{
	size_t length = 0;
	enum tls_status status;

	switch (step->what) {
	case HANDSHAKE:
		return tls_handshake(dial->tls);
	case WRITE:
		return tls_write(dial->tls, step->data, step->length);
	default:
		status = tls_read(dial->tls, dial->plain, sizeof(dial->plain), &length);
		dial->plain_from = 0;
		dial->plain_to = length;
		return status;
	}
}

/* Runs the engine until the step is done, moving what it wants moved. */
static int run_tls(struct dial *dial, const struct step *step)
{
	uint64_t deadline_ns = clock_monotonic_ns() + dial->wait_ns;
	uint8_t out[TLS_OUTPUT_MIN];

	for (;;) {
		tls_lend_output(dial->tls, out, sizeof(out));
		enum tls_status status = one_step(dial, step);
		/* The alert that says why is sent as well; whether it arrives is no matter then. */
		int r = send_octets(dial, out, tls_output_length(dial->tls));
		if (status == TLS_OK)
			return r;
		if (status == TLS_FAILED) {
			snprintf(dial->problem, sizeof(dial->problem), "%s", tls_error_text(dial->tls));
			return -EPROTO;
		}
		if (status == TLS_CLOSED)
			return failed(dial, ECONNRESET);
		if (r < 0)
			return r;
		if (status == TLS_WANT_OUTPUT)
			continue;
		ssize_t n = receive(dial, dial->sealed, sizeof(dial->sealed), deadline_ns);
		if (n < 0)
			return (int)n;
		tls_feed(dial->tls, dial->sealed, (size_t)n);
	}
}

int dial_secure(struct dial *dial, struct tls_context *context, const char *name)
{
	dial->tls = tls_session_new(context, name, NULL);
	if (!dial->tls)
		return failed(dial, ENOMEM);
	tls_feed(dial->tls, NULL, 0);
	int r = run_tls(dial, &(struct step){.what = HANDSHAKE});
	dial->secured = r == 0;
	return r;
}

/* ---- octets ------------------------------------------------------------------------------------------------- */

int dial_send(struct dial *dial, const void *data, size_t length)
{
	const uint8_t *at = data;

	if (!dial->secured)
		return send_octets(dial, at, length);
	while (length > 0) {
		size_t n = length < TLS_RECORD_MAX ? length : TLS_RECORD_MAX;
		int r = run_tls(dial, &(struct step){WRITE, at, n});
		if (r < 0)
			return r;
		at += n;
		length -= n;
	}
	return 0;
}

static int fill(struct dial *dial, uint64_t deadline_ns)
{
	if (dial->plain_from < dial->plain_to)
		return 0;
	if (dial->secured)
		return run_tls(dial, &(struct step){.what = READ});
	ssize_t n = receive(dial, dial->plain, sizeof(dial->plain), deadline_ns);
	dial->plain_from = 0;
	dial->plain_to = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : (int)n;
}

int dial_reply(struct dial *dial, struct smtp_reply_parser *parser, struct smtp_extensions *extensions, size_t *behind)
{
	uint64_t deadline_ns = clock_monotonic_ns() + dial->wait_ns;

	smtp_reply_start(parser, extensions);
	for (;;) {
		size_t consumed;
		int r = fill(dial, deadline_ns);
		if (r < 0)
			return r;
		enum smtp_reply_result result = smtp_reply_parse(parser, dial->plain + dial->plain_from,
								 dial->plain_to - dial->plain_from, &consumed);
		dial->plain_from += consumed;
		*behind = dial->plain_to - dial->plain_from;
		if (result == SMTP_REPLY_DONE)
			return 0;
		if (result == SMTP_REPLY_BAD) {
			snprintf(dial->problem, sizeof(dial->problem), "what came is no reply of a mail server");
			return -EBADMSG;
		}
		/* Not for ever, one octet at a time. */
		if (clock_monotonic_ns() >= deadline_ns)
			return failed(dial, ETIMEDOUT);
	}
}

/* ---- ports -------------------------------------------------------------------------------------------------- */

void dial_ports(const struct ring_address *address, const uint16_t *ports, size_t count, uint64_t wait_ns, bool *open)
{
	struct pollfd polled[PORTS_MAX];
	uint64_t deadline_ns = clock_monotonic_ns() + wait_ns;
	size_t waiting = 0;

	for (size_t i = 0; i < count && i < PORTS_MAX; i++) {
		struct ring_address at = *address;
		at.v4.sin_port = htons(ports[i]); /* the same place in both families */
		polled[i] = (struct pollfd){.fd = open_socket(&at), .events = POLLOUT};
		open[i] = false;
		waiting += polled[i].fd >= 0;
	}
	while (waiting > 0) {
		uint64_t now_ns = clock_monotonic_ns();
		if (now_ns >= deadline_ns ||
		    poll(polled, count, (int)((deadline_ns - now_ns) / CLOCK_NS_PER_MS) + 1) <= 0)
			break;
		for (size_t i = 0; i < count; i++) {
			if (polled[i].fd < 0 || polled[i].revents == 0)
				continue;
			open[i] = connect_error(polled[i].fd) == 0;
			close(polled[i].fd);
			polled[i].fd = -1;
			waiting--;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (polled[i].fd >= 0)
			close(polled[i].fd);
	}
}
