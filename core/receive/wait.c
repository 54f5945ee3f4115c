/*
 * core/receive/wait.c - a session is not read from until what it waits for is there.
 */
#include "core/receive/session_private.h"
#include "core/shard/shard.h"

void receive_wait(struct session *s, enum session_wait wait)
{
	struct shard *shard = s->shard;

	if (receive_paced(s) && s->wait == WAIT_NONE)
		receive_pace_stop(s);
	s->wait = (uint8_t)wait;
	list_remove(&s->place);
	if (wait == WAIT_REPLIES)
		list_append(&shard->receiver->reply_waiters, &s->place);
	else if (wait == WAIT_MEMORY)
		list_append(&shard->receiver->memory_waiters, &s->place);
	else if (wait == WAIT_LOGIN)
		list_append(&shard->receiver->login_waiters, &s->place);
	/* One that waits for its own replies has usually sent all it will. */
	if (wait != WAIT_REPLIES)
		transport_pause(&s->transport);
}

void receive_go_on(struct session *s, enum session_wait wait)
{
	if (s->wait != wait || receive_over(s))
		return;
	s->wait = WAIT_NONE;
	list_remove(&s->place);
	if (receive_paced(s))
		receive_pace_go_on(s);
	transport_resume(&s->transport);
}
