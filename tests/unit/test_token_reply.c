/*
 * tests/unit/test_token_reply.c - core/agents/token_reply.c, token_advice.c: what token endpoints answer.
 *
 * The errors are such as people have reported them.
 */
#include "core/agents/token_reply.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static struct token_reply parse(unsigned status, const char *text)
{
	struct token_reply reply;

	token_reply_parse(status, text, strlen(text), &reply);
	return reply;
}

static void test_given(void)
{
	static const struct {
		const char *text, *token, *refresh;
		uint64_t lifetime_s;
	} cases[] = {
		{"{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"abc.def-_\"}", "abc.def-_", NULL,
		 3599},
		{"{\"expires_in\":\"3599\",\"access_token\":\"a\",\"refresh_token\":\"r\"}", "a", "r", 3599},
		{"{\"token_type\":\"bearer\",\"access_token\":\"a\"}", "a", NULL, TOKEN_LIFETIME_USUAL_S},
		{"{\"expires_in\":3599.5,\"access_token\":\"a\"}", "a", NULL, 3599},
		{"{\"expires_in\":\"soon\",\"access_token\":\"a\"}", "a", NULL, TOKEN_LIFETIME_USUAL_S},
		{"{\"expires_in\":-1,\"access_token\":\"a\"}", "a", NULL, TOKEN_LIFETIME_USUAL_S},
		{"{\"expires_in\":1e300,\"access_token\":\"a\"}", "a", NULL, TOKEN_LIFETIME_MAX_S},
		{"{\"expires_in\":\"nan\",\"access_token\":\"a\"}", "a", NULL, TOKEN_LIFETIME_USUAL_S},
		{"{\"access_token\":\"a\",\"refresh_token\":\"two words\"}", "a", NULL, TOKEN_LIFETIME_USUAL_S},
		{"{\"access_token\":\"a\",\"refresh_token\":null}", "a", NULL, TOKEN_LIFETIME_USUAL_S},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_reply reply = parse(200, cases[i].text);
		CHECK_EQ(reply.outcome, TOKEN_GIVEN);
		CHECK_STR(reply.access_token.text ? reply.access_token.text : "none", cases[i].token);
		CHECK_STR(reply.refresh_token.text ? reply.refresh_token.text : "none",
			  cases[i].refresh ? cases[i].refresh : "none");
		CHECK_EQ(reply.lifetime_s, cases[i].lifetime_s);
		CHECK_STR(reply.problem, "");
		token_reply_wipe(&reply);
	}
}

static void test_not_given(void)
{
	static const struct {
		unsigned status;
		const char *text;
		enum token_outcome outcome;
		const char *said;
	} cases[] = {
		{200, "", TOKEN_LATER, "HTTP 200 with 0 octets"},
		{200, "{", TOKEN_LATER, "no token"},
		{200, "[]", TOKEN_LATER, "no token"},
		{200, "{\"access_token\":7}", TOKEN_LATER, "no token"},
		{200, "{\"access_token\":\"\"}", TOKEN_LATER, "odd characters"},
		{200, "{\"access_token\":\"a\\r\\nRCPT TO:<x>\"}", TOKEN_LATER, "odd characters"},
		{200, "{\"access_token\":\"a\\u0001b\"}", TOKEN_LATER, "odd characters"},
		{200, "{\"access_token\":\"a\",\"access_token\":\"b\"}", TOKEN_LATER, "no token"},
		{200, "{\"access_token\":\"a\",\"expires_in\":0}", TOKEN_LATER, "has ended"},
		{200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}", TOKEN_REFUSED, "another type"},
		{500, "{\"access_token\":\"a\"}", TOKEN_LATER, "HTTP 500"},
		{502, "<html>", TOKEN_LATER, "HTTP 502"},
		{302, "", TOKEN_LATER, "points elsewhere"},
		{404, "Not Found", TOKEN_LATER, "oauth.token_url"},
		{429, "{\"error\":\"temporarily_unavailable\"}", TOKEN_LATER, "temporarily_unavailable"},
		{401, "{\"error\":\"invalid_client\",\"error_description\":\"The OAuth client was not found.\"}",
		 TOKEN_REFUSED, "look at client_id"},
		{400, "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been expired or revoked.\"}",
		 TOKEN_REFUSED, "postrider credentials sign-in"},
		{400,
		 "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: Token must be a short-lived token "
		 "(60 "
		 "minutes) and in a reasonable timeframe.\"}",
		 TOKEN_CLOCK, "short-lived"},
		{401, "{\"error\":\"unauthorized_client\"}", TOKEN_REFUSED, "Domain-wide delegation"},
		{400,
		 "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS90033: A transient error has occurred. "
		 "Please "
		 "try again. Trace ID: x\",\"error_codes\":[90033]}",
		 TOKEN_LATER, "AADSTS90033"},
		{401,
		 "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS70002: Error validating credentials. "
		 "AADSTS50012: Client assertion is not within its valid time range.\\r\\nTrace ID: "
		 "x\",\"error_codes\":[70002,50012]}",
		 TOKEN_CLOCK, "time range"},
		{401,
		 "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS700024: Client assertion is not within "
		 "its "
		 "valid time range. Current time: 2025\",\"error_codes\":[700024]}",
		 TOKEN_CLOCK, "timedatectl"},
		{401,
		 "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: The provided client secret keys "
		 "are expired.\"}",
		 TOKEN_REFUSED, "has expired: make a new one"},
		{400, "{\"error\":\"invalid_grant\",\"error_codes\":[\"7000222\",{},null,-5]}", TOKEN_REFUSED,
		 "sign-in"},
		{400, "{\"error\":\"x\",\"error_description\":\"AADSTS99999999999999999999999: ?\"}", TOKEN_REFUSED,
		 "(x)"},
		{400, "{\"error\":7,\"error_description\":\"y\"}", TOKEN_LATER, "HTTP 400"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_reply reply = parse(cases[i].status, cases[i].text);
		CHECK_EQ(reply.outcome, cases[i].outcome);
		if (!strstr(reply.problem, cases[i].said))
			CHECK_STR(reply.problem, cases[i].said);
		CHECK(!strstr(reply.problem, "Trace ID"));
		CHECK(!reply.access_token.text && !reply.refresh_token.text);
		token_reply_wipe(&reply);
	}
}

/* Who is told of a loop leaves it alone for longer than who is told of an overload. */
static void test_loop(void)
{
	struct token_reply reply =
		parse(400, "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS50196: The server "
			   "terminated an operation because it encountered a client request loop.\"}");

	CHECK_EQ(reply.outcome, TOKEN_LATER);
	CHECK_EQ(reply.pause_s, 120);
	reply = parse(400, "{\"error\":\"invalid_grant\",\"error_codes\":[90033]}");
	CHECK_EQ(reply.pause_s, 0);
}

/* However long it is, it fits, and says what to do. */
static void test_long_description(void)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
			 "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: %02000d\"}", 1);
	struct token_reply reply;

	token_reply_parse(401, text, (size_t)n, &reply);
	CHECK(strlen(reply.problem) < sizeof(reply.problem));
	CHECK(strstr(reply.problem, "client_secret_file must have the secret's value") != NULL);
}

static void test_long_token(void)
{
	static char text[TOKEN_LENGTH_MAX + 100];
	struct token_reply reply;

	for (int more = 0; more < 2; more++) {
		int n = snprintf(text, sizeof(text), "{\"access_token\":\"%0*d\"}", TOKEN_LENGTH_MAX + more, 1);
		token_reply_parse(200, text, (size_t)n, &reply);
		CHECK_EQ(reply.outcome, more ? TOKEN_LATER : TOKEN_GIVEN);
		token_reply_wipe(&reply);
	}
}

static void test_output(void)
{
	static const struct {
		const char *text, *token;
		uint64_t lifetime_s;
	} cases[] = {
		{"abc\n", "abc", TOKEN_LIFETIME_USUAL_S},
		{"  abc\r\n\n", "abc", TOKEN_LIFETIME_USUAL_S},
		{" {\"access_token\":\"abc\",\"expires_in\":60}\n", "abc", 60},
		{"", NULL, 0},
		{"\n", NULL, 0},
		{"two words\n", NULL, 0},
		{"a\nb\n", NULL, 0},
		{"{\"access_token\":\"abc\"", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_reply reply;
		token_reply_parse_output(cases[i].text, strlen(cases[i].text), &reply);
		CHECK_EQ(reply.outcome == TOKEN_GIVEN, cases[i].token != NULL);
		if (cases[i].token && reply.access_token.text) {
			CHECK_STR(reply.access_token.text, cases[i].token);
			CHECK_EQ(reply.lifetime_s, cases[i].lifetime_s);
		}
		token_reply_wipe(&reply);
	}
}

/* Found by halving: so they are in order. */
static void test_advice(void)
{
	static const unsigned long known[] = {16000,  50012,   65001,   700016,  700024,
					      700027, 7000215, 7000229, 1002012, 1002016};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CHECK(token_reply_advice(known[i]) != NULL);
	CHECK(token_reply_advice(0) == NULL);
	CHECK(token_reply_advice(1) == NULL);
}

int main(void)
{
	token_reply_init();
	RUN(test_given);
	RUN(test_not_given);
	RUN(test_loop);
	RUN(test_long_description);
	RUN(test_long_token);
	RUN(test_output);
	RUN(test_advice);
	return check_end();
}
