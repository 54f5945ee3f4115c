/*
 * core/relay/submission.c - the home side of a message in transit. See submission.h.
 */
#include "core/relay/submission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/relay/receive.h"
#include "core/smtp/header.h"
#include "queue/envelope.h"
#include "queue/hash.h"

struct submission *submission_new(struct shard *shard, struct session *session)
{
	struct submission *m = pool_acquire(&shard->store->submissions);

	if (!m)
		return NULL;
	memset(m, 0, offsetof(struct submission, tail));
	m->shard = shard;
	m->session = session;
	m->state = SUBMISSION_ENVELOPE;
	m->text = m->text_inline;
	m->text_capacity = SUBMISSION_TEXT_INLINE;
	m->started_ns = shard->now_ns;
	list_init(&m->link);
	list_init(&m->transfers);
	return m;
}

static bool append_text(struct submission *m, const void *data, size_t length)
{
	if (length > m->text_capacity - m->text_length) {
		size_t capacity = m->text_capacity;
		char *text;
		/* The owner's record must have room for it. */
		if (m->text_length + length > SPOOL_ENVELOPE_MAX)
			return false;
		while (capacity - m->text_length < length)
			capacity *= 2;
		text = m->text == m->text_inline ? malloc(capacity) : realloc(m->text, capacity);
		if (!text)
			return false;
		if (m->text == m->text_inline)
			memcpy(text, m->text_inline, m->text_length);
		m->text = text;
		m->text_capacity = (uint32_t)capacity;
	}
	memcpy(m->text + m->text_length, data, length);
	m->text_length += (uint32_t)length;
	return true;
}

bool submission_envelope_start(struct submission *m, struct span sender, struct span helo)
{
	m->sender_length = (uint16_t)sender.length;
	m->helo_length = (uint16_t)helo.length;
	return append_text(m, sender.data, sender.length) && append_text(m, helo.data, helo.length);
}

static struct transfer *transfer_for(struct submission *m, unsigned destination)
{
	struct transfer *transfer;
	struct list *link;

	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		transfer = container_of(link, struct transfer, link);
		if (transfer->destination == destination)
			return transfer;
	}
	if (m->transfer_count == SUBMISSION_DESTINATIONS_MAX)
		return NULL;
	transfer = pool_acquire(&m->shard->store->transfers);
	if (!transfer)
		return NULL;
	memset(transfer, 0, sizeof(*transfer));
	transfer->message = m;
	transfer->destination = (uint16_t)destination;
	transfer->ordinal = (uint16_t)m->transfer_count;
	transfer->item.home = (uint16_t)m->shard->index;
	list_init(&transfer->item.link);
	list_init(&transfer->link);
	list_append(&m->transfers, &transfer->link);
	m->transfer_count++;
	return transfer;
}

enum submission_add submission_add_recipient(struct submission *m, unsigned destination, struct span address)
{
	uint16_t head[2] = {(uint16_t)destination, (uint16_t)address.length};
	struct transfer *transfer = transfer_for(m, destination);

	if (!transfer)
		return m->transfer_count == SUBMISSION_DESTINATIONS_MAX ? SUBMISSION_TOO_MANY : SUBMISSION_NO_MEMORY;
	/* One kilobyte is kept for the record's other fields. */
	if (m->text_length + sizeof(head) + address.length > SPOOL_ENVELOPE_MAX - 1024)
		return SUBMISSION_TOO_MANY;
	if (!append_text(m, head, sizeof(head)) || !append_text(m, address.data, address.length))
		return SUBMISSION_NO_MEMORY;
	transfer->recipients++;
	m->recipients++;
	return SUBMISSION_ADDED;
}

struct block *submission_room(struct submission *m)
{
	struct block *block = m->last;

	/* The scanner wants at least 4 octets of room. */
	if (block && BLOCK_DATA - block->length >= 8)
		return block;
	block = pool_acquire(&m->shard->store->blocks);
	if (!block)
		return NULL;
	block->next = NULL;
	block->length = 0;
	if (m->last)
		m->last->next = block;
	else
		m->first = block;
	m->last = block;
	m->block_count++;
	return block;
}

static void free_blocks(struct shard *shard, struct block *block)
{
	while (block) {
		struct block *next = block->next;
		pool_release(&shard->store->blocks, block);
		block = next;
	}
}

/* Once for each transfer: what has been sent ahead must meet the rest. */
static void choose_lane(struct submission *m, struct transfer *transfer)
{
	if (transfer->lane_chosen)
		return;
	transfer->lane_chosen = true;
	transfer->lane = (uint16_t)balance_choose(m->shard, transfer->destination, queue_hash(&m->id, sizeof(m->id)));
	transfer->item.owner = m->shard->relay->lanes[transfer->lane].owner;
}

/* Before the first block goes to its owners. A header that is longer than a block is not searched further. */
static void note_message_id(struct submission *m)
{
	if (m->content_before > 0 || !m->first || !m->shard->config->log_messages)
		return;
	m->field_length = (uint8_t)header_value((const char *)m->first->data, m->first->length, "message-id", m->field,
						sizeof(m->field));
}

bool submission_flush_part(struct submission *m)
{
	struct part *parts[SUBMISSION_DESTINATIONS_MAX];
	struct list *link;
	struct block *block;
	unsigned count = 0, i;
	size_t length = 0;

	for (i = 0; i < m->transfer_count; i++) {
		parts[i] = pool_acquire(&m->shard->store->parts);
		if (!parts[i]) {
			while (i-- > 0)
				pool_release(&m->shard->store->parts, parts[i]);
			return false;
		}
	}
	for (block = m->first; block; block = block->next)
		length += block->length;
	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		struct part *part = parts[count];

		choose_lane(m, transfer);
		memset(part, 0, sizeof(*part));
		list_init(&part->item.link);
		part->item.kind = ITEM_PART;
		part->item.home = transfer->item.home;
		part->item.owner = transfer->item.owner;
		part->message = m;
		part->transfer = transfer;
		part->blocks = m->first;
		part->length = length;
		part->leader = parts[0];
		count++;
	}
	parts[0]->shared = count;
	note_message_id(m);
	m->first = m->last = NULL;
	m->block_count = 0;
	m->content_before += length;
	m->parts_out += count;
	for (i = 0; i < count; i++)
		post_send(m->shard, &parts[i]->item);
	return true;
}

void submission_free(struct submission *m)
{
	struct shard *shard = m->shard;
	struct list *link;

	assert(m->parts_out == 0);
	while ((link = list_take_first(&m->transfers)) != NULL)
		pool_release(&shard->store->transfers, container_of(link, struct transfer, link));
	if (m->text != m->text_inline)
		free(m->text);
	if (m->first)
		free_blocks(shard, m->first);
	pool_release(&shard->store->submissions, m);
}

static void settle(struct submission *m);

/* Every owner has answered: those that stored their share may deliver it, or must forget it because another could not.
 */
static void release(struct submission *m)
{
	struct list *link, *next;

	m->state = SUBMISSION_RELEASING;
	m->unanswered = 1; /* see submission_abort() */
	for (link = m->transfers.next; link != &m->transfers; link = next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		next = link->next;
		if (transfer->item.result < 0)
			continue;
		m->unanswered++;
		transfer->item.kind = m->result < 0 ? ITEM_UNDO : ITEM_RELEASE;
		post_send(m->shard, &transfer->item);
	}
	m->unanswered--;
	settle(m);
}

/* Every owner has answered everything it was lent: the message may move on. */
static void settle(struct submission *m)
{
	if (m->unanswered > 0 || m->parts_out > 0)
		return;
	if (m->state == SUBMISSION_ABORTING) {
		submission_free(m);
	} else if (m->state == SUBMISSION_COMMITTING && m->transfer_count > 1) {
		release(m);
	} else if (m->state == SUBMISSION_COMMITTING || m->state == SUBMISSION_RELEASING) {
		m->state = SUBMISSION_ANSWERED;
		receive_message_answered(m->session);
	}
}

void submission_commit(struct submission *m)
{
	struct list *link, *next;

	assert(m->transfer_count > 0);
	note_message_id(m);
	m->state = SUBMISSION_COMMITTING;
	m->unanswered = m->transfer_count + 1; /* see submission_abort() */
	for (link = m->transfers.next; link != &m->transfers; link = next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		next = link->next;
		choose_lane(m, transfer);
		transfer->item.kind = ITEM_MESSAGE;
		post_send(m->shard, &transfer->item);
	}
	m->unanswered--;
	settle(m);
}

void submission_abort(struct submission *m)
{
	struct list *link, *next;

	m->session = NULL;
	if (m->content_before == 0) {
		submission_free(m); /* nobody else has heard of it */
		return;
	}
	m->state = SUBMISSION_ABORTING;
	m->unanswered = m->transfer_count;
	/* The last answer may come at once and free the message: so this loop counts as one more. */
	m->unanswered++;
	for (link = m->transfers.next; link != &m->transfers; link = next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		next = link->next;
		transfer->item.kind = ITEM_ABORT;
		post_send(m->shard, &transfer->item);
	}
	m->unanswered--;
	settle(m);
}

static void on_part_answer(struct shard *shard, struct part *part)
{
	struct submission *m = part->message;
	struct part *leader = part->leader;

	if (part->item.result < 0 && m->result == 0)
		m->result = part->item.result;
	m->parts_out--;
	if (part != leader)
		pool_release(&shard->store->parts, part);
	if (--leader->shared == 0) {
		struct block *blocks = leader->blocks;
		pool_release(&shard->store->parts, leader);
		free_blocks(shard, blocks);
	}
	if (m->state == SUBMISSION_CONTENT)
		receive_part_stored(m->session);
	else
		settle(m);
}

void submission_on_answer(struct shard *shard, struct post *item)
{
	struct transfer *transfer;
	struct submission *m;

	if (item->kind == ITEM_PART_ANSWER) {
		on_part_answer(shard, container_of(item, struct part, item));
		return;
	}
	transfer = container_of(item, struct transfer, item);
	m = transfer->message;
	if (item->result < 0 && m->result == 0)
		m->result = item->result;
	/* An owner does not know, or one could not store it and another cannot take back what it has stored. */
	if (item->result == SPOOL_IN_DOUBT || (item->result < 0 && item->kind == ITEM_RELEASE_ANSWER))
		m->result = SUBMISSION_UNDECIDED;
	assert(m->unanswered > 0);
	m->unanswered--;
	settle(m);
}
