/*
 * core/tools/setup_office365.c - see setup_office365.h.
 */
#include "core/tools/setup_office365.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/scalar.h"
#include "core/smtp/address.h"
#include "core/tools/doctor.h"
#include "core/tools/mail_exchanger.h"
#include "core/tools/setup_keys.h"
#include "core/tools/setup_texts.h"
#include "tls/tls.h"

enum { STATUS_NOT_YET = 1, STATUS_USAGE = 64, STATUS_CANNOT_WRITE = 73 };
enum { ANSWER_SIZE = 512, TEXT_MAX = 65536 };

#define DIRECTORY "/etc/postrider"
#define SPOOL "/var/lib/postrider"
/* RFC 1918 and this machine itself. */
#define PRIVATE_NETWORKS "127.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"

enum answer {
	PATH,
	DOMAIN,
	HOST,
	HOSTNAME,
	NETWORKS,
	LISTEN,
	CERTIFICATE,
	PRIVATE_KEY,
	ADDRESS,
	TENANT,
	MAILBOX,
	CLIENT_ID,
	PASSWORD_FILE,
	WAIT,
	DIRECTORY_TO,
	SPOOL_AT,
	ANSWERS,
};

struct setup_office365 {
	char given[ANSWERS][ANSWER_SIZE]; /* "" : not */
	char certificate_name[ANSWER_SIZE];
	char host[MAIL_EXCHANGER_SIZE];
	bool may_ask;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider setup office365 [OPTION VALUE]...\n"
	      "  --path submission|connector|direct|hve\n"
	      "                             submission: to everybody, signed in as mailboxes; connector: to everybody, "
	      "known\n"
	      "                             by certificate or address; direct: to the tenant's own recipients, known "
	      "by "
	      "nothing;\n"
	      "                             hve: to the tenant's own recipients, by an account for High Volume Email\n"
	      "  --domain NAME              an accepted domain of the tenant\n"
	      "  --certificate FILE         the relay's, with a name of an accepted domain in it (path connector)\n"
	      "  --private-key FILE         and its key\n"
	      "  --address ADDRESS          by which the Internet sees this relay, in place of a certificate\n"
	      "  --mailbox ADDRESS,...      who signs in (path submission), or the account (path hve)\n"
	      "  --password-file FILE       the account's password (path hve)\n"
	      "  --tenant NAME              its domain or identifier; the domain if not given\n"
	      "  --client-id ID             of the application, which office365.ps1 prints at its end\n"
	      "  --wait MINUTES             for Microsoft to accept it all, as 90 or 2h; 0 if not given\n"
	      "  --host NAME                where the tenant takes mail; the relay looks up the domain's MX if not "
	      "given\n"
	      "  --hostname NAME            of this relay; the machine's if not given\n"
	      "  --networks LIST            who may send; private networks if not given\n"
	      "  --listen ADDRESS:PORT      0.0.0.0:25\n"
	      "  --directory DIR            where postrider.yaml and office365.ps1 are written; " DIRECTORY "\n"
	      "  --spool DIR                " SPOOL "\n"
	      "What is not given is asked for where this is a terminal.\n",
	      out);
	return status;
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static const char *const names[ANSWERS] = {
	[PATH] = "path",
	[DOMAIN] = "domain",
	[HOST] = "host",
	[HOSTNAME] = "hostname",
	[NETWORKS] = "networks",
	[LISTEN] = "listen",
	[CERTIFICATE] = "certificate",
	[PRIVATE_KEY] = "private-key",
	[ADDRESS] = "address",
	[TENANT] = "tenant",
	[MAILBOX] = "mailbox",
	[CLIENT_ID] = "client-id",
	[PASSWORD_FILE] = "password-file",
	[WAIT] = "wait",
	[DIRECTORY_TO] = "directory",
	[SPOOL_AT] = "spool",
};

static bool is_domain(const char *text)
{
	return strchr(text, '.') != NULL && text[0] != '[' &&
	       address_domain_valid((struct span){text, (uint32_t)strlen(text)}, SMTP_SYNTAX_STRICT);
}

static bool is_networks(const char *text)
{
	struct address_problem problem;
	struct network network;
	char list[ANSWER_SIZE], *rest = list, *one;

	snprintf(list, sizeof(list), "%s", text);
	while ((one = strsep(&rest, ",")) != NULL) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (network_parse(one, &network, &problem) < 0)
			return false;
	}
	return true;
}

/* "11111111-2222-3333-4444-555555555555", as Entra names things. */
static bool is_identifier(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(form); i++) {
		if (form[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	}
	return true;
}

static bool is_mailboxes(const char *text)
{
	char list[ANSWER_SIZE], *rest = list, *one;
	struct address address;

	snprintf(list, sizeof(list), "%s", text);
	while ((one = strsep(&rest, ",")) != NULL) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (strchr(one, '"') || address_parse(span_text(one), SMTP_SYNTAX_STRICT, &address) != ADDRESS_OK ||
		    address.domain.length == 0)
			return false;
	}
	return true;
}

/* Control octets would break the lines of what is written; all else is quoted there. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

/* Minutes, or with a unit. False: neither. */
static bool wait_of(const char *text, uint64_t *ns)
{
	if (scalar_number(text, ns) == SCALAR_OK && *ns < 100000)
		*ns *= 60 * CLOCK_NS_PER_S;
	else if (scalar_quantity(SCALAR_DURATION, text, ns) != SCALAR_OK || *ns % CLOCK_NS_PER_S != 0)
		return false;
	return true;
}

static bool acceptable(enum answer which, const char *text)
{
	struct ring_address address;
	struct address_problem problem;
	uint64_t wait_ns;

	switch (which) {
	case PATH:
		return strcmp(text, "connector") == 0 || strcmp(text, "direct") == 0 ||
		       strcmp(text, "submission") == 0 || strcmp(text, "hve") == 0;
	case MAILBOX:
		return is_mailboxes(text);
	case TENANT:
		return is_domain(text) || is_identifier(text);
	case CLIENT_ID:
		return is_identifier(text);
	case WAIT:
		return wait_of(text, &wait_ns);
	case DOMAIN:
	case HOST:
	case HOSTNAME:
		return is_domain(text);
	case NETWORKS:
		return is_networks(text);
	case LISTEN:
		return address_text_parse(text, &address, &problem) == 0;
	case ADDRESS:
		return address_text_numeric(text, 25, &address);
	default:
		return is_plain(text) && text[0] != '\0';
	}
}

/* True: there is one now. `usual`: what an empty line means; NULL: nothing. */
static bool need(struct setup_office365 *s, enum answer which, const char *question, const char *usual)
{
	char *given = s->given[which];

	while (given[0] == '\0' && s->may_ask) {
		fprintf(stderr, "%s%s%s%s: ", question, usual ? " [" : "", usual ? usual : "", usual ? "]" : "");
		if (!fgets(given, ANSWER_SIZE, stdin)) {
			given[0] = '\0';
			break;
		}
		given[strcspn(given, "\r\n")] = '\0';
		if (given[0] == '\0' && usual)
			snprintf(given, ANSWER_SIZE, "%s", usual);
		if (given[0] != '\0' && !acceptable(which, given)) {
			fprintf(stderr, "that cannot be used here\n");
			given[0] = '\0';
		}
	}
	if (given[0] == '\0' && usual)
		snprintf(given, ANSWER_SIZE, "%s", usual);
	if (given[0] == '\0')
		fprintf(stderr, "postrider: --%s is missing: %s\n", names[which], question);
	return given[0] != '\0';
}

/* ---- what follows from them --------------------------------------------------------------------------------- */

/* The first name in the certificate that is of the domain: Microsoft compares with that. */
static bool find_certificate_name(struct setup_office365 *s)
{
	const char *domain = s->given[DOMAIN];
	size_t count, tail = strlen(domain);
	struct tls_certificate_text *texts = tls_certificates_read(s->given[CERTIFICATE], domain, &count);
	char *rest = texts ? texts[0].names : NULL, *name;

	while (rest && s->certificate_name[0] == '\0' && (name = strsep(&rest, ",")) != NULL) {
		name += strspn(name, " ");
		size_t length = strlen(name);
		if (length >= tail && strcasecmp(name + length - tail, domain) == 0 &&
		    (length == tail || name[length - tail - 1] == '.'))
			snprintf(s->certificate_name, sizeof(s->certificate_name), "%s", name);
	}
	if (!texts)
		fprintf(stderr, "postrider: %s: no certificate can be read from it\n", s->given[CERTIFICATE]);
	else if (s->certificate_name[0] == '\0')
		fprintf(stderr,
			"postrider: %s has no name of the domain %s: a connector knows the relay by such a name, "
			"\"relay.%s\" for one\n",
			s->given[CERTIFICATE], domain, domain);
	free(texts);
	return s->certificate_name[0] != '\0';
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

/* The MX is looked up and never made from the domain: newer ones cannot be guessed. */
static bool find_host(struct setup_office365 *s)
{
	if (strcmp(s->given[PATH], "submission") == 0 || strcmp(s->given[PATH], "hve") == 0)
		return true;
	if (s->given[HOST][0] != '\0') {
		snprintf(s->host, sizeof(s->host), "%.255s", s->given[HOST]);
		return true;
	}
	if (!mail_exchanger(s->given[DOMAIN], s->host)) {
		fprintf(stderr,
			"postrider: no MX of %s can be found: say --host NAME, which the Microsoft 365 admin center "
			"shows "
			"under "
			"Settings, Domains\n",
			s->given[DOMAIN]);
		return false;
	}
	if (ends_with(s->host, ".mail.protection.outlook.com") || ends_with(s->host, ".mx.microsoft"))
		return true;
	fprintf(stderr,
		"postrider: the MX of %s is %s, which is not Microsoft's: something filters its mail. Say --host NAME "
		"with the one that the Microsoft 365 admin center shows under Settings, Domains\n",
		s->given[DOMAIN], s->host);
	return false;
}

static bool by_what(struct setup_office365 *s)
{
	bool certificate = s->given[CERTIFICATE][0] != '\0';

	if (strcmp(s->given[PATH], "direct") == 0)
		return true;
	if (strcmp(s->given[PATH], "submission") == 0)
		return need(s, MAILBOX, "The mailbox that signs in (several: with commas)", NULL) &&
		       need(s, TENANT, "The tenant", s->given[DOMAIN]);
	if (strcmp(s->given[PATH], "hve") == 0)
		return need(s, MAILBOX, "The account for High Volume Email", NULL) &&
		       need(s, PASSWORD_FILE, "The file with its password", NULL);
	if (!certificate && s->given[ADDRESS][0] == '\0' && s->may_ask) {
		fprintf(stderr, "The connector knows this relay by a certificate (better) or by its address. The "
				"certificate's file, or an empty line: ");
		if (fgets(s->given[CERTIFICATE], ANSWER_SIZE, stdin))
			s->given[CERTIFICATE][strcspn(s->given[CERTIFICATE], "\r\n")] = '\0';
		certificate = s->given[CERTIFICATE][0] != '\0';
	}
	if (certificate)
		return need(s, PRIVATE_KEY, "The certificate's private key", NULL) && find_certificate_name(s);
	if (s->given[ADDRESS][0] == '\0' && !s->may_ask) {
		fprintf(stderr,
			"postrider: --certificate and --private-key are missing, or --address: by which does the "
			"connector know this relay?\n");
		return false;
	}
	return need(s, ADDRESS, "The address by which the Internet sees this relay", NULL);
}

static bool complete(struct setup_office365 *s)
{
	char own[256] = "";

	if (gethostname(own, sizeof(own) - 1) < 0 || !is_domain(own))
		own[0] = '\0';
	return need(s, PATH, "Which way (submission, connector, direct, hve)", NULL) &&
	       need(s, DOMAIN, "An accepted domain of the tenant", NULL) &&
	       need(s, HOSTNAME, "The full name of this relay", own[0] ? own : NULL) && by_what(s) && find_host(s) &&
	       need(s, NETWORKS, "Who may send (networks)", PRIVATE_NETWORKS) &&
	       need(s, LISTEN, "Where the relay listens", "0.0.0.0:25") &&
	       need(s, DIRECTORY_TO, "Where the configuration is written", DIRECTORY) &&
	       need(s, SPOOL_AT, "Where mail is kept", SPOOL);
}

/* ---- files -------------------------------------------------------------------------------------------------- */

typedef void write_fn(FILE *out, const struct setup_answers *answers);

static char *make_text(write_fn *write, const struct setup_answers *answers, size_t *length)
{
	char *text = NULL;
	FILE *memory = open_memstream(&text, length);

	if (!memory)
		return NULL;
	write(memory, answers);
	if (fclose(memory) == 0)
		return text;
	free(text);
	return NULL;
}

/* Nothing is overwritten. 0 or the exit status. */
static int put_file(const char *directory, const char *name, const char *text)
{
	char path[ANSWER_SIZE + 64];
	int fd;
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		fprintf(stderr, "postrider: %s cannot be written: %s%s\n", path, strerror(errno),
			errno == EEXIST ? "; move it away first, or say --directory" : "");
		return STATUS_CANNOT_WRITE;
	}
	fputs(text, out);
	if (fflush(out) == 0 && fsync(fd) == 0 && fclose(out) == 0)
		return 0;
	fprintf(stderr, "postrider: %s cannot be written: %s\n", path, strerror(errno));
	return STATUS_CANNOT_WRITE;
}

/* What is written is what `check` accepts. */
static bool accepted(const char *directory, const char *text, size_t length)
{
	static struct config_problems problems;
	char path[ANSWER_SIZE + 64];
	struct config *config;

	snprintf(path, sizeof(path), "%s/postrider.yaml", directory);
	config = config_parse(path, text, length, &problems);
	for (unsigned i = 0; i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	config_free(config);
	return config != NULL;
}

static int write_configuration(const struct setup_answers *answers, const char *directory)
{
	size_t length = 0;
	char *configuration = make_text(setup_write_configuration, answers, &length);
	int status = STATUS_CANNOT_WRITE;

	if (!configuration)
		fprintf(stderr, "postrider: out of memory\n");
	else if (!accepted(directory, configuration, length))
		status = STATUS_USAGE;
	else
		status = put_file(directory, "postrider.yaml", configuration);
	free(configuration);
	return status;
}

static void tell_configuration(const struct setup_answers *answers, const char *directory)
{
	printf("%s/postrider.yaml is written. Look at it, and try it:\n\n"
	       "   postrider check --config %s/postrider.yaml\n"
	       "   postrider doctor --config %s/postrider.yaml --send YOU@%s\n\n"
	       "Then start the relay: systemctl enable --now postrider\n",
	       directory, directory, directory, answers->domain);
	fflush(stdout);
}

/* The one of a first run may stay: it is for the same key pair, which stays as well. */
static int put_script(const char *directory, const char *script)
{
	char path[ANSWER_SIZE + 64];

	snprintf(path, sizeof(path), "%s/office365.ps1", directory);
	return access(path, F_OK) == 0 ? 0 : put_file(directory, "office365.ps1", script);
}

static void tell_script(const char *directory, const char *script)
{
	printf("For the tenant's administrator, also in %s/office365.ps1:\n\n%s\n"
	       "Microsoft takes up to two hours until it is in force everywhere.\n\n",
	       directory, script);
	fflush(stdout);
}

static int write_all(const struct setup_answers *answers, const char *directory)
{
	size_t length = 0;
	char *script = make_text(setup_write_powershell, answers, &length);
	int status = script ? write_configuration(answers, directory) : STATUS_CANNOT_WRITE;

	if (status == 0)
		status = put_file(directory, "office365.ps1", script);
	if (status == 0) {
		tell_script(directory, script);
		tell_configuration(answers, directory);
	}
	free(script);
	return status;
}

/* Until doctor finds nothing broken, or the time is over; often at first, as who waits has just done something, and
 * then not so often that all those refused logins look like an attack. What it says is told where it is something new.
 * The exit status. */
static int wait_for_grant(const struct setup_office365 *s, const char *directory)
{
	enum { PAUSE_S = 5, PAUSE_MAX_S = 60 };
	uint64_t pause_s = PAUSE_S, wait_ns = 0, end_ns, now_ns;
	char path[ANSWER_SIZE + 64], what[DOCTOR_WHAT], before[DOCTOR_WHAT] = "";

	if (!wait_of(s->given[WAIT], &wait_ns) || wait_ns == 0)
		return 0;
	end_ns = clock_monotonic_ns() + wait_ns;
	snprintf(path, sizeof(path), "%s/postrider.yaml", directory);
	while (!doctor_once(path, what)) {
		if (strcmp(what, before) != 0)
			printf("Not yet: %s\n", what);
		fflush(stdout);
		memcpy(before, what, sizeof(before));
		now_ns = clock_monotonic_ns();
		if (now_ns >= end_ns)
			return STATUS_NOT_YET;
		sleep((unsigned)(pause_s < (end_ns - now_ns) / CLOCK_NS_PER_S
					 ? pause_s
					 : (end_ns - now_ns) / CLOCK_NS_PER_S + 1));
		pause_s = 2 * pause_s < PAUSE_MAX_S ? 2 * pause_s : PAUSE_MAX_S;
	}
	printf("It works: everything up to MAIL FROM is accepted.\n");
	return 0;
}

/* ---- the command -------------------------------------------------------------------------------------------- */

static const char *given(const struct setup_office365 *s, enum answer which)
{
	return s->given[which][0] != '\0' ? s->given[which] : NULL;
}

/* A path that holds wherever the configuration is read from. Links stay: what renews certificates turns them. */
static bool make_absolute(char path[ANSWER_SIZE])
{
	char here[ANSWER_SIZE], whole[2 * ANSWER_SIZE];

	if (path[0] == '\0')
		return true;
	if (access(path, F_OK) < 0) {
		fprintf(stderr, "postrider: %s: %s\n", path, strerror(errno));
		return false;
	}
	if (path[0] == '/')
		return true;
	if (!getcwd(here, sizeof(here)) || (size_t)snprintf(whole, sizeof(whole), "%s/%s", here, path) >= ANSWER_SIZE) {
		fprintf(stderr, "postrider: %s: say the whole path\n", path);
		return false;
	}
	memcpy(path, whole, strlen(whole) + 1);
	return true;
}

/* The application's key pair, and what the administrator runs; then its number, which comes out there. */
static int set_up_submission(struct setup_office365 *s, struct setup_answers *answers)
{
	const char *directory = s->given[DIRECTORY_TO];
	char *certificate_text = NULL, *script;
	size_t length = 0;
	int status = 0;

	if (!setup_keys(directory, s->given[HOSTNAME], s->given[CERTIFICATE], s->given[PRIVATE_KEY], ANSWER_SIZE,
			&certificate_text))
		return STATUS_CANNOT_WRITE;
	answers->certificate = s->given[CERTIFICATE];
	answers->private_key = s->given[PRIVATE_KEY];
	answers->certificate_text = certificate_text;
	if (s->given[CLIENT_ID][0] == '\0') {
		script = make_text(setup_write_powershell, answers, &length);
		status = script ? put_script(directory, script) : STATUS_CANNOT_WRITE;
		if (status == 0)
			tell_script(directory, script);
		free(script);
	}
	free(certificate_text);
	answers->certificate_text = NULL;
	if (status != 0)
		return status;
	if (!need(s, CLIENT_ID, "The application's number (the last line of what the commands print)", NULL)) {
		fprintf(stderr, "Run the commands, and then this again with --client-id.\n");
		return STATUS_USAGE;
	}
	answers->client_id = s->given[CLIENT_ID];
	status = write_configuration(answers, directory);
	if (status != 0)
		return status;
	tell_configuration(answers, directory);
	return wait_for_grant(s, directory);
}

static int set_up(struct setup_office365 *s)
{
	if (!complete(s) || !make_absolute(s->given[DIRECTORY_TO]) || !make_absolute(s->given[CERTIFICATE]) ||
	    !make_absolute(s->given[PRIVATE_KEY]) || !make_absolute(s->given[PASSWORD_FILE]))
		return STATUS_USAGE;
	struct setup_answers answers = {
		.path = strcmp(s->given[PATH], "direct") == 0       ? SETUP_DIRECT
			: strcmp(s->given[PATH], "submission") == 0 ? SETUP_SUBMISSION
			: strcmp(s->given[PATH], "hve") == 0        ? SETUP_HVE
								    : SETUP_CONNECTOR,
		.domain = s->given[DOMAIN],
		.host = given(s, HOST),
		.hostname = s->given[HOSTNAME],
		.networks = s->given[NETWORKS],
		.listen = s->given[LISTEN],
		.spool = s->given[SPOOL_AT],
		.certificate = given(s, CERTIFICATE),
		.private_key = given(s, PRIVATE_KEY),
		.certificate_name = s->certificate_name[0] != '\0' ? s->certificate_name : NULL,
		.tenant = s->given[TENANT],
		.mailboxes = s->given[MAILBOX],
		.password_file = s->given[PASSWORD_FILE],
		.address = given(s, ADDRESS),
	};
	if (answers.path == SETUP_SUBMISSION)
		return set_up_submission(s, &answers);
	return write_all(&answers, s->given[DIRECTORY_TO]);
}

int setup_command(int argc, char **argv)
{
	static struct setup_office365 setup;
	struct option options[ANSWERS + 2] = {{"help", no_argument, NULL, 'h'}};
	int option, which;

	for (int i = 0; i < ANSWERS; i++)
		options[i + 1] = (struct option){names[i], required_argument, NULL, 1000 + i};
	if (argc < 2 || strcmp(argv[1], "office365") != 0)
		return argc >= 2 && strcmp(argv[1], "--help") == 0 ? usage(stdout, 0) : usage(stderr, STATUS_USAGE);
	setup.may_ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	optind = 2;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == '?')
			return usage(stderr, STATUS_USAGE);
		which = option - 1000;
		if (strlen(optarg) >= ANSWER_SIZE || !acceptable((enum answer)which, optarg)) {
			fprintf(stderr, "postrider: --%s cannot be \"%.100s\"\n", names[which], optarg);
			return STATUS_USAGE;
		}
		snprintf(setup.given[which], ANSWER_SIZE, "%s", optarg);
	}
	if (optind != argc)
		return usage(stderr, STATUS_USAGE);
	tls_global_init();
	return set_up(&setup);
}
