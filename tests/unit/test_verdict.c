/* tests/unit/test_verdict.c - what a reply at each stage means, and when a message is too old. */
#include "core/deliver/verdict.h"
#include "tests/unit/check.h"

enum { STAGES = STAGE_COUNT };

static struct ruling judged(enum stage stage, unsigned code, const char *text)
{
	return verdict_reply(stage, code, span_text(text));
}

static const struct {
	enum stage stage;
	unsigned code;
	enum verdict verdict;
} table[] = {
	/* Before MAIL nothing speaks of the message: refusals of the host are never for good. */
	{STAGE_GREETING, 220, VERDICT_SENT},
	{STAGE_GREETING, 421, VERDICT_DEFER},
	{STAGE_GREETING, 521, VERDICT_HOLD},
	{STAGE_GREETING, 554, VERDICT_HOLD},
	{STAGE_EHLO, 250, VERDICT_SENT},
	{STAGE_EHLO, 500, VERDICT_HOLD},
	{STAGE_EHLO, 550, VERDICT_HOLD},
	{STAGE_EHLO, 354, VERDICT_DEFER},
	{STAGE_STARTTLS, 220, VERDICT_SENT},
	{STAGE_STARTTLS, 454, VERDICT_HOLD},
	{STAGE_STARTTLS, 502, VERDICT_HOLD},
	{STAGE_CONNECT, 0, VERDICT_DEFER},
	{STAGE_TLS, 0, VERDICT_DEFER},
	/* From MAIL on a 5xx is about this message. */
	{STAGE_MAIL, 250, VERDICT_SENT},
	{STAGE_MAIL, 421, VERDICT_DEFER},
	{STAGE_MAIL, 451, VERDICT_DEFER},
	{STAGE_MAIL, 452, VERDICT_DEFER},
	{STAGE_MAIL, 530, VERDICT_HOLD}, /* TLS or authentication first: our set-up, not the message */
	{STAGE_MAIL, 535, VERDICT_HOLD},
	{STAGE_MAIL, 531, VERDICT_FAIL},
	{STAGE_MAIL, 550, VERDICT_FAIL},
	{STAGE_MAIL, 552, VERDICT_FAIL},
	{STAGE_RCPT, 250, VERDICT_SENT},
	{STAGE_RCPT, 251, VERDICT_SENT},
	{STAGE_RCPT, 252, VERDICT_SENT},
	{STAGE_RCPT, 421, VERDICT_DEFER},
	{STAGE_RCPT, 450, VERDICT_DEFER},
	{STAGE_RCPT, 452, VERDICT_DEFER},
	{STAGE_RCPT, 550, VERDICT_FAIL},
	{STAGE_RCPT, 551, VERDICT_FAIL},
	{STAGE_RCPT, 552, VERDICT_DEFER}, /* RFC 5321 4.5.3.1.10: too many recipients */
	{STAGE_RCPT, 553, VERDICT_FAIL},
	{STAGE_RCPT, 554, VERDICT_FAIL},
	{STAGE_DATA, 354, VERDICT_SENT},
	{STAGE_DATA, 350, VERDICT_SENT}, /* the first digit decides (RFC 5321 4.2.1) */
	{STAGE_DATA, 250, VERDICT_SENT}, /* that is BDAT's; exchange_reply.c tells the two apart */
	{STAGE_DATA, 451, VERDICT_DEFER},
	{STAGE_DATA, 554, VERDICT_FAIL},
	{STAGE_CONTENT, 250, VERDICT_SENT},
	{STAGE_CONTENT, 354, VERDICT_DEFER}, /* content is not accepted by a "go on" */
	{STAGE_CONTENT, 421, VERDICT_DEFER},
	{STAGE_CONTENT, 452, VERDICT_DEFER},
	{STAGE_CONTENT, 550, VERDICT_FAIL},
	{STAGE_CONTENT, 552, VERDICT_FAIL},
	{STAGE_CONTENT, 554, VERDICT_FAIL},
	/* What is no SMTP code at all ends nothing for good. */
	{STAGE_MAIL, 0, VERDICT_DEFER},
	{STAGE_MAIL, 199, VERDICT_DEFER},
	{STAGE_MAIL, 300, VERDICT_DEFER},
	{STAGE_RCPT, 354, VERDICT_DEFER},
	{STAGE_CONTENT, 600, VERDICT_DEFER},
	{STAGE_CONTENT, 999, VERDICT_DEFER},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		enum verdict found = judged(table[i].stage, table[i].code, "").verdict;
		if (found != table[i].verdict)
			fprintf(stderr, "%s %u\n", stage_name(table[i].stage), table[i].code);
		CHECK_EQ(found, table[i].verdict);
	}
}

/* Properties over every code: no 4xx ever fails, no 503 ever fails, nothing before MAIL ever fails. */
static void test_every_code(void)
{
	for (int stage = 0; stage < STAGES; stage++) {
		for (unsigned code = 0; code < 1000; code++) {
			struct ruling found = judged((enum stage)stage, code, "");
			bool positive = code >= 200 && code < 300;
			CHECK(found.verdict != VERDICT_FAIL ||
			      (stage_has_message((enum stage)stage) && code >= 500 && code < 600 && code != 503));
			CHECK((found.verdict == VERDICT_SENT) ==
			      (positive || (stage == STAGE_DATA && code >= 300 && code < 400)));
			/* What is held has a reason and a sentence; before MAIL it concerns the host. */
			CHECK((found.verdict == VERDICT_HOLD) == (found.reason != REASON_NONE));
			CHECK(found.verdict != VERDICT_HOLD || (found.say && found.say[0]));
			CHECK(found.verdict != VERDICT_HOLD || stage_has_message((enum stage)stage) ||
			      found.scope == SCOPE_HOST);
		}
	}
}

/* Replies as servers in use give them; addresses and names are of documentation. */
static const struct {
	enum stage stage;
	unsigned code;
	const char *text;
	enum verdict verdict;
	enum verdict_scope scope;
	enum verdict_reason reason;
} replies[] = {
#define HOST(reason) VERDICT_HOLD, SCOPE_HOST, reason
#define MESSAGE(reason) VERDICT_HOLD, SCOPE_MESSAGE, reason
#define FAILS VERDICT_FAIL, 0, REASON_NONE
#define DEFERS VERDICT_DEFER, 0, REASON_NONE
#define SLOWS(scope) VERDICT_DEFER, scope, REASON_NONE
#define LEAVES VERDICT_DEFER, 0, REASON_NONE
	/* Microsoft 365 and Exchange. */
	{STAGE_RCPT, 550,
	 "5.7.64 TenantAttribution; Relay Access Denied [VE1EUR01FT049.eop-EUR01.prod.protection.outlook.com]",
	 MESSAGE(REASON_CLIENT)},
	{STAGE_MAIL, 550, "5.7.64 TenantAttribution", MESSAGE(REASON_CLIENT)},
	{STAGE_RCPT, 451, "4.7.64 TenantAttribution; Temporary", MESSAGE(REASON_CLIENT)},
	{STAGE_RCPT, 550,
	 "5.7.51 TenantInboundAttribution; There is a partner connector configured that matched the message's "
	 "recipient "
	 "domain. The connector had either the RestrictDomainsToIPAddresses or RestrictDomainsToCertificate set",
	 MESSAGE(REASON_CLIENT)},
	{STAGE_CONTENT, 550, "5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization",
	 MESSAGE(REASON_CLIENT)},
	{STAGE_CONTENT, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender",
	 MESSAGE(REASON_SENDER)},
	{STAGE_CONTENT, 550, "5.7.1 Client does not have permissions to send as this sender", MESSAGE(REASON_SENDER)},
	{STAGE_CONTENT, 554,
	 "5.2.252 SendAsDenied; scan@contoso.com not allowed to send as alerts@contoso.com; STOREDRV.Submission",
	 MESSAGE(REASON_SENDER)},
	{STAGE_MAIL, 530,
	 "5.7.57 Client not authenticated to send mail. [AM0PR01CA0094.eurprd01.prod.exchangelabs.com]",
	 HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 530, "5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
	 HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 530, "5.7.1 Client was not authenticated", HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
	 HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 535, "5.7.3 Authentication unsuccessful", HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 550, "5.7.30 Basic authentication is not supported for Client Submission.",
	 HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 451,
	 "5.7.3 STARTTLS is required to send mail [DB3EUR04FT034.eop-eur04.prod.protection.outlook.com]",
	 HOST(REASON_TLS)},
	{STAGE_MAIL, 421,
	 "4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client to support TLS 1.2.",
	 HOST(REASON_TLS)},
	{STAGE_RCPT, 550, "5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list",
	 HOST(REASON_BLOCKED)},
	{STAGE_RCPT, 550, "5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus.",
	 HOST(REASON_BLOCKED)},
	{STAGE_MAIL, 550,
	 "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider "
	 "since part of their network is on our block list (S3140).",
	 MESSAGE(REASON_BLOCKED)},
	{STAGE_CONTENT, 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.",
	 HOST(REASON_ACCOUNT)},
	{STAGE_CONTENT, 550, "5.7.705 Access denied, tenant has exceeded threshold.", HOST(REASON_ACCOUNT)},
	{STAGE_CONTENT, 550, "5.7.750 Service unavailable. Client blocked from sending from unregistered domains.",
	 MESSAGE(REASON_SENDER)},
	{STAGE_CONTENT, 550, "5.1.8 Access denied, bad outbound sender. For more information please go to",
	 MESSAGE(REASON_SENDER)},
	{STAGE_RCPT, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 550, "5.7.1 Unable to relay", MESSAGE(REASON_RELAY)},
	{STAGE_CONTENT, 554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", DEFERS},
	{STAGE_CONTENT, 550, "5.2.251 Sender throttled due to continuous mailbox full errors.", LEAVES},
	{STAGE_CONTENT, 550, "5.2.252 Sender throttled due to continuous send as denied errors.", LEAVES},
	{STAGE_CONTENT, 550, "5.2.253 Sender throttled due to continuous invalid license errors.", LEAVES},
	/* Not too many of this message. */
	{STAGE_RCPT, 550, "5.2.254 Sender throttled due to continuous too many recipients errors.", LEAVES},
	{STAGE_MAIL, 550, "5.2.255 Sender throttled due to continuous invalid recipients errors.", LEAVES},
	{STAGE_CONTENT, 421, "4.4.2 Message submission rate for this client has exceeded the configured limit",
	 SLOWS(SCOPE_HOST)},
	{STAGE_CONTENT, 550, "5.1.90 Your message can't be sent because you've reached your daily limit for message",
	 SLOWS(SCOPE_MAILBOX)},
	{STAGE_RCPT, 550, "5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending",
	 DEFERS},
	{STAGE_RCPT, 550, "5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit",
	 DEFERS},
	{STAGE_RCPT, 451, "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", SLOWS(SCOPE_HOST)},
	{STAGE_MAIL, 432, "4.3.2 Concurrent connections limit exceeded.", SLOWS(SCOPE_MAILBOX)},
	{STAGE_CONTENT, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=X.example]",
	 SLOWS(SCOPE_MAILBOX)},
	{STAGE_MAIL, 451, "4.7.699 Server busy", SLOWS(SCOPE_HOST)},
	{STAGE_MAIL, 451, "4.7.700 Server busy", DEFERS},
	/* of one recipient or message there: they fail */
	{STAGE_RCPT, 550, "5.4.1 Recipient address rejected: Access denied. [DB5EUR01FT026.eop-EUR01.prod]", FAILS},
	{STAGE_RCPT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", FAILS},
	{STAGE_CONTENT, 550, "5.7.1 RESOLVER.RST.AuthRequired; authentication required [Stage: CreateMessage]", FAILS},
	{STAGE_RCPT, 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", FAILS},
	{STAGE_CONTENT, 550, "5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy",
	 FAILS},
	{STAGE_CONTENT, 550,
	 "5.7.515 Access denied, sending domain example.org does not meet the required authentication "
	 "level.",
	 FAILS},
	/* Google. */
	{STAGE_MAIL, 550,
	 "5.7.1 Invalid credentials for relay [192.0.2.1]. The IP address you've\n5.7.1 registered in your G Suite "
	 "SMTP "
	 "Relay service doesn't match the domain",
	 HOST(REASON_CLIENT)},
	{STAGE_MAIL, 550, "5.7.1 Invalid credentials\n5.7.1 for relay [192.0.2.1].", HOST(REASON_CLIENT)},
	{STAGE_MAIL, 550,
	 "5.7.0 Mail relay denied [192.0.2.1]. Invalid credentials for\n5.7.0 relay for one of the domains",
	 MESSAGE(REASON_CLIENT)},
	{STAGE_MAIL, 530, "5.5.1 Authentication Required. For more information, go to", HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 530, "5.7.0 Must issue a STARTTLS command first. ffacd0b85a97d-3a5c - gsmtp", HOST(REASON_TLS)},
	{STAGE_MAIL, 534, "5.7.9 Application-specific password required.", HOST(REASON_CREDENTIALS)},
	{STAGE_CONTENT, 550,
	 "5.7.1 [192.0.2.1] Our system has detected an unusual rate of\n5.7.1 unsolicited mail originating from your "
	 "IP address.",
	 MESSAGE(REASON_BLOCKED)},
	{STAGE_CONTENT, 550,
	 "5.7.1 [192.0.2.1] The IP you're using to send mail is not authorized to\n5.7.1 send email directly to our "
	 "servers.",
	 HOST(REASON_CLIENT)},
	{STAGE_CONTENT, 550, "5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record",
	 HOST(REASON_CLIENT)},
	{STAGE_MAIL, 550, "5.4.5 Daily SMTP relay limit exceeded for customer.", DEFERS},
	{STAGE_CONTENT, 550,
	 "5.7.1 [192.0.2.1 12] Our system has detected that this message is\n5.7.1 likely unsolicited mail.", FAILS},
	{STAGE_CONTENT, 550,
	 "5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy.", FAILS},
	{STAGE_RCPT, 550, "5.2.1 The email account that you tried to reach is disabled.", FAILS},
	{STAGE_RCPT, 550, "5.1.1 The email account that you tried to reach does not exist.", FAILS},
	/* Postfix. */
	{STAGE_RCPT, 554, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", HOST(REASON_CLIENT)},
	{STAGE_RCPT, 450, "4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]",
	 MESSAGE(REASON_CLIENT)},
	{STAGE_RCPT, 450, "4.7.1 <unknown[192.0.2.1]>: Client host rejected: Greylisted for 5 minutes", DEFERS},
	{STAGE_RCPT, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
	 HOST(REASON_BLOCKED)},
	{STAGE_RCPT, 504, "5.5.2 <15b0717dc4c2>: Helo command rejected: need fully-qualified hostname",
	 HOST(REASON_EHLO)},
	{STAGE_RCPT, 550, "5.7.1 <relay>: Helo command rejected: Host not found", HOST(REASON_EHLO)},
	{STAGE_RCPT, 450, "4.7.1 <relay.local>: Helo command rejected: Host not found", MESSAGE(REASON_EHLO)},
	{STAGE_MAIL, 530, "5.7.0 Must issue a STARTTLS command first", HOST(REASON_TLS)},
	{STAGE_RCPT, 554, "5.7.1 <user@example.net>: Relay access denied", MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 554, "<user@example.net>: Recipient address rejected: Relay access denied", MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 553, "5.7.1 <a@example.org>: Sender address rejected: not owned by user scan@example.org",
	 MESSAGE(REASON_SENDER)},
	{STAGE_RCPT, 553, "5.7.1 <a@example.org>: Sender address rejected: not logged in", MESSAGE(REASON_SENDER)},
	{STAGE_STARTTLS, 454, "4.7.0 TLS not available due to local problem", HOST(REASON_TLS)},
	/* policy about the sender, the recipient, the content */
	{STAGE_RCPT, 554, "5.7.1 <a@example.org>: Sender address rejected: Access denied", FAILS},
	{STAGE_RCPT, 554, "5.7.1 <b@example.net>: Recipient address rejected: Access denied", FAILS},
	{STAGE_RCPT, 550, "5.7.1 <b@example.net>: Recipient address rejected: Please see http://www.openspf.org/",
	 FAILS},
	{STAGE_RCPT, 554, "5.7.1 Service unavailable; Sender address [a@example.org] blocked using dbl.spamhaus.org",
	 FAILS},
	{STAGE_RCPT, 504, "5.5.2 <b>: Recipient address rejected: need fully-qualified address", FAILS},
	{STAGE_RCPT, 450, "4.2.0 <b@example.net>: Recipient address rejected: Greylisted", DEFERS},
	{STAGE_CONTENT, 554, "5.7.1 Message rejected: a link in it is on the blacklist multi.uribl.com", FAILS},
	{STAGE_CONTENT, 550, "5.7.1 Message content rejected", FAILS},
	{STAGE_CONTENT, 554, "5.7.1 Command rejected", FAILS},
	/* Exim, sendmail, qmail, OpenSMTPD. */
	{STAGE_RCPT, 550, "relay not permitted", MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 550, "Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", HOST(REASON_EHLO)},
	{STAGE_RCPT, 550, "REJECTED - Bad HELO - Host impersonating [example.net]", HOST(REASON_EHLO)},
	{STAGE_RCPT, 550, "rejected because 192.0.2.1 is in a black list at zen.spamhaus.org", MESSAGE(REASON_BLOCKED)},
	{STAGE_RCPT, 550, "authentication required", MESSAGE(REASON_CREDENTIALS)},
	{STAGE_RCPT, 550, "5.7.1 <user@example.net>... Relaying denied", MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 550, "5.7.1 <user@example.net>... Relaying denied. Proper authentication required.",
	 MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 550, "5.7.1 Fix reverse DNS for 192.0.2.1", MESSAGE(REASON_CLIENT)},
	{STAGE_RCPT, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", MESSAGE(REASON_RELAY)},
	{STAGE_RCPT, 550, "Unrouteable address", FAILS},
	{STAGE_RCPT, 550, "Administrative prohibition", FAILS},
	{STAGE_CONTENT, 550, "Administrative prohibition", FAILS},
	{STAGE_MAIL, 553, "5.1.8 <a@example.invalid>... Domain of sender address a@example.invalid does not exist",
	 FAILS},
	{STAGE_RCPT, 550, "5.1.1 <helo-command-rejected@example.net>... User unknown", FAILS},
	{STAGE_RCPT, 550, "Invalid recipient: <b@example.net>", FAILS},
	/* Amazon SES, SendGrid. */
	{STAGE_CONTENT, 554,
	 "Message rejected: Email address is not verified. The following identities failed the check in region "
	 "EU-WEST-1",
	 MESSAGE(REASON_SENDER)},
	{STAGE_CONTENT, 554,
	 "Access denied: User `arn:aws:iam::1:user/ses' is not authorized to perform `ses:SendRawEmail'",
	 MESSAGE(REASON_SENDER)},
	{STAGE_CONTENT, 554, "Message rejected: Sending suspended for this account.", HOST(REASON_ACCOUNT)},
	{STAGE_CONTENT, 554, "Message rejected: Sending paused for this account. For more information, please check",
	 HOST(REASON_ACCOUNT)},
	{STAGE_MAIL, 530, "Authentication required", HOST(REASON_CREDENTIALS)},
	{STAGE_MAIL, 535, "Authentication Credentials Invalid", HOST(REASON_CREDENTIALS)},
	{STAGE_CONTENT, 454, "Throttling failure: Maximum sending rate exceeded.", SLOWS(SCOPE_DESTINATION)},
	{STAGE_CONTENT, 454, "Throttling failure: Daily message quota exceeded.", SLOWS(SCOPE_DESTINATION)},
	{STAGE_AUTH, 454, "4.7.0 Too many login attempts, please try again later. a-20020b.1 - gsmtp",
	 SLOWS(SCOPE_MAILBOX)},
	{STAGE_DATA, 550, "5.4.5 Daily user sending quota exceeded. a20si1.1 - gsmtp", DEFERS},
	{STAGE_RCPT, 450, "4.7.1 <b@example.net>: Recipient address rejected: Policy Rejection- Quota Exceeded.",
	 SLOWS(SCOPE_DESTINATION)},
	{STAGE_RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail at a rate that", DEFERS},
	{STAGE_CONTENT, 550, "The from address does not match a verified Sender Identity. Mail cannot be sent until",
	 MESSAGE(REASON_SENDER)},
	{STAGE_MAIL, 451, "Authentication failed: Maximum credits exceeded", HOST(REASON_ACCOUNT)},
	/* Greetings that refuse. */
	{STAGE_GREETING, 554, "IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact (BL)",
	 HOST(REASON_NOT_ACCEPTED)},
	{STAGE_GREETING, 554,
	 "mx.example.net Nemesis ESMTP Service not available\nNo SMTP service\nIP address is black "
	 "listed",
	 HOST(REASON_BLOCKED)},
	{STAGE_GREETING, 553,
	 "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in "
	 "Spamhaus's list",
	 HOST(REASON_BLOCKED)},
	{STAGE_GREETING, 521, "host does not accept mail", HOST(REASON_NOT_ACCEPTED)},
	{STAGE_GREETING, 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", SLOWS(SCOPE_HOST)},
	{STAGE_AUTH, 535, "5.7.8 Username and Password not accepted.", HOST(REASON_CREDENTIALS)},
	{STAGE_EHLO, 550, "Access denied", HOST(REASON_EHLO)},
	{STAGE_EHLO, 501, "5.5.4 Invalid domain name", HOST(REASON_EHLO)},
	{STAGE_STARTTLS, 0, "TLS is required, but the next hop does not offer STARTTLS", HOST(REASON_TLS)},
	{STAGE_CONNECT, 0, "cannot connect: Connection refused", DEFERS},
	{STAGE_CONTENT, 0, "timeout", DEFERS},
#undef HOST
#undef MESSAGE
#undef FAILS
#undef DEFERS
#undef SLOWS
};

static void test_replies(void)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct ruling found = judged(replies[i].stage, replies[i].code, replies[i].text);
		if (found.verdict != replies[i].verdict || found.scope != replies[i].scope ||
		    found.reason != replies[i].reason)
			fprintf(stderr, "%s %u %s: %d %d %s\n", stage_name(replies[i].stage), replies[i].code,
				replies[i].text, found.verdict, found.scope, reason_name(found.reason));
		CHECK_EQ(found.verdict, replies[i].verdict);
		CHECK_EQ(found.scope, replies[i].scope);
		CHECK_EQ(found.reason, replies[i].reason);
	}
}

/* Which refusals of a recipient say that there are too many for one transaction (RFC 5321 4.5.3.1.10). */
static void test_too_many(void)
{
	static const struct {
		enum stage stage;
		unsigned code;
		const char *text;
		bool too_many;
	} cases[] = {
		{STAGE_RCPT, 452, "4.5.3 Error: too many recipients", true},
		{STAGE_RCPT, 452, "4.5.3 Your message has more than 100 addressees", true},
		{STAGE_RCPT, 452, "Too many recipients received", true},
		{STAGE_RCPT, 552, "5.5.3 Maximum limit of 50 recipients reached", true},
		{STAGE_RCPT, 550, "5.5.3 Toomany", true},
		{STAGE_RCPT, 552, "Requested action aborted", true},
		{STAGE_RCPT, 452, "4.2.2 The mailbox is over quota", false},
		{STAGE_RCPT, 452, "4.3.1 Insufficient system storage", false},
		{STAGE_RCPT, 550, "5.1.1 No such user", false},
		{STAGE_RCPT, 250, "2.1.5 Not too many recipients", false},
		{STAGE_CONTENT, 452, "4.5.3 Too many recipients", false},
		{STAGE_MAIL, 452, "4.5.3 Too many messages sent", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ruling found = judged(cases[i].stage, cases[i].code, cases[i].text);
		CHECK_EQ(found.too_many, cases[i].too_many);
		if (cases[i].too_many)
			CHECK_EQ(found.verdict, VERDICT_DEFER);
	}
}

/* A destination's own rules come first, and each part of a rule narrows it. */
static void test_own_rules(void)
{
	static const struct verdict_range codes[] = {{550, 550}, {530, 530}};
	static const struct verdict_pattern custom = {.text = "*custom*"};
	static const struct verdict_rule list[] = {
		{.stages = STAGE_BIT(STAGE_MAIL),
		 .codes = codes,
		 .code_count = 1,
		 .texts = &custom,
		 .text_count = 1,
		 .action = ACTION_HOLD,
		 .scope = SCOPE_HOST,
		 .reason = REASON_ACCOUNT,
		 .own = {.say = "call them"}},
	};
	static const struct verdict_rule behind[] = {{.codes = codes, .code_count = 2, .action = ACTION_FAIL}};
	const struct verdict_rules last = {.rules = behind, .count = 1};
	const struct verdict_rules own = {.rules = list, .count = 1, .next = &last};
	struct verdict_fact fact = {STAGE_MAIL, 550, span_text("5.0.0 A Custom\n5.0.0 refusal")};
	struct ruling found = verdict_judge(&fact, &own);

	CHECK_EQ(found.verdict, VERDICT_HOLD);
	CHECK_STR(found.say, "call them");
	fact.stage = STAGE_RCPT;
	CHECK_EQ(verdict_judge(&fact, &own).verdict, VERDICT_FAIL);
	fact = (struct verdict_fact){STAGE_MAIL, 551, span_text("custom")};
	CHECK_EQ(verdict_judge(&fact, &own).verdict, VERDICT_FAIL);
	fact = (struct verdict_fact){STAGE_MAIL, 530, span_text("x")};
	CHECK_EQ(verdict_judge(&fact, &own).verdict, VERDICT_FAIL);
	CHECK_EQ(verdict_judge_lacking(&fact, NULL, VERDICT_LACKS_LOGIN).verdict, VERDICT_HOLD);
	/* What is accepted is accepted. */
	fact = (struct verdict_fact){STAGE_MAIL, 250, span_text("custom")};
	CHECK_EQ(verdict_judge(&fact, &own).verdict, VERDICT_SENT);
}

static void test_patterns(void)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} list[] = {
		{"", "", true},          {"", "a", false},
		{"*", "", true},         {"*", "anything", true},
		{"a", "A", true},        {"A*C", "abbc", true},
		{"A*C", "abbcd", false}, {"*ab*ab", "aabab", true},
		{"*ab*ab", "ab", false}, {"*aab*", "aaaab", true},
		{"**b**", "abc", true},  {"abc", "ab", false},
		{"*x", "", false},       {"*a b*", "1 a\tb 2", true},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (verdict_text_matches(list[i].pattern, span_text(list[i].text)) != list[i].matches)
			fprintf(stderr, "%s against %s\n", list[i].pattern, list[i].text);
		CHECK_EQ(verdict_text_matches(list[i].pattern, span_text(list[i].text)), list[i].matches);
	}
}

/* Built-in rules are of refusals, whole, and have something to say. */
static void test_rules_are_sound(void)
{
	for (size_t i = 0; i < verdict_builtin.count; i++) {
		const struct verdict_rule *rule = &verdict_builtin.rules[i];
		CHECK(rule->action != ACTION_SENT);
		CHECK((rule->action == ACTION_HOLD || rule->action == ACTION_SIGN_IN) == (rule->reason != REASON_NONE));
		CHECK(rule->code_count > 0 || rule->text_count > 0);
		for (size_t j = 0; j < rule->code_count; j++)
			CHECK(rule->codes[j].low >= 400 && rule->codes[j].high < 600);
		for (size_t j = 0; j < rule->enhanced_count; j++)
			CHECK(rule->enhanced[j].high >= rule->enhanced[j].low);
		for (size_t j = 0; j < rule->text_count; j++)
			CHECK(rule->texts[j].pairs ==
			      verdict_pairs(rule->texts[j].text, strlen(rule->texts[j].text), true));
	}
	/* Every reason has words for both who can do something and who waits. */
	for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
		const struct verdict_sentence *sentence = verdict_sentence(reason_name((enum verdict_reason)reason));
		CHECK(sentence && sentence->say && sentence->tell && sentence->check);
	}
	CHECK(!verdict_sentence("nothing"));
}

static void test_names(void)
{
	CHECK_STR(stage_name(STAGE_CONNECT), "connect");
	CHECK_STR(stage_name(STAGE_STARTTLS), "starttls");
	CHECK_STR(stage_name(STAGE_CONTENT), "content");
	CHECK_STR(stage_name(STAGE_QUIT), "quit");
	CHECK_STR(reason_name(REASON_NOT_ACCEPTED), "not_accepted");
	for (int a = 0; a < STAGES; a++) {
		for (int b = 0; b < a; b++)
			CHECK(strcmp(stage_name((enum stage)a), stage_name((enum stage)b)) != 0);
	}
}

/* One code, several causes: each has its own remedy. */
static void test_sentences(void)
{
	static const struct {
		enum stage stage;
		unsigned code;
		const char *text, *part;
	} said[] = {
		{STAGE_AUTH, 535,
		 "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
		 "for the tenant"},
		{STAGE_AUTH, 535,
		 "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
		 "for this mailbox"},
		{STAGE_AUTH, 535, "5.7.139 Authentication unsuccessful, basic authentication is disabled.", "`oauth`"},
		{STAGE_AUTH, 550, "5.7.30 Basic authentication is not supported for Client Submission.", "`oauth`"},
		{STAGE_AUTH, 535,
		 "5.7.139 Authentication unsuccessful, the request did not meet the criteria to be "
		 "authenticated successfully. Contact your administrator.",
		 "conditional-access"},
		{STAGE_AUTH, 535, "5.7.139 Authentication unsuccessful, the user credentials were incorrect.", "wrong"},
		{STAGE_AUTH, 535, "5.7.3 Authentication unsuccessful", "two hours"},
		{STAGE_AUTH, 501, "5.5.124 Invalid XOAUTH2 auth data", "one kind"},
		{STAGE_RCPT, 454, "4.7.0 Failed to establish appropriate TLS channel: Access Denied", "wants TLS"},
		{STAGE_CONTENT, 554, "5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException; Failed",
		 "Sent Items"},
		{STAGE_RCPT, 451, "4.4.62 Mail sent to the wrong Office 365 region. ATTR35.", "MX"},
		{STAGE_MAIL, 530, "5.7.57 Client not authenticated to send mail.", "connector"},
		{STAGE_CONTENT, 550, "5.7.68 TenantInboundAttribution; Direct Send not allowed", "RejectDirectSend"},
		{STAGE_RCPT, 550, "5.7.51 TenantInboundAttribution; There is a partner connector configured",
		 "connector"},
	};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		const struct verdict_fact fact = {said[i].stage, said[i].code, span_text(said[i].text)};
		struct ruling ruling = verdict_judge(&fact, NULL);
		CHECK_EQ(ruling.verdict, ruling.action == ACTION_SIGN_IN ? VERDICT_DEFER : VERDICT_HOLD);
		CHECK(ruling.say && strstr(ruling.say, said[i].part));
	}
}

/* What a host of strangers refuses nobody here can mend: the sender is to know, as the first digit says. */
static void test_strangers(void)
{
	static struct verdict_rule rule = {.action = ACTION_HOLD};
	static const struct verdict_rules own = {.rules = &rule, .count = 1};
	static const struct {
		enum stage stage;
		unsigned code;
		enum verdict verdict;
	} said[] = {{STAGE_MAIL, 550, VERDICT_FAIL},
		    {STAGE_RCPT, 451, VERDICT_DEFER},
		    {STAGE_GREETING, 554, VERDICT_DEFER}};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		const struct verdict_fact fact = {said[i].stage, said[i].code,
						  span_text("5.7.64 TenantAttribution; Relay Access Denied")};
		CHECK_EQ(verdict_judge_lacking(&fact, NULL, VERDICT_LACKS_HOLD).verdict, said[i].verdict);
		CHECK_EQ(verdict_judge_lacking(&fact, &own, VERDICT_LACKS_HOLD).verdict, VERDICT_HOLD);
	}
}

int main(void)
{
	RUN(test_sentences);
	RUN(test_strangers);
	RUN(test_table);
	RUN(test_every_code);
	RUN(test_replies);
	RUN(test_too_many);
	RUN(test_own_rules);
	RUN(test_patterns);
	RUN(test_rules_are_sound);
	RUN(test_names);
	return check_end();
}
