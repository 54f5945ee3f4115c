/*
 * tests/unit/test_schema_oauth.c - core/config/schema_oauth.c: which keys go together, and what becomes of them.
 */
#include "core/config/schema_oauth.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/check.h"

static struct config_problems problems;

/* The value of a key "oauth"; NULL with the problems. */
static struct config_oauth *parse(const char *text)
{
	struct config_oauth *oauth = NULL;
	struct config config = {.paths.count = 0};
	struct reader r = {.file = "t.yaml", .problems = &problems, .config = &config};
	struct reader_field field = {.name = "oauth"};
	yaml_document_t document;
	yaml_parser_t parser;
	bool ok;

	config_problems_init(&problems);
	CHECK(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
	CHECK(yaml_parser_load(&parser, &document));
	r.document = &document;
	const yaml_node_t *root = yaml_document_get_root_node(&document);
	struct reader_value value = {.name = "oauth", .key = root, .node = root};
	ok = schema_oauth_read(&r, &field, &value, &oauth);
	CHECK_EQ(ok, problems.errors == 0);
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	for (size_t i = 0; i < config.paths.count; i++)
		free(config.paths.list[i]);
	free(config.paths.list);
	if (ok)
		return oauth;
	config_oauth_free(oauth);
	return NULL;
}

#define APP "client_id: 1-2-3, "
#define PAIR "certificate: certificate, private_key: key"

static void test_problems(void)
{
	static const struct {
		const char *text, *problem;
	} rows[] = {
		{"{ }", "there is nothing to prove who asks"},
		{"{ tenant: contoso.com, " APP "}", "there is nothing to prove who asks"},
		{"{ tenant: contoso.com, certificate: certificate }", "its key is missing: write private_key: app.key"},
		{"{ tenant: contoso.com, private_key: key }", "its certificate is missing: write certificate: app.crt"},
		{"{ tenant: contoso.com, " PAIR " }", "write client_id: "},
		{"{ " APP PAIR " }", "write tenant: contoso.com, or token_url"},
		{"{ tenant: contoso.com, " APP PAIR ", client_secret_file: key }",
		 "client_secret_file: without effect"},
		{"{ tenant: contoso.com, " APP "client_secret_file: key, signature: rs256 }",
		 "signature: without effect without certificate"},
		{"{ tenant: contoso.com, " APP "client_secret_file: gone }", "gone: No such file"},
		{"{ tenant: contoso.com, client_secret: abc }", "unknown key \"client_secret\""},
		{"{ tenant: a/b, " APP PAIR " }", "write the tenant's domain or identifier"},
		{"{ tenant: \"a b\", " APP PAIR " }", "write the tenant's domain or identifier"},
		{"{ " APP PAIR ", token_url: \"http://login.example.org/\" }", "write an https URL"},
		{"{ " APP PAIR ", token_url: \"https://\" }", "write an https URL"},
		{"{ " APP PAIR ", token_url: \"https://user:pw@login.example.org/\" }", "write an https URL"},
		{"{ " APP PAIR ", token_url: \"https://a/{tenant}\" }", "has {tenant} in it"},
		{"{ tenant: contoso.com, " APP PAIR ", token_url: \"https://a/b\" }", "tenant: without effect"},
		{"{ client_id: \"1 2\", " PAIR " }", "a blank or an odd character"},
		{"{ " APP PAIR ", scope: \"a\\nb\" }", "an odd character"},
		{"{ " APP PAIR ", signature: es256 }", "ps256"},
		{"{ tenant: a, " APP "client_secret_file: key, object_id: x }",
		 "object_id: without effect without certificate"},
		{"{ tenant: a, " APP PAIR ", graph_url: \"https://g\" }",
		 "graph_url: without effect without object_id"},
		{"{ tenant: a, " APP PAIR ", object_id: x, graph_url: g }", "graph_url: write an https URL"},
		{"{ service_account_file: key, client_id: x }",
		 "client_id: without effect beside service_account_file"},
		{"{ command: [/bin/true], scope: x }", "scope: without effect beside command"},
		{"{ command: [/bin/true], " PAIR " }", "certificate: without effect beside command"},
		{"{ command: [token] }", "write the program's whole path"},
		{"{ command: /bin/true }", "command: write a list"},
		{"{ command: [] }", "command: the list is empty"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(parse(rows[i].text) == NULL);
		if (!strstr(config_problems_first(&problems), rows[i].problem))
			CHECK_STR(config_problems_first(&problems), rows[i].problem);
	}
}

static void test_grants(void)
{
	static const struct {
		const char *text;
		enum config_grant grant;
		const char *url, *scope; /* NULL: none */
	} rows[] = {
		{"{ tenant: contoso.com, " APP PAIR " }", CONFIG_GRANT_CERTIFICATE,
		 "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
		 "https://outlook.office365.com/.default"},
		{"{ tenant: 0-1, " APP
		 "client_secret_file: key, token_url: \"https://login.microsoftonline.us/{tenant}/x\" }",
		 CONFIG_GRANT_SECRET, "https://login.microsoftonline.us/0-1/x",
		 "https://outlook.office365.com/.default"},
		{"{ tenant: common, " APP "refresh_token_file: key }", CONFIG_GRANT_REFRESH,
		 "https://login.microsoftonline.com/common/oauth2/v2.0/token",
		 "https://outlook.office.com/SMTP.Send offline_access"},
		{"{ tenant: a, " APP PAIR ", refresh_token_file: key, scope: x }", CONFIG_GRANT_REFRESH,
		 "https://login.microsoftonline.com/a/oauth2/v2.0/token", "x"},
		{"{ " APP "refresh_token_file: key, client_secret_file: key, token_url: "
		 "\"https://oauth2.googleapis.com/token\" }",
		 CONFIG_GRANT_REFRESH, "https://oauth2.googleapis.com/token", NULL},
		{"{ service_account_file: key }", CONFIG_GRANT_SERVICE_ACCOUNT, NULL, NULL},
		{"{ command: [/bin/echo, \"a b\"] }", CONFIG_GRANT_COMMAND, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_oauth *oauth = parse(rows[i].text);
		CHECK_STR(config_problems_first(&problems), "");
		if (!oauth)
			continue;
		CHECK_EQ(oauth->grant, rows[i].grant);
		CHECK_STR(oauth->token_url ? oauth->token_url : "none", rows[i].url ? rows[i].url : "none");
		CHECK_STR(oauth->scope ? oauth->scope : "none", rows[i].scope ? rows[i].scope : "none");
		config_oauth_free(oauth);
	}
}

static void test_values(void)
{
	struct config_oauth *oauth =
		parse("{ tenant: a, " APP PAIR ", signature: rs256, ca_file: certificate, proxy: \"http://p:3128\" }");

	CHECK(oauth != NULL);
	CHECK_STR(oauth->client_id, "1-2-3");
	CHECK_STR(oauth->certificate, "certificate");
	CHECK_STR(oauth->private_key, "key");
	CHECK_STR(oauth->ca_file, "certificate");
	CHECK_STR(oauth->proxy, "http://p:3128");
	CHECK_EQ(oauth->signature, CONFIG_SIGNATURE_RS256);
	config_oauth_free(oauth);
	oauth = parse("{ command: [/bin/echo, \"a b\"] }");
	CHECK_EQ(oauth->command_count, 2);
	CHECK_STR(oauth->command[1], "a b");
	config_oauth_free(oauth);
}

static void test_warnings(void)
{
	CHECK(chmod("key", 0604) == 0);
	config_oauth_free(parse("{ service_account_file: key }"));
	CHECK_EQ(problems.warnings, 1);
	CHECK(strstr(problems.list[0].text, "everybody may read key") != NULL);
	CHECK(chmod("key", 0600) == 0);
}

static void make_file(const char *name)
{
	FILE *file = fopen(name, "w");

	CHECK(file && chmod(name, 0600) == 0 && fclose(file) == 0);
}

int main(void)
{
	char directory[] = "/tmp/test_schema_oauth.XXXXXX";

	CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
	make_file("key");
	make_file("certificate");
	RUN(test_problems);
	RUN(test_grants);
	RUN(test_values);
	RUN(test_warnings);
	CHECK(unlink("key") == 0 && unlink("certificate") == 0 && chdir("/") == 0 && rmdir(directory) == 0);
	return check_end();
}
