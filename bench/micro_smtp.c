/*
 * micro_smtp.c - what command lines, replies and the Received header cost, each as bulk senders and large hosts
 * write them: long bounce addresses, numbered host names, replies with queue ids.
 */
#include <string.h>

#include "bench/micro.h"
#include "core/smtp/command.h"
#include "core/smtp/reply.h"
#include "core/smtp/trace.h"

enum { REPEAT = 2000 };

static const struct trace trace = {
	.helo = {"mta-17.newsletter.example.org", 29},
	.peer = {"192.0.2.117", 11},
	.hostname = {"relay.example.net", 17},
	.protocol = "ESMTPS",
	.id = {UINT64_C(1795468606000000000), 4711},
	.wall_ns = UINT64_C(1795468606000000000),
};

static void run_command(const struct micro_operation *operation, unsigned count)
{
	const char *line = operation->parameter;
	size_t length = strlen(line);
	struct smtp_command command;

	for (unsigned i = 0; i < count; i++) {
		if (smtp_command_parse(line, length, SMTP_SYNTAX_TOLERANT, &command) != NULL)
			micro_fail(operation->name, "the line was refused");
		micro_sink += command.size + command.address.length;
	}
}

/* A whole reply in one piece, from smtp_reply_start() to DONE. The one to EHLO fills in the extensions. */
static void run_reply(const struct micro_operation *operation, unsigned count)
{
	static struct smtp_reply_parser parser;
	const uint8_t *octets = operation->parameter;
	size_t length = strlen(operation->parameter), consumed;
	struct smtp_extensions extensions;

	for (unsigned i = 0; i < count; i++) {
		smtp_reply_start(&parser, octets[3] == '-' ? &extensions : NULL);
		if (smtp_reply_parse(&parser, octets, length, &consumed) != SMTP_REPLY_DONE)
			micro_fail(operation->name, "the reply was not understood");
		micro_sink += parser.code + parser.text_length;
	}
}

static void run_received(const struct micro_operation *operation, unsigned count)
{
	struct trace one = trace;
	char out[TRACE_MAX];

	for (unsigned i = 0; i < count; i++) {
		one.id.low = i;
		micro_sink += trace_received(&one, out);
	}
}

static void run_id(const struct micro_operation *operation, unsigned count)
{
	struct message_id_source source;
	char text[MESSAGE_ID_TEXT];

	message_id_source_init(&source, 1, 4711);
	for (unsigned i = 0; i < count; i++) {
		message_id_text(message_id_next(&source, trace.wall_ns + i * 1000), text);
		micro_sink += (unsigned char)text[MESSAGE_ID_TEXT - 1];
	}
}

#define COMMAND(label, line)                                                                                           \
	{                                                                                                              \
		.name = "command." label, .repeat = REPEAT, .run = run_command, .parameter = line                      \
	}
#define REPLY(label, octets)                                                                                           \
	{                                                                                                              \
		.name = "reply." label, .repeat = REPEAT, .run = run_reply, .parameter = octets                        \
	}

int main(int argc, char **argv)
{
	static const struct micro_operation operations[] = {
		COMMAND("ehlo", "EHLO mta-17.newsletter.example.org"),
		COMMAND("mail", "MAIL FROM:<bounce-88123-4567890-reader=example.net@mail.newsletter.example.org> "
				"SIZE=4312 BODY=8BITMIME"),
		COMMAND("rcpt", "RCPT TO:<first.last@mail.example.net>"),
		COMMAND("data", "DATA"),
		COMMAND("bdat", "BDAT 4312 LAST"),
		REPLY("ok", "250 2.1.5 Ok\r\n"),
		REPLY("queued", "250 2.0.0 Ok: queued as 4XyZ12AbCdEfGh 1795468606-0123456789abcdef\r\n"),
		REPLY("ehlo", "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-ETRN\r\n"
			      "250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
			      "250 CHUNKING\r\n"),
		{.name = "trace.received", .repeat = REPEAT, .run = run_received},
		{.name = "trace.id", .repeat = REPEAT, .run = run_id},
	};

	micro_start(argc, argv, "");
	micro_run(operations, sizeof operations / sizeof operations[0]);
	return 0;
}
