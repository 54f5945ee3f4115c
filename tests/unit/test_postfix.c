/*
 * test_postfix.c - facts as lines of Postfix's log: a table of events and the lines that come of them.
 */
#include "core/trace/postfix.h"

#include "core/trace/plain.h"
#include "tests/unit/check.h"

static char said[8192];

static void on_line(void *context, const char *line, size_t length)
{
	size_t n = strlen(said);

	snprintf(said + n, sizeof(said) - n, "%s%.*s", n ? "\n" : "", (int)length, line);
}

static const char *lines_of(const char *event)
{
	static const struct postfix_style style = {.hostname = "relay", .pid = 7, .utc = true};
	static struct fact fact;
	char line[2048];

	said[0] = '\0';
	snprintf(line, sizeof(line), "{\"time\":\"2026-03-01T07:12:09.113Z\",%s}", event);
	CHECK(fact_parse(line, strlen(line), &fact));
	postfix_lines(&fact, &style, on_line, NULL);
	return said;
}

#define ID "\"id\":\"01KJK3V3N3ZJ2K8WQX5T7Y0ABC\""
#define AT "Mar  1 07:12:09 relay postfix/"

static void test_events_and_their_lines(void)
{
	static const struct {
		const char *event, *lines;
	} table[] = {
		{"\"event\":\"accepted\"," ID
		 ",\"peer\":\"10.2.0.7\",\"user\":\"bob\",\"sender\":\"a@x\",\"recipients\":2,"
		 "\"octets\":812,\"message_id\":\"<1@x>\"",
		 AT "smtpd[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: client=unknown[10.2.0.7], sasl_method=LOGIN, "
		    "sasl_username=bob\n" AT "cleanup[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: message-id=<1@x>\n" AT
		    "qmgr[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: from=<a@x>, size=812, nrcpt=2 (queue active)"},
		{"\"event\":\"attempt\"," ID
		 ",\"result\":\"delivered\",\"host\":\"192.0.2.1:25\",\"recipient\":\"b@y\","
		 "\"code\":250,\"reply\":\"2.6.0 taken\",\"ms\":1500,\"queued_ms\":4000",
		 AT "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<b@y>, relay=192.0.2.1[192.0.2.1]:25, delay=4.00, "
		    "delays=0/2.50/0/1.50, dsn=2.6.0, status=sent (250 2.6.0 taken)"},
		{"\"event\":\"attempt\"," ID ",\"result\":\"partial\",\"host\":\"[2001:db8::1]:587\",\"code\":450,"
		 "\"reply\":\"later\",\"results\":[{\"recipient\":\"b@y\",\"result\":\"failed\",\"code\":550,\"reply\":"
		 "\"5.1.1 no\\nbody\"},{\"recipient\":\"c@y\",\"result\":\"deferred\"}]",
		 AT "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<b@y>, relay=2001:db8::1[2001:db8::1]:587, delay=0.00, "
		    "delays=0/0.00/0/0.00, dsn=5.1.1, status=bounced (host 2001:db8::1[2001:db8::1]:587 said: 550 "
		    "5.1.1 no "
		    "body)\n" AT
		    "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<c@y>, relay=2001:db8::1[2001:db8::1]:587, delay=0.00, "
		    "delays=0/0.00/0/0.00, dsn=4.0.0, status=deferred (host 2001:db8::1[2001:db8::1]:587 said: 450 "
		    "later)"},
		{"\"event\":\"attempt\"," ID ",\"result\":\"partial\",\"host\":\"h:25\",\"code\":550,"
		 "\"reply\":\"5.1.1 nobody\",\"results\":[{\"recipient\":\"b@y\",\"result\":\"delivered\"}]",
		 AT "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<b@y>, relay=h[unknown]:25, delay=0.00, "
		    "delays=0/0.00/0/0.00, dsn=2.0.0, status=sent (taken)"},
		{"\"event\":\"expired\"," ID ",\"recipient\":\"b@y\",\"code\":451,\"reply\":\"4.2.1 Not now\"",
		 AT "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<b@y>, relay=none, delay=0.00, delays=0/0.00/0/0.00, "
		    "dsn=4.4.7, status=bounced (451 4.2.1 Not now)"},
		{"\"event\":\"attempt\"," ID ",\"result\":\"interrupted\",\"recipient\":\"b@y\",\"host\":\"h:25\"", ""},
		{"\"event\":\"expired\"," ID ",\"recipient\":\"b@y\",\"reply\":\"connection refused\"",
		 AT "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<b@y>, relay=none, delay=0.00, delays=0/0.00/0/0.00, "
		    "dsn=4.4.7, "
		    "status=bounced (connection refused)"},
		{"\"event\":\"refused\",\"peer\":\"192.0.2.9\",\"stage\":\"rcpt\",\"reply\":\"550 5.7.1 Relaying not "
		 "permitted\",\"sender\":\"s@x\",\"recipient\":\"r@y\"",
		 AT "smtpd[7]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.7.1 <r@y>: Relay access denied; "
		    "from=<s@x> to=<r@y> proto=ESMTP"},
		{"\"event\":\"refused\",\"peer\":\"192.0.2.9\",\"stage\":\"rcpt\",\"reply\":\"550 5.7.1 This recipient "
		 "is "
		 "not allowed to you\",\"sender\":\"\",\"recipient\":\"r@y\"",
		 AT "smtpd[7]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.7.1 <r@y>: Recipient address "
		    "rejected: "
		    "This recipient is not allowed to you; from=<> to=<r@y> proto=ESMTP"},
		{"\"event\":\"refused\",\"peer\":\"::1\",\"stage\":\"content\",\"reply\":\"554 5.4.6 Too many hops\"",
		 AT
		 "smtpd[7]: NOQUEUE: reject: END-OF-MESSAGE from unknown[::1]: 554 5.4.6 Too many hops; proto=ESMTP"},
		{"\"event\":\"sign_in_refused\",\"peer\":\"192.0.2.9\",\"mechanism\":\"LOGIN\",\"user\":\"bob\","
		 "\"reason\":"
		 "\"password\"",
		 AT "smtpd[7]: warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: password, "
		    "sasl_username=bob"},
		{"\"event\":\"session\",\"peer\":\"192.0.2.9\",\"ms\":2113,\"commands\":9,\"errors\":9,\"stage\":"
		 "\"auth\","
		 "\"reason\":\"too many errors\"",
		 "Mar  1 07:12:07 relay postfix/smtpd[7]: connect from unknown[192.0.2.9]\n" AT
		 "smtpd[7]: too many errors after AUTH from unknown[192.0.2.9]\n" AT
		 "smtpd[7]: disconnect from unknown[192.0.2.9] commands=0/9"},
		{"\"event\":\"report\"," ID ",\"kind\":\"failed\",\"about\":\"01KJK3V3N3ZJ2K8WQX5T7Y0ABD\"", AT
		 "bounce[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABD: sender non-delivery notification: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC"},
		{"\"event\":\"host_failed\",\"host\":\"mail.example.org:25\",\"reason\":\"connection refused\"",
		 AT "smtp[7]: connect to mail.example.org[unknown]:25: connection refused"},
		/* What says nothing of itself. */
		{"\"event\":\"refused\"", AT "smtpd[7]: NOQUEUE: reject: CONNECT from unknown[]: ; proto=ESMTP"},
		{"\"event\":\"attempt\"," ID ",\"recipient\":\"b@y\"",
		 AT "smtp[7]: 01KJK3V3N3ZJ2K8WQX5T7Y0ABC: to=<b@y>, relay=none, delay=0.00, delays=0/0.00/0/0.00, "
		    "dsn=4.4.2, "
		    "status=deferred ()"},
		{"\"event\":\"stats\"", ""},
		{"\"event\":\"attempt\",\"id\":\"none\",\"result\":\"delivered\",\"recipient\":\"b@y\"", ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_STR(lines_of(table[i].event), table[i].lines);
}

/* Nobody gets somebody else banned by what he calls himself, nor begins a line of his own. */
static void test_strangers_stay_in_their_place(void)
{
	CHECK_STR(lines_of("\"event\":\"sign_in_refused\",\"peer\":\"192.0.2.9\",\"mechanism\":\"PLAIN\",\"reason\":"
			   "\"user\",\"user\":\"x\\nMar  1 07:12:09 relay postfix/smtpd[7]: warning: "
			   "unknown[198.51.100.1]: "
			   "SASL LOGIN authentication failed\""),
		  AT
		  "smtpd[7]: warning: unknown[192.0.2.9]: SASL PLAIN authentication failed: user, "
		  "sasl_username=x?Mar??1?07:12:09?relay?postfix/smtpd?7?:?warning:?unknown?198.51.100.1?:?SASL?LOGIN?"
		  "authentication?failed");
	CHECK_STR(lines_of("\"event\":\"refused\",\"peer\":\"192.0.2.9\",\"stage\":\"rcpt\",\"reply\":\"550 5.7.1 "
			   "Relaying "
			   "not permitted\",\"sender\":\"\\u001b[31m\",\"recipient\":\"\\\"x> to=<\\\"@y\""),
		  AT "smtpd[7]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.7.1 <\"x? to=?\"@y>: Relay access "
		     "denied; from=<?[31m> to=<\"x? to=?\"@y> proto=ESMTP");
}

static void test_plain(void)
{
	static const struct {
		const char *in, *out;
		size_t room;
	} table[] = {{"abc", "abc", 64},
		     {"\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac", 64},
		     {"\xc3\xa9\xe2\x82\xac", "\xc3\xa9", 4},
		     {"\x1b[2J\x7f", "?[2J?", 64},
		     {"\xc2\x9b"
		      "31m",
		      "?31m", 64},
		     {"a\xe2\x80\xae"
		      "b",
		      "a?b", 64},
		     {"\xff\xc3", "??", 64},
		     {"\xc0\x80", "??", 64},
		     {"a\nb\tc", "a b c", 64}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char out[65] = "";
		size_t n = plain_copy(out, table[i].room, span_text(table[i].in), NULL);
		out[n] = '\0';
		CHECK_STR(out, table[i].out);
	}
}

int main(void)
{
	RUN(test_events_and_their_lines);
	RUN(test_strangers_stay_in_their_place);
	RUN(test_plain);
	return check_end();
}
