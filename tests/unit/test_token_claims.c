/*
 * tests/unit/test_token_claims.c - core/tools/token_claims.c: what tokens say, and what is none.
 */
#include "core/tools/token_claims.h"

#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"
#include "tests/unit/check.h"

/* base64url without padding. */
static void encode(const char *text, char *out)
{
	size_t length = base64_encode(text, strlen(text), out);

	while (length > 0 && out[length - 1] == '=')
		length--;
	out[length] = '\0';
	for (; *out; out++)
		*out = *out == '+' ? '-' : *out == '/' ? '_' : *out;
}

static const struct {
	const char *payload, *audience, *roles, *scopes, *tenant;
	int64_t end;
	bool ok;
} rows[] = {
	{"{\"aud\":\"https://outlook.office365.com\",\"roles\":[\"SMTP.SendAsApp\",\"IMAP.AccessAsApp\"],\"tid\":\"t\","
	 "\"exp\":1800000000}",
	 "https://outlook.office365.com", "SMTP.SendAsApp IMAP.AccessAsApp", "", "t", 1800000000, true},
	{"{\"aud\":[\"a\",\"b\"],\"scp\":\"SMTP.Send offline_access\",\"exp\":1.5e9}", "a b", "",
	 "SMTP.Send offline_access", "", 1500000000, true},
	{"{\"aud\":7,\"roles\":{\"a\":1},\"exp\":\"soon\"}", "", "", "", "", 0, true},
	{"{\"upn\":\"box@contoso.com\",\"preferred_username\":\"other\",\"scp\":\"SMTP.Send\"}", "", "", "SMTP.Send",
	 "", 0, true},
	{"{\"roles\":[1,null,\"x\"]}", "", "x", "", "", 0, true},
	{"{\"aud\":\"a\\nb\\u00e9\"}", "a?b??", "", "", "", 0, true},
	{"{}", "", "", "", "", 0, true},
	{"[]", "", "", "", "", 0, false},
	{"\"text\"", "", "", "", "", 0, false},
	{"{", "", "", "", "", 0, false},
};

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char payload[600], token[700];
		struct token_claims claims;

		encode(rows[i].payload, payload);
		snprintf(token, sizeof(token), "e30.%s.sig", payload);
		CHECK_EQ(token_claims_read(token, strlen(token), &claims), rows[i].ok);
		CHECK_STR(claims.audience, rows[i].audience);
		CHECK_STR(claims.roles, rows[i].roles);
		CHECK_STR(claims.scopes, rows[i].scopes);
		CHECK_STR(claims.tenant, rows[i].tenant);
		CHECK_EQ(claims.end, rows[i].end);
		CHECK_STR(claims.user, strstr(rows[i].payload, "upn") ? "box@contoso.com" : "");
	}
}

static void test_no_tokens(void)
{
	static const char *const texts[] = {"", ".", "..", "a.b", "a..b", "a.!!.b", "ya29.opaque", "e30.e30", ".e30"};
	struct token_claims claims;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK(!token_claims_read(texts[i], strlen(texts[i]), &claims));
	CHECK(token_claims_read(".e30.", 5, &claims));
}

static void test_cut(void)
{
	char payload[1200] = "{\"aud\":\"", encoded[2000], token[2100];
	struct token_claims claims;

	memset(payload + 8, 'x', 1000);
	strcpy(payload + 1008, "\"}");
	encode(payload, encoded);
	snprintf(token, sizeof(token), ".%s.", encoded);
	CHECK(token_claims_read(token, strlen(token), &claims));
	CHECK_EQ(strlen(claims.audience), sizeof(claims.audience) - 1);
}

int main(void)
{
	RUN(test_rows);
	RUN(test_no_tokens);
	RUN(test_cut);
	return check_end();
}
