/*
 * queue/envelope.c - see envelope.h.
 */
#include "queue/envelope.h"

#include <errno.h>

enum { VERSION_1 = 1, VERSION_2 = 2, HEADER_1 = 10, SHORT_MAX = 255 };

enum {
	TAG_FLAGS = 1,
	TAG_CLIENT = 2,
	TAG_PEER = 3,
	TAG_HELO = 4,
	TAG_SENDER = 5,
	TAG_DESTINATION = 6,
	TAG_RET = 16,
	TAG_ENVID = 17,
	TAG_SMTPUTF8 = 18,
	TAG_REQUIRE_TLS = 19,
	TAG_OWNER = 20,
	TAG_NOT_BEFORE = 22,
	TAG_REPORT = 24,
	TAG_DEVICE = 25,
	TAG_RECIPIENT = FIELD_OF_ONE,
	TAG_NOTIFY = 65,
	TAG_ORCPT = 66,
};

/* ---- writing ---- */

static void put_short(struct field_writer *w, uint16_t tag, struct span s)
{
	if (s.length)
		field_put(w, tag, s.data, s.length > SHORT_MAX ? SHORT_MAX : s.length);
}

/* What few senders ask for. */
static void put_wishes(struct field_writer *w, const struct envelope *fields)
{
	uint8_t when[8];

	if (fields->ret)
		field_put(w, TAG_RET, &fields->ret, 1);
	if (fields->envid.length)
		field_put(w, TAG_ENVID, fields->envid.data, fields->envid.length);
	put_short(w, TAG_OWNER, fields->owner);
	put_short(w, TAG_DEVICE, fields->device);
	if (fields->require_tls)
		field_put(w, TAG_REQUIRE_TLS | FIELD_MUST, NULL, 0);
	if (fields->not_before_ns) {
		put64(when, fields->not_before_ns);
		field_put(w, TAG_NOT_BEFORE | FIELD_MUST, when, sizeof(when));
	}
}

void envelope_begin(struct envelope_writer *w, uint8_t *out, size_t capacity, const struct envelope *fields)
{
	*w = (struct envelope_writer){.fields = {.out = out, .capacity = capacity}};
	if (capacity == 0) {
		w->fields.overflow = true;
		return;
	}
	out[0] = VERSION_2;
	w->fields.length = 1;
	field_put(&w->fields, TAG_FLAGS, &fields->flags, 1);
	put_short(&w->fields, TAG_CLIENT, fields->client);
	put_short(&w->fields, TAG_PEER, fields->peer);
	put_short(&w->fields, TAG_HELO, fields->helo);
	if (fields->sender.length)
		field_put(&w->fields, TAG_SENDER | FIELD_MUST, fields->sender.data, fields->sender.length);
	if (fields->wide)
		field_put(&w->fields, TAG_SMTPUTF8 | FIELD_MUST, &fields->wide, 1);
	put_wishes(&w->fields, fields);
}

void envelope_add_report(struct envelope_writer *w, const struct envelope_report *report)
{
	uint8_t *at = field_room(&w->fields, TAG_REPORT | FIELD_MUST,
				 ENVELOPE_REPORT_HEAD + (size_t)report->recipients.length);

	if (!at)
		return;
	put64(at, report->high);
	put64(at + 8, report->low);
	at[16] = report->what;
	memcpy(at + ENVELOPE_REPORT_HEAD, report->recipients.data, report->recipients.length);
}

void envelope_add_destination(struct envelope_writer *w, struct span name)
{
	field_put(&w->fields, TAG_DESTINATION | FIELD_MUST, name.data, name.length);
	if (w->destinations == ENVELOPE_DESTINATIONS_MAX || w->recipients > 0)
		w->fields.overflow = true;
	else
		w->destinations++;
}

void envelope_add_recipient(struct envelope_writer *w, unsigned destination, struct span address)
{
	uint8_t *at = field_room(&w->fields, TAG_RECIPIENT | FIELD_MUST, 2 + (size_t)address.length);

	if (w->recipients == ENVELOPE_RECIPIENTS_MAX || destination >= w->destinations)
		w->fields.overflow = true;
	if (w->fields.overflow)
		return;
	put16(at, (uint16_t)destination);
	if (address.length)
		memcpy(at + 2, address.data, address.length);
	w->recipients++;
}

void envelope_add_parameters(struct envelope_writer *w, unsigned notify, struct span orcpt)
{
	const uint8_t octet = (uint8_t)notify;

	if (w->recipients == 0)
		w->fields.overflow = true;
	if (notify)
		field_put(&w->fields, TAG_NOTIFY, &octet, 1);
	if (orcpt.length)
		field_put(&w->fields, TAG_ORCPT, orcpt.data, orcpt.length);
}

size_t envelope_end(struct envelope_writer *w)
{
	return w->fields.overflow || w->recipients == 0 ? 0 : w->fields.length;
}

/* ---- reading version 2 ---- */

static struct span span_of(const struct field *f)
{
	return (struct span){(const char *)f->value, f->length};
}

/* What few senders ask for. 0 or an error. */
static int take_wish(struct envelope *e, const struct field *f)
{
	switch (f->tag) {
	case TAG_RET:
		if (f->length != 1)
			return -EBADMSG;
		e->ret = f->value[0];
		return 0;
	case TAG_ENVID:
		if (f->length > ENVELOPE_ENVID_MAX)
			return -EBADMSG;
		e->envid = span_of(f);
		return 0;
	case TAG_OWNER:
		e->owner = span_of(f);
		return 0;
	case TAG_DEVICE:
		e->device = span_of(f);
		return 0;
	case TAG_REPORT:
		if (f->length < ENVELOPE_REPORT_HEAD || e->reports == ENVELOPE_REPORTS_MAX)
			return -EBADMSG;
		e->reports++;
		return 0;
	case TAG_REQUIRE_TLS:
		e->require_tls = true;
		return 0;
	case TAG_NOT_BEFORE:
		if (f->length != 8)
			return -EBADMSG;
		e->not_before_ns = get64(f->value);
		return 0;
	default:
		return f->must ? -ENOTSUP : 0;
	}
}

/* A field in front of the recipients. 0 or an error. */
static int take_field(struct envelope *e, const struct field *f)
{
	switch (f->tag) {
	case TAG_FLAGS:
		if (f->length != 1)
			return -EBADMSG;
		e->flags = f->value[0];
		return 0;
	case TAG_CLIENT:
		e->client = span_of(f);
		return 0;
	case TAG_PEER:
		e->peer = span_of(f);
		return 0;
	case TAG_HELO:
		e->helo = span_of(f);
		return 0;
	case TAG_SENDER:
		e->sender = span_of(f);
		return 0;
	case TAG_SMTPUTF8:
		if (f->length != 1)
			return -EBADMSG;
		e->wide = f->value[0];
		return 0;
	case TAG_DESTINATION:
		if (e->destinations == ENVELOPE_DESTINATIONS_MAX)
			return -EBADMSG;
		e->destinations++;
		return 0;
	default:
		return f->tag >= FIELD_OF_ONE ? -EBADMSG : take_wish(e, f);
	}
}

static int take_recipient(struct envelope *e, const struct field *f)
{
	if (f->tag < FIELD_OF_ONE || (f->tag == TAG_NOTIFY && f->length != 1) ||
	    (f->tag == TAG_ORCPT && f->length > ENVELOPE_ORCPT_MAX))
		return -EBADMSG;
	if (f->tag == TAG_NOTIFY || f->tag == TAG_ORCPT) {
		e->parameters = true;
		return 0;
	}
	if (f->tag != TAG_RECIPIENT)
		return f->must ? -ENOTSUP : 0;
	if (f->length < 2 || get16(f->value) >= e->destinations || e->recipients == ENVELOPE_RECIPIENTS_MAX)
		return -EBADMSG;
	e->recipients++;
	return 0;
}

static int decode_2(const uint8_t *data, size_t length, struct envelope *e)
{
	struct field_reader reader = {data + 1, data + length};
	bool unknown = false;
	struct field f;

	e->destination_data = reader.next;
	for (const uint8_t *at = reader.next; field_next(&reader, &f); at = reader.next) {
		if (f.tag == TAG_RECIPIENT && !e->recipient_data) {
			e->destination_length = (size_t)(at - e->destination_data);
			e->recipient_data = at;
		}
		int result = e->recipient_data ? take_recipient(e, &f) : take_field(e, &f);
		if (result == -EBADMSG)
			return result;
		unknown |= result < 0;
	}
	if (reader.next != reader.end || e->recipients == 0)
		return -EBADMSG;
	e->recipient_length = (size_t)(reader.end - e->recipient_data);
	return unknown ? -ENOTSUP : 0;
}

/* ---- reading version 1: lengths in front, no tags, one destination ---- */

static bool next_1(struct field_reader *reader, struct envelope_recipient *recipient)
{
	size_t left = (size_t)(reader->end - reader->next), n;

	if (left < 2)
		return false;
	n = get16(reader->next);
	if (n > left - 2)
		return false;
	*recipient =
		(struct envelope_recipient){.address = {(const char *)reader->next + 2, (uint32_t)n}, .orcpt = {"", 0}};
	reader->next += 2 + n;
	return true;
}

static int decode_1(const uint8_t *data, size_t length, struct envelope *e)
{
	struct span destination, *shorts[4] = {&destination, &e->client, &e->peer, &e->helo};
	struct envelope_recipient ignored;
	size_t at = HEADER_1, n;
	unsigned count = 0;

	if (length < HEADER_1)
		return -EBADMSG;
	e->flags = data[1];
	e->recipients = get16(data + 2);
	for (int i = 0; i < 4; i++) {
		n = data[4 + i];
		if (n > length - at)
			return -EBADMSG;
		*shorts[i] = (struct span){(const char *)data + at, (uint32_t)n};
		at += n;
	}
	n = get16(data + 8);
	if (n > length - at)
		return -EBADMSG;
	e->sender = (struct span){(const char *)data + at, (uint32_t)n};
	at += n;
	e->destinations = 1;
	e->destination_data = (const uint8_t *)destination.data;
	e->destination_length = destination.length;
	e->recipient_data = data + at;
	e->recipient_length = length - at;
	struct field_reader reader = {data + at, data + length};
	while (next_1(&reader, &ignored))
		count++;
	return count > 0 && count == e->recipients && reader.next == reader.end ? 0 : -EBADMSG;
}

/* ---- reading ---- */

int envelope_decode(const uint8_t *data, size_t length, struct envelope *out)
{
	*out = (struct envelope){.client = {"", 0},
				 .peer = {"", 0},
				 .helo = {"", 0},
				 .sender = {"", 0},
				 .envid = {"", 0},
				 .owner = {"", 0},
				 .device = {"", 0}};
	if (length == 0)
		return -EBADMSG;
	out->version = data[0];
	if (out->version == VERSION_1)
		return decode_1(data, length, out);
	if (out->version == VERSION_2)
		return decode_2(data, length, out);
	return out->version > VERSION_2 ? -ENOTSUP : -EBADMSG;
}

bool envelope_report(const struct envelope *envelope, unsigned number, struct envelope_report *out)
{
	struct field_reader reader = {envelope->destination_data,
				      envelope->destination_data + envelope->destination_length};
	struct field f;

	while (number < envelope->reports && field_next(&reader, &f)) {
		if (f.tag != TAG_REPORT)
			continue;
		if (number > 0) {
			number--;
			continue;
		}
		*out = (struct envelope_report){
			.high = get64(f.value),
			.low = get64(f.value + 8),
			.what = f.value[16],
			.recipients = {(const char *)f.value + ENVELOPE_REPORT_HEAD,
				       (uint32_t)f.length - ENVELOPE_REPORT_HEAD},
		};
		return true;
	}
	return false;
}

struct span envelope_destination(const struct envelope *envelope, unsigned index)
{
	struct field_reader reader = {envelope->destination_data,
				      envelope->destination_data + envelope->destination_length};
	struct field f;

	if (envelope->version == VERSION_1)
		return index == 0 ? (struct span){(const char *)reader.next, (uint32_t)envelope->destination_length}
				  : (struct span){"", 0};
	while (field_next(&reader, &f)) {
		if (f.tag == TAG_DESTINATION && index-- == 0)
			return span_of(&f);
	}
	return (struct span){"", 0};
}

void envelope_first(const struct envelope *envelope, struct envelope_cursor *cursor)
{
	cursor->reader.next = envelope->recipient_data;
	cursor->reader.end = envelope->recipient_data + envelope->recipient_length;
	cursor->number = 0;
	cursor->version = envelope->version;
	cursor->parameters = envelope->parameters;
}

/* What is said of the recipient before them. */
static void next_parameters(struct field_reader *reader, struct envelope_recipient *recipient)
{
	struct field_reader ahead = *reader;
	struct field f;

	while (field_next(&ahead, &f) && f.tag != TAG_RECIPIENT) {
		if (f.tag == TAG_NOTIFY)
			recipient->notify = f.value[0];
		else if (f.tag == TAG_ORCPT)
			recipient->orcpt = span_of(&f);
		*reader = ahead;
	}
}

static bool next_2(struct envelope_cursor *cursor, struct envelope_recipient *recipient)
{
	struct field f;

	while (field_next(&cursor->reader, &f)) {
		if (f.tag != TAG_RECIPIENT)
			continue;
		*recipient = (struct envelope_recipient){
			.address = {(const char *)f.value + 2, (uint32_t)f.length - 2},
			.destination = get16(f.value),
			.orcpt = {"", 0},
		};
		if (cursor->parameters)
			next_parameters(&cursor->reader, recipient);
		return true;
	}
	return false;
}

bool envelope_next(struct envelope_cursor *cursor, struct envelope_recipient *recipient)
{
	if (cursor->version == VERSION_1 ? !next_1(&cursor->reader, recipient) : !next_2(cursor, recipient))
		return false;
	recipient->number = cursor->number++;
	return true;
}
