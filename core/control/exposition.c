/*
 * core/control/exposition.c - see exposition.h.
 */
#include "core/control/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/span.h"
#include "core/smtp/utf8.h"

enum { FIRST_ROOM = 16 << 10, NUMBER = 48, LABELS_MAX = 8 };

static void put(struct exposition *e, const char *data, size_t length)
{
	if (e->length + length > e->room && !e->failed) {
		size_t room = e->room ? e->room : FIRST_ROOM;
		char *more;
		while (room < e->length + length)
			room *= 2;
		more = realloc(e->text, room);
		e->failed = !more;
		if (more) {
			e->text = more;
			e->room = room;
		}
	}
	if (e->failed)
		return;
	memcpy(e->text + e->length, data, length);
	e->length += length;
}

static void put_text(struct exposition *e, const char *text)
{
	put(e, text, strlen(text));
}

/* What others may have written: octets that are not UTF-8 are replaced. */
static void put_value(struct exposition *e, const char *value)
{
	struct span rest = span_text(value);

	while (rest.length > 0) {
		uint32_t length = (unsigned char)*rest.data < 0x80 ? 1 : utf8_character(rest);
		if (length == 0) {
			put_text(e, "\xef\xbf\xbd");
			length = 1;
		} else if (*rest.data == '\\' || *rest.data == '"') {
			put_text(e, "\\");
			put(e, rest.data, 1);
		} else if (*rest.data == '\n') {
			put_text(e, "\\n");
		} else {
			put(e, rest.data, length);
		}
		rest.data += length;
		rest.length -= length;
	}
}

/* ---- which format ----------------------------------------------------------------------------------------------- */

/* The weight of one of the types in Accept (RFC 9110 12.4.2), in thousandths; what cannot be read counts as 0. */
static unsigned weight_of(const char *parameters, size_t length)
{
	for (size_t i = 0; i + 2 < length; i++) {
		const char *at = parameters + i;
		unsigned weight = 0, scale = 1000;
		if (*at != ';' && *at != ' ' && *at != '\t')
			continue;
		if ((at[1] != 'q' && at[1] != 'Q') || at[2] != '=')
			continue;
		for (i += 3; i < length && scale > 0; i++) {
			if (parameters[i] == '.')
				continue;
			if (parameters[i] < '0' || parameters[i] > '9')
				break;
			weight += (unsigned)(parameters[i] - '0') * scale;
			scale /= 10;
		}
		return weight > 1000 ? 1000 : weight;
	}
	return 1000;
}

/* The best weight that it gives this type. */
static unsigned accepts(const char *accept, const char *type)
{
	unsigned best = 0;

	while (*accept) {
		size_t length = strcspn(accept, ","), name;
		const char *from = accept + strspn(accept, " \t");
		if (from > accept + length)
			from = accept + length;
		name = strcspn(from, ";, \t");
		if (name == strlen(type) && strncasecmp(from, type, name) == 0) {
			unsigned weight = weight_of(from + name, (size_t)(accept + length - from) - name);
			best = weight > best ? weight : best;
		}
		accept += length;
		accept += *accept == ',';
	}
	return best;
}

bool exposition_wanted(const char *accept)
{
	unsigned open = accept ? accepts(accept, "application/openmetrics-text") : 0;

	return open > 0 && open >= accepts(accept, "text/plain");
}

const char *exposition_type(bool open_metrics)
{
	return open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			    : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- families and samples --------------------------------------------------------------------------------------- */

static const struct {
	const char *suffix, *open, *plain;
} types[] = {
	[METRIC_GAUGE] = {"", "gauge", "gauge"},
	[METRIC_COUNTER] = {"_total", "counter", "counter"},
	[METRIC_INFO] = {"_info", "info", "gauge"},
	[METRIC_HISTOGRAM] = {"", "histogram", "histogram"},
	[METRIC_GAUGE_HISTOGRAM] = {"", "gaugehistogram", "untyped"},
};

static void put_about(struct exposition *e, const char *what, const struct metric_family *family, const char *text)
{
	put_text(e, "# ");
	put_text(e, what);
	put_text(e, " ");
	put_text(e, family->name);
	/* There a family is what its samples are named. */
	if (!e->open_metrics)
		put_text(e, types[family->type].suffix);
	put_text(e, " ");
	put_text(e, text);
	put_text(e, "\n");
}

void exposition_family(struct exposition *e, const struct metric_family *family)
{
	put_about(e, "HELP", family, family->help);
	put_about(e, "TYPE", family, e->open_metrics ? types[family->type].open : types[family->type].plain);
	if (e->open_metrics && family->unit[0] != '\0')
		put_about(e, "UNIT", family, family->unit);
}

static void put_sample(struct exposition *e, const struct metric_family *family, const char *suffix,
		       const struct metric_label *labels, const char *value)
{
	put_text(e, family->name);
	put_text(e, suffix[0] ? suffix : types[family->type].suffix);
	for (size_t i = 0; labels && labels[i].name; i++) {
		put_text(e, i == 0 ? "{" : ",");
		put_text(e, labels[i].name);
		put_text(e, "=\"");
		put_value(e, labels[i].value);
		put_text(e, "\"");
	}
	put_text(e, labels && labels[0].name ? "} " : " ");
	put_text(e, value);
	put_text(e, "\n");
}

void exposition_number(struct exposition *e, const struct metric_family *family, const char *suffix,
		       const struct metric_label *labels, uint64_t value)
{
	char text[NUMBER];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_sample(e, family, suffix, labels, text);
}

/* Digits that mean nothing are left out, but for one behind the point: 1.0 is how OpenMetrics wants it in `le`. */
static void seconds_text(int64_t us, char out[NUMBER])
{
	uint64_t most = us < 0 ? (uint64_t) - (us + 1) + 1 : (uint64_t)us;
	size_t length;

	length = (size_t)snprintf(out, NUMBER, "%s%" PRIu64 ".%06" PRIu64, us < 0 ? "-" : "", most / 1000000,
				  most % 1000000);
	while (out[length - 1] == '0' && out[length - 2] != '.')
		out[--length] = '\0';
}

void exposition_seconds(struct exposition *e, const struct metric_family *family, const char *suffix,
			const struct metric_label *labels, int64_t us)
{
	char text[NUMBER];

	seconds_text(us, text);
	put_sample(e, family, suffix, labels, text);
}

void exposition_buckets(struct exposition *e, const struct metric_family *family, const struct metric_label *labels,
			const struct metric_buckets *buckets)
{
	bool gauge = family->type == METRIC_GAUGE_HISTOGRAM;
	struct metric_label all[LABELS_MAX + 2] = {{NULL, NULL}};
	char bound[NUMBER];
	uint64_t count = 0;
	size_t n = 0;

	for (; labels && labels[n].name && n < LABELS_MAX; n++)
		all[n] = labels[n];
	all[n] = (struct metric_label){"le", bound};
	for (size_t i = 0; i <= buckets->bounds; i++) {
		count += buckets->counts[i];
		if (i < buckets->bounds)
			seconds_text((int64_t)buckets->bounds_us[i], bound);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		exposition_number(e, family, "_bucket", all, count);
	}
	exposition_number(e, family, gauge ? "_gcount" : "_count", labels, count);
	exposition_seconds(e, family, gauge ? "_gsum" : "_sum", labels, (int64_t)buckets->sum_us);
}

char *exposition_end(struct exposition *e, size_t *length)
{
	char *text;

	if (e->open_metrics)
		put_text(e, "# EOF\n");
	put(e, "", 1);
	text = e->text;
	*length = e->length - 1;
	if (e->failed) {
		free(text);
		text = NULL;
	}
	*e = (struct exposition){.open_metrics = e->open_metrics};
	return text;
}
