/*
 * core/tools/doctor_confined.c - see doctor_confined.h.
 */
#include "core/tools/doctor_confined.h"

#include <string.h>

#include "core/config/config.h"
#include "core/tools/ask.h"

enum { ANSWER_S = 10 };

static void look_at(struct ladder *ladder, const json_t *confined, const char *name, const char *key, const char *what)
{
	const char *state = ask_text(confined, key);

	if (strcmp(state, "on") == 0) {
		ladder_add(ladder, name, RUNG_OK, "%s", what);
	} else if (strcmp(state, "off") == 0) {
		ladder_add(ladder, name, RUNG_NOTE, "switched off by hardening.%s", key);
		ladder_advise(ladder, "take the key away and restart postrider when its reason is gone");
	} else {
		ladder_add(ladder, name, RUNG_WARNING, "the kernel, or who confines the process, does not offer it");
		ladder_advise(ladder,
			      "mail goes on without it; an old copy of the unit or of the container's profile keeps it "
			      "from the relay: docs/hardening.md");
	}
}

static void look_at_user(struct ladder *ladder, json_int_t user)
{
	ladder_add(ladder, "user", user == 0 ? RUNG_WARNING : RUNG_OK, "it runs as the user number %lld",
		   (long long)user);
	if (user == 0)
		ladder_advise(ladder,
			      "write user: postrider into the configuration, or let the service manager start it as a "
			      "user");
}

void doctor_look_confined(struct ladder *ladder, const struct config *config)
{
	char problem[512] = "";
	struct ask ask = {.command = "doctor",
			  .socket = config->control.socket,
			  .problem = problem,
			  .problem_size = sizeof(problem),
			  .answer_s = ANSWER_S};
	json_t *answer = NULL;
	const json_t *confined;

	if (ask_open(&ask) == 0 && ask_get(&ask, "/v1/status", &answer) == 0 &&
	    (confined = json_object_get(answer, "confined")) != NULL) {
		look_at(ladder, confined, "system calls", "seccomp", "it makes those of its list and no others");
		look_at(ladder, confined, "files", "landlock", "it opens those of its directories and no others");
		look_at(ladder, confined, "rings", "ring", "they take the relay's operations and no others");
		look_at_user(ladder, ask_number(confined, "user"));
	} else {
		ladder_add(ladder, "confined", RUNG_NOTE, "not known: %s",
			   problem[0] ? problem : "this process is of another version");
	}
	json_decref(answer);
}
