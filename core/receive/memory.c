/*
 * core/receive/memory.c - sessions share what memory there is for content, and for what clients send ahead.
 */
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"

/* Of the shard's memory: an eighth for what waiting sessions hold (store.c has the other shares). */
enum { HELD_SHARE = 8, DRY_MS = 1000 };

/* What paused sessions may hold together. */
static size_t held_max(const struct shard *shard)
{
	return shard->config->spool.memory_max / shard->count / HELD_SHARE;
}

/*
 * What a client has sent ahead of its replies, or of 354, may be as much as the kernel had received before it was
 * stopped. Where many do so they hear their last words, and what they sent is forgotten (I7): first those that do not
 * read, the oldest before the others; then those that go on behind AUTH, which ends what may be sent ahead (RFC 4954
 * 4); then those that sent content before they could know that there is no memory.
 */
static void thin_out(struct shard *shard)
{
	static const char sent_ahead[] = "421 4.3.1 Too much sent ahead of the replies, closing connection\r\n";
	struct list *link, *next;
	size_t held = 0;

	for (link = shard->receiver->reply_waiters.next; link != &shard->receiver->reply_waiters; link = link->next)
		held += container_of(link, struct session, place)->transport.held_octets;
	for (link = shard->receiver->reply_waiters.next;
	     held > held_max(shard) / 2 && link != &shard->receiver->reply_waiters; link = next) {
		struct session *s = container_of(link, struct session, place);
		next = link->next;
		if (s->transport.held_octets == 0)
			continue;
		held -= s->transport.held_octets;
		receive_finish(s, sent_ahead, "sent too far ahead");
	}
	for (link = shard->receiver->login_waiters.next;
	     shard->transport->held_octets > held_max(shard) && link != &shard->receiver->login_waiters; link = next) {
		struct session *s = container_of(link, struct session, place);
		next = link->next;
		if (s->transport.held_octets > 0)
			receive_finish(s, sent_ahead, "sent too far ahead");
	}
	for (link = shard->receiver->memory_waiters.prev;
	     shard->transport->held_octets > held_max(shard) && link != &shard->receiver->memory_waiters; link = next) {
		struct session *s = container_of(link, struct session, place);
		next = link->prev;
		if (s->transport.held_octets > 0 && s->message->letter.content_length == 0)
			receive_finish(s, sent_ahead, "sent too far ahead");
	}
}

bool receive_memory_dry(const struct shard *shard)
{
	return shard->store->blocks.in_use >= shard->store->blocks.limit;
}

void receive_stop_readers(struct shard *shard)
{
	while (!list_empty(&shard->receiver->content_readers)) {
		struct session *s = container_of(shard->receiver->content_readers.next, struct session, place);
		/* Its client may have fallen silent: others need the memory. A part is worth a full block. */
		if (s->message->block_count > 1 && s->message->parts_out == 0 && !s->message->header_held)
			(void)submission_flush_part(s->message);
		receive_wait(s, WAIT_MEMORY);
	}
}

/* All wait, or hold memory that others wait for: what they hold goes to the spool, however little. */
static void empty_waiters(struct shard *shard)
{
	struct list *link;

	receive_stop_readers(shard);
	for (link = shard->receiver->memory_waiters.next; link != &shard->receiver->memory_waiters; link = link->next) {
		struct session *s = container_of(link, struct session, place);
		struct submission *m = s->message;
		if (m->header_held && m->block_count > 0)
			receive_policy_no_memory(s);
		else if (m->block_count > 0 && m->parts_out == 0)
			(void)submission_flush_part(m);
	}
}

/* Clients that sent a little and fell silent keep a block each. */
static void watch_memory(struct shard *shard)
{
	if (!receive_memory_dry(shard)) {
		shard->receiver->dry_since_ns = 0;
	} else if (shard->receiver->dry_since_ns == 0) {
		shard->receiver->dry_since_ns = shard->now_ns;
	} else if (shard->now_ns - shard->receiver->dry_since_ns >= DRY_MS * CLOCK_NS_PER_MS) {
		shard->receiver->dry_since_ns = shard->now_ns;
		empty_waiters(shard);
	}
}

/*
 * As many go on as there are blocks. What a session holds already only moves; to read from a socket besides there must
 * be room for what then comes at once.
 */
void receive_run(struct shard *shard)
{
	struct list *link = &shard->receiver->memory_waiters, *last = shard->receiver->memory_waiters.prev, *next;
	size_t blocks = shard->store->blocks.limit - shard->store->blocks.in_use;

	if (link != last)
		watch_memory(shard);
	if (shard->transport->held_octets > held_max(shard))
		thin_out(shard);
	/* Each once: those that still find none are in the list again. */
	for (next = link->next; link != last && blocks > 0 && !receive_memory_dry(shard);) {
		struct session *s = container_of(next, struct session, place);
		link = next;
		next = link->next;
		if (s->transport.held_octets == 0 && shard->transport->held_octets >= held_max(shard))
			continue;
		blocks--;
		receive_go_on(s, WAIT_MEMORY);
	}
}
