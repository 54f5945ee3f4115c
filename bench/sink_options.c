/*
 * bench/sink_options.c - the command line of the sink. Values and combinations are checked here and only here.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sink.h"
#include "core/base/clock.h"

const char *const sink_stage_names[STAGE_COUNT + 1] = {
	"connect", "helo", "mail", "rcpt", "data", "end", "accepted", NULL,
};

static const char help_text[] =
	"sink - an SMTP server that accepts everything and accounts for it\n"
	"\n"
	"usage: sink --listen ADDRESS:PORT [options]\n"
	"\n"
	"  --listen ADDRESS:PORT    port 0 lets the kernel choose; {\"event\":\"ready\",\"address\":...} "
	"tells which\n"
	"  --threads N              threads, each with its own ring and socket (1)\n"
	"  --max-connections N      421 beyond\n"
	"what it offers\n"
	"  --tls MODE               off (default), starttls, starttls-required, implicit\n"
	"  --certificate FILE --private-key FILE  PEM\n"
	"  --client-ca FILE         demand a client certificate issued by these\n"
	"  --auth                   AUTH, and nothing without it; whoever signs in may\n"
	"  --no-pipelining --no-chunking --no-size --no-8bitmime --no-enhanced\n"
	"how it misbehaves\n"
	"  --delay TIME             hold each reply back so long (20 or 20ms: milliseconds)\n"
	"  --fail STAGE:CODE:PROBABILITY | STAGE:CODE:every=N   may be given several times\n"
	"  --disconnect STAGE:PROBABILITY | STAGE:every=N       close instead of answering\n"
	"        STAGE: connect, helo, mail, rcpt, data, end; accepted: the message is taken, its 250 "
	"replaced\n"
	"  --seed N                 of the chances above (1)\n"
	"  --keep-transaction       a refused BDAT LAST leaves the transaction open (RFC 3030 allows it)\n"
	"when it ends\n"
	"  --messages N             after N different sequences (\"X-Postrider-Sequence: N\" in the first "
	"1024 octets)\n"
	"  --expect FIRST-LAST      these sequences should come: report what is missing\n"
	"  SIGINT or SIGTERM\n"
	"results\n"
	"  --record FILE            append each message: a line of JSON with envelope and \"octets\", the "
	"content, LF\n"
	"  --received FILE          append each message's sequence, a line each, in order of acceptance\n"
	"  --json FILE              the result (default: standard output)\n"
	"\n"
	"exit status: 0, 1 messages are missing (--expect, --messages), 2 wrong arguments, 3 the environment "
	"failed\n";

enum option_id {
	OPT_LISTEN = 256,
	OPT_TLS,
	OPT_CERTIFICATE,
	OPT_PRIVATE_KEY,
	OPT_CLIENT_CA,
	OPT_AUTH,
	OPT_NO_PIPELINING,
	OPT_NO_CHUNKING,
	OPT_NO_SIZE,
	OPT_NO_8BITMIME,
	OPT_NO_ENHANCED,
	OPT_DELAY,
	OPT_FAIL,
	OPT_DISCONNECT,
	OPT_SEED,
	OPT_KEEP_TRANSACTION,
	OPT_MESSAGES,
	OPT_EXPECT,
	OPT_THREADS,
	OPT_MAX_CONNECTIONS,
	OPT_RECORD,
	OPT_RECEIVED,
	OPT_JSON,
	OPT_HELP,
};

static const struct option options_table[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"tls", required_argument, NULL, OPT_TLS},
	{"certificate", required_argument, NULL, OPT_CERTIFICATE},
	{"private-key", required_argument, NULL, OPT_PRIVATE_KEY},
	{"client-ca", required_argument, NULL, OPT_CLIENT_CA},
	{"auth", no_argument, NULL, OPT_AUTH},
	{"no-pipelining", no_argument, NULL, OPT_NO_PIPELINING},
	{"no-chunking", no_argument, NULL, OPT_NO_CHUNKING},
	{"no-size", no_argument, NULL, OPT_NO_SIZE},
	{"no-8bitmime", no_argument, NULL, OPT_NO_8BITMIME},
	{"no-enhanced", no_argument, NULL, OPT_NO_ENHANCED},
	{"delay", required_argument, NULL, OPT_DELAY},
	{"fail", required_argument, NULL, OPT_FAIL},
	{"disconnect", required_argument, NULL, OPT_DISCONNECT},
	{"seed", required_argument, NULL, OPT_SEED},
	{"keep-transaction", no_argument, NULL, OPT_KEEP_TRANSACTION},
	{"messages", required_argument, NULL, OPT_MESSAGES},
	{"expect", required_argument, NULL, OPT_EXPECT},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
	{"record", required_argument, NULL, OPT_RECORD},
	{"received", required_argument, NULL, OPT_RECEIVED},
	{"json", required_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* STAGE:CODE:HOW or, for a disconnect, STAGE:HOW; HOW is a probability or every=N. */
static void parse_fault(struct sink_options *o, const char *option, const char *text, bool with_code)
{
	char copy[128];
	char *rest = copy;
	if (o->fault_count == SINK_FAULTS_MAX)
		common_fail(COMMON_EXIT_USAGE, "at most %d faults can be given", SINK_FAULTS_MAX);
	struct sink_fault *fault = &o->faults[o->fault_count++];
	snprintf(copy, sizeof(copy), "%s", text);
	const char *stage = strsep(&rest, ":");
	const char *code = with_code ? strsep(&rest, ":") : NULL;
	if (!rest || (with_code && !code))
		common_fail(COMMON_EXIT_USAGE, "%s takes %s, such as %s, not \"%s\"", option,
			    with_code ? "STAGE:CODE:PROBABILITY" : "STAGE:PROBABILITY",
			    with_code ? "rcpt:450:0.1 or end:451:every=10" : "end:0.01 or mail:every=100", text);
	fault->stage = (enum sink_stage)common_choice(option, stage, sink_stage_names);
	if (code)
		fault->code = (unsigned)common_number(option, code, 400, 599);
	if (strncmp(rest, "every=", 6) == 0)
		fault->every = common_number(option, rest + 6, 1, UINT32_MAX);
	else
		fault->probability = common_probability(option, rest);
}

static void parse_expect(struct sink_options *o, const char *text)
{
	char copy[64];
	char *rest = copy;
	snprintf(copy, sizeof(copy), "%s", text);
	const char *first = strsep(&rest, "-");
	if (!rest)
		common_fail(COMMON_EXIT_USAGE, "--expect takes FIRST-LAST, such as 1-1000, not \"%s\"", text);
	o->expect_first = common_number("--expect", first, 0, ACCOUNT_SEQUENCES - 1);
	o->expect_last = common_number("--expect", rest, o->expect_first, ACCOUNT_SEQUENCES - 1);
	o->expect = true;
}

/* A bare number means milliseconds here. */
static uint64_t parse_delay(const char *text)
{
	if (text[0] && text[strspn(text, "0123456789")] == '\0')
		return common_number("--delay", text, 0, 3600000) * CLOCK_NS_PER_MS;
	return common_duration_ns("--delay", text);
}

static void parse_offer(struct sink_options *o, int id, const char *value)
{
	static const char *const modes[] = {"off", "starttls", "starttls-required", "implicit", NULL};
	switch (id) {
	case OPT_TLS:
		o->tls = (enum sink_tls)common_choice("--tls", value, modes);
		break;
	case OPT_CERTIFICATE:
		o->certificate_file = value;
		break;
	case OPT_PRIVATE_KEY:
		o->private_key_file = value;
		break;
	case OPT_CLIENT_CA:
		o->client_ca_file = value;
		break;
	case OPT_AUTH:
		o->auth = true;
		break;
	case OPT_NO_PIPELINING:
		o->pipelining = false;
		break;
	case OPT_NO_CHUNKING:
		o->chunking = false;
		break;
	case OPT_NO_SIZE:
		o->size = false;
		break;
	case OPT_NO_8BITMIME:
		o->eight_bit = false;
		break;
	case OPT_NO_ENHANCED:
		o->enhanced = false;
		break;
	}
}

static void parse_behaviour(struct sink_options *o, int id, const char *value)
{
	switch (id) {
	case OPT_LISTEN:
		common_address("--listen", value, &o->listen);
		o->listen_given = true;
		break;
	case OPT_THREADS:
		o->threads = (unsigned)common_number("--threads", value, 1, 256);
		break;
	case OPT_MAX_CONNECTIONS:
		o->connections_max = common_number("--max-connections", value, 1, 1000000);
		break;
	case OPT_DELAY:
		o->delay_ns = parse_delay(value);
		break;
	case OPT_FAIL:
		parse_fault(o, "--fail", value, true);
		break;
	case OPT_DISCONNECT:
		parse_fault(o, "--disconnect", value, false);
		break;
	case OPT_KEEP_TRANSACTION:
		o->keep_transaction = true;
		break;
	case OPT_SEED:
		o->seed = common_number("--seed", value, 0, UINT64_MAX);
		break;
	case OPT_MESSAGES:
		o->messages = common_number("--messages", value, 1, ACCOUNT_SEQUENCES);
		break;
	case OPT_EXPECT:
		parse_expect(o, value);
		break;
	case OPT_RECORD:
		o->record_path = value;
		break;
	case OPT_RECEIVED:
		o->received_path = value;
		break;
	case OPT_JSON:
		o->json_path = value;
		break;
	}
}

static void check(const struct sink_options *o)
{
	if (!o->listen_given)
		common_fail(COMMON_EXIT_USAGE, "--listen ADDRESS:PORT is missing: where should it listen?");
	if (o->tls != SINK_TLS_OFF && (!o->certificate_file || !o->private_key_file))
		common_fail(COMMON_EXIT_USAGE, "--tls needs --certificate FILE and --private-key FILE");
	if (o->tls == SINK_TLS_OFF && (o->certificate_file || o->private_key_file || o->client_ca_file))
		common_fail(COMMON_EXIT_USAGE, "--certificate, --private-key and --client-ca need --tls "
					       "starttls, starttls-required or implicit");
}

void sink_options_parse(struct sink_options *o, int argc, char **argv)
{
	*o = (struct sink_options){
		.pipelining = true,
		.chunking = true,
		.size = true,
		.eight_bit = true,
		.enhanced = true,
		.threads = 1,
		.seed = 1,
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
		parse_offer(o, id, optarg);
		parse_behaviour(o, id, optarg);
	}
	if (optind < argc)
		common_fail(COMMON_EXIT_USAGE, "\"%s\" is not an option; every argument begins with --", argv[optind]);
	check(o);
}
