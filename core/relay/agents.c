/*
 * core/relay/agents.c - see agents.h.
 */
#include "core/relay/agents.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/agents/device_keeper.h"
#include "core/agents/dns.h"
#include "core/agents/dns_settings.h"
#include "core/agents/incident_word.h"
#include "core/agents/sts.h"
#include "core/agents/suppression.h"
#include "core/agents/tls_reports.h"
#include "core/agents/token.h"
#include "core/agents/verifier.h"
#include "core/agents/webhook.h"
#include "core/base/clock.h"
#include "core/base/line_ring.h"
#include "core/base/lines_kept.h"
#include "core/base/log.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/names.h"
#include "core/events/tracing.h"
#include "core/events/webhook.h"
#include "core/relay/relay.h"
#include "core/relay/reload.h"
#include "core/relay/trust_keeper.h"
#include "core/shard/snapshot.h"
#include "core/trace/keeper.h"
#include "core/trace/newest.h"
#include "core/trace/recent.h"

enum { INCIDENT_LINES = 1 << 17 };

static const char *start_names(struct deliverers *deliverers, const struct config *config)
{
	struct dns_settings settings;
	struct dns_kept kept;

	deliverers->dns = NULL;
	if (!names_wanted(config))
		return NULL;
	settings = dns_settings_of(config, &kept);
	deliverers->dns = dns_start(&settings);
	return deliverers->dns ? NULL : "no thread that asks for names can be started";
}

const char *agents_start_tokens(struct agents *agents, const struct config *config)
{
	struct deliverers *deliverers = &agents->relay->deliverers;

	if (!mailbox_tokens_wanted(config) || deliverers->tokens)
		return NULL;
	deliverers->tokens = tokens_start(agents->log);
	return deliverers->tokens ? NULL : "no thread that asks for tokens can be started";
}

/* The same for every configuration, as the spool is. */
const char *agents_start_policies(struct agents *agents, const struct config *config)
{
	struct deliverers *deliverers = &agents->relay->deliverers;
	char path[PATH_MAX];
	bool wanted = false;

	for (size_t d = 0; d < config->destination_count; d++)
		wanted |= config->destinations[d].mta_sts;
	if (!wanted || deliverers->sts)
		return NULL;
	if (snprintf(path, sizeof(path), "%s/mta-sts", config->spool.directory) < (int)sizeof(path))
		deliverers->sts = sts_start(path);
	return deliverers->sts ? NULL : "no thread that fetches MTA-STS policies can be started";
}

static const char *first_names(struct agents *agents, const struct config *config)
{
	const char *why = start_names(&agents->relay->deliverers, config);

	agents->relay->snapshot->dns = agents->relay->deliverers.dns;
	return why;
}

/* Both are the same for every configuration, so never replaced. */
static const char *start_verifiers(struct agents *agents, const struct config *config)
{
	struct receivers *receivers = &agents->relay->receivers;
	char path[PATH_MAX];

	if (!config->users)
		return NULL;
	/* Before anybody is compared: a shard that has none of the verifiers asks nobody's trust either. */
	if (!agents->trusts &&
	    snprintf(path, sizeof(path), "%s/signed-in", config->spool.directory) < (int)sizeof(path))
		agents->trusts = trust_keeper_start(path, receivers->guard, agents->sign_in_log);
	if (!receivers->verifiers)
		receivers->verifiers = verifiers_start();
	return agents->trusts && receivers->verifiers ? NULL : "no thread that compares passwords can be started";
}

static const char *first_verifiers(struct agents *agents, const struct config *config)
{
	const char *why = start_verifiers(agents, config);

	agents->relay->snapshot->verifiers = agents->relay->receivers.verifiers;
	return why;
}

/* The same for every configuration, as the spool is. */
static const char *start_devices(struct agents *agents, const struct config *config)
{
	struct receivers *receivers = &agents->relay->receivers;
	char path[PATH_MAX];

	if (!config->devices || receivers->devices)
		return NULL;
	if (snprintf(path, sizeof(path), "%s/devices", config->spool.directory) < (int)sizeof(path))
		receivers->devices = device_keeper_start(path, agents->device_log);
	return receivers->devices ? NULL : "no thread that keeps what is known of devices can be started";
}

static const char *first_devices(struct agents *agents, const struct config *config)
{
	const char *why = start_devices(agents, config);
	struct snapshot *snapshot = agents->relay->snapshot;
	struct device_keeper *keeper = agents->relay->receivers.devices;

	if (!keeper)
		return why;
	snapshot->devices = device_keeper_records(keeper, config->devices);
	device_keeper_follow(keeper, config->devices, snapshot->devices);
	return snapshot->devices || device_table_count(config->devices) == 0 ? NULL
									     : "there is no memory for all devices";
}

/* One directory for as long as the process runs: a list that changed with a reload would be two for a time. */
static const char *start_suppression(struct agents *agents, const struct config *config)
{
	struct receivers *receivers = &agents->relay->receivers;
	const char *directory = config->suppression.directory;

	if (!directory)
		return NULL;
	if (receivers->suppression)
		return strcmp(suppression_directory(receivers->suppression), directory) == 0
			       ? NULL
			       : "suppression.directory cannot change while postrider runs: restart it";
	receivers->suppression = suppression_start(directory, agents->suppression_log);
	return receivers->suppression
		       ? NULL
		       : "the suppression list cannot be read (suppression_unread), or there is no thread for it";
}

static const char *first_suppression(struct agents *agents, const struct config *config)
{
	const char *why = start_suppression(agents, config);

	agents->relay->snapshot->suppression =
		config->suppression.directory ? agents->relay->receivers.suppression : NULL;
	return why;
}

static enum sift_detail detail_of(const struct config *config)
{
	static const enum sift_detail details[] = {
		[CONFIG_TRACE_OFF] = SIFT_OFF,
		[CONFIG_TRACE_PROBLEMS] = SIFT_PROBLEMS,
		[CONFIG_TRACE_ALL] = SIFT_ALL,
		[CONFIG_TRACE_AUTO] = SIFT_AUTO,
	};

	return details[config->trace.detail];
}

static const char *first_recent(struct agents *agents, const struct config *config)
{
	if (!config->control.socket)
		return NULL;
	agents->relay->recent = recent_new();
	if (agents->relay->recent)
		log_writer_tap_unusual(agents->writer, LOG_TAP_RECENT, recent_take, agents->relay->recent);
	agents->relay->newest = newest_new();
	if (agents->relay->newest)
		log_writer_tap(agents->writer, LOG_TAP_NEWEST, newest_take, agents->relay->newest);
	return agents->relay->recent && agents->relay->newest ? NULL : "there is no memory for what went wrong lately";
}

/* False: it goes on as it did. */
static bool follow_trace(struct agents *agents, const struct config *config)
{
	const struct keeper_settings settings = {
		.path = config->trace.file,
		.keep_ms = config->trace.keep_ns / CLOCK_NS_PER_MS,
		.size_max = config->trace.size_max,
		.detail = detail_of(config),
	};

	if (settings.detail == SIFT_OFF) {
		if (agents->trace)
			log_writer_tap(agents->writer, LOG_TAP_TRACE, NULL, NULL);
		keeper_stop(agents->trace);
		agents->trace = NULL;
		return true;
	}
	if (agents->trace)
		return keeper_follow(agents->trace, &settings);
	agents->trace = keeper_start(&settings, agents->trace_log);
	if (agents->trace)
		log_writer_tap(agents->writer, LOG_TAP_TRACE, keeper_take, agents->trace);
	return agents->trace;
}

static const char *first_trace(struct agents *agents, const struct config *config)
{
	return follow_trace(agents, config) ? NULL : "no thread that keeps the trace can be started";
}

static void stop_trace(struct agents *agents)
{
	keeper_stop(agents->trace);
	agents->trace = NULL;
	newest_free(agents->relay->newest);
	agents->relay->newest = NULL;
	recent_free(agents->relay->recent);
	agents->relay->recent = NULL;
}

/* The file is the same for every configuration. One that was started stays, and does nothing where nothing is said of
 * it any more. */
static const char *start_tls_reports(struct agents *agents, const struct config *config)
{
	struct deliverers *deliverers = &agents->relay->deliverers;
	char path[PATH_MAX];

	if (!config->tls_reports.organization || deliverers->tls_reports)
		return NULL;
	if (snprintf(path, sizeof(path), "%s/tls-reports", config->spool.directory) < (int)sizeof(path))
		deliverers->tls_reports = tls_reports_start(path, agents->tls_report_log);
	return deliverers->tls_reports ? NULL : "no thread that reports about TLS can be started";
}

/* Without memory it goes on as before. */
static void follow_tls_reports(const struct agents *agents, const struct config *config)
{
	const struct tls_reports_settings settings = {
		.organization = config->tls_reports.organization,
		.contact = config->tls_reports.contact,
		.from = config->tls_reports.from,
		.submitter = config->hostname,
		.ca_file = config->tls_reports.ca_file,
	};

	if (agents->relay->deliverers.tls_reports)
		(void)tls_reports_follow(agents->relay->deliverers.tls_reports, &settings);
}

static const char *first_tls_reports(struct agents *agents, const struct config *config)
{
	const char *why = start_tls_reports(agents, config);

	follow_tls_reports(agents, config);
	return why;
}

/* Of each message only where somebody asked for that. */
static void tap_for_webhook(struct agents *agents, struct webhook *webhook, const struct webhook_settings *settings)
{
	bool usual = false;

	for (size_t i = 0; i < settings->kind_count; i++)
		usual |= line_event_fits(span_text("accepted"), settings->kinds[i]) ||
			 line_event_fits(span_text("attempt"), settings->kinds[i]);
	if (usual)
		log_writer_tap(agents->writer, LOG_TAP_WEBHOOK, webhook_take, webhook);
	else
		log_writer_tap_unusual(agents->writer, LOG_TAP_WEBHOOK, webhook_take, webhook);
}

/* One that was started stays, and does nothing where nothing is said of it any more. */
static bool follow_webhook(struct agents *agents, const struct config *config)
{
	const struct webhook_settings settings = {
		.url = config->events.webhook.url,
		.secret_file = config->events.webhook.secret_file,
		.relay = config->hostname,
		.ca_file = config->events.webhook.ca_file,
		.kinds = (const char *const *)config->events.webhook.kinds,
		.kind_count = config->events.webhook.url ? config->events.webhook.kind_count : 0,
		.batch = config->events.webhook.batch,
		.delay_ns = config->events.webhook.delay_ns,
		.size_max = config->events.webhook.size_max,
	};
	struct webhook *webhook = atomic_load(&agents->relay->webhook);
	struct webhook_memory memory = {.ring = NULL};
	char path[PATH_MAX];

	if (webhook && !webhook_follow(webhook, &settings))
		return false;
	if (webhook)
		tap_for_webhook(agents, webhook, &settings);
	if (webhook || !settings.url)
		return true;
	if (snprintf(path, sizeof(path), "%s/webhook", config->spool.directory) >= (int)sizeof(path))
		return false;
	if (agents->kept) {
		memory.ring = lines_kept_ring(agents->kept);
		memory.before = lines_kept_rings_before(agents->kept, &memory.before_count);
	}
	webhook = webhook_start(path, &settings, &memory, agents->webhook_log);
	if (!webhook)
		return false;
	atomic_store(&agents->relay->webhook, webhook);
	tap_for_webhook(agents, webhook, &settings);
	return true;
}

/* Mail does not wait for who is told of it. */
static void take_webhook(struct agents *agents, const struct config *config)
{
	if (!follow_webhook(agents, config) && !atomic_load(&agents->relay->webhook))
		event_webhook_unread(agents->webhook_log, config->spool.directory,
				     "its journal cannot be had, or there is no thread for it: reload again");
}

static const char *first_webhook(struct agents *agents, const struct config *config)
{
	take_webhook(agents, config);
	return NULL;
}

/* Those that say something of incidents, for who watches for them (core/control). */
static const char *first_incident_lines(struct agents *agents, const struct config *config)
{
	struct line_ring *ring;

	if (!agents->incidents_wanted)
		return NULL;
	ring = line_ring_new(INCIDENT_LINES);
	if (!ring)
		return "there is no memory for events of incidents";
	atomic_store(&agents->relay->incident_lines, ring);
	log_writer_tap_unusual(agents->writer, LOG_TAP_INCIDENTS, incident_word_take, ring);
	return NULL;
}

const char *agents_start(struct agents *agents, const struct config *config)
{
	static const char *(*const starts[])(struct agents * agents, const struct config *config) = {
		first_names,  first_verifiers,   first_devices, first_suppression,    first_trace,
		first_recent, first_tls_reports, first_webhook, first_incident_lines,
	};
	const char *why = NULL;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]) && !why; i++)
		why = starts[i](agents, config);
	return why;
}

void agents_stop_takers(struct agents *agents)
{
	stop_trace(agents);
	webhook_stop(atomic_exchange(&agents->relay->webhook, NULL));
	line_ring_free(atomic_exchange(&agents->relay->incident_lines, NULL));
}

const char *agents_prepare(struct agents *agents, const struct config *next)
{
	struct relay *relay = agents->relay;
	const char *why = agents_start_tokens(agents, next);

	agents->next = next;
	if (!why)
		why = agents_start_policies(agents, next);
	if (!why)
		why = start_verifiers(agents, next);
	if (!why)
		why = start_devices(agents, next);
	if (!why)
		why = start_suppression(agents, next);
	if (!why)
		why = start_tls_reports(agents, next);

	agents->before = relay->deliverers.dns;
	if (why || (agents->before && dns_settings_same(relay->snapshot->config, next)))
		return why;
	agents_sweep(agents);
	if (agents->before && agents->retired_count == AGENTS_RETIRED_MAX)
		return "name servers are still asked as dns said before: try again in a few seconds";
	why = start_names(&relay->deliverers, next);
	if (why)
		relay->deliverers.dns = agents->before;
	return why;
}

void agents_taken(struct agents *agents)
{
	follow_tls_reports(agents, agents->relay->snapshot->config);
	if (agents->before && agents->before != agents->relay->deliverers.dns)
		agents->retired[agents->retired_count++] = agents->before;
	take_webhook(agents, agents->next);
	/* Mail does not wait for its trace. Nobody else writes into this log where there is no thread. */
	if (!follow_trace(agents, agents->next) && !agents->trace)
		event_trace_unwritten(agents->trace_log, agents->next->trace.file, "no thread can be started");
}

void agents_refused(struct agents *agents)
{
	struct deliverers *deliverers = &agents->relay->deliverers;

	if (deliverers->dns != agents->before)
		dns_stop(deliverers->dns);
	deliverers->dns = agents->before;
}

void agents_sweep(struct agents *agents)
{
	unsigned i, left = 0;

	if (!reload_prepared(agents->relay))
		return;
	for (i = 0; i < agents->retired_count; i++) {
		if (dns_idle(agents->retired[i]))
			dns_stop(agents->retired[i]);
		else
			agents->retired[left++] = agents->retired[i];
	}
	agents->retired_count = left;
}

void agents_hasten(struct agents *agents)
{
	const struct deliverers *deliverers = &agents->relay->deliverers;

	for (unsigned i = 0; i < agents->retired_count; i++)
		dns_hasten(agents->retired[i]);
	dns_hasten(deliverers->dns);
	tokens_hasten(deliverers->tokens);
	sts_hasten(deliverers->sts);
}

void agents_stop(struct agents *agents)
{
	struct deliverers *deliverers = &agents->relay->deliverers;

	while (agents->retired_count > 0)
		dns_stop(agents->retired[--agents->retired_count]);
	dns_stop(deliverers->dns);
	tokens_stop(deliverers->tokens);
	sts_stop(deliverers->sts);
	tls_reports_stop(deliverers->tls_reports);
	verifiers_stop(agents->relay->receivers.verifiers);
	trust_keeper_stop(agents->trusts);
	agents->trusts = NULL;
	suppression_stop(agents->relay->receivers.suppression);
	agents->relay->receivers.suppression = NULL;
	device_keeper_stop(agents->relay->receivers.devices);
	agents->relay->receivers.devices = NULL;
}
