/*
 * address.c - mailbox and host name syntax (RFC 5321 4.1.2, 4.1.3).
 *
 * Purpose
 *   Says whether text is a mailbox and where its parts are. It never changes an octet: the local part belongs
 *   to the domain named behind it, and nothing in it ("%", "!", quotes) means anything here (REL-01, PAR-09).
 *
 * Ownership, failure
 *   Spans of the result point into the text given. No allocation; what is wrong is told by the result.
 *
 *      Mailbox      = Local-part "@" ( Domain / address-literal )
 *      Local-part   = Dot-string / Quoted-string
 *      Dot-string   = Atom *("."  Atom)
 *      Quoted-string = DQUOTE *( qtextSMTP / quoted-pairSMTP ) DQUOTE
 *      Domain       = sub-domain *("." sub-domain);  sub-domain = Let-dig [Ldh-str]
 */
#include "core/smtp/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/utf8.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, LABEL_MAX = 63 }; /* RFC 5321 4.5.3.1, RFC 1035 2.3.4 */

enum { LET_DIG = 1, ATEXT = 2, WIDE = 4 };

/* What an octet may be part of: names of hosts, or an atom (RFC 5322 3.2.3). */
static const uint8_t kinds[256] = {
	['0' ... '9'] = LET_DIG | ATEXT,
	['A' ... 'Z'] = LET_DIG | ATEXT,
	['a' ... 'z'] = LET_DIG | ATEXT,
	['!'] = ATEXT,
	['#' ... '\''] = ATEXT,
	['*' ... '+'] = ATEXT,
	['-'] = ATEXT,
	['/'] = ATEXT,
	['='] = ATEXT,
	['?'] = ATEXT,
	['^' ... '`'] = ATEXT,
	['{' ... '~'] = ATEXT,
	[0x80 ... 0xff] = WIDE, /* a letter of some language, where these are allowed (RFC 6531 3.3) */
};

/* `also`: WIDE, or 0. */
static bool is(char c, uint8_t kind, uint8_t also)
{
	return kinds[(uint8_t)c] & (kind | also);
}

/* The length of the quoted string at the start, or 0. */
static uint32_t quoted_length(struct span text, uint8_t also)
{
	for (uint32_t i = 1; i < text.length; i++) {
		char c = text.data[i];

		if (c == '"')
			return i + 1;
		if (c == '\\' && ++i == text.length)
			return 0;
		if ((text.data[i] < ' ' || text.data[i] > '~') && !is(text.data[i], 0, also))
			return 0;
	}
	return 0;
}

/* The length of the dot-string at the start, or 0. Tolerant: dots stand anywhere, beside at least one atom. */
static uint32_t dot_string_length(struct span text, enum smtp_syntax syntax, uint8_t also)
{
	uint32_t i = 0;
	bool atom = false, any = false;

	for (; i < text.length; i++) {
		if (text.data[i] == '.' && (atom || syntax == SMTP_SYNTAX_TOLERANT))
			atom = false;
		else if (is(text.data[i], ATEXT, also))
			any = atom = true;
		else
			break;
	}
	return atom || (any && syntax == SMTP_SYNTAX_TOLERANT) ? i : 0;
}

static uint32_t local_length(struct span text, enum smtp_syntax syntax, uint8_t also)
{
	return text.length > 0 && text.data[0] == '"' ? quoted_length(text, also)
						      : dot_string_length(text, syntax, also);
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3); other kinds of literal have no use here. */
static bool literal_valid(struct span text)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char binary[16];
	uint32_t skip = 1;
	int family = AF_INET;

	if (text.length < 3 || text.data[0] != '[' || text.data[text.length - 1] != ']')
		return false;
	if (text.length > 6 && strncasecmp(text.data + 1, "IPv6:", 5) == 0) {
		family = AF_INET6;
		skip = 6;
	}
	if (text.length - 1 - skip >= sizeof copy)
		return false;
	memcpy(copy, text.data + skip, text.length - 1 - skip);
	copy[text.length - 1 - skip] = '\0';
	return strlen(copy) == text.length - 1 - skip && inet_pton(family, copy, binary) == 1;
}

/* Labels of letters, digits and hyphens, and underscores. `lenient`: what machines say of themselves in EHLO. How long
 * a label with letters of other languages is, its A-label says. */
static bool labels_valid(struct span text, bool lenient, bool underscores, uint8_t also)
{
	const uint32_t label_max = also ? DOMAIN_MAX : LABEL_MAX;
	uint32_t i = 0, label = 0;

	while (i < text.length) {
		uint32_t from = i;
		char c;

		while (i < text.length && is(text.data[i], LET_DIG, also))
			i++;
		label += i - from;
		if (label > label_max)
			return false;
		if (i == text.length)
			break;
		c = text.data[i++];
		if (c == '.') {
			if (label == 0 || (!lenient && text.data[i - 2] == '-'))
				return false;
			label = 0;
			continue;
		}
		if ((c != '-' || (label == 0 && !lenient)) && (c != '_' || !underscores))
			return false;
		label++;
	}
	if (label > label_max)
		return false;
	if (label == 0) /* empty, or ends in a dot */
		return lenient && text.length > 0;
	return lenient || text.data[text.length - 1] != '-';
}

static enum address_result domain_check(struct span domain, enum smtp_syntax syntax, uint8_t also)
{
	if (domain.length > DOMAIN_MAX)
		return ADDRESS_TOO_LONG;
	if (domain.length > 0 && domain.data[0] == '[')
		return literal_valid(domain) ? ADDRESS_OK : ADDRESS_SYNTAX;
	return labels_valid(domain, false, syntax == SMTP_SYNTAX_TOLERANT, also) ? ADDRESS_OK : ADDRESS_SYNTAX;
}

static enum address_result parse(struct span text, enum smtp_syntax syntax, uint8_t also, struct address *out)
{
	uint32_t local;
	enum address_result result;

	*out = (struct address){.local = {text.data, 0}, .domain = {text.data, 0}};
	if (text.length == 10 && strncasecmp(text.data, "postmaster", 10) == 0) {
		*out = (struct address){.local = text, .domain = {text.data + text.length, 0}};
		return ADDRESS_OK;
	}
	local = local_length(text, syntax, also);
	if (local == 0 || local >= text.length || text.data[local] != '@')
		return ADDRESS_SYNTAX;
	result = domain_check((struct span){text.data + local + 1, text.length - local - 1}, syntax, also);
	if (result != ADDRESS_OK)
		return result;
	/* RFC 5321 4.5.3.1: sizes that everybody must be able to take; the path has a limit of its own. */
	if (local > LOCAL_MAX && syntax == SMTP_SYNTAX_STRICT)
		return ADDRESS_TOO_LONG;
	out->local = (struct span){text.data, local};
	out->domain = (struct span){text.data + local + 1, text.length - local - 1};
	return ADDRESS_OK;
}

enum address_result address_parse(struct span text, enum smtp_syntax syntax, struct address *out)
{
	if (utf8_needed(text)) {
		*out = (struct address){.local = {text.data, 0}, .domain = {text.data, 0}};
		return ADDRESS_EIGHT_BIT;
	}
	return parse(text, syntax, 0, out);
}

enum address_result address_parse_wide(struct span text, enum smtp_syntax syntax, struct address *out)
{
	if (!utf8_valid(text)) {
		*out = (struct address){.local = {text.data, 0}, .domain = {text.data, 0}};
		return ADDRESS_EIGHT_BIT;
	}
	return parse(text, syntax, WIDE, out);
}

bool address_local_valid(struct span text, enum smtp_syntax syntax)
{
	return text.length > 0 && local_length(text, syntax, 0) == text.length &&
	       (text.length <= LOCAL_MAX || syntax == SMTP_SYNTAX_TOLERANT);
}

bool address_domain_valid(struct span domain, enum smtp_syntax syntax)
{
	return domain_check(domain, syntax, 0) == ADDRESS_OK;
}

bool address_helo_valid(struct span name)
{
	if (name.length == 0 || name.length > DOMAIN_MAX)
		return false;
	return name.data[0] == '[' ? literal_valid(name) : labels_valid(name, true, true, 0);
}
