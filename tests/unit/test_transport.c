/*
 * tests/unit/test_transport.c - core/stream/transport.c where its buffers are short: what is refused was not taken.
 *
 * Usage: test_transport CERTIFICATES-DIRECTORY (made by tests/certificates.sh).
 */
#include "core/deliver/deliverer.h"
#include "core/stream/transport.h"

#include <string.h>

#include "core/shard/shard.h"
#include "tests/unit/tls_pair.h"

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
	struct pool buffers;
	size_t length = 0;

	shake(pair, &whole);
	pool_init(&buffers, OUTPUT_BUFFER_SIZE, 1, blocks);
	list_init(&shared.dirty);
	transport_init(&t, &shared, &handlers, &buffers);
	t.tls = pair->client.session;
	t.secured = true;
	for (size_t i = 0; i < LENGTH; i++)
		data[i] = (uint8_t)next_random();

	CHECK(!transport_write(&t, data, LENGTH));
	CHECK_EQ(t.staged, 0);
	CHECK_EQ(t.collected, 0);
	CHECK_EQ(buffers.in_use, 0); /* nothing is kept that others wait for */
	buffers.limit = 2;
	CHECK(transport_write(&t, data, LENGTH));
	t.send_op.in_flight = true; /* so that it is only sealed */
	t.state = TRANSPORT_OPEN;
	transport_flush(&t);
	CHECK_EQ(t.staged, 0);

	memcpy(pair->up.data + pair->up.to, t.collecting, t.collected);
	pair->up.to += t.collected;
	CHECK_EQ(read_all(&pair->server, got, sizeof(got), &length, &whole), TLS_WANT_INPUT);
	CHECK_EQ(length, LENGTH);
	CHECK(length == LENGTH && memcmp(data, got, LENGTH) == 0);
	pool_release(&buffers, t.collecting);
	pool_release(&buffers, t.stage);
	pool_deinit(&buffers);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

static void test_refused_whole(void)
{
	refused_whole(0);
	refused_whole(1);
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
	tls_thread_end();
	return check_end();
}
