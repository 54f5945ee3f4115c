/*
 * tests/unit/test_mail.c - mail and its deliveries: who stands where after each kind of round, and what comes back from
 * the state that is written, against a plain model of recipients.
 */
#include "core/store/mail.h"

#include <stdlib.h>

#include "core/base/random.h"
#include "tests/unit/check.h"

enum { NOW = 1000000, WALL = 5000000, MANY = 60 };

static uint8_t buffer[STATE_SIZE_MAX];

static bool is_odd(const void *context, unsigned i)
{
	return i % 2 == 1;
}

static bool from_on(const void *context, unsigned i)
{
	return i >= *(const unsigned *)context;
}

static void test_one_fate(void)
{
	struct mail m;

	mail_init(&m, 3, 7);
	CHECK(mail_of(&m.first) == &m && m.live == 1 && m.first.lane == 7);
	CHECK(mail_next(&m, NULL) == &m.first && mail_next(&m, &m.first) == NULL);
	CHECK(mail_stands_in(&m, &m.first, 2) && mail_status(&m, 2) == RECIPIENT_PENDING);
	CHECK_EQ(mail_count(&m, RECIPIENT_PENDING), 3);
	CHECK_EQ(mail_count(&m, RECIPIENT_FAILED), 0);
	mail_retire(&m, &m.first);
	CHECK(m.live == 0 && mail_next(&m, NULL) == NULL);
	mail_deinit(&m);
}

/* The first goes on at once, the second waits; then the first waits, too, and they are one again. */
static void test_split_and_join(void)
{
	struct delivery *rest, *third;
	struct mail m;

	mail_init(&m, 4, 7);
	m.first.attempts = 2;
	m.first.order = DELIVERY_HOLD;
	CHECK_EQ(mail_tell_apart(&m), 0);
	rest = mail_split(&m, &m.first, is_odd, NULL);
	CHECK(rest && rest != &m.first && mail_of(rest) == &m && rest->lane == 7 && rest->attempts == 2);
	/* What was said of all of them is said of each part. */
	CHECK_EQ(rest->order, DELIVERY_HOLD);
	m.first.order = rest->order = DELIVERY_GO_ON;
	CHECK(m.live == 2 && mail_next(&m, &m.first) == rest && mail_next(&m, rest) == NULL);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(mail_stands_in(&m, &m.first, i), i % 2 == 0);
		CHECK_EQ(mail_stands_in(&m, rest, i), i % 2 == 1);
	}
	rest->place = DELIVERY_WAITING;
	rest->due_ns = 1000;
	m.first.due_ns = 1300;
	CHECK(mail_join(&m, &m.first, 200) == NULL); /* too far apart */
	m.first.attempts = 3;
	CHECK(mail_join(&m, &m.first, 300) == NULL); /* tried more often */
	m.first.attempts = 2;
	m.first.order = DELIVERY_HOLD;
	CHECK(mail_join(&m, &m.first, 300) == NULL); /* and is to wait when it is back */
	m.first.order = DELIVERY_GO_ON;
	CHECK(mail_join(&m, &m.first, 300) == rest);
	CHECK(mail_stands_in(&m, rest, 0) && mail_stands_in(&m, rest, 1) && !mail_stands_in(&m, &m.first, 0));
	mail_retire(&m, &m.first);
	CHECK(m.live == 1 && mail_next(&m, NULL) == rest);
	/* The place of the first is taken again. */
	third = mail_split(&m, rest, is_odd, NULL);
	CHECK(third == &m.first && m.live == 2 && mail_stands_in(&m, third, 3) && mail_stands_in(&m, rest, 2));
	mail_end(&m, 3, RECIPIENT_DELIVERED, 1);
	mail_end(&m, 2, RECIPIENT_FAILED, 3);
	CHECK(!mail_stands_in(&m, third, 3) && mail_status(&m, 2) == RECIPIENT_FAILED);
	CHECK_EQ(mail_count(&m, RECIPIENT_PENDING), 2);
	mail_retire(&m, rest);
	mail_deinit(&m);
}

static void test_replies(void)
{
	const struct state_reply a = {451, 6, span_text("4.2.1 a")}, b = {451, 6, span_text("4.2.1 b")};
	struct mail m;
	unsigned one, two;

	mail_init(&m, 2, 0);
	CHECK_EQ(mail_tell_apart(&m), 0);
	one = mail_keep_reply(&m, &a);
	two = mail_keep_reply(&m, &b);
	CHECK(one && two && one != two);
	CHECK_EQ(mail_keep_reply(&m, &a), one); /* shared */
	mail_answer(&m, 0, two);
	mail_answer(&m, 1, two);
	mail_sweep_replies(&m);
	CHECK_EQ(mail_keep_reply(&m, &b), two);
	for (unsigned i = 0; i < 2 * STATE_REPLIES_MAX; i++) {
		char text[8];
		snprintf(text, sizeof(text), "%u", i);
		unsigned kept = mail_keep_reply(&m, &(struct state_reply){.text = span_text(text)});
		CHECK_EQ(kept == 0, i >= STATE_REPLIES_MAX - 1);
	}
	CHECK(two == mail_keep_reply(&m, &b));
	mail_deinit(&m);
}

/* ---- written and read again ------------------------------------------------------------------------------------- */

/* Of the sample's recipients: each third goes to another destination. */
static unsigned lane_of(const void *context, const struct envelope_recipient *recipient)
{
	const unsigned *lanes = context;

	return lanes[recipient->destination];
}

static size_t envelope_make(uint8_t *out, size_t room, unsigned recipients, unsigned destinations)
{
	struct envelope fields = {0};
	struct envelope_writer w;

	envelope_begin(&w, out, room, &fields);
	for (unsigned i = 0; i < destinations; i++)
		envelope_add_destination(&w, span_text("d"));
	for (unsigned i = 0; i < recipients; i++)
		envelope_add_recipient(&w, i % destinations, span_text("r@example.com"));
	return envelope_end(&w);
}

struct seen {
	uint8_t status;
	uint16_t attempts;
	uint64_t due_ns;
	char reply[8];
};

/* What a mail says of recipient i. */
static struct seen look(const struct mail *m, unsigned i)
{
	struct seen seen = {.status = (uint8_t)mail_status(m, i)};
	const struct delivery *d = NULL;

	if (m->fates && m->fates->recipients[i].reply) {
		const struct mail_reply *r = m->fates->replies[m->fates->recipients[i].reply - 1];
		memcpy(seen.reply, r->text, r->length);
	}
	if (seen.status == RECIPIENT_FAILED)
		seen.attempts = m->fates->recipients[i].attempts;
	while ((d = mail_next(m, d))) {
		if (!mail_stands_in(m, d, i))
			continue;
		seen.attempts = d->attempts;
		seen.due_ns = d->place == DELIVERY_WAITING ? d->due_ns : 0;
	}
	return seen;
}

/* As a process finds it that starts at the same moment. */
static void check_restored(const struct mail *m, const struct envelope *e, const unsigned *lanes, size_t length)
{
	const struct mail_clock clock = {NOW, WALL, 1u << 30};
	struct mail back = {.accepted_wall_ns = WALL};
	struct queue_state state;

	CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
	CHECK_EQ(mail_restore(&back, e, &state, lane_of, lanes, &clock), 0);
	CHECK_EQ(back.recipients, m->recipients);
	for (unsigned i = 0; i < m->recipients; i++) {
		struct seen a = look(m, i), b = look(&back, i);
		const struct delivery *d = NULL;
		unsigned times = 0;

		while ((d = mail_next(&back, d))) {
			times += mail_stands_in(&back, d, i);
			if (mail_stands_in(&back, d, i) && d->due_ns > NOW)
				b.due_ns = d->due_ns;
		}
		CHECK_EQ(times, a.status == RECIPIENT_PENDING);
		CHECK_EQ(b.status, a.status);
		CHECK_EQ(b.attempts, a.attempts);
		CHECK_EQ(b.due_ns, a.due_ns > NOW ? a.due_ns : 0);
		if (m->fates && a.status != RECIPIENT_DELIVERED && back.fates)
			CHECK_STR(b.reply, a.reply);
	}
	mail_deinit(&back);
}

static void test_restore_one_fate(void)
{
	static const unsigned lanes[] = {5};
	const struct state_reply told = {451, 6, span_text("later")};
	uint8_t room[4096];
	struct envelope e;
	struct mail m;

	CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 3, 1), &e), 0);
	mail_init(&m, 3, 5);
	m.first.attempts = 4;
	m.first.place = DELIVERY_WAITING;
	m.first.due_ns = NOW + 777;
	check_restored(&m, &e, lanes, mail_encode(&m, &told, NOW, WALL, buffer));
	mail_deinit(&m);
}

static void test_restore_no_state(void)
{
	static const unsigned lanes[] = {5, MAIL_NO_LANE, 6};
	const struct mail_clock clock = {NOW, WALL, 1u << 30};
	struct mail m = {.accepted_wall_ns = WALL - 100};
	const struct delivery *d = NULL;
	uint8_t room[4096];
	struct envelope e;

	CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 6, 3), &e), 0);
	CHECK_EQ(mail_restore(&m, &e, NULL, lane_of, lanes, &clock), 0);
	CHECK_EQ(m.live, 3);
	while ((d = mail_next(&m, d))) {
		CHECK(d->lane == 5 || d->lane == 6 || d->lane == MAIL_NO_LANE);
		CHECK_EQ(d->place, d->lane == MAIL_NO_LANE ? DELIVERY_KEPT : DELIVERY_NONE);
		CHECK_EQ(d->due_ns, NOW - 100);
		for (unsigned i = 0; i < 6; i++)
			CHECK_EQ(mail_stands_in(&m, d, i), lanes[i % 3] == d->lane);
	}
	mail_deinit(&m);
}

/* A clock that was set back (SYS-06). */
static void test_restore_far_ahead(void)
{
	static const unsigned lanes[] = {5};
	const struct mail_clock clock = {NOW, WALL, 300};
	struct mail m = {0};
	struct queue_state state;
	struct envelope e;
	uint8_t room[4096];
	size_t length;

	CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 1, 1), &e), 0);
	mail_init(&m, 1, 5);
	m.first.place = DELIVERY_WAITING;
	m.first.due_ns = NOW + 100000;
	length = mail_encode(&m, NULL, NOW, WALL, buffer);
	CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
	CHECK_EQ(mail_restore(&m, &e, &state, lane_of, lanes, &clock), 0);
	CHECK_EQ(m.first.due_ns, NOW + 300);
	mail_deinit(&m);
}

/* It is to go not before some time (RFC 4865): so it is found again, with a state and without, and no later for a clock
 * that was set back; and is as old as the time since then. */
static void test_restore_not_before(void)
{
	static const unsigned lanes[] = {5};
	static const struct {
		uint64_t accepted, not_before, state_due, due, age_from;
	} table[] = {
		{WALL - 100, WALL + 5000, 0, NOW + 5000, WALL + 5000},
		{WALL - 100, WALL - 50, 0, NOW - 50, WALL - 50},
		{WALL - 100, WALL - 200, 0, NOW - 100, WALL - 100},
		/* Accepted in the future, as it seems: it waits for as long as it was to wait then. */
		{WALL + 900000, WALL + 905000, 0, NOW + 5000, WALL + 905000},
		/* Told apart before its time, or deferred behind it. */
		{WALL - 100, WALL + 5000, 1000, NOW + 5000, WALL + 5000},
		{WALL - 100, WALL + 5000, 7000, NOW + 7000, WALL + 5000},
		{WALL - 9000, WALL - 5000, 7000, NOW + 7000, WALL - 5000},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct mail_clock clock = {NOW, WALL, 1u << 30};
		struct mail m = {.accepted_wall_ns = table[i].accepted};
		struct queue_state state;
		uint8_t room[4096];
		struct envelope e;
		size_t length;

		CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 1, 1), &e), 0);
		e.not_before_ns = table[i].not_before;
		if (table[i].state_due) {
			mail_init(&m, 1, 5);
			m.first.place = DELIVERY_WAITING;
			m.first.due_ns = NOW + table[i].state_due;
			length = mail_encode(&m, NULL, NOW, WALL, buffer);
			CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
			m.accepted_wall_ns = table[i].accepted;
		}
		CHECK_EQ(mail_restore(&m, &e, table[i].state_due ? &state : NULL, lane_of, lanes, &clock), 0);
		CHECK_EQ(m.first.due_ns, table[i].due);
		CHECK_EQ(m.accepted_wall_ns, table[i].age_from);
		mail_deinit(&m);
	}
}

/* Some recipients are held by an operator, and the mail was before: so they are found again, since when, and how old it
 * is. Others that wait alike are not held with them. */
static void test_restore_held(void)
{
	static const unsigned lanes[] = {5};
	const struct mail_clock clock = {NOW, WALL, 1u << 30};
	struct mail m, back = {.accepted_wall_ns = WALL - 900};
	struct delivery *held, *d = NULL;
	struct queue_state state;
	unsigned count = 0;
	uint8_t room[4096];
	struct envelope e;
	size_t length;

	CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 4, 1), &e), 0);
	mail_init(&m, 4, 5);
	m.accepted_wall_ns = WALL - 300;
	m.younger = true;
	CHECK_EQ(mail_tell_apart(&m), 0);
	held = mail_split(&m, &m.first, is_odd, NULL);
	mail_hold(&m, held, true);
	held->place = DELIVERY_HELD;
	held->due_ns = WALL - 70;
	m.first.place = DELIVERY_READY;
	length = mail_encode(&m, NULL, NOW, WALL, buffer);
	CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
	CHECK_EQ(mail_restore(&back, &e, &state, lane_of, lanes, &clock), 0);
	CHECK(back.live == 2 && back.accepted_wall_ns == WALL - 300 && back.younger);
	while ((d = mail_next(&back, d))) {
		bool is = mail_stands_in(&back, d, 1);
		CHECK_EQ(d->place, is ? DELIVERY_HELD : DELIVERY_NONE);
		CHECK(!is || d->due_ns == WALL - 70);
		count += is;
	}
	CHECK_EQ(count, 1);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(mail_held(&back, i), i % 2 == 1);
	/* Who is delivered by the attempt that was under way, or let go, is not held any more. */
	mail_end(&back, 1, RECIPIENT_DELIVERED, 1);
	CHECK(!mail_held(&back, 1) && mail_marks(&back, 1) == 0);
	mail_deinit(&back);
	/* Before it has its place, it is held from now on. */
	held->place = DELIVERY_ACTIVE;
	length = mail_encode(&m, NULL, NOW, WALL, buffer);
	CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
	back = (struct mail){.accepted_wall_ns = WALL - 900};
	CHECK_EQ(mail_restore(&back, &e, &state, lane_of, lanes, &clock), 0);
	for (d = mail_next(&back, NULL); d; d = mail_next(&back, d))
		CHECK(d->place != DELIVERY_HELD || d->due_ns == WALL);
	mail_deinit(&back);
	mail_deinit(&m);
}

/* A round for one delivery: each recipient at random; then who was told alike stays together. */
static void random_round(struct mail *m, struct delivery *d, struct random *random)
{
	unsigned kept = 0, from = (unsigned)random_below(random, m->recipients + 1);

	for (unsigned i = 0; i < m->recipients; i++) {
		char text[4];
		if (!mail_stands_in(m, d, i))
			continue;
		snprintf(text, sizeof(text), "%u", (unsigned)random_below(random, 40));
		switch (random_below(random, 5)) {
		case 0:
			mail_end(m, i, RECIPIENT_DELIVERED, d->attempts + 1u);
			mail_answer(m, i, 0);
			break;
		case 1:
			mail_end(m, i, RECIPIENT_FAILED, d->attempts + 1u);
			mail_answer(m, i, mail_keep_reply(m, &(struct state_reply){550, 6, span_text(text)}));
			break;
		default:
			mail_answer(m, i, mail_keep_reply(m, &(struct state_reply){450, 6, span_text(text)}));
			kept++;
		}
	}
	mail_sweep_replies(m);
	d->place = DELIVERY_NONE;
	if (kept > 1 && from > 0 && from < m->recipients)
		(void)mail_split(m, d, from_on, &from);
	d->attempts++;
	d->due_ns = NOW + 1000 * random_below(random, 20);
	if (kept == 0 || (m->live > 1 && mail_join(m, d, 1000)))
		mail_retire(m, d);
	else
		d->place = DELIVERY_WAITING;
}

static void test_random_rounds(void)
{
	static const unsigned lanes[] = {5, 6, 7};
	uint8_t room[4096];

	for (uint64_t seed = 1; seed <= 200; seed++) {
		const struct mail_clock clock = {NOW, WALL, 1u << 30};
		unsigned recipients = 1 + (unsigned)(seed % MANY);
		struct mail m = {0};
		struct random random = {.state = seed};
		struct envelope e;

		CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), recipients, 1 + seed % 3), &e), 0);
		CHECK_EQ(mail_restore(&m, &e, NULL, lane_of, lanes, &clock), 0);
		CHECK_EQ(mail_tell_apart(&m), 0);
		for (unsigned round = 0; round < 30 && m.live > 0; round++) {
			struct delivery *d = mail_next(&m, NULL), *next;
			for (unsigned skip = (unsigned)random_below(&random, m.live); skip-- > 0;) {
				next = mail_next(&m, d);
				d = next ? next : d;
			}
			random_round(&m, d, &random);
			check_restored(&m, &e, lanes, mail_encode(&m, NULL, NOW, WALL, buffer));
		}
		mail_deinit(&m);
	}
}

/* One message in two spools, each with the recipients of its own lanes; then they meet again. */
static void test_divided(void)
{
	static const unsigned here[] = {5, MAIL_ELSEWHERE, 7}, there[] = {MAIL_ELSEWHERE, 6, MAIL_ELSEWHERE};
	const struct mail_clock clock = {NOW, WALL, 1u << 30};
	struct mail a = {.accepted_wall_ns = WALL}, b = {.accepted_wall_ns = WALL};
	struct delivery *d = NULL;
	uint8_t room[4096];
	struct envelope e;

	CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 6, 3), &e), 0);
	CHECK_EQ(mail_restore(&a, &e, NULL, lane_of, here, &clock), 0);
	CHECK_EQ(mail_restore(&b, &e, NULL, lane_of, there, &clock), 0);
	CHECK(a.dirty && b.dirty);
	CHECK(mail_count(&a, RECIPIENT_PENDING) == 4 && mail_count(&a, RECIPIENT_ELSEWHERE) == 2);
	CHECK(mail_count(&b, RECIPIENT_PENDING) == 2 && mail_count(&b, RECIPIENT_ELSEWHERE) == 4);
	mail_end(&a, 0, RECIPIENT_DELIVERED, 1);
	b.first.attempts = 3;
	mail_end(&b, 4, RECIPIENT_FAILED, 4);
	mail_answer(&b, 4, mail_keep_reply(&b, &(struct state_reply){550, 6, span_text("gone")}));
	a.dirty = false;
	CHECK_EQ(mail_take_over(&a, &b), 0);
	CHECK(a.dirty && mail_count(&a, RECIPIENT_ELSEWHERE) == 0);
	CHECK_EQ(mail_status(&a, 0), RECIPIENT_DELIVERED);
	CHECK_EQ(mail_status(&a, 4), RECIPIENT_FAILED);
	CHECK(a.fates->recipients[4].attempts == 4 && strcmp(look(&a, 4).reply, "gone") == 0);
	while ((d = mail_next(&a, d))) {
		if (!mail_stands_in(&a, d, 1))
			continue;
		CHECK(d->lane == 6 && d->attempts == 3 && d->place == DELIVERY_NONE);
	}
	/* What both have is not taken twice. */
	a.dirty = false;
	CHECK_EQ(mail_take_over(&a, &b), 0);
	CHECK(!a.dirty);
	mail_deinit(&a);
	mail_deinit(&b);
}

/* Both leave something to the other at once: whichever state is on disk first, nobody is elsewhere in both. */
static void test_swapped(void)
{
	static const unsigned here[] = {MAIL_ELSEWHERE, 6}, there[] = {5, MAIL_ELSEWHERE}, all[] = {5, 6};
	const struct mail_clock clock = {NOW, WALL, 1u << 30};
	struct mail was = {.accepted_wall_ns = WALL}, a = was, b = was, found = was;
	struct queue_state state;
	uint8_t room[4096], old[4096];
	struct envelope e;
	size_t length;

	CHECK_EQ(envelope_decode(room, envelope_make(room, sizeof(room), 4, 2), &e), 0);
	/* It had 0 and 2; 1 and 3 were in the other spool. */
	CHECK_EQ(mail_restore(&was, &e, NULL, lane_of, there, &clock), 0);
	was.leaving = false;
	was.first.attempts = 7;
	length = mail_encode(&was, NULL, NOW, WALL, old);
	CHECK_EQ(queue_state_decode(old, length, WALL, &state), 0);
	CHECK_EQ(mail_restore(&a, &e, &state, lane_of, here, &clock), 0);
	CHECK(a.leaving && a.live == 0 && mail_count(&a, RECIPIENT_ELSEWHERE) == 4);
	CHECK_EQ(mail_restore(&b, &e, NULL, lane_of, here, &clock), 0);
	CHECK_EQ(mail_take_over(&a, &b), 0);
	CHECK_EQ(mail_count(&a, RECIPIENT_ELSEWHERE), 2);

	length = mail_encode(&a, NULL, NOW, WALL, buffer);
	CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
	CHECK_EQ(mail_restore(&found, &e, &state, lane_of, all, &clock), 0);
	CHECK_EQ(mail_count(&found, RECIPIENT_PENDING), 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct delivery *d = NULL;
		while ((d = mail_next(&found, d)) && !mail_stands_in(&found, d, i))
			;
		CHECK(d && d->attempts == (i % 2 ? 0 : 7));
	}
	mail_deinit(&found);
	/* The other one has them. */
	a.leaving = false;
	length = mail_encode(&a, NULL, NOW, WALL, buffer);
	CHECK_EQ(queue_state_decode(buffer, length, WALL, &state), 0);
	CHECK_EQ(mail_restore(&found, &e, &state, lane_of, all, &clock), 0);
	CHECK(mail_count(&found, RECIPIENT_PENDING) == 2 && mail_status(&found, 0) == RECIPIENT_ELSEWHERE);
	mail_deinit(&was);
	mail_deinit(&a);
	mail_deinit(&b);
	mail_deinit(&found);
}

/* New mail for several destinations. */
static void test_place(void)
{
	struct mail m;

	mail_init(&m, 3, 5);
	CHECK_EQ(mail_tell_apart(&m), 0);
	CHECK(mail_place(&m, 1, 6) == 0 && mail_place(&m, 2, 5) == 0 && mail_place(&m, 1, 6) == 0);
	CHECK_EQ(m.live, 2);
	CHECK(mail_stands_in(&m, &m.first, 0) && mail_stands_in(&m, &m.first, 2));
	CHECK(mail_next(&m, &m.first)->lane == 6 && mail_stands_in(&m, mail_next(&m, &m.first), 1));
	mail_deinit(&m);
}

int main(void)
{
	RUN(test_one_fate);
	RUN(test_split_and_join);
	RUN(test_replies);
	RUN(test_restore_one_fate);
	RUN(test_restore_no_state);
	RUN(test_restore_far_ahead);
	RUN(test_restore_not_before);
	RUN(test_restore_held);
	RUN(test_random_rounds);
	RUN(test_divided);
	RUN(test_swapped);
	RUN(test_place);
	return check_end();
}
