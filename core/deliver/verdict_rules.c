/*
 * core/deliver/verdict_rules.c - the built-in rules: replies whose first digit does not say what they mean for us.
 *
 * A refusal that speaks of this relay is a HOLD: its address, name, certificate, account or TLS, and what it may send
 * for. A refusal of this very message or recipient stays what its first digit says, whichever enhanced code it carries:
 * 5.7.1 alone tells nothing. Where a text may be either, the rule says SCOPE_MESSAGE, and only that message waits.
 * Texts are those of servers in use; tests/unit/test_verdict.c has whole replies of each.
 */
#include "core/deliver/verdict.h"
#include "core/smtp/enhanced.h"

enum {
	SET_UP = STAGE_BIT(STAGE_GREETING) | STAGE_BIT(STAGE_EHLO) | STAGE_BIT(STAGE_STARTTLS),
	ENVELOPE = STAGE_BIT(STAGE_MAIL) | STAGE_BIT(STAGE_RCPT) | STAGE_BIT(STAGE_DATA),
	TALK = ENVELOPE | STAGE_BIT(STAGE_CONTENT),
	BEFORE_CONTENT = SET_UP | ENVELOPE,
};

#define RECIPIENT .stages = STAGE_BIT(STAGE_RCPT)
/* Codes. */
#define REFUSED_4 .code_low = 400, .code_high = 499
#define REFUSED_5 .code_low = 500, .code_high = 599
#define REFUSED .code_low = 400, .code_high = 599
#define ENHANCED(class, subject, detail) .enhanced = SMTP_ENHANCED(class, subject, detail)
#define ENHANCED_TO(class, subject, detail) .enhanced_high = SMTP_ENHANCED(class, subject, detail)
/* What follows. */
#define HOLD_HOST(why) .action = ACTION_HOLD, .scope = SCOPE_HOST, .reason = (why)
#define HOLD_MESSAGE(why) .action = ACTION_HOLD, .scope = SCOPE_MESSAGE, .reason = (why)
#define DEFER .action = ACTION_DEFER
#define TOO_MANY .action = ACTION_DEFER, .too_many = true
#define FAIL .action = ACTION_FAIL

#define SAY_WANTS_TLS                                                                                                  \
	"the next hop wants TLS before it takes mail: set `tls: { mode: required }` or `verify` for the destination"
#define SAY_WANTS_LOGIN                                                                                                \
	"the next hop wants authentication before it takes mail: have its operator allow this relay by address or "    \
	"certificate, or send to a host that does"
#define SAY_CONNECTOR                                                                                                  \
	"Microsoft 365 finds no connector for this relay: a connector of the tenant must name this relay's address, "  \
	"or "                                                                                                          \
	"the domain of its client certificate (renewed under another name?), or the sender's domain must be an "       \
	"accepted domain there"

static const struct verdict_rule rules[] = {
	/* The sequence got lost, not the message. */
	{.code_low = 503, DEFER},
	{REFUSED_4, .text = "*greylist*", DEFER},
	{REFUSED_4, .text = "*graylist*", DEFER},

	/* RFC 5321 4.5.3.1.10, RFC 3463 3.6 (X.5.3): too many for one transaction. 452 alone may be a lack of room. */
	{RECIPIENT, REFUSED_4, ENHANCED(4, 5, 3), TOO_MANY},
	{RECIPIENT, REFUSED_5, ENHANCED(5, 5, 3), TOO_MANY},
	{RECIPIENT, REFUSED, .text = "*too many recipients*", TOO_MANY},
	{RECIPIENT, .code_low = 552, TOO_MANY},

	/* Limits by time: they pass by themselves. */
	{REFUSED_5, ENHANCED(5, 4, 5), DEFER},
	{REFUSED_5, .text = "*SubmissionQuotaExceeded*", DEFER},

	/* Of one recipient at Exchange, in words that elsewhere speak of the client ("authentication required"). */
	{.stages = TALK, REFUSED_5, .text = "*RESOLVER.*", FAIL},

	/* The sender, for whom this relay or its account may not send. */
	{.stages = TALK, REFUSED, ENHANCED(5, 7, 60), HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED, .text = "*send as this sender*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED, .text = "*SendAsDenied*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED, .text = "*not owned by user*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED, .text = "*sender address rejected: not logged in*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED_5, .text = "*email address is not verified*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED_5, .text = "*verified sender identity*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED_5, .text = "*is not authorized to perform*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED_5, .text = "*bad outbound sender*", HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 501), ENHANCED_TO(5, 7, 503), HOLD_MESSAGE(REASON_SENDER)},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 750), HOLD_MESSAGE(REASON_SENDER)},

	/* Relaying to this recipient; a relay that may send nowhere is refused so for all of them. */
	{.stages = ENVELOPE,
	 REFUSED,
	 .text = "*relay access denied*",
	 .enhanced = SMTP_ENHANCED(5, 7, 64),
	 HOLD_MESSAGE(REASON_CLIENT),
	 .say = SAY_CONNECTOR},
	{.stages = ENVELOPE, REFUSED, .text = "*relay access denied*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*relaying denied*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*relay not permitted*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*not permitted to relay*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*not allowed to relay*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*relaying*not allowed*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*relaying prohibited*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*unable to relay*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*we do not relay*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, .text = "*allowed rcpthosts*", HOLD_MESSAGE(REASON_RELAY)},
	{.stages = ENVELOPE, REFUSED, ENHANCED(5, 7, 54), HOLD_MESSAGE(REASON_RELAY)},
	{.stages = TALK, REFUSED, .text = "*mail relay denied*", HOLD_MESSAGE(REASON_CLIENT)},

	/* Policy about this sender or recipient, whatever words follow. */
	{.stages = TALK, REFUSED_5, .text = "*recipient address*", FAIL},
	{.stages = TALK, REFUSED_5, .text = "*sender address*", FAIL},
	{.stages = TALK, REFUSED_4, .text = "*recipient address*", DEFER},
	{.stages = TALK, REFUSED_4, .text = "*sender address*", DEFER},

	/* The name in EHLO. */
	{.stages = TALK, REFUSED_5, .text = "*helo command*rejected*", HOLD_HOST(REASON_EHLO)},
	{.stages = TALK, REFUSED_4, .text = "*helo command*rejected*", HOLD_MESSAGE(REASON_EHLO)},
	{.stages = TALK, REFUSED_5, .text = "*need fully-qualified hostname*", HOLD_HOST(REASON_EHLO)},
	{.stages = TALK, REFUSED_5, .text = "*invalid helo*", HOLD_HOST(REASON_EHLO)},
	{.stages = TALK, REFUSED_5, .text = "*invalid ehlo*", HOLD_HOST(REASON_EHLO)},
	{.stages = TALK, REFUSED_5, .text = "*bad helo*", HOLD_HOST(REASON_EHLO)},
	{.stages = TALK, REFUSED_5, .text = "*bad ehlo*", HOLD_HOST(REASON_EHLO)},
	{.stages = TALK, REFUSED_5, .text = "*helo name*", HOLD_HOST(REASON_EHLO)},

	/* TLS. */
	{.stages = STAGE_BIT(STAGE_STARTTLS),
	 REFUSED,
	 HOLD_HOST(REASON_TLS),
	 .say = "the next hop offers STARTTLS and then refuses it: its TLS is out of order, or it does not want this "
		"relay to use it; ask its operator"},
	{.stages = STAGE_BIT(STAGE_STARTTLS),
	 .text = "*does not offer STARTTLS*",
	 HOLD_HOST(REASON_TLS),
	 .say = "this destination is to be reached by TLS alone, and the next hop does not offer it: have its operator "
		"see to that, look at whether this is the right host and port, or decide what `tls` may be"},
	{REFUSED, .text = "*STARTTLS*required*", HOLD_HOST(REASON_TLS), .say = SAY_WANTS_TLS},
	{REFUSED, .text = "*must issue a STARTTLS*", HOLD_HOST(REASON_TLS), .say = SAY_WANTS_TLS},
	{.code_low = 530, .text = "*TLS*", HOLD_HOST(REASON_TLS), .say = SAY_WANTS_TLS},
	{.code_low = 523, HOLD_HOST(REASON_TLS), .say = SAY_WANTS_TLS},
	{.code_low = 538, HOLD_HOST(REASON_TLS), .say = SAY_WANTS_TLS},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 10), HOLD_HOST(REASON_TLS), .say = SAY_WANTS_TLS},
	{REFUSED, ENHANCED(4, 7, 66), HOLD_HOST(REASON_TLS)},
	{REFUSED, ENHANCED(5, 7, 66), HOLD_HOST(REASON_TLS)},

	/* Authentication. */
	{.code_low = 530, HOLD_HOST(REASON_CREDENTIALS), .say = SAY_WANTS_LOGIN},
	{.code_low = 534, .code_high = 535, HOLD_HOST(REASON_CREDENTIALS)},
	{REFUSED, ENHANCED(5, 7, 57), HOLD_HOST(REASON_CREDENTIALS), .say = SAY_WANTS_LOGIN},
	{REFUSED, ENHANCED(5, 7, 139), HOLD_HOST(REASON_CREDENTIALS)},
	{REFUSED_5, .text = "*basic authentication is not supported*", HOLD_HOST(REASON_CREDENTIALS)},
	{.stages = ENVELOPE,
	 REFUSED_5,
	 .text = "*authentication required*",
	 HOLD_MESSAGE(REASON_CREDENTIALS),
	 .say = SAY_WANTS_LOGIN},
	{.stages = ENVELOPE,
	 REFUSED_5,
	 .text = "*authentication is required*",
	 HOLD_MESSAGE(REASON_CREDENTIALS),
	 .say = SAY_WANTS_LOGIN},
	{.stages = ENVELOPE,
	 REFUSED_5,
	 .text = "*must authenticate*",
	 HOLD_MESSAGE(REASON_CREDENTIALS),
	 .say = SAY_WANTS_LOGIN},
	{.stages = ENVELOPE,
	 REFUSED_5,
	 .text = "*was not authenticated*",
	 HOLD_MESSAGE(REASON_CREDENTIALS),
	 .say = SAY_WANTS_LOGIN},

	/* The account. */
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 705), HOLD_HOST(REASON_ACCOUNT)},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 708), HOLD_HOST(REASON_ACCOUNT)},
	{.stages = TALK, REFUSED, .text = "*sending suspended for this account*", HOLD_HOST(REASON_ACCOUNT)},
	{.stages = TALK, REFUSED, .text = "*sending paused for this account*", HOLD_HOST(REASON_ACCOUNT)},
	{REFUSED, .text = "*maximum credits exceeded*", HOLD_HOST(REASON_ACCOUNT)},

	/* Whether this relay is known. With a connector the sender's domain may decide, so one message says little. */
	{.stages = TALK, REFUSED, ENHANCED(5, 7, 64), HOLD_MESSAGE(REASON_CLIENT), .say = SAY_CONNECTOR},
	{.stages = TALK, REFUSED, ENHANCED(5, 7, 51), HOLD_MESSAGE(REASON_CLIENT), .say = SAY_CONNECTOR},
	{.stages = TALK, REFUSED, ENHANCED(5, 7, 68), HOLD_MESSAGE(REASON_CLIENT), .say = SAY_CONNECTOR},
	{.stages = TALK, REFUSED, .text = "*TenantAttribution*", HOLD_MESSAGE(REASON_CLIENT), .say = SAY_CONNECTOR},
	{.stages = TALK,
	 REFUSED,
	 .text = "*TenantInboundAttribution*",
	 HOLD_MESSAGE(REASON_CLIENT),
	 .say = SAY_CONNECTOR},
	{.stages = ENVELOPE, REFUSED_5, .text = "*client host rejected*", HOLD_HOST(REASON_CLIENT)},
	{.stages = ENVELOPE, REFUSED_4, .text = "*client host rejected*", HOLD_MESSAGE(REASON_CLIENT)},
	{.stages = TALK, REFUSED_5, .text = "*invalid credentials for relay*", HOLD_HOST(REASON_CLIENT)},
	{.stages = TALK, REFUSED_5, .text = "*not authorized to send*directly*", HOLD_HOST(REASON_CLIENT)},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 25), HOLD_HOST(REASON_CLIENT)},
	{.stages = ENVELOPE, REFUSED, .text = "*reverse DNS*", HOLD_MESSAGE(REASON_CLIENT)},
	{.stages = ENVELOPE, REFUSED, .text = "*PTR record*", HOLD_MESSAGE(REASON_CLIENT)},

	/* Block lists. Behind the content a list may be one of links or domains, which speak of the message. */
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*client host*blocked*", HOLD_HOST(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_4, .text = "*client host*blocked*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 606), ENHANCED_TO(5, 7, 649), HOLD_HOST(REASON_BLOCKED)},
	{.stages = TALK, REFUSED_5, ENHANCED(5, 7, 511), HOLD_HOST(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*block list*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*blocklist*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*blacklist*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*black list*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*spamhaus*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT, REFUSED_5, .text = "*DNSBL*", HOLD_MESSAGE(REASON_BLOCKED)},
	{.stages = BEFORE_CONTENT,
	 REFUSED_5,
	 .text = "*connections will not be accepted from*",
	 HOLD_HOST(REASON_BLOCKED)},
	{.stages = TALK, REFUSED_5, .text = "*originating from your IP*", HOLD_MESSAGE(REASON_BLOCKED)},

	/* Before MAIL nothing speaks of a message. */
	{.stages = STAGE_BIT(STAGE_EHLO), REFUSED_5, HOLD_HOST(REASON_EHLO)},
	{.stages = STAGE_BIT(STAGE_GREETING), REFUSED_5, HOLD_HOST(REASON_NOT_ACCEPTED)},
};

const struct verdict_rules verdict_builtin = {rules, sizeof(rules) / sizeof(rules[0])};
