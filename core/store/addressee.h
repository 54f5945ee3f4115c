/*
 * core/store/addressee.h - a recipient as it stands in the text of a letter (intake.h):
 *
 *     u16 destination, u16 length of the address and, in its topmost bit, whether more is said
 *     [ u8 notify, u16 length of orcpt ]
 *     address [ orcpt ]
 *
 * So who asks for nothing pays nothing for those who do.
 */
#ifndef POSTRIDER_STORE_ADDRESSEE_H
#define POSTRIDER_STORE_ADDRESSEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/span.h"

struct addressee {
	uint16_t destination;
	uint8_t notify; /* ENVELOPE_NOTIFY_* */
	struct span address;
	struct span orcpt; /* as it came; empty: none */
};

enum { ADDRESSEE_HEAD = 4, ADDRESSEE_MORE = 3, ADDRESSEE_SAYS_MORE = 1u << 15 };

static inline bool addressee_says_more(const struct addressee *a)
{
	return a->notify || a->orcpt.length;
}

static inline size_t addressee_size(const struct addressee *a)
{
	size_t size = ADDRESSEE_HEAD + (size_t)a->address.length;

	return addressee_says_more(a) ? size + ADDRESSEE_MORE + a->orcpt.length : size;
}

/* `out` has addressee_size() octets. */
static inline void addressee_write(const struct addressee *a, char *out)
{
	bool more = addressee_says_more(a);
	uint16_t head[2] = {a->destination, (uint16_t)(a->address.length | (more ? ADDRESSEE_SAYS_MORE : 0u))};
	uint16_t orcpt = (uint16_t)a->orcpt.length;

	memcpy(out, head, sizeof(head));
	out += sizeof(head);
	if (more) {
		*out++ = (char)a->notify;
		memcpy(out, &orcpt, sizeof(orcpt));
		out += sizeof(orcpt);
	}
	memcpy(out, a->address.data, a->address.length);
	if (orcpt)
		memcpy(out + a->address.length, a->orcpt.data, orcpt);
}

/* The octets behind it. */
static inline const char *addressee_read(const char *at, struct addressee *out)
{
	uint16_t head[2], orcpt = 0;

	memcpy(head, at, sizeof(head));
	at += sizeof(head);
	*out = (struct addressee){.destination = head[0]};
	if (head[1] & ADDRESSEE_SAYS_MORE) {
		out->notify = (uint8_t)*at++;
		memcpy(&orcpt, at, sizeof(orcpt));
		at += sizeof(orcpt);
	}
	out->address = (struct span){at, head[1] & ~ADDRESSEE_SAYS_MORE};
	out->orcpt = (struct span){at + out->address.length, orcpt};
	return at + out->address.length + orcpt;
}

#endif
