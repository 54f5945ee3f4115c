/*
 * core/relay/connection_reply.c - octets of a next hop become replies, and each reply goes to the command it answers.
 */
#include <stdio.h>

#include "core/relay/connection.h"
#include "core/relay/connection_private.h"
#include "core/relay/transaction.h"

static void on_transaction_reply(struct connection *c)
{
	const struct config *config = connection_config(c);
	struct transaction *tx;
	bool early;

	if (list_empty(&c->transactions)) {
		connection_kill(c, STAGE_QUIT,
				c->parser.code == 421 ? "closed by the next hop (421)" : "a reply without a command");
		return;
	}
	tx = container_of(c->transactions.next, struct transaction, link);
	/* 421: the next hop is about to close. Start nothing more, but hear what it says to what it has (RFC 5321 3.8).
	 */
	if (c->parser.code == 421)
		connection_start_no_more(c);
	if (!transaction_reply(tx, &c->parser)) {
		char reason[80];
		snprintf(reason, sizeof(reason), "unexpected reply %u", c->parser.code);
		connection_kill(c, STAGE_CONTENT, reason);
		return;
	}
	connection_arm(c, tx->end_written ? config->timeouts.data_reply_ns : config->timeouts.reply_ns);
	if (!transaction_over(tx))
		return;
	/* A host is well again when it has dealt with a message, not when it has said hello. */
	if (c->parser.code != 421 && c->answered++ == 0 && !tx->host_held)
		outbound_connected(c->outbound, c->host);
	early = tx->early;
	connection_transaction_over(c, tx);
	if (early)
		connection_kill(c, STAGE_CONTENT, "refused in the middle of the content");
}

size_t connection_on_data(struct transport *t, const uint8_t *data, size_t length)
{
	struct connection *c = container_of(t, struct connection, transport);
	size_t at = 0;

	while (at < length && c->state != CONNECTION_CLOSED) {
		size_t consumed;
		enum smtp_reply_result result;

		if (c->replies_due == 0) {
			/* 421 may come unasked (RFC 5321 3.8); anything unasked ends the connection. */
			connection_kill(c, connection_stage(c), "a reply without a command");
			return length;
		}
		result = smtp_reply_parse(&c->parser, data + at, length - at, &consumed);
		at += consumed;
		if (result == SMTP_REPLY_MORE)
			break;
		if (result == SMTP_REPLY_BAD) {
			connection_kill(c, connection_stage(c), "malformed reply");
			return length;
		}
		c->replies_due--;
		if (c->state == CONNECTION_READY)
			on_transaction_reply(c);
		else
			connection_on_setup_reply(c, length - at);
		if (c->state == CONNECTION_READY)
			smtp_reply_start(&c->parser, NULL);
	}
	if (c->state == CONNECTION_READY)
		connection_write(c);
	return length;
}
