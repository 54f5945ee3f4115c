/*
 * core/config/device_cut.c - see device_cut.h. The tokens of the file say where its entries begin and end.
 */
#include "core/config/device_cut.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Lines from 0. */
struct search {
	size_t wanted;
	unsigned depth;          /* of what is open; entries of the list are at 1 */
	size_t dash, from, last; /* of the entry that is gone through: its "-", its first token, its last line */
	bool entry, fresh;       /* there is one; nothing of it has come but the "-" */
	bool found, other;       /* the one that is wanted was gone through; the file is no such list */
	size_t cut_from, cut_last;
};

/* The one before is whole. */
static void end_entry(struct search *s)
{
	if (s->entry && !s->fresh && s->from == s->wanted && !s->found) {
		s->found = true;
		s->cut_from = s->dash;
		s->cut_last = s->last;
	}
	s->entry = false;
}

static void begin_entry(struct search *s, const yaml_token_t *token)
{
	end_entry(s);
	/* Two on one line: "- - a", or behind the last key of another. */
	s->other |= s->found && token->start_mark.line <= s->cut_last;
	s->dash = token->start_mark.line;
	s->entry = s->fresh = true;
}

/* What an entry is made of. A block's text may end at the beginning of the next line. */
static void see(struct search *s, const yaml_token_t *token)
{
	size_t last =
		token->end_mark.line - (token->end_mark.column == 0 && token->end_mark.line > token->start_mark.line);

	if (s->fresh)
		s->from = token->start_mark.line;
	s->last = s->fresh || last > s->last ? last : s->last;
	s->fresh = false;
}

static void take(struct search *s, const yaml_token_t *token)
{
	switch (token->type) {
	case YAML_STREAM_START_TOKEN:
	case YAML_STREAM_END_TOKEN:
	case YAML_VERSION_DIRECTIVE_TOKEN:
	case YAML_TAG_DIRECTIVE_TOKEN:
	case YAML_DOCUMENT_START_TOKEN:
	case YAML_DOCUMENT_END_TOKEN:
		return;
	case YAML_BLOCK_END_TOKEN:
		/* Where the next thing begins: it says nothing of this one. */
		s->depth--;
		return;
	case YAML_BLOCK_ENTRY_TOKEN:
		if (s->depth == 1) {
			begin_entry(s, token);
			return;
		}
		break;
	case YAML_BLOCK_SEQUENCE_START_TOKEN:
	case YAML_BLOCK_MAPPING_START_TOKEN:
	case YAML_FLOW_SEQUENCE_START_TOKEN:
	case YAML_FLOW_MAPPING_START_TOKEN:
		if (s->depth++ == 0) {
			s->other |= token->type != YAML_BLOCK_SEQUENCE_START_TOKEN;
			return;
		}
		break;
	case YAML_FLOW_SEQUENCE_END_TOKEN:
	case YAML_FLOW_MAPPING_END_TOKEN:
		s->depth--;
		break;
	default:
		break;
	}
	if (s->entry)
		see(s, token);
}

/* False: it is no YAML. */
static bool scan(struct search *s, const char *text, size_t length)
{
	bool more = true, ok = true;
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	while (more && ok) {
		yaml_token_t token;
		ok = yaml_parser_scan(&parser, &token) == 1;
		if (!ok)
			break;
		more = token.type != YAML_STREAM_END_TOKEN;
		take(s, &token);
		yaml_token_delete(&token);
	}
	yaml_parser_delete(&parser);
	end_entry(s);
	return ok && s->depth == 0;
}

/* Where a line begins; behind the last one: the end. */
static size_t line_at(const char *text, size_t length, size_t line)
{
	size_t at = 0;

	for (; line > 0 && at < length; line--) {
		const char *lf = memchr(text + at, '\n', length - at);
		at = lf ? (size_t)(lf - text) + 1 : length;
	}
	return at;
}

static bool stands_at(const char *text, size_t length, const char *octets)
{
	return length >= strlen(octets) && memcmp(text, octets, strlen(octets)) == 0;
}

/* The scanner counts other ends of lines as well: CR, NEL, LS, PS. */
static bool only_lf(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const char *at = text + i;
		size_t left = length - i;
		if ((*at == '\r' && !stands_at(at, left, "\r\n")) || stands_at(at, left, "\xc2\x85") ||
		    stands_at(at, left, "\xe2\x80\xa8") || stands_at(at, left, "\xe2\x80\xa9"))
			return false;
	}
	return true;
}

int device_cut(const char *text, size_t length, unsigned line, char **out, size_t *out_length)
{
	/* Some editors write one before UTF-8. */
	size_t mark = stands_at(text, length, "\xef\xbb\xbf") ? 3 : 0, from, to;
	struct search s = {.wanted = line - 1u};

	if (line == 0 || !only_lf(text, length) || !scan(&s, text + mark, length - mark) || s.other || !s.found)
		return -EINVAL;
	from = s.cut_from == 0 ? mark : line_at(text, length, s.cut_from);
	to = line_at(text, length, s.cut_last + 1);
	*out = malloc(length + 1);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, text, from);
	memcpy(*out + from, text + to, length - to);
	*out_length = from + length - to;
	return 0;
}
