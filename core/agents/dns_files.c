/*
 * core/agents/dns_files.c - see dns_files.h.
 */
#include "core/agents/dns_files.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct words {
	const char *at, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next line without its comment; false at the end. */
static bool next_line(struct words *text, struct words *line)
{
	const char *end;

	if (text->at == text->end)
		return false;
	end = memchr(text->at, '\n', (size_t)(text->end - text->at));
	*line = (struct words){text->at, end ? end : text->end};
	text->at = end ? end + 1 : text->end;
	return true;
}

/* The next word of a line; its length, 0 at the end. A comment begins with either of the two where a word may. */
static size_t next_word(struct words *line, const char **word)
{
	while (line->at < line->end && is_blank(*line->at))
		line->at++;
	*word = line->at;
	if (line->at < line->end && (*line->at == '#' || *line->at == ';'))
		return 0;
	while (line->at < line->end && !is_blank(*line->at) && *line->at != '#')
		line->at++;
	return (size_t)(line->at - *word);
}

static bool word_is(const char *word, size_t length, const char *name)
{
	return length == strlen(name) && strncasecmp(word, name, length) == 0;
}

static bool to_address(const char *word, size_t length, struct ring_address *out)
{
	char text[INET6_ADDRSTRLEN];

	memset(out, 0, sizeof(*out));
	if (length == 0 || length >= sizeof(text))
		return false;
	memcpy(text, word, length);
	text[length] = '\0';
	if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->length = sizeof(out->v4);
		return true;
	}
	out->v6.sin6_family = AF_INET6;
	out->length = sizeof(out->v6);
	return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1;
}

/* ---- hosts(5) ----------------------------------------------------------------------------------------------- */

static size_t without_dot(const char *name)
{
	size_t length = strlen(name);

	return length > 1 && name[length - 1] == '.' ? length - 1 : length;
}

unsigned hosts_find(const char *text, size_t length, const char *name, struct ring_address *out, unsigned most)
{
	size_t name_length = without_dot(name), n;
	struct words rest = {text, text + length}, line;
	unsigned count = 0;
	const char *word;

	while (count < most && next_line(&rest, &line)) {
		n = next_word(&line, &word);
		if (!to_address(word, n, &out[count]))
			continue;
		while ((n = next_word(&line, &word)) > 0) {
			if (n == name_length && strncasecmp(word, name, n) == 0) {
				count++;
				break;
			}
		}
	}
	return count;
}

unsigned hosts_loopback(const char *name, struct ring_address *out, unsigned most)
{
	static const char *const texts[] = {"::1", "127.0.0.1"};
	static const char top[] = "localhost";
	size_t length = without_dot(name), n = sizeof(top) - 1;
	unsigned count = 0;

	if (length < n || strncasecmp(name + length - n, top, n) != 0 || (length > n && name[length - n - 1] != '.'))
		return 0;
	for (; count < most && count < sizeof(texts) / sizeof(texts[0]); count++)
		(void)to_address(texts[count], strlen(texts[count]), &out[count]);
	return count;
}

/* ---- resolv.conf(5) ----------------------------------------------------------------------------------------- */

static void take_server(struct resolv_conf *out, struct words *line)
{
	struct ring_address ignored;
	const char *word;
	size_t n = next_word(line, &word), plain = 0;

	/* The scope of a link-local address stays with it. */
	while (plain < n && word[plain] != '%')
		plain++;
	if (out->server_count == DNS_SERVERS_MAX || n >= DNS_SERVER_TEXT || !to_address(word, plain, &ignored))
		return;
	memcpy(out->servers[out->server_count], word, n);
	out->servers[out->server_count++][n] = '\0';
}

/* The last of several lists counts. */
static void take_search(struct resolv_conf *out, struct words *line)
{
	const char *word;
	size_t n;

	out->search_count = 0;
	while ((n = next_word(line, &word)) > 0 && out->search_count < DNS_SEARCH_MAX) {
		if (n >= DNS_NAME_SIZE || (n == 1 && word[0] == '.') || memchr(word, '\0', n))
			continue;
		memcpy(out->search[out->search_count], word, n);
		out->search[out->search_count++][n] = '\0';
	}
}

static void take_options(struct resolv_conf *out, struct words *line)
{
	static const char dots[] = "ndots:";
	const char *word;
	size_t n;

	while ((n = next_word(line, &word)) > 0) {
		if (n != sizeof(dots) || strncasecmp(word, dots, sizeof(dots) - 1) != 0)
			continue; /* no option, or more than nine dots */
		if (word[n - 1] >= '0' && word[n - 1] <= '9')
			out->dots = (unsigned)(word[n - 1] - '0');
	}
}

void resolv_conf_parse(const char *text, size_t length, struct resolv_conf *out)
{
	struct words rest = {text, text + length}, line;
	const char *word;
	size_t n;

	*out = (struct resolv_conf){.dots = 1};
	while (next_line(&rest, &line)) {
		n = next_word(&line, &word);
		if (word_is(word, n, "nameserver"))
			take_server(out, &line);
		else if (word_is(word, n, "search") || word_is(word, n, "domain"))
			take_search(out, &line);
		else if (word_is(word, n, "options"))
			take_options(out, &line);
	}
}

bool resolv_conf_candidate(const struct resolv_conf *conf, const char *name, unsigned index, char out[DNS_NAME_SIZE])
{
	size_t length = strlen(name);
	bool absolute = length > 0 && name[length - 1] == '.', as_is_first;
	unsigned dots = 0, own;
	int n;

	for (size_t i = 0; i < length; i++)
		dots += name[i] == '.';
	as_is_first = absolute || dots >= conf->dots;
	own = as_is_first ? 0 : conf->search_count;
	if (index > (absolute ? 0 : conf->search_count))
		return false;
	if (index == own)
		n = snprintf(out, DNS_NAME_SIZE, "%s", name);
	else
		n = snprintf(out, DNS_NAME_SIZE, "%s.%s", name, conf->search[index - (index > own)]);
	if (n >= DNS_NAME_SIZE)
		out[0] = '\0';
	return true;
}
