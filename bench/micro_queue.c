/*
 * micro_queue.c - what envelopes, states and the ring between two shards cost.
 *
 * The ring across two threads is measured in time only: how often each side looks in vain is a matter of chance. It
 * is the time for one item while both threads are busy with nothing else, cache lines travelling included.
 */
#include <pthread.h>
#include <sched.h>

#include "bench/micro.h"
#include "queue/envelope.h"
#include "queue/handoff.h"
#include "queue/state.h"

enum { REPEAT = 2000, REPEAT_THREADS = 100000, CAPACITY = 1024, MANY = 20 };

static struct handoff ring;
static uint8_t encoded[4096], state[4096];
static size_t encoded_length;
static const struct span recipient = {"first.last@mail.example.net", 27};

static size_t envelope_make(unsigned recipients)
{
	static const struct envelope fields = {
		.flags = ENVELOPE_EIGHT_BIT | ENVELOPE_BODY_GIVEN,
		.client = {"newsletter", 10},
		.peer = {"192.0.2.117", 11},
		.helo = {"mta-17.newsletter.example.org", 29},
		.sender = {"bounce-88123-4567890-reader=example.net@mail.newsletter.example.org", 67},
	};
	struct envelope_writer writer;

	envelope_begin(&writer, encoded, sizeof encoded, &fields);
	envelope_add_destination(&writer, span_text("provider"));
	for (unsigned i = 0; i < recipients; i++)
		envelope_add_recipient(&writer, 0, recipient);
	return envelope_end(&writer);
}

/* Parameter: more than one recipient. */
static unsigned recipients_of(const struct micro_operation *operation)
{
	return operation->parameter ? MANY : 1;
}

static void setup_envelope(const struct micro_operation *operation)
{
	encoded_length = envelope_make(recipients_of(operation));
}

static void run_encode(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		micro_sink += envelope_make(recipients_of(operation));
}

static void run_decode(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct envelope_cursor cursor;
		struct envelope envelope;
		struct envelope_recipient each;

		if (envelope_decode(encoded, encoded_length, &envelope) < 0)
			micro_fail(operation->name, "it was not understood");
		envelope_first(&envelope, &cursor);
		while (envelope_next(&cursor, &each))
			micro_sink += each.address.length;
	}
}

static size_t state_make(unsigned attempts)
{
	static const struct state_reply reply = {.code = 451,
						 .text = {"4.7.1 Greylisted, please try again in 300 seconds", 49}};
	struct state_fate fate = {.attempts = (uint16_t)attempts, .due_wall_ns = attempts};
	struct state_writer writer;

	state_begin(&writer, state, sizeof state);
	fate.reply = (uint16_t)state_add_reply(&writer, &reply);
	state_add(&writer, state_add_fate(&writer, &fate), MANY);
	return state_end(&writer);
}

static void run_state(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct state_cursor cursor;
		struct state_fate fate;
		struct queue_state out;
		unsigned number, recipients;

		if (queue_state_decode(state, state_make(i), 0, &out) < 0)
			micro_fail(operation->name, "it was not understood");
		state_first(&out, &cursor);
		while (state_next(&cursor, &number, &recipients) && state_fate(&out, number, &fate))
			micro_sink += fate.attempts + recipients;
	}
}

static void setup_ring(const struct micro_operation *operation)
{
	handoff_deinit(&ring);
	if (handoff_init(&ring, CAPACITY) < 0)
		micro_fail(operation->name, "no memory");
}

static void run_push_pop(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!handoff_push(&ring, encoded + i % sizeof encoded))
			micro_fail(operation->name, "the ring is full");
		micro_sink += (uintptr_t)handoff_pop(&ring);
	}
}

static void *consumer_main(void *context)
{
	unsigned left = *(const unsigned *)context;

	/* Where both must share a processor, spinning would only delay the other. */
	while (left > 0)
		if (handoff_pop(&ring))
			left--;
		else
			sched_yield();
	return NULL;
}

static void run_threads(const struct micro_operation *operation, unsigned count)
{
	pthread_t consumer;

	if (pthread_create(&consumer, NULL, consumer_main, &count) != 0)
		micro_fail(operation->name, "no thread");
	for (unsigned i = 0; i < count; i++)
		while (!handoff_push(&ring, encoded))
			sched_yield();
	pthread_join(consumer, NULL);
}

int main(int argc, char **argv)
{
	static const struct micro_operation operations[] = {
		{.name = "envelope.encode", .repeat = REPEAT, .run = run_encode},
		{.name = "envelope.encode-20", .repeat = REPEAT, .run = run_encode, .parameter = state},
		{.name = "envelope.decode", .repeat = REPEAT, .run = run_decode, .setup = setup_envelope},
		{.name = "envelope.decode-20",
		 .repeat = REPEAT,
		 .run = run_decode,
		 .setup = setup_envelope,
		 .parameter = state},
		{.name = "envelope.state-20", .repeat = REPEAT, .run = run_state},
		{.name = "handoff.push-pop", .repeat = REPEAT, .run = run_push_pop, .setup = setup_ring},
		{.name = "handoff.two-threads",
		 .repeat = REPEAT_THREADS,
		 .run = run_threads,
		 .setup = setup_ring,
		 .uncounted = "how often a thread looks in vain is chance"},
	};

	micro_start(argc, argv, "");
	micro_run(operations, sizeof operations / sizeof operations[0]);
	handoff_deinit(&ring);
	return 0;
}
