/*
 * core/control/issuers.c - see issuers.h.
 */
#include "core/control/issuers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/agents/revocations.h"
#include "core/base/clock.h"
#include "core/base/file_stamp.h"
#include "core/base/log.h"
#include "core/base/scheduling.h"
#include "core/config/config.h"
#include "core/control/client_certificate.h"
#include "core/control/gate.h"
#include "core/control/remote.h"
#include "core/events/running.h"

enum { LOOK_MS = 500, RETRY_S = 60, ENDING_PART = 20, TIME_SIZE = 40 };

static uint64_t files_of(const struct issuers *s)
{
	return file_stamp(file_stamp(0, s->config->control.http.client_ca), s->config->control.http.client_crl);
}

/* NULL: none are wanted, or `problem`. */
static struct revocations *read_lists(const struct config *config, char *problem, size_t size)
{
	const char *file = config->control.http.client_crl;
	struct revocations *lists;
	char why[400];

	problem[0] = '\0';
	lists = file ? revocations_read(file, why, sizeof(why)) : NULL;
	if (file && !lists)
		snprintf(problem, size, "control.http.client_crl: %s: %s", file, why);
	return lists;
}

static void look_away(void *context, const struct revocations_authority *authority)
{
}

/* `fresh`: nobody else looks at the lists yet. Then who has signed them is seen here, and not while somebody asks. */
static struct client_trust *read_issuers(const struct config *config, struct revocations *lists, bool fresh,
					 char *problem, size_t size)
{
	char *pem = remote_issuers_read(config, problem, size), why[256];
	struct client_trust *trust = pem ? client_trust_new(pem, lists, why, sizeof(why)) : NULL;

	if (pem && !trust)
		snprintf(problem, size, "control.http.client_ca: %s: %s", config->control.http.client_ca, why);
	if (trust && lists && fresh)
		(void)revocations_authorities(lists, pem, strlen(pem), time(NULL), look_away, NULL);
	free(pem);
	return trust;
}

int issuers_begin(struct issuers *s, const struct config *config, struct gate *gate, char *problem, size_t size)
{
	struct client_trust *trust;

	*s = (struct issuers){.config = config, .gate = gate};
	if (!config->control.http.client_ca)
		return 0;
	s->made_of = s->seen = files_of(s);
	s->lists_of = file_stamp(0, config->control.http.client_crl);
	s->revocations = read_lists(config, s->problem, sizeof(s->problem));
	s->untold = s->failed = s->problem[0] != '\0';
	s->retry_ns = clock_monotonic_ns() + RETRY_S * CLOCK_NS_PER_S;
	if (s->failed)
		s->lists_of = 0;
	snprintf(problem, size, "control.http: out of memory");
	if (s->untold && !(s->revocations = revocations_none()))
		return -ENOMEM;
	trust = read_issuers(config, s->revocations, true, problem, size);
	if (!trust)
		return -EINVAL;
	gate_trust(gate, trust);
	return 0;
}

/* ---- files that have changed ------------------------------------------------------------------------------------ */

static void *read_all(void *context)
{
	struct issuers *s = context;

	scheduling_background();
	s->lists = read_lists(s->config, s->problem, sizeof(s->problem));
	s->trust = read_issuers(s->config, s->lists ? s->lists : s->revocations, s->lists != NULL, s->trust_problem,
				sizeof(s->trust_problem));
	if (s->trust)
		s->trust_problem[0] = '\0';
	atomic_store_explicit(&s->done, true, memory_order_release);
	return NULL;
}

static void tell_read(const struct issuers *s, struct log *log)
{
	struct revocations_sum sum;
	struct log_event e;

	revocations_sum(s->revocations, &sum);
	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "client_crl_read");
	log_text(&e, "file", s->config->control.http.client_crl);
	log_number(&e, "lists", sum.lists);
	log_number(&e, "revoked", sum.revoked);
	log_end(&e);
}

static void tell_refused(const struct issuers *s, struct log *log)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "client_crl_refused");
	log_text(&e, "problem", s->problem);
	log_end(&e);
}

/* What was told, and is so still, is not told for each time that it is read again. */
static bool is_news(const struct issuers *s, const char *problem, char told[sizeof(s->told)])
{
	bool is = problem[0] && (!s->again || strcmp(problem, told) != 0);

	snprintf(told, sizeof(s->told), "%s", problem);
	return is;
}

/* What the thread has made is gone by from now on. */
static void take(struct issuers *s, uint64_t now_ns, struct log *log)
{
	bool others = s->lists && s->lists_taking != s->lists_of;

	(void)pthread_join(s->thread, NULL);
	s->reading = false;
	s->made_of = s->taking;
	if (s->lists) {
		revocations_free(s->revocations);
		s->revocations = s->lists;
	}
	/* Without issuers that can be used those before stay. */
	if (s->trust)
		gate_trust(s->gate, s->trust);
	else if (s->lists)
		gate_revoke(s->gate, s->lists);
	s->trust = NULL;
	if (others) {
		tell_read(s, log);
		s->lists_of = s->lists_taking;
	}
	s->lists = NULL;
	if (is_news(s, s->problem, s->told))
		tell_refused(s, log);
	if (is_news(s, s->trust_problem, s->trust_told))
		event_certificate_refused(log, s->trust_problem);
	s->failed = s->problem[0] || s->trust_problem[0];
	s->retry_ns = now_ns + RETRY_S * CLOCK_NS_PER_S;
}

static void begin_reading(struct issuers *s)
{
	atomic_store(&s->done, false);
	s->again = s->seen == s->made_of;
	s->problem[0] = '\0';
	s->taking = s->seen;
	s->lists_taking = file_stamp(0, s->config->control.http.client_crl);
	/* Else at the next look. */
	s->reading = pthread_create(&s->thread, NULL, read_all, s) == 0;
}

/* ---- lists that end --------------------------------------------------------------------------------------------- */

int64_t issuers_lists_end(const struct issuers *s, int64_t wall_s, bool *ending)
{
	struct revocations_sum sum = {.ends = INT64_MAX};
	int64_t life;

	*ending = false;
	if (s->revocations) {
		revocations_sum(s->revocations, &sum);
		*ending = sum.lists == 0;
	}
	if (sum.ends == INT64_MAX)
		return 0;
	life = sum.begins < sum.ends ? sum.ends - sum.begins : 0;
	*ending = wall_s >= sum.ends - life / ENDING_PART;
	return sum.ends;
}

static void look_at_end(struct issuers *s, int64_t wall_s, struct log *log)
{
	bool ending;
	int64_t ends = issuers_lists_end(s, wall_s, &ending);
	bool over = ending && wall_s >= ends;
	time_t shown = (time_t)ends;
	struct revocations_sum sum;
	char text[TIME_SIZE] = "";
	struct log_event e;
	struct tm tm;

	if (!ending || ends == 0 || (s->told_ends == ends && s->told_over == over))
		return;
	s->told_ends = ends;
	s->told_over = over;
	revocations_sum(s->revocations, &sum);
	if (gmtime_r(&shown, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	log_begin_at(&e, log, over ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "client_crl_ends");
	log_text(&e, "file", s->config->control.http.client_crl);
	log_text(&e, "issuer", sum.issuer);
	log_text(&e, "ends", text);
	log_bool(&e, "ended", over);
	log_end(&e);
}

/* Whoever writes a file in place is not done with it: it is read when it has been the same for a while. */
bool issuers_look(struct issuers *s, uint64_t now_ns, int64_t wall_s, struct log *log)
{
	uint64_t files;
	bool settled;

	if (!s->config || !s->config->control.http.client_ca)
		return true;
	if (s->reading && !atomic_load_explicit(&s->done, memory_order_acquire))
		return false;
	if (s->reading)
		take(s, now_ns, log);
	if (s->untold) {
		snprintf(s->told, sizeof(s->told), "%s", s->problem);
		tell_refused(s, log);
	}
	s->untold = false;
	if (now_ns < s->look_ns)
		return s->seen == s->made_of;
	s->look_ns = now_ns + LOOK_MS * CLOCK_NS_PER_MS;
	look_at_end(s, wall_s, log);
	files = files_of(s);
	settled = files == s->seen;
	s->seen = files;
	if (files == s->made_of && !(s->failed && now_ns >= s->retry_ns))
		return true;
	if (settled)
		begin_reading(s);
	return false;
}

void issuers_end(struct issuers *s)
{
	if (s->reading)
		(void)pthread_join(s->thread, NULL);
	s->reading = false;
	client_trust_free(s->trust);
	revocations_free(s->lists);
	revocations_free(s->revocations);
	s->trust = NULL;
	s->lists = s->revocations = NULL;
}
