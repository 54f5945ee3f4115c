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
	m->letter.shares = m->shares = m->shares_inline;
	m->share_capacity = SUBMISSION_SHARES_INLINE;
	m->text_capacity = SUBMISSION_TEXT_INLINE;
	m->started_ns = shard->now_ns;
	list_init(&m->link);
	list_init(&m->transfers);
	return m;
}

static bool text_room(struct submission *m, size_t length)
{
	size_t capacity = m->text_capacity;
	char *text;

	if (length <= m->text_capacity - m->letter.text_length)
		return true;
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
	return true;
}

static bool append_text(struct submission *m, const void *data, size_t length)
{
	if (!text_room(m, length))
		return false;
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

bool submission_envelope_id(struct submission *m, struct span envid)
{
	m->letter.envid_length = (uint16_t)envid.length;
	return envid.length == 0 || append_text(m, envid.data, envid.length);
}

static bool transfer_add(struct submission *m)
{
	struct transfer *transfer = pool_acquire(&m->shard->store->transfers);

	if (!transfer)
		return false;
	memset(transfer, 0, sizeof(*transfer));
	transfer->message = m;
	transfer->letter = &m->letter;
	transfer->ordinal = (uint16_t)m->transfer_count;
	transfer->loan.home = (uint16_t)m->shard->index;
	transfer->loan.answered = on_transfer_answered;
	list_init(&transfer->loan.post.link);
	list_init(&transfer->link);
	list_append(&m->transfers, &transfer->link);
	m->transfer_count++;
	return true;
}

static bool room_for_share(struct submission *m)
{
	size_t capacity = 2 * (size_t)m->share_capacity;
	struct share *shares;

	if (m->letter.share_count < m->share_capacity)
		return true;
	shares = malloc(capacity * sizeof(*shares));
	if (!shares)
		return false;
	memcpy(shares, m->shares, m->letter.share_count * sizeof(*shares));
	if (m->shares != m->shares_inline)
		free(m->shares);
	m->letter.shares = m->shares = shares;
	m->share_capacity = (unsigned)capacity;
	return true;
}

static struct share *share_find(const struct submission *m, unsigned destination)
{
	unsigned i;

	for (i = 0; i < m->letter.share_count; i++) {
		if (m->shares[i].destination == destination)
			return &m->shares[i];
	}
	return NULL;
}

static uint32_t name_length(const struct submission *m, unsigned destination)
{
	return ENVELOPE_DESTINATION_OVERHEAD + (uint32_t)strlen(m->shard->config->destinations[destination].name);
}

/* With the transfer that its owner may need. NULL: no memory. */
static struct share *share_add(struct submission *m, unsigned destination)
{
	struct share *share;

	if (!room_for_share(m) || (m->transfer_count < m->shard->count && !transfer_add(m)))
		return NULL;
	share = &m->shares[m->letter.share_count++];
	*share = (struct share){.destination = (uint16_t)destination};
	m->names_length += name_length(m, destination);
	return share;
}

enum submission_add submission_add_recipient(struct submission *m, const struct addressee *who)
{
	struct share *share = share_find(m, who->destination);
	uint32_t names = m->names_length + (share ? 0 : name_length(m, who->destination));
	uint32_t wishes = m->wishes_length + (addressee_says_more(who) ? ENVELOPE_PARAMETERS_OVERHEAD : 0);
	size_t size = addressee_size(who);

	if (m->letter.text_length + (m->recipients + 1) * ENVELOPE_RECIPIENT_OVERHEAD + size + names + wishes >
	    LETTER_TEXT_MAX)
		return SUBMISSION_TOO_MANY;
	if (!share && !(share = share_add(m, who->destination)))
		return SUBMISSION_NO_MEMORY;
	if (!text_room(m, size))
		return SUBMISSION_NO_MEMORY;
	addressee_write(who, m->letter.text + m->letter.text_length);
	m->letter.text_length += (uint32_t)size;
	m->wishes_length = wishes;
	share->recipients++;
	m->recipients++;
	return SUBMISSION_ADDED;
}

struct block *submission_room(struct submission *m)
{
	struct block *block = m->last;

	if (block && BLOCK_DATA - block->length >= SUBMISSION_ROOM)
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

void submission_cut(struct submission *m, uint32_t length)
{
	struct block *first = length > 0 ? m->letter.first : NULL;

	assert(m->content_before == 0);
	assert(length == 0 || (first && length <= first->length));
	free_blocks(m->shard, first ? first->next : m->letter.first);
	if (first) {
		first->next = NULL;
		first->length = length;
	}
	m->letter.first = m->last = first;
	m->block_count = first ? 1 : 0;
	m->letter.content_length = length;
}

bool submission_append(struct submission *m, const char *data, size_t length)
{
	while (length > 0) {
		struct block *block = submission_room(m);
		size_t room = block ? BLOCK_DATA - block->length : 0, n = length < room ? length : room;
		if (!block)
			return false;
		memcpy(block->data + block->length, data, n);
		block->length += (uint32_t)n;
		m->letter.content_length += n;
		data += n;
		length -= n;
	}
	return true;
}

/* The transfer of the shard that owns the lane: one that it has already, or the next that nobody has. */
static struct transfer *transfer_of(struct submission *m, unsigned owner)
{
	struct list *link;

	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		if (transfer->recipients == 0)
			transfer->loan.owner = (uint16_t)owner;
		if (transfer->loan.owner == owner)
			return transfer;
	}
	assert(!"a transfer for each share, or for each shard");
	return NULL;
}

/* Once: what has been sent ahead must meet the rest. */
static void choose_lanes(struct submission *m)
{
	uint64_t hash = queue_hash(&m->letter.id, sizeof(m->letter.id));
	struct list *link, *next;
	unsigned i;

	if (m->lanes_chosen)
		return;
	m->lanes_chosen = true;
	for (i = 0; i < m->letter.share_count; i++) {
		struct share *share = &m->shares[i];
		struct transfer *transfer;
		/* Its only recipient was refused for want of memory. */
		if (share->recipients == 0)
			continue;
		share->lane = (uint16_t)place_choose(m->shard, share->destination, hash);
		transfer = transfer_of(m, m->shard->plan->lanes[share->lane].owner);
		transfer->recipients = (uint16_t)(transfer->recipients + share->recipients);
		share->transfer = transfer->ordinal;
	}
	for (link = m->transfers.next; link != &m->transfers; link = next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		next = link->next;
		if (transfer->recipients > 0)
			continue;
		list_remove(link);
		pool_release(&m->shard->store->transfers, transfer);
		m->transfer_count--;
	}
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
	const struct block *first = m->letter.first;

	if (m->content_before > 0 || !first || !m->shard->config->log_messages)
		return;
	m->field_length = (uint8_t)header_value((const char *)first->data + m->header_at, first->length - m->header_at,
						"message-id", m->field, sizeof(m->field));
}

bool submission_flush_part(struct submission *m)
{
	struct part *parts[LETTER_OWNERS_MAX];
	struct list *link;
	struct block *block;
	unsigned count = 0, i;
	size_t length = 0;

	assert(!m->header_held);
	choose_lanes(m);
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
	if (m->shares != m->shares_inline)
		free(m->shares);
	if (m->letter.first)
		free_blocks(shard, m->letter.first);
	pool_release(&shard->store->submissions, m);
}

/* Every owner has answered: those that stored their share may deliver it, or must forget it because another could not.
 */
static void release(struct submission *m, enum loan_kind kind)
{
	struct list *link;

	m->state = SUBMISSION_RELEASING;
	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		struct transfer *transfer = container_of(link, struct transfer, link);
		if (transfer->loan.result < 0)
			continue;
		m->unanswered++;
		lend(m, &transfer->loan, m->result < 0 ? LOAN_UNDO : kind);
	}
}

/* Every owner may have answered everything it was lent: then the message moves on. */
static void settle(struct submission *m)
{
	if (m->unanswered > 0 || m->parts_out > 0)
		return;
	if (m->state == SUBMISSION_COMMITTING && m->letter.held && m->result == 0) {
		m->state = SUBMISSION_HELD;
		m->handlers->on_held(m);
		return;
	}
	if (m->state == SUBMISSION_COMMITTING && m->transfer_count > 1)
		release(m, LOAN_RELEASE);
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

	choose_lanes(m);
	assert(m->transfer_count > 0);
	note_message_id(m);
	m->state = SUBMISSION_COMMITTING;
	m->unanswered = m->transfer_count;
	m->letter.owners = m->transfer_count;
	for (link = m->transfers.next; link != &m->transfers; link = link->next) {
		lend(m, &container_of(link, struct transfer, link)->loan, LOAN_MESSAGE);
	}
}

void submission_release(struct submission *m, bool deliver)
{
	assert(m->state == SUBMISSION_HELD);
	release(m, deliver ? LOAN_RELEASE : LOAN_KEEP);
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
	bool stored = loan->kind != LOAN_MESSAGE && loan->kind != LOAN_ABORT;

	if (loan->result < 0 && m->result == 0)
		m->result = loan->result;
	/* An owner does not know, or one could not store it and another cannot take back what it has stored. */
	if (loan->result == SPOOL_IN_DOUBT || (loan->result < 0 && stored))
		m->result = SUBMISSION_UNDECIDED;
	assert(m->unanswered > 0);
	m->unanswered--;
	settle(m);
}
