/*
 * idna.c - see idna.h.
 *
 * Purpose
 *   libidn2 maps and checks labels (IDNA 2008 with the mappings of UTS 46, as browsers and other mail servers do).
 *   What it gives back is looked at again, because what is written differently must not become another domain: no
 *   character may have become a dot, as U+FF0E does, and the result is a domain by the mailbox's own syntax (REL-01).
 *
 * Ownership
 *   The result is in the caller's room; what libidn2 allocates is given back here.
 *
 * Failure
 *   No memory is told apart from what is no domain: only the latter may be refused for good.
 */
#include "core/smtp/idna.h"

#include <idn2.h>
#include <string.h>

#include "core/smtp/address.h"
#include "core/smtp/utf8.h"

enum { DOMAIN_MAX = 255 };

static uint32_t dots(struct span text)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < text.length; i++)
		n += text.data[i] == '.';
	return n;
}

/* 0, or one of libidn2's errors; *out is to be freed. */
static int convert(struct span domain, uint8_t **out)
{
	uint8_t text[DOMAIN_MAX + 1];

	if (domain.length > DOMAIN_MAX || memchr(domain.data, 0, domain.length))
		return IDN2_TOO_BIG_DOMAIN;
	memcpy(text, domain.data, domain.length);
	text[domain.length] = 0;
	return idn2_lookup_u8(text, out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
}

static enum idna_result put_domain(struct span domain, char *room, uint32_t most, uint32_t *length)
{
	uint8_t *name = NULL;
	int error = convert(domain, &name);
	enum idna_result result = IDNA_NONE;
	struct span found;

	if (error != IDN2_OK)
		return error == IDN2_MALLOC ? IDNA_NO_MEMORY : IDNA_NONE;
	found = (struct span){(const char *)name, (uint32_t)strlen((const char *)name)};
	if (found.length <= most && dots(found) == dots(domain) && found.data[0] != '[' &&
	    address_domain_valid(found, SMTP_SYNTAX_STRICT)) {
		memcpy(room, found.data, found.length);
		*length = found.length;
		result = IDNA_OK;
	}
	idn2_free(name);
	return result;
}

enum idna_result idna_address(struct span address, char room[SMTP_PATH_MAX], struct span *ascii)
{
	enum idna_result result = IDNA_OK;
	struct address parts;
	uint32_t before, length;

	*ascii = address;
	if (!utf8_needed(address))
		return IDNA_OK;
	if (address_parse_wide(address, SMTP_SYNTAX_TOLERANT, &parts) != ADDRESS_OK)
		return IDNA_NONE;
	before = parts.local.length + 1;
	length = parts.domain.length;
	if (before + length > SMTP_PATH_MAX - 2)
		return IDNA_NONE;
	memcpy(room, address.data, before + length);
	if (utf8_needed(parts.domain))
		result = put_domain(parts.domain, room + before, SMTP_PATH_MAX - 2 - before, &length);
	if (result != IDNA_OK)
		return result;
	*ascii = (struct span){room, before + length};
	return utf8_needed(parts.local) ? IDNA_LOCAL : IDNA_OK;
}
