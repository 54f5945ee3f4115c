/*
 * core/trace/postfix.c - see postfix.h.
 */
#include "core/trace/postfix.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/smtp/enhanced.h"
#include "core/trace/plain.h"

/* An event's texts have 512 octets at most. */
enum { LINE_MAX_OCTETS = 8192 };

/* What would end the place that a text stands in. */
#define IN_ANGLES "<>"
#define IN_WORD "<>[](), ="

struct line {
	const struct fact *fact;
	const struct postfix_style *style;
	postfix_line_fn *emit;
	void *context;
	size_t length;
	char text[LINE_MAX_OCTETS];
};

/* ---- one line --------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *format, ...)
{
	size_t room = sizeof(l->text) - l->length;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(l->text + l->length, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		l->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_plain(struct line *l, struct span text, const char *without)
{
	l->length += plain_copy(l->text + l->length, sizeof(l->text) - l->length - 1, text, without);
}

static void put_text(struct line *l, enum fact_text which, const char *without)
{
	put_plain(l, l->fact->text[which], without);
}

static void begin(struct line *l, uint64_t time_ms, const char *program)
{
	time_t seconds = (time_t)(time_ms / 1000);
	char stamp[32] = "Jan  1 00:00:00";
	struct tm parts;

	if (l->style->utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) {
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		snprintf(stamp, sizeof(stamp), "%.3s %2d %02d:%02d:%02d", months + 3 * (parts.tm_mon % 12),
			 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
	}
	l->length = 0;
	put(l, "%s ", stamp);
	put_plain(l, span_text(l->style->hostname), IN_WORD);
	put(l, " postfix/%s[%lu]: ", program, l->style->pid);
}

static void put_id(struct line *l)
{
	char id[MESSAGE_ID_TEXT];

	message_id_text(l->fact->id, id);
	put(l, "%.*s: ", MESSAGE_ID_TEXT, id);
}

static void put_client(struct line *l)
{
	put(l, "unknown[");
	put_text(l, FACT_PEER, IN_WORD);
	put(l, "]");
}

static void end(struct line *l)
{
	l->emit(l->context, l->text, l->length);
}

/* ---- what comes in ---------------------------------------------------------------------------------------------- */

static void accepted(struct line *l)
{
	begin(l, l->fact->time_ms, "smtpd");
	put_id(l);
	put(l, "client=");
	put_client(l);
	if (fact_has(l->fact, FACT_USER)) {
		put(l, ", sasl_method=LOGIN, sasl_username=");
		put_text(l, FACT_USER, IN_WORD);
	}
	end(l);
	begin(l, l->fact->time_ms, "cleanup");
	put_id(l);
	put(l, "message-id=");
	put_text(l, FACT_MESSAGE_ID, NULL);
	end(l);
	begin(l, l->fact->time_ms, "qmgr");
	put_id(l);
	put(l, "from=<");
	put_text(l, FACT_SENDER, IN_ANGLES);
	put(l, ">, size=%" PRIu64 ", nrcpt=%" PRIu64 " (queue active)", l->fact->number[FACT_OCTETS],
	    l->fact->number[FACT_RECIPIENTS]);
	end(l);
}

static bool is(struct span text, const char *word)
{
	return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

/* "RCPT"; what is no command has a name of its own with Postfix, too. */
static void put_stage(struct line *l)
{
	struct span stage = l->fact->text[FACT_STAGE];

	if (is(stage, "content")) {
		put(l, "END-OF-MESSAGE");
	} else if (is(stage, "greeting") || stage.length == 0) {
		put(l, "CONNECT");
	} else {
		for (uint32_t i = 0; i < stage.length && i < 16; i++) {
			char c = stage.data[i];
			put(l, "%c", c >= 'a' && c <= 'z' ? c - 32 : '?');
		}
	}
}

/* Where "550 5.7.1 " ends. */
static uint32_t behind_codes(struct span reply)
{
	uint32_t n = 0;

	for (int words = 0; words < 2; words++) {
		uint32_t at = n;
		while (at < reply.length && ((reply.data[at] >= '0' && reply.data[at] <= '9') || reply.data[at] == '.'))
			at++;
		if (at == n || at == reply.length || reply.data[at] != ' ')
			break;
		n = at + 1;
	}
	return n;
}

/* Filters look for Postfix's words: that of a stranger who wants to relay is said as Postfix says it. */
static void put_refusal(struct line *l)
{
	static const char relaying[] = "Relaying not permitted";
	struct span reply = fact_has(l->fact, FACT_REPLY) ? l->fact->text[FACT_REPLY] : span_text("");
	uint32_t n = behind_codes(reply);
	struct span words = {reply.data + n, reply.length - n};
	bool recipient = is(l->fact->text[FACT_STAGE], "rcpt") && fact_has(l->fact, FACT_RECIPIENT);
	bool sender = is(l->fact->text[FACT_STAGE], "mail") && fact_has(l->fact, FACT_SENDER);

	put_plain(l, (struct span){reply.data, n}, NULL);
	if (recipient || sender) {
		put(l, "<");
		put_text(l, recipient ? FACT_RECIPIENT : FACT_SENDER, IN_ANGLES);
		put(l, ">: ");
	}
	if (words.length >= sizeof(relaying) - 1 && memcmp(words.data, relaying, sizeof(relaying) - 1) == 0) {
		put(l, "Relay access denied");
		return;
	}
	if (recipient || sender)
		put(l, "%s address rejected: ", recipient ? "Recipient" : "Sender");
	put_plain(l, words, ";");
}

static void refused(struct line *l)
{
	begin(l, l->fact->time_ms, "smtpd");
	put(l, "NOQUEUE: reject: ");
	put_stage(l);
	put(l, " from ");
	put_client(l);
	put(l, ": ");
	put_refusal(l);
	put(l, ";");
	if (fact_has(l->fact, FACT_SENDER)) {
		put(l, " from=<");
		put_text(l, FACT_SENDER, IN_ANGLES);
		put(l, ">");
	}
	if (fact_has(l->fact, FACT_RECIPIENT)) {
		put(l, " to=<");
		put_text(l, FACT_RECIPIENT, IN_ANGLES);
		put(l, ">");
	}
	put(l, " proto=ESMTP");
	end(l);
}

static void not_stored(struct line *l)
{
	begin(l, l->fact->time_ms, "smtpd");
	put(l, "NOQUEUE: reject: END-OF-MESSAGE from ");
	put_client(l);
	put(l, ": 452 4.3.1 ");
	put_text(l, FACT_ERROR, ";");
	put(l, "; from=<");
	put_text(l, FACT_SENDER, IN_ANGLES);
	put(l, "> proto=ESMTP");
	end(l);
}

static void sign_in_refused(struct line *l)
{
	struct span mechanism = l->fact->text[FACT_MECHANISM];

	begin(l, l->fact->time_ms, "smtpd");
	put(l, "warning: ");
	put_client(l);
	put(l, ": SASL ");
	put_plain(l, mechanism.length > 0 ? mechanism : span_text("LOGIN"), IN_WORD);
	put(l, " authentication failed: ");
	put_text(l, FACT_REASON, IN_WORD);
	if (l->fact->text[FACT_USER].length > 0) {
		put(l, ", sasl_username=");
		put_text(l, FACT_USER, IN_WORD);
	}
	end(l);
}

static void handshake_failed(struct line *l)
{
	begin(l, l->fact->time_ms, "smtpd");
	put(l, "SSL_accept error from ");
	put_client(l);
	put(l, ": ");
	put_text(l, FACT_ERROR, NULL);
	end(l);
}

static void session(struct line *l)
{
	uint64_t ms = l->fact->number[FACT_MS], commands = l->fact->number[FACT_COMMANDS];
	uint64_t errors = l->fact->number[FACT_ERRORS];

	begin(l, l->fact->time_ms > ms ? l->fact->time_ms - ms : 0, "smtpd");
	put(l, "connect from ");
	put_client(l);
	end(l);
	if (is(l->fact->text[FACT_REASON], "too many errors")) {
		begin(l, l->fact->time_ms, "smtpd");
		put(l, "too many errors after ");
		put_stage(l);
		put(l, " from ");
		put_client(l);
		end(l);
	}
	begin(l, l->fact->time_ms, "smtpd");
	put(l, "disconnect from ");
	put_client(l);
	if (errors > 0 && errors <= commands)
		put(l, " commands=%" PRIu64 "/%" PRIu64, commands - errors, commands);
	else
		put(l, " commands=%" PRIu64, commands);
	end(l);
}

/* ---- what goes out ---------------------------------------------------------------------------------------------- */

/* "mail.example.org:25" as mail.example.org[unknown]:25; what is an address is in the brackets as well. */
static void put_relay(struct line *l)
{
	struct span host = l->fact->text[FACT_HOST];
	const char *colon = host.length ? memrchr(host.data, ':', host.length) : NULL;
	struct span name = {host.data, colon ? (uint32_t)(colon - host.data) : host.length};
	struct span port = {colon ? colon + 1 : "", colon ? host.length - name.length - 1 : 0};
	bool numeric = true;

	if (host.length == 0) {
		put(l, "none");
		return;
	}
	if (name.length > 2 && name.data[0] == '[' && name.data[name.length - 1] == ']')
		name = (struct span){name.data + 1, name.length - 2};
	for (uint32_t i = 0; i < name.length; i++)
		numeric &= (name.data[i] >= '0' && name.data[i] <= '9') || name.data[i] == '.' || name.data[i] == ':' ||
			   (name.data[i] >= 'a' && name.data[i] <= 'f' && memchr(name.data, ':', name.length));
	put_plain(l, name, IN_WORD);
	put(l, "[");
	put_plain(l, numeric ? name : span_text("unknown"), IN_WORD);
	put(l, "]:");
	put_plain(l, port.length > 0 ? port : span_text("25"), IN_WORD);
}

/* How the mail of one recipient stands. */
struct outcome {
	struct span recipient, result, reply;
	uint64_t code;
};

static const char *status_of(struct span result)
{
	if (is(result, "delivered"))
		return "sent";
	return is(result, "failed") || is(result, "expired") ? "bounced" : "deferred";
}

static void put_dsn(struct line *l, const struct outcome *o)
{
	uint32_t enhanced = o->reply.length > 0 ? smtp_enhanced_code((unsigned)o->code, o->reply) : 0;

	if (is(o->result, "expired"))
		put(l, "4.4.7");
	else if (enhanced != 0)
		put(l, "%u.%u.%u", smtp_enhanced_class(enhanced), smtp_enhanced_subject(enhanced),
		    smtp_enhanced_detail(enhanced));
	else if (o->code >= 200 && o->code < 600)
		put(l, "%u.0.0", (unsigned)o->code / 100);
	else
		put(l, is(o->result, "failed") ? "5.0.0" : is(o->result, "delivered") ? "2.0.0" : "4.4.2");
}

static void put_said(struct line *l, const struct outcome *o)
{
	bool sent = is(o->result, "delivered");

	put(l, " (");
	if (!sent && o->code > 0 && l->fact->text[FACT_HOST].length > 0) {
		put(l, "host ");
		put_relay(l);
		put(l, " said: ");
	}
	if (o->code > 0)
		put(l, "%" PRIu64 " ", o->code);
	put_plain(l, o->reply, NULL);
	put(l, ")");
}

static void put_seconds(struct line *l, uint64_t ms)
{
	put(l, "%" PRIu64 ".%02" PRIu64, ms / 1000, ms % 1000 / 10);
}

/* Of one attempt some were taken and others refused: the event's own words are of those. */
static struct outcome own_words(const struct outcome *o)
{
	struct outcome own = *o;

	if (is(o->result, "delivered") && o->code >= 300) {
		own.code = 0;
		own.reply = span_text("taken");
	}
	return own;
}

static void one_recipient(struct line *l, const struct outcome *as_told)
{
	const struct outcome own = own_words(as_told), *o = &own;
	uint64_t all = l->fact->number[FACT_QUEUED_MS], ms = l->fact->number[FACT_MS];

	begin(l, l->fact->time_ms, "smtp");
	put_id(l);
	put(l, "to=<");
	put_plain(l, o->recipient, IN_ANGLES);
	put(l, ">, relay=");
	put_relay(l);
	put(l, ", delay=");
	put_seconds(l, all > ms ? all : ms);
	put(l, ", delays=0/");
	put_seconds(l, all > ms ? all - ms : 0);
	put(l, "/0/");
	put_seconds(l, ms);
	put(l, ", dsn=");
	put_dsn(l, o);
	put(l, ", status=%s", status_of(o->result));
	put_said(l, o);
	end(l);
}

/* Of an attempt, or of what it was given up for. */
static void delivery(struct line *l)
{
	const struct fact *fact = l->fact;
	struct outcome o = {
		.recipient = fact->text[FACT_RECIPIENT],
		.result = fact->kind == FACT_EXPIRED ? span_text("expired") : fact->text[FACT_RESULT],
		.reply = fact->text[FACT_REPLY],
		.code = fact->number[FACT_CODE],
	};

	/* It goes again at once, and another line says what came of it. */
	if (is(o.result, "interrupted") || is(o.result, "other_path"))
		return;
	if (fact->result_count == 0 && fact_has(fact, FACT_RECIPIENT))
		one_recipient(l, &o);
	for (unsigned i = 0; i < fact->result_count; i++) {
		const struct fact_result *r = &fact->results[i];
		struct outcome own = o;
		own.recipient = r->recipient;
		own.result = r->result.data ? r->result : o.result;
		if (r->code > 0) {
			own.code = r->code;
			own.reply = r->reply;
		}
		one_recipient(l, &own);
	}
}

static void report(struct line *l)
{
	struct span sort = l->fact->text[FACT_SORT];
	char id[MESSAGE_ID_TEXT];

	if (l->fact->text[FACT_ABOUT].length != MESSAGE_ID_TEXT)
		return;
	message_id_text(l->fact->id, id);
	begin(l, l->fact->time_ms, "bounce");
	put_text(l, FACT_ABOUT, IN_WORD ":");
	put(l, ": sender %s notification: %.*s",
	    is(sort, "delayed")   ? "delay"
	    : is(sort, "relayed") ? "delivery status"
				  : "non-delivery",
	    MESSAGE_ID_TEXT, id);
	end(l);
}

static void host_failed(struct line *l)
{
	begin(l, l->fact->time_ms, "smtp");
	put(l, "connect to ");
	put_relay(l);
	put(l, ": ");
	put_text(l, FACT_REASON, NULL);
	end(l);
}

void postfix_lines(const struct fact *fact, const struct postfix_style *style, postfix_line_fn *emit, void *context)
{
	static void (*const writers[FACT_KINDS])(struct line *) = {
		[FACT_ACCEPTED] = accepted,
		[FACT_ATTEMPT] = delivery,
		[FACT_EXPIRED] = delivery,
		[FACT_REPORT] = report,
		[FACT_REFUSED] = refused,
		[FACT_NOT_STORED] = not_stored,
		[FACT_SIGN_IN_REFUSED] = sign_in_refused,
		[FACT_HANDSHAKE_FAILED] = handshake_failed,
		[FACT_SESSION] = session,
		[FACT_HOST_FAILED] = host_failed,
	};
	static const bool without_id[FACT_KINDS] = {
		[FACT_REFUSED] = true,          [FACT_NOT_STORED] = true, [FACT_SIGN_IN_REFUSED] = true,
		[FACT_HANDSHAKE_FAILED] = true, [FACT_SESSION] = true,    [FACT_HOST_FAILED] = true,
	};
	struct line l;

	l.fact = fact;
	l.style = style;
	l.emit = emit;
	l.context = context;
	if (writers[fact->kind] && (fact->has_id || without_id[fact->kind]))
		writers[fact->kind](&l);
}
