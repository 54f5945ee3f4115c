/*
 * core/deliver/suppress.c - see suppress.h.
 */
#include "core/deliver/suppress.h"

#include <stdio.h>

#include "core/agents/suppression.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/results.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/smtp/enhanced.h"

/* Who was in the list when a message came is none of its recipients (core/receive/envelope.c); but recipients may be
 * named so long before content begins. */
#define GRACE_NS (3600 * CLOCK_NS_PER_S)

enum { NOTE_SIZE = 200 };

const char *suppress_withhold(struct attempt *a)
{
	const struct shard *shard = a->outbound->shard;
	struct suppression *list = shard->snapshot->suppression;
	const struct span client = a->envelope.client;
	/* When its content began: the mail itself is as young as if it had come when it could be sent first. */
	uint64_t came_ns = mail_of(a->delivery)->item.id.high;
	struct exchange *x = &a->exchange;
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	enum config_suppression_use use;
	unsigned left = 0, i;

	if (!list)
		return NULL;
	use = config_suppression_use(shard->config, client.data, client.length);
	a->feeds = use == CONFIG_SUPPRESSION_FEED;
	if (use == CONFIG_SUPPRESSION_IGNORE ||
	    (came_ns > GRACE_NS && !suppression_grew_since(list, came_ns - GRACE_NS)))
		return NULL;
	envelope_first(&a->envelope, &cursor);
	for (i = 0; i < x->end && envelope_next(&cursor, &recipient); i++) {
		if (i < x->first || !exchange_pending(x, i))
			continue;
		if (suppression_find(list, shard->index, recipient.address) == SUPPRESSION_NONE) {
			left++;
			continue;
		}
		a->results[i] = ATTEMPT_WITHHELD;
		x->withheld = true;
	}
	return left > 0 ? NULL : SUPPRESSION_REFUSAL;
}

/* Nobody is there, and nobody will be: what is said of policy, content or a full mailbox passes. 5.1.10 is what
 * Exchange Online says instead of 5.1.1. */
static bool unknown(unsigned code, struct span text)
{
	switch (smtp_enhanced_code(code, text)) {
	case SMTP_ENHANCED(5, 1, 1):
	case SMTP_ENHANCED(5, 1, 6):
	case SMTP_ENHANCED(5, 1, 10):
		return true;
	default:
		return false;
	}
}

void suppress_refused(const struct attempt *a, unsigned index, const struct smtp_reply_parser *reply)
{
	const struct span text = {reply->text, reply->text_length};
	char note[NOTE_SIZE];
	struct span address;
	int length;

	/* A rule may have made something else of it. */
	if (!a->feeds || a->results[index] != ATTEMPT_FAIL || !unknown(reply->code, text) ||
	    !results_address(a, index, &address))
		return;
	length = snprintf(note, sizeof(note), "%s: %u %.*s", a->connection->host->config->text, reply->code,
			  (int)text.length, text.data);
	suppression_add(a->outbound->shard->snapshot->suppression, address, SUPPRESSION_BOUNCE,
			(struct span){note, (uint32_t)(length < (int)sizeof(note) ? length : (int)sizeof(note) - 1)});
}
