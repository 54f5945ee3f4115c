/*
 * core/tools/suppress_import.c - see suppress_import.h.
 */
#include "core/tools/suppress_import.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/tools/written.h"

enum { LINE_MOST = 1 << 16, WORD_MOST = 24, TELL_MOST = 100 };

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span s)
{
	while (s.length > 0 && is_blank(s.data[0])) {
		s.data++;
		s.length--;
	}
	while (s.length > 0 && is_blank(s.data[s.length - 1]))
		s.length--;
	return s;
}

/* Where what begins with a quote ends: at its other one, or, as spreadsheets have it (RFC 4180), at the first that is
 * not there twice. */
static uint32_t quoted_end(struct span s)
{
	uint32_t n = suppress_closing(s);

	while (n + 1 < s.length && s.data[n + 1] == '"') {
		struct span rest = {s.data + n + 1, s.length - n - 1};
		n += 1 + suppress_closing(rest);
	}
	return n;
}

/* The next of what `mark` parts, but within quotes. Those around all of it are a spreadsheet's. */
static struct span part(struct span *rest, char mark)
{
	struct span found = trim(*rest);
	uint32_t n = 0;

	rest->length -= (uint32_t)(found.data - rest->data);
	rest->data = found.data;
	if (rest->length > 0 && rest->data[0] == '"')
		n = quoted_end(*rest);
	while (n < rest->length && rest->data[n] != mark)
		n++;
	found = trim((struct span){rest->data, n});
	n += n < rest->length;
	rest->data += n;
	rest->length -= n;
	if (found.length >= 2 && found.data[0] == '"' && quoted_end(found) == found.length - 1)
		found = (struct span){found.data + 1, found.length - 2};
	return found;
}

/* Its letters and digits, in small ones: "Spam Complaint", "spam_complaint" and "SpamComplaint" are the same word. "":
 * it is more than a word. */
static void word_of(struct span text, char out[WORD_MOST])
{
	size_t n = 0;

	for (uint32_t i = 0; i < text.length && n < WORD_MOST; i++) {
		if (isalnum((unsigned char)text.data[i]))
			out[n++] = (char)tolower((unsigned char)text.data[i]);
		else if (!strchr(" _-", text.data[i]))
			n = WORD_MOST;
	}
	out[n < WORD_MOST ? n : 0] = '\0';
}

/* ---- columns ---------------------------------------------------------------------------------------------------- */

static enum suppress_column column_of(struct span text)
{
	static const struct {
		const char *word;
		enum suppress_column column;
	} names[] = {
		{"email", SUPPRESS_ADDRESS},
		{"emailaddress", SUPPRESS_ADDRESS},
		{"address", SUPPRESS_ADDRESS},
		{"recipient", SUPPRESS_ADDRESS},
		{"reason", SUPPRESS_REASON},
		{"type", SUPPRESS_REASON},
		{"bouncetype", SUPPRESS_REASON},
		{"status", SUPPRESS_REASON},
		{"classification", SUPPRESS_REASON},
		{"created", SUPPRESS_SINCE},
		{"createdat", SUPPRESS_SINCE},
		{"createdtime", SUPPRESS_SINCE},
		{"date", SUPPRESS_SINCE},
		{"since", SUPPRESS_SINCE},
		{"lastupdatetime", SUPPRESS_SINCE},
		{"timestamp", SUPPRESS_SINCE},
		{"error", SUPPRESS_NOTE},
		{"description", SUPPRESS_NOTE},
		{"note", SUPPRESS_NOTE},
		{"message", SUPPRESS_NOTE},
		{"details", SUPPRESS_NOTE},
	};
	char word[WORD_MOST];

	word_of(text, word);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].word, word) == 0)
			return names[i].column;
	}
	return SUPPRESS_OTHER;
}

static char mark_of(struct span line)
{
	/* A comma may stand in what `export` writes, and in no line with commas. */
	if (memchr(line.data, '\t', line.length))
		return '\t';
	return memchr(line.data, ';', line.length) && !memchr(line.data, ',', line.length) ? ';' : ',';
}

bool suppress_header(struct span line, struct suppress_header *header)
{
	bool address = false;

	*header = (struct suppress_header){.mark = mark_of(line)};
	while (line.length > 0 && header->count < SUPPRESS_COLUMNS) {
		enum suppress_column column = column_of(part(&line, header->mark));
		/* The first is meant where two have such a name. */
		if (column == SUPPRESS_ADDRESS && address)
			column = SUPPRESS_OTHER;
		address |= column == SUPPRESS_ADDRESS;
		header->columns[header->count++] = (unsigned char)column;
	}
	return address;
}

/* What a server said by number of somebody who may well be there: not now, his mailbox is full, or it takes nothing
 * from whoever sent it. */
static bool code_passes(struct span text)
{
	return (text.length > 2 && memcmp(text.data, "4.", 2) == 0) ||
	       (text.length == 5 && memcmp(text.data, "5.2.2", 5) == 0) ||
	       (text.length > 4 && memcmp(text.data, "5.7.", 4) == 0);
}

/* NONE: it is no reason. *passes: nor one for ever. */
static enum suppression_reason reason_of(struct span text, bool *passes)
{
	static const struct {
		const char *word;
		enum suppression_reason reason; /* NONE: it passes */
	} words[] = {
		{"manual", SUPPRESSION_MANUAL},
		{"manualsuppression", SUPPRESSION_MANUAL},
		{"bounce", SUPPRESSION_BOUNCE},
		{"bounced", SUPPRESSION_BOUNCE},
		{"hardbounce", SUPPRESSION_BOUNCE},
		{"permanent", SUPPRESSION_BOUNCE},
		{"invalid", SUPPRESSION_BOUNCE},
		{"complaint", SUPPRESSION_COMPLAINT},
		{"spam", SUPPRESSION_COMPLAINT},
		{"spamcomplaint", SUPPRESSION_COMPLAINT},
		{"spamreport", SUPPRESSION_COMPLAINT},
		{"unsubscribe", SUPPRESSION_UNSUBSCRIBED},
		{"unsubscribed", SUPPRESSION_UNSUBSCRIBED},
		{"softbounce", SUPPRESSION_NONE},
		{"transient", SUPPRESSION_NONE},
		{"deferred", SUPPRESSION_NONE},
		{"blocked", SUPPRESSION_NONE},
		{"mailboxfull", SUPPRESSION_NONE},
	};
	char word[WORD_MOST];

	*passes |= code_passes(text);
	word_of(text, word);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) == 0) {
			*passes |= words[i].reason == SUPPRESSION_NONE;
			return words[i].reason;
		}
	}
	return SUPPRESSION_NONE;
}

/* As `export` writes it, as a day with whatever behind it, or in seconds since 1970. */
static void take_date(struct span text, uint64_t *wall_s)
{
	uint64_t seconds = 0;
	uint32_t i = 0;

	if (suppression_date_parse(text, wall_s))
		return;
	while (i < text.length && isdigit((unsigned char)text.data[i]) && i < 10)
		seconds = seconds * 10 + (uint64_t)(text.data[i++] - '0');
	if (i == 10 && text.length == 10)
		*wall_s = seconds;
	else if (text.length > 10)
		(void)suppression_date_parse((struct span){text.data, 10}, wall_s);
}

static void take_column(enum suppress_column column, struct span text, struct suppression_entry *entry, bool *passes)
{
	enum suppression_reason reason;

	switch (column) {
	case SUPPRESS_REASON:
		reason = reason_of(text, passes);
		if (reason != SUPPRESSION_NONE)
			entry->reason = reason;
		/* Some have there what a server said. */
		else if (text.length > 0 && !*passes && memchr(text.data, ' ', text.length))
			entry->note = text;
		return;
	case SUPPRESS_SINCE:
		take_date(text, &entry->wall_s);
		return;
	case SUPPRESS_NOTE:
		if (text.length > 0)
			entry->note = text;
		return;
	case SUPPRESS_ADDRESS:
	case SUPPRESS_OTHER:
		return;
	}
}

enum suppress_row suppress_row(struct span line, const struct suppress_header *header, struct span *address,
			       struct suppression_entry *entry)
{
	static const unsigned char exported[] = {SUPPRESS_ADDRESS, SUPPRESS_REASON, SUPPRESS_SINCE};
	const unsigned char *columns = header ? header->columns : exported;
	char mark = header ? header->mark : mark_of(line) == '\t' ? '\t' : ',', name[SMTP_PATH_MAX];
	unsigned count = header ? header->count : sizeof(exported);
	bool passes = false;

	*address = (struct span){line.data, 0};
	for (unsigned i = 0; i < count; i++) {
		struct span text = part(&line, mark);
		if (columns[i] == SUPPRESS_ADDRESS)
			*address = text;
		else
			take_column((enum suppress_column)columns[i], text, entry, &passes);
	}
	/* The last one, with whatever stands in it. */
	if (!header && trim(line).length > 0)
		entry->note = trim(line);
	if (suppress_name(*address, name) == 0)
		return SUPPRESS_WRONG;
	return passes ? SUPPRESS_PASSES : SUPPRESS_TAKEN;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

/* Without its end; the first may begin with what some editors write before UTF-8. One that is longer than any entry
 * could be is told as none. */
static struct span line_of(const char *line, size_t length, bool first)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (first && length >= 3 && memcmp(line, mark, 3) == 0) {
		line += 3;
		length -= 3;
	}
	return trim((struct span){line, (uint32_t)(length < LINE_MOST ? length : LINE_MOST)});
}

struct import {
	const char *file;
	struct suppress_batch batch;
	struct suppress_header header;
	bool has_header;
	size_t number, wrong, passing;
};

static void take_line(struct import *m, struct span line)
{
	struct suppression_entry entry = suppress_now(m->batch.options, false);
	struct span address;

	switch (suppress_row(line, m->has_header ? &m->header : NULL, &address, &entry)) {
	case SUPPRESS_TAKEN:
		(void)suppress_put(&m->batch, address, entry);
		return;
	case SUPPRESS_PASSES:
		m->passing++;
		return;
	case SUPPRESS_WRONG:
		break;
	}
	if (m->number == 1 && suppress_header(line, &m->header)) {
		m->has_header = true;
		return;
	}
	if (m->wrong++ < TELL_MOST)
		fprintf(stderr, "postrider: suppress: %s:%zu: no address\n", m->file, m->number);
}

/* False: it is none that can be read here, which is told. */
static bool is_text(const struct import *m, const char *line, size_t length)
{
	if (m->number > 1 || length < 2 || (memcmp(line, "\xff\xfe", 2) != 0 && memcmp(line, "\xfe\xff", 2) != 0))
		return true;
	(void)suppress_fail(SUPPRESS_DATA, m->file, "it is UTF-16: save it as UTF-8, or as CSV");
	return false;
}

/* 0, or the status of what cannot be read. */
static int read_lines(struct import *m, FILE *in)
{
	char *line = NULL;
	size_t room = 0;
	int status = 0;
	ssize_t n;

	while (m->batch.error == 0 && status == 0 && (n = getline(&line, &room, in)) >= 0) {
		struct span text = line_of(line, (size_t)n, m->number++ == 0);
		if (!is_text(m, line, (size_t)n))
			status = SUPPRESS_DATA;
		else if (text.length > 0 && text.data[0] != '#')
			take_line(m, text);
	}
	if (status == 0 && ferror(in))
		status = suppress_fail(SUPPRESS_FILE, m->file, strerror(errno));
	free(line);
	return status;
}

int suppress_import(const struct suppress_options *o, const char *file)
{
	FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	struct import m = {.file = file};
	size_t live = 0;
	int status, ended;

	if (!in)
		return suppress_fail(SUPPRESS_FILE, file, strerror(errno));
	status = suppress_begin(&m.batch, o) ? read_lines(&m, in)
					     : suppress_fail(SUPPRESS_FILE, o->path, "out of memory");
	if (in != stdin)
		(void)fclose(in);
	if (!m.batch.text)
		return status;
	if (m.wrong > TELL_MOST)
		fprintf(stderr, "postrider: suppress: %s: and %zu more lines with no address\n", file,
			m.wrong - TELL_MOST);
	ended = suppress_end(&m.batch, &live);
	if (ended != 0)
		return ended;
	if (o->json)
		written_json(stdout, json_pack("{sI sI sI sI}", "taken", (json_int_t)m.batch.lines, "refused",
					       (json_int_t)m.wrong, "passing", (json_int_t)m.passing, "listed",
					       (json_int_t)live));
	else if (status == 0 || m.batch.lines > 0)
		printf("%zu lines taken, %zu refused; %zu addresses are in the list\n", m.batch.lines, m.wrong, live);
	if (m.passing > 0 && !o->json)
		printf("%zu lines were left out: what they say of an address passes\n", m.passing);
	return status == 0 && m.wrong > 0 ? SUPPRESS_DATA : status;
}
