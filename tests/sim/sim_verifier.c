/*
 * tests/sim/sim_verifier.c - see sim_verifier.h.
 */
#include "tests/sim/sim_verifier.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/agents/verifier.h"
#include "core/base/list.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/world.h"

struct queue {
	struct sim_agent agent;
	uint64_t busy_until_ns;
};

struct verifiers {
	struct queue strangers, known;
};

static struct verifiers verifiers;
static struct sim_verifier_manner manner;
static uint64_t asked;

struct errand {
	struct queue *queue;
	uint64_t life;
	struct verifier_question *question;
	int result;
};

void sim_verifier_set_manner(const struct sim_verifier_manner *wanted)
{
	manner = *wanted;
}

uint64_t sim_verifier_asked(void)
{
	return asked;
}

static bool matches(const struct verifier_question *question)
{
	static const char prefix[] = "$y$j9T$";
	const char *salt = question->hash + strlen(prefix);
	size_t length = strlen(question->password);

	return strncmp(question->hash, prefix, strlen(prefix)) == 0 && strncmp(salt, question->password, length) == 0 &&
	       salt[length] == '$';
}

static void arrive(void *context)
{
	struct errand *errand = context;

	if (sim_agent_lives(&errand->queue->agent, errand->life)) {
		if (errand->result == 0) {
			asked++;
			errand->result = question_given_up(&errand->question->question) ? -ECANCELED
					 : matches(errand->question)                    ? 0
											: -EACCES;
		}
		world_note("verifier", (uint64_t)-errand->result, 0);
		agent_answer(&errand->queue->agent.agent, &errand->question->question, errand->result);
	}
	world_release(errand);
}

static void answer_later(struct queue *queue, struct verifier_question *question)
{
	struct errand *errand = world_alloc(sizeof(*errand));
	uint64_t spread = manner.delay_max_ns - manner.delay_min_ns, now_ns = world_now_ns();
	uint64_t begin_ns = queue->busy_until_ns > now_ns ? queue->busy_until_ns : now_ns;
	uint64_t end_ns = begin_ns + manner.delay_min_ns + (spread ? world_below(spread) : 0);

	*errand = (struct errand){.queue = queue, .life = queue->agent.life, .question = question};
	if (world_chance(manner.full)) {
		errand->result = -EBUSY;
		end_ns = now_ns;
	} else if (world_chance(manner.silent) || end_ns >= question->question.deadline_ns) {
		errand->result = -ETIMEDOUT;
		end_ns = question->question.deadline_ns > now_ns ? question->question.deadline_ns : now_ns;
	} else {
		queue->busy_until_ns = end_ns;
	}
	world_errand(end_ns - now_ns, arrive, errand);
}

static void look(struct sim_agent *agent)
{
	struct queue *queue = container_of(agent, struct queue, agent);
	struct question *question, *next;

	for (question = agent_take(&agent->agent); question; question = next) {
		next = question->next;
		answer_later(queue, container_of(question, struct verifier_question, question));
	}
}

struct verifiers *sim_verifiers_open(void)
{
	asked = 0;
	verifiers.strangers.busy_until_ns = verifiers.known.busy_until_ns = 0;
	sim_agent_open(&verifiers.strangers.agent, VERIFIER_STRANGERS_MAX, look);
	sim_agent_open(&verifiers.known.agent, VERIFIER_KNOWN_MAX, look);
	return &verifiers;
}

void sim_verifiers_close(void)
{
	sim_agent_close(&verifiers.strangers.agent);
	sim_agent_close(&verifiers.known.agent);
}

void verifier_ask(struct verifiers *where, struct asker *asker, struct verifier_question *question, bool known)
{
	agent_ask(known ? &where->known.agent.agent : &where->strangers.agent.agent, asker, &question->question);
}
