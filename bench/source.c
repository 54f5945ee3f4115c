/*
 * bench/source.c - the load generator: starts the threads, tells progress, adds up and judges.
 *
 * Exit status 0 only when every message that was begun was accepted; see source_options.c for the others.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/source.h"
#include "core/base/clock.h"

enum { POLL_MS = 20 };

static void merge(struct source_stats *all, const struct source_stats *one)
{
	all->connections += one->connections;
	all->connect_failures += one->connect_failures;
	all->ungreeted += one->ungreeted;
	all->handshakes += one->handshakes;
	all->handshakes_resumed += one->handshakes_resumed;
	all->handshake_failures += one->handshake_failures;
	all->disconnects += one->disconnects;
	all->protocol_errors += one->protocol_errors;
	all->fallbacks += one->fallbacks;
	all->taken += one->taken;
	all->sent += one->sent;
	all->accepted += one->accepted;
	all->refused += one->refused;
	all->resent += one->resent;
	all->unacknowledged += one->unacknowledged;
	all->recipients_refused += one->recipients_refused;
	all->octets += one->octets;
	for (unsigned i = 0; i < SOURCE_CODE_MAX; i++)
		all->refused_by_code[i] += one->refused_by_code[i];
	if (one->first_ns && (all->first_ns == 0 || one->first_ns < all->first_ns))
		all->first_ns = one->first_ns;
	if (one->last_ns > all->last_ns)
		all->last_ns = one->last_ns;
	if (!all->first_error[0])
		memcpy(all->first_error, one->first_error, sizeof(all->first_error));
	if (!all->tls_text[0])
		memcpy(all->tls_text, one->tls_text, sizeof(all->tls_text));
	histogram_merge(&all->content_latency, &one->content_latency);
	histogram_merge(&all->message_latency, &one->message_latency);
}

static void report_options(const struct source_options *options, const struct source_content *content,
			   struct buffer *out)
{
	static const char *const modes[] = {"lockstep", "grouped", "pipelined"};
	static const char *const tls[] = {"off", "starttls", "implicit"};
	json_begin(out, "options", '{');
	json_string(out, "target", options->target_text, strlen(options->target_text));
	json_number(out, "connections", options->connections);
	json_number(out, "threads", options->threads);
	json_string(out, "mode", modes[options->mode], strlen(modes[options->mode]));
	json_bool(out, "chunking", options->chunking);
	json_bool(out, "blind", options->blind);
	json_number(out, "window", options->window);
	json_string(out, "tls", tls[options->tls], strlen(tls[options->tls]));
	json_number(out, "size", content->head_length + content->body_length);
	json_number(out, "recipients", options->recipients);
	json_real(out, "rate", options->rate);
	json_end(out, '}');
}

static void report_connections(const struct source_stats *all, struct buffer *out)
{
	json_number(out, "connections", all->connections);
	json_number(out, "connect_failures", all->connect_failures);
	json_number(out, "ungreeted", all->ungreeted);
	json_number(out, "disconnects", all->disconnects);
	json_number(out, "protocol_errors", all->protocol_errors);
	json_number(out, "fallbacks", all->fallbacks);
	json_number(out, "handshakes", all->handshakes);
	json_number(out, "handshakes_resumed", all->handshakes_resumed);
	json_number(out, "handshake_failures", all->handshake_failures);
	json_string(out, "tls", all->tls_text, strlen(all->tls_text));
	json_string(out, "first_error", all->first_error, strlen(all->first_error));
}

static void report(struct source_run *run, const struct source_stats *all, double elapsed, bool complete)
{
	struct buffer out = {0};
	double seconds = all->last_ns > all->first_ns ? (double)(all->last_ns - all->first_ns) / 1e9 : 0;
	double cpu = common_cpu_seconds();
	json_begin(&out, NULL, '{');
	json_string(&out, "event", "result", 6);
	json_bool(&out, "complete", complete);
	json_number(&out, "messages", all->taken);
	json_number(&out, "sent", all->sent);
	json_number(&out, "accepted", all->accepted);
	json_number(&out, "refused", all->refused);
	json_begin(&out, "refused_by_code", '{');
	for (unsigned code = 0; code < SOURCE_CODE_MAX; code++) {
		char key[8];
		snprintf(key, sizeof(key), "%u", code);
		if (all->refused_by_code[code])
			json_number(&out, key, all->refused_by_code[code]);
	}
	json_end(&out, '}');
	json_number(&out, "recipients_refused", all->recipients_refused);
	json_number(&out, "unacknowledged", all->unacknowledged);
	json_number(&out, "resent", all->resent);
	report_connections(all, &out);
	json_real(&out, "seconds", seconds);
	json_real(&out, "elapsed_seconds", elapsed);
	json_real(&out, "rate", seconds > 0 ? (double)all->accepted / seconds : 0);
	json_number(&out, "bytes", all->octets);
	json_real(&out, "cpu_seconds", cpu);
	json_real(&out, "cpu_us_per_message", all->accepted ? cpu * 1e6 / (double)all->accepted : 0);
	histogram_json(&all->content_latency, &out, "latency_content");
	histogram_json(&all->message_latency, &out, "latency_message");
	report_options(&run->options, &run->content, &out);
	json_end(&out, '}');
	json_save(&out, run->options.json_path);
	buffer_free(&out);
	fprintf(stderr, "source: %llu of %llu accepted, %.0f a second, p50 %.0f us, p99 %.0f us%s%s\n",
		(unsigned long long)all->accepted, (unsigned long long)all->taken,
		seconds > 0 ? (double)all->accepted / seconds : 0,
		(double)histogram_quantile(&all->message_latency, 0.5) / 1e3,
		(double)histogram_quantile(&all->message_latency, 0.99) / 1e3,
		all->first_error[0] ? "; first error: " : "", all->first_error);
}

static void show_progress(struct source_thread *threads, unsigned count, uint64_t begin_ns, uint64_t *last)
{
	uint64_t sent = 0, accepted = 0;
	for (unsigned i = 0; i < count; i++) {
		sent += atomic_load_explicit(&threads[i].stats.sent, memory_order_relaxed);
		accepted += atomic_load_explicit(&threads[i].stats.accepted, memory_order_relaxed);
	}
	fprintf(stderr, "source: %.0f s, %llu sent, %llu accepted, %llu in the last second\n",
		(double)(clock_monotonic_ns() - begin_ns) / 1e9, (unsigned long long)sent, (unsigned long long)accepted,
		(unsigned long long)(accepted - *last));
	*last = accepted;
}

static struct source_thread *start_threads(struct source_run *run)
{
	unsigned count = run->options.threads;
	struct source_thread *threads = calloc(count, sizeof(*threads));
	if (!threads)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	run->threads_running = count;
	for (unsigned i = 0; i < count; i++) {
		threads[i].run = run;
		threads[i].index = i;
		threads[i].session_count = run->options.connections / count + (i < run->options.connections % count);
		int error = pthread_create(&threads[i].thread, NULL, source_thread_main, &threads[i]);
		if (error)
			common_fail(COMMON_EXIT_ENVIRONMENT, "no thread can be started: %s", strerror(error));
	}
	return threads;
}

static void wait_for_threads(struct source_run *run, struct source_thread *threads)
{
	uint64_t begin_ns = clock_monotonic_ns();
	uint64_t progress_ns = begin_ns + CLOCK_NS_PER_S, last = 0;
	while (atomic_load(&run->threads_running) > 0) {
		if (common_signal_wait(POLL_MS))
			atomic_store(&run->stop, true);
		if (run->options.progress && clock_monotonic_ns() >= progress_ns) {
			show_progress(threads, run->options.threads, begin_ns, &last);
			progress_ns += CLOCK_NS_PER_S;
		}
	}
	for (unsigned i = 0; i < run->options.threads; i++)
		pthread_join(threads[i].thread, NULL);
}

int main(int argc, char **argv)
{
	static struct source_run run;
	struct source_stats *all = calloc(1, sizeof(*all));
	assert(all);
	common_program = "source";
	source_options_parse(&run.options, argc, argv);
	source_content_init(&run.content, &run.options);
	if (run.options.acknowledged_path)
		line_file_open(&run.acknowledged, "--acknowledged", run.options.acknowledged_path, false);
	common_signals_block();
	if (common_raise_descriptors() < run.options.connections + 32)
		common_warn("fewer descriptors than connections are allowed: ulimit -n raises the limit");
	if (run.options.tls != SOURCE_TLS_OFF)
		tls_global_init();
	uint64_t begin_ns = clock_monotonic_ns();
	struct source_thread *threads = start_threads(&run);
	wait_for_threads(&run, threads);
	double elapsed = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
	for (unsigned i = 0; i < run.options.threads; i++)
		merge(all, &threads[i].stats);
	bool complete =
		all->accepted == all->taken && all->taken > 0 &&
		(run.options.messages == UINT64_MAX || run.options.duration_ns || all->taken == run.options.messages);
	report(&run, all, elapsed, complete);
	if (run.options.acknowledged_path)
		line_file_close(&run.acknowledged);
	source_content_free(&run.content);
	free(threads);
	free(all);
	return complete ? COMMON_EXIT_OK : COMMON_EXIT_LOST;
}
