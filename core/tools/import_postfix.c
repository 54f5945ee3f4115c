/*
 * core/tools/import_postfix.c - see import_postfix.h.
 */
#include "core/tools/import_postfix.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/config/scalar.h"
#include "core/tools/import_files.h"
#include "core/tools/postfix_source.h"

typedef enum postfix_result read_fn(struct postfix_conf *conf, const char *text, size_t length, unsigned *line);

/* False: said. */
static bool read_file(struct postfix_source *s, const char *name, read_fn *read)
{
	char path[PATH_MAX];
	char *text = NULL;
	const char *problem;
	enum postfix_result result;
	unsigned line = 0;
	size_t length;

	snprintf(path, sizeof(path), "%s/%s", s->directory, name);
	problem = import_read(s->directory, path, &text, &length);
	if (problem) {
		fprintf(stderr, "postrider: import: %s: %s\n", path, problem);
		return false;
	}
	result = read(&s->conf, text, length, &line);
	free(text);
	if (result != POSTFIX_OK)
		fprintf(stderr, "postrider: import: %s:%u: %s\n", path, line, postfix_result_text(result));
	return result == POSTFIX_OK;
}

/* A domain that stands in a file, as Debian's /etc/mailname: of no other file outside of the directory. */
static const char *origin_of(struct postfix_source *s, const char *path)
{
	static const char mailname[] = "/etc/mailname";
	bool own = strcmp(path, mailname) == 0 && s->own;
	const char *problem, *kept;
	char *text = NULL;
	size_t length;

	problem = import_read(own ? NULL : s->directory, postfix_source_path(s, path), &text, &length);
	if (!problem)
		text[strcspn(text, " \t\r\n")] = '\0';
	if (problem || !scalar_host_name_valid(text)) {
		postfix_source_note(s, NULL, "myorigin", "The domain of addresses without one, in a file.",
				    "%s: %s; write default_domain of the clients.", path,
				    problem ? problem : "there is no name of a domain in it");
		free(text);
		return NULL;
	}
	kept = import_text(s->plan, "%s", text);
	free(text);
	return kept;
}

static void take_names(struct postfix_source *s)
{
	const char *hostname = postfix_source_text(s, NULL, "myhostname");
	const char *origin = postfix_source_text(s, NULL, "myorigin");

	if (*hostname && scalar_qualified_name_valid(hostname))
		s->plan->hostname = hostname;
	else
		import_complete_hostname(s->plan, "main.cf", hostname);
	if (*origin == '/')
		origin = origin_of(s, origin);
	else if (!*origin)
		origin = hostname;
	if (origin && scalar_qualified_name_valid(origin))
		s->plan->default_domain = origin;
}

/* Within what a configuration may say; what is beyond is noted. */
static uint64_t within(struct postfix_source *s, const char *name, uint64_t value, uint64_t least, uint64_t most,
		       const char *key)
{
	uint64_t taken = value < least ? least : value > most ? most : value;

	if (taken != value)
		postfix_source_note(s, NULL, name, "A figure that cannot be written so here.",
				    "%s goes up to what postrider.yaml(5) says, and that was written.", key);
	return taken;
}

static void take_figures(struct postfix_source *s)
{
	enum { DAY = 86400, GIB = 1 << 30 };
	struct import_plan *plan = s->plan;
	uint64_t number;

	if (postfix_source_number(s, "message_size_limit", &number))
		plan->message_size_max =
			number == 0 ? GIB
				    : within(s, "message_size_limit", number, 1024, GIB, "spool.message_size_max");
	if (postfix_source_seconds(s, "maximal_queue_lifetime", 'd', &number))
		plan->expire_s =
			number == 0 ? 1 : within(s, "maximal_queue_lifetime", number, 1, 30 * DAY, "retry.expire");
	if (postfix_source_seconds(s, "minimal_backoff_time", 's', &number) && number > 0)
		plan->first_s = within(s, "minimal_backoff_time", number, 1, DAY, "retry.first");
	if (postfix_source_seconds(s, "maximal_backoff_time", 's', &number) && number > 0)
		plan->max_s = within(s, "maximal_backoff_time", number, 1, 7 * DAY, "retry.max");
	import_settle_times(plan, "main.cf");
	plan->has_delay = postfix_source_seconds(s, "delay_warning_time", 'h', &plan->delay_s);
	plan->delay_s = within(s, "delay_warning_time", plan->delay_s, 0, 30 * DAY, "reports.delay_after");
	if (postfix_source_seconds(s, "smtp_connect_timeout", 's', &number) && number > 0)
		plan->connect_s = within(s, "smtp_connect_timeout", number, 1, 3600, "timeouts.connect");
	if (postfix_source_number(s, "smtpd_recipient_limit", &number) && number > 0)
		plan->recipients = within(s, "smtpd_recipient_limit", number, 1, 1000, "limits.recipients_per_message");
	if (postfix_source_number(s, "smtpd_client_connection_count_limit", &number))
		plan->connections_per_client = within(s, "smtpd_client_connection_count_limit", number, 0, 100000,
						      "limits.connections_per_client");
	plan->complete = postfix_source_yes(s, NULL, "always_add_missing_headers");
	plan->validate = strcmp(postfix_source_text(s, NULL, "smtp_dns_support_level"), "dnssec") == 0;
	if (!postfix_conf_find(&s->conf, NULL, "message_size_limit"))
		import_line(plan, &plan->comments,
			    "Postfix took 10240000 octets at most where nothing else was said; "
			    "this relay takes 150MiB (spool.message_size_max).");
}

bool import_postfix(struct import_plan *plan, const char *directory)
{
	char path[PATH_MAX];
	size_t length = strlen(directory);
	bool ok;

	while (length > 1 && directory[length - 1] == '/')
		length--;
	/* Files that are named in what is written are looked for from elsewhere. */
	if (!realpath(directory, path))
		snprintf(path, sizeof(path), "%.*s", (int)(length < PATH_MAX ? length : PATH_MAX - 1), directory);
	struct postfix_source s = {.plan = plan,
				   .directory = path,
				   .own = length == strlen("/etc/postfix") &&
					  strncmp(directory, "/etc/postfix", length) == 0};
	ok = read_file(&s, "main.cf", postfix_conf_read_main) && read_file(&s, "master.cf", postfix_conf_read_master);
	if (ok) {
		take_names(&s);
		take_figures(&s);
		postfix_take_in(&s);
		postfix_take_rules(&s);
		postfix_take_out(&s);
		postfix_take_rest(&s);
	}
	postfix_conf_free(&s.conf);
	return ok;
}
