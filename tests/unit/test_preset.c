/* tests/unit/test_preset.c - every preset through the real schema, and how one goes into a destination. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/config/preset.h"
#include "core/config/preset_list.h"
#include "core/deliver/verdict.h"
#include "tests/unit/check.h"

static struct config *parse(const char *destination, const char *route, struct config_problems *problems)
{
	char text[4000];

	snprintf(text, sizeof(text),
		 "hostname: relay.example.org\n"
		 "listeners: [{ name: a, address: \"127.0.0.1:25\" }]\n"
		 "clients: [{ name: c, networks: [127.0.0.0/8] }]\n"
		 "destinations:\n  - %s\n"
		 "routes: [{ %sdestination: d }]\n"
		 "verdicts: [{ code: 550, text: \"*file*\", do: defer, say: file }]\n",
		 destination, route);
	return config_parse("t.yaml", text, strlen(text), problems);
}

static const char *const own = "recipient: \"*@example.org\", ";

static char directory[] = "/tmp/test_preset.XXXXXX";

/* Those that ship. What a destination must give itself is told in `supply`: here hosts, where the preset has none, and
 * who signs in. */
static void test_all(void)
{
	DIR *shipped = opendir(getenv("POSTRIDER_PRESETS"));
	char with_password[100];
	unsigned count = 0;

	snprintf(with_password, sizeof(with_password), ", auth: { user: u, password_file: %s/secret }", directory);
	CHECK(shipped != NULL);
	for (struct dirent *entry; shipped && (entry = readdir(shipped)) != NULL;) {
		char destination[600], *dot = strrchr(entry->d_name, '.');
		struct config_problems problems;
		struct config *config = NULL;

		if (!dot || strcmp(dot, ".yaml") != 0)
			continue;
		*dot = '\0';
		const char *hosts = "", *login = "";
		for (unsigned round = 0; round < 3; round++) {
			config_free(config);
			snprintf(destination, sizeof(destination), "{ name: d, preset: %s%s%s }", entry->d_name, hosts,
				 login);
			config = parse(destination, own, &problems);
			if (strstr(config_problems_first(&problems), "the key \"hosts\" is missing"))
				hosts = strcmp(entry->d_name, "ses") == 0
						? ", hosts: [\"email-smtp.eu-west-1.amazonaws.com:25\"]"
						: ", mx_of: contoso.com";
			else if (strstr(config_problems_first(&problems), "nobody signs in there"))
				login = strncmp(entry->d_name, "office365", 9) == 0 ||
							strncmp(entry->d_name, "gmail", 5) == 0
						? ", auth: { user: u }, oauth: { command: [/bin/token] }"
						: with_password;
			else
				break;
		}
		if (!config || problems.warnings)
			fprintf(stderr, "%s: %s\n", entry->d_name, config_problems_first(&problems));
		CHECK(config != NULL && problems.warnings == 0);
		if (config) {
			CHECK(config->destinations[0].tls_mode == CONFIG_TLS_VERIFY);
			if (strstr(hosts, "mx_of"))
				CHECK(config->destinations[0].host_count == 0 &&
				      config->destinations[0].mx_ends.count == 2);
			else
				CHECK(config->destinations[0].host_count > 0);
			CHECK_STR(config->destinations[0].preset, entry->d_name);
		}
		config_free(config);
		count++;
	}
	if (shipped)
		closedir(shipped);
	CHECK(count >= 17);
}

/* Replies as people have met them, and what is said of each. */
static const struct {
	const char *preset;
	enum stage stage;
	unsigned code;
	const char *text;
	enum verdict_action action;
	enum verdict_reason reason;
	const char *part; /* of the sentence */
} replies[] = {
	{"ses", STAGE_AUTH, 535, "Authentication Credentials Invalid", ACTION_HOLD, REASON_CREDENTIALS, "one region"},
	{"ses", STAGE_MAIL, 454, "Throttling failure: Maximum sending rate exceeded.", ACTION_SLOW, REASON_NONE,
	 "too much"},
	{"ses", STAGE_CONTENT, 454, "Throttling failure: Daily message quota exceeded.", ACTION_SLOW, REASON_NONE,
	 "a day"},
	{"ses", STAGE_MAIL, 530, "Authentication required", ACTION_SIGN_IN, REASON_CREDENTIALS, "sign in"},
	{"sendgrid", STAGE_AUTH, 535,
	 "Authentication failed: The provided authorization grant is invalid, expired, or revoked", ACTION_HOLD,
	 REASON_CREDENTIALS, "apikey"},
	{"sendgrid", STAGE_AUTH, 451, "Authentication failed: Could not authenticate", ACTION_HOLD, REASON_CREDENTIALS,
	 "access management"},
	{"sendgrid", STAGE_MAIL, 550, "Unauthenticated senders not allowed", ACTION_SIGN_IN, REASON_CREDENTIALS,
	 "apikey"},
	{"mailgun", STAGE_CONTENT, 421,
	 "Domain sandbox1.mailgun.org is not allowed to send: Please activate your Mailgun account. Check your "
	 "inbox",
	 ACTION_HOLD, REASON_ACCOUNT, "activated"},
	{"mailgun", STAGE_CONTENT, 421,
	 "Domain app1.mailgun.org is not allowed to send: Sandbox subdomains are for test purposes only. "
	 "Please add "
	 "your own domain",
	 ACTION_HOLD, REASON_ACCOUNT, "sandbox"},
	{"mailgun", STAGE_CONTENT, 421,
	 "Domain mail.example.org is not allowed to send: recipient limit exceeded, try again after Mon, 25 "
	 "Aug",
	 ACTION_SLOW, REASON_NONE, "a day"},
	{"postmark", STAGE_CONTENT, 550, "Sender signature not defined for From address.", ACTION_HOLD, REASON_SENDER,
	 "Sender Signature"},
	{"brevo", STAGE_AUTH, 535, "5.7.0 Invalid login or password", ACTION_HOLD, REASON_CREDENTIALS, "SMTP key"},
	{"smtp2go", STAGE_CONTENT, 550,
	 "From header sender domain not verified.\nOn your Settings > Sender Domains page\nverify the sender "
	 "domain to "
	 "be allowed to send.",
	 ACTION_HOLD, REASON_SENDER, "verify it"},
	{"resend", STAGE_CONTENT, 550, "The example.org domain is not verified. Please, add and verify your domain",
	 ACTION_HOLD, REASON_SENDER, "records"},
	{"azure-acs", STAGE_CONTENT, 550, "5.1.7 The specified sender domain has not been linked.", ACTION_HOLD,
	 REASON_SENDER, "MailFrom"},
	{"azure-acs", STAGE_AUTH, 535, "5.7.3 Authentication unsuccessful", ACTION_HOLD, REASON_CREDENTIALS,
	 "RESOURCE"},
	{"office365-hve", STAGE_RCPT, 550, "5.5.105 Recipient is not internal", ACTION_OTHER_PATH, REASON_RELAY,
	 "own domains"},
};

static void test_replies(void)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct verdict_fact fact = {replies[i].stage, replies[i].code, span_text(replies[i].text)};
		struct config_problems problems;
		char destination[300];
		struct config *config;
		struct ruling ruling;

		snprintf(destination, sizeof(destination),
			 "{ name: d, preset: %s, auth: { user: u }, oauth: { command: [/bin/token] } }",
			 replies[i].preset);
		if (strcmp(replies[i].preset, "office365-hve") != 0)
			snprintf(destination, sizeof(destination),
				 "{ name: d, preset: %s%s, auth: { user: u, password_file: %s/secret } }",
				 replies[i].preset,
				 strcmp(replies[i].preset, "ses") == 0
					 ? ", hosts: [\"email-smtp.eu-west-1.amazonaws.com:587\"]"
					 : "",
				 directory);
		config = parse(destination, own, &problems);
		CHECK_STR(config_problems_first(&problems), "");
		if (!config)
			continue;
		ruling = verdict_judge(&fact, config->destinations[0].rules);
		if (ruling.action != replies[i].action || !ruling.say || !strstr(ruling.say, replies[i].part))
			fprintf(stderr, "%s: %u %s: %s\n", replies[i].preset, replies[i].code, replies[i].text,
				ruling.say ? ruling.say : "-");
		CHECK_EQ(ruling.action, replies[i].action);
		CHECK_EQ(ruling.reason, replies[i].reason);
		CHECK(ruling.say && strstr(ruling.say, replies[i].part));
		config_free(config);
	}
}

/* What Microsoft's say of signing in and of limits, for the ways in which people have it. */
static void test_office365(void)
{
	static const struct {
		const char *preset, *token_url;
	} rows[] = {
		{"office365-submission", "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"},
		{"office365-gcchigh", "https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token"},
		{"office365-dod", "https://login.microsoftonline.us/contoso.com/oauth2/v2.0/token"},
		{"office365-china", "https://login.partner.microsoftonline.cn/contoso.com/oauth2/v2.0/token"},
	};
	static const char *const scopes[] = {
		"https://outlook.office365.com/.default",
		"https://outlook.office365.us/.default",
		"https://outlook.office365.us/.default",
		"https://partner.outlook.cn/.default",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems;
		char destination[400];
		const struct config_destination *d;
		struct config *config;

		snprintf(destination, sizeof(destination),
			 "{ name: d, preset: %s, mailboxes: [{ user: a@contoso.com }, { user: b@contoso.com }],\n"
			 "      oauth: { tenant: contoso.com, client_id: x, client_secret_file: %s/secret } }",
			 rows[i].preset, directory);
		config = parse(destination, "", &problems);
		CHECK_STR(config_problems_first(&problems), "");
		CHECK(config != NULL);
		if (!config)
			continue;
		d = &config->destinations[0];
		CHECK_EQ(d->mechanisms[0], CONFIG_AUTH_XOAUTH2);
		CHECK_EQ(d->mechanism_count, 2);
		CHECK_EQ(d->connections, 3);
		CHECK_EQ(d->limits.messages_per_minute, 30);
		CHECK_EQ(d->limits.recipients_per_day, 10000);
		CHECK_EQ(d->limits.pacing, CONFIG_PACING_EVEN);
		CHECK_STR(d->oauth->token_url, rows[i].token_url);
		CHECK_STR(d->oauth->scope, scopes[i]);
		config_free(config);
	}
}

/* A password, where Microsoft ends them; and nobody at all. */
static void test_who_signs_in(void)
{
	struct config_problems problems;
	char destination[400];
	struct config *config;

	snprintf(destination, sizeof(destination),
		 "{ name: d, preset: office365-submission, auth: { user: a, password_file: %s/secret } }", directory);
	config = parse(destination, "", &problems);
	CHECK(config != NULL && strstr(config_problems_first(&problems), "after 2026-12-31: Microsoft switches"));
	config_free(config);
	config = parse("{ name: d, preset: office365-submission }", "", &problems);
	CHECK(config != NULL &&
	      strstr(config_problems_first(&problems), "t.yaml:5:24: warning: preset "
						       "office365-submission: nobody signs in there"));
	config_free(config);
	config = parse("{ name: d, preset: office365-submission, auth: off }", "", &problems);
	CHECK(config != NULL);
	CHECK_STR(config_problems_first(&problems), "");
	config_free(config);
}

static void put(const char *name, const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.yaml", directory, name);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}

static const char sample[] = "preset: sample\n"
			     "about: a sample\n"
			     "updated: 2026-11-27\n"
			     "recipients: own\n"
			     "hosts_end_with: [.example.net]\n"
			     "dates: [{ after: 2026-12-31, key: tls.mode, values: [required], say: \"too late\" },\n"
			     "  { after: 2027-01-01, key: tls.mode, values: [none], say: \"never\" }]\n"
			     "destination:\n"
			     "  hosts: [\"one.example.net:587\", \"two.example.net:25\"]\n"
			     "  tls: { mode: verify, server_name: other.example.net }\n"
			     "  limits: { connections: 3, recipients_per_message: 7 }\n"
			     "within: { limits: { messages_per_connection: 9 }, oauth: { scope: x } }\n"
			     "verdicts: [{ code: 550, text: [\"*file*\", \"*preset*\", \"*own*\"], do: hold }]\n";

/* What the destination says counts; what it does not say is the preset's, key by key. */
static void test_merge(void)
{
	struct config_problems problems;
	struct config *config = parse("{ name: d, preset: sample, limits: { connections: 5 },\n"
				      "      verdicts: [{ code: 550, text: \"*own*\", do: fail }] }",
				      own, &problems);
	struct verdict_fact fact = {STAGE_RCPT, 550, span_text("the preset")};
	const struct config_destination *d;

	CHECK_STR(config_problems_first(&problems), "");
	if (!config)
		return;
	d = &config->destinations[0];
	CHECK_EQ(d->host_count, 2);
	CHECK_STR(d->hosts[1].text, "two.example.net:25");
	CHECK_STR(d->server_name, "other.example.net");
	CHECK_EQ(d->connections, 5);
	CHECK_EQ(d->recipients_per_message, 7);
	CHECK_EQ(d->messages_per_connection, 9);
	/* The destination's rules, the file's, the preset's. */
	CHECK_EQ(verdict_judge(&fact, d->rules).verdict, VERDICT_HOLD);
	fact.text = span_text("the preset of the file");
	CHECK_EQ(verdict_judge(&fact, d->rules).verdict, VERDICT_DEFER);
	fact.text = span_text("its own, of the file and preset");
	CHECK_EQ(verdict_judge(&fact, d->rules).verdict, VERDICT_FAIL);
	config_free(config);
}

static void test_warnings(void)
{
	static const struct {
		const char *destination, *route, *problem;
	} rows[] = {
		{"{ name: d, preset: sample }", "",
		 "t.yaml:6:10: warning: preset sample: takes only recipients of your own domains, and this route sends "
		 "it "
		 "everybody's: write recipient: \"*@yourdomain\", and another route for the rest"},
		{"{ name: d, preset: sample, tls: { mode: required } }", "recipient: \"*@example.org\", ",
		 "t.yaml:5:45: warning: preset sample: after 2026-12-31: too late"},
		{"{ name: d, preset: sample, hosts: [\"mail.example.com:25\"] }", "recipient: \"*@example.org\", ",
		 "t.yaml:5:24: warning: preset sample: \"mail.example.com:25\" is no host of this provider: its names "
		 "end "
		 "with .example.net"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems;
		struct config *config = parse(rows[i].destination, rows[i].route, &problems);
		CHECK(config != NULL);
		CHECK_STR(config_problems_first(&problems), rows[i].problem);
		config_free(config);
	}
}

/* What is in force, and whose word it is. */
static void test_show(void)
{
	static const char *const lines[] = {
		"connections: 5                          # show.yaml:5\n",
		"recipients_per_message: 7               # preset sample\n",
		"messages_in_flight: 4096                # default\n",
		"- \"one.example.net:587\"                   # preset sample\n",
		"hostname: relay.example.org                       # show.yaml:1\n",
		"expire: 5d                                      # default\n",
	};
	struct config_problems problems;
	char *shown = NULL, path[100];
	size_t size = 0;
	FILE *out = open_memstream(&shown, &size), *file;
	struct config *config;

	snprintf(path, sizeof(path), "%s/show.yaml", directory);
	file = fopen(path, "w");
	fputs("hostname: relay.example.org\n"
	      "listeners: [{ name: a, address: \"127.0.0.1:25\" }]\n"
	      "clients: [{ name: c, networks: [127.0.0.0/8] }]\n"
	      "routes: [{ recipient: \"*@example.org\", destination: d }]\n"
	      "destinations: [{ name: d, preset: sample, limits: { connections: 5 } }]\n",
	      file);
	fclose(file);
	config = config_load_shown(path, &problems, out);
	fclose(out);
	CHECK(config != NULL);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char words[2][100] = {"", ""};
		const char *at;

		sscanf(lines[i], "%99[^#]# %99[^\n]", words[0], words[1]);
		for (char *end = words[0] + strlen(words[0]); end > words[0] && end[-1] == ' ';)
			*--end = '\0';
		at = strstr(shown, words[0]);
		/* The origin stands in the same line. */
		CHECK(at && strstr(at, words[1]) && strstr(at, words[1]) < strchr(at, '\n'));
		if (!at || !strstr(at, words[1]) || strstr(at, words[1]) > strchr(at, '\n'))
			fprintf(stderr, "%s: %s\n%s", words[0], words[1], shown);
	}
	config_free(config);
	free(shown);
}

static void test_mistakes(void)
{
	static const struct {
		const char *preset, *text, *problem;
	} rows[] = {
		{"sampel", NULL, "t.yaml:5:24: preset: there is no preset \"sampel\"; did you mean \"sample\"?"},
		{"../x", NULL,
		 "t.yaml:5:24: preset: \"../x\" is no name: write 1 to 64 letters, digits, dots, hyphens or "
		 "underscores"},
		{"list", "[a]\n", "%s/list.yaml:1:1: a preset must be a mapping"},
		{"bad", "preset: bad\nabout: x\nupdated: y\ncolour: z\n",
		 "%s/bad.yaml:4:1: unknown key \"colour\": the keys here are preset, about, updated, sources, "
		 "published, "
		 "practice, supply, hosts_end_with, recipients, dates, destination, within, verdicts"},
		{"value", "preset: value\nabout: x\nupdated: y\ndestination:\n  limits: { connections: many }\n",
		 "%s/value.yaml:5:26: connections: \"many\" is no number: write one from 1 to 100000"},
		{"syntax", "preset: [\n",
		 "%s/syntax.yaml:2:1: while parsing a flow node, did not find expected node content"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems;
		char destination[200], expected[1000];
		struct config *config;

		if (rows[i].text)
			put(rows[i].preset, rows[i].text);
		snprintf(destination, sizeof(destination), "{ name: d, preset: %s, hosts: [\"h.example.net:25\"] }",
			 rows[i].preset);
		config = parse(destination, own, &problems);
		CHECK(config == NULL);
		snprintf(expected, sizeof(expected), rows[i].problem, directory);
		CHECK_STR(config_problems_first(&problems), expected);
		config_free(config);
	}
}

struct each {
	unsigned found, all;
};

static void on_entry(void *context, const struct preset_entry *entry)
{
	static const struct preset_entry expected[] = {
		{"a-name-that-is-longer-than-its-column", "2026-01-02", "About: two  words, and 2026-01-03"},
		{"cut-off", "2026-01-02", "to the file's end"},
		{"in line", "", "no day"},
		{"nothing-said", "", ""},
	};
	struct each *each = context;

	each->all++;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (strcmp(entry->name, expected[i].name) != 0)
			continue;
		each->found |= 1u << i;
		CHECK_STR(entry->updated, expected[i].updated);
		CHECK_STR(entry->about, expected[i].about);
	}
}

/* What is told of each is what its file says, whatever that does to columns. */
static void test_each(void)
{
	struct each each = {0};

	put("a-name-that-is-longer-than-its-column",
	    "# one\nupdated: 2026-01-02\nabout: \"About: two  words, and 2026-01-03\"\n");
	put("cut-off", "# one\nabout: to the file's end\nupdated: 2026-01-02");
	put("in line", "# one\nabout: no day");
	put("nothing-said", "");
	CHECK_EQ(preset_each(&preset_providers, on_entry, &each), each.all);
	CHECK_EQ(each.found, 15);
}

int main(void)
{
	char command[100];
	FILE *secret;

	umask(077);
	if (mkdtemp(directory) == NULL)
		return 1;
	snprintf(command, sizeof(command), "%s/secret", directory);
	secret = fopen(command, "w");
	fputs("secret\n", secret);
	fclose(secret);
	RUN(test_all);
	RUN(test_replies);
	RUN(test_office365);
	RUN(test_who_signs_in);
	setenv("POSTRIDER_PRESETS", directory, 1);
	put("sample", sample);
	RUN(test_merge);
	RUN(test_warnings);
	RUN(test_show);
	RUN(test_mistakes);
	RUN(test_each);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return check_end() | (system(command) != 0);
}
