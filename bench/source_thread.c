/*
 * bench/source_thread.c - one thread of the load generator: its sessions, the schedule, what is sent again.
 *
 * The thread turns its loop until every session has ended. Between turns it connects sessions whose time has come
 * (only so many at once, or a server's backlog overflows and the kernel's retries would be measured), wakes idle
 * sessions for scheduled messages, and writes what was acknowledged. A run in which no answer comes for --timeout
 * is cut off; what is in flight then counts as unacknowledged.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/source.h"
#include "core/base/clock.h"

enum { CONNECTING_MAX = 64, TURN_MS = 100, STOP_GRACE_MS = 2000 };

void source_thread_error(struct source_thread *thread, const char *format, ...)
{
	va_list arguments;
	if (thread->stats.first_error[0])
		return;
	va_start(arguments, format);
	vsnprintf(thread->stats.first_error, sizeof(thread->stats.first_error), format, arguments);
	va_end(arguments);
}

/* ---- what is to be sent ------------------------------------------------------------------------------------- */

static bool duration_over(const struct source_thread *thread)
{
	uint64_t duration_ns = thread->run->options.duration_ns;
	return duration_ns && thread->start_ns && thread->loop.now_ns - thread->start_ns >= duration_ns;
}

bool source_thread_exhausted(const struct source_thread *thread)
{
	struct source_run *run = thread->run;
	if (atomic_load_explicit(&run->stop, memory_order_relaxed))
		return true;
	if (thread->again_count > 0)
		return false;
	return duration_over(thread) || atomic_load_explicit(&run->next, memory_order_relaxed) >= run->options.messages;
}

/* When this thread's next scheduled message is due; every thread serves its share of the rate. */
static uint64_t schedule_due_ns(const struct source_thread *thread)
{
	const struct source_options *options = &thread->run->options;
	double position = (double)thread->scheduled * options->threads + thread->index;
	return thread->start_ns + (uint64_t)(position * 1e9 / options->rate);
}

enum source_next source_thread_next(struct source_thread *thread, struct source_message *message)
{
	struct source_run *run = thread->run;
	if (source_thread_exhausted(thread))
		return SOURCE_NEXT_NONE;
	if (thread->again_count > 0) {
		const struct source_again *again = &thread->again[thread->again_first];
		message->sequence = again->sequence;
		message->due_ns = again->due_ns;
		thread->again_first = (thread->again_first + 1) % thread->again_capacity;
		thread->again_count--;
		thread->stats.resent++;
		return SOURCE_NEXT_MESSAGE;
	}
	if (thread->start_ns == 0)
		thread->start_ns = thread->loop.now_ns;
	message->due_ns = thread->loop.now_ns;
	if (run->options.rate > 0) {
		message->due_ns = schedule_due_ns(thread);
		if (message->due_ns > thread->loop.now_ns)
			return SOURCE_NEXT_LATER;
	}
	uint64_t number = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
	if (number >= run->options.messages)
		return SOURCE_NEXT_NONE;
	message->sequence = run->options.sequence_start + number;
	thread->scheduled++;
	thread->stats.taken++;
	if (thread->stats.first_ns == 0)
		thread->stats.first_ns = thread->loop.now_ns;
	return SOURCE_NEXT_MESSAGE;
}

static void grow_again(struct source_thread *thread)
{
	size_t capacity = thread->again_capacity ? thread->again_capacity * 2 : 64;
	struct source_again *grown = calloc(capacity, sizeof(*grown));
	if (!grown)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < thread->again_count; i++)
		grown[i] = thread->again[(thread->again_first + i) % thread->again_capacity];
	free(thread->again);
	thread->again = grown;
	thread->again_first = 0;
	thread->again_capacity = capacity;
}

void source_thread_send_again(struct source_thread *thread, const struct source_message *message)
{
	if (thread->again_count == thread->again_capacity)
		grow_again(thread);
	size_t at = (thread->again_first + thread->again_count) % thread->again_capacity;
	thread->again[at] = (struct source_again){message->sequence, message->due_ns};
	thread->again_count++;
}

/* ---- turns -------------------------------------------------------------------------------------------------- */

void source_thread_connect_later(struct source_thread *thread, struct source_session *session, uint64_t when_ns)
{
	assert(session->state == SOURCE_WAITING);
	session->retry_ns = when_ns;
	struct list *before = thread->waiting.prev;
	while (before != &thread->waiting && container_of(before, struct source_session, link)->retry_ns > when_ns)
		before = before->prev;
	/* list_append() puts in front of what it is given as the head. */
	list_append(before->next, &session->link);
}

static void connect_due(struct source_thread *thread)
{
	while (!list_empty(&thread->waiting) && thread->connecting < CONNECTING_MAX) {
		struct source_session *session = container_of(thread->waiting.next, struct source_session, link);
		if (session->retry_ns > thread->loop.now_ns && !source_thread_exhausted(thread))
			return;
		list_remove(&session->link);
		source_session_connect(session);
	}
}

static void run_schedule(struct source_thread *thread)
{
	while (!list_empty(&thread->idle)) {
		if (thread->again_count == 0 && schedule_due_ns(thread) > thread->loop.now_ns &&
		    !source_thread_exhausted(thread))
			return;
		struct list *item = list_take_first(&thread->idle);
		source_transfer_pump(container_of(item, struct source_session, link));
	}
}

static bool awaits_something(const struct source_session *session)
{
	return session->state != SOURCE_ENDED && (session->state != SOURCE_READY || session->count > 0);
}

static void cut_off(struct source_thread *thread, const char *why)
{
	for (unsigned i = 0; i < thread->session_count; i++) {
		struct source_session *session = &thread->sessions[i];
		if (session->state != SOURCE_ENDED && session->state != SOURCE_WAITING)
			source_session_abort(session, why);
	}
}

/* Ends the run on the operator's signal after a grace, or when the server has fallen silent. */
static void watch(struct source_thread *thread)
{
	struct source_run *run = thread->run;
	uint64_t now_ns = thread->loop.now_ns;
	if (thread->stop_ns != UINT64_MAX) {
		if (now_ns >= thread->stop_ns)
			cut_off(thread, "stopped");
		return;
	}
	if (atomic_load_explicit(&run->stop, memory_order_relaxed)) {
		thread->stop_ns = now_ns + STOP_GRACE_MS * CLOCK_NS_PER_MS;
		return;
	}
	if (now_ns - thread->progress_ns <= run->options.timeout_ns)
		return;
	bool silent = false;
	for (unsigned i = 0; i < thread->session_count && !silent; i++)
		silent = awaits_something(&thread->sessions[i]);
	thread->progress_ns = now_ns;
	if (silent) {
		source_thread_error(thread, "no answer for %.0f s", (double)run->options.timeout_ns / 1e9);
		atomic_store(&run->stop, true);
		thread->stop_ns = now_ns;
	}
}

static uint64_t deadline(const struct source_thread *thread)
{
	uint64_t deadline_ns = thread->loop.now_ns + TURN_MS * CLOCK_NS_PER_MS;
	uint64_t due_ns = line_buffer_due_ns(&thread->acknowledged);
	if (due_ns < deadline_ns)
		deadline_ns = due_ns;
	if (!list_empty(&thread->idle)) {
		due_ns = schedule_due_ns(thread);
		if (due_ns < deadline_ns)
			deadline_ns = due_ns;
	}
	if (!list_empty(&thread->waiting) && thread->connecting < CONNECTING_MAX) {
		due_ns = container_of(thread->waiting.next, struct source_session, link)->retry_ns;
		if (due_ns < deadline_ns)
			deadline_ns = due_ns;
	}
	return deadline_ns;
}

static void start(struct source_thread *thread)
{
	const struct source_options *options = &thread->run->options;
	tcp_loop_init(&thread->loop);
	list_init(&thread->idle);
	list_init(&thread->waiting);
	thread->stop_ns = UINT64_MAX;
	thread->progress_ns = thread->loop.now_ns;
	line_buffer_init(&thread->acknowledged, options->acknowledged_path ? &thread->run->acknowledged : NULL);
	if (options->tls != SOURCE_TLS_OFF) {
		struct tls_problem problem = {""};
		struct tls_context_config config = {
			.verify_peer = options->ca_file != NULL,
			.ca_file = options->ca_file,
			.certificate_file = options->certificate_file,
			.private_key_file = options->private_key_file,
		};
		thread->tls = tls_context_new(&config, &problem);
		if (!thread->tls)
			common_fail(COMMON_EXIT_USAGE, "TLS cannot be set up: %s", problem.text);
	}
	thread->sessions = calloc(thread->session_count, sizeof(thread->sessions[0]));
	if (!thread->sessions)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory for %u connections", thread->session_count);
	for (unsigned i = 0; i < thread->session_count; i++) {
		source_session_init(&thread->sessions[i], thread);
		source_thread_connect_later(thread, &thread->sessions[i], thread->loop.now_ns);
	}
}

static void end(struct source_thread *thread)
{
	line_buffer_flush(&thread->acknowledged, 0, true);
	thread->stats.unacknowledged += thread->again_count;
	for (unsigned i = 0; i < thread->session_count; i++)
		source_session_deinit(&thread->sessions[i]);
	free(thread->sessions);
	free(thread->again);
	tls_context_free(thread->tls);
	tcp_loop_deinit(&thread->loop);
}

void *source_thread_main(void *argument)
{
	struct source_thread *thread = argument;
	start(thread);
	while (thread->sessions_ended < thread->session_count) {
		watch(thread);
		connect_due(thread);
		run_schedule(thread);
		tcp_loop_turn(&thread->loop, deadline(thread));
		line_buffer_flush(&thread->acknowledged, thread->loop.now_ns, false);
	}
	end(thread);
	atomic_fetch_sub(&thread->run->threads_running, 1);
	tls_thread_end();
	return NULL;
}
