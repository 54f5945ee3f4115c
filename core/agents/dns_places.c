/*
 * core/agents/dns_places.c - whose turn it is to be asked for, for dns.c. See dns_private.h.
 *
 * A stranger's name has a place only for a moment, and goes on among the doubtful ones, or back to who asks. While
 * others wait for a place it is a shorter moment still, though no more lose theirs in a second than the library can
 * carry to their ends: it goes on with what was taken from it here, with a socket each.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/agents/dns_private.h"
#include "core/base/clock.h"

enum { UNHEARD_MS = 400 /* a failure after so long is the library's, which has heard nothing */ };

static const struct manner {
	unsigned places;
	unsigned patience_ms; /* with who has one and no answer; 0: until its deadline */
	unsigned jostle_ms;   /* the same while others wait for a place; 0: as long */
	unsigned pace_ms;     /* from one that lost its place so to the next */
} manners[DNS_RANKS] = {
	[DNS_OWN] = {.places = 256},
	[DNS_FIRST] = {.places = 128, .patience_ms = 2000, .jostle_ms = 200, .pace_ms = 4},
	[DNS_AGAIN] = {.places = 64, .jostle_ms = 2000, .pace_ms = 32},
};

/* ---- libraries --------------------------------------------------------------------------------------------------- */

/* In the order in which they are wanted, which is not that in which they come: domains wait elsewhere as well. */
void dns_wait(struct dns *dns, struct dns_job *job, enum dns_rank rank)
{
	struct list *waiting = &dns->places[rank].waiting, *at = waiting->prev;

	job->rank = rank;
	while (at != waiting && container_of(at, struct dns_job, link)->wanted_ns > job->wanted_ns)
		at = at->prev;
	list_prepend(at, &job->link);
}

/* From the beginning, when it has a place of that rank. */
static void wait_anew(struct dns *dns, struct dns_job *job, enum dns_rank rank)
{
	dns_cancel(dns, job);
	job->candidate = 0;
	job->empty = job->failed = job->unproven = job->bogus = false;
	list_remove(&job->link);
	dns_wait(dns, job, rank);
}

/* What is under way is asked anew, of the servers that are in the file now. */
void dns_renew(struct dns *dns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++) {
		struct dns_places *places = &dns->places[rank];
		while (!list_empty(&places->running))
			wait_anew(dns, container_of(places->running.next, struct dns_job, link), (enum dns_rank)rank);
		places->running_count = 0;
		dns_library_free(places->library);
		places->library = NULL;
	}
}

/* Where it cannot be made all that is asked of it fails. */
static void want_library(struct dns *dns, enum dns_rank rank)
{
	struct dns_places *places = &dns->places[rank];
	struct epoll_event event = {.events = EPOLLIN};

	if (places->library || places->tried)
		return;
	places->tried = true;
	places->library = dns_library_new(dns, rank);
	if (places->library && epoll_ctl(dns->epoll, EPOLL_CTL_ADD, dns_library_fd(places->library), &event) < 0) {
		dns_library_free(places->library);
		places->library = NULL;
	}
}

/* ---- losing a place ---------------------------------------------------------------------------------------------- */

static void expired(struct dns *dns, struct dns_job *job)
{
	if (!job->question->exchangers && !job->question->records && dns_take_data(dns, job))
		return;
	dns_answer_failed(dns, job, "no name server has answered", -ETIMEDOUT);
}

/* Not answered in its time among strangers' names. */
static void move_on(struct dns *dns, struct dns_job *job)
{
	if (!job->question->exchangers && !job->question->records && dns_take_data(dns, job))
		return;
	if (job->question->brief)
		dns_answer_failed(dns, job, "no name server has answered yet", -EAGAIN);
	else
		wait_anew(dns, job, DNS_AGAIN);
}

static void lose_place(struct dns *dns, struct dns_job *job)
{
	if (job->rank == DNS_FIRST)
		move_on(dns, job);
	else
		expired(dns, job);
}

/* The library has given it up, as it does in the end: a server that says so says it sooner, as a rule. */
static bool unheard(const struct dns_job *job, uint64_t now_ns)
{
	bool failed = false;

	if (job->rank == DNS_OWN || now_ns - job->began_ns < UNHEARD_MS * CLOCK_NS_PER_MS)
		return false;
	for (unsigned k = 0; k < DNS_KINDS; k++) {
		const struct dns_query *query = &job->queries[k];
		if (query->out || query->bogus || query->answer == DNS_ANSWER_DATA)
			return false;
		failed |= query->answer == DNS_ANSWER_FAILED;
	}
	return failed;
}

/* ---- taking one -------------------------------------------------------------------------------------------------- */

static void sooner(uint64_t *next_ns, uint64_t when_ns)
{
	if (when_ns < *next_ns)
		*next_ns = when_ns;
}

/* False: it is over, or waits elsewhere. */
static bool look_at_running(struct dns *dns, struct dns_job *job, uint64_t now_ns, uint64_t *next_ns)
{
	uint64_t patience_ns = manners[job->rank].patience_ms * CLOCK_NS_PER_MS;

	if (unheard(job, now_ns)) {
		lose_place(dns, job);
		return false;
	}
	if (!dns_step(dns, job, now_ns))
		return false;
	if (job->deadline_ns <= now_ns) {
		expired(dns, job);
		return false;
	}
	sooner(next_ns, job->deadline_ns);
	if (patience_ns == 0)
		return true;
	if (job->began_ns + patience_ns <= now_ns) {
		lose_place(dns, job);
		return false;
	}
	sooner(next_ns, job->began_ns + patience_ns);
	return true;
}

static void look_at_waiting(struct dns *dns, struct dns_job *job, uint64_t now_ns, uint64_t *next_ns)
{
	if (job->deadline_ns > now_ns)
		sooner(next_ns, job->deadline_ns);
	else if (job->began_ns)
		expired(dns, job);
	else
		dns_answer_failed(dns, job, "too many names are asked for at once", -EBUSY);
}

static void look_at(struct dns *dns, struct list *list, uint64_t now_ns, uint64_t *next_ns)
{
	struct list *link, *next;

	for (link = list->next; link != list; link = next) {
		struct dns_job *job = container_of(link, struct dns_job, link);
		struct dns_places *places = &dns->places[job->rank];
		bool running = list == &places->running, on = true;
		next = link->next;
		if (question_given_up(&job->question->question)) {
			dns_answer(dns, job, -ECANCELED);
			on = false;
		} else if (running) {
			on = look_at_running(dns, job, now_ns, next_ns);
		} else {
			look_at_waiting(dns, job, now_ns, next_ns);
		}
		if (running && !on)
			places->running_count--;
	}
}

/* False: all are taken, until *next_ns at least. */
static bool make_place(struct dns *dns, enum dns_rank rank, uint64_t now_ns, uint64_t *next_ns)
{
	const struct manner *manner = &manners[rank];
	struct dns_places *places = &dns->places[rank];
	struct dns_job *oldest = container_of(places->running.next, struct dns_job, link);
	uint64_t when_ns = places->jostled_ns + manner->pace_ms * CLOCK_NS_PER_MS;

	if (places->running_count < manner->places)
		return true;
	if (manner->jostle_ms == 0)
		return false;
	if (when_ns < oldest->began_ns + manner->jostle_ms * CLOCK_NS_PER_MS)
		when_ns = oldest->began_ns + manner->jostle_ms * CLOCK_NS_PER_MS;
	if (when_ns > now_ns) {
		sooner(next_ns, when_ns);
		return false;
	}
	places->jostled_ns = now_ns;
	places->running_count--;
	lose_place(dns, oldest);
	return true;
}

static void start_waiting(struct dns *dns, enum dns_rank rank, uint64_t now_ns, uint64_t *next_ns)
{
	struct dns_places *places = &dns->places[rank];

	while (!list_empty(&places->waiting) && make_place(dns, rank, now_ns, next_ns)) {
		bool newest = places->newest_next && rank != DNS_OWN;
		struct list *link = newest ? places->waiting.prev : places->waiting.next;
		struct dns_job *job = container_of(link, struct dns_job, link);
		places->newest_next = !places->newest_next;
		want_library(dns, rank);
		list_remove(link);
		list_append(&places->running, link);
		job->began_ns = now_ns;
		places->running_count += dns_ask_next(dns, job);
	}
}

bool dns_has_work(const struct dns *dns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++) {
		if (!list_empty(&dns->places[rank].running) || !list_empty(&dns->places[rank].waiting))
			return true;
	}
	return false;
}

/* In this order: who loses a place of one rank may want one of the next. */
void dns_look_at_all(struct dns *dns, uint64_t now_ns, uint64_t *next_ns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++) {
		struct dns_places *places = &dns->places[rank];
		look_at(dns, &places->running, now_ns, next_ns);
		look_at(dns, &places->waiting, now_ns, next_ns);
		start_waiting(dns, (enum dns_rank)rank, now_ns, next_ns);
		look_at(dns, &places->running, now_ns, next_ns);
	}
}

void dns_try_libraries(struct dns *dns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++)
		dns->places[rank].tried = false;
}

void dns_process(struct dns *dns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++) {
		if (dns->places[rank].library)
			dns_library_process(dns->places[rank].library);
	}
}

static void forget(struct dns *dns, struct list *list)
{
	struct list *link;

	while ((link = list_take_first(list)) != NULL) {
		struct dns_job *job = container_of(link, struct dns_job, link);
		dns_cancel(dns, job);
		free(job);
	}
}

void dns_places_end(struct dns *dns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++) {
		forget(dns, &dns->places[rank].running);
		forget(dns, &dns->places[rank].waiting);
		dns_library_free(dns->places[rank].library);
	}
	close(dns->epoll);
}

int dns_places_begin(struct dns *dns)
{
	for (unsigned rank = 0; rank < DNS_RANKS; rank++) {
		list_init(&dns->places[rank].waiting);
		list_init(&dns->places[rank].running);
	}
	dns->epoll = epoll_create1(EPOLL_CLOEXEC);
	return dns->epoll < 0 ? -errno : 0;
}
