/*
 * tests/unit/test_incident_owners.c - core/control/incident_owners: what a letter says whose sending failed. The spool
 * is this test's.
 */
#include "core/control/incident_owners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/incident_terms.h"
#include "core/events/incidents.h"
#include "tests/unit/check.h"

#define S CLOCK_NS_PER_S
#define OWNER "office@example.net"

static char the_spool; /* what a letter under way is */
static int result;
static size_t said, told;
static uint64_t more;

char *incident_letter_text(const struct incident_terms *terms, const char *to, const struct incident_notes *notes,
			   const size_t *open, uint64_t wall_ms, size_t *length)
{
	said = notes->count;
	more = notes->more;
	*length = 1;
	return strdup("x");
}

struct incident_sending *incident_letter_send(struct desk *desk, const char *to, const char *from, char *text,
					      size_t length)
{
	free(text);
	return (struct incident_sending *)&the_spool;
}

int incident_letter_over(struct incident_sending *sending, int *out, char problem[INCIDENT_LETTER_PROBLEM],
			 char destination[INCIDENT_LETTER_DESTINATION])
{
	*out = result;
	problem[0] = destination[0] = '\0';
	return 1;
}

void incident_letter_leave(struct incident_sending *sending)
{
}

void event_incidents_untold(struct log *log, const char *to, uint64_t count, const char *problem)
{
}

void event_incidents_told(struct log *log, const char *to, uint64_t opened, uint64_t closed, uint64_t left_out)
{
	told++;
}

static void note(struct incident_owners *o, unsigned number, uint64_t now_ns)
{
	struct incident one = {.kind = INCIDENT_DEVICE_SILENT};

	snprintf(one.subject, sizeof(one.subject), "device %u", number);
	incident_owners_note(o, OWNER, &one, 0, now_ns);
}

/* More than a letter has room for: the next try says how many as well. */
static void test_again(void)
{
	static char from[] = "relay@example.net";
	static struct incident_owners owners;
	const struct incident_terms terms = {.watched = true, .from = from, .mails_per_hour = 6};
	char destination[INCIDENT_LETTER_DESTINATION];
	uint64_t now_ns = 1000 * S;

	for (unsigned i = 0; i < INCIDENT_NOTES_MAX + 10; i++)
		note(&owners, i, now_ns);
	result = -EAGAIN;
	for (unsigned try = 0; try < 3; try++) {
		now_ns += 100 * S;
		incident_owners_mail(&owners, NULL, &terms, now_ns);
		CHECK_EQ(said, INCIDENT_NOTES_MAX);
		CHECK_EQ(more, 10 + try);
		CHECK(!incident_owners_over(&owners, NULL, now_ns, destination));
		/* What comes meanwhile has no room either. */
		note(&owners, 1000 + try, now_ns);
	}
	now_ns += 100 * S;
	result = 0;
	incident_owners_mail(&owners, NULL, &terms, now_ns);
	CHECK_EQ(said, INCIDENT_NOTES_MAX);
	CHECK_EQ(more, 13);
	CHECK(incident_owners_over(&owners, NULL, now_ns, destination));
	CHECK_EQ(told, 1);
	CHECK_EQ(owners.count, 0);
	incident_owners_free(&owners);
}

int main(void)
{
	RUN(test_again);
	return check_end();
}
