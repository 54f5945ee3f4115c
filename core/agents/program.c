/*
 * core/agents/program.c - see program.h.
 */
#include "core/agents/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/confine/beside.h"

enum { LOOK_MS = 200 };

/* Commands of the command line have none until they need it. */
static void begin(void)
{
	if (!beside_is_there() && beside_begin(NULL) == 0)
		(void)atexit(beside_end);
}

int program_start(char *const *arguments, char *variable, int out, int err, pid_t *pid)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, begin);
	return beside_is_there() ? beside_start(arguments, variable, out, err, pid) : -EAGAIN;
}

const char *program_why_not(int r)
{
	switch (r) {
	case -ETIMEDOUT:
		return "the process beside the relay does not answer (event beside_silent)";
	case -EPIPE:
		return "the process beside the relay has ended: restart postrider";
	default:
		return strerror(-r);
	}
}

/* ---- to its end ------------------------------------------------------------------------------------------------- */

struct running {
	struct program_run *run;
	size_t most, error_length;
	struct pollfd of[2]; /* its output and its errors; -1: at their end */
};

static void take_output(struct running *r)
{
	struct program_run *run = r->run;
	ssize_t n = read(r->of[0].fd, run->output + run->length, r->most - run->length);

	if (n > 0)
		run->length += (size_t)n;
	else if (n == 0 || errno != EINTR)
		r->of[0].fd = -1;
	run->too_much = run->length == r->most;
}

/* Of what there is no room for it is read, and forgotten. */
static void take_error(struct running *r)
{
	size_t room = sizeof(r->run->error) - 1 - r->error_length;
	char rest[256];
	ssize_t n = room > 0 ? read(r->of[1].fd, r->run->error + r->error_length, room)
			     : read(r->of[1].fd, rest, sizeof(rest));

	if (n > 0 && room > 0)
		r->error_length += (size_t)n;
	else if (n == 0 || (n < 0 && errno != EINTR))
		r->of[1].fd = -1;
}

static void watch(struct running *r, uint64_t deadline_ns, bool (*stops)(void *context), void *context)
{
	while ((r->of[0].fd >= 0 || r->of[1].fd >= 0) && !r->run->too_much) {
		if (clock_monotonic_ns() >= deadline_ns || stops(context)) {
			r->run->late = true;
			return;
		}
		if (poll(r->of, 2, LOOK_MS) <= 0)
			continue;
		if (r->of[0].fd >= 0 && r->of[0].revents)
			take_output(r);
		if (r->of[1].fd >= 0 && r->of[1].revents)
			take_error(r);
	}
}

/* The group may have more members than its first; while that is not reaped its number is nobody else's. Who has closed
 * both and goes on is ended, too: there is nothing more to hear of him. */
static int end_group(pid_t pid)
{
	int status = 0;

	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* It has said all, and ends in this moment, or does not. */
static void await_end(pid_t pid, struct running *r, uint64_t deadline_ns, bool (*stops)(void *context), void *context)
{
	while (!r->run->late && !r->run->too_much && !has_ended(pid)) {
		r->run->late = clock_monotonic_ns() >= deadline_ns || stops(context);
		(void)poll(NULL, 0, 5);
	}
}

int program_run(struct program_run *run, char *const *arguments, uint64_t deadline_ns, size_t most,
		bool (*stops)(void *context), void *context)
{
	char variable[] = "POSTRIDER_MAILBOX=";
	int out[2] = {-1, -1}, err[2] = {-1, -1}, r = 0;
	struct running running = {.run = run, .most = most};
	pid_t pid = 0;

	*run = (struct program_run){.output = malloc(most + 1)};
	if (!run->output || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = program_start(arguments, variable, out[1], err[1], &pid);
	if (out[1] >= 0)
		close(out[1]);
	if (err[1] >= 0)
		close(err[1]);
	if (r == 0) {
		running.of[0] = (struct pollfd){.fd = out[0], .events = POLLIN};
		running.of[1] = (struct pollfd){.fd = err[0], .events = POLLIN};
		watch(&running, deadline_ns, stops, context);
		await_end(pid, &running, deadline_ns, stops, context);
		run->status = end_group(pid);
		run->output[run->length] = '\0';
		run->error[running.error_length] = '\0';
	} else {
		program_run_free(run);
	}
	if (out[0] >= 0)
		close(out[0]);
	if (err[0] >= 0)
		close(err[0]);
	return r;
}

void program_run_free(struct program_run *run)
{
	free(run->output);
	*run = (struct program_run){.length = 0};
}

int program_run_doctor(struct program_run *run, const struct config *config, uint64_t deadline_ns, size_t most,
		       bool (*stops)(void *context), void *context)
{
	char *words[BESIDE_DOCTOR_WORDS];

	beside_doctor(config, words);
	return program_run(run, words, deadline_ns, most, stops, context);
}
