/*
 * bench/source_options.c - the command line of the load generator.
 *
 * Every value is checked here, and the combinations that make no sense are refused with a sentence, so the rest
 * of the program never asks again.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/source.h"

static const char help_text[] =
	"source - sends numbered messages to an SMTP server and measures\n"
	"\n"
	"usage: source --target ADDRESS:PORT [options]\n"
	"\n"
	"what to send\n"
	"  --messages N             how many (1000; with --duration as many as fit)\n"
	"  --duration TIME          begin no message after this time (10s, 2m)\n"
	"  --size SIZE              octets of content, headers included (4KiB)\n"
	"  --sender ADDRESS         MAIL FROM (source@source.invalid; \"\" for <>)\n"
	"  --recipient ADDRESS      RCPT TO (sink@sink.invalid)\n"
	"  --recipients N           recipients of each message, named local-2@domain and so on (1)\n"
	"  --domains N              messages take turns with domains: d000001. to dN. before the recipient's "
	"(none)\n"
	"  --sequence-start N       the first message's number (1)\n"
	"  --helo NAME              EHLO argument (source.invalid)\n"
	"how to send\n"
	"  --connections N          connections open at once (1)\n"
	"  --threads N              threads, each with its own ring (1)\n"
	"  --mode MODE              lockstep: each command waits for its answer\n"
	"                           grouped: MAIL RCPT DATA together, then the content\n"
	"                           pipelined (default): the end of a message together with MAIL RCPT DATA "
	"of the\n"
	"                           next; with --chunking or --blind whole messages in flight\n"
	"                           grouped and pipelined fall back to lockstep where PIPELINING is not "
	"offered\n"
	"  --window N               whole messages in flight on a connection when pipelined (50)\n"
	"  --chunking               BDAT LAST instead of DATA where CHUNKING is offered\n"
	"  --blind                  send content without waiting for 354 (not SMTP; for servers that bear "
	"it)\n"
	"  --rate N                 messages a second over all connections; latency counts from the "
	"schedule\n"
	"  --messages-per-connection N  then QUIT and connect again\n"
	"  --on-disconnect WHAT     stop (default): that connection ends, its messages count as "
	"unacknowledged\n"
	"                           reconnect: connect again and resend what was not acknowledged\n"
	"  --timeout TIME           give up when no answer comes for so long (60s)\n"
	"TLS\n"
	"  --starttls | --tls       STARTTLS, or TLS from the first octet\n"
	"  --ca FILE                verify the server against these anchors, with --server-name NAME\n"
	"  --certificate FILE --private-key FILE  what to show a server that asks\n"
	"  --resume                 resume TLS sessions when connecting again\n"
	"results\n"
	"  --acknowledged FILE      a line with the number of each message answered 250, written within 10 "
	"ms\n"
	"  --json FILE              the result (default: standard output)\n"
	"  --progress               a line a second on standard error\n"
	"\n"
	"exit status: 0 all accepted, 1 some not, 2 wrong arguments, 3 the environment failed\n";

enum option_id {
	OPT_TARGET = 256,
	OPT_CONNECTIONS,
	OPT_MESSAGES,
	OPT_SIZE,
	OPT_MODE,
	OPT_WINDOW,
	OPT_CHUNKING,
	OPT_BLIND,
	OPT_RECIPIENTS,
	OPT_SENDER,
	OPT_RECIPIENT,
	OPT_DOMAINS,
	OPT_HELO,
	OPT_STARTTLS,
	OPT_TLS,
	OPT_CA,
	OPT_SERVER_NAME,
	OPT_CERTIFICATE,
	OPT_PRIVATE_KEY,
	OPT_RESUME,
	OPT_PER_CONNECTION,
	OPT_RATE,
	OPT_DURATION,
	OPT_THREADS,
	OPT_SEQUENCE_START,
	OPT_ACKNOWLEDGED,
	OPT_ON_DISCONNECT,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_PROGRESS,
	OPT_HELP,
};

static const struct option options_table[] = {
	{"target", required_argument, NULL, OPT_TARGET},
	{"connections", required_argument, NULL, OPT_CONNECTIONS},
	{"messages", required_argument, NULL, OPT_MESSAGES},
	{"size", required_argument, NULL, OPT_SIZE},
	{"mode", required_argument, NULL, OPT_MODE},
	{"window", required_argument, NULL, OPT_WINDOW},
	{"chunking", no_argument, NULL, OPT_CHUNKING},
	{"blind", no_argument, NULL, OPT_BLIND},
	{"recipients", required_argument, NULL, OPT_RECIPIENTS},
	{"sender", required_argument, NULL, OPT_SENDER},
	{"recipient", required_argument, NULL, OPT_RECIPIENT},
	{"domains", required_argument, NULL, OPT_DOMAINS},
	{"helo", required_argument, NULL, OPT_HELO},
	{"starttls", no_argument, NULL, OPT_STARTTLS},
	{"tls", no_argument, NULL, OPT_TLS},
	{"ca", required_argument, NULL, OPT_CA},
	{"server-name", required_argument, NULL, OPT_SERVER_NAME},
	{"certificate", required_argument, NULL, OPT_CERTIFICATE},
	{"private-key", required_argument, NULL, OPT_PRIVATE_KEY},
	{"resume", no_argument, NULL, OPT_RESUME},
	{"messages-per-connection", required_argument, NULL, OPT_PER_CONNECTION},
	{"rate", required_argument, NULL, OPT_RATE},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"sequence-start", required_argument, NULL, OPT_SEQUENCE_START},
	{"acknowledged", required_argument, NULL, OPT_ACKNOWLEDGED},
	{"on-disconnect", required_argument, NULL, OPT_ON_DISCONNECT},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"json", required_argument, NULL, OPT_JSON},
	{"progress", no_argument, NULL, OPT_PROGRESS},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static double parse_rate(const char *text)
{
	char *end;
	double rate = strtod(text, &end);
	if (end == text || *end || !(rate > 0 && rate <= 1e7))
		common_fail(COMMON_EXIT_USAGE, "--rate takes messages a second above 0, not \"%s\"", text);
	return rate;
}

/* An address goes into a command as it is: what would break the line is refused. */
static const char *parse_mailbox(const char *option, const char *text)
{
	if (strpbrk(text, "\r\n<> ") || strlen(text) > 400)
		common_fail(COMMON_EXIT_USAGE, "%s takes a plain address such as user@example.org, not \"%s\"", option,
			    text);
	return text;
}

static void set_tls(struct source_options *o, enum source_tls tls)
{
	if (o->tls != SOURCE_TLS_OFF && o->tls != tls)
		common_fail(COMMON_EXIT_USAGE, "--starttls and --tls exclude each other");
	o->tls = tls;
}

static void parse_what(struct source_options *o, int id, const char *value)
{
	switch (id) {
	case OPT_MESSAGES:
		o->messages = common_number("--messages", value, 1, UINT64_C(999999999999));
		break;
	case OPT_DURATION:
		o->duration_ns = common_duration_ns("--duration", value);
		break;
	case OPT_SIZE:
		o->size = common_size("--size", value);
		break;
	case OPT_SENDER:
		o->sender = parse_mailbox("--sender", value);
		break;
	case OPT_RECIPIENT:
		o->recipient = parse_mailbox("--recipient", value);
		break;
	case OPT_HELO:
		o->helo = parse_mailbox("--helo", value);
		break;
	case OPT_RECIPIENTS:
		o->recipients = (unsigned)common_number("--recipients", value, 1, 1000);
		break;
	case OPT_DOMAINS:
		o->domains = (unsigned)common_number("--domains", value, 1, 999999);
		break;
	case OPT_SEQUENCE_START:
		o->sequence_start = common_number("--sequence-start", value, 0, UINT64_C(999999999999));
		break;
	case OPT_ACKNOWLEDGED:
		o->acknowledged_path = value;
		break;
	case OPT_JSON:
		o->json_path = value;
		break;
	case OPT_PROGRESS:
		o->progress = true;
		break;
	}
}

static void parse_how(struct source_options *o, int id, const char *value)
{
	static const char *const modes[] = {"lockstep", "grouped", "pipelined", NULL};
	static const char *const disconnects[] = {"stop", "reconnect", NULL};
	switch (id) {
	case OPT_TARGET:
		common_address("--target", value, &o->target);
		o->target_text = value;
		break;
	case OPT_CONNECTIONS:
		o->connections = (unsigned)common_number("--connections", value, 1, 100000);
		break;
	case OPT_THREADS:
		o->threads = (unsigned)common_number("--threads", value, 1, 256);
		break;
	case OPT_MODE:
		o->mode = (enum source_mode)common_choice("--mode", value, modes);
		break;
	case OPT_WINDOW:
		o->window = (unsigned)common_number("--window", value, 1, SOURCE_WINDOW_MAX);
		break;
	case OPT_CHUNKING:
		o->chunking = true;
		break;
	case OPT_BLIND:
		o->blind = true;
		break;
	case OPT_RATE:
		o->rate = parse_rate(value);
		break;
	case OPT_PER_CONNECTION:
		o->messages_per_connection = common_number("--messages-per-connection", value, 1, UINT32_MAX);
		break;
	case OPT_ON_DISCONNECT:
		o->reconnect = common_choice("--on-disconnect", value, disconnects) == 1;
		break;
	case OPT_TIMEOUT:
		o->timeout_ns = common_duration_ns("--timeout", value);
		break;
	}
}

static void parse_tls(struct source_options *o, int id, const char *value)
{
	switch (id) {
	case OPT_STARTTLS:
		set_tls(o, SOURCE_TLS_START);
		break;
	case OPT_TLS:
		set_tls(o, SOURCE_TLS_IMPLICIT);
		break;
	case OPT_CA:
		o->ca_file = value;
		break;
	case OPT_SERVER_NAME:
		o->server_name = value;
		break;
	case OPT_CERTIFICATE:
		o->certificate_file = value;
		break;
	case OPT_PRIVATE_KEY:
		o->private_key_file = value;
		break;
	case OPT_RESUME:
		o->resume = true;
		break;
	}
}

static void check(struct source_options *o)
{
	if (!o->target_text)
		common_fail(COMMON_EXIT_USAGE, "--target ADDRESS:PORT is missing: where should the messages go?");
	if (o->tls == SOURCE_TLS_OFF && (o->ca_file || o->server_name || o->certificate_file || o->resume))
		common_fail(COMMON_EXIT_USAGE,
			    "--ca, --server-name, --certificate and --resume need --starttls or --tls");
	if (o->ca_file && !o->server_name)
		common_fail(COMMON_EXIT_USAGE, "--ca needs --server-name NAME: the name to find in the certificate");
	if (!o->certificate_file != !o->private_key_file)
		common_fail(COMMON_EXIT_USAGE, "--certificate and --private-key go together");
	if (o->blind && (o->mode == SOURCE_LOCKSTEP || o->chunking))
		common_fail(COMMON_EXIT_USAGE, "--blind needs --mode grouped or pipelined, and no --chunking");
	if (o->threads > o->connections)
		common_fail(COMMON_EXIT_USAGE, "--threads %u is more than --connections %u", o->threads,
			    o->connections);
	if (o->domains && !strchr(o->recipient, '@'))
		common_fail(COMMON_EXIT_USAGE, "--domains needs a --recipient with a domain, not \"%s\"", o->recipient);
	if (o->messages == 0)
		o->messages = o->duration_ns ? UINT64_MAX : 1000;
	if (o->messages != UINT64_MAX && o->sequence_start + o->messages > UINT64_C(1000000000000))
		common_fail(COMMON_EXIT_USAGE, "--sequence-start and --messages lead beyond twelve digits");
}

void source_options_parse(struct source_options *o, int argc, char **argv)
{
	*o = (struct source_options){
		.connections = 1,
		.threads = 1,
		.recipients = 1,
		.window = 50,
		.sequence_start = 1,
		.size = 4096,
		.timeout_ns = UINT64_C(60000000000),
		.mode = SOURCE_PIPELINED,
		.sender = "source@source.invalid",
		.recipient = "sink@sink.invalid",
		.helo = "source.invalid",
	};
	int id;
	while ((id = getopt_long(argc, argv, "", options_table, NULL)) != -1) {
		if (id == OPT_HELP) {
			fputs(help_text, stdout);
			exit(COMMON_EXIT_OK);
		}
		if (id == '?') {
			fprintf(stderr, "%s: --help lists every option\n", common_program);
			exit(COMMON_EXIT_USAGE);
		}
		parse_what(o, id, optarg);
		parse_how(o, id, optarg);
		parse_tls(o, id, optarg);
	}
	if (optind < argc)
		common_fail(COMMON_EXIT_USAGE, "\"%s\" is not an option; every argument begins with --", argv[optind]);
	check(o);
}
