/*
 * core/store/submission.c - the home side of a message in transit. See submission.h.
 */
#include "core/store/submission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/route/place.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/smtp/header.h"
#include "queue/envelope.h"
#include "queue/hash.h"

static post_fn on_part_answered, on_transfer_answered;

struct submission *submission_new(struct shard *shard, const struct submission_handlers *handlers, void *context)
{
	struct submission *m = pool_acquire(&shard->store->submissions);

	if (!m)
		return NULL;
	memset(m, 0, offsetof(struct submission, tail));
	m->shard = shard;
	m->handlers = handlers;
	m->context = context;
	m->state = SUBMISSION_ENVELOPE;
	m->letter.text = m->text_inline;
	m->text_capacity = SUBMISSION_TEXT_INLINE;
	m->started_ns = shard->now_ns;
	list_init(&m->link);
	list_init(&m->transfers);
	return m;
}

static bool append_text(struct submission *m, const void *data, size_t length)
{
	if (length > m->text_capacity - m->letter.text_length) {
		size_t capacity = m->text_capacity;
		char *text;
		/* The owner's record must have room for it. */
		if (m->letter.text_length + length > SPOOL_ENVELOPE_MAX)
			return false;
		while (capacity - m->letter.text_length < length)
			capacity *= 2;
		text = m->letter.text == m->text_inline ? malloc(capacity) : realloc(m->letter.text, capacity);
		if (!text)
			return false;
		if (m->letter.text == m->text_inline)
			memcpy(text, m->text_inline, m->letter.text_length);
		m->letter.text = text;
		m->text_capacity = (uint32_t)capacity;
	}
	memcpy(m->letter.text + m->letter.text_length, data, length);
	m->letter.text_length += (uint32_t)length;
	return true;
}

bool submission_envelope_start(struct submission *m, struct span sender, struct span helo)
{
	m->letter.sender_length = (uint16_t)sender.length;
	m->letter.helo_length = (uint16_t)helo.length;
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
	transfer->letter = &m->letter;
	transfer->destination = (uint16_t)destination;
	transfer->ordinal = (uint16_t)m->transfer_count;
	transfer->loan.home = (uint16_t)m->shard->index;
	transfer->loan.answered = on_transfer_answered;
	list_init(&transfer->loan.post.link);
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
	if (m->letter.text_length + (m->recipients + 1) * ENVELOPE_RECIPIENT_OVERHEAD + address.length >
	    LETTER_TEXT_MAX)
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
		m->letter.first = block;
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
	transfer->lane = (uint16_t)place_choose(m->shard, transfer->destination,
						queue_hash(&m->letter.id, sizeof(m->letter.id)));
	transfer->loan.owner = m->shard->plan->lanes[transfer->lane].owner;
}

/* It is the owner's until `answered` runs. */
static void lend(struct submission *m, struct loan *loan, enum loan_kind kind)
{
	loan->kind = kind;
	loan->post.fn = intake_take;
	loan->post.to = loan->owner;
	post_send(m->shard, &loan->post);
}

/* Before the first block goes to its owners. A header that is longer than a block is not searched further. */
static void note_message_id(struct submission *m)
{
	if (m->content_before > 0 || !m->letter.first || !m->shard->config->log_messages)
		return;
	m->field_length = (uint8_t)header_value((const char *)m->letter.first->data, m->letter.first->length,
						"message-id", m->field, sizeof(m->field));
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
	for (block = m->letter.first; block; block = block->next)
		length += block->length;
	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		struct part *part = parts[count];

		choose_lane(m, transfer);
		memset(part, 0, sizeof(*part));
		list_init(&part->loan.post.link);
		part->loan.home = transfer->loan.home;
		part->loan.owner = transfer->loan.owner;
		part->loan.answered = on_part_answered;
		part->message = m;
		part->transfer = transfer;
		part->blocks = m->letter.first;
		part->length = length;
		part->leader = parts[0];
		count++;
	}
	parts[0]->shared = count;
	note_message_id(m);
	m->letter.first = m->last = NULL;
	m->block_count = 0;
	m->content_before += length;
	m->parts_out += count;
	for (i = 0; i < count; i++)
		lend(m, &parts[i]->loan, LOAN_PART);
	return true;
}

void submission_free(struct submission *m)
{
	struct shard *shard = m->shard;
	struct list *link;

	assert(m->parts_out == 0);
	while ((link = list_take_first(&m->transfers)) != NULL)
		pool_release(&shard->store->transfers, container_of(link, struct transfer, link));
	if (m->letter.text != m->text_inline)
		free(m->letter.text);
	if (m->letter.first)
		free_blocks(shard, m->letter.first);
	pool_release(&shard->store->submissions, m);
}

/* Every owner has answered: those that stored their share may deliver it, or must forget it because another could not.
 */
static void release(struct submission *m)
{
	struct list *link;

	m->state = SUBMISSION_RELEASING;
	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		if (transfer->loan.result < 0)
			continue;
		m->unanswered++;
		lend(m, &transfer->loan, m->result < 0 ? LOAN_UNDO : LOAN_RELEASE);
	}
}

/* Every owner may have answered everything it was lent: then the message moves on. */
static void settle(struct submission *m)
{
	if (m->unanswered > 0 || m->parts_out > 0)
		return;
	if (m->state == SUBMISSION_COMMITTING && m->transfer_count > 1)
		release(m);
	if (m->unanswered > 0)
		return;
	if (m->state == SUBMISSION_ABORTING) {
		submission_free(m);
	} else if (m->state == SUBMISSION_COMMITTING || m->state == SUBMISSION_RELEASING) {
		m->state = SUBMISSION_ANSWERED;
		m->handlers->on_answered(m);
	}
}

void submission_commit(struct submission *m)
{
	struct list *link;

	assert(m->transfer_count > 0);
	note_message_id(m);
	m->state = SUBMISSION_COMMITTING;
	m->unanswered = m->transfer_count;
	m->letter.owners = m->transfer_count;
	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		choose_lane(m, transfer);
		lend(m, &transfer->loan, LOAN_MESSAGE);
	}
}

void submission_abort(struct submission *m)
{
	struct list *link;

	m->context = NULL;
	if (m->content_before == 0) {
		submission_free(m); /* nobody else has heard of it */
		return;
	}
	m->state = SUBMISSION_ABORTING;
	m->unanswered = m->transfer_count;
	for (link = m->transfers.next; link != &m->transfers; link = link->next)
		lend(m, &container_of(link, struct transfer, link)->loan, LOAN_ABORT);
}

static void on_part_answered(struct shard *shard, struct post *post)
{
	struct part *part = container_of(post, struct part, loan.post);
	struct submission *m = part->message;
	struct part *leader = part->leader;

	if (part->loan.result < 0 && m->result == 0)
		m->result = part->loan.result;
	m->parts_out--;
	if (part != leader)
		pool_release(&shard->store->parts, part);
	if (--leader->shared == 0) {
		struct block *blocks = leader->blocks;
		pool_release(&shard->store->parts, leader);
		free_blocks(shard, blocks);
	}
	if (m->state == SUBMISSION_CONTENT)
		m->handlers->on_part_stored(m);
	else
		settle(m);
}

static void on_transfer_answered(struct shard *shard, struct post *post)
{
	struct loan *loan = container_of(post, struct loan, post);
	struct submission *m = container_of(loan, struct transfer, loan)->message;
	bool stored = loan->kind == LOAN_RELEASE || loan->kind == LOAN_UNDO;

	if (loan->result < 0 && m->result == 0)
		m->result = loan->result;
	/* An owner does not know, or one could not store it and another cannot take back what it has stored. */
	if (loan->result == SPOOL_IN_DOUBT || (loan->result < 0 && stored))
		m->result = SUBMISSION_UNDECIDED;
	assert(m->unanswered > 0);
	m->unanswered--;
	settle(m);
}
