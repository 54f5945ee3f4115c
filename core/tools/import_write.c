/*
 * core/tools/import_write.c - a plan as a configuration, and as a list for people (import_plan.h).
 */
#include <inttypes.h>
#include <string.h>

#include "core/tools/import_plan.h"
#include "core/tools/written.h"
#include "core/trace/plain.h"

enum { WORD_MAX = 8192 };

/* Seconds in the largest unit that gives a whole number. */
static void write_duration(FILE *out, uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds % units[i].seconds == 0 && seconds >= units[i].seconds) {
			fprintf(out, "%" PRIu64 "%s", seconds / units[i].seconds, units[i].unit);
			return;
		}
	}
	fputs("0", out);
}

static void write_size(FILE *out, uint64_t octets)
{
	if (octets >= 1048576 && octets % 1048576 == 0)
		fprintf(out, "%" PRIu64 "MiB", octets / 1048576);
	else if (octets % 1024 == 0)
		fprintf(out, "%" PRIu64 "KiB", octets / 1024);
	else
		fprintf(out, "%" PRIu64 "B", octets);
}

static void write_list(FILE *out, const struct import_lines *lines)
{
	fputc('[', out);
	for (size_t i = 0; i < lines->count; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "", lines->list[i]);
	fputc(']', out);
}

/* A list that may be long: an item a line. */
static void write_items(FILE *out, const char *indent, const struct import_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		fprintf(out, "%s- %s\n", indent, lines->list[i]);
}

static void write_key(FILE *out, const char *indent, const char *key, const char *text)
{
	if (!text)
		return;
	fprintf(out, "%s%s: ", indent, key);
	written_quoted(out, text);
	fputc('\n', out);
}

static void write_from(FILE *out, const struct import_plan *plan)
{
	if (!plan->from_address && !plan->from_name && plan->map.count == 0)
		return;
	fputs("    from:\n", out);
	write_key(out, "      ", "address", plan->from_address);
	write_key(out, "      ", "name", plan->from_name);
	if (plan->map.count > 0) {
		fputs("      reply_to: keep\n      map:\n", out);
		write_items(out, "        ", &plan->map);
	}
}

/* What holds for all clients is written once, with what all entries share by an anchor not being YAML of ours: so there
 * is one entry with all networks, and those that the importer made beside it. */
static void write_clients(FILE *out, const struct import_plan *plan)
{
	fputs("\nclients:\n", out);
	write_items(out, "  ", &plan->clients);
	if (plan->networks.count == 0)
		return;
	fputs("  - name: networks\n    networks:\n", out);
	write_items(out, "      ", &plan->networks);
	write_key(out, "    ", "default_domain", plan->default_domain);
	write_key(out, "    ", "archive", plan->archive);
	if (plan->complete)
		fputs("    add_missing_headers: true\n", out);
	if (plan->removed.count > 0) {
		fputs("    remove_headers: ", out);
		write_list(out, &plan->removed);
		fputc('\n', out);
	}
	write_from(out, plan);
}

static void write_tls(FILE *out, const struct import_destination *d)
{
	bool verifies = strcmp(d->mode, "verify") == 0, none = strcmp(d->mode, "none") == 0;

	fprintf(out, "    tls:\n      mode: %s\n", d->mode);
	if (d->implicit && !none)
		fputs("      implicit: true\n", out);
	/* What would be without effect is refused. */
	write_key(out, "      ", "ca_file", verifies && d->fingerprints.count == 0 ? d->ca_file : NULL);
	write_key(out, "      ", "certificate", d->certificate);
	write_key(out, "      ", "private_key", d->private_key);
	write_key(out, "      ", "server_name", d->server_name);
	if (d->fingerprints.count > 0) {
		fputs("      fingerprints: ", out);
		write_list(out, &d->fingerprints);
		fputc('\n', out);
	}
}

static void write_sign_in(FILE *out, const struct import_destination *d)
{
	if (d->mailbox_count == 0)
		return;
	if (d->mechanism)
		fprintf(out, "    auth: { mechanism: %s }\n", d->mechanism);
	fputs("    mailboxes:\n", out);
	for (size_t i = 0; i < d->mailbox_count; i++) {
		fputs("      - { user: ", out);
		written_quoted(out, d->mailboxes[i].user);
		fputs(", password_file: ", out);
		written_quoted(out, d->mailboxes[i].password_file);
		if (d->mailboxes[i].sender && d->match) {
			fputs(", senders: [", out);
			written_quoted(out, d->mailboxes[i].sender);
			fputs(strcmp(d->mailboxes[i].sender, "*") == 0 ? ", \"<>\"]" : "]", out);
		}
		fputs(" }\n", out);
	}
	if (d->match)
		fputs("    sender: match\n", out);
}

static void write_limits(FILE *out, const struct import_destination *d)
{
	const struct {
		const char *key;
		uint64_t value;
	} limits[] = {
		{"connections", d->connections},
		{"recipients_per_message", d->recipients},
		{"messages_per_minute", d->messages_per_minute},
		{"messages_per_hour", d->messages_per_hour},
		{"messages_per_connection", d->messages_per_connection},
	};
	bool first = true;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].value == 0)
			continue;
		fprintf(out, "%s%s: %" PRIu64, first ? "    limits: { " : ", ", limits[i].key, limits[i].value);
		first = false;
	}
	if (!first)
		fputs(" }\n", out);
}

static void write_destination(FILE *out, const struct import_destination *d)
{
	fprintf(out, "  - name: %s\n", d->name);
	if (d->comment)
		fprintf(out, "    # %s\n", d->comment);
	if (d->mx) {
		fputs("    mx: true\n", out);
	} else if (d->mx_of) {
		write_key(out, "    ", "mx_of", d->mx_of);
	} else {
		fputs("    hosts: ", out);
		write_list(out, &d->hosts);
		fputc('\n', out);
	}
	if (d->source) {
		fputs("    source_addresses: [{ address: ", out);
		written_quoted(out, d->source);
		if (d->source_name) {
			fputs(", hostname: ", out);
			written_quoted(out, d->source_name);
		}
		fputs(" }]\n", out);
	}
	if (d->prefer)
		fprintf(out, "    prefer: %s\n", d->prefer);
	write_tls(out, d);
	write_sign_in(out, d);
	write_limits(out, d);
}

static void write_bounds(FILE *out, const struct import_plan *plan)
{
	const struct {
		const char *key;
		uint64_t value;
	} limits[] = {{"recipients_per_message", plan->recipients},
		      {"connections_per_client", plan->connections_per_client},
		      {"connections", plan->connections},
		      {"hops", plan->hops}};
	bool first = true;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].value == 0)
			continue;
		fprintf(out, "%s  %s: %" PRIu64 "\n", first ? "\nlimits:\n" : "", limits[i].key, limits[i].value);
		first = false;
	}
}

/* Keys of which each is in a mapping of its own. */
static void write_times(FILE *out, const struct import_plan *plan)
{
	const struct {
		const char *key;
		uint64_t value;
	} retry[] = {{"first", plan->first_s}, {"max", plan->max_s}, {"expire", plan->expire_s}};
	bool first = true;

	for (size_t i = 0; i < sizeof(retry) / sizeof(retry[0]); i++) {
		if (retry[i].value == 0)
			continue;
		fprintf(out, "%s%s: ", first ? "\nretry: { " : ", ", retry[i].key);
		write_duration(out, retry[i].value);
		first = false;
	}
	fputs(first ? "" : " }\n", out);
	if (plan->has_delay) {
		fputs("\nreports: { delay_after: ", out);
		write_duration(out, plan->delay_s);
		fputs(" }\n", out);
	}
	if (plan->connect_s > 0) {
		fputs("\ntimeouts: { connect: ", out);
		write_duration(out, plan->connect_s);
		fputs(" }\n", out);
	}
	write_bounds(out, plan);
}

void import_write_configuration(FILE *out, const struct import_plan *plan, const char *from)
{
	fprintf(out, "# Taken over from %s by `postrider import`. What was not is in import-notes.txt.\n", from);
	for (size_t i = 0; i < plan->comments.count; i++)
		fprintf(out, "# %s\n", plan->comments.list[i]);
	fputc('\n', out);
	write_key(out, "", "hostname", plan->hostname);
	fputs("\nspool:\n  directory: /var/lib/postrider\n", out);
	if (plan->message_size_max > 0) {
		fputs("  message_size_max: ", out);
		write_size(out, plan->message_size_max);
		fputc('\n', out);
	}
	fputs("\nlisteners:\n", out);
	write_items(out, "  ", &plan->listeners);
	if (plan->certificates.count > 0) {
		fputs("\ntls:\n  certificates:\n", out);
		write_items(out, "    ", &plan->certificates);
	}
	write_clients(out, plan);
	fputs("\ncontrol: { socket: /run/postrider/control.sock }\n\ndestinations:\n", out);
	for (size_t i = 0; i < plan->destination_count; i++)
		write_destination(out, &plan->destinations[i]);
	fputs("\n# The first that fits, for each recipient.\nroutes:\n", out);
	write_items(out, "  ", &plan->routes);
	if (plan->validate)
		fputs("\ndns: { dnssec: validate }\n", out);
	write_times(out, plan);
}

/* A sentence in lines of 100 columns, behind what begins it. A terminal does nothing with what strangers wrote. */
static void write_wrapped(FILE *out, const char *begin, const char *text)
{
	char safe[WORD_MAX];
	size_t column = 0, indent = strlen(begin);

	while (*text) {
		size_t length = strcspn(text, " ");
		size_t used = plain_copy(safe, sizeof(safe), (struct span){text, (uint32_t)length}, NULL);
		size_t width = plain_columns((struct span){safe, (uint32_t)used});
		if (column == 0 || column + 1 + width > 96) {
			fprintf(out, "%s%-*s", column ? "\n" : "", (int)indent, column ? "" : begin);
			column = indent;
		} else {
			fputc(' ', out);
			column++;
		}
		fwrite(safe, 1, used, out);
		column += width;
		text += length + strspn(text + length, " ");
	}
	fputc('\n', out);
}

void import_write_notes(FILE *out, const struct import_plan *plan, const char *from)
{
	if (plan->note_count == 0) {
		fprintf(out, "All of %s could be taken over.\n", from);
		return;
	}
	fprintf(out, "Of %s these could not be taken over, or not as they were (%zu):\n", from,
		plan->note_count + plan->notes_left_out);
	for (size_t i = 0; i < plan->note_count; i++) {
		const struct import_note *note = &plan->notes[i];
		fputc('\n', out);
		write_wrapped(out, "", note->place);
		write_wrapped(out, "    ", note->what);
		write_wrapped(out, "    there: ", note->did);
		write_wrapped(out, "    here:  ", note->here);
	}
	if (plan->notes_left_out > 0)
		fprintf(out, "\n%zu more are left out here.\n", plan->notes_left_out);
}
