/*
 * core/deliver/results.c - see results.h.
 */
#include "core/deliver/results.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/outbound.h"
#include "core/shard/shard.h"

static bool wanted(const struct attempt *a)
{
	return a->outbound->shard->config->log_messages || results_ours(a);
}

bool results_ours(const struct attempt *a)
{
	return a->envelope.parameters && !a->exchange.wishes;
}

void results_keep(struct attempt *a)
{
	struct results *r = &a->told;
	size_t length = a->envelope.recipient_length;

	if (r->names || !(wanted(a) || a->feeds) || length > RESULTS_NAMES_MAX)
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
	one->length = reply->text_length;
	memcpy(one->text, reply->text, one->length);
}

void results_free(struct attempt *a)
{
	if (a->told.names != a->told.names_inline)
		free(a->told.names);
	free(a->told.refused);
}

/* ---- for events ------------------------------------------------------------------------------------------------- */

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
	case ATTEMPT_OTHER_PATH:
		return "other_path";
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

bool results_address(const struct attempt *a, unsigned index, struct span *address)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct envelope names;
	unsigned i;

	if (!names_of(a, &names))
		return false;
	envelope_first(&names, &cursor);
	for (i = 0; envelope_next(&cursor, &recipient); i++) {
		*address = recipient.address;
		if (i == index)
			return true;
	}
	return false;
}

/* One more that an event names. */
static void add(struct event_recipients *out, const struct attempt *a, unsigned index, struct span address,
		const char *result)
{
	const struct results_refused *own = results_refused_at(a, index);
	struct event_recipient *one = &out->list[out->count++];

	*one = (struct event_recipient){.address = address, .result = result};
	if (own) {
		one->code = own->code;
		one->reply =
			(struct span){own->text, own->length < RESULTS_SHOWN_MAX ? own->length : RESULTS_SHOWN_MAX};
	}
}

/* False: there are more than one, or it is not known. */
static bool only_one(const struct attempt *a, const struct envelope *names, struct event_recipients *out)
{
	struct envelope_cursor cursor;
	struct envelope_recipient recipient;

	if (mail_of(a->delivery)->recipients != 1)
		return false;
	envelope_first(names, &cursor);
	if (envelope_next(&cursor, &recipient)) {
		out->single = true;
		out->all = 1;
		add(out, a, 0, recipient.address, "");
	}
	return true;
}

/* Those delivered, or those that were not, in the order of the envelope. */
static void list(const struct attempt *a, const struct outcome *outcome, const struct envelope *names, bool sent,
		 struct event_recipients *out)
{
	struct envelope_cursor cursor;
	struct envelope_recipient recipient;
	unsigned i;

	envelope_first(names, &cursor);
	for (i = 0; i < a->exchange.end && out->count < EVENT_RECIPIENTS_MAX && envelope_next(&cursor, &recipient);
	     i++) {
		bool delivered = outcome->kind == OUTCOME_ANSWERED && outcome->results[i] == ATTEMPT_SENT;
		if (i < a->exchange.first || !exchange_pending(&a->exchange, i) || delivered != sent)
			continue;
		add(out, a, i, recipient.address, result_of(outcome, i));
	}
}

static void none(struct event_recipients *out)
{
	out->all = out->count = 0;
	out->single = false;
}

void results_told(const struct attempt *a, const struct outcome *outcome, struct event_recipients *out)
{
	struct envelope names;
	unsigned i;

	none(out);
	if (!names_of(a, &names) || only_one(a, &names, out))
		return;
	for (i = a->exchange.first; i < a->exchange.end; i++)
		out->all += exchange_pending(&a->exchange, i);
	list(a, outcome, &names, false, out);
	list(a, outcome, &names, true, out);
}

unsigned results_to_report(const struct attempt *a, const struct outcome *outcome, struct mail *m)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct envelope names;
	unsigned count = 0, i;

	if (!results_ours(a) || !names_of(a, &names))
		return 0;
	envelope_first(&names, &cursor);
	for (i = 0; i < a->exchange.end && envelope_next(&cursor, &recipient); i++) {
		if (i < a->exchange.first || !exchange_pending(&a->exchange, i) ||
		    outcome->results[i] != ATTEMPT_SENT || !(recipient.notify & ENVELOPE_NOTIFY_SUCCESS))
			continue;
		count++;
		if (m)
			mail_mark(m, i, STATE_MARK_OWED);
	}
	return count;
}

void results_pending(const struct attempt *a, const char *result, struct event_recipients *out)
{
	struct envelope_cursor cursor;
	struct envelope names;
	struct envelope_recipient recipient;
	unsigned i;

	none(out);
	if (!a || !names_of(a, &names) || only_one(a, &names, out))
		return;
	envelope_first(&names, &cursor);
	for (i = 0; i < mail_of(a->delivery)->recipients && envelope_next(&cursor, &recipient); i++) {
		if (!exchange_pending(&a->exchange, i))
			continue;
		out->all++;
		if (out->count < EVENT_RECIPIENTS_MAX)
			add(out, a, i, recipient.address, result);
	}
}
