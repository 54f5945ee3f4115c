/*
 * core/agents/tls_report_text.c - see tls_report_text.h.
 */
#include "core/agents/tls_report_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "core/base/clock.h"
#include "core/smtp/base64.h"
#include "core/smtp/trace.h"

enum { TIME_SIZE = 24, GZIP_WINDOW = 15 + 16, GZIP_LEVEL = 9, MEMORY_LEVEL = 8, LINE_OCTETS = 57 };

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

/* RFC 3339. */
static void say_time(uint64_t wall_s, char out[TIME_SIZE])
{
	time_t at = (time_t)wall_s;
	struct tm tm;

	gmtime_r(&at, &tm);
	(void)strftime(out, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* What strangers have written need not be UTF-8; what is not is left out as it is of no use. */
static json_t *text_of(const char *text, size_t length)
{
	json_t *value = json_stringn(text, length);

	return value ? value : json_string("?");
}

static void say(json_t *object, const char *name, const char *text)
{
	if (text && text[0] != '\0')
		(void)json_object_set_new(object, name, text_of(text, strlen(text)));
}

/* A string for each line; of a policy of MTA-STS the hosts as well, by themselves. */
static void say_words(json_t *out, const struct tls_policy_count *policy)
{
	const char *at = policy->words, *end = at + policy->words_length;
	json_t *words = json_array(), *hosts = json_array();

	while (at < end) {
		const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
		size_t length = stop ? (size_t)(stop - line) : (size_t)(end - line);
		at = stop ? stop + 1 : end;
		if (length > 0)
			(void)json_array_append_new(words, text_of(line, length));
		if (policy->type != TLS_POLICY_STS || length < 4 || memcmp(line, "mx:", 3) != 0)
			continue;
		for (line += 3, length -= 3; length > 0 && *line == ' '; line++)
			length--;
		(void)json_array_append_new(hosts, text_of(line, length));
	}
	if (json_array_size(words) > 0)
		(void)json_object_set(out, "policy-string", words);
	if (json_array_size(hosts) > 0)
		(void)json_object_set(out, "mx-host", hosts);
	json_decref(words);
	json_decref(hosts);
}

/* Many who read reports refuse those without it. */
static void say_source(const struct tls_report_facts *facts, json_t *out, const struct tls_failure *failure)
{
	char source[TLS_REPORT_ADDRESS_SIZE];

	if (failure->texts[0][0] != '\0')
		say(out, "sending-mta-ip", failure->texts[0]);
	else if (facts->source && failure->texts[2][0] != '\0' && facts->source(failure->texts[2], source))
		say(out, "sending-mta-ip", source);
}

static json_t *failures_of(const struct tls_report_facts *facts, const struct tls_policy_count *policy)
{
	json_t *all = json_array();

	for (const struct tls_failure *failure = policy->failures; failure; failure = failure->next) {
		json_t *one = json_object();
		say(one, "result-type", tls_result_name(failure->result));
		say_source(facts, one, failure);
		say(one, "receiving-mx-hostname", failure->texts[1]);
		say(one, "receiving-ip", failure->texts[2]);
		(void)json_object_set_new(one, "failed-session-count", json_integer((json_int_t)failure->count));
		say(one, "failure-reason-code", failure->texts[3]);
		(void)json_array_append_new(all, one);
	}
	return all;
}

static json_t *policy_of(const struct tls_report_facts *facts, const struct tls_policy_count *policy)
{
	json_t *one = json_object(), *what = json_object(), *failures = failures_of(facts, policy);

	say(what, "policy-type", tls_policy_type_name(policy->type));
	say_words(what, policy);
	/* Also where there is no policy: readers find their domain by it. */
	say(what, "policy-domain", facts->domain->name);
	(void)json_object_set_new(one, "policy", what);
	(void)json_object_set_new(one, "summary",
				  json_pack("{s:I, s:I}", "total-successful-session-count", (json_int_t)policy->good,
					    "total-failure-session-count", (json_int_t)policy->failed));
	if (json_array_size(failures) > 0)
		(void)json_object_set(one, "failure-details", failures);
	json_decref(failures);
	return one;
}

void tls_report_id(const struct tls_report_facts *facts, char id[TLS_REPORT_ID_SIZE])
{
	char day[TIME_SIZE];

	say_time(facts->start_s, day);
	snprintf(id, TLS_REPORT_ID_SIZE, "%.10s.%.120s@%.180s", day, facts->domain->name, facts->submitter);
}

char *tls_report_json(const struct tls_report_facts *facts)
{
	char id[TLS_REPORT_ID_SIZE], start[TIME_SIZE], end[TIME_SIZE], *text;
	json_t *root = json_object(), *policies = json_array();

	tls_report_id(facts, id);
	say_time(facts->start_s, start);
	say_time(facts->end_s, end);
	say(root, "organization-name", facts->organization);
	(void)json_object_set_new(root, "date-range",
				  json_pack("{s:s, s:s}", "start-datetime", start, "end-datetime", end));
	say(root, "contact-info", facts->contact);
	say(root, "report-id", id);
	for (const struct tls_policy_count *policy = facts->domain->policies; policy; policy = policy->next)
		(void)json_array_append_new(policies, policy_of(facts, policy));
	(void)json_object_set_new(root, "policies", policies);
	text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

char *tls_report_gzip(const char *text, size_t *length)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)strlen(text)};
	char *out = NULL;
	size_t room;

	if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	room = deflateBound(&stream, stream.avail_in);
	out = malloc(room);
	if (out) {
		stream.next_out = (Bytef *)out;
		stream.avail_out = (uInt)room;
		if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
			free(out);
			out = NULL;
		}
	}
	*length = room - stream.avail_out;
	(void)deflateEnd(&stream);
	return out;
}

/* ---- the mail --------------------------------------------------------------------------------------------------- */

/* Nothing that a mail's header could end with, or mistake; what is configured may be UTF-8. */
static void put_plain(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}

static void put_header(FILE *out, const struct tls_report_facts *facts, const char *to, uint64_t now_s,
		       const char *boundary)
{
	char id[TLS_REPORT_ID_SIZE], date[TRACE_DATE + 1];

	tls_report_id(facts, id);
	trace_date(now_s * CLOCK_NS_PER_S, date);
	date[TRACE_DATE] = '\0';
	fprintf(out, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s>\r\n", facts->from, to, date, id);
	/* RFC 8460 5.3: the subject's folding is its own. */
	fprintf(out, "Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>\r\n", facts->domain->name,
		facts->submitter, id);
	fprintf(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n", facts->domain->name, facts->submitter);
	/* RFC 8689 5: it goes on though the domain's TLS is what is broken. RFC 3834: nobody answers it. */
	fputs("TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", out);
	fprintf(out, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"%s\"\r\n\r\n", boundary);
}

static void put_text(FILE *out, const struct tls_report_facts *facts, const char *boundary)
{
	char day[TIME_SIZE];

	say_time(facts->start_s, day);
	fprintf(out, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary);
	fprintf(out,
		"This is a report about TLS for mail to %s on %.10s, UTC (RFC 8460).\r\n\r\nIt was made by %s, of ",
		facts->domain->name, day, facts->submitter);
	put_plain(out, facts->organization);
	fputs(".\r\nQuestions: ", out);
	put_plain(out, facts->contact);
	fputs("\r\n\r\n", out);
}

static void put_report(FILE *out, const struct tls_report_facts *facts, const char *boundary, const char *report,
		       size_t length)
{
	char line[BASE64_LENGTH(LINE_OCTETS) + 1];

	fprintf(out, "--%s\r\nContent-Type: " TLS_REPORT_TYPE "\r\nContent-Transfer-Encoding: base64\r\n", boundary);
	/* RFC 8460 5.1 */
	fprintf(out, "Content-Disposition: attachment;\r\n filename=\"%s!%s!%llu!%llu.json.gz\"\r\n\r\n",
		facts->submitter, facts->domain->name, (unsigned long long)facts->start_s,
		(unsigned long long)facts->end_s);
	for (size_t at = 0; at < length; at += LINE_OCTETS) {
		size_t n = length - at < LINE_OCTETS ? length - at : LINE_OCTETS;
		line[base64_encode(report + at, n, line)] = '\0';
		fprintf(out, "%s\r\n", line);
	}
	fprintf(out, "--%s--\r\n", boundary);
}

char *tls_report_letter(const struct tls_report_facts *facts, const char *to, uint64_t now_s, const char *report,
			size_t report_length, size_t *length)
{
	static const char boundary[] = "=_postrider_tls_report"; /* "=_" stands in no base64 */
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	bool failed;

	if (!out)
		return NULL;
	put_header(out, facts, to, now_s, boundary);
	put_text(out, facts, boundary);
	put_report(out, facts, boundary, report, report_length);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
