/*
 * fuzz_smtp_command.c - the command parser: spans lie inside the line, refusals are whole lines of our own, and
 * what is accepted holds no octet that could mean something to anyone behind us.
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/address.h"
#include "core/smtp/command.h"
#include "core/smtp/idna.h"
#include "core/smtp/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void check_span(struct span span, const char *line, size_t length)
{
	if (span.length == 0)
		return;
	need(span.data >= line && span.data + span.length <= line + length);
	for (uint32_t i = 0; i < span.length; i++)
		need(span.data[i] >= ' ' && span.data[i] <= '~');
}

/* Of a tolerant greeting: no control octets. */
static void check_greeting(struct span span, const char *line, size_t length)
{
	if (span.length > 0)
		need(span.data >= line && span.data + span.length <= line + length);
	for (uint32_t i = 0; i < span.length; i++)
		need((unsigned char)span.data[i] >= ' ' && span.data[i] != 0x7f);
}

/* One line of static text: a code, a space, an enhanced code of the same class, printable octets, CRLF. */
static void check_refusal(const char *reply)
{
	size_t length = strlen(reply);

	need(length > 12 && length <= 512 && reply[3] == ' ' && reply[4] == reply[0] && reply[5] == '.');
	need(memcmp(reply + length - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i + 2 < length; i++)
		need(reply[i] >= ' ' && reply[i] <= '~');
}

/* Written in another way it is still one domain, and no other dot or "@" has come in (REL-01). */
static void check_domain(const struct smtp_command *command)
{
	char room[SMTP_PATH_MAX];
	struct address before, after;
	struct span ascii;

	enum idna_result result = command->wide ? idna_address(command->address, room, &ascii) : IDNA_NONE;

	if (result == IDNA_NONE || result == IDNA_NO_MEMORY)
		return;
	need(ascii.length <= SMTP_PATH_MAX - 2 &&
	     address_parse_wide(ascii, SMTP_SYNTAX_TOLERANT, &after) == ADDRESS_OK);
	need(address_parse_wide(command->address, SMTP_SYNTAX_TOLERANT, &before) == ADDRESS_OK);
	need(before.local.length == after.local.length);
	need(memcmp(before.local.data, after.local.data, after.local.length) == 0);
	for (uint32_t i = 0; i < after.domain.length; i++)
		need((unsigned char)after.domain.data[i] < 0x80);
}

static void check_address(const struct smtp_command *command, const char *line, size_t length)
{
	struct address address;

	if (!command->wide)
		check_span(command->address, line, length);
	if (command->address.length == 0) {
		need(command->verb == SMTP_MAIL);
		return;
	}
	need(command->address.length <= SMTP_PATH_MAX - 2);
	if (command->unqualified) {
		need(command->syntax == SMTP_SYNTAX_TOLERANT && address_local_valid(command->address, command->syntax));
		return;
	}
	if (command->wide)
		need(utf8_valid(command->address) &&
		     address_parse_wide(command->address, command->syntax, &address) == ADDRESS_OK);
	else
		need(address_parse(command->address, command->syntax, &address) == ADDRESS_OK);
	check_domain(command);
	need(address.local.data == command->address.data && address.local.length > 0);
	if (address.domain.length == 0) {
		need(command->verb == SMTP_RCPT && address.local.length == 10);
		return;
	}
	/* local "@" domain is the whole, and no "@" is left in the domain (REL-01). */
	need(address.local.length + 1 + address.domain.length == command->address.length);
	need(memchr(address.domain.data, '@', address.domain.length) == NULL);
}

/* ORCPT: letters only where it says so, and none in what a next hop is told. */
static void check_original(const struct smtp_rcpt_parameters *rcpt, const char *line, size_t length)
{
	char room[PARAMETERS_ORCPT_MAX];
	struct span ascii;

	if (!rcpt->orcpt_wide) {
		check_span(rcpt->orcpt, line, length);
		return;
	}
	need(utf8_valid(rcpt->orcpt) && utf8_needed(rcpt->orcpt));
	if (parameter_orcpt_ascii(rcpt->orcpt, room, &ascii))
		check_span(ascii, room, sizeof(room));
}

static void check_line(const char *line, size_t size, enum smtp_syntax syntax)
{
	struct smtp_command command;
	const char *reply = smtp_command_parse(line, size, syntax, &command);
	bool hello;

	need(smtp_verb_name(command.verb) != NULL);
	if (reply) {
		check_refusal(reply);
		return;
	}
	need(command.verb != SMTP_UNKNOWN && command.verb != SMTP_FOREIGN);
	hello = command.verb == SMTP_EHLO || command.verb == SMTP_HELO;
	if (hello && syntax == SMTP_SYNTAX_TOLERANT)
		check_greeting(command.argument, line, size);
	else if (command.verb == SMTP_RCPT)
		check_greeting(command.argument, line, size);
	else if (!command.wide)
		check_span(command.argument, line, size);
	if (command.verb == SMTP_RCPT)
		check_original(&command.rcpt, line, size);
	if (command.verb == SMTP_MAIL || command.verb == SMTP_RCPT)
		check_address(&command, line, size);
	if (hello && syntax == SMTP_SYNTAX_STRICT)
		need(address_helo_valid(command.argument));
	if (command.verb == SMTP_RCPT)
		need(!command.has_size && command.body == SMTP_BODY_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_command strict, tolerant;
	char *line = malloc(size ? size : 1);

	if (size > 0)
		memcpy(line, data, size);
	check_line(line, size, SMTP_SYNTAX_STRICT);
	check_line(line, size, SMTP_SYNTAX_TOLERANT);
	/* Tolerance only adds: what is right means the same in both. */
	if (!smtp_command_parse(line, size, SMTP_SYNTAX_STRICT, &strict)) {
		need(!smtp_command_parse(line, size, SMTP_SYNTAX_TOLERANT, &tolerant));
		need(strict.verb == tolerant.verb && strict.address.data == tolerant.address.data &&
		     strict.address.length == tolerant.address.length && strict.size == tolerant.size &&
		     strict.last == tolerant.last && !tolerant.unqualified);
	}
	free(line);
	return 0;
}
