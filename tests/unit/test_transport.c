/*
 * tests/unit/test_transport.c - core/stream: what is refused for want of buffers was not taken, and an owner that
 * pauses gets every octet once. The ring is in this file: its operations are in flight until the test ends them.
 *
 * Usage: test_transport CERTIFICATES-DIRECTORY (made by tests/certificates.sh).
 */
#include "core/deliver/deliverer.h"
#include "core/stream/transport.h"

#include <errno.h>
#include <string.h>

#include "core/shard/shard.h"
#include "tests/unit/tls_pair.h"

/* ---- the ring ----------------------------------------------------------------------------------------------- */

enum { BUFFERS = 64, BUFFER_SIZE = 16384 };

static uint8_t buffers[BUFFERS][BUFFER_SIZE];
static bool lent[BUFFERS];
static unsigned lent_count;

uint8_t *ring_buffer(struct ring *ring, uint32_t flags)
{
	CHECK(lent[flags >> 16]);
	return buffers[flags >> 16];
}

void ring_buffer_release(struct ring *ring, uint32_t flags)
{
	CHECK(lent[flags >> 16]);
	lent[flags >> 16] = false;
	lent_count--;
}

unsigned ring_buffers_free(const struct ring *ring)
{
	return BUFFERS - lent_count;
}

void ring_recv(struct ring *ring, struct ring_op *op, int fd)
{
	CHECK(!op->in_flight);
	op->in_flight = true;
}

static const uint8_t *sending;
static size_t sending_length;
static unsigned fins;

void ring_send(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length)
{
	CHECK(!op->in_flight && fins == 0);
	op->in_flight = true;
	sending = data;
	sending_length = length;
}

void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target)
{
	CHECK(!op->in_flight);
	op->in_flight = true;
}

void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct ring_address *address)
{
	CHECK(!op->in_flight);
	op->in_flight = true;
}

void ring_shutdown(struct ring *ring, struct ring_op *op, int fd, int how)
{
	CHECK(!op->in_flight);
	op->in_flight = true;
	fins++;
}

void ring_close_fd(struct ring *ring, struct ring_op *op, int fd)
{
	op->in_flight = true;
}

static void ended(struct ring_op *op, int result, uint32_t flags)
{
	op->in_flight = (flags & RING_MORE) != 0;
	op->fn(op, result, flags);
}

/* ---- output ------------------------------------------------------------------------------------------------- */

/* More than one record: the first is sealed while the rest is staged. */
enum { LENGTH = TLS_RECORD_MAX + 1000 };

/*
 * A write that finds fewer buffers than it needs is refused, and tried again when there are some: the peer reads the
 * octets once. Needs no ring, since nothing is flushed.
 */
static void refused_whole(unsigned blocks)
{
	struct tls_context *server = server_context(ANY, "server", NULL), *client = client_context(ANY, "ca.crt", NULL);
	struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
	static struct transport_shared shared;
	static uint8_t data[LENGTH], got[2 * LENGTH];
	struct transport_handlers handlers = {0};
	struct transport t;
	struct pool blocks_pool;
	size_t length = 0;

	shake(pair, &whole);
	pool_init(&blocks_pool, OUTPUT_BUFFER_SIZE, 1, blocks);
	list_init(&shared.dirty);
	transport_init(&t, &shared, &handlers, &blocks_pool);
	t.tls = pair->client.session;
	t.secured = true;
	for (size_t i = 0; i < LENGTH; i++)
		data[i] = (uint8_t)next_random();

	CHECK(!transport_write(&t, data, LENGTH));
	CHECK_EQ(t.staged, 0);
	CHECK_EQ(t.collected, 0);
	CHECK_EQ(blocks_pool.in_use, 0); /* nothing is kept that others wait for */
	blocks_pool.limit = 2;
	CHECK(transport_write(&t, data, LENGTH));
	t.send_op.in_flight = true; /* so that it is only sealed */
	t.state = TRANSPORT_OPEN;
	transport_flush(&t);
	CHECK_EQ(t.staged, 0);
	CHECK_EQ(blocks_pool.in_use, 1); /* what was sealed is kept for nobody */

	memcpy(pair->up.data + pair->up.to, t.collecting, t.collected);
	pair->up.to += t.collected;
	CHECK_EQ(read_all(&pair->server, got, sizeof(got), &length, &whole), TLS_WANT_INPUT);
	CHECK_EQ(length, LENGTH);
	CHECK(length == LENGTH && memcmp(data, got, LENGTH) == 0);
	pool_release(&blocks_pool, t.collecting);
	pool_deinit(&blocks_pool);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

static void test_refused_whole(void)
{
	refused_whole(0);
	refused_whole(1);
}

/* ---- input -------------------------------------------------------------------------------------------------- */

/* An owner that takes as much as it likes, and the octets it has to get. */
static struct owner {
	struct transport t;
	uint8_t sent[100000];
	size_t length, at;
	bool fickle;
	int end; /* 1: none yet */
	bool closed;
} o;

static size_t take(struct transport *t, const uint8_t *data, size_t length)
{
	uint64_t mood = o.fickle ? next_random() % 4 : 0;
	size_t used = mood == 0 ? length : mood == 1 ? 0 : next_random() % (length + 1);

	CHECK(length > 0 && o.end == 1 && !o.t.paused);
	CHECK(used <= o.length - o.at && memcmp(o.sent + o.at, data, used) == 0);
	o.at += used;
	if (o.fickle && used == length && next_random() % 2 == 0)
		transport_pause(t);
	return used;
}

static void over(struct transport *t, int result)
{
	CHECK_EQ(o.end, 1);
	CHECK_EQ(o.at, o.length);
	o.end = result;
}

static void closed(struct transport *t)
{
	o.closed = true;
}

/* The next piece of the wire, as a completion of the armed receive. */
static void arrives(struct wire *wire)
{
	size_t left = wire->to - wire->from, n = 1 + next_random() % BUFFER_SIZE;
	unsigned i = 0;

	if (next_random() % 3 == 0)
		n = 1 + n % 40;
	n = n < left ? n : left;
	while (lent[i])
		i++;
	lent[i] = true;
	lent_count++;
	memcpy(buffers[i], wire->data + wire->from, n);
	wire->from += n;
	ended(&o.t.recv_op, (int)n, RING_MORE | RING_BUFFER | i << 16);
}

/* What the transport has asked for comes to pass: a cancel takes the receive with it. */
static void control(void)
{
	if (!o.t.control_op.in_flight)
		return;
	if (o.t.recv_op.in_flight)
		ended(&o.t.recv_op, -ECANCELED, 0);
	ended(&o.t.control_op, 0, 0);
}

/* The client has written `length` octets in records of any size, and then close_notify or nothing. */
static void fill(struct pair *pair, bool tls, bool notify)
{
	for (size_t i = 0; i < o.length; i++)
		o.sent[i] = (uint8_t)next_random();
	if (!tls) {
		memcpy(pair->up.data, o.sent, o.length);
		pair->up.from = 0;
		pair->up.to = o.length;
		return;
	}
	for (size_t at = 0; at < o.length;) {
		size_t n = 1 + next_random() % (next_random() % 2 ? 100u : TLS_RECORD_MAX);
		n = n < o.length - at ? n : o.length - at;
		CHECK_EQ(write_one(&pair->client, o.sent + at, n, &whole), TLS_OK);
		drain(&pair->client, &whole);
		at += n;
	}
	if (notify)
		(void)tls_close_notify(pair->client.session);
	drain(&pair->client, &whole);
}

static struct tls_context *contexts[2];

/* Whatever the owner does it gets all octets once and in order, then the end; nothing is left behind. */
static void paused(bool tls, bool notify, bool fickle, bool close_early)
{
	static const struct transport_handlers handlers = {.on_data = take, .on_end = over, .on_closed = closed};
	static struct transport_shared shared;
	static struct wheel wheel;
	static const uint64_t now_ns = 1;
	struct pair *pair = pair_new(contexts[0], contexts[1], "localhost", NULL, &whole);
	struct pool blocks;
	bool fin = false;

	shake(pair, &whole);
	read_nothing(&pair->client, &whole);
	memset(&o, 0, sizeof(o));
	o.end = 1;
	o.length = next_random() % 3 == 0 ? next_random() % 1000 : next_random() % 100000;
	fill(pair, tls, notify);
	wheel_init(&wheel, now_ns);
	transport_shared_init(&shared, NULL, &wheel, &now_ns, BUFFERS, 1000);
	pool_init(&blocks, OUTPUT_BUFFER_SIZE, 1, 10);
	transport_init(&o.t, &shared, &handlers, &blocks);
	transport_accepted(&o.t, 3);
	if (tls) {
		o.t.tls = pair->server.session;
		o.t.secured = true;
		pair->server.session = NULL;
	}
	o.fickle = fickle;
	for (unsigned n = 0; o.end == 1 && n < 100000; n++) {
		if (close_early && next_random() % 50 == 0)
			break;
		if (next_random() % 2)
			control();
		if (o.t.recv_op.in_flight && pair->up.to > pair->up.from && lent_count < BUFFERS)
			arrives(&pair->up);
		if (o.t.recv_op.in_flight && pair->up.to == pair->up.from && !fin && next_random() % 2) {
			fin = true;
			ended(&o.t.recv_op, 0, 0);
		}
		if (next_random() % 3 == 0)
			transport_resume(&o.t);
	}
	if (!close_early)
		CHECK_EQ(o.end, tls && !notify ? TRANSPORT_TLS_TRUNCATED : 0);
	transport_close(&o.t);
	for (unsigned n = 0; n < 4 && !o.closed; n++) {
		if (o.t.send_op.in_flight)
			ended(&o.t.send_op, 1, 0);
		control();
	}
	CHECK(o.closed && o.t.state == TRANSPORT_CLOSED);
	CHECK_EQ(lent_count, 0);
	CHECK_EQ(shared.held_octets, 0);
	CHECK_EQ(shared.held.in_use, 0);
	CHECK_EQ(blocks.in_use, 0);
	pool_deinit(&blocks);
	transport_shared_deinit(&shared);
	pair_free(pair);
}

static void test_paused(void)
{
	for (unsigned n = 0; n < 240; n++) {
		if (n % 80 == 0) {
			enum versions v = n == 0 ? ANY : n == 80 ? ONLY_12 : ONLY_13;
			contexts[0] = client_context(v, "ca.crt", NULL);
			contexts[1] = server_context(v, "server", NULL);
		}
		paused(n % 2 == 0, n & 2, n & 4 || n & 8, n % 16 > 12);
		if (n % 80 == 79) {
			tls_context_free(contexts[0]);
			tls_context_free(contexts[1]);
		}
	}
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* The kernel takes some of what is sent to it. */
static void leaves(struct wire *wire)
{
	size_t n = 1 + next_random() % sending_length;

	memcpy(wire->data + wire->to, sending, n);
	wire->to += n;
	ended(&o.t.send_op, (int)n, 0);
}

/* All that was written before arrives, then close_notify, then FIN, whatever the operations' order. */
static void finishes(bool tls, bool pauses)
{
	static const struct transport_handlers handlers = {.on_data = take, .on_end = over, .on_closed = closed};
	static struct transport_shared shared;
	static struct wheel wheel;
	static const uint64_t now_ns = 1;
	static uint8_t got[100000];
	struct pair *pair = pair_new(contexts[0], contexts[1], "localhost", NULL, &whole);
	struct pool blocks;
	size_t length = 0;

	shake(pair, &whole);
	read_nothing(&pair->client, &whole);
	pair->down.from = pair->down.to = 0;
	memset(&o, 0, sizeof(o));
	fins = 0;
	o.end = 1;
	wheel_init(&wheel, now_ns);
	transport_shared_init(&shared, NULL, &wheel, &now_ns, BUFFERS, 1000);
	pool_init(&blocks, OUTPUT_BUFFER_SIZE, 1, 10);
	transport_init(&o.t, &shared, &handlers, &blocks);
	transport_accepted(&o.t, 3);
	if (tls) {
		o.t.tls = pair->server.session;
		o.t.secured = true;
		pair->server.session = NULL;
	}
	for (unsigned n = 0; n < 1 + next_random() % 4; n++) {
		size_t more = 1 + next_random() % 5000;
		for (size_t i = 0; i < more; i++)
			o.sent[o.length + i] = (uint8_t)next_random();
		CHECK(transport_write(&o.t, o.sent + o.length, more));
		o.length += more;
		if (next_random() % 2)
			transport_shared_answer(&shared);
	}
	if (pauses)
		transport_pause(&o.t); /* its cancel is under way */
	transport_finish(&o.t);
	CHECK_EQ(transport_room(&o.t), 0);
	CHECK(!transport_write(&o.t, "x", 1));
	for (unsigned n = 0; n < 1000 && o.t.state != TRANSPORT_FINISHED; n++) {
		CHECK_EQ(fins, 0);
		if (next_random() % (n < 200 ? 50 : 2) == 0)
			control();
		if (next_random() % 2)
			transport_shared_answer(&shared);
		if (o.t.send_op.in_flight && next_random() % 2)
			leaves(&pair->down);
	}
	CHECK_EQ(fins, 1);
	if (tls) {
		CHECK_EQ(read_all(&pair->client, got, sizeof(got), &length, &whole), TLS_CLOSED);
	} else {
		length = pair->down.to;
		memcpy(got, pair->down.data, length);
	}
	CHECK(length == o.length && memcmp(got, o.sent, length) == 0);
	transport_close(&o.t);
	CHECK(!o.t.send_op.in_flight); /* nothing is said behind FIN */
	for (unsigned n = 0; n < 4 && !o.closed; n++)
		control();
	CHECK(o.closed);
	CHECK_EQ(blocks.in_use, 0);
	pool_deinit(&blocks);
	transport_shared_deinit(&shared);
	fins = 0;
	pair_free(pair);
}

static void test_finishes(void)
{
	for (enum versions v = ONLY_12; v <= ONLY_13; v++) {
		contexts[0] = client_context(v, "ca.crt", NULL);
		contexts[1] = server_context(v, "server", NULL);
		for (unsigned n = 0; n < 80; n++)
			finishes(n % 2, n & 2);
		tls_context_free(contexts[0]);
		tls_context_free(contexts[1]);
	}
}

static void connected(struct transport *t, int result)
{
	CHECK_EQ(result, 0);
}

/* The peer has answered, and closed on what it had not read: the send fails before the answer is taken. */
static void answered_and_reset(int send, int receive, bool accepted)
{
	static const struct transport_handlers handlers = {
		.on_data = take, .on_end = over, .on_closed = closed, .on_connected = connected};
	static const struct ring_address address;
	static struct transport_shared shared;
	static const uint64_t now_ns = 1;
	static struct wheel wheel;
	static struct wire answer;
	struct pool blocks;

	memset(&o, 0, sizeof(o));
	o.end = 1;
	wheel_init(&wheel, now_ns);
	transport_shared_init(&shared, NULL, &wheel, &now_ns, BUFFERS, 1000);
	pool_init(&blocks, OUTPUT_BUFFER_SIZE, 1, 10);
	transport_init(&o.t, &shared, &handlers, &blocks);
	if (accepted) {
		transport_accepted(&o.t, 3);
	} else {
		transport_connect(&o.t, 3, &address);
		ended(&o.t.send_op, 0, 0);
	}
	CHECK(transport_write(&o.t, "content", 7));
	transport_shared_flush(&shared);
	ended(&o.t.send_op, send, 0);
	if (accepted) {
		/* Nobody is left to be answered. */
		CHECK_EQ(o.end, send);
	} else {
		CHECK_EQ(o.end, 1);
		(void)transport_write(&o.t, "more", 4);
		transport_shared_flush(&shared);
		CHECK(!o.t.send_op.in_flight);
		o.length = answer.to = (size_t)snprintf((char *)o.sent, sizeof(o.sent), "552 too large\r\n");
		answer.from = 0;
		memcpy(answer.data, o.sent, o.length);
		while (answer.from < answer.to)
			arrives(&answer);
		ended(&o.t.recv_op, receive, 0);
		CHECK_EQ(o.end, receive);
		CHECK_EQ(o.at, o.length);
	}
	transport_close(&o.t);
	for (unsigned n = 0; n < 4 && !o.closed; n++)
		control();
	CHECK(o.closed);
	CHECK_EQ(blocks.in_use, 0);
	pool_deinit(&blocks);
	transport_shared_deinit(&shared);
}

static void test_answered_and_reset(void)
{
	answered_and_reset(-EPIPE, 0, false);
	answered_and_reset(-ECONNRESET, -ECONNRESET, false);
	answered_and_reset(-EPIPE, 0, true);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CERTIFICATES-DIRECTORY\n", argv[0]);
		return 64;
	}
	directory = argv[1];
	tls_global_init();
	RUN(test_refused_whole);
	RUN(test_paused);
	RUN(test_finishes);
	RUN(test_answered_and_reset);
	tls_thread_end();
	return check_end();
}
