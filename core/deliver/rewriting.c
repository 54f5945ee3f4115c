/*
 * core/deliver/rewriting.c - see rewriting.h.
 */
#include "core/deliver/rewriting.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/smtp/fields.h"
#include "core/smtp/idna.h"
#include "queue/envelope.h"

/* What the message's client says, or NULL. */
static const struct config_from *from_of(const struct config *config, struct span client)
{
	return config->from_count > 0 ? config_from_find(config, client.data, client.length) : NULL;
}

static bool wanted(const struct config_destination *destination, const struct config_from *from)
{
	if (from && from->rewrite != CONFIG_REWRITE_DESTINATION)
		return from->rewrite == CONFIG_REWRITE_ALWAYS;
	return destination->sender == CONFIG_SENDER_MAILBOX;
}

static void forget(struct rewriting *r)
{
	free(r->gathered);
	r->gathered = NULL;
	free((void *)r->head.data);
	r->head.data = NULL;
}

void rewriting_free(struct rewriting *r)
{
	if (!r)
		return;
	forget(r);
	free(r);
}

/* As it can be told to a host without SMTPUTF8; empty: it cannot. False: no memory. */
static bool narrow_sender_of(struct rewriting *r)
{
	enum idna_result result = idna_address(r->sender, r->room, &r->sender);

	if (result != IDNA_OK)
		r->sender = (struct span){r->room, 0};
	return result != IDNA_NO_MEMORY;
}

bool rewriting_begin(const struct config *config, const struct config_destination *destination,
		     const struct envelope *envelope, struct span address, bool narrow, struct rewriting **out)
{
	const struct config_from *from = from_of(config, envelope->client);
	struct rewriting *r;

	if (!wanted(destination, from))
		return false;
	*out = r = calloc(1, sizeof(*r));
	if (!r)
		return true;
	r->address = address;
	r->sender = envelope->sender;
	r->null = envelope->sender.length == 0;
	if (narrow && !r->null && !narrow_sender_of(r)) {
		rewriting_free(r);
		*out = NULL;
		return true;
	}
	if (from && from->name) {
		r->name_set = true;
		r->name_length = (uint8_t)strlen(from->name);
		memcpy(r->name, from->name, r->name_length);
	}
	return true;
}

void rewriting_written(struct rewriting *r)
{
	if (r)
		forget(r);
}

static bool gather(struct rewriting *r, const uint8_t *piece, size_t size)
{
	char *larger = realloc(r->gathered, r->gathered_size + size + 1);

	if (!larger)
		return false;
	r->gathered = larger;
	memcpy(larger + r->gathered_size, piece, size);
	r->gathered_size += size;
	return true;
}

static bool empty_line(const char *content, size_t size, size_t at)
{
	return at < size && (content[at] == '\r' || content[at] == '\n');
}

/* `content` has the header, which ends at `end`, and from `before` on it is the piece. What was held back behind the
 * header's end goes with the head. */
static bool make_head(struct rewriting *r, const char *content, size_t size, size_t before, size_t end, bool cut)
{
	const struct rewrite_terms terms = {
		.address = r->address,
		.name = {r->name_set ? r->name : NULL, r->name_length},
		.sender = r->sender,
	};
	size_t rest = end < before ? before - end : 0;
	char *out = malloc(rewrite_room(&terms, end) + rest);
	size_t length;

	if (!out)
		return false;
	length = rewrite_header(&terms, content, end, cut || empty_line(content, size, end), out, &r->facts);
	memcpy(out + length, content + end, rest);
	r->head = (struct exchange_head){(const uint8_t *)out, length + rest, end > before ? end - before : 0};
	r->ready = true;
	return true;
}

enum rewriting_took rewriting_take(struct rewriting *r, const uint8_t *piece, size_t size, bool last)
{
	const char *content = (const char *)piece;
	size_t before = r->gathered_size, end = 0;
	bool ended;

	assert(!r->ready);
	if (before > 0) {
		if (!gather(r, piece, size))
			return REWRITING_NO_MEMORY;
		content = r->gathered;
		size = r->gathered_size;
	}
	ended = fields_end(content, size, last, &end);
	/* `end` is the beginning of the last line that is there; the field it may belong to is cut, which is no worse
	 * than what a header like that meets anywhere. */
	if (!ended && size < REWRITING_HEADER_MAX)
		return before > 0 || gather(r, piece, size) ? REWRITING_MORE : REWRITING_NO_MEMORY;
	return make_head(r, content, size, before, end, !ended) ? REWRITING_READY : REWRITING_NO_MEMORY;
}
