/*
 * core/relay/certificates.c - see certificates.h.
 */
#include "core/relay/certificates.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/events/running.h"
#include "core/receive/inbound_tls.h"
#include "core/relay/relay.h"
#include "core/shard/snapshot.h"
#include "tls/tls.h"

enum { LOOK_S = 2, DATES_S = 60, DAY_S = 86400 };

/* What was told last of a certificate; another end is another certificate. */
struct certificate_told {
	char *file;
	int64_t not_after;
	int days;
};

static void renew(struct certificates *c, const struct relay *relay, struct log *log)
{
	const struct config *config = relay->snapshot->config;
	struct inbound_tls *inbound = relay->snapshot->inbound;
	uint64_t files = inbound_tls_files(config);
	bool settled = files == c->seen;
	struct tls_problem problem;

	c->seen = files;
	if (files == inbound_tls_made_of(inbound) || files == c->refused || !settled)
		return;
	if (inbound_tls_renew(inbound, config, &problem) < 0) {
		c->refused = files;
		event_certificate_refused(log, problem.text);
		return;
	}
	c->dates_ns = 0;
	event_certificate_renewed(log, config->certificate_count);
}

/* The last of these days that has come; more than all of them: none has. */
static int days_of(int64_t left_s)
{
	static const int days[] = {0, 1, 7, 14, 30};

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		if (left_s <= (int64_t)days[i] * DAY_S)
			return days[i];
	}
	return days[sizeof(days) / sizeof(days[0]) - 1] + 1;
}

/* NULL without memory. */
static struct certificate_told *told_of(struct certificates *c, const char *file, int64_t not_after)
{
	for (size_t i = 0; i < c->told_count; i++) {
		if (strcmp(c->told[i].file, file) != 0)
			continue;
		if (c->told[i].not_after != not_after)
			c->told[i].days = days_of(INT64_MAX);
		c->told[i].not_after = not_after;
		return &c->told[i];
	}
	struct certificate_told *larger = realloc(c->told, (c->told_count + 1) * sizeof(*larger));
	char *name = larger ? strdup(file) : NULL;
	if (larger)
		c->told = larger;
	if (!name)
		return NULL;
	c->told[c->told_count] = (struct certificate_told){name, not_after, days_of(INT64_MAX)};
	return &c->told[c->told_count++];
}

/* *first: of all so far. */
static void look_at_date(struct certificates *c, const char *file, int64_t wall_s, int64_t *first, struct log *log)
{
	size_t count;
	struct tls_certificate_text *texts = tls_certificates_read(file, "", &count);
	char day[32] = "";

	if (texts && count > 0) {
		struct certificate_told *told = told_of(c, file, texts[0].not_after);
		int64_t left = texts[0].not_after - wall_s;
		time_t shown = (time_t)texts[0].not_after;
		struct tm tm;
		if (*first == 0 || texts[0].not_after < *first)
			*first = texts[0].not_after;
		if (told && days_of(left) < told->days) {
			told->days = days_of(left);
			(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", gmtime_r(&shown, &tm));
			event_certificate_ends(log, file, texts[0].subject, day,
					       left > 0 ? (uint64_t)(left / DAY_S) : 0, left <= 0);
		}
	}
	free(texts);
}

/* When the first of them ends; 0: there is none. */
static int64_t look_at_dates(struct certificates *c, const struct config *config, int64_t wall_s, struct log *log)
{
	int64_t first = 0;

	for (size_t i = 0; i < config->certificate_count; i++)
		look_at_date(c, config->certificates[i].certificate, wall_s, &first, log);
	if (config->control.http.certificate)
		look_at_date(c, config->control.http.certificate, wall_s, &first, log);
	for (size_t i = 0; i < config->destination_count; i++) {
		if (config->destinations[i].certificate)
			look_at_date(c, config->destinations[i].certificate, wall_s, &first, log);
	}
	return first;
}

void certificates_look(struct certificates *c, struct relay *relay, uint64_t now_ns, int64_t wall_s, struct log *log)
{
	if (now_ns < c->look_ns)
		return;
	c->look_ns = now_ns + LOOK_S * CLOCK_NS_PER_S;
	if (relay->snapshot->config->certificate_count > 0)
		renew(c, relay, log);
	if (now_ns < c->dates_ns)
		return;
	c->dates_ns = now_ns + DATES_S * CLOCK_NS_PER_S;
	atomic_store_explicit(&relay->certificate_end, look_at_dates(c, relay->snapshot->config, wall_s, log),
			      memory_order_relaxed);
}

void certificates_deinit(struct certificates *c)
{
	for (size_t i = 0; i < c->told_count; i++)
		free(c->told[i].file);
	free(c->told);
}
