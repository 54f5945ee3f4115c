/*
 * tests/unit/test_token_form.c - core/agents/token_form.c, assertion.c: what is asked of token endpoints.
 *
 * That assertions are signed right is for tests/e2e/test_token.py to say, whose endpoint has another library.
 */
#include "core/agents/token_form.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/assertion.h"
#include "core/agents/token_reply.h"
#include "core/base/durable.h"
#include "tests/unit/check.h"

static char directory[] = "/tmp/test_token_form.XXXXXX";

static char *file(const char *name, const char *text)
{
	char *path;

	CHECK(asprintf(&path, "%s/%s", directory, name) > 0);
	CHECK(durable_replace(path, text, strlen(text)) == 0);
	return path;
}

static void test_base64url(void)
{
	static const struct {
		const char *octets, *text;
	} cases[] = {/* RFC 4648 section 10, without padding */
		     {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
		     {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
	char out[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = assertion_base64url(cases[i].octets, strlen(cases[i].octets), out);
		CHECK_STR(out, cases[i].text);
		CHECK_EQ(n, strlen(cases[i].text));
		CHECK_EQ(n, assertion_base64url_length(strlen(cases[i].octets)));
	}
}

static void test_secret(void)
{
	struct config_oauth oauth = {.grant = CONFIG_GRANT_SECRET,
				     .client_id = "app",
				     .client_secret_file = file("secret", "s3cret&=+ %\xc3\xa9\n"),
				     .token_url = "https://login.example.org/token",
				     .scope = "https://outlook.office365.com/.default"};
	struct token_form form;

	CHECK(token_form_make(&form, &oauth, NULL, NULL, 0));
	CHECK_STR(form.url, "https://login.example.org/token");
	CHECK_STR(form.body.text, "grant_type=client_credentials&scope=https%3A%2F%2Foutlook.office365.com%2F.default"
				  "&client_id=app&client_secret=s3cret%26%3D%2B%20%25%C3%A9");
	CHECK_EQ(form.body.length, strlen(form.body.text));
	token_form_wipe(&form);
	CHECK(unlink(oauth.client_secret_file) == 0);
	CHECK(!token_form_make(&form, &oauth, NULL, NULL, 0));
	CHECK(strstr(form.problem, "oauth.client_secret_file: ") != NULL);
	free(oauth.client_secret_file);
}

static void test_refresh(void)
{
	struct config_oauth oauth = {.grant = CONFIG_GRANT_REFRESH,
				     .client_id = "app",
				     .refresh_token_file = file("refresh", "0.AXM~x\n"),
				     .token_url = "https://login.example.org/token"};
	struct secret newer;
	struct token_form form;

	CHECK(token_form_make(&form, &oauth, NULL, NULL, 0));
	CHECK_STR(form.body.text, "grant_type=refresh_token&refresh_token=0.AXM~x&client_id=app");
	CHECK_STR(form.refresh.text, "0.AXM~x");
	token_form_wipe(&form);
	CHECK(secret_set(&newer, "newer", 5));
	CHECK(token_form_make(&form, &oauth, NULL, &newer, 0));
	CHECK_STR(form.body.text, "grant_type=refresh_token&refresh_token=newer&client_id=app");
	token_form_wipe(&form);
	secret_wipe(&newer);
	CHECK(unlink(oauth.refresh_token_file) == 0);
	free(oauth.refresh_token_file);
}

/* The longest there can be, all of it to be encoded. */
static void test_long(void)
{
	static char text[SECRET_MAX + 1];
	struct config_oauth oauth = {.grant = CONFIG_GRANT_REFRESH, .client_id = "a", .token_url = "https://x/"};
	struct token_form form;

	memset(text, '%', SECRET_MAX);
	oauth.refresh_token_file = file("refresh", text);
	CHECK(token_form_make(&form, &oauth, NULL, NULL, 0));
	CHECK(form.body.length > 3 * SECRET_MAX);
	CHECK_STR(form.body.text + form.body.length - 12, "&client_id=a");
	token_form_wipe(&form);
	CHECK(unlink(oauth.refresh_token_file) == 0);
	free(oauth.refresh_token_file);
}

static void test_service_account(void)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "no JSON"},
		{"[]", "\"service_account\""},
		{"{\"type\":\"authorized_user\"}", "\"service_account\""},
		{"{\"type\":\"service_account\"}", "client_email"},
		{"{\"type\":\"service_account\",\"client_email\":\"a@b\"}", "private_key"},
		{"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":7}", "private_key"},
		{"{\"type\":\"service_account\",\"client_email\":\"a@b\",\"private_key\":\"k\"}", ""},
	};
	struct service_account account;
	char problem[TOKEN_PROBLEM_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		problem[0] = '\0';
		CHECK_EQ(service_account_parse(cases[i].text, strlen(cases[i].text), &account, problem),
			 cases[i].said[0] == '\0');
		CHECK(strstr(problem, cases[i].said) != NULL);
		service_account_wipe(&account);
	}
	CHECK_STR(account.email, "a@b");
	CHECK_STR(account.token_url, "");
}

/* Keys that people have tried, and what they are told; none of them may ask for a password. */
static void test_keys(void)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"no key", "no private key in PEM"},
		{"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
		 "-----END PRIVATE KEY-----\n",
		 "no RSA key"},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n"
		 "-----END ENCRYPTED PRIVATE KEY-----\n",
		 "without a password"},
	};
	char problem[SIGNER_PROBLEM_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secret key;
		CHECK(secret_set(&key, cases[i].text, strlen(cases[i].text)));
		CHECK(signer_new(&key, NULL, problem) == NULL);
		if (!strstr(problem, cases[i].said))
			CHECK_STR(problem, cases[i].said);
		secret_wipe(&key);
	}
}

static void test_stamp(void)
{
	struct config_oauth oauth = {.client_secret_file = file("secret", "a")};
	uint64_t first = token_form_stamp(&oauth);

	CHECK(first == token_form_stamp(&oauth));
	CHECK(durable_replace(oauth.client_secret_file, "b", 1) == 0);
	CHECK(first != token_form_stamp(&oauth));
	/* Who lets it be written, or links it for a backup, has written nothing. */
	first = token_form_stamp(&oauth);
	CHECK(chmod(oauth.client_secret_file, 0644) == 0);
	CHECK(first == token_form_stamp(&oauth));
	CHECK(unlink(oauth.client_secret_file) == 0);
	CHECK(first != token_form_stamp(&oauth));
	free(oauth.client_secret_file);
}

int main(void)
{
	token_reply_init();
	CHECK(mkdtemp(directory) != NULL);
	RUN(test_base64url);
	RUN(test_secret);
	RUN(test_refresh);
	RUN(test_long);
	RUN(test_service_account);
	RUN(test_keys);
	RUN(test_stamp);
	CHECK(rmdir(directory) == 0);
	return check_end();
}
