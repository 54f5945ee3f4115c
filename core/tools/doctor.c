/*
 * core/tools/doctor.c - see doctor.h. dist/postrider.8 has the command lines and the form of --json.
 */
#include "core/tools/doctor.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agents/dns_settings.h"
#include "core/agents/fetch.h"
#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/config/config.h"
#include "core/deliver/exchangers.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/mx.h"
#include "core/deliver/tls_policy.h"
#include "core/smtp/address.h"
#include "core/tools/climb.h"
#include "core/tools/doctor_around.h"
#include "core/tools/doctor_bundle.h"
#include "core/tools/own_certificate.h"
#include "core/tools/token_look.h"

enum { STATUS_BROKEN = 1, STATUS_USAGE = 64, STATUS_UNAVAILABLE = 69, STATUS_CONFIG = 78 };
enum { WAIT_S = 20, WAIT_MAX_S = 600, PORT_SMTP = 25 };

#define CONFIGURATION "/etc/postrider/postrider.yaml"

struct options {
	const char *config, *destination, *from, *to; /* doctor */
	const char *bundle;                           /* where what is known goes; NULL: nowhere */
	const char *target, *server_name, *ca_file, *hostname;
	bool json, implicit, plain;
	uint64_t wait_ns;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider doctor [--config FILE] [DESTINATION] [--send ADDRESS] [--from ADDRESS] [--json]\n"
	      "                        [--bundle FILE]\n"
	      "                        looks at each destination as the relay would use it, until something breaks, "
	      "and "
	      "says what to do\n"
	      "       postrider probe HOST[:PORT] [--implicit | --plain] [--server-name NAME] [--ca-file FILE]\n"
	      "                       [--hostname NAME] [--json]\n"
	      "                        the same for any host, by the network alone\n"
	      "both: --wait SECONDS for each step (20)\n",
	      out);
	return status;
}

static int wrong(const char *what)
{
	fprintf(stderr, "postrider: %s\n", what);
	return STATUS_USAGE;
}

/* ---- options ------------------------------------------------------------------------------------------------ */

static bool take_wait(struct options *o, const char *text)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	o->wait_ns = seconds * CLOCK_NS_PER_S;
	return *text != '\0' && *end == '\0' && seconds > 0 && seconds <= WAIT_MAX_S;
}

/* What stands in MAIL and RCPT is somebody's typing: it must be an address, and nothing behind it. */
static bool is_address(const char *text)
{
	struct address address;

	return strlen(text) < 320 && address_parse(span_text(text), SMTP_SYNTAX_STRICT, &address) == ADDRESS_OK &&
	       address.domain.length > 0;
}

static bool take(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'c':
		o->config = value;
		return true;
	case 's':
		o->to = value;
		return is_address(value);
	case 'f':
		o->from = value;
		return is_address(value);
	case 'b':
		o->bundle = value;
		return true;
	case 'n':
		o->server_name = value;
		return true;
	case 'a':
		o->ca_file = value;
		return true;
	case 'e':
		o->hostname = value;
		return address_helo_valid(span_text(value));
	case 'w':
		return take_wait(o, value);
	case 'j':
		o->json = true;
		return true;
	case 'i':
		o->implicit = true;
		return true;
	case 'p':
		o->plain = true;
		return true;
	default:
		return false;
	}
}

/* 0: go on; else the exit status. */
static int parse(int argc, char **argv, const struct option *options, struct options *o)
{
	int option;

	*o = (struct options){.config = CONFIGURATION, .wait_ns = WAIT_S * CLOCK_NS_PER_S};
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout, 0);
			return -1;
		}
		if (option == '?')
			return usage(stderr, STATUS_USAGE);
		if (!take(o, option, optarg)) {
			fprintf(stderr, "postrider: \"%s\" cannot be used here\n", optarg ? optarg : argv[optind - 1]);
			return STATUS_USAGE;
		}
	}
	return 0;
}

/* ---- doctor ------------------------------------------------------------------------------------------------- */

struct doctor {
	const struct options *options;
	const struct config *config;
	struct lookup *lookup;
	struct tls_context **contexts;
	struct mailbox_set **mailboxes; /* of each destination; NULL: nobody signs in */
	struct mailbox_home *homes;
	struct ladder ladder;
	bool broken;
	char *what; /* of DOCTOR_WHAT octets: the first that is broken; or NULL */
};

static struct tls_context *make_bare(const struct config_destination *destination)
{
	struct tls_context_config policy = tls_policy_of(destination);
	struct tls_problem problem;

	policy.verify_peer = policy.observe_peer = false;
	policy.ca_file = NULL;
	return tls_context_new(&policy, &problem);
}

/* Files of the destination, before anything is said. */
static bool look_at_files(struct doctor *doctor, size_t d, const char *from)
{
	const struct config_destination *destination = &doctor->config->destinations[d];
	struct tls_problem problem;

	if (!doctor->contexts[d] && tls_policy_make(doctor->contexts, doctor->config, d, &problem) < 0) {
		ladder_add(&doctor->ladder, "TLS files", RUNG_BROKEN, "%s", problem.text);
		return false;
	}
	return destination->tls_mode == CONFIG_TLS_NONE || !destination->certificate ||
	       own_certificate_look(&doctor->ladder, destination->certificate, doctor->config->hostname, from);
}

/* Without --from a mailbox sends as itself, and a relay that nobody knows as whom it sends to. */
static const char *sender_of(const struct doctor *doctor, const struct mailbox_entry *entry)
{
	if (doctor->options->from)
		return doctor->options->from;
	return entry && is_address(entry->mailbox->user) ? entry->mailbox->user : doctor->options->to;
}

/* The mechanisms that take what this mailbox has, a token or a password. */
static void choose_mechanisms(const struct config_destination *destination, bool by_token,
			      uint8_t mechanisms[CONFIG_MECHANISMS], struct climb_target *target)
{
	target->mechanisms = mechanisms;
	for (unsigned i = 0; i < destination->mechanism_count; i++) {
		if (((SASL_BY_TOKEN & SASL_BIT(destination->mechanisms[i])) != 0) == by_token)
			mechanisms[target->mechanism_count++] = destination->mechanisms[i];
	}
}

/* Who signs in. A token is fetched anew, so that what the relay will meet is met here. False: there is none. */
static bool look_at_login(struct doctor *doctor, const struct config_destination *destination,
			  const struct mailbox_entry *entry, uint8_t mechanisms[CONFIG_MECHANISMS],
			  struct token_reply *token, struct climb_target *target)
{
	bool by_token = entry && entry->secret.length == 0;

	if (!entry)
		return true;
	target->user = span_text(entry->mailbox->user);
	target->secret = entry->secret;
	choose_mechanisms(destination, by_token, mechanisms, target);
	if (!by_token)
		return true;
	if (!token_look(&doctor->ladder, destination->oauth, entry->mailbox->user, token))
		return false;
	target->secret = (struct span){token->access_token.text, (uint32_t)token->access_token.length};
	return true;
}

/* `entry`: who signs in, or NULL. */
static void look_at_host(struct doctor *doctor, size_t d, const struct config_host *host,
			 const struct mailbox_entry *entry)
{
	const struct config_destination *destination = &doctor->config->destinations[d];
	bool tls = destination->tls_mode != CONFIG_TLS_NONE;
	struct token_reply token = {.outcome = TOKEN_LATER};
	uint8_t mechanisms[CONFIG_MECHANISMS];
	struct climb_target target = {
		.host = host->name,
		.port = host->port,
		.numeric = host->numeric,
		.whole = host->whole,
		.address = host->address,
		.hostname = doctor->config->hostname,
		.tls = destination->tls_mode > CONFIG_TLS_OPPORTUNISTIC || (tls && destination->tls_implicit),
		.tls_if_offered = destination->tls_mode == CONFIG_TLS_OPPORTUNISTIC,
		.fingerprints = &destination->fingerprints,
		.certificate = tls && destination->certificate != NULL,
		.implicit = tls && destination->tls_implicit,
		.verified = destination->tls_mode == CONFIG_TLS_VERIFY,
		.ignored = destination->ignored_extensions,
		.server_name = destination->server_name,
		.mail = true,
		.from = sender_of(doctor, entry),
		.to = doctor->options->to,
		.wait_ns = doctor->options->wait_ns,
	};

	ladder_begin(&doctor->ladder, destination->name, entry ? "%s as %s" : "%s", host->text,
		     entry ? entry->mailbox->user : "");
	if (look_at_files(doctor, d, doctor->options->from) &&
	    look_at_login(doctor, destination, entry, mechanisms, &token, &target)) {
		target.context = doctor->contexts[d];
		target.bare = make_bare(destination);
		climb(&doctor->ladder, doctor->lookup, &target);
		tls_context_free(target.bare);
	}
	token_reply_wipe(&token);
	if (ladder_end(&doctor->ladder))
		return;
	if (!doctor->broken && doctor->what) {
		const struct rung *last = &doctor->ladder.rungs[doctor->ladder.count - 1];
		snprintf(doctor->what, DOCTOR_WHAT, "%s: %s", last->name, last->text);
	}
	doctor->broken = true;
}

/* The hosts that the DNS names for a domain, best first; those that may not answer are not gone to. */
static void look_at_exchangers(struct doctor *doctor, size_t d, const char *domain)
{
	const struct config_destination *destination = &doctor->config->destinations[d];
	const struct mailbox_set *set = doctor->mailboxes[d];
	struct dns_exchangers_question *q = calloc(1, sizeof(*q));
	uint8_t order[DNS_EXCHANGERS_MAX];
	struct random random;
	uint32_t refused = 0;
	unsigned count = 0;
	int r;

	if (!q)
		return;
	random_init(&random);
	q->base.name = domain;
	ladder_begin(&doctor->ladder, destination->name, "MX of %s", domain);
	r = lookup_exchangers(doctor->lookup, q);
	if (r == -ENODATA) {
		q->count = 1;
		snprintf(q->list[0].name, sizeof(q->list[0].name), "%s", domain);
	}
	if (r == 0 || r == -ENODATA)
		count = exchangers_order(q->list, q->count, &destination->mx_ends, &random, order, &refused);
	for (unsigned i = 0; i < q->count; i++) {
		bool left_out = refused >> i & 1;
		ladder_add(&doctor->ladder, "MX", left_out ? RUNG_WARNING : RUNG_OK, "%u %s%s", q->list[i].preference,
			   q->list[i].name, left_out ? " is left out: it is not called as hosts_end_with says" : "");
	}
	if (count == 0)
		ladder_add(&doctor->ladder, "MX", RUNG_BROKEN, "%s",
			   q->base.problem[0] ? q->base.problem : "none of its hosts may be used");
	doctor->broken = !ladder_end(&doctor->ladder) || doctor->broken;
	for (unsigned i = 0; i < count; i++) {
		char text[DNS_NAME_MAX + 8];
		struct config_host host = {
			.text = text, .name = q->list[order[i]].name, .port = destination->mx_port, .whole = true};

		snprintf(text, sizeof(text), "%s:%u", host.name, host.port);
		look_at_host(doctor, d, &host, set ? &set->entries[0] : NULL);
	}
	free(q);
}

/* Where mail goes to the MX of each domain, it is for who asks to say which. */
static void look_at_domain(struct doctor *doctor, size_t d)
{
	const char *to = doctor->options->to;
	char domain[MX_NAME_SIZE];

	if (to && mx_domain(span_text(to), domain)) {
		look_at_exchangers(doctor, d, domain);
		return;
	}
	ladder_begin(&doctor->ladder, doctor->config->destinations[d].name, "MX of recipients' domains");
	ladder_add(&doctor->ladder, "MX", RUNG_WARNING,
		   "say --send ADDRESS, and the hosts of its domain are looked at");
	doctor->broken = !ladder_end(&doctor->ladder) || doctor->broken;
}

/* Each host, with the first mailbox; and each further mailbox at the first host. */
static void look_at_destination(struct doctor *doctor, size_t d)
{
	const struct config_destination *destination = &doctor->config->destinations[d];
	const struct mailbox_set *set = doctor->mailboxes[d];

	if (destination->mx_of)
		look_at_exchangers(doctor, d, destination->mx_of);
	if (destination->mx)
		look_at_domain(doctor, d);
	for (size_t h = 0; h < destination->host_count; h++)
		look_at_host(doctor, d, &destination->hosts[h], set ? &set->entries[0] : NULL);
	for (size_t m = 1; set && destination->host_count > 0 && m < set->count; m++)
		look_at_host(doctor, d, &destination->hosts[0], &set->entries[m]);
}

static int examine(struct doctor *doctor)
{
	const char *wanted = doctor->options->destination;
	bool found = false;

	for (size_t d = 0; d < doctor->config->destination_count; d++) {
		const struct config_destination *destination = &doctor->config->destinations[d];
		if (wanted && strcmp(wanted, destination->name) != 0)
			continue;
		found = true;
		look_at_destination(doctor, d);
	}
	if (!wanted)
		doctor->broken =
			!doctor_look_around(&doctor->ladder, doctor->config, doctor->options->to) || doctor->broken;
	if (found || !wanted)
		return doctor->broken ? STATUS_BROKEN : 0;
	fprintf(stderr, "postrider: %s has no destination \"%s\"; it has:", doctor->config->file, wanted);
	for (size_t d = 0; d < doctor->config->destination_count; d++)
		fprintf(stderr, " %s", doctor->config->destinations[d].name);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

static struct lookup *open_lookup(const struct config *config)
{
	const struct dns_settings settings = config ? dns_settings_of(config, NULL) : (struct dns_settings){0};
	struct ring_problem problem;
	struct lookup *lookup = lookup_open(&settings, &problem);

	if (!lookup)
		fprintf(stderr, "postrider: %s\n", problem.text);
	return lookup;
}

/* 0 or the exit status. */
static int open_doctor(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	struct mailbox_problem problem;
	int r;

	doctor->contexts = calloc(config->destination_count, sizeof(*doctor->contexts));
	doctor->mailboxes = calloc(config->destination_count, sizeof(*doctor->mailboxes));
	doctor->homes = calloc(config->destination_count, sizeof(*doctor->homes));
	if (!doctor->contexts || !doctor->mailboxes || !doctor->homes)
		return STATUS_UNAVAILABLE;
	r = mailbox_sets_make(doctor->mailboxes, doctor->homes, NULL, config, &problem);
	if (r < 0) {
		fprintf(stderr, "postrider: %s: %s\n", config->file, r == -EINVAL ? problem.text : "out of memory");
		return r == -EINVAL ? STATUS_CONFIG : STATUS_UNAVAILABLE;
	}
	if (fetch_global_init() < 0)
		return STATUS_UNAVAILABLE;
	token_reply_init();
	doctor->lookup = open_lookup(config);
	return doctor->lookup ? 0 : STATUS_UNAVAILABLE;
}

static void close_doctor(struct doctor *doctor)
{
	size_t count = doctor->config->destination_count;

	lookup_close(doctor->lookup);
	tls_policies_free(doctor->contexts, count);
	if (doctor->mailboxes)
		mailbox_sets_free(doctor->mailboxes, count);
	for (size_t d = 0; doctor->homes && d < count; d++)
		mailbox_home_deinit(&doctor->homes[d]);
	free(doctor->contexts);
	free(doctor->mailboxes);
	free(doctor->homes);
}

static int doctor_with(const struct options *options, const struct config *config, FILE *out, char *what)
{
	struct doctor doctor = {
		.options = options, .config = config, .ladder = {.out = out, .json = options->json}, .what = what};
	int status = open_doctor(&doctor);

	if (status == 0)
		status = examine(&doctor);
	close_doctor(&doctor);
	return status;
}

/* What is found goes into a file with all else that is known; what is broken is no failure to make that. */
static int doctor_into(const struct options *options, const struct config *config)
{
	struct options quiet = *options;
	char *found = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&found, &length);
	int status;

	if (!out)
		return STATUS_UNAVAILABLE;
	quiet.json = true;
	(void)doctor_with(&quiet, config, out, NULL);
	status = fclose(out) == 0 ? doctor_bundle(options->bundle, options->config, found, length) : STATUS_UNAVAILABLE;
	free(found);
	return status;
}

int doctor_command(int argc, char **argv)
{
	static const struct option table[] = {
		{"config", required_argument, NULL, 'c'}, {"send", required_argument, NULL, 's'},
		{"from", required_argument, NULL, 'f'},   {"json", no_argument, NULL, 'j'},
		{"bundle", required_argument, NULL, 'b'}, {"wait", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	static struct config_problems problems;
	struct options options;
	struct config *config;
	int status = parse(argc, argv, table, &options);

	if (status != 0)
		return status < 0 ? 0 : status;
	if (argc - optind > 1)
		return usage(stderr, STATUS_USAGE);
	options.destination = argv[optind];
	config = config_load(options.config, &problems);
	for (unsigned i = 0; i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	if (!config && options.bundle)
		(void)doctor_bundle(options.bundle, options.config, NULL, 0);
	if (!config)
		return STATUS_CONFIG;
	tls_global_init();
	status = options.bundle ? doctor_into(&options, config) : doctor_with(&options, config, stdout, NULL);
	config_free(config);
	return status;
}

bool doctor_once(const char *file, char what[DOCTOR_WHAT])
{
	static struct config_problems problems;
	const struct options options = {.config = file, .wait_ns = WAIT_S * CLOCK_NS_PER_S};
	struct config *config = config_load(file, &problems);
	bool ok;

	snprintf(what, DOCTOR_WHAT, "the configuration cannot be used");
	if (!config)
		return false;
	ok = doctor_with(&options, config, NULL, what) == 0;
	config_free(config);
	return ok;
}

/* ---- probe -------------------------------------------------------------------------------------------------- */

/* "mail.example.org", "mail.example.org:587", "192.0.2.1", "[2001:db8::1]:25". */
static bool split_target(const char *text, char host[ADDRESS_TEXT_HOST_SIZE], uint16_t *port)
{
	struct address_problem problem;
	struct ring_address address;
	char with_port[ADDRESS_TEXT_HOST_SIZE + 8];

	if (address_text_split(text, host, port, &problem) == 0)
		return true;
	*port = PORT_SMTP;
	if (address_text_numeric(text, PORT_SMTP, &address))
		return snprintf(host, ADDRESS_TEXT_HOST_SIZE, "%s", text) < ADDRESS_TEXT_HOST_SIZE;
	snprintf(with_port, sizeof(with_port), "%.255s:%u", text, PORT_SMTP);
	if (strchr(text, ':') == NULL && address_text_split(with_port, host, port, &problem) == 0)
		return true;
	fprintf(stderr, "postrider: \"%s\": %s\n", text, problem.text);
	return false;
}

static int probe_with(const struct options *options, struct lookup *lookup)
{
	char host[ADDRESS_TEXT_HOST_SIZE], own[256] = "localhost";
	struct ladder ladder = {.out = stdout, .json = options->json};
	struct climb_target target = {.host = host, .wait_ns = options->wait_ns};
	struct tls_context_config strict = {.verify_peer = true, .ca_file = options->ca_file}, bare = {.server = false};
	struct tls_problem problem;

	if (!split_target(options->target, host, &target.port))
		return STATUS_USAGE;
	if (gethostname(own, sizeof(own) - 1) < 0 || !address_helo_valid(span_text(own)))
		snprintf(own, sizeof(own), "localhost");
	target.hostname = options->hostname ? options->hostname : own;
	target.numeric = address_text_numeric(host, target.port, &target.address);
	target.tls = !options->plain;
	target.verified = true;
	/* RFC 8314 7.3, and what providers offer beside it. */
	target.implicit = target.tls && (options->implicit || target.port == 465 || target.port == 2465);
	target.server_name = options->server_name;
	target.context = tls_context_new(&strict, &problem);
	if (!target.context) {
		fprintf(stderr, "postrider: %s\n", problem.text);
		return STATUS_UNAVAILABLE;
	}
	target.bare = tls_context_new(&bare, &problem);
	ladder_begin(&ladder, NULL, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, target.port);
	climb(&ladder, lookup, &target);
	tls_context_free(target.bare);
	tls_context_free(target.context);
	return ladder_end(&ladder) ? 0 : STATUS_BROKEN;
}

int probe_command(int argc, char **argv)
{
	static const struct option table[] = {{"implicit", no_argument, NULL, 'i'},
					      {"plain", no_argument, NULL, 'p'},
					      {"json", no_argument, NULL, 'j'},
					      {"wait", required_argument, NULL, 'w'},
					      {"ca-file", required_argument, NULL, 'a'},
					      {"server-name", required_argument, NULL, 'n'},
					      {"hostname", required_argument, NULL, 'e'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct options options;
	struct lookup *lookup;
	int status = parse(argc, argv, table, &options);

	if (status != 0)
		return status < 0 ? 0 : status;
	if (argc - optind != 1)
		return usage(stderr, STATUS_USAGE);
	if (options.implicit && options.plain)
		return wrong("--implicit and --plain do not go together");
	options.target = argv[optind];
	tls_global_init();
	lookup = open_lookup(NULL);
	if (!lookup)
		return STATUS_UNAVAILABLE;
	status = probe_with(&options, lookup);
	lookup_close(lookup);
	return status;
}
