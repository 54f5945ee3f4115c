/*
 * core/deliver/results.c - see results.h.
 */
#include "core/deliver/results.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/shard/shard.h"

static bool wanted(const struct attempt *a)
{
	return a->outbound->shard->config->log_messages;
}

void results_keep(struct attempt *a)
{
	struct results *r = &a->told;
	size_t length = a->envelope.recipient_length;

	if (r->names || !wanted(a) || length > RESULTS_NAMES_MAX)
		return;
	r->names = length <= sizeof(r->names_inline) ? r->names_inline : malloc(length);
	if (!r->names)
		return;
	memcpy(r->names, a->envelope.recipient_data, length);
	r->names_length = (uint32_t)length;
}

void results_refused(struct attempt *a, unsigned index, const struct smtp_reply_parser *reply)
{
	struct results *r = &a->told;
	struct results_refused *one;

	/* Where there is one, the attempt's own reply is its reply. */
	if (mail_of(a->delivery)->recipients == 1 || r->refused_count == RESULTS_REFUSED_MAX)
		return;
	if (!r->refused)
		r->refused = malloc(RESULTS_REFUSED_MAX * sizeof(*r->refused));
	if (!r->refused)
		return;
	one = &r->refused[r->refused_count++];
	one->index = (uint16_t)index;
	one->code = reply->code;
	one->length = reply->text_length < RESULTS_REPLY_MAX ? reply->text_length : RESULTS_REPLY_MAX;
	memcpy(one->text, reply->text, one->length);
}

void results_free(struct attempt *a)
{
	if (a->told.names != a->told.names_inline)
		free(a->told.names);
	free(a->told.refused);
}

/* ---- the fields ------------------------------------------------------------------------------------------------- */

static const char *result_of(const struct outcome *outcome, unsigned index)
{
	if (outcome->kind == OUTCOME_UNKNOWN)
		return "unknown";
	if (outcome->kind != OUTCOME_ANSWERED)
		return "deferred";
	switch (outcome->results[index]) {
	case ATTEMPT_SENT:
		return "delivered";
	case ATTEMPT_FAIL:
		return "failed";
	case ATTEMPT_HOLD:
		return "held";
	default:
		return "deferred";
	}
}

const struct results_refused *results_refused_at(const struct attempt *a, unsigned index)
{
	unsigned i;

	for (i = 0; i < a->told.refused_count; i++) {
		if (a->told.refused[i].index == index)
			return &a->told.refused[i];
	}
	return NULL;
}

/* The envelope's addresses, from the view or from the copy; false: there are none. */
static bool names_of(const struct attempt *a, struct envelope *names)
{
	*names = a->envelope;
	if (!a->view_held) {
		names->recipient_data = a->told.names;
		names->recipient_length = a->told.names_length;
	}
	return names->recipient_data != NULL;
}

/* All that an event says of one; false: no room. */
static bool tell(struct log_event *e, const struct attempt *a, unsigned index, struct span address, const char *result)
{
	enum { ITEM_ROOM = 640 };
	const struct results_refused *one = results_refused_at(a, index);

	if (!log_item(e, ITEM_ROOM))
		return false;
	log_string(e, "recipient", address.data, address.length);
	log_text(e, "result", result);
	if (one) {
		log_number(e, "code", one->code);
		log_string(e, "reply", one->text, one->length);
	}
	return true;
}

static bool only_one(struct log_event *e, const struct attempt *a, const struct envelope *names)
{
	struct envelope_cursor cursor;
	struct envelope_recipient recipient;

	if (mail_of(a->delivery)->recipients != 1)
		return false;
	envelope_first(names, &cursor);
	if (envelope_next(&cursor, &recipient))
		log_string(e, "recipient", recipient.address.data, recipient.address.length);
	return true;
}

/* Those delivered, or those that were not, in the order of the envelope. Returns how many were named. */
static unsigned list(struct log_event *e, const struct attempt *a, const struct outcome *outcome,
		     const struct envelope *names, bool sent, unsigned most)
{
	struct envelope_cursor cursor;
	unsigned named = 0, i;
	struct envelope_recipient recipient;

	envelope_first(names, &cursor);
	for (i = 0; i < a->exchange.end && named < most && envelope_next(&cursor, &recipient); i++) {
		bool delivered = outcome->kind == OUTCOME_ANSWERED && outcome->results[i] == ATTEMPT_SENT;
		if (i < a->exchange.first || !exchange_pending(&a->exchange, i) || delivered != sent)
			continue;
		if (!tell(e, a, i, recipient.address, result_of(outcome, i)))
			break;
		named++;
	}
	return named;
}

void results_fields(struct log_event *e, const struct attempt *a, const struct outcome *outcome)
{
	struct envelope names;
	unsigned tried = 0, named, i;

	if (!names_of(a, &names) || only_one(e, a, &names))
		return;
	for (i = a->exchange.first; i < a->exchange.end; i++)
		tried += exchange_pending(&a->exchange, i);
	log_list_begin(e, "results");
	named = list(e, a, outcome, &names, false, RESULTS_TOLD_MAX);
	named += list(e, a, outcome, &names, true, RESULTS_TOLD_MAX - named);
	log_list_end(e);
	if (named < tried)
		log_number(e, "more", tried - named);
}

void results_pending(struct log_event *e, const struct attempt *a, const char *result)
{
	struct envelope_cursor cursor;
	struct envelope names;
	unsigned pending = 0, named = 0, i;
	struct envelope_recipient recipient;
	bool room = true;

	if (!names_of(a, &names) || only_one(e, a, &names))
		return;
	log_list_begin(e, "results");
	envelope_first(&names, &cursor);
	for (i = 0; i < mail_of(a->delivery)->recipients && envelope_next(&cursor, &recipient); i++) {
		if (!exchange_pending(&a->exchange, i))
			continue;
		pending++;
		room = room && named < RESULTS_TOLD_MAX && tell(e, a, i, recipient.address, result);
		named += room;
	}
	log_list_end(e);
	if (named < pending)
		log_number(e, "more", pending - named);
}
