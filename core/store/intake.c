/*
 * core/store/intake.c - the owner's side of a message in transit: appends to this shard's spool and answers when it is
 * durable. Loans are taken strictly in order, so the parts of a message are stored before the message; when the spool
 * has no room they wait.
 */
#include "core/store/intake.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/events/running.h"
#include "core/shard/shard.h"
#include "core/store/addressee.h"
#include "queue/envelope.h"

static void answer(struct loan *loan, int result)
{
	loan->result = result;
	loan->post.fn = loan->answered;
	loan->post.to = loan->home;
	post_send(loan->taker, &loan->post);
}

/* ---- parts -------------------------------------------------------------------------------------------------- */

static void on_part_durable(struct spool_ticket *ticket, int result)
{
	struct part *part = container_of(ticket, struct part, ticket);

	if (result < 0) {
		/* The spool has forgotten it. It is gone where the message was given up meanwhile. */
		struct transfer *transfer = part->transfer;
		if (transfer->mail)
			transfer->mail->item.parts[part->index].segment = 0;
		transfer->part_error = result;
	}
	answer(&part->loan, result);
}

static unsigned gather(const struct block *block, struct iovec *out)
{
	unsigned count = 0;

	for (; block; block = block->next) {
		assert(count < PART_BLOCKS + 1);
		out[count].iov_base = (void *)(uintptr_t)block->data;
		out[count].iov_len = block->length;
		count++;
	}
	return count;
}

/* It is there from the first record on, because the spool must know whose records it may move. NULL: no memory. */
static struct mail *mail_for(struct shard *shard, struct transfer *transfer)
{
	struct mail *m = transfer->mail;

	if (m)
		return m;
	m = pool_acquire(&shard->store->mails);
	if (!m)
		return NULL;
	mail_init(m, transfer->recipients, 0);
	m->item.id = delivery_id(transfer);
	store_note_part(shard, m->item.id);
	transfer->mail = m;
	transfer->part_capacity = 0;
	return m;
}

static void give_up(struct shard *shard, struct transfer *transfer)
{
	struct mail *m = transfer->mail;

	transfer->mail = NULL;
	if (!m)
		return;
	spool_drop(shard->store->spool, &m->item);
	mail_deinit(m);
	pool_release(&shard->store->mails, m);
}

static int room_for_part(struct transfer *transfer, struct spool_item *item)
{
	struct spool_ref *parts;
	uint32_t capacity;

	if (item->part_count < transfer->part_capacity)
		return 0;
	if (item->part_count == SPOOL_PARTS_MAX)
		return -EFBIG;
	capacity = transfer->part_capacity ? 2 * transfer->part_capacity : 8;
	parts = realloc(item->parts, capacity * sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	item->parts = parts;
	transfer->part_capacity = capacity;
	return 0;
}

static int take_part(struct shard *shard, struct part *part)
{
	struct iovec content[PART_BLOCKS + 1];
	struct transfer *transfer = part->transfer;
	struct mail *m;
	struct spool_message record = {
		.id = delivery_id(transfer),
		.wall_ns = transfer->letter->wall_ns,
		.content = content,
		.content_count = gather(part->blocks, content),
	};
	int r;

	if (transfer->part_error)
		return transfer->part_error;
	m = mail_for(shard, transfer);
	r = m ? room_for_part(transfer, &m->item) : -ENOMEM;
	if (r < 0)
		return r;
	part->ticket.fn = on_part_durable;
	list_init(&part->ticket.link);
	part->index = m->item.part_count;
	return spool_append_part(shard->store->spool, &record, &m->item, &part->ticket);
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

/* When it may go first (RFC 4865). */
static uint64_t due_ns(const struct shard *shard, const struct letter *letter)
{
	uint64_t wall_ns = letter->not_before_ns ? clock_wall_ns() : 0;

	if (letter->not_before_ns <= wall_ns)
		return STORE_DUE_NOW;
	return shard->now_ns + (letter->not_before_ns - wall_ns);
}

static void queue_mail(struct shard *shard, struct transfer *transfer)
{
	uint64_t when_ns = due_ns(shard, transfer->letter);
	struct mail *m = transfer->mail;
	struct delivery *d = NULL;

	transfer->mail = NULL;
	counter_add(&shard->store->counters.queued, 1);
	while ((d = mail_next(m, d)))
		shard->store->due(shard, d, when_ns);
}

static void keep_mail(struct transfer *transfer)
{
	struct delivery *d = NULL;

	while ((d = mail_next(transfer->mail, d)))
		d->place = DELIVERY_KEPT;
	transfer->mail = NULL;
}

static void on_undone(struct spool_ticket *ticket, int result)
{
	struct transfer *transfer = container_of(ticket, struct transfer, ticket);

	answer(&transfer->loan, result);
}

/* The client is about to be refused: its message must be gone from the disk first. */
static int undo(struct shard *shard, struct transfer *transfer)
{
	struct mail *m = transfer->mail;
	int r;

	transfer->ticket.fn = on_undone;
	list_init(&transfer->ticket.link);
	r = spool_done(shard->store->spool, &m->item, &transfer->ticket);
	if (r == -EAGAIN)
		return r;
	/* Where even that cannot be written the spool has failed and says so; at the next start it will be found. */
	if (r < 0)
		spool_drop(shard->store->spool, &m->item);
	transfer->mail = NULL;
	mail_deinit(m);
	pool_release(&shard->store->mails, m);
	return r;
}

static void on_message_durable(struct spool_ticket *ticket, int result)
{
	struct transfer *transfer = container_of(ticket, struct transfer, ticket);
	struct shard *shard = transfer->loan.taker;

	if (result == 0) {
		/* Where there are other owners, or it is held, it stays with the transfer until home releases it. */
		if (transfer->letter->owners == 1 && !transfer->letter->held)
			queue_mail(shard, transfer);
	} else {
		give_up(shard, transfer);
		counter_add(&shard->store->counters.accept_failed, 1);
	}
	answer(&transfer->loan, result);
}

/* The transfer's recipients, one after the other. */
struct recipients {
	const struct letter *letter;
	const char *at, *end;
	unsigned transfer;
};

static void recipients_first(struct recipients *r, const struct transfer *transfer)
{
	const struct letter *letter = transfer->letter;

	*r = (struct recipients){
		.letter = letter,
		.at = letter_recipients(letter),
		.end = letter->text + letter->text_length,
		.transfer = transfer->ordinal,
	};
}

/* *share: its index among those of this transfer. */
static const struct share *share_of(const struct recipients *r, unsigned destination, unsigned *share)
{
	unsigned i;

	*share = 0;
	for (i = 0; i < r->letter->share_count; i++) {
		const struct share *s = &r->letter->shares[i];
		bool ours = s->recipients > 0 && s->transfer == r->transfer;
		if (s->destination == destination)
			return ours ? s : NULL;
		*share += ours;
	}
	return NULL;
}

static const struct share *recipients_next(struct recipients *r, unsigned *share, struct addressee *who)
{
	while (r->at < r->end) {
		const struct share *s;
		r->at = addressee_read(r->at, who);
		s = share_of(r, who->destination, share);
		if (s)
			return s;
	}
	return NULL;
}

static size_t encode_envelope(struct shard *shard, const struct transfer *transfer)
{
	const struct letter *m = transfer->letter;
	struct envelope fields = {
		.flags = m->flags,
		.wide = m->wide,
		.client = m->client,
		.peer = m->peer,
		.helo = {m->text + m->sender_length, m->helo_length},
		.sender = {m->text, m->sender_length},
		.envid = {m->text + m->sender_length + m->helo_length, m->envid_length},
		.ret = m->ret,
		.require_tls = m->require_tls,
		.not_before_ns = m->not_before_ns,
		.owner = m->owner,
		.device = m->device,
	};
	struct envelope_writer writer;
	struct addressee who;
	struct recipients r;
	unsigned share, i;

	envelope_begin(&writer, shard->store->scratch, SPOOL_ENVELOPE_MAX, &fields);
	for (i = 0; i < m->report_count; i++)
		envelope_add_report(&writer, &m->reports[i]);
	for (i = 0; i < m->share_count; i++) {
		const struct share *s = &m->shares[i];
		if (s->recipients > 0 && s->transfer == transfer->ordinal)
			envelope_add_destination(&writer, span_text(shard->config->destinations[s->destination].name));
	}
	recipients_first(&r, transfer);
	while (recipients_next(&r, &share, &who)) {
		envelope_add_recipient(&writer, share, who.address);
		if (addressee_says_more(&who))
			envelope_add_parameters(&writer, who.notify, who.orcpt);
	}
	return envelope_end(&writer);
}

/* Each recipient into a delivery of its lane. 0 or -ENOMEM. */
static int place_recipients(struct mail *m, const struct transfer *transfer)
{
	const struct share *share;
	struct addressee who;
	struct recipients r;
	unsigned ignored, i;

	recipients_first(&r, transfer);
	share = recipients_next(&r, &ignored, &who);
	m->first.client = fair_client(transfer->letter->client.data, transfer->letter->client.length);
	m->first.lane = share->lane;
	/* The usual case: one destination. */
	if (share->recipients == transfer->recipients)
		return 0;
	if (mail_tell_apart(m) < 0)
		return -ENOMEM;
	for (i = 1; (share = recipients_next(&r, &ignored, &who)) != NULL; i++) {
		if (mail_place(m, i, share->lane) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* What waits for it to be told ends then, and gives its room back. */
static bool tells_of_ends(const struct letter *letter)
{
	bool ends = false;

	for (unsigned i = 0; i < letter->report_count; i++)
		ends = ends || letter->reports[i].what == ENVELOPE_REPORTED_END;
	return ends;
}

static int take_message(struct shard *shard, struct transfer *transfer)
{
	const struct letter *letter = transfer->letter;
	struct iovec content[PART_BLOCKS + 1];
	struct spool_message record = {
		.id = delivery_id(transfer),
		.wall_ns = letter->wall_ns,
		.envelope = shard->store->scratch,
		.content = content,
		.report = tells_of_ends(letter),
	};
	struct mail *m;

	if (transfer->part_error)
		return transfer->part_error;
	m = mail_for(shard, transfer);
	if (!m || place_recipients(m, transfer) < 0)
		return -ENOMEM;
	record.envelope_length = encode_envelope(shard, transfer);
	assert(record.envelope_length > 0); /* LETTER_TEXT_MAX keeps the room */
	record.content_count = gather(letter->first, content);
	/* It is as old as the time for which it could have been sent. */
	m->accepted_wall_ns = letter->not_before_ns > letter->wall_ns ? letter->not_before_ns : letter->wall_ns;
	m->content_length = letter->content_length;
	transfer->ticket.fn = on_message_durable;
	list_init(&transfer->ticket.link);
	return spool_append_message(shard->store->spool, &record, &m->item, &transfer->ticket);
}

/* ---- the line of loans -------------------------------------------------------------------------------------- */

/* The spool accepts nothing more: say so once, loudly (I8). */
static void report_spool_failure(struct shard *shard, int error)
{
	if (error != -EIO || shard->store->spool_failure_reported)
		return;
	shard->store->spool_failure_reported = true;
	event_spool_failed(shard->log);
}

/* False: no room now, try again next turn. */
static bool take(struct shard *shard, struct loan *loan)
{
	struct transfer *transfer;
	int r;

	switch (loan->kind) {
	case LOAN_PART:
		r = take_part(shard, container_of(loan, struct part, loan));
		if (r == -EAGAIN)
			return false;
		if (r < 0) {
			container_of(loan, struct part, loan)->transfer->part_error = r;
			answer(loan, r);
		}
		return true;
	case LOAN_MESSAGE:
		transfer = container_of(loan, struct transfer, loan);
		r = take_message(shard, transfer);
		if (r == -EAGAIN)
			return false;
		if (r < 0) {
			report_spool_failure(shard, r);
			counter_add(&shard->store->counters.accept_failed, 1);
			give_up(shard, transfer);
			answer(loan, r);
		}
		return true;
	case LOAN_RELEASE:
		queue_mail(shard, container_of(loan, struct transfer, loan));
		answer(loan, 0);
		return true;
	case LOAN_KEEP:
		keep_mail(container_of(loan, struct transfer, loan));
		answer(loan, 0);
		return true;
	case LOAN_UNDO:
		r = undo(shard, container_of(loan, struct transfer, loan));
		if (r == -EAGAIN)
			return false;
		if (r < 0)
			answer(loan, r);
		return true;
	case LOAN_ABORT:
		transfer = container_of(loan, struct transfer, loan);
		give_up(shard, transfer);
		answer(loan, 0);
		return true;
	}
	assert(!"a loan of no kind");
	return true;
}

void intake_take(struct shard *shard, struct post *post)
{
	struct loan *loan = container_of(post, struct loan, post);

	loan->taker = shard;
	if (!list_empty(&shard->store->intake) || !take(shard, loan))
		list_append(&shard->store->intake, &post->link);
}

void intake_run(struct shard *shard)
{
	struct list *link;

	while ((link = list_take_first(&shard->store->intake)) != NULL) {
		if (!take(shard, container_of(link, struct loan, post.link))) {
			list_prepend(&shard->store->intake, link);
			return;
		}
	}
}
