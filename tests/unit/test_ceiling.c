/*
 * tests/unit/test_ceiling.c - what `check` says of a destination's limits.
 */
#include "core/relay/ceiling.h"

#include "core/config/config.h"
#include "tests/unit/check.h"

static char name[] = "next";

static const struct {
	struct config_limits limits;
	unsigned connections;
	size_t mailboxes;
	const char *text; /* NULL: nothing */
} cases[] = {
	{{.pacing = CONFIG_PACING_EVEN}, 20, 0, NULL},
	{{.messages_per_minute = 30}, 3, 0, "destination \"next\" takes at most 3 connections, 30 messages a minute"},
	{{.messages_per_minute = 30, .recipients_per_day = 10000},
	 3,
	 40,
	 "destination \"next\" takes at most 120 connections, 1200 messages a minute, 400000 recipients a day, of 40 "
	 "mailboxes together"},
	{{.messages_per_hour = 100, .octets_per_minute = 1 << 20},
	 1,
	 1,
	 "destination \"next\" takes at most 1 connections, 100 messages an hour, 1048576 octets a minute"},
	{{.messages_per_minute = 10000000, .messages_per_hour = 100000000, .recipients_per_day = 100000000},
	 100,
	 1000,
	 "destination \"next\" takes at most 100000 connections, 10000000000 messages a minute, 100000000000 messages "
	 "an hour, 100000000000 recipients a day, of 1000 mailboxes together"},
};

static void test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_destination destination = {.name = name,
							 .connections = cases[i].connections,
							 .limits = cases[i].limits,
							 .mailbox_count = cases[i].mailboxes};
		char text[512] = "";
		CHECK_EQ(ceiling_text(&destination, text, sizeof(text)), cases[i].text != NULL);
		CHECK_STR(text, cases[i].text ? cases[i].text : "");
	}
}

int main(void)
{
	RUN(test_cases);
	return check_end();
}
