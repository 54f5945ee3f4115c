/*
 * core/tools/import_plan.c - see import_plan.h.
 */
#include "core/tools/import_plan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/config/scalar.h"
#include "core/tools/written.h"

/* Room for one more; NULL: no memory. Doubles what there is. */
static void *grow(struct import_plan *plan, void *list, size_t count, size_t size)
{
	void *more = list;

	if ((count & (count - 1)) == 0)
		more = realloc(list, (count ? 2 * count : 1) * size);
	if (!more)
		plan->no_memory = true;
	return more;
}

void import_line(struct import_plan *plan, struct import_lines *lines, const char *text)
{
	char **more = grow(plan, lines->list, lines->count, sizeof(*more));

	if (!more)
		return;
	lines->list = more;
	more[lines->count++] = (char *)text;
}

const char *import_text(struct import_plan *plan, const char *format, ...)
{
	va_list arguments;
	size_t before = plan->texts.count;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (text)
		import_line(plan, &plan->texts, text);
	if (text && plan->texts.count > before)
		return text;
	free(text);
	plan->no_memory = true;
	return "";
}

void import_note(struct import_plan *plan, const char *place, const char *what, const char *did, const char *here, ...)
{
	struct import_note *more;
	va_list arguments;
	char text[2048];

	if (plan->note_count == IMPORT_NOTES_MAX) {
		plan->notes_left_out++;
		return;
	}
	va_start(arguments, here);
	vsnprintf(text, sizeof(text), here, arguments);
	va_end(arguments);
	for (size_t i = 0; i < plan->note_count; i++) { /* what several destinations ask for is said once */
		if (strcmp(plan->notes[i].place, place) == 0 && strcmp(plan->notes[i].here, text) == 0)
			return;
	}
	more = grow(plan, plan->notes, plan->note_count, sizeof(*more));
	if (!more)
		return;
	plan->notes = more;
	more[plan->note_count++] = (struct import_note){
		.place = import_text(plan, "%s", place),
		.what = import_text(plan, "%.300s", what),
		.did = import_text(plan, "%s", did),
		.here = import_text(plan, "%s", text),
	};
}

void import_name(const char *text, char name[IMPORT_NAME_SIZE])
{
	size_t length = 0;

	for (; *text && length < IMPORT_NAME_SIZE - 6; text++) {
		bool fits = isalnum((unsigned char)*text) || *text == '.' || *text == '_' || *text == '-';
		if (fits && (length > 0 || isalnum((unsigned char)*text)))
			name[length++] = *text;
		else if (!fits && length > 0 && name[length - 1] != '-')
			name[length++] = '-';
	}
	while (length > 0 && name[length - 1] == '-')
		length--;
	if (length == 0)
		name[length++] = 'x';
	name[length] = '\0';
}

static bool is_taken(const struct import_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->destination_count; i++) {
		if (strcasecmp(plan->destinations[i].name, name) == 0)
			return true;
	}
	return false;
}

struct import_destination *import_destination(struct import_plan *plan, const char *key, const char *name, bool *made)
{
	struct import_destination *more;

	*made = false;
	for (size_t i = 0; i < plan->destination_count; i++) {
		if (strcmp(plan->destinations[i].key, key) == 0)
			return &plan->destinations[i];
	}
	/* All of them at once, so that pointers to them stay. */
	if (!plan->destinations)
		plan->destinations = calloc(IMPORT_DESTINATIONS_MAX, sizeof(*more));
	if (!plan->destinations || plan->destination_count + !plan->finishing >= IMPORT_DESTINATIONS_MAX) {
		plan->no_memory |= !plan->destinations;
		return NULL;
	}
	more = &plan->destinations[plan->destination_count];
	snprintf(more->name, sizeof(more->name), "%s", name);
	for (unsigned n = 2; is_taken(plan, more->name); n++)
		snprintf(more->name, sizeof(more->name), "%.58s-%u", name, n);
	plan->destination_count++;
	more->key = import_text(plan, "%s", key);
	more->mode = "verify";
	*made = true;
	return more;
}

void import_route(struct import_plan *plan, const char *key, const char *pattern, const char *destination,
		  const char *refuse)
{
	const char *line, *wanted = pattern ? import_text(plan, "%s %s", key, pattern) : NULL;

	/* One behind another of the same pattern would never be used, which `check` refuses. */
	for (size_t i = 0; wanted && i < plan->patterns.count; i++) {
		if (strcasecmp(plan->patterns.list[i], wanted) == 0)
			return;
	}
	if (plan->routes.count == IMPORT_ROUTES_MAX - 1 && pattern) {
		plan->routes_left_out++;
		return;
	}
	if (refuse)
		line = import_text(plan, "{ %s: %s, refuse: %s }", key, import_quoted(plan, pattern),
				   import_quoted(plan, refuse));
	else if (pattern)
		line = import_text(plan, "{ %s: %s, destination: %s }", key, import_quoted(plan, pattern), destination);
	else
		line = import_text(plan, "{ destination: %s }", destination);
	if (wanted)
		import_line(plan, &plan->patterns, wanted);
	import_line(plan, &plan->routes, line);
}

const char *import_secret(struct import_plan *plan, const char *name, const char *password)
{
	struct import_secret *more;
	const char *file = import_text(plan, "%s.password", name);

	for (size_t i = 0; i < plan->secret_count; i++) {
		if (strcmp(plan->secrets[i].name, file) != 0)
			continue;
		if (strcmp(plan->secrets[i].text, password) == 0)
			return file;
		file = import_text(plan, "%s-%zu.password", name, plan->secret_count);
	}
	more = grow(plan, plan->secrets, plan->secret_count, sizeof(*more));
	if (!more)
		return file;
	plan->secrets = more;
	more[plan->secret_count] = (struct import_secret){.name = file, .text = strdup(password)};
	if (more[plan->secret_count].text)
		plan->secret_count++;
	else
		plan->no_memory = true;
	return file;
}

void import_mailbox(struct import_plan *plan, struct import_destination *destination, const char *user,
		    const char *password_file, const char *sender)
{
	struct import_mailbox *more =
		grow(plan, destination->mailboxes, destination->mailbox_count, sizeof(*destination->mailboxes));

	if (!more)
		return;
	destination->mailboxes = more;
	more[destination->mailbox_count++] =
		(struct import_mailbox){.user = user, .password_file = password_file, .sender = sender};
}

void import_settle_times(struct import_plan *plan, const char *place)
{
	enum { FIRST = 30, MAX = 4 * 3600, EXPIRE = 5 * 86400 }; /* where nothing is written */
	uint64_t first = plan->first_s ? plan->first_s : FIRST, max = plan->max_s ? plan->max_s : MAX;
	uint64_t expire = plan->expire_s ? plan->expire_s : EXPIRE;
	uint64_t most = max < expire ? max : expire;

	if (first <= most)
		return;
	if (plan->first_s > max && plan->max_s == 0)
		plan->max_s = most = plan->first_s < expire ? plan->first_s : expire;
	plan->first_s = plan->first_s && plan->first_s < most ? plan->first_s : most;
	import_note(plan, place, "how often mail is tried", "Its times were not as `retry` has to have them.",
		    "retry.first is no longer than max and expire here: look at them.");
}

void import_complete_hostname(struct import_plan *plan, const char *place, const char *name)
{
	char own[256] = "";

	if (plan->hostname)
		return;
	if (gethostname(own, sizeof(own) - 1) < 0)
		own[0] = '\0';
	if (scalar_qualified_name_valid(own))
		return; /* the configuration's default */
	if (!name || !scalar_host_name_valid(name) || strchr(name, '.'))
		name = scalar_host_name_valid(own) && !strchr(own, '.') ? own : "relay";
	plan->hostname = import_text(plan, "%s.localdomain", name);
	import_note(plan, place, "the relay's name", "It had no name with a domain.",
		    "It is %s until you write `hostname`: next hops look at it in EHLO.", plan->hostname);
}

bool import_plain(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			return false;
	}
	return true;
}

const char *import_quoted(struct import_plan *plan, const char *text)
{
	char *quoted = NULL;
	size_t length;
	FILE *memory = open_memstream(&quoted, &length);
	const char *kept;

	if (memory)
		written_quoted(memory, text);
	if (!memory || fclose(memory) != 0 || !quoted)
		plan->no_memory = true;
	kept = import_text(plan, "%s", quoted ? quoted : "");
	free(quoted);
	return kept;
}

void import_plan_free(struct import_plan *plan)
{
	struct import_lines *const lists[] = {&plan->patterns, &plan->certificates, &plan->listeners,
					      &plan->networks, &plan->clients,      &plan->map,
					      &plan->removed,  &plan->routes,       &plan->comments};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		free(lists[i]->list);
	for (size_t i = 0; i < plan->destination_count; i++) {
		free(plan->destinations[i].hosts.list);
		free(plan->destinations[i].fingerprints.list);
		free(plan->destinations[i].mailboxes);
	}
	free(plan->destinations);
	for (size_t i = 0; i < plan->secret_count; i++) {
		explicit_bzero(plan->secrets[i].text, strlen(plan->secrets[i].text));
		free(plan->secrets[i].text);
	}
	free(plan->secrets);
	free(plan->notes);
	for (size_t i = 0; i < plan->texts.count; i++)
		free(plan->texts.list[i]);
	free(plan->texts.list);
	*plan = (struct import_plan){0};
}
