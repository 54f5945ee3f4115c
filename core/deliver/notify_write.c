/*
 * core/deliver/notify_write.c - who is told of a mail, of whom of it, and in which words.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/suppression.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/notify_private.h"
#include "core/deliver/outbound.h"
#include "core/deliver/path.h"
#include "core/deliver/verdict.h"
#include "core/route/route.h"
#include "core/shard/snapshot.h"
#include "core/smtp/address.h"
#include "core/smtp/fields.h"
#include "core/smtp/idna.h"
#include "core/smtp/utf8.h"

/* ---- who --------------------------------------------------------------------------------------------------------- */

static bool readable(struct span address)
{
	struct address parts;

	return address.length <= NOTIFY_ADDRESS_MAX &&
	       address_parse_wide(address, SMTP_SYNTAX_STRICT, &parts) == ADDRESS_OK && parts.domain.length > 0;
}

static bool bad_domain(enum idna_result result)
{
	return result != IDNA_OK && result != IDNA_LOCAL;
}

const char *notify_addressee(struct notify_job *job)
{
	const struct envelope *e = &job->envelope;
	struct span to = e->owner.length ? e->owner : e->sender, known;
	char room[SMTP_PATH_MAX];
	const struct config_route *route;

	if (e->reports > 0)
		return "it is a report itself";
	if (e->sender.length == 0)
		return "it has no sender";
	if (!readable(to))
		return "its sender is no address that can be written to";
	known = to;
	if (utf8_needed(to) && bad_domain(idna_address(to, room, &known)))
		return "its sender is no address that can be written to";
	/* Mail comes back from there, or is not wanted: neither is this. */
	if (suppression_find(job->shard->snapshot->suppression, job->shard->index, to) != SUPPRESSION_NONE)
		return "who is to be told is in the suppression list";
	route = route_find(job->shard->config, &(struct route_question){.recipient = known, .sender = {"", 0}});
	if (!route || route->refuse)
		return "no route leads to its sender";
	memcpy(job->to, to.data, to.length);
	job->to[to.length] = '\0';
	job->instead = e->owner.length > 0;
	job->destination = route->destination;
	return NULL;
}

/* ---- of whom ----------------------------------------------------------------------------------------------------- */

static bool asked_for(const struct envelope_recipient *r, unsigned what)
{
	return r->notify == 0 || r->notify & what;
}

static const struct delivery *delivery_of(const struct mail *m, unsigned i)
{
	const struct delivery *d = NULL;

	while ((d = mail_next(m, d)) && !mail_stands_in(m, d, i))
		;
	return d;
}

/* What is said that it is late would be as late: it would go the same way, which leads nowhere at present. Of domains
 * each has a way of its own. */
static bool in_vain(const struct notify_job *job, unsigned i)
{
	const struct delivery *d = delivery_of(job->items->mail, i);
	const struct shard *shard = job->shard;
	const struct outbound *o = d ? &shard->deliverer->outbound[d->lane] : NULL;

	if (!d || d->place == DELIVERY_KEPT || !o->shard)
		return true;
	return !o->destination->mx &&
	       strcmp(o->destination->name, shard->config->destinations[job->destination].name) == 0 && !path_leads(o);
}

/* What was said last of recipient `i`. */
static bool last_reply(const struct notify_job *job, unsigned i, struct state_reply *out)
{
	const struct mail_fates *fates = job->items->mail->fates;
	const struct mail_reply *kept = NULL;
	struct state_fate fate;

	if (!fates)
		return job->said_known && state_fate(&job->said, 0, &fate) && state_reply(&job->said, fate.reply, out);
	if (fates->recipients[i].reply)
		kept = fates->replies[fates->recipients[i].reply - 1];
	if (kept)
		*out = (struct state_reply){kept->code, kept->stage, {kept->text, kept->length}};
	return kept != NULL;
}

static void words(const struct notify_job *job, const struct envelope_recipient *recipient, unsigned i,
		  struct report_recipient *out)
{
	const struct config *config = job->shard->config;
	const struct mail *m = job->items->mail;
	const struct mail_recipient *r = m->fates ? &m->fates->recipients[i] : NULL;
	struct state_reply reply;
	struct span name = envelope_destination(&job->envelope, recipient->destination);
	int destination = route_destination(config, name.data, name.length);
	const struct delivery *d = out->action == REPORT_DELAYED ? delivery_of(m, i) : NULL;
	struct verdict_fact fact = {.text = {"", 0}};
	struct ruling ruling;

	out->address = recipient->address;
	out->orcpt = recipient->orcpt;
	out->text = (struct span){"", 0};
	out->attempts = d ? d->attempts : r ? r->attempts : 0;
	if (!last_reply(job, i, &reply))
		return;
	fact = (struct verdict_fact){(enum stage)reply.stage, reply.code, reply.text};
	out->code = reply.code;
	out->text = fact.text;
	if (reply.stage == STATE_STAGE_NONE)
		return;
	out->stage = stage_name(fact.stage);
	ruling = verdict_judge(&fact, destination >= 0 ? config->destinations[destination].rules : NULL);
	if ((ruling.verdict == VERDICT_FAIL) == (out->action == REPORT_FAILED))
		out->say = ruling.tell;
}

/* What is to be told of recipient `i`. False: nothing; *mark: and that is settled by it. */
static bool is_told(const struct notify_job *job, const struct envelope_recipient *r, unsigned i,
		    enum report_action *action, unsigned *mark)
{
	const struct mail *m = job->items->mail;

	*mark = 0;
	if (mail_owes_of(m, i)) {
		bool failed = mail_status(m, i) == RECIPIENT_FAILED;
		*mark = STATE_MARK_TOLD;
		*action = failed ? REPORT_FAILED : REPORT_RELAYED;
		return job->to[0] && (!failed || asked_for(r, ENVELOPE_NOTIFY_FAILURE));
	}
	if (!job->late || mail_status(m, i) != RECIPIENT_PENDING ||
	    mail_marks(m, i) & (STATE_MARK_DELAY | STATE_MARK_HELD))
		return false;
	*action = REPORT_DELAYED;
	if (job->to[0] && asked_for(r, ENVELOPE_NOTIFY_DELAY) && in_vain(job, i))
		return false;
	*mark = STATE_MARK_DELAY;
	return job->to[0] && asked_for(r, ENVELOPE_NOTIFY_DELAY);
}

void notify_item_set(struct notify_item *item, unsigned i, unsigned mark)
{
	uint8_t *bits = mark == STATE_MARK_DELAY ? item->end + item->octets : item->end;

	bits[i / 8] |= (uint8_t)(1u << i % 8);
	item->ends |= mark == STATE_MARK_TOLD;
	item->delays |= mark == STATE_MARK_DELAY;
}

unsigned notify_recipients(struct notify_job *job, struct report_recipient *out, uint16_t *index)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	unsigned count = 0, mark, i;

	envelope_first(&job->envelope, &cursor);
	for (i = 0; envelope_next(&cursor, &recipient); i++) {
		enum report_action action;
		bool told = is_told(job, &recipient, i, &action, &mark);
		if (mark && !told)
			notify_item_set(job->items, i, mark);
		if (!told || count == REPORT_RECIPIENTS_MAX)
			continue;
		out[count] = (struct report_recipient){.action = action};
		words(job, &recipient, i, &out[count]);
		index[count++] = (uint16_t)i;
	}
	return count;
}

/* ---- the message ------------------------------------------------------------------------------------------------- */

static int put(struct notify_job *job, const char *out, const struct report *report)
{
	struct letter *letter = &job->message->letter;

	if (report->eight_bit)
		letter->flags |= ENVELOPE_EIGHT_BIT;
	if (report->wide)
		letter->wide = ENVELOPE_WIDE_ADDRESS | ENVELOPE_WIDE_HEADER;
	return submission_append(job->message, out, report->length) ? 0 : -ENOMEM;
}

/* Its header, or all of it where that is wanted. */
static void returned(const struct notify_job *job, struct report_facts *facts)
{
	const struct mail *m = job->items->mail;
	const struct spool_view *first = job->part_held ? &job->part : &job->view;
	size_t length = first->content_length < UINT32_MAX ? first->content_length : 0, end = 0;

	if (m->item.part_count > 0 && !job->part_held)
		return;
	(void)fields_end((const char *)first->content, length, true, &end);
	facts->header = (struct span){(const char *)first->content, (uint32_t)end};
	if (job->envelope.ret == ENVELOPE_RET_FULL && m->item.part_count == 0)
		facts->content = (struct span){(const char *)first->content, (uint32_t)length};
}

int notify_write(struct notify_job *job, const struct report_recipient *recipients, const uint16_t *index,
		 unsigned count)
{
	const struct config *config = job->shard->config;
	const struct mail *m = job->items->mail;
	struct report_facts facts = {
		.hostname = span_text(config->hostname),
		.from = span_text(config->reports.from),
		.to = span_text(job->to),
		.id = job->message->letter.id,
		.wall_ns = job->message->letter.wall_ns,
		.about = delivery_message_id(m->item.id),
		.arrived_wall_ns = m->accepted_wall_ns,
		.until_wall_ns = m->accepted_wall_ns + config->retry.expire_ns,
		.sender = job->envelope.sender,
		.client = job->envelope.client,
		.envid = job->envelope.envid,
		.recipients = recipients,
		.recipient_count = count,
	};
	char *out = malloc(REPORT_ROOM);
	struct report report;
	unsigned i;
	int r;

	if (!out)
		return -ENOMEM;
	returned(job, &facts);
	for (i = 0; i < count && recipients[i].action != REPORT_FAILED; i++)
		;
	/* RFC 3461 4.3: all of it comes back with failures only. */
	if (i == count)
		facts.content.length = 0;
	report_write(&facts, out, &report);
	for (i = 0; i < report.recipients; i++)
		notify_item_set(job->items, index[i],
				recipients[i].action == REPORT_DELAYED ? STATE_MARK_DELAY : STATE_MARK_TOLD);
	job->told = report.recipients;
	job->kind = recipients[0].action == REPORT_FAILED    ? "failed"
		    : recipients[0].action == REPORT_DELAYED ? "delayed"
							     : "relayed";
	r = put(job, out, &report);
	free(out);
	return r;
}

int notify_write_digest(struct notify_job *job, const struct notify_digest *digest)
{
	const struct config *config = job->shard->config;
	struct report_line *lines = malloc((digest->line_count + 1) * sizeof(*lines));
	char *out = malloc(REPORT_ROOM);
	struct report report;
	int r = -ENOMEM;

	if (lines && out) {
		const struct report_digest facts = {
			.hostname = span_text(config->hostname),
			.from = span_text(config->reports.from),
			.to = span_text(digest->to),
			.id = job->message->letter.id,
			.wall_ns = job->message->letter.wall_ns,
			.lines = lines,
			.line_count = digest->line_count,
			.messages = digest->count,
		};
		for (unsigned i = 0; i < digest->line_count; i++)
			lines[i] = digest->lines[i].line;
		report_write_digest(&facts, out, &report);
		job->told = digest->count;
		job->kind = "digest";
		r = put(job, out, &report);
	}
	free(lines);
	free(out);
	return r;
}

/* A copy of the text, cut where there is no more room. */
static struct span keep(struct notify_line *line, size_t *at, struct span text)
{
	enum { MOST = sizeof(line->text) / 3 };
	uint32_t length = text.length < MOST ? text.length : (uint32_t)MOST;
	char *to = line->text + *at;

	memcpy(to, text.data, length);
	*at += length;
	return (struct span){to, length};
}

void notify_line(const struct notify_job *job, const struct report_recipient *r, unsigned others,
		 struct notify_line *out)
{
	const struct mail *m = job->items->mail;
	size_t at = 0;

	out->line = (struct report_line){
		.about = delivery_message_id(m->item.id),
		.arrived_wall_ns = m->accepted_wall_ns,
		.sender = keep(out, &at, job->envelope.sender),
		.recipient = keep(out, &at, r->address),
		.others = others,
		.code = r->code,
		.text = keep(out, &at, r->text),
	};
}
