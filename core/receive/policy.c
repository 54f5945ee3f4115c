/*
 * core/receive/policy.c - what a client's entry says of its messages, as they come in: under whose name they go, and
 * which fields they have.
 *
 * The header is held back until it is whole, in the blocks that content comes into anyway, and is written anew by
 * core/smtp/rewrite.h, as it is for mailboxes on the way out. So a client without a policy costs nothing, and one with
 * a policy a copy of what has come of its message by then. A header that is larger than HEADER_MAX is refused: it may
 * name somebody behind that, and a rule that a long header evades is none.
 *
 * What is stored is what goes out: a mapped sender is the sender for routes, limits and events as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/line.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/config/quirks.h"
#include "core/receive/policy.h"
#include "core/receive/session_private.h"
#include "core/route/route.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/smtp/authorship.h"
#include "core/smtp/idna.h"
#include "core/smtp/rewrite.h"
#include "core/smtp/utf8.h"
#include "queue/envelope.h"

enum { HEADER_MAX = 128 << 10, MESSAGE_ID_MAX = 320 };

static const struct config_client_terms *terms_of(const struct session *s)
{
	return s->client >= 0 ? s->snapshot->config->clients[s->client].terms : NULL;
}

/* Whoever it says it is: what its entry in the inventory says it is. */
static void put_device(const struct session *s, struct policy_room *room)
{
	struct device device;

	device_table_get(s->snapshot->config->devices, (size_t)s->device, &device);
	if (device.from[0] == '\0')
		return;
	if (room->policy.from)
		room->from = *room->policy.from;
	room->from.address = (char *)(uintptr_t)device.from;
	room->from.name = (char *)(uintptr_t)device.name;
	room->from.map_count = 0;
	room->policy.from = &room->from;
}

const struct config_policy *receive_policy(const struct session *s, struct policy_room *room)
{
	const struct config_client_terms *terms = terms_of(s);
	const struct config_policy *policy = terms ? terms->policy : NULL;
	unsigned quirks = receive_quirks(s);

	if (!(quirks & (QUIRK_MISSING_HEADERS | QUIRK_OWN_FROM)))
		return policy;
	*room = (struct policy_room){.policy = {.complete = false}};
	if (policy)
		room->policy = *policy;
	room->policy.complete |= (quirks & QUIRK_MISSING_HEADERS) != 0;
	if (quirks & QUIRK_OWN_FROM)
		put_device(s, room);
	return &room->policy;
}

/* ---- senders ------------------------------------------------------------------------------------------------- */

/* It can stand in an address as it is, without quotes. */
static bool plain(struct span local)
{
	for (uint32_t i = 0; i < local.length; i++) {
		if ((unsigned char)local.data[i] <= ' ' || local.data[i] == 127 ||
		    strchr("<>()[]\\,;:\"@", local.data[i]))
			return false;
	}
	return local.length > 0;
}

/* As entries know it: a domain by its A-labels. False: no memory. */
static bool known_as(struct span *address, char known[SMTP_PATH_MAX])
{
	return idna_address(*address, known, address) != IDNA_NO_MEMORY;
}

/* The first of the list that this address is in; NULL: none. */
static const char *target_of(const struct config_from *from, struct span address)
{
	for (size_t i = 0; i < from->map_count; i++) {
		if (route_address_matches(from->map[i].from, address))
			return from->map[i].to;
	}
	return NULL;
}

/* Who takes this address's place; in `room`, of CONFIG_ADDRESS_MAX octets. Nobody: *out stays. False: no memory. */
static bool mapped(const struct config_from *from, struct span address, char *room, struct span *out)
{
	char known[SMTP_PATH_MAX];
	const char *to, *at;
	struct span local;
	size_t domain;

	if (from->address)
		*out = span_text(from->address);
	if (from->map_count == 0)
		return true;
	if (!known_as(&address, known))
		return false;
	at = address.length ? memrchr(address.data, '@', address.length) : NULL;
	to = at ? target_of(from, address) : NULL;
	if (!to)
		return true;
	if (to[0] != '*') {
		*out = span_text(to);
		return true;
	}
	local = (struct span){address.data, (uint32_t)(at - address.data)};
	domain = strlen(to) - 1; /* with "@" */
	if (!plain(local) || local.length + domain > CONFIG_ADDRESS_MAX)
		return true;
	memcpy(room, local.data, local.length);
	memcpy(room + local.length, to + 1, domain);
	*out = (struct span){room, local.length + (uint32_t)domain};
	return true;
}

bool receive_map_sender(const struct session *s, char *room, struct span *sender)
{
	struct policy_room both;
	const struct config_policy *policy = receive_policy(s, &both);

	/* Reports have none, and keep none (RFC 5321 4.5.5). */
	return !policy || !policy->from || sender->length == 0 || mapped(policy->from, *sender, room, sender);
}

/* ---- the header ---------------------------------------------------------------------------------------------- */

static bool wants_header(const struct config_policy *policy)
{
	return policy->from || policy->complete || policy->removed_count > 0 || policy->added_count > 0;
}

void receive_policy_begin(struct session *s)
{
	struct policy_room both;
	const struct config_policy *policy = receive_policy(s, &both);

	s->message->header_held = policy && wants_header(policy);
}

static void refuse(struct submission *m, const char *refusal)
{
	m->refusal = refusal;
	submission_cut(m, 0);
}

/* What missing fields say, where they are to be written. */
struct made {
	char date[TRACE_DATE];
	char message_id[MESSAGE_ID_MAX], author[MESSAGE_ID_MAX];
};

static struct span message_id_of(const struct submission *m, const char *hostname, char out[MESSAGE_ID_MAX])
{
	struct line line = {.data = out, .size = MESSAGE_ID_MAX};
	char id[MESSAGE_ID_TEXT];

	message_id_text(m->letter.id, id);
	line_text(&line, "<");
	line_put(&line, id, sizeof(id));
	line_text(&line, "@");
	line_text(&line, hostname);
	line_text(&line, ">");
	return (struct span){line.data, (uint32_t)line.length};
}

/* The sender; of a report, who sends those here. */
static struct span author_of(const struct submission *m, const char *hostname, char out[MESSAGE_ID_MAX])
{
	struct line line = {.data = out, .size = MESSAGE_ID_MAX};

	if (m->letter.sender_length > 0)
		return (struct span){m->letter.text, m->letter.sender_length};
	line_text(&line, "MAILER-DAEMON@");
	line_text(&line, hostname);
	return (struct span){line.data, (uint32_t)line.length};
}

static void make_missing(const struct session *s, struct made *made, struct rewrite_fields *fields)
{
	const struct submission *m = s->message;
	const char *hostname = s->snapshot->config->hostname;

	trace_date(m->letter.wall_ns, made->date);
	fields->date = (struct span){made->date, sizeof(made->date)};
	fields->message_id = message_id_of(m, hostname, made->message_id);
	fields->author = author_of(m, hostname, made->author);
	fields->recipients = true;
}

/* Whom its author is to become; no data: he stays. False: no memory. */
static bool new_author(const struct config_from *from, struct span header, struct span sender, char *room,
		       struct span *out)
{
	struct span author = rewrite_author(header.data, header.length);

	return mapped(from, author.data ? author : sender, room, out);
}

static bool same(const char *a, struct span b)
{
	return strlen(a) == b.length && strncasecmp(a, b.data, b.length) == 0;
}

/* Local parts without case, as people write their own. */
static bool allowed_author(const void *context, struct span address)
{
	const struct config_client_terms *terms = context;
	const struct config_from *from = terms->policy->from;

	if (from->address && same(from->address, address))
		return true;
	for (size_t i = 0; i < terms->sender_count; i++) {
		if (same(terms->senders[i], address) || route_address_matches(terms->senders[i], address))
			return true;
	}
	return false;
}

static const char *refusal_of(enum authorship authorship)
{
	switch (authorship) {
	case AUTHORSHIP_GOOD:
		return NULL;
	case AUTHORSHIP_NONE:
		return "550 5.7.1 From names nobody, and has to name who you are\r\n";
	case AUTHORSHIP_SEVERAL:
		return "550 5.7.1 From or Sender is there more than once\r\n";
	case AUTHORSHIP_UNREADABLE:
		return "550 5.7.1 From or Sender cannot be read without doubt\r\n";
	case AUTHORSHIP_FOREIGN:
		return "550 5.7.1 From or Sender names somebody who is not allowed to you\r\n";
	}
	return NULL;
}

/* What the client wrote is bound, not what is made of it; but where whoever wrote it becomes somebody else, what people
 * will see. One who is not named is the sender, where missing fields are written. */
static const char *unbound(const struct session *s, struct span header, struct span made)
{
	struct policy_room both;
	const struct config_policy *policy = receive_policy(s, &both);
	enum authorship authorship;

	if (!policy->from || !policy->from->bind)
		return NULL;
	if (policy->from->address)
		header = made;
	authorship = authorship_check(header.data, header.length, allowed_author, terms_of(s));
	return authorship == AUTHORSHIP_NONE && policy->complete ? NULL : refusal_of(authorship);
}

static bool is_line_end(struct span text, size_t at)
{
	return at < text.length && (text.data[at] == '\r' || text.data[at] == '\n');
}

/* `text`: a copy of what has come. */
static void rewrite(struct session *s, struct span text, size_t end)
{
	struct policy_room both;
	const struct config_policy *policy = receive_policy(s, &both);
	struct submission *m = s->message;
	struct span sender = {m->letter.text, m->letter.sender_length};
	struct rewrite_fields fields = {.removed = policy->removed,
					.removed_count = policy->removed_count,
					.added = policy->added,
					.added_count = policy->added_count};
	struct rewrite_terms terms = {.sender = sender, .fields = &fields};
	struct rewrite_facts facts;
	char room[CONFIG_ADDRESS_MAX];
	const char *refusal;
	struct made made;
	size_t length;
	char *out;

	if (policy->complete)
		make_missing(s, &made, &fields);
	if (policy->from) {
		if (!new_author(policy->from, (struct span){text.data, (uint32_t)end}, sender, room, &terms.address)) {
			m->result = -ENOMEM;
			return;
		}
		terms.reply_to_stays = policy->from->reply_to == CONFIG_REPLY_TO_KEEP;
		if (terms.address.data && policy->from->name)
			terms.name = span_text(policy->from->name);
	}
	out = malloc(rewrite_room(&terms, end));
	if (!out) {
		m->result = -ENOMEM;
		return;
	}
	length = rewrite_header(&terms, text.data, end, is_line_end(text, end), out, &facts);
	refusal = unbound(s, (struct span){text.data, (uint32_t)end}, (struct span){out, (uint32_t)length});
	if (refusal) {
		refuse(m, refusal);
	} else if (facts.changed) {
		submission_cut(m, m->header_at);
		if (!submission_append(m, out, length) || !submission_append(m, text.data + end, text.length - end))
			m->result = -ENOMEM;
		m->rewritten = true;
		/* The scanner has seen what came, and not the sender who stands in From now. */
		if (m->smtputf8 && utf8_needed((struct span){out, (uint32_t)length}))
			m->letter.wide |= ENVELOPE_WIDE_HEADER;
		m->signature_broken = facts.signed_ && facts.from_changed;
	}
	free(out);
}

/* All that has come so far, without our own field. */
static char *copy_of(const struct submission *m)
{
	size_t at = 0, from = m->header_at;
	char *copy = malloc(m->letter.content_length - from + 1);

	for (const struct block *block = m->letter.first; copy && block; block = block->next, from = 0) {
		memcpy(copy + at, block->data + from, block->length - from);
		at += block->length - from;
	}
	return copy;
}

/* It is whole, or all there will be. */
static void header_ended(struct session *s)
{
	struct submission *m = s->message;
	size_t end = 0;
	char *text;

	m->header_held = false;
	text = copy_of(m);
	if (!text) {
		m->result = -ENOMEM;
		return;
	}
	const struct span content = {text, (uint32_t)(m->letter.content_length - m->header_at)};
	(void)fields_end(content.data, content.length, true, &end);
	rewrite(s, content, end);
	free(text);
}

void receive_policy_take(struct session *s, const uint8_t *data, size_t length)
{
	struct submission *m = s->message;

	bool ended = fields_watch(&m->header_watch, (const char *)data, length);

	/* Wherever it was cut on its way. */
	if (m->header_watch.octets > HEADER_MAX) {
		m->header_held = false;
		refuse(m, "552 5.3.4 Header exceeds 128 KiB\r\n");
	} else if (ended) {
		header_ended(s);
	}
}

void receive_policy_end(struct session *s)
{
	if (s->message->header_held)
		header_ended(s);
}

void receive_policy_no_memory(struct session *s)
{
	struct submission *m = s->message;

	m->header_held = false;
	m->result = -ENOMEM;
	submission_cut(m, 0);
}
