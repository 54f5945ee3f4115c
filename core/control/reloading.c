/*
 * core/control/reloading.c - POST /v1/reload: the configuration is read anew, as by SIGHUP, and the answer says what
 * came of it.
 *
 * One thread reloads, and it waits for signals: it is asked by one, and says by the file it has locked (running.h) what
 * became of it, to this as to a command that sent the signal itself.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/running.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/relay/relay.h"

enum { ANSWER_S = 60, LOOK_US = 10000 };

/* True: it is known what came of it, and in *after. */
static bool reload(struct desk *desk, const char *path, struct running *after)
{
	struct running before;
	int r = running_read(path, &before);

	if (r < 0 || kill(getpid(), SIGHUP) < 0)
		return false;
	for (unsigned looks = 0; looks < ANSWER_S * 1000000 / LOOK_US && !desk_stops(desk); looks++) {
		r = running_read(path, after);
		if (r == 0 && running_answered(&before, after))
			return true;
		(void)usleep(LOOK_US);
	}
	return false;
}

void handle_reload(struct control_request *request)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct running after;
	char path[PATH_MAX];
	bool known;

	snprintf(path, sizeof(path), "%s/lock", request->desk->relay->config->spool.directory);
	/* Of two at once each hears of its own. */
	pthread_mutex_lock(&one);
	known = reload(request->desk, path, &after);
	pthread_mutex_unlock(&one);
	if (!known)
		request_fail(request, ANSWER_UNAVAILABLE, "no answer: look at its events");
	else if (after.refusal[0])
		request_answer(request, ANSWER_OK,
			       json_pack("{sb so}", "taken", 0, "problem",
					 request_text((struct span){after.refusal, (uint32_t)strlen(after.refusal)})));
	else
		request_answer(request, ANSWER_OK, json_pack("{sb sn}", "taken", 1, "problem"));
}
