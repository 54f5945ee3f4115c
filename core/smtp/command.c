/*
 * command.c - from one command line to a struct, or to the reply that refuses it.
 *
 * Purpose
 *   Reads strictly from left to right (PAR-02). Each verb has one row in a table: its name and the
 *   function that reads what follows. The reply to a fault is a whole constant line, so that nothing a peer
 *   sent is ever echoed (STL-09, PAR-03).
 *
 * Ownership, failure
 *   Spans point into the line given; no allocation. A fault is a non-NULL result.
 */
#include "core/smtp/command.h"

#include <string.h>
#include <strings.h>

#include "core/smtp/address.h"
#include "core/smtp/utf8.h"

static const char reply_unknown[] = "500 5.5.2 Command not recognised\r\n";
static const char reply_octets[] = "501 5.5.2 Control or 8-bit characters are not allowed in a command\r\n";
static const char reply_unwanted[] = "501 5.5.4 This command takes no argument\r\n";
static const char reply_missing[] = "501 5.5.4 This command needs an argument\r\n";
static const char reply_helo[] = "501 5.5.4 A host name or an address literal is needed\r\n";
static const char reply_mail[] = "501 5.5.4 Syntax: MAIL FROM:<address>\r\n";
static const char reply_rcpt[] = "501 5.5.4 Syntax: RCPT TO:<address>\r\n";
static const char reply_long[] = "501 5.5.4 Path too long\r\n";
static const char reply_eight_bit[] = "553 5.6.7 An address with 8-bit characters needs SMTPUTF8 in MAIL\r\n";
static const char reply_utf8[] = "501 5.5.2 The address is not UTF-8\r\n";
static const char reply_parameter[] = "501 5.5.4 Bad or repeated parameter\r\n";
static const char reply_unsupported[] = "555 5.5.4 Parameter not recognised\r\n";
static const char reply_bdat[] = "501 5.5.4 Syntax: BDAT size [LAST]\r\n";
static const char reply_foreign[] = "421 4.7.0 This is a mail server, closing connection\r\n";

static struct span span_skip(struct span s, uint32_t n)
{
	return (struct span){s.data + n, s.length - n};
}

static struct span span_first(struct span s, uint32_t n)
{
	return (struct span){s.data, n};
}

/* The octets before `octet`, or all. */
static struct span span_until(struct span s, char octet)
{
	const char *found = s.length ? memchr(s.data, octet, s.length) : NULL;

	return found ? span_first(s, (uint32_t)(found - s.data)) : s;
}

static bool span_is(struct span s, const char *name)
{
	return s.length == strlen(name) && strncasecmp(s.data, name, s.length) == 0;
}

static bool span_starts(struct span s, const char *name)
{
	return s.length >= strlen(name) && strncasecmp(s.data, name, strlen(name)) == 0;
}

static struct span span_trim(struct span s)
{
	while (s.length > 0 && s.data[0] == ' ')
		s = span_skip(s, 1);
	while (s.length > 0 && s.data[s.length - 1] == ' ')
		s.length--;
	return s;
}

static bool has_control(struct span s)
{
	for (uint32_t i = 0; i < s.length; i++)
		if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f)
			return true;
	return false;
}

/* 1 to 20 decimal digits, nothing else. */
static bool digits_only(struct span s)
{
	for (uint32_t i = 0; i < s.length; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return s.length >= 1 && s.length <= 20;
}

/* Such digits that fit 64 bits (BDT-01). */
static bool number_parse(struct span s, uint64_t *out)
{
	uint64_t value = 0;

	if (!digits_only(s))
		return false;
	for (uint32_t i = 0; i < s.length; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
			return false;
	}
	*out = value;
	return true;
}

static const char *parse_name(struct span rest, struct smtp_command *command)
{
	/* It is only printed, and whoever prints it looks at it first. */
	if (command->syntax == SMTP_SYNTAX_TOLERANT)
		rest = span_trim(rest);
	else if (!address_helo_valid(rest))
		return reply_helo;
	command->argument = rest;
	return NULL;
}

static const char *parse_none(struct span rest, struct smtp_command *command)
{
	return command->argument.data ? reply_unwanted : NULL;
}

static const char *parse_any(struct span rest, struct smtp_command *command)
{
	return utf8_needed(rest) ? reply_octets : NULL;
}

static const char *parse_some(struct span rest, struct smtp_command *command)
{
	return rest.length == 0 ? reply_missing : parse_any(rest, command);
}

/* BDAT SP size [ SP "LAST" ] (RFC 3030 2). Not even trailing space is forgiven: the size is framing. */
static const char *parse_bdat(struct span rest, struct smtp_command *command)
{
	struct span size = span_until(rest, ' ');

	if (!number_parse(size, &command->size))
		return reply_bdat;
	if (size.length < rest.length) {
		if (!span_is(span_skip(rest, size.length), " LAST"))
			return reply_bdat;
		command->last = true;
	}
	return NULL;
}

/* The length of the path at the start with both brackets, or 0. A ">" inside quotes does not end it. */
static uint32_t path_length(struct span s)
{
	bool quoted = false;

	if (s.length == 0 || s.data[0] != '<')
		return 0;
	for (uint32_t i = 1; i < s.length; i++) {
		if (s.data[i] == '"')
			quoted = !quoted;
		else if (quoted && s.data[i] == '\\')
			i++;
		else if (!quoted && s.data[i] == '>')
			return i + 1;
	}
	return 0;
}

/* A-d-l = At-domain *( "," At-domain ) ":" (RFC 5321 4.1.2): checked and dropped (appendix C). */
static bool route_skip(struct span *path, enum smtp_syntax syntax)
{
	struct span s = *path;

	while (s.length > 0 && s.data[0] == '@') {
		uint32_t n = 1;

		/* The ":" inside an IPv6 literal does not end the route. */
		if (n < s.length && s.data[n] == '[')
			n += span_until(span_skip(s, n), ']').length;
		while (n < s.length && s.data[n] != ',' && s.data[n] != ':')
			n++;
		if (n == s.length || !address_domain_valid(span_skip(span_first(s, n), 1), syntax))
			return false;
		if (s.data[n] == ':') {
			*path = span_skip(s, n + 1);
			return path->length > 0;
		}
		s = span_skip(s, n + 1);
	}
	return false;
}

/* `inside`: what stands between the brackets, or instead of them. */
static const char *parse_path(struct span inside, struct smtp_command *command, const char *syntax)
{
	struct span mailbox = inside;
	struct address address;
	enum address_result result;
	bool mail = command->verb == SMTP_MAIL, tolerant = command->syntax == SMTP_SYNTAX_TOLERANT;

	if (utf8_needed(inside)) {
		command->wide = true;
		if (!utf8_valid(inside))
			return reply_utf8;
	}
	if (inside.length > SMTP_PATH_MAX - 2)
		return reply_long;
	if (mailbox.length == 0) {
		command->address = mailbox;
		return mail ? NULL : syntax;
	}
	if (mailbox.data[0] == '@' && !route_skip(&mailbox, command->syntax))
		return syntax;
	result = command->wide ? address_parse_wide(mailbox, command->syntax, &address)
			       : address_parse(mailbox, command->syntax, &address);
	if (result == ADDRESS_TOO_LONG)
		return reply_long;
	/* <postmaster> is a recipient only (RFC 5321 4.1.1.3). */
	if (result == ADDRESS_SYNTAX || (address.domain.length == 0 && (mail || mailbox.length != inside.length))) {
		if (!tolerant || mailbox.length != inside.length || !address_local_valid(mailbox, command->syntax))
			return syntax;
		command->unqualified = true;
	}
	command->address = mailbox;
	return NULL;
}

/* esmtp-keyword ["=" esmtp-value] (RFC 5321 4.1.2); `letters`: octets above 127 are looked at later. */
static bool parameter_valid(struct span keyword, struct span value, bool letters)
{
	for (uint32_t i = 0; i < keyword.length; i++) {
		char c = keyword.data[i];
		bool let_dig = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!let_dig && (c != '-' || i == 0))
			return false;
	}
	for (uint32_t i = 0; i < value.length; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c <= ' ' || c == 127 || c == '=' || (c > 127 && !letters))
			return false;
	}
	return keyword.length > 0;
}

static const char *parse_parameter(struct span text, struct smtp_command *command)
{
	struct span keyword = span_until(text, '=');
	struct span value = span_skip(text, keyword.length);
	bool given = value.length > 0;

	if (given)
		value = span_skip(value, 1);
	if (!parameter_valid(keyword, value, command->verb == SMTP_RCPT && span_is(keyword, "ORCPT")) ||
	    (given && value.length == 0))
		return reply_parameter;
	if (command->verb == SMTP_MAIL && span_is(keyword, "SIZE")) { /* RFC 1870 3: up to 20 digits */
		if (command->has_size || !digits_only(value))
			return reply_parameter;
		if (!number_parse(value, &command->size))
			command->size = UINT64_MAX; /* more than anybody takes: 552, not a fault of syntax */
		command->has_size = true;
		return NULL;
	}
	if (command->verb == SMTP_MAIL && span_is(keyword, "BODY")) { /* RFC 6152 */
		if (command->body != SMTP_BODY_NONE)
			return reply_parameter;
		if (span_is(value, "7BIT"))
			command->body = SMTP_BODY_7BIT;
		else if (span_is(value, "8BITMIME"))
			command->body = SMTP_BODY_8BITMIME;
		return command->body == SMTP_BODY_NONE ? reply_parameter : NULL;
	}
	if (command->verb == SMTP_MAIL && span_is(keyword, "SMTPUTF8")) { /* RFC 6531 3.4: no value */
		if (given || command->smtputf8)
			return reply_parameter;
		command->smtputf8 = true;
		return NULL;
	}
	switch (command->verb == SMTP_MAIL
			? parameter_of_mail(&command->mail, command->syntax, keyword, value, given)
			: parameter_of_rcpt(&command->rcpt, command->syntax, keyword, value, given)) {
	case PARAMETER_TAKEN:
		return NULL;
	case PARAMETER_BAD:
		return reply_parameter;
	default:
		return reply_unsupported;
	}
}

/* The path at the start without its brackets; *length octets of `rest` are used up. False: there is none. */
static bool take_path(struct span rest, enum smtp_syntax syntax, struct span *inside, uint32_t *length)
{
	*length = path_length(rest);
	if (*length > 0) {
		*inside = span_first(span_skip(rest, 1), *length - 2);
		if (syntax == SMTP_SYNTAX_TOLERANT)
			*inside = span_trim(*inside);
		return true;
	}
	/* Without brackets it ends at the first space: a quoted one needs them. */
	if (syntax == SMTP_SYNTAX_STRICT || rest.length == 0 || rest.data[0] == '<')
		return false;
	*inside = span_until(rest, ' ');
	*length = inside->length;
	/* "MAIL FROM: SIZE=100" has none. */
	return span_until(*inside, '@').length < inside->length || span_until(*inside, '=').length == inside->length;
}

static const char *parse_envelope(struct span rest, struct smtp_command *command)
{
	bool mail = command->verb == SMTP_MAIL;
	const char *syntax = mail ? reply_mail : reply_rcpt;
	const char *word = mail ? "FROM" : "TO";
	bool tolerant = command->syntax == SMTP_SYNTAX_TOLERANT;
	const char *reply = NULL, *path_reply;
	struct span inside;
	uint32_t path;

	if (tolerant)
		rest = span_trim(rest);
	if (!span_starts(rest, word))
		return syntax;
	rest = span_skip(rest, (uint32_t)strlen(word));
	if (tolerant)
		rest = span_trim(rest);
	if (rest.length == 0 || rest.data[0] != ':')
		return syntax;
	rest = span_skip(rest, 1);
	rest = span_trim(rest); /* devices */
	if (!take_path(rest, command->syntax, &inside, &path)) {
		command->wide = utf8_needed(rest);
		return command->wide && mail ? reply_eight_bit : syntax;
	}
	path_reply = parse_path(inside, command, syntax);
	rest = span_skip(rest, path);
	/* What is wrong with a path with 8-bit characters depends on what comes. */
	while (reply == NULL && rest.length > 0 && (path_reply == NULL || command->wide)) {
		struct span parameter;

		if (rest.data[0] != ' ') {
			reply = syntax;
			break;
		}
		rest = tolerant ? span_trim(rest) : span_skip(rest, 1);
		parameter = span_until(rest, ' ');
		reply = parse_parameter(parameter, command);
		rest = span_skip(rest, parameter.length);
	}
	if (mail && command->wide && !command->smtputf8)
		return reply_eight_bit;
	return path_reply ? path_reply : reply;
}

static const char *parse_foreign(struct span rest, struct smtp_command *command)
{
	return reply_foreign;
}

struct verb {
	const char *name;
	enum smtp_verb verb;
	const char *(*parse)(struct span rest, struct smtp_command *command);
};

static const struct verb verbs[] = {
	{"EHLO", SMTP_EHLO, parse_name},          {"HELO", SMTP_HELO, parse_name},
	{"MAIL", SMTP_MAIL, parse_envelope},      {"RCPT", SMTP_RCPT, parse_envelope},
	{"DATA", SMTP_DATA, parse_none},          {"BDAT", SMTP_BDAT, parse_bdat},
	{"RSET", SMTP_RSET, parse_none},          {"NOOP", SMTP_NOOP, parse_any},
	{"VRFY", SMTP_VRFY, parse_some},          {"EXPN", SMTP_EXPN, parse_any},
	{"HELP", SMTP_HELP, parse_any},           {"QUIT", SMTP_QUIT, parse_none},
	{"STARTTLS", SMTP_STARTTLS, parse_none},  {"AUTH", SMTP_AUTH, parse_some},
	{"XCLIENT", SMTP_XCLIENT, parse_some},    {"GET", SMTP_FOREIGN, parse_foreign},
	{"POST", SMTP_FOREIGN, parse_foreign},    {"PUT", SMTP_FOREIGN, parse_foreign},
	{"HEAD", SMTP_FOREIGN, parse_foreign},    {"PROXY", SMTP_FOREIGN, parse_foreign},
	{"CONNECT", SMTP_FOREIGN, parse_foreign}, {"OPTIONS", SMTP_FOREIGN, parse_foreign},
};

static const struct verb *verb_find(struct span name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (span_is(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

const char *smtp_command_parse(const char *line, size_t length, enum smtp_syntax syntax, struct smtp_command *command)
{
	struct span all = {line, (uint32_t)length}, name, rest;
	const struct verb *verb;

	*command = (struct smtp_command){.verb = SMTP_UNKNOWN, .syntax = syntax};
	if (length > UINT32_MAX)
		return reply_unknown;
	if (length >= 2 && line[0] == 0x16 && line[1] == 0x03) { /* a TLS ClientHello */
		command->verb = SMTP_FOREIGN;
		return reply_foreign;
	}
	name = span_until(all, ' ');
	verb = verb_find(name);
	if (!verb)
		return reply_unknown;
	command->verb = verb->verb;
	if (verb->verb == SMTP_FOREIGN)
		return reply_foreign;
	if (has_control(all))
		return reply_octets;
	while (verb->verb != SMTP_BDAT && all.length > name.length && all.data[all.length - 1] == ' ')
		all.length--;
	rest = span_skip(all, all.length > name.length ? name.length + 1 : name.length);
	if (all.length > name.length)
		command->argument = rest;
	return verb->parse(rest, command);
}

const char *smtp_verb_name(enum smtp_verb verb)
{
	if (verb == SMTP_FOREIGN)
		return "FOREIGN";
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (verbs[i].verb == verb)
			return verbs[i].name;
	return "UNKNOWN";
}
