/*
 * core/tools/climb.c - see climb.h.
 */
#include "core/tools/climb.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/setup.h"
#include "core/tools/advice.h"
#include "core/tools/dial.h"
#include "core/tools/written.h"

enum { SECOND_LOOK_MS = 5000, ENDS_SOON_DAYS = 14, DAY_S = 24 * 3600 };

struct climb {
	struct ladder *ladder;
	const struct climb_target *target;
	struct dns_question name;
	struct ring_address address; /* that is connected to */
	struct setup setup;
	struct smtp_reply_parser parser;
	struct dial dial;
	bool looking; /* a second time, only to see what the host shows: no rungs */
	bool helo;    /* EHLO is not borne, perhaps */
};

static const char *name_for_tls(const struct climb_target *target)
{
	if (target->server_name)
		return target->server_name;
	/* An address is no server name (RFC 6066 3), but a certificate may be for one. */
	return target->numeric && !target->verified ? NULL : target->host;
}

/* ---- name and port ------------------------------------------------------------------------------------------ */

static bool find_addresses(struct climb *c, struct lookup *lookup)
{
	char text[ADDRESS_TEXT_SIZE], list[400] = "";
	size_t length = 0;
	int r;

	if (c->target->numeric) {
		c->name.addresses[0] = c->target->address;
		c->name.count = 1;
		return true;
	}
	c->name.name = c->target->host;
	c->name.port = c->target->port;
	c->name.whole = c->target->whole;
	r = lookup_name(lookup, &c->name);
	if (r < 0 || c->name.count == 0) {
		ladder_add(c->ladder, "name", RUNG_BROKEN, "%s: %s", c->target->host,
			   c->name.problem[0] ? c->name.problem : strerror(-r));
		advise_name(c->ladder, c->target->host, r);
		return false;
	}
	for (unsigned i = 0; i < c->name.count && length + ADDRESS_TEXT_SIZE < sizeof(list); i++) {
		address_text_format(&c->name.addresses[i], text);
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", i ? ", " : "", text);
	}
	ladder_add(c->ladder, "name", RUNG_OK, "%s", list);
	return true;
}

/* The first address that can be connected to, as the relay tries them. 0, or the last one's error. */
static int connect_any(struct climb *c, char *failures, size_t size)
{
	char text[ADDRESS_TEXT_SIZE];
	size_t length = 0;
	int r = -EHOSTUNREACH;

	failures[0] = '\0';
	for (unsigned i = 0; i < c->name.count; i++) {
		c->address = c->name.addresses[i];
		r = dial_connect(&c->dial, &c->address);
		if (r == 0)
			return 0;
		address_text_format_port(&c->address, text);
		if (length < size)
			length += (size_t)snprintf(failures + length, size - length, "%s%s: %s", length ? "; " : "",
						   text, c->dial.problem);
	}
	return r;
}

static bool reach(struct climb *c)
{
	static const uint16_t ports[] = {25, 465, 587, 2525, 443};
	enum { PORTS = sizeof(ports) / sizeof(ports[0]) };
	bool open[PORTS] = {false};
	char failures[500], text[ADDRESS_TEXT_SIZE];
	int r = connect_any(c, failures, sizeof(failures));

	address_text_format_port(&c->address, text);
	if (r == 0 && failures[0] == '\0') {
		ladder_add(c->ladder, "port", RUNG_OK, "connected to %s", text);
		return true;
	}
	if (r == 0) {
		ladder_add(c->ladder, "port", RUNG_WARNING, "connected to %s, but not to %s", text, failures);
		ladder_advise(c->ladder,
			      "the relay leaves alone for a while what does not answer, so this costs little; an "
			      "IPv6 address without IPv6 on this line is the usual reason.");
		return true;
	}
	dial_ports(&c->name.addresses[0], ports, PORTS, SECOND_LOOK_MS * CLOCK_NS_PER_MS, open);
	ladder_add(c->ladder, "port", RUNG_BROKEN, "%s", failures);
	advise_port(c->ladder, c->target->port, r, ports, open, PORTS);
	return false;
}

/* ---- certificates ------------------------------------------------------------------------------------------- */

static void tell_certificate(struct climb *c, const struct tls_certificate_text *shown)
{
	int64_t left = shown->not_after - time(NULL);
	char until[16];
	bool soon = left < (int64_t)ENDS_SOON_DAYS * DAY_S;

	ladder_add(c->ladder, "certificate", c->target->verified ? soon ? RUNG_WARNING : RUNG_OK : RUNG_NOTE,
		   "%s for %s, until %s, by %s%s", shown->subject, shown->names, written_day(shown->not_after, until),
		   shown->issuer, c->target->verified ? "" : "; it was not verified");
	if (c->target->verified && soon)
		ladder_advise(c->ladder, "it ends in %d days: if the host is yours, renew it.", (int)(left / DAY_S));
	else if (!c->target->verified)
		ladder_advise(c->ladder, "with `mode: verify` nobody can take this host's place.");
}

static bool converse(struct climb *c);

/* What the host shows, by another connection of which nothing else becomes. */
static struct tls_certificate_text *second_look(struct climb *c, size_t *count)
{
	const char *name = name_for_tls(c->target);
	struct tls_certificate_text *shown = NULL;

	*count = 0;
	dial_close(&c->dial);
	c->dial.wait_ns = SECOND_LOOK_MS * CLOCK_NS_PER_MS;
	c->looking = true;
	if (c->target->bare && dial_connect(&c->dial, &c->address) == 0 && converse(c))
		shown = tls_peer_certificates(c->dial.tls, name ? name : c->target->host, count);
	dial_close(&c->dial);
	return shown;
}

static void tell_handshake_failed(struct climb *c, int error)
{
	char problem[sizeof(c->dial.problem)];
	struct tls_certificate_text *shown = NULL;
	size_t count = 0;
	bool certificate;

	memcpy(problem, c->dial.problem, sizeof(problem));
	certificate = error == -EPROTO && strncmp(problem, "certificate", 11) == 0;
	if (certificate)
		shown = second_look(c, &count);
	if (shown)
		ladder_add(c->ladder, "certificate", RUNG_BROKEN, "%s; the host shows %s for %s, by %s", problem,
			   shown[0].subject, shown[0].names[0] ? shown[0].names : "no host", shown[0].issuer);
	else
		ladder_add(c->ladder, certificate ? "certificate" : "TLS", RUNG_BROKEN, "%s", problem);
	advise_tls(c->ladder, problem, c->target->implicit, shown, count);
	free(shown);
}

/* False: it has none of those that it is to have, and that is told. */
static bool pinned(struct climb *c)
{
	const struct config_words *wanted = c->target->fingerprints;
	const struct tls_evidence *evidence = tls_session_evidence(c->dial.tls);
	char certificate[TLS_FINGERPRINT_TEXT], key[TLS_FINGERPRINT_TEXT];

	for (size_t i = 0; wanted && i < wanted->count; i++) {
		if (tls_evidence_is(evidence, wanted->list[i]))
			return true;
	}
	if (!wanted || wanted->count == 0)
		return true;
	tls_fingerprint_text(evidence->certificate, certificate);
	tls_fingerprint_text(evidence->key, key);
	ladder_add(c->ladder, "certificate", RUNG_BROKEN,
		   "it has none of the configured fingerprints: it is %s, its key %s", certificate, key);
	ladder_advise(c->ladder, "ask who runs the host whether that is theirs; if so, write one of the two into "
				 "tls.fingerprints.");
	return false;
}

static bool secure(struct climb *c)
{
	const char *name = name_for_tls(c->target);
	struct tls_certificate_text *shown;
	struct tls_info info;
	size_t count;
	int r = dial_secure(&c->dial, c->looking ? c->target->bare : c->target->context, name);

	if (c->looking)
		return r == 0;
	if (r < 0) {
		tell_handshake_failed(c, r);
		return false;
	}
	tls_session_info(c->dial.tls, &info);
	ladder_add(c->ladder, "TLS", RUNG_OK, "%s, %s%s%s", info.version, info.cipher, info.group[0] ? ", " : "",
		   info.group);
	if (!pinned(c))
		return false;
	shown = tls_peer_certificates(c->dial.tls, name ? name : c->target->host, &count);
	if (shown)
		tell_certificate(c, &shown[0]);
	free(shown);
	return true;
}

/* ---- the dialogue ------------------------------------------------------------------------------------------- */

static const char *rung_of(enum stage stage)
{
	switch (stage) {
	case STAGE_GREETING:
		return "greeting";
	case STAGE_EHLO:
		return "EHLO";
	case STAGE_STARTTLS:
		return "STARTTLS";
	case STAGE_AUTH:
		return "AUTH";
	case STAGE_MAIL:
		return "MAIL FROM";
	case STAGE_RCPT:
		return "RCPT TO";
	case STAGE_DATA:
		return "DATA";
	default:
		return "test mail";
	}
}

/* Whether the port that is silent in clear answers to TLS. */
static bool tls_at_once(struct climb *c)
{
	bool yes;

	dial_close(&c->dial);
	c->dial.wait_ns = SECOND_LOOK_MS * CLOCK_NS_PER_MS;
	yes = c->target->bare && dial_connect(&c->dial, &c->address) == 0 &&
	      dial_secure(&c->dial, c->target->bare, name_for_tls(c->target)) == 0;
	dial_close(&c->dial);
	return yes;
}

/* False: there is none, and why is told. */
static bool hear(struct climb *c, enum stage stage, struct smtp_extensions *extensions, size_t *behind)
{
	int r = dial_reply(&c->dial, &c->parser, extensions, behind);

	if (r == 0 || c->looking)
		return r == 0;
	if (r == -ECONNRESET && stage == STAGE_EHLO && setup_helo_may_do(&c->setup)) {
		c->helo = true;
		ladder_add(c->ladder, "EHLO", RUNG_WARNING, "%s; tried again with HELO, as the relay does",
			   c->dial.problem);
		return false;
	}
	if (r == -EPROTO) {
		/* In TLS 1.3 the host's verdict on our certificate comes behind the handshake. */
		ladder_add(c->ladder, "TLS", RUNG_BROKEN, "%s", c->dial.problem);
		advise_tls(c->ladder, c->dial.problem, false, NULL, 0);
		return false;
	}
	if (r == -EBADMSG)
		ladder_add(c->ladder, rung_of(stage), RUNG_BROKEN, "%s: %.*s", c->dial.problem, c->parser.text_length,
			   c->parser.text);
	else
		ladder_add(c->ladder, rung_of(stage), RUNG_BROKEN, "%s", c->dial.problem);
	if (r == -ECONNRESET && stage == STAGE_EHLO && c->dial.secured && c->target->certificate)
		ladder_advise(c->ladder,
			      "it ends as soon as it has seen the relay's own certificate: look at that one's dates "
			      "and chain, and whether this host asks for one at all.");
	else if (r == -ECONNRESET && stage == STAGE_GREETING)
		ladder_advise(c->ladder,
			      "the host hangs up without a word: it does not want connections from this machine's "
			      "address, or has too many at the moment.");
	else
		advise_silence(c->ladder, stage, c->target->implicit,
			       stage == STAGE_GREETING && !c->target->implicit && tls_at_once(c));
	return false;
}

static struct sasl_login login_of(const struct climb *c)
{
	return (struct sasl_login){
		.user = c->target->user,
		.secret = c->target->secret,
		.host = span_text(c->target->host),
		.port = c->target->port,
	};
}

static void tell_reply(struct climb *c, enum stage stage)
{
	const struct smtp_reply_parser *p = &c->parser;

	if (c->looking)
		return;
	if (stage == STAGE_AUTH) {
		ladder_add(c->ladder, "AUTH", RUNG_OK, "%s as %.*s: %u %.*s", sasl_name(c->setup.sasl.mechanism),
			   (int)c->target->user.length, c->target->user.data, p->code, p->text_length, p->text);
		return;
	}
	ladder_add(c->ladder, rung_of(stage), RUNG_OK, "%u %.*s", p->code, p->text_length, p->text);
}

/* A server may repeat what it was sent. */
static void tell_login_refused(struct climb *c, const struct setup_next *next)
{
	struct smtp_reply_parser *p = &c->parser;
	struct sasl_login login = login_of(c);
	struct sasl *sasl = &c->setup.sasl;

	if (!next->by_reply) {
		ladder_add(c->ladder, "AUTH", RUNG_BROKEN, "%s", next->why);
		ladder_advise(c->ladder,
			      "the EHLO above shows what it offers: it may be the wrong host or port, or another "
			      "`mechanism` is needed.");
		return;
	}
	sasl_conceal(sasl, &login, p->text, p->text_length);
	sasl_conceal(sasl, &login, sasl->challenge, strlen(sasl->challenge));
	ladder_add(c->ladder, "AUTH", RUNG_BROKEN, "%s as %.*s: %u %.*s%s%s", sasl_name(sasl->mechanism),
		   (int)c->target->user.length, c->target->user.data, p->code, p->text_length, p->text,
		   sasl->challenge[0] ? "; before: " : "", sasl->challenge);
	advise_reply(c->ladder, STAGE_AUTH, p->code, p->text, p->text_length);
}

static void tell_refused(struct climb *c, const struct setup_next *next)
{
	const struct smtp_reply_parser *p = &c->parser;

	if (c->looking)
		return;
	if (next->stage == STAGE_AUTH) {
		tell_login_refused(c, next);
		return;
	}
	if (next->helo) {
		c->helo = true;
		ladder_add(c->ladder, "EHLO", RUNG_WARNING, "%u %.*s; tried again with HELO, as the relay does",
			   p->code, p->text_length, p->text);
		return;
	}
	if (next->by_reply) {
		ladder_add(c->ladder, rung_of(next->stage), RUNG_BROKEN, "%u %.*s", p->code, p->text_length, p->text);
		advise_reply(c->ladder, next->stage, p->code, p->text, p->text_length);
		return;
	}
	ladder_add(c->ladder, rung_of(next->stage), RUNG_BROKEN, "%s", next->why);
	/* It is the last reply to EHLO that lacks something. */
	if (!advise_rewritten(c->ladder, p->text, p->text_length))
		advise_reply(c->ladder, next->stage, 0, next->why, strlen(next->why));
}

/* What it may say is in its reply. The line of a login is a secret. */
static void send_line(struct climb *c, struct setup_next *next)
{
	(void)dial_send(&c->dial, next->line, next->length);
	explicit_bzero(next->line, next->length);
}

/* From the connected socket until mail may be sent, or TLS stands if that is all that is wanted. */
static bool talk(struct climb *c)
{
	const struct climb_target *target = c->target;
	struct setup_terms terms = {
		.hostname = target->hostname,
		.tls = target->tls,
		.tls_if_offered = target->tls_if_offered,
		.implicit = target->implicit,
		.ignored = target->ignored,
		.helo = c->helo,
		.mechanism_count = c->looking ? 0 : target->mechanism_count,
	};
	struct setup_next next = {.length = 0};
	struct sasl_login login = login_of(c);
	enum setup_go go;
	size_t behind;

	if (terms.mechanism_count > 0)
		memcpy(terms.mechanisms, target->mechanisms, terms.mechanism_count);
	go = setup_begin(&c->setup, &terms);
	for (;;) {
		enum stage stage;
		if (go == SETUP_LOGIN)
			go = setup_login(&c->setup, &login, &next);
		switch (go) {
		case SETUP_SECURE:
			if (!secure(c))
				return false;
			if (c->looking)
				return true;
			go = setup_secured(&c->setup, &next);
			continue;
		case SETUP_SAY:
			send_line(c, &next);
			break;
		case SETUP_LISTEN:
			break;
		case SETUP_DONE:
			if (target->tls_if_offered && !c->setup.secured)
				ladder_add(c->ladder, "STARTTLS", RUNG_WARNING, "%s: mail goes in clear",
					   c->setup.tls_refused ? "refused" : "not offered");
			return true;
		default:
			tell_refused(c, &next);
			return false;
		}
		stage = setup_stage(&c->setup);
		if (!hear(c, stage, setup_collects(&c->setup), &behind))
			return false;
		if (c->parser.code < 300)
			tell_reply(c, stage);
		go = setup_reply(&c->setup, &c->parser, behind, &next);
	}
}

static bool converse(struct climb *c)
{
	if (talk(c))
		return true;
	if (!c->helo)
		return false;
	dial_close(&c->dial);
	if (dial_connect(&c->dial, &c->address) == 0)
		return talk(c);
	ladder_add(c->ladder, "port", RUNG_BROKEN, "%s", c->dial.problem);
	return false;
}

/* ---- mail --------------------------------------------------------------------------------------------------- */

/* A command and its reply as a rung. False: refused, or the connection is gone. */
__attribute__((format(printf, 4, 5))) static bool say(struct climb *c, enum stage stage, unsigned wanted,
						      const char *format, ...)
{
	char line[700];
	size_t behind;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 2, format, arguments);
	va_end(arguments);
	assert(length > 0 && (size_t)length < sizeof(line) - 2); /* addresses are bounded by who gave them */
	memcpy(line + length, "\r\n", 2);
	(void)dial_send(&c->dial, line, (size_t)length + 2); /* if that fails, so does the reply */
	if (!hear(c, stage, NULL, &behind))
		return false;
	if (c->parser.code / 100 == wanted)
		return true;
	ladder_add(c->ladder, rung_of(stage), RUNG_BROKEN, "%u %.*s", c->parser.code, c->parser.text_length,
		   c->parser.text);
	advise_reply(c->ladder, stage, c->parser.code, c->parser.text, c->parser.text_length);
	return false;
}

static bool send_content(struct climb *c)
{
	const struct climb_target *t = c->target;
	char date[64] = "", content[2000];
	time_t now = time(NULL);
	struct tm tm;
	size_t behind;
	int length;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &tm));
	length = snprintf(content, sizeof(content),
			  "From: <%s>\r\nTo: <%s>\r\nSubject: Test mail of postrider\r\nDate: %s\r\n"
			  "Message-ID: <%" PRIx64 ".doctor@%s>\r\nMIME-Version: 1.0\r\n"
			  "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
			  "This is a test: \"postrider doctor\" on %s sent it by %s.\r\n"
			  "That you read it says that this way works.\r\n.\r\n",
			  t->from, t->to, date, clock_wall_ns(), t->hostname, t->hostname, c->ladder->target);
	(void)dial_send(&c->dial, content, (size_t)length);
	if (!hear(c, STAGE_CONTENT, NULL, &behind))
		return false;
	if (c->parser.code / 100 != 2) {
		ladder_add(c->ladder, "test mail", RUNG_BROKEN, "%u %.*s", c->parser.code, c->parser.text_length,
			   c->parser.text);
		advise_reply(c->ladder, STAGE_CONTENT, c->parser.code, c->parser.text, c->parser.text_length);
		return false;
	}
	ladder_add(c->ladder, "test mail", RUNG_OK, "%u %.*s", c->parser.code, c->parser.text_length, c->parser.text);
	ladder_advise(c->ladder, "it was taken; look whether it arrives at %s, in the junk folder, too.", t->to);
	return true;
}

static bool try_mail(struct climb *c)
{
	const struct climb_target *t = c->target;

	if (!t->mail)
		return true;
	if (!t->from) {
		ladder_add(c->ladder, "MAIL FROM", RUNG_NOTE,
			   "not tried: say --from ADDRESS, or --send ADDRESS for a test "
			   "mail");
		return true;
	}
	if (!say(c, STAGE_MAIL, 2, "MAIL FROM:<%s>", t->from))
		return false;
	ladder_add(c->ladder, "MAIL FROM", RUNG_OK, "<%s>: %u %.*s", t->from, c->parser.code, c->parser.text_length,
		   c->parser.text);
	if (!t->to)
		return say(c, STAGE_MAIL, 2, "RSET");
	if (!say(c, STAGE_RCPT, 2, "RCPT TO:<%s>", t->to))
		return false;
	ladder_add(c->ladder, "RCPT TO", RUNG_OK, "<%s>: %u %.*s", t->to, c->parser.code, c->parser.text_length,
		   c->parser.text);
	return say(c, STAGE_DATA, 3, "DATA") && send_content(c);
}

bool climb(struct ladder *ladder, struct lookup *lookup, const struct climb_target *target)
{
	struct climb *c = calloc(1, sizeof(*c));
	bool ok;

	if (!c) {
		ladder_add(ladder, "name", RUNG_BROKEN, "out of memory");
		return false;
	}
	c->ladder = ladder;
	c->target = target;
	dial_init(&c->dial, target->wait_ns);
	ok = find_addresses(c, lookup) && reach(c) && converse(c) && try_mail(c);
	if (ok)
		(void)dial_send(&c->dial, "QUIT\r\n", 6);
	dial_close(&c->dial);
	free(c);
	return ok;
}
