/*
 * tests/sim/actor_ledger.c - what the simulated clients sent and were told, and what the next hops got: the oracle.
 *
 * Content is generated from the ledger's seed and the sequence number, so nothing has to be kept to compare.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/actor_ledger.h"
#include "tests/sim/actor_seven_bit.h"
#include "tests/sim/world.h"

static const char ledger_header[] = "X-Sequence: ";

enum {
	LEDGER_LETTERS = 20,       /* of a person's address, each a bit */
	LEDGER_RECIPIENT_BITS = 4, /* of these; the others are the sequence number */
	LEDGER_LIST_S = 120,       /* so long after somebody came into the list no next hop hears of it */
};

void ledger_init(struct ledger *ledger, const struct ledger_config *config)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->config = *config;
}

void ledger_deinit(struct ledger *ledger)
{
	world_release(ledger->messages);
	ledger->messages = NULL;
}

static uint64_t ledger_hash(const struct ledger *ledger, uint64_t a, uint64_t b)
{
	uint64_t z = ledger->config.seed + a * UINT64_C(0x9e3779b97f4a7c15) + b * UINT64_C(0xd1b54a32d192ed03);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint32_t ledger_next(struct ledger *ledger)
{
	uint32_t sequence = ledger->count++;
	/* Grows at powers of two. */
	if ((sequence & (sequence - 1)) == 0)
		ledger->messages =
			world_realloc(ledger->messages, 2 * ((size_t)sequence + 1) * sizeof(*ledger->messages));
	struct ledger_message *message = &ledger->messages[sequence];
	memset(message, 0, sizeof(*message));
	message->recipient_count = 1 + (unsigned)(ledger_hash(ledger, sequence, 1) % ledger->config.recipients_max);
	return sequence;
}

/* One line of the body; every seventh begins with a dot, some are only dots. Returns its length with CRLF. */
static size_t ledger_line(const struct ledger *ledger, uint32_t sequence, uint64_t line, char out[128])
{
	uint64_t h = ledger_hash(ledger, sequence, 1000 + line);
	size_t n = 0, text = h % 70;
	if (h / 128 % 7 == 0)
		for (size_t dots = 1 + h / 1024 % 3; n < dots; n++)
			out[n] = '.';
	for (size_t i = 0; i < text; i++)
		out[n++] = (char)('a' + (h >> (i % 48)) % 26);
	out[n++] = '\r';
	out[n++] = '\n';
	return n;
}

uint8_t *ledger_content(const struct ledger *ledger, uint32_t sequence, size_t *length)
{
	size_t spread = ledger->config.content_max - ledger->config.content_min + 1;
	size_t wanted = ledger->config.content_min + ledger_hash(ledger, sequence, 2) % spread;
	uint8_t *content = world_alloc(wanted + 256);
	size_t n = (size_t)sprintf((char *)content, "%s%u\r\nSubject: simulated\r\n\r\n", ledger_header, sequence);
	for (uint64_t line = 0; n < wanted; line++) {
		char text[128];
		size_t add = ledger_line(ledger, sequence, line, text);
		if (ledger->config.eight_bit && sequence % 2 && add > 2)
			text[ledger_hash(ledger, sequence, 900 + line) % (add - 2)] = (char)0xe9;
		memcpy(content + n, text, add);
		n += add;
	}
	*length = n;
	return content;
}

static unsigned ledger_person_of(const struct ledger *ledger, uint32_t sequence, unsigned recipient)
{
	return (unsigned)(ledger_hash(ledger, sequence, 50 + recipient) % ledger->config.people);
}

struct ledger_person *ledger_person(struct ledger *ledger, uint32_t sequence, unsigned recipient)
{
	if (ledger->config.people == 0 || !ledger_recipient(ledger, sequence, recipient))
		return NULL;
	return &ledger->people[ledger_person_of(ledger, sequence, recipient)];
}

void ledger_person_address(const struct ledger *ledger, unsigned person, char out[128])
{
	snprintf(out, 128, "p%u-abcdefghijklmnopqrst@%s", person, ledger->config.domains[person % 2]);
}

bool ledger_nobody(struct ledger *ledger, uint32_t sequence, unsigned recipient, uint64_t now_ns)
{
	struct ledger_person *person = ledger_person(ledger, sequence, recipient);

	if (!person)
		return false;
	if (person->listed_ns && now_ns > person->listed_ns + LEDGER_LIST_S * UINT64_C(1000000000))
		ledger_confused(ledger, "sent to somebody who is in the list", sequence);
	if (!person->gone)
		return false;
	person->refused_ns = now_ns;
	person->ever = true;
	return true;
}

void ledger_address(const struct ledger *ledger, uint32_t sequence, unsigned recipient, char out[128])
{
	unsigned domains = 0;

	if (ledger->config.people > 0) {
		uint32_t bits = sequence << LEDGER_RECIPIENT_BITS | recipient;
		ledger_person_address(ledger, ledger_person_of(ledger, sequence, recipient), out);
		for (char *at = strchr(out, '-') + 1; *at != '@'; at++, bits >>= 1)
			*at = (char)(bits & 1 ? *at - 'a' + 'A' : *at);
		return;
	}
	while (domains < LEDGER_DOMAINS_MAX && ledger->config.domains[domains])
		domains++;
	const char *domain = domains ? ledger->config.domains[ledger_hash(ledger, sequence, 10 + recipient) % domains]
				     : "example.org";
	snprintf(out, 128, "r%u.s%u@%s", recipient, sequence, domain);
}

void ledger_wishes(const struct ledger *ledger, uint32_t sequence, unsigned recipient, char out[128])
{
	static const char *const notify[] = {"",
					     " NOTIFY=NEVER",
					     " NOTIFY=SUCCESS",
					     " NOTIFY=SUCCESS,FAILURE",
					     " NOTIFY=FAILURE,DELAY",
					     " NOTIFY=SUCCESS,FAILURE,DELAY"};
	uint64_t h = ledger_hash(ledger, sequence, 100 + recipient);
	char orcpt[64] = "";

	out[0] = '\0';
	if (!ledger->config.wishes || ledger_hash(ledger, sequence, 3) % 4 == 0)
		return;
	if (h / 64 % 3 == 0)
		snprintf(orcpt, sizeof(orcpt), " %s%u.s%u+2B",
			 recipient == LEDGER_MESSAGE ? "ENVID=" : "ORCPT=rfc822;o", recipient, sequence);
	snprintf(out, 128, "%s%s",
		 recipient != LEDGER_MESSAGE ? notify[h % 6]
		 : h % 3 == 0                ? ""
		 : h % 3 == 1                ? " RET=FULL"
					     : " RET=HDRS",
		 orcpt);
}

unsigned ledger_hold(struct ledger *ledger, uint32_t sequence, uint64_t now_ns)
{
	uint64_t h = ledger_hash(ledger, sequence, 4);
	unsigned hold_s;

	if (ledger->config.hold_s == 0 || h % 2)
		return 0;
	hold_s = 1 + (unsigned)(h / 2 % ledger->config.hold_s);
	ledger->messages[sequence].not_before_ns = now_ns + hold_s * UINT64_C(1000000000);
	return hold_s;
}

void ledger_begins(struct ledger *ledger, uint32_t sequence, uint64_t now_ns)
{
	if (sequence < ledger->count && now_ns < ledger->messages[sequence].not_before_ns)
		ledger_confused(ledger, "sent before its time", sequence);
	if (sequence < ledger->count && ledger->messages[sequence].stopped_ns &&
	    now_ns > ledger->messages[sequence].stopped_ns)
		ledger_confused(ledger, "sent although an operator has stopped it", sequence);
}

bool ledger_address_parse(const char *text, size_t length, uint32_t *sequence, unsigned *recipient)
{
	char copy[64], letters[LEDGER_LETTERS + 1];
	unsigned person;
	uint32_t bits = 0;
	char at = 0;
	if (length >= sizeof(copy))
		length = sizeof(copy) - 1;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (sscanf(copy, "p%u-%20[a-tA-T]%c", &person, letters, &at) == 3 && strlen(letters) == LEDGER_LETTERS) {
		for (unsigned i = 0; i < LEDGER_LETTERS; i++)
			bits |= (uint32_t)(letters[i] < 'a') << i;
		*sequence = bits >> LEDGER_RECIPIENT_BITS;
		*recipient = bits & ((1u << LEDGER_RECIPIENT_BITS) - 1);
		return at == '@' && *recipient < LEDGER_RECIPIENTS_MAX;
	}
	return sscanf(copy, "r%u.s%u%c", recipient, sequence, &at) == 3 && at == '@' &&
	       *recipient < LEDGER_RECIPIENTS_MAX;
}

bool ledger_is_archive(const struct ledger *ledger, const char *text, size_t length)
{
	const char *archive = ledger->config.archive;

	return archive && length == strlen(archive) && memcmp(text, archive, length) == 0;
}

struct ledger_recipient *ledger_recipient(struct ledger *ledger, uint32_t sequence, unsigned recipient)
{
	if (sequence >= ledger->count)
		return NULL;
	if (recipient == LEDGER_ARCHIVE)
		return ledger->config.archive ? &ledger->messages[sequence].archive : NULL;
	return recipient < ledger->messages[sequence].recipient_count
		       ? &ledger->messages[sequence].recipients[recipient]
		       : NULL;
}

static const uint8_t *ledger_find_header(const uint8_t *content, size_t length)
{
	const uint8_t *at = content;
	for (;;) {
		at = memmem(at, length - (size_t)(at - content), ledger_header, sizeof(ledger_header) - 1);
		if (!at || at == content || at[-1] == '\n')
			return at;
		at++;
	}
}

bool ledger_content_sequence(const uint8_t *content, size_t length, uint32_t *sequence)
{
	const uint8_t *at = ledger_find_header(content, length);
	size_t digits = 0;

	if (!at)
		return false;
	at += sizeof(ledger_header) - 1;
	*sequence = 0;
	for (; at + digits < content + length && at[digits] >= '0' && at[digits] <= '9'; digits++)
		*sequence = *sequence * 10 + (uint32_t)(at[digits] - '0');
	return digits > 0;
}

static void ledger_problem(struct ledger *ledger, const char *what, uint32_t sequence)
{
	if (!ledger->problem[0])
		snprintf(ledger->problem, sizeof(ledger->problem), "%s: sequence %u, %llu ns", what, sequence,
			 (unsigned long long)world_now_ns());
}

/* What the relay has written behind the fields that were there: always the same for one message. */
static bool ledger_written(struct ledger *ledger, uint32_t sequence, const char *fields, size_t length)
{
	char pattern[512], date[32], id[27];
	uint64_t hash = 0;
	int n = 0;

	if (length >= sizeof(pattern))
		return false;
	memcpy(pattern, fields, length);
	pattern[length] = '\0';
	char expected[256];
	snprintf(expected, sizeof(expected), "From: s%u@%s\r\nDate: ", sequence, ledger->config.author);
	if (strncmp(pattern, expected, strlen(expected)) != 0 ||
	    sscanf(pattern + strlen(expected),
		   "%31[^\r]\r\nMessage-ID: <%26[0-9A-Z]@relay.example>\r\nTo: undisclosed-recipients:;%n", date, id,
		   &n) != 2 ||
	    strlen(expected) + (size_t)n + 2 != length)
		return false;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)pattern[i]) * UINT64_C(0x100000001b3);
	struct ledger_message *message = &ledger->messages[sequence];
	if (message->header == 0)
		message->header = hash;
	return message->header == hash;
}

/* `expected` with some fields more at the end of its header. */
static bool ledger_completed(struct ledger *ledger, uint32_t sequence, const char *expected, size_t wanted,
			     const char *start, size_t length)
{
	size_t header = (size_t)((const char *)memmem(expected, wanted, "\r\n\r\n", 4) - expected) + 2;

	if (length <= wanted || memcmp(start, expected, header) != 0 ||
	    memcmp(start + header + length - wanted, expected + header, wanted - header) != 0)
		return false;
	return ledger_written(ledger, sequence, start + header, length - wanted);
}

bool ledger_content_check(struct ledger *ledger, uint32_t sequence, const uint8_t *content, size_t length)
{
	size_t wanted;
	const uint8_t *start = ledger_find_header(content, length);
	size_t before = start ? (size_t)(start - content) : 0;
	bool good = start && (before == 0 || (before > 9 && memcmp(content, "Received:", 9) == 0));
	if (good && sequence < ledger->count) {
		uint8_t *expected = ledger_content(ledger, sequence, &wanted);
		if (ledger->config.author)
			good = ledger_completed(ledger, sequence, (char *)expected, wanted, (const char *)start,
						length - before);
		else
			good = (wanted == length - before && memcmp(expected, start, wanted) == 0) ||
			       (seven_bit_wide(expected, wanted) &&
				seven_bit_means(start, length - before, expected, wanted));
		good = good && !(ledger->config.seven_bit && seven_bit_wide(content, length));
		world_release(expected);
	}
	if (!good) {
		ledger->altered++;
		ledger_problem(ledger, "altered", sequence);
	}
	return good;
}

void ledger_confused(struct ledger *ledger, const char *what, uint32_t sequence)
{
	ledger->confused++;
	ledger_problem(ledger, what, sequence);
}

bool ledger_silent(const struct ledger *ledger, uint32_t sequence, unsigned recipient)
{
	char wishes[128];

	ledger_wishes(ledger, sequence, recipient, wishes);
	return strstr(wishes, "NOTIFY=") && !strstr(wishes, "FAILURE");
}

/* The first line of a report that begins like this; NULL: there is none. */
static const char *ledger_line_of(const char *text, const char *end, const char *begin)
{
	const char *at = memmem(text, (size_t)(end - text), begin, strlen(begin));

	return at ? at + strlen(begin) : NULL;
}

/* One recipient's, from behind what names him. */
static void ledger_told(struct ledger *ledger, const char *at, const char *end, const char *action, uint64_t id)
{
	unsigned sequence, k;
	struct ledger_recipient *r = NULL;

	if (ledger_address_parse(at, (size_t)(end - at), &sequence, &k))
		r = ledger_recipient(ledger, sequence, k);
	if (!r || !action) {
		ledger_confused(ledger, "a report of nobody", 0);
		return;
	}
	uint64_t *known = strncmp(action, "delayed", 7) == 0 ? &r->late : &r->told;
	if (*known && *known != id)
		ledger_confused(ledger, "two reports of one recipient", sequence);
	ledger->repeated += *known == id;
	*known = id;
	if (r->fate == LEDGER_REFUSED)
		ledger_confused(ledger, "a report of what was refused", sequence);
	if (strncmp(action, "relayed", 7) == 0 && !r->delivered)
		ledger_confused(ledger, "reported as relayed, and was not", sequence);
	struct ledger_person *person = ledger_person(ledger, sequence, k);
	if (strncmp(action, "failed", 6) == 0 && !r->failed && !ledger->may_expire &&
	    !ledger->messages[sequence].deleted && !(person && person->ever))
		ledger_confused(ledger, "reported as failed, and nobody refused it", sequence);
	if (strncmp(action, "failed", 6) == 0 && ledger_silent(ledger, sequence, k))
		ledger_confused(ledger, "a report that nobody wants", sequence);
}

void ledger_notified(struct ledger *ledger, const uint8_t *content, size_t length)
{
	const char *text = (const char *)content, *end = text + length, *at, *mark = "\r\nFinal-Recipient: rfc822;",
		   *line = "\r\n    to ";
	uint64_t id = UINT64_C(0xcbf29ce484222325);

	ledger->notifications++;
	at = ledger_line_of(text, end, "\r\nMessage-ID: <");
	if (!at || end - at < 26) {
		ledger_confused(ledger, "a report without an id", 0);
		return;
	}
	for (size_t i = 0; i < 26; i++)
		id = (id ^ (uint8_t)at[i]) * UINT64_C(0x100000001b3);
	bool digest = ledger_line_of(text, end, "\r\nAuto-Submitted: auto-generated\r\n") != NULL;
	ledger->digests += digest;
	for (at = text; (at = ledger_line_of(at, end, digest ? line : mark)) != NULL;)
		ledger_told(ledger, at, end, digest ? "failed" : ledger_line_of(at, end, "\r\nAction: "), id);
}

static void ledger_count(const struct ledger_recipient *r, struct ledger_summary *out)
{
	bool may = r->fate == LEDGER_ACCEPTED || r->fate == LEDGER_UNKNOWN;
	out->accepted += r->fate == LEDGER_ACCEPTED;
	out->refused += r->fate == LEDGER_REFUSED;
	out->unknown += r->fate == LEDGER_UNKNOWN;
	out->phantoms += may ? 0 : r->delivered;
	out->duplicates += may && r->delivered > 1 ? r->delivered - 1 : 0;
	if (r->fate != LEDGER_ACCEPTED)
		return;
	out->delivered += r->delivered > 0;
	out->failed += !r->delivered && r->failed;
	out->missing += !r->delivered && !r->failed;
}

/* What was told of any of its recipients: the most that is true of a message. */
static enum ledger_fate ledger_fate(const struct ledger_message *message)
{
	enum ledger_fate fate = LEDGER_UNSENT;

	for (unsigned k = 0; k < message->recipient_count; k++)
		fate = message->recipients[k].fate > fate ? message->recipients[k].fate : fate;
	return fate;
}

void ledger_summarize(const struct ledger *ledger, struct ledger_summary *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < ledger->count; i++) {
		for (unsigned k = 0; k < LEDGER_RECIPIENTS_MAX; k++)
			ledger_count(&ledger->messages[i].recipients[k], out);
		if (ledger->config.archive) {
			struct ledger_recipient archive = ledger->messages[i].archive;
			archive.fate = ledger_fate(&ledger->messages[i]);
			ledger_count(&archive, out);
		}
	}
	out->altered = ledger->altered;
	out->confused = ledger->confused;
	out->notifications = ledger->notifications;
}
