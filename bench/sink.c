/*
 * bench/sink.c - the sink: starts the threads, says when it is ready, adds up and judges.
 *
 * Standard output carries one line of JSON when all threads listen, and the result unless --json names a file.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sink.h"
#include "core/base/clock.h"

enum { POLL_MS = 20, MISSING_SHOWN = 20 };

static void merge_names(struct sink_names *all, const struct sink_names *one)
{
	for (unsigned i = 0; i < SINK_NAMES_MAX; i++)
		if (one->count[i])
			sink_names_add(all, one->name[i], one->count[i]);
}

static void merge(struct sink_stats *all, const struct sink_stats *one)
{
	all->connections += one->connections;
	all->connections_refused += one->connections_refused;
	all->handshakes += one->handshakes;
	all->handshakes_resumed += one->handshakes_resumed;
	all->handshake_failures += one->handshake_failures;
	all->disconnects += one->disconnects;
	all->faults += one->faults;
	all->messages += one->messages;
	all->unnumbered += one->unnumbered;
	all->duplicates += one->duplicates;
	all->recipients += one->recipients;
	all->octets += one->octets;
	all->bad += one->bad;
	all->violations += one->violations;
	if (one->first_ns && (all->first_ns == 0 || one->first_ns < all->first_ns))
		all->first_ns = one->first_ns;
	if (one->last_ns > all->last_ns)
		all->last_ns = one->last_ns;
	for (unsigned i = 0; i < VERB_COUNT; i++)
		all->commands[i] += one->commands[i];
	merge_names(&all->versions, &one->versions);
	merge_names(&all->ciphers, &one->ciphers);
	if (!all->first_violation[0])
		memcpy(all->first_violation, one->first_violation, sizeof(all->first_violation));
	if (!all->first_tls_error[0])
		memcpy(all->first_tls_error, one->first_tls_error, sizeof(all->first_tls_error));
}

static void report_names(const struct sink_names *names, struct buffer *out, const char *key)
{
	json_begin(out, key, '{');
	for (unsigned i = 0; i < SINK_NAMES_MAX; i++)
		if (names->count[i])
			json_number(out, names->name[i], names->count[i]);
	json_end(out, '}');
}

static uint64_t report_missing(const struct sink_run *run, struct buffer *out)
{
	uint64_t some[MISSING_SHOWN];
	uint64_t missing = 0;
	if (!run->options.expect)
		return 0;
	missing = sink_account_missing(&run->account, run->options.expect_first, run->options.expect_last, some,
				       MISSING_SHOWN);
	json_number(out, "missing", missing);
	json_begin(out, "missing_first", '[');
	for (uint64_t i = 0; i < missing && i < MISSING_SHOWN; i++)
		json_number(out, NULL, some[i]);
	json_end(out, ']');
	return missing;
}

static void report_messages(const struct sink_stats *all, const struct sink_run *run, struct buffer *out)
{
	double seconds = all->last_ns > all->first_ns ? (double)(all->last_ns - all->first_ns) / 1e9 : 0;
	double cpu = common_cpu_seconds();
	json_number(out, "messages", all->messages);
	json_number(out, "distinct", run->account.distinct);
	json_number(out, "duplicates", all->duplicates);
	json_number(out, "unnumbered", all->unnumbered);
	json_number(out, "beyond_account", run->account.beyond);
	json_number(out, "recipients", all->recipients);
	json_number(out, "bytes", all->octets);
	json_number(out, "bad", all->bad);
	json_number(out, "violations", all->violations);
	json_string(out, "first_violation", all->first_violation, strlen(all->first_violation));
	json_number(out, "faults", all->faults);
	json_real(out, "seconds", seconds);
	json_real(out, "rate", seconds > 0 ? (double)(all->messages - 1) / seconds : 0);
	json_real(out, "cpu_seconds", cpu);
	json_real(out, "cpu_us_per_message", all->messages ? cpu * 1e6 / (double)all->messages : 0);
}

static void report_connections(const struct sink_stats *all, const struct sink_run *run, struct buffer *out)
{
	json_number(out, "connections", all->connections);
	json_number(out, "connections_peak", run->open_peak);
	json_number(out, "connections_refused", all->connections_refused);
	json_number(out, "disconnects", all->disconnects);
	json_number(out, "handshakes", all->handshakes);
	json_number(out, "handshakes_resumed", all->handshakes_resumed);
	json_number(out, "handshake_failures", all->handshake_failures);
	json_string(out, "first_tls_error", all->first_tls_error, strlen(all->first_tls_error));
	report_names(&all->versions, out, "tls_versions");
	report_names(&all->ciphers, out, "tls_ciphers");
	json_begin(out, "commands", '{');
	for (unsigned i = 0; i < VERB_COUNT; i++)
		if (all->commands[i])
			json_number(out, sink_verb_names[i], all->commands[i]);
	json_end(out, '}');
}

/* Tells everything; true when nothing that was asked for is missing. */
static bool report(const struct sink_run *run, const struct sink_stats *all)
{
	struct buffer out = {0};
	json_begin(&out, NULL, '{');
	json_string(&out, "event", "result", 6);
	report_messages(all, run, &out);
	uint64_t missing = report_missing(run, &out);
	report_connections(all, run, &out);
	bool complete = missing == 0 && run->account.distinct >= run->options.messages;
	json_bool(&out, "complete", complete);
	json_end(&out, '}');
	json_save(&out, run->options.json_path);
	buffer_free(&out);
	return complete;
}

static void start_thread(struct sink_run *run, struct sink_thread *thread, unsigned index)
{
	thread->run = run;
	thread->index = index;
	int error = pthread_create(&thread->thread, NULL, sink_thread_main, thread);
	if (error)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no thread can be started: %s", strerror(error));
	/* One after the other: the first finds out the port that the others share. */
	while (atomic_load(&run->threads_listening) <= index)
		if (common_signal_wait(1))
			atomic_store(&run->stop, true);
}

static void say_ready(const struct sink_run *run)
{
	struct buffer out = {0};
	char address[COMMON_ADDRESS_TEXT];
	common_address_format(&run->address, address);
	json_begin(&out, NULL, '{');
	json_string(&out, "event", "ready", 5);
	json_string(&out, "address", address, strlen(address));
	json_end(&out, '}');
	json_save(&out, NULL);
	buffer_free(&out);
}

static struct sink_run run;

int main(int argc, char **argv)
{
	struct sink_stats all = {0};
	common_program = "sink";
	sink_options_parse(&run.options, argc, argv);
	sink_account_init(&run.account);
	if (run.options.record_path)
		line_file_open(&run.record, "--record", run.options.record_path, true);
	if (run.options.received_path)
		line_file_open(&run.received, "--received", run.options.received_path, true);
	common_signals_block();
	common_raise_descriptors();
	if (run.options.tls != SINK_TLS_OFF)
		tls_global_init();
	struct sink_thread *threads = calloc(run.options.threads, sizeof(*threads));
	if (!threads)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	run.threads_running = run.options.threads;
	for (unsigned i = 0; i < run.options.threads; i++)
		start_thread(&run, &threads[i], i);
	say_ready(&run);
	while (atomic_load(&run.threads_running) > 0)
		if (common_signal_wait(POLL_MS))
			atomic_store(&run.stop, true);
	for (unsigned i = 0; i < run.options.threads; i++) {
		pthread_join(threads[i].thread, NULL);
		merge(&all, &threads[i].stats);
	}
	bool complete = report(&run, &all);
	if (run.options.record_path)
		line_file_close(&run.record);
	if (run.options.received_path)
		line_file_close(&run.received);
	sink_account_free(&run.account);
	free(threads);
	return complete ? COMMON_EXIT_OK : COMMON_EXIT_LOST;
}
