/*
 * core/smtp/report.c - see report.h.
 */
#include "core/smtp/report.h"

#include <assert.h>
#include <string.h>

#include "core/smtp/encoded_words.h"
#include "core/smtp/enhanced.h"
#include "core/smtp/header.h"
#include "core/smtp/report_octets.h"
#include "core/smtp/utf8.h"
#include "core/smtp/xtext.h"

enum {
	/* Of REPORT_ROOM: both lists of recipients. The header, what is returned (three octets for one where it has to
	 * be encoded) and the frame have the rest. */
	LISTS_ROOM = 120u << 10,
	FRAME_ROOM = 8u << 10,
	TITLE_MAX = 400, /* shown of a subject */
};
static_assert((int)LISTS_ROOM + (int)FRAME_ROOM + 4 * (int)REPORT_HEADER_MAX <= (int)REPORT_ROOM, "a header fits");
static_assert((int)LISTS_ROOM + (int)FRAME_ROOM + (int)REPORT_CONTENT_MAX <= (int)REPORT_ROOM, "a message fits");

static void put_id(struct report_octets *w, struct message_id id)
{
	char text[MESSAGE_ID_TEXT + 1];

	message_id_text(id, text);
	text[MESSAGE_ID_TEXT] = '\0';
	report_put(w, text);
}

static void put_date(struct report_octets *w, uint64_t wall_ns)
{
	char text[TRACE_DATE + 1];

	trace_date(wall_ns, text);
	text[TRACE_DATE] = '\0';
	report_put(w, text);
}

static void put_boundary(struct report_octets *w, struct message_id id)
{
	report_put(w, "=_report_");
	put_id(w, id);
}

static void put_status(struct report_octets *w, uint32_t status)
{
	report_put_number(w, smtp_enhanced_class(status));
	report_put(w, ".");
	report_put_number(w, smtp_enhanced_subject(status));
	report_put(w, ".");
	report_put_number(w, smtp_enhanced_detail(status));
}

static uint32_t status_of(const struct report_recipient *r)
{
	return report_status(r->action, r->code, r->text);
}

/* ---- what the report is about ------------------------------------------------------------------------------------ */

static bool any(const struct report_facts *f, enum report_action action)
{
	for (unsigned i = 0; i < f->recipient_count; i++) {
		if (f->recipients[i].action == action)
			return true;
	}
	return false;
}

/* Somebody else is told than who sent it. */
static bool instead(const struct report_facts *f)
{
	return f->sender.length != f->to.length || memcmp(f->sender.data, f->to.data, f->to.length) != 0;
}

static const char *subject_of(const struct report_facts *f)
{
	bool other = instead(f);

	if (any(f, REPORT_FAILED))
		return other ? "Mail of one of your devices could not be delivered"
			     : "Your message could not be delivered";
	if (any(f, REPORT_DELAYED))
		return other ? "Mail of one of your devices is delayed" : "Your message is delayed";
	return "Your message was handed on";
}

/* Of the message it is about, as people read it: most know their mail by that. */
static struct span title_of(const struct report_facts *f, char out[TITLE_MAX])
{
	char value[TITLE_MAX];
	size_t length =
		f->header.length ? header_value(f->header.data, f->header.length, "subject", value, TITLE_MAX) : 0;

	return (struct span){out, (uint32_t)encoded_words_read((struct span){value, (uint32_t)length}, out, TITLE_MAX)};
}

/* Something in a report's text needs more than ASCII: an address, an answer, or words of the configuration. */
static bool text_wide(const struct report_facts *f)
{
	char title[TITLE_MAX];

	if (utf8_needed(f->sender) || utf8_needed(f->client) || utf8_needed(title_of(f, title)))
		return true;
	for (unsigned i = 0; i < f->recipient_count; i++) {
		const struct report_recipient *r = &f->recipients[i];
		if (utf8_needed(r->address) || utf8_needed(r->text) || (r->say && utf8_needed(span_text(r->say))))
			return true;
	}
	return false;
}

/* ---- its header -------------------------------------------------------------------------------------------------- */

struct headline {
	struct span hostname, from, to;
	struct message_id id;
	uint64_t wall_ns;
	const char *subject, *submitted;
};

static void put_header(struct report_octets *w, const struct headline *h)
{
	report_put(w, "From: Mail delivery <");
	report_put_address(w, h->from, true);
	report_put(w, ">\nTo: <");
	report_put_address(w, h->to, true);
	report_put(w, ">\nSubject: ");
	report_put(w, h->subject);
	report_put(w, "\nDate: ");
	put_date(w, h->wall_ns);
	report_put(w, "\nMessage-ID: <");
	put_id(w, h->id);
	report_put(w, "@");
	report_put_address(w, h->hostname, true);
	/* RFC 3834: nobody's vacation answers it. */
	report_put(w, ">\nAuto-Submitted: ");
	report_put(w, h->submitted);
	report_put(w, "\nMIME-Version: 1.0\n");
}

/* So that it stands beside the message it is about. */
static void put_references(struct report_octets *w, struct span header)
{
	char id[200];
	size_t length = header.length ? header_value(header.data, header.length, "message-id", id, sizeof(id)) : 0;

	if (length < 5 || length == sizeof(id) || id[0] != '<' || id[length - 1] != '>')
		return;
	for (size_t i = 0; i < length; i++) {
		if (id[i] <= ' ' || id[i] >= 127)
			return;
	}
	report_put(w, "References: ");
	report_put_raw(w, id, length);
	report_put(w, "\n");
}

static void put_text_type(struct report_octets *w, bool wide)
{
	report_put(w, wide ? "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
			   : "Content-Type: text/plain; charset=us-ascii\n\n");
	w->quoted = wide;
}

/* ---- what people read -------------------------------------------------------------------------------------------- */

static const char *said_first(enum report_action action)
{
	switch (action) {
	case REPORT_FAILED:
		return "could not be delivered to:\n\n";
	case REPORT_DELAYED:
		return "has not been delivered yet to:\n\n";
	case REPORT_RELAYED:
		return "was handed on for:\n\n";
	}
	return "\n";
}

static void put_people(struct report_octets *w, const struct report_facts *f, enum report_action action)
{
	bool first = true;

	for (unsigned i = 0; i < f->recipient_count; i++) {
		const struct report_recipient *r = &f->recipients[i];
		if (r->action != action)
			continue;
		if (first) {
			report_put(w, instead(f) ? "A message " : "Your message ");
			report_put(w, said_first(action));
		}
		first = false;
		report_put(w, "  ");
		report_put_address(w, r->address, true);
		report_put(w, "\n    ");
		report_put_text(w, span_text(r->say ? r->say : report_sentence(action, status_of(r))), true, "    ");
		report_put(w, "\n\n");
	}
}

static void put_answer(struct report_octets *w, const struct report_recipient *r)
{
	report_put(w, "  ");
	report_put_address(w, r->address, true);
	report_put(w, ", ");
	report_put_number(w, r->attempts);
	report_put(w, r->attempts == 1 ? " attempt" : " attempts");
	if (r->stage) {
		report_put(w, ", at ");
		report_put(w, r->stage);
	}
	report_put(w, ":\n    ");
	if (r->code) {
		report_put_number(w, r->code);
		report_put(w, " ");
	}
	if (r->text.length)
		report_put_reply(w, r->text, true, "    ");
	else if (!r->code)
		report_put(w, "no answer is at hand");
	report_put(w, "\n");
}

/* Which of his messages, or of whose. */
static void put_which(struct report_octets *w, const struct report_facts *f)
{
	char room[TITLE_MAX];
	struct span title = title_of(f, room);

	if (instead(f)) {
		report_put(w, "It was sent by ");
		report_put_address(w, f->sender, true);
		report_put(w, "\non ");
	} else {
		report_put(w, "You sent it on ");
	}
	put_date(w, f->arrived_wall_ns);
	report_put(w, title.length ? ", with the subject:\n\n  " : ".\n\n");
	if (title.length) {
		report_put_text(w, title, true, "  ");
		report_put(w, "\n\n");
	}
}

static void put_text(struct report_octets *w, const struct report_facts *f)
{
	put_people(w, f, REPORT_FAILED);
	put_people(w, f, REPORT_DELAYED);
	put_people(w, f, REPORT_RELAYED);
	put_which(w, f);
	if (f->until_wall_ns && any(f, REPORT_DELAYED)) {
		report_put(w, "It is tried until ");
		put_date(w, f->until_wall_ns);
		report_put(w, ".\nIf it still cannot be delivered by then, you will be told.\n\n");
	}
	report_put(w, "This message was written by the mail relay ");
	report_put_address(w, f->hostname, true);
	report_put(w, ".\nThe rest of it is for whoever looks after your mail.\n\n");
	report_put(w, "Id of the message: ");
	put_id(w, f->about);
	report_put(w, "\nIt came: ");
	put_date(w, f->arrived_wall_ns);
	if (instead(f)) {
		report_put(w, "\nIts sender: ");
		report_put_address(w, f->sender, true);
		report_put(w, "\nIt was sent by: ");
		report_put_text(w, f->client, true, "  ");
	}
	report_put(w, "\n\nWhat was said:\n\n");
	for (unsigned i = 0; i < f->recipient_count; i++)
		put_answer(w, &f->recipients[i]);
}

/* ---- what programs read (RFC 3464) ------------------------------------------------------------------------------- */

/* xtext as what it says; as it stands where it is none. */
static void put_decoded(struct report_octets *w, struct span xtext)
{
	char decoded[512];
	size_t length;

	if (xtext_decode(xtext, decoded, sizeof(decoded), &length))
		report_put_text(w, (struct span){decoded, (uint32_t)length}, false, " ");
	else
		report_put_text(w, xtext, false, " ");
}

static void put_orcpt(struct report_octets *w, struct span orcpt, bool wide)
{
	const char *end = memchr(orcpt.data, ';', orcpt.length);
	uint32_t type = end ? (uint32_t)(end - orcpt.data) : 0;

	if (!end)
		return;
	report_put(w, "Original-Recipient: ");
	report_put_text(w, (struct span){orcpt.data, type}, false, " ");
	report_put(w, ";");
	/* utf-8-addr-xtext is what a report has as well (RFC 6533 3). */
	if (type == 5 && strncasecmp(orcpt.data, "utf-8", type) == 0)
		report_put_text(w, (struct span){end + 1, orcpt.length - type - 1}, wide, " ");
	else
		put_decoded(w, (struct span){end + 1, orcpt.length - type - 1});
	report_put(w, "\n");
}

static void put_final(struct report_octets *w, struct span address, bool wide)
{
	bool needed = utf8_needed(address);

	report_put(w, needed ? "Final-Recipient: utf-8;" : "Final-Recipient: rfc822;");
	if (needed && !wide)
		report_put_address_xtext(w, address);
	else
		report_put_address(w, address, wide);
	report_put(w, "\n");
}

static void put_recipient(struct report_octets *w, const struct report_facts *f, const struct report_recipient *r,
			  bool wide)
{
	static const char *const actions[] = {
		[REPORT_FAILED] = "failed", [REPORT_DELAYED] = "delayed", [REPORT_RELAYED] = "relayed"};

	report_put(w, "\n");
	put_orcpt(w, r->orcpt, wide);
	put_final(w, r->address, wide);
	report_put(w, "Action: ");
	report_put(w, actions[r->action]);
	report_put(w, "\nStatus: ");
	put_status(w, status_of(r));
	report_put(w, "\n");
	if (r->code) {
		report_put(w, "Diagnostic-Code: smtp; ");
		report_put_number(w, r->code);
		report_put(w, " ");
		report_put_reply(w, r->text, wide, " ");
		report_put(w, "\n");
	} else if (r->text.length) {
		report_put(w, "Diagnostic-Code: x-postrider; ");
		report_put_text(w, r->text, wide, " ");
		report_put(w, "\n");
	}
	if (r->action == REPORT_DELAYED && f->until_wall_ns) {
		report_put(w, "Will-Retry-Until: ");
		put_date(w, f->until_wall_ns);
		report_put(w, "\n");
	}
}

static void put_status_part(struct report_octets *w, const struct report_facts *f, bool wide)
{
	report_put(w, wide ? "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\n"
			   : "Content-Type: message/delivery-status\n\n");
	report_put(w, "Reporting-MTA: dns; ");
	report_put_address(w, f->hostname, false);
	if (f->envid.length) {
		report_put(w, "\nOriginal-Envelope-Id: ");
		put_decoded(w, f->envid);
	}
	report_put(w, "\nArrival-Date: ");
	put_date(w, f->arrived_wall_ns);
	report_put(w, "\nX-Postrider-Id: ");
	put_id(w, f->about);
	report_put(w, "\n");
	for (unsigned i = 0; i < f->recipient_count; i++)
		put_recipient(w, f, &f->recipients[i], wide);
}

/* ---- what is returned -------------------------------------------------------------------------------------------- */

/* It can stand as it is: no line is longer than they may be, and no octet is a control but line ends and tabs. */
static bool clean(struct span text)
{
	unsigned column = 0;

	for (uint32_t i = 0; i < text.length; i++) {
		uint8_t c = (uint8_t)text.data[i];
		if (c == '\n')
			column = 0;
		else if (++column > 990 || c == 127 || (c < ' ' && c != '\t' && c != '\r'))
			return false;
	}
	return true;
}

static void put_returned(struct report_octets *w, const struct report_facts *f, bool wide)
{
	struct span header = f->header;
	bool needed;

	if (f->content.length) {
		needed = utf8_needed(f->content);
		/* What it says of itself, whoever is told: nothing outside of this part has such letters for it. */
		wide |= utf8_needed(header) && utf8_valid(header);
		report_put(w, wide ? "Content-Type: message/global\n" : "Content-Type: message/rfc822\n");
		report_put(w, needed ? "Content-Transfer-Encoding: 8bit\n\n" : "\n");
		report_put_raw(w, f->content.data, f->content.length);
		return;
	}
	if (header.length > REPORT_HEADER_MAX)
		header.length = REPORT_HEADER_MAX;
	needed = utf8_needed(header);
	if (wide && needed && utf8_valid(header) && clean(header)) {
		report_put(w, "Content-Type: message/global-headers\nContent-Transfer-Encoding: 8bit\n\n");
		report_put_lines(w, header);
		return;
	}
	w->quoted = needed || !clean(header);
	report_put(w, "Content-Type: text/rfc822-headers");
	report_put(w, needed ? "; charset=utf-8\n" : "\n");
	if (w->quoted)
		report_put_raw(w, "Content-Transfer-Encoding: quoted-printable\r\n",
			       sizeof("Content-Transfer-Encoding: quoted-printable\r\n") - 1);
	report_put(w, "\n");
	report_put_lines(w, header);
	w->quoted = false;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void put_delimiter(struct report_octets *w, const struct report_facts *f, bool last)
{
	w->quoted = false;
	report_put(w, "\n--");
	put_boundary(w, f->id);
	report_put(w, last ? "--\n" : "\n");
}

/* Both lists, to see what they take. */
static bool fits(const struct report_facts *f, char *out, bool wide)
{
	struct report_octets w = {.out = out, .room = LISTS_ROOM, .quoted = text_wide(f)};

	put_text(&w, f);
	w.quoted = false;
	put_status_part(&w, f, wide);
	return !w.over;
}

void report_write(const struct report_facts *facts, char *out, struct report *report)
{
	struct report_octets w = {.out = out, .room = REPORT_ROOM};
	bool wide = utf8_needed(facts->to);
	struct report_facts f = *facts;
	const struct headline headline = {f.hostname, f.from, f.to, f.id, f.wall_ns, subject_of(&f), "auto-replied"};
	bool eight_bit;

	if (f.content.length > REPORT_CONTENT_MAX)
		f.content.length = 0;
	eight_bit = wide || utf8_needed(f.content);
	if (f.recipient_count > REPORT_RECIPIENTS_MAX)
		f.recipient_count = REPORT_RECIPIENTS_MAX;
	/* Who does not fit is told in another one. A single one always fits: each of its texts is bounded. */
	while (f.recipient_count > 1 && !fits(&f, out, wide))
		f.recipient_count -= f.recipient_count / 4 + 1;
	*report = (struct report){.recipients = f.recipient_count, .wide = wide, .eight_bit = eight_bit};
	put_header(&w, &headline);
	put_references(&w, f.header);
	report_put(&w, "Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"");
	put_boundary(&w, f.id);
	report_put(&w, eight_bit ? "\"\nContent-Transfer-Encoding: 8bit\n" : "\"\n");
	put_delimiter(&w, &f, false);
	put_text_type(&w, text_wide(&f));
	put_text(&w, &f);
	put_delimiter(&w, &f, false);
	put_status_part(&w, &f, wide);
	put_delimiter(&w, &f, false);
	put_returned(&w, &f, wide);
	put_delimiter(&w, &f, true);
	assert(!w.over);
	report->length = w.length;
}

static bool line_wide(const struct report_line *line)
{
	return utf8_needed(line->sender) || utf8_needed(line->recipient) || utf8_needed(line->text);
}

static void put_line(struct report_octets *w, const struct report_line *line)
{
	report_put(w, "  ");
	put_date(w, line->arrived_wall_ns);
	report_put(w, "  ");
	put_id(w, line->about);
	report_put(w, "\n    from ");
	report_put_address(w, line->sender, true);
	report_put(w, "\n    to ");
	report_put_address(w, line->recipient, true);
	if (line->others) {
		report_put(w, " and ");
		report_put_number(w, line->others);
		report_put(w, line->others == 1 ? " other" : " others");
	}
	report_put(w, "\n    ");
	if (line->code) {
		report_put_number(w, line->code);
		report_put(w, " ");
	}
	report_put_reply(w, line->text, true, "    ");
	report_put(w, "\n\n");
}

void report_write_digest(const struct report_digest *d, char *out, struct report *report)
{
	const struct headline headline = {d->hostname,     d->from,    d->to,
					  d->id,           d->wall_ns, "Messages that could not be delivered",
					  "auto-generated"};
	struct report_octets w = {.out = out, .room = REPORT_ROOM};
	bool wide = false;
	unsigned i;

	for (i = 0; i < d->line_count; i++)
		wide |= line_wide(&d->lines[i]);
	*report = (struct report){.wide = utf8_needed(d->to), .eight_bit = utf8_needed(d->to)};
	put_header(&w, &headline);
	put_text_type(&w, wide);
	report_put_number(&w, d->messages);
	report_put(&w, " messages could not be delivered. There were too many within an hour to send a\n"
		       "report of each. Nothing more is done for them.\n\n");
	for (i = 0; i < d->line_count && i < REPORT_LINES_MAX; i++) {
		size_t before = w.length;
		put_line(&w, &d->lines[i]);
		if (w.over) {
			w.length = before;
			break;
		}
	}
	report->recipients = i;
	if (i < d->messages && REPORT_ROOM - w.length > FRAME_ROOM / 16) {
		w.over = false;
		report_put(&w, "The others have no line here; the relay's log has an event of each.\n");
	}
	report->length = w.length;
}
