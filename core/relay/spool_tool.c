/* core/relay/spool_tool.c - see spool_tool.h. dist/postrider.8 has the forms that are written. */
#include "core/relay/spool_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/disk.h"
#include "core/base/span.h"
#include "core/smtp/parameters.h"
#include "core/smtp/trace.h"
#include "core/smtp/utf8.h"
#include "core/store/intake.h"
#include "queue/envelope.h"
#include "queue/spool.h"
#include "queue/state.h"

/* Of a file: a message that several shards or destinations store has a number behind its id. */
enum { ID_TEXT = MESSAGE_ID_TEXT + 8 };
enum { STATUS_USAGE = 64, STATUS_DAMAGE = 65, STATUS_IO = 74, SHARDS = 1000, DESTINATIONS = 64 };

struct tally {
	uint64_t messages, octets, waiting, failed, unreadable, recipients_pending, recipients_failed;
	struct {
		char name[64];
		uint64_t messages;
	} destinations[DESTINATIONS]; /* the last stands for all others */
};

struct tool {
	bool json, export;
	int out; /* directory, or -1 */
	uint64_t exported, not_exported;
	struct tally tally;
	bool shards[SHARDS];
};

static const char *const status_names[] = {"pending", "delivered", "failed", "elsewhere"};

/* ---- text --------------------------------------------------------------------------------------------------- */

/* In ASCII (RFC 8259 7), so that a terminal does nothing with it. */
static void put_character(FILE *out, const char *text, uint32_t length)
{
	uint32_t code = (unsigned char)text[0] & (0x7fu >> length);

	for (uint32_t i = 1; i < length; i++)
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	if (code >= 0x10000)
		fprintf(out, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
	else
		fprintf(out, "\\u%04x", code);
}

/* What is not UTF-8 is U+FFFD, as in what the control socket answers. */
static void put_string(FILE *out, struct span text)
{
	fputc('"', out);
	while (text.length > 0) {
		unsigned char c = (unsigned char)*text.data;
		uint32_t length = c < 0x80 ? 1 : utf8_character(text);
		if (length == 0)
			fputs("\\ufffd", out);
		else if (length > 1)
			put_character(out, text.data, length);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 32 || c > 126)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
		length += length == 0;
		text.data += length;
		text.length -= length;
	}
	fputc('"', out);
}

static void put_field(FILE *out, const char *name, struct span text)
{
	fprintf(out, ",\n \"%s\": ", name);
	put_string(out, text);
}

static void put_time(FILE *out, const char *name, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "\"%s\": \"%s\"", name, text);
}

/* ---- one message -------------------------------------------------------------------------------------------- */

/* What is known of one recipient after another; without a state all are pending. */
struct fates {
	bool has_state;
	struct queue_state state;
	struct state_cursor cursor;
	struct state_fate fate;
	unsigned left;
};

static void fates_first(struct fates *fates, const struct spool_live *live)
{
	*fates = (struct fates){.has_state = live->state != NULL};
	if (fates->has_state &&
	    queue_state_decode(live->state, live->state_length, live->state_wall_ns, &fates->state) < 0)
		fates->has_state = false;
	if (fates->has_state)
		state_first(&fates->state, &fates->cursor);
}

static void fates_next(struct fates *fates)
{
	unsigned number;

	if (!fates->has_state)
		return;
	while (fates->left == 0 && state_next(&fates->cursor, &number, &fates->left))
		if (!state_fate(&fates->state, number, &fates->fate))
			fates->fate = (struct state_fate){0};
	fates->left -= fates->left > 0;
}

static void put_recipient(FILE *out, const struct envelope *envelope, const struct envelope_recipient *recipient,
			  const struct fates *fates)
{
	bool held = fates->fate.marks & STATE_MARK_HELD;
	char notify[PARAMETERS_NOTIFY_SIZE];
	struct state_reply reply;

	fputs("{\"to\": ", out);
	put_string(out, recipient->address);
	fputs(", \"destination\": ", out);
	put_string(out, envelope_destination(envelope, recipient->destination));
	fprintf(out, ", \"status\": \"%s\", \"attempts\": %u", held ? "held" : status_names[fates->fate.status & 3],
		fates->fate.attempts);
	if (fates->fate.due_wall_ns && !held) {
		fputs(", ", out);
		put_time(out, "due", fates->fate.due_wall_ns);
	}
	if (fates->has_state && fates->fate.reply && state_reply(&fates->state, fates->fate.reply, &reply)) {
		fprintf(out, ", \"code\": %u, \"reply\": ", reply.code);
		put_string(out, reply.text);
	}
	if (*parameter_notify_text(recipient->notify, notify))
		fprintf(out, ", \"notify\": \"%s\"", notify);
	if (recipient->orcpt.length) {
		fputs(", \"orcpt\": ", out);
		put_string(out, recipient->orcpt);
	}
	fputc('}', out);
}

/* What its sender has asked for, where it has. */
static void put_wishes(FILE *out, const struct envelope *envelope)
{
	if (envelope->flags & (ENVELOPE_EIGHT_BIT | ENVELOPE_BODY_GIVEN))
		fprintf(out, ",\n \"body\": \"%s\"", envelope->flags & ENVELOPE_EIGHT_BIT ? "8BITMIME" : "7BIT");
	if (envelope->wide)
		fputs(",\n \"smtputf8\": true", out);
	if (envelope->ret)
		fprintf(out, ",\n \"ret\": \"%s\"", envelope->ret == ENVELOPE_RET_FULL ? "FULL" : "HDRS");
	if (envelope->envid.length)
		put_field(out, "envid", envelope->envid);
	if (envelope->require_tls)
		fputs(",\n \"require_tls\": true", out);
	if (envelope->not_before_ns) {
		fputs(",\n ", out);
		put_time(out, "not_before", envelope->not_before_ns);
	}
	if (envelope->owner.length)
		put_field(out, "owner", envelope->owner);
	if (envelope->reports)
		fputs(",\n \"report\": true", out);
}

static void put_envelope(FILE *out, const char *id, const struct spool_live *live, const struct envelope *envelope)
{
	struct envelope_cursor cursor;
	struct envelope_recipient recipient;
	struct fates fates;
	const char *between = "";

	fprintf(out, "{\"id\": \"%s\", \"size\": %" PRIu64 ", ", id, live->content_length);
	put_time(out, "accepted", live->wall_ns);
	put_field(out, "client", envelope->client);
	put_field(out, "peer", envelope->peer);
	put_field(out, "helo", envelope->helo);
	put_field(out, "from", envelope->sender);
	put_wishes(out, envelope);
	fputs(",\n \"recipients\": [", out);
	fates_first(&fates, live);
	envelope_first(envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		fates_next(&fates);
		fprintf(out, "%s\n  ", between);
		put_recipient(out, envelope, &recipient, &fates);
		between = ",";
	}
	fputs("]}\n", out);
}

static FILE *create(const struct tool *tool, const char *id, const char *kind)
{
	char name[ID_TEXT + 8];
	snprintf(name, sizeof(name), "%s.%s", id, kind);
	int fd = openat(tool->out, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		fprintf(stderr, "%s cannot be written: %s\n", name, strerror(errno));
	return out;
}

/* 0, or negative errno: of reading; what was intact before it is written. */
static int put_content(FILE *out, const struct spool_live *live)
{
	int result = 0;

	for (unsigned i = 0; result == 0 && i <= live->item.part_count; i++) {
		const struct spool_ref *ref = i == live->item.part_count ? &live->item.message : &live->item.parts[i];
		struct spool_view view = {0};
		result = spool_view_now(live->spool, &view, ref);
		if (result == 0)
			fwrite(view.content, 1, view.content_length, out);
		spool_view_release(&view);
	}
	return result;
}

static bool export_one(struct tool *tool, const char *id, const struct spool_live *live,
		       const struct envelope *envelope)
{
	FILE *mail = create(tool, id, "eml");
	FILE *text = mail && envelope ? create(tool, id, "json") : NULL;
	bool ok = mail && text;

	if (text)
		put_envelope(text, id, live, envelope);
	if (mail) {
		int result = put_content(mail, live);
		if (result < 0)
			fprintf(stderr, "%s: the content in the spool cannot be read whole: %s\n", id,
				result == -EBADMSG ? "it is damaged" : strerror(-result));
		ok = ok && result == 0;
	}
	ok = (!mail || fclose(mail) == 0) && ok;
	return (!text || fclose(text) == 0) && ok;
}

static void count_destination(struct tally *tally, struct span name)
{
	unsigned i = 0;

	for (; i < DESTINATIONS - 1 && tally->destinations[i].messages; i++)
		if (strlen(tally->destinations[i].name) == name.length &&
		    memcmp(tally->destinations[i].name, name.data, name.length) == 0)
			break;
	if (!tally->destinations[i].messages)
		snprintf(tally->destinations[i].name, sizeof(tally->destinations[i].name), "%.*s",
			 i == DESTINATIONS - 1 ? 6 : (int)name.length, i == DESTINATIONS - 1 ? "others" : name.data);
	tally->destinations[i].messages++;
}

static void count_one(struct tally *tally, const struct spool_live *live, const struct envelope *envelope)
{
	struct fates fates;
	uint64_t pending = 0, failed = 0;

	fates_first(&fates, live);
	for (unsigned i = 0; i < envelope->recipients; i++) {
		fates_next(&fates);
		pending += fates.fate.status == RECIPIENT_PENDING;
		failed += fates.fate.status == RECIPIENT_FAILED;
	}
	tally->waiting += pending > 0;
	tally->failed += failed > 0;
	tally->recipients_pending += pending;
	tally->recipients_failed += failed;
	count_destination(tally, envelope_destination(envelope, 0));
}

static void on_live(void *context, const struct spool_live *live)
{
	struct tool *tool = context;
	struct envelope envelope;
	unsigned ordinal = (unsigned)(live->item.id.low >> DELIVERY_ID_SHIFT);
	char id[ID_TEXT] = "";
	bool readable = envelope_decode(live->envelope, live->envelope_length, &envelope) == 0;

	message_id_text(delivery_message_id(live->item.id), id);
	if (ordinal)
		snprintf(id + MESSAGE_ID_TEXT, sizeof(id) - MESSAGE_ID_TEXT, "-%u", ordinal);
	tool->tally.messages++;
	tool->tally.octets += live->content_length;
	tool->tally.unreadable += !readable;
	if (readable)
		count_one(&tool->tally, live, &envelope);
	if (tool->export) {
		bool ok = export_one(tool, id, live, readable ? &envelope : NULL);
		tool->exported += ok;
		tool->not_exported += !ok;
	}
	free(live->item.parts);
}

/* ---- a shard ------------------------------------------------------------------------------------------------ */

static void print_json(const char *name, const struct tally *t, const struct spool_report *report)
{
	const char *between = "";

	printf("{\"shard\": \"%s\", \"segments\": %" PRIu64 ", \"records\": %" PRIu64 ", \"messages\": %" PRIu64
	       ", \"octets\": %" PRIu64 ", \"waiting\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"unreadable\": %" PRIu64
	       ", \"recipients_pending\": %" PRIu64 ", \"recipients_failed\": %" PRIu64
	       ", \"damaged_batches\": %" PRIu64 ", \"damaged_records\": %" PRIu64 ", \"damaged_files\": %" PRIu64
	       ", \"destinations\": {",
	       name, report->segments, report->records, t->messages, t->octets, t->waiting, t->failed, t->unreadable,
	       t->recipients_pending, t->recipients_failed, report->damaged_batches, report->damaged_records,
	       report->damaged_files);
	for (unsigned i = 0; i < DESTINATIONS && t->destinations[i].messages; i++) {
		fputs(between, stdout);
		put_string(stdout, span_text(t->destinations[i].name));
		printf(": %" PRIu64, t->destinations[i].messages);
		between = ", ";
	}
	fputs("}, \"problem\": ", stdout);
	put_string(stdout, span_text(report->problem));
	fputs("}\n", stdout);
}

static void print_text(const char *name, const struct tally *t, const struct spool_report *report)
{
	printf("%s: %" PRIu64 " messages of %" PRIu64 " octets in %" PRIu64 " segments\n", name, t->messages, t->octets,
	       report->segments);
	printf("  waiting: %" PRIu64 " messages, for %" PRIu64 " recipients\n", t->waiting, t->recipients_pending);
	printf("  failed for good: %" PRIu64 " messages, for %" PRIu64 " recipients\n", t->failed,
	       t->recipients_failed);
	for (unsigned i = 0; i < DESTINATIONS && t->destinations[i].messages; i++)
		printf("  for destination %s: %" PRIu64 " messages\n", t->destinations[i].name,
		       t->destinations[i].messages);
	if (t->unreadable)
		printf("  held because this version cannot read the envelope: %" PRIu64 " messages\n", t->unreadable);
	if (report->damaged_batches || report->damaged_records)
		printf("  damaged: %" PRIu64 " batches, %" PRIu64 " records of acknowledged mail\n",
		       report->damaged_batches, report->damaged_records);
	if (report->damaged_files)
		printf("  set aside as damaged: %" PRIu64 " files\n", report->damaged_files);
	if (report->problem[0])
		printf("  %s\n", report->problem);
}

static int read_shard(struct tool *tool, int directory, unsigned index)
{
	struct spool_settings settings = {
		.shard = (uint16_t)index,
		.shards = 1,
		.segment_size = 4 * SPOOL_SLAB,
		.size_max = 16 * SPOOL_SLAB,
		.slabs = 4,
		.writes = 1,
		.read_only = true,
	};
	struct spool_report report = {0};
	struct spool *spool = NULL;
	char name[16];

	snprintf(name, sizeof(name), "shard-%03u", index);
	tool->tally = (struct tally){0};
	settings.directory = disk_subdirectory_open(directory, name, false);
	int result = settings.directory;
	if (result >= 0)
		result = spool_open(&spool, &settings, on_live, tool, &report);
	if (spool)
		spool_close(spool);
	if (settings.directory >= 0)
		disk_close(settings.directory);
	if (result < 0) {
		fprintf(stderr, "%s cannot be read: %s\n", name,
			report.problem[0] ? report.problem : strerror(-result));
		return STATUS_IO;
	}
	if (!tool->export)
		(tool->json ? print_json : print_text)(name, &tool->tally, &report);
	return report.damaged_batches || report.damaged_records || report.damaged_files ? STATUS_DAMAGE : 0;
}

/* ---- the command -------------------------------------------------------------------------------------------- */

static void find_shard(void *context, const char *name)
{
	struct tool *tool = context;
	unsigned index;
	char rest;

	if (sscanf(name, "shard-%3u%c", &index, &rest) == 1)
		tool->shards[index] = true;
}

static int read_all(struct tool *tool, const char *path)
{
	int directory = disk_directory_open(path, false), status = 0;

	if (directory < 0) {
		fprintf(stderr, "the spool directory %s cannot be opened: %s\n", path, strerror(-directory));
		return STATUS_IO;
	}
	int lock = disk_lock(directory);
	if (lock < 0) {
		if (lock == -EWOULDBLOCK)
			fprintf(stderr, "the spool directory %s is in use by a postrider: stop that one first\n", path);
		else
			fprintf(stderr, "the spool directory %s cannot be locked: %s\n", path, strerror(-lock));
		disk_close(directory);
		return STATUS_IO;
	}
	int result = disk_list(directory, find_shard, tool);
	if (result < 0) {
		fprintf(stderr, "the spool directory %s cannot be listed: %s\n", path, strerror(-result));
		status = STATUS_IO;
	}
	for (unsigned i = 0; result >= 0 && i < SHARDS; i++) {
		int one = tool->shards[i] ? read_shard(tool, directory, i) : 0;
		status = one > status ? one : status;
	}
	disk_close(lock);
	disk_close(directory);
	return status;
}

static int usage(FILE *out, int status)
{
	fputs("usage: postrider spool check DIR [--json]      what lies in a spool that is not in use\n"
	      "       postrider spool export DIR --to OUT [--json]\n"
	      "                                               each message as OUT/ID.eml, its envelope as "
	      "OUT/ID.json\n",
	      out);
	return status;
}

static int export_all(struct tool *tool, const char *path, const char *to)
{
	if (mkdir(to, 0700) < 0 && errno != EEXIST) {
		fprintf(stderr, "%s cannot be made: %s\n", to, strerror(errno));
		return STATUS_IO;
	}
	tool->out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tool->out < 0) {
		fprintf(stderr, "%s cannot be opened: %s\n", to, strerror(errno));
		return STATUS_IO;
	}
	int status = read_all(tool, path);
	/* All files at once: whoever is told that they are there may take the spool away. */
	if (syncfs(tool->out) < 0) {
		fprintf(stderr, "%s cannot be written: %s\n", to, strerror(errno));
		status = STATUS_IO;
	}
	close(tool->out);
	if (tool->json) {
		printf("{\"exported\": %" PRIu64 ", \"not_whole\": %" PRIu64 ", \"directory\": ", tool->exported,
		       tool->not_exported);
		put_string(stdout, span_text(to));
		fputs("}\n", stdout);
	} else {
		printf("%" PRIu64 " messages exported to %s\n", tool->exported, to);
		if (tool->not_exported > 0)
			printf("%" PRIu64 " could not be exported whole\n", tool->not_exported);
	}
	return status == 0 && tool->not_exported > 0 ? STATUS_DAMAGE : status;
}

int spool_tool(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"to", required_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static struct tool tool;
	const char *to = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "jt:h", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'j')
			tool.json = true;
		else if (option == 't')
			to = optarg;
		else
			return usage(stderr, STATUS_USAGE);
	}
	if (argc - optind != 2)
		return usage(stderr, STATUS_USAGE);
	tool.export = strcmp(argv[optind], "export") == 0;
	if ((!tool.export && strcmp(argv[optind], "check") != 0) || tool.export != (to != NULL))
		return usage(stderr, STATUS_USAGE);
	return tool.export ? export_all(&tool, argv[optind + 1], to) : read_all(&tool, argv[optind + 1]);
}
