/*
 * core/deliver/narrow.c - see narrow.h.
 */
#include "core/deliver/narrow.h"

#include <stdlib.h>
#include <string.h>

#include "core/smtp/idna.h"
#include "core/smtp/utf8.h"

/* A recipient whose address is said in another way, or not at all. */
struct other {
	uint16_t index;
	uint16_t length; /* 0: not at all */
	uint32_t at;     /* in `text` */
};

struct narrow {
	bool possible;
	uint16_t sender_length;
	char sender[SMTP_PATH_MAX];
	unsigned count;       /* of others, by index */
	struct other *others; /* owned */
	char *text;           /* owned, SMTP_PATH_MAX for each of the others */
};

const char narrow_refusal[] = "5.6.7 An address or the header needs SMTPUTF8, and the next hop has none";

static unsigned wide_recipients(const struct envelope *envelope)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	unsigned n = 0;

	for (envelope_first(envelope, &cursor); envelope_next(&cursor, &recipient);)
		n += utf8_needed(recipient.address);
	return n;
}

/* False: no memory. */
static bool add(struct narrow *n, unsigned index, struct span address)
{
	struct other *other = &n->others[n->count];
	char *room = n->text + (size_t)n->count * SMTP_PATH_MAX;
	enum idna_result result = idna_address(address, room, &address);

	*other = (struct other){(uint16_t)index, 0, (uint32_t)(n->count * SMTP_PATH_MAX)};
	n->count++;
	if (result == IDNA_OK)
		other->length = (uint16_t)address.length;
	return result != IDNA_NO_MEMORY;
}

static bool add_all(struct narrow *n, const struct envelope *envelope)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	unsigned i = 0;

	for (envelope_first(envelope, &cursor); envelope_next(&cursor, &recipient); i++) {
		if (utf8_needed(recipient.address) && !add(n, i, recipient.address))
			return false;
	}
	return true;
}

static bool set_sender(struct narrow *n, struct span sender)
{
	char room[SMTP_PATH_MAX];
	enum idna_result result = idna_address(sender, room, &sender);

	n->possible = n->possible && result == IDNA_OK && sender.length <= sizeof(n->sender);
	if (n->possible) {
		memcpy(n->sender, sender.data, sender.length);
		n->sender_length = (uint16_t)sender.length;
	}
	return result != IDNA_NO_MEMORY;
}

struct narrow *narrow_new(const struct envelope *envelope, struct span sender)
{
	struct narrow *n = calloc(1, sizeof(*n));
	unsigned wide = wide_recipients(envelope);

	if (!n)
		return NULL;
	n->possible = !(envelope->wide & ENVELOPE_WIDE_HEADER);
	n->others = calloc(wide + 1u, sizeof(*n->others));
	n->text = calloc(wide + 1u, SMTP_PATH_MAX);
	if (n->others && n->text && set_sender(n, sender) && add_all(n, envelope))
		return n;
	narrow_free(n);
	return NULL;
}

void narrow_free(struct narrow *narrow)
{
	if (!narrow)
		return;
	free(narrow->others);
	free(narrow->text);
	free(narrow);
}

struct span narrow_sender(const struct narrow *narrow)
{
	return (struct span){narrow->sender, narrow->sender_length};
}

static int compare(const void *key, const void *element)
{
	unsigned index = *(const unsigned *)key, other = ((const struct other *)element)->index;

	return index < other ? -1 : index > other;
}

bool narrow_recipient(const struct narrow *narrow, unsigned index, struct span *address)
{
	const struct other *other = bsearch(&index, narrow->others, narrow->count, sizeof(*other), compare);

	if (!narrow->possible)
		return false;
	if (other)
		*address = (struct span){narrow->text + other->at, other->length};
	return !other || other->length > 0;
}
