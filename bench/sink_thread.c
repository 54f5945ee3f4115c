/*
 * bench/sink_thread.c - one thread of the sink: its listener, its sessions, replies held back, faults.
 *
 * With --delay every reply waits its time in the session's buffer while a queue of the thread says how much of
 * it may leave when; as the delay is the same for all, the queue is in order by itself and input goes on meanwhile.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sink.h"
#include "core/base/clock.h"

enum { TURN_MS = 50, STOP_GRACE_MS = 300 };

/* ---- faults -------------------------------------------------------------------------------------------------- */

static bool strikes(struct sink_thread *thread, struct sink_fault *fault)
{
	if (fault->every)
		return (atomic_fetch_add(&fault->passed, 1) + 1) % fault->every == 0;
	return (double)(random_u64(&thread->random) >> 11) * 0x1p-53 < fault->probability;
}

unsigned sink_thread_fault(struct sink_session *session, enum sink_stage stage)
{
	struct sink_thread *thread = session->thread;
	struct sink_options *options = &thread->run->options;
	for (unsigned i = 0; i < options->fault_count; i++) {
		struct sink_fault *fault = &options->faults[i];
		if (fault->stage != stage || !strikes(thread, fault))
			continue;
		thread->stats.faults++;
		if (fault->code)
			return fault->code;
		session->quit = true;
		session->input = INPUT_DEAF;
		/* Answers given before leave first, but the connection ends without a word, not even TLS's. */
		session->io.error = -ECONNABORTED;
		session->then = THEN_CLOSE;
		if (session->held.length == 0)
			sink_session_released(session);
		return UINT_MAX;
	}
	return 0;
}

/* ---- replies held back --------------------------------------------------------------------------------------- */

static void grow_held(struct sink_thread *thread)
{
	size_t capacity = thread->held_capacity ? thread->held_capacity * 2 : 256;
	struct sink_held *grown = calloc(capacity, sizeof(*grown));
	if (!grown)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < thread->held_count; i++)
		grown[i] = thread->held[(thread->held_first + i) % thread->held_capacity];
	free(thread->held);
	thread->held = grown;
	thread->held_first = 0;
	thread->held_capacity = capacity;
}

void sink_thread_hold(struct sink_thread *thread, struct sink_session *session, const char *text, size_t length)
{
	uint64_t due_ns = thread->loop.now_ns + thread->run->options.delay_ns;
	buffer_append(&session->held, text, length);
	if (thread->held_count > 0) {
		size_t last = (thread->held_first + thread->held_count - 1) % thread->held_capacity;
		struct sink_held *held = &thread->held[last];
		if (held->session == session && held->life == session->life && held->due_ns == due_ns) {
			held->length += (uint32_t)length;
			return;
		}
	}
	if (thread->held_count == thread->held_capacity)
		grow_held(thread);
	size_t at = (thread->held_first + thread->held_count++) % thread->held_capacity;
	thread->held[at] = (struct sink_held){session, session->life, (uint32_t)length, due_ns};
}

static void release_due(struct sink_thread *thread)
{
	while (thread->held_count > 0) {
		struct sink_held held = thread->held[thread->held_first];
		if (held.due_ns > thread->loop.now_ns)
			return;
		thread->held_first = (thread->held_first + 1) % thread->held_capacity;
		thread->held_count--;
		struct sink_session *session = held.session;
		if (session->life != held.life)
			continue;
		assert(session->held.length >= held.length);
		tcp_io_write(&session->io, session->held.data, held.length);
		session->held.length -= held.length;
		memmove(session->held.data, session->held.data + held.length, session->held.length);
		if (session->held.length == 0)
			sink_session_released(session);
	}
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static void on_accept(struct tcp_listener *listener, int fd)
{
	struct sink_thread *thread = listener->context;
	struct list *item = list_take_first(&thread->free);
	struct sink_session *session;
	if (item) {
		session = container_of(item, struct sink_session, free_link);
	} else {
		session = calloc(1, sizeof(*session));
		if (!session)
			common_fail(COMMON_EXIT_ENVIRONMENT, "no memory for another connection");
		session->thread = thread;
		list_init(&session->free_link);
		list_append(&thread->sessions, &session->all);
	}
	sink_session_start(session, fd);
}

static void make_tls(struct sink_thread *thread)
{
	const struct sink_options *options = &thread->run->options;
	struct tls_problem problem = {""};
	struct tls_context_config config = {
		.server = true,
		.verify_peer = options->client_ca_file != NULL,
		.ca_file = options->client_ca_file,
		.certificate_file = options->certificate_file,
		.private_key_file = options->private_key_file,
	};
	thread->tls = tls_context_new(&config, &problem);
	if (!thread->tls)
		common_fail(COMMON_EXIT_USAGE, "TLS cannot be set up: %s", problem.text);
}

static void start(struct sink_thread *thread)
{
	struct sink_run *run = thread->run;
	const struct ring_address *address = thread->index == 0 ? &run->options.listen : &run->address;
	char text[COMMON_ADDRESS_TEXT];
	tcp_loop_init(&thread->loop);
	list_init(&thread->sessions);
	list_init(&thread->free);
	thread->random.state = run->options.seed + thread->index;
	line_buffer_init(&thread->received, run->options.received_path ? &run->received : NULL);
	if (run->options.tls != SINK_TLS_OFF)
		make_tls(thread);
	thread->listener.on_accept = on_accept;
	thread->listener.context = thread;
	int error = tcp_listener_open(&thread->listener, &thread->loop, address);
	common_address_format(address, text);
	if (error == 0 && thread->index == 0)
		error = ring_local_address(thread->loop.ring, thread->listener.fd, &run->address);
	if (error < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "cannot listen on %s: %s", text, strerror(-error));
	atomic_fetch_add(&run->threads_listening, 1);
}

static void turn(struct sink_thread *thread)
{
	uint64_t deadline_ns = thread->loop.now_ns + TURN_MS * CLOCK_NS_PER_MS;
	uint64_t due_ns = line_buffer_due_ns(&thread->received);
	if (due_ns < deadline_ns)
		deadline_ns = due_ns;
	if (thread->held_count > 0 && thread->held[thread->held_first].due_ns < deadline_ns)
		deadline_ns = thread->held[thread->held_first].due_ns;
	tcp_loop_turn(&thread->loop, deadline_ns);
	release_due(thread);
	line_buffer_flush(&thread->received, thread->loop.now_ns, false);
}

/* Answers that were promised still leave; then what is open is closed. */
static void wind_down(struct sink_thread *thread)
{
	uint64_t end_ns = thread->loop.now_ns + thread->run->options.delay_ns + STOP_GRACE_MS * CLOCK_NS_PER_MS;
	tcp_listener_stop(&thread->listener);
	while (thread->open > 0 && thread->loop.now_ns < end_ns)
		turn(thread);
	for (struct list *item = thread->sessions.next; item != &thread->sessions; item = item->next)
		tcp_io_stop(&container_of(item, struct sink_session, all)->io, 0);
	while (thread->open > 0 || thread->listener.fd >= 0)
		turn(thread);
}

static void end(struct sink_thread *thread)
{
	struct list *item;
	line_buffer_flush(&thread->received, 0, true);
	while ((item = list_take_first(&thread->sessions))) {
		struct sink_session *session = container_of(item, struct sink_session, all);
		tcp_io_free(&session->io);
		buffer_free(&session->envelope);
		buffer_free(&session->body);
		buffer_free(&session->held);
		free(session);
	}
	free(thread->held);
	tls_context_free(thread->tls);
	tcp_loop_deinit(&thread->loop);
}

void *sink_thread_main(void *argument)
{
	struct sink_thread *thread = argument;
	start(thread);
	while (!atomic_load_explicit(&thread->run->stop, memory_order_relaxed))
		turn(thread);
	wind_down(thread);
	end(thread);
	atomic_fetch_sub(&thread->run->threads_running, 1);
	tls_thread_end();
	return NULL;
}
