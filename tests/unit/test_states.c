/*
 * tests/unit/test_states.c - core/base/states.c, and the tables of the machines that use it.
 */
#include "core/base/states.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/deliver/connection.h"
#include "core/receive/session.h"
#include "tests/unit/check.h"

enum { OPEN, WAITING, CLOSED };

#define TABLE(...)                                                                                                     \
	(&(const struct states){.machine = "door",                                                                     \
				.rows = (const struct states_row[]){__VA_ARGS__},                                      \
				.count =                                                                               \
					sizeof((const struct states_row[]){__VA_ARGS__}) / sizeof(struct states_row)})

static const struct states_row door_rows[] = {
	[OPEN] = {"OPEN", STATES_BIT(WAITING) | STATES_BIT(CLOSED)},
	[WAITING] = {"WAITING", STATES_BIT(OPEN) | STATES_BIT(WAITING) | STATES_BIT(CLOSED)},
	[CLOSED] = {"CLOSED", 0},
};
static const struct states door = {"door", door_rows, 3};

static void test_allowed(void)
{
	static const bool allowed[3][3] = {{false, true, true}, {true, true, true}, {false, false, false}};

	for (unsigned from = 0; from < 5; from++) {
		for (unsigned to = 0; to < 5; to++)
			CHECK_EQ(states_may(&door, from, to), from < 3 && to < 3 && allowed[from][to]);
	}
	uint8_t state = OPEN;
	states_move(&door, &state, WAITING);
	states_move(&door, &state, WAITING);
	states_move(&door, &state, OPEN);
	states_move(&door, &state, CLOSED);
	CHECK_EQ(state, CLOSED);
	CHECK_STR(states_name(&door, state), "CLOSED");
	CHECK_STR(states_name(&door, 3), "no state");
}

/* What a child says that makes this move, and how it ends. */
static void wrong(unsigned from, unsigned to, const char *says)
{
	char said[200] = "";
	int out[2], status = 0;

	CHECK_EQ(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		uint8_t state = (uint8_t)from;
		dup2(out[1], STDERR_FILENO);
		states_move(&door, &state, to);
		_exit(0);
	}
	close(out[1]);
	ssize_t n = read(out[0], said, sizeof(said) - 1);
	CHECK(n > 0);
	close(out[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK_STR(said, says);
}

static void test_wrong(void)
{
	wrong(CLOSED, OPEN, "door: from CLOSED (2) to OPEN (0) is no move\n");
	wrong(OPEN, OPEN, "door: from OPEN (0) to OPEN (0) is no move\n");
	wrong(OPEN, 7, "door: from OPEN (0) to no state (7) is no move\n");
	wrong(200, OPEN, "door: from no state (200) to OPEN (0) is no move\n");
}

static void test_problems(void)
{
	CHECK(states_problem(&door) == NULL);
	CHECK_STR(states_problem(TABLE({"A", 2}, {NULL, 0})), "a state has no name");
	CHECK_STR(states_problem(TABLE({"A", 2}, {"B", 4})), "a state leads to one that is not there");
	CHECK_STR(states_problem(TABLE({"A", 2}, {"B", 0}, {"C", 2})), "a state cannot be reached");
	CHECK_STR(states_problem(TABLE({"A", 2 | 4}, {"B", 1}, {"C", 4})), "a state leads to no end");
	CHECK(states_problem(TABLE({"A", 0})) == NULL);
}

/* The machines' own. */
static void test_tables(void)
{
	CHECK(states_problem(&session_states) == NULL);
	CHECK(states_problem(&connection_states) == NULL);
	CHECK(states_problem(&setup_steps) == NULL);
	CHECK(states_problem(&exchange_steps) == NULL);
	CHECK(states_problem(&exchange_expects) == NULL);
	CHECK(states_problem(&transport_states) == NULL);
}

int main(void)
{
	RUN(test_allowed);
	RUN(test_wrong);
	RUN(test_problems);
	RUN(test_tables);
	return check_end();
}
