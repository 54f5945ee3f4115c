/*
 * core/tools/said.c - see said.h.
 */
#include "core/tools/said.h"

#include <string.h>

#include "core/smtp/enhanced.h"

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A code stands here, "550 " or "550-": what comes behind it. */
static const char *code_at(const char *start, const char *at, const char *end)
{
	bool begins =
		at == start || !strchr("0123456789.-_=/:[abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", at[-1]);

	if (end - at < 3 || !begins || (at[0] != '4' && at[0] != '5') || !digit(at[1]) || !digit(at[2]))
		return NULL;
	if (end - at == 3)
		return end;
	return at[3] == ' ' || at[3] == '-' || at[3] == '\t' ? at + 4 : NULL;
}

static unsigned code_of(const char *at)
{
	return (unsigned)((at[0] - '0') * 100 + (at[1] - '0') * 10 + at[2] - '0');
}

static bool enhanced_behind(unsigned code, const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	return smtp_enhanced_code(code, (struct span){at, (uint32_t)(end - at)}) != 0;
}

/* Where the code stands: one with an enhanced code behind it, one behind "said:", else the first. */
static const char *find_code(const char *text, const char *end)
{
	static const char said[] = "said: ";
	const char *first = NULL, *told = NULL;

	for (const char *at = text; at < end; at++) {
		const char *behind = code_at(text, at, end);
		if (!behind)
			continue;
		if (enhanced_behind(code_of(at), behind, end))
			return at;
		first = first ? first : at;
		if (!told && at - text >= (ptrdiff_t)strlen(said) && memcmp(at - strlen(said), said, strlen(said)) == 0)
			told = at;
	}
	return told ? told : first;
}

/* An enhanced code without a code before it, as bounces of Exchange have it. */
static const char *find_enhanced(const char *text, const char *end, unsigned *code)
{
	for (const char *at = text; at < end; at++) {
		if ((*at != '4' && *at != '5') || (at > text && (digit(at[-1]) || at[-1] == '.')))
			continue;
		*code = *at == '4' ? 450 : 550;
		if (enhanced_behind(*code, at, end))
			return at;
	}
	return NULL;
}

/* "(in reply to RCPT TO command)" at the end: when it was said. Returns where it begins, or `end`. */
static const char *take_stage(const char *text, const char *end, struct said *said)
{
	static const char before[] = "(in reply to ";
	static const struct {
		const char *word;
		enum stage stage;
	} words[] = {
		{"end of DATA", STAGE_CONTENT}, {"MAIL FROM", STAGE_MAIL},    {"RCPT TO", STAGE_RCPT},
		{"DATA", STAGE_DATA},           {"STARTTLS", STAGE_STARTTLS}, {"AUTH", STAGE_AUTH},
		{"EHLO", STAGE_EHLO},           {"HELO", STAGE_EHLO},         {"BDAT", STAGE_CONTENT},
	};
	const char *at = memmem(text, (size_t)(end - text), before, strlen(before));

	if (!at)
		return end;
	const char *word = at + strlen(before);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = strlen(words[i].word);
		if ((size_t)(end - word) >= length && memcmp(word, words[i].word, length) == 0) {
			said->staged = true;
			said->stage = words[i].stage;
			break;
		}
	}
	return at;
}

/* The lines, each without its code: logs have put them behind each other. */
static void copy(struct said *said, const char *text, const char *at, const char *end)
{
	while (at < end && said->length < SAID_TEXT_MAX) {
		const char *behind = said->length > 0 ? code_at(text, at, end) : NULL;
		bool again = behind && code_of(at) == said->code && (at[-1] == ' ' || at[-1] == '\n');
		if (again && said->length > 0) {
			said->text[said->length - 1] = '\n';
			at = behind;
		} else {
			said->text[said->length++] = *at == '\r' || *at == '\0' ? ' ' : *at;
			at++;
		}
	}
	while (said->length > 0 && strchr(" \t\n'\")", said->text[said->length - 1]))
		said->length--;
}

bool said_parse(const char *text, size_t length, struct said *said)
{
	const char *end = text + length, *at;

	*said = (struct said){.code = 0};
	at = find_code(text, end);
	if (at) {
		said->code = code_of(at);
		at = code_at(text, at, end);
	} else {
		at = find_enhanced(text, end, &said->code);
		if (!at) {
			said->code = 0;
			return false;
		}
	}
	end = take_stage(at, end, said);
	while (at < end && *at == ' ')
		at++;
	copy(said, text, at, end);
	return true;
}
