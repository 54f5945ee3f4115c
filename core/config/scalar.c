/*
 * core/config/scalar.c - what a plain word of the configuration means: see scalar.h.
 */
#include "core/config/scalar.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest last: formatting takes the last one that divides the value. */
static const struct unit size_units[] = {
	{"B", 1},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
	{"TiB", UINT64_C(1) << 40},
	{NULL, 0},
};

static const struct unit duration_units[] = {
	{"ms", UINT64_C(1000000)},          {"s", UINT64_C(1000000000)},         {"m", UINT64_C(60) * 1000000000},
	{"h", UINT64_C(3600) * 1000000000}, {"d", UINT64_C(86400) * 1000000000}, {NULL, 0},
};

/* Not the C library's classes: the configuration means the same in every locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static const struct unit *units_of(enum scalar_kind kind)
{
	return kind == SCALAR_SIZE ? size_units : duration_units;
}

/* Reads the leading digits. *rest is what follows them, also when the number overflows. */
static enum scalar_result read_digits(const char *text, uint64_t *out, const char **rest)
{
	uint64_t value = 0;
	bool overflow = false;
	const char *p = text;

	for (; is_digit(*p); p++) {
		overflow |= __builtin_mul_overflow(value, 10, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
	}
	*rest = p;
	/* A leading zero would be octal to some YAML readers: 010 has no one meaning. */
	if (p == text || (text[0] == '0' && p - text > 1))
		return SCALAR_SYNTAX;
	if (overflow)
		return SCALAR_OVERFLOW;
	*out = value;
	return SCALAR_OK;
}

enum scalar_result scalar_number(const char *text, uint64_t *out)
{
	const char *rest;
	uint64_t value = 0;
	enum scalar_result result = read_digits(text, &value, &rest);

	if (*rest != '\0')
		return SCALAR_SYNTAX;
	if (result == SCALAR_OK)
		*out = value;
	return result;
}

enum scalar_result scalar_quantity(enum scalar_kind kind, const char *text, uint64_t *out)
{
	const char *rest;
	uint64_t value = 0;
	enum scalar_result result = read_digits(text, &value, &rest);

	if (result == SCALAR_SYNTAX)
		return result;
	if (*rest == '\0') {
		if (result == SCALAR_OVERFLOW || value != 0)
			return SCALAR_NO_UNIT;
		*out = 0;
		return SCALAR_OK;
	}
	for (const struct unit *unit = units_of(kind); unit->name != NULL; unit++) {
		if (strcmp(rest, unit->name) != 0)
			continue;
		if (result == SCALAR_OVERFLOW || __builtin_mul_overflow(value, unit->factor, &value))
			return SCALAR_OVERFLOW;
		*out = value;
		return SCALAR_OK;
	}
	/* "1.5h" and "12x34" are no number with a unit, "20GB" and "30 s" are. */
	for (const char *p = rest; *p != '\0'; p++) {
		if (*p != ' ' && (!is_word(*p) || is_digit(*p) || *p == '-' || *p == '_'))
			return SCALAR_SYNTAX;
	}
	return SCALAR_UNKNOWN_UNIT;
}

const char *scalar_nearest_unit(enum scalar_kind kind, const char *text)
{
	const char *p = text;

	while (is_digit(*p) || *p == ' ')
		p++;
	if (kind == SCALAR_SIZE) {
		/* G, GB, gb, Gib: the first letter decides. */
		for (const struct unit *unit = size_units; unit->name != NULL; unit++) {
			if (strncasecmp(p, unit->name, 1) == 0)
				return unit->name;
		}
		return NULL;
	}
	static const struct {
		const char *prefix, *unit;
	} words[] = {{"ms", "ms"}, {"mil", "ms"}, {"m", "m"}, {"s", "s"}, {"h", "h"}, {"d", "d"}};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncasecmp(p, words[i].prefix, strlen(words[i].prefix)) == 0)
			return words[i].unit;
	}
	return NULL;
}

void scalar_quantity_format(enum scalar_kind kind, uint64_t value, char *out, size_t capacity)
{
	const struct unit *best = units_of(kind);

	for (const struct unit *unit = best; unit->name != NULL; unit++) {
		if (value != 0 && value % unit->factor == 0)
			best = unit;
	}
	if (value == 0)
		snprintf(out, capacity, "0");
	else
		snprintf(out, capacity, "%" PRIu64 "%s", value / best->factor, best->name);
}

enum scalar_result scalar_factor(const char *text, double *out)
{
	enum { DIGITS_MAX = 6 };
	double value = 0, place = 1;
	const char *p = text;

	for (; is_digit(*p); p++)
		value = value * 10 + (*p - '0');
	if (p == text)
		return SCALAR_SYNTAX;
	if (p - text > DIGITS_MAX)
		return SCALAR_OVERFLOW;
	if (*p == '.') {
		const char *fraction = ++p;
		for (; is_digit(*p); p++) {
			place /= 10;
			value += place * (*p - '0');
		}
		if (p == fraction || p - fraction > DIGITS_MAX)
			return SCALAR_SYNTAX;
	}
	if (*p != '\0')
		return SCALAR_SYNTAX;
	*out = value;
	return SCALAR_OK;
}

bool scalar_boolean(const char *text, bool *out)
{
	static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"n", "y"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int value = 0; value < 2; value++) {
			if (strcasecmp(text, words[i][value]) == 0) {
				*out = value == 1;
				return true;
			}
		}
	}
	return false;
}

/* Counts the labels of a valid host name; 0: it is not valid. */
static unsigned count_labels(const char *text)
{
	enum { NAME_MAX_OCTETS = 253, LABEL_MAX_OCTETS = 63 };
	unsigned labels = 0;
	const char *p = text;

	if (strlen(text) > NAME_MAX_OCTETS)
		return 0;
	for (;;) {
		const char *label = p;
		while (is_word(*p))
			p++;
		if (p == label || p - label > LABEL_MAX_OCTETS || *label == '-' || p[-1] == '-')
			return 0;
		labels++;
		if (*p == '\0')
			return labels;
		if (*p++ != '.')
			return 0;
	}
}

bool scalar_host_name_valid(const char *text)
{
	return count_labels(text) >= 1;
}

bool scalar_qualified_name_valid(const char *text)
{
	return count_labels(text) >= 2 && !scalar_looks_like_ipv4(text);
}

bool scalar_looks_like_ipv4(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789.")] == '\0';
}

bool scalar_recipient_valid(const char *text)
{
	const char *at = strrchr(text, '@');

	if (at == NULL || at == text || at - text > 64)
		return false;
	for (const char *p = text; p < at; p++) {
		/* A star is the whole local part or nothing: other wildcards would look as if they worked. */
		if ((unsigned char)*p <= ' ' || *p == 0x7f || (*p == '*' && at - text != 1))
			return false;
	}
	const char *domain = at + 1;
	if (domain[0] == '*' && domain[1] == '.')
		return text[0] == '*' && at - text == 1 && scalar_host_name_valid(domain + 2);
	return scalar_host_name_valid(domain);
}

bool scalar_name_valid(const char *text)
{
	enum { NAME_OCTETS_MAX = 64 };
	size_t length = 0;

	for (; text[length] != '\0'; length++) {
		if (length == NAME_OCTETS_MAX || (!is_word(text[length]) && text[length] != '.'))
			return false;
	}
	return length > 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned scalar_distance(const char *a, const char *b)
{
	enum { WORD_MAX = 64 };
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return SCALAR_DISTANCE_MAX + 1;
	/* Three rows of the usual table: a swap looks two rows back. */
	unsigned rows[3][WORD_MAX + 1];
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3];
		const unsigned *before = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
			now[j] = least(replaced, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return least(rows[n % 3][m], SCALAR_DISTANCE_MAX + 1);
}
