/*
 * core/control/desk.c - see desk.h.
 */
#include "core/control/desk.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"

enum { LOOK_S = 1, SLEEP_S = 3600 };

static void run(struct agent_thread *thread)
{
	struct desk *desk = container_of(thread, struct desk, bell);

	while (!agent_thread_stopping(thread)) {
		(void)agent_thread_wait(thread, -1, (desk->busy(desk) ? LOOK_S : SLEEP_S) * CLOCK_NS_PER_S);
		for (unsigned i = 0; i < desk->relay->shard_count; i++) {
			if (atomic_exchange(&desk->ring[i], false))
				agent_asker_bell(&thread->agent, desk->relay->shards[i]->asker);
		}
		desk->look(desk);
	}
}

int desk_start(struct desk *desk, struct relay *relay)
{
	int r;

	desk->relay = relay;
	list_init(&desk->left);
	desk->ring = calloc(relay->shard_count, sizeof(*desk->ring));
	if (!desk->ring)
		return -ENOMEM;
	pthread_mutex_init(&desk->lock, NULL);
	pthread_mutex_init(&desk->config_lock, NULL);
	desk->config = relay->config;
	r = agent_thread_start(&desk->bell, "control-bell", 1, run);
	if (r < 0) {
		pthread_mutex_destroy(&desk->lock);
		pthread_mutex_destroy(&desk->config_lock);
		free(desk->ring);
	}
	return r;
}

void desk_stop(struct desk *desk)
{
	agent_thread_stop(&desk->bell);
	pthread_mutex_destroy(&desk->lock);
	pthread_mutex_destroy(&desk->config_lock);
	free(desk->ring);
}

const struct config *desk_config_take(struct desk *desk)
{
	pthread_mutex_lock(&desk->config_lock);
	return desk->config;
}

void desk_config_return(struct desk *desk)
{
	pthread_mutex_unlock(&desk->config_lock);
}

/* Who reloads lets go of the one before behind this alone. */
void desk_follow(struct desk *desk, const struct config *config)
{
	pthread_mutex_lock(&desk->config_lock);
	desk->config = config;
	pthread_mutex_unlock(&desk->config_lock);
}

void desk_ring(struct desk *desk, unsigned shard)
{
	atomic_store(&desk->ring[shard], true);
	agent_bell(&desk->bell.agent);
}

void desk_look(struct desk *desk)
{
	agent_bell(&desk->bell.agent);
}
