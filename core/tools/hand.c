/*
 * core/tools/hand.c - see hand.h.
 */
#include "core/tools/hand.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/tools/ask.h"

enum { PIECE = 16 << 10, LINE_MAX_OCTETS = 4096, GO_ON = 2, CONTENT_IS_DUE = 3 };

/* ---- where ------------------------------------------------------------------------------------------------------ */

static bool takes_ours(const struct config_listener *listener)
{
	return (listener->tls == CONFIG_LISTENER_TLS_OFF || listener->tls == CONFIG_LISTENER_TLS_OFFERED) &&
	       listener->auth != CONFIG_LISTENER_AUTH_REQUIRED && listener->proxy_count == 0 &&
	       listener->address.v4.sin_port != 0; /* both families have it in one place */
}

/* Of an address that stands for all of this machine, the one that is always there. */
static void to_loopback(struct ring_address *address)
{
	struct sockaddr_in *four = &address->v4;
	struct sockaddr_in6 *six = &address->v6;

	if (address->any.sa_family == AF_INET && four->sin_addr.s_addr == htonl(INADDR_ANY))
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
		six->sin6_addr = in6addr_loopback;
}

static bool from_config(struct hand *hand, const char *file, struct ring_address *address)
{
	static struct config_problems problems;
	struct config *config = config_load(file, &problems);
	bool found = false;

	if (!config) {
		snprintf(hand->problem, sizeof(hand->problem), "%s", config_problems_first(&problems));
		return false;
	}
	for (size_t i = 0; i < config->listener_count && !found; i++) {
		found = takes_ours(&config->listeners[i]);
		if (found)
			*address = config->listeners[i].address;
	}
	config_free(config);
	to_loopback(address);
	if (!found)
		snprintf(hand->problem, sizeof(hand->problem),
			 "%.200s has no listener that takes mail without TLS and passwords: name one by its address",
			 file);
	return found;
}

bool hand_where(struct hand *hand, const char *relay, const char *config, struct ring_address *address)
{
	struct address_problem problem;

	if (relay && address_text_parse(relay, address, &problem) < 0) {
		snprintf(hand->problem, sizeof(hand->problem), "%.100s is no address with a port, such as " HAND_USUAL,
			 relay);
		return false;
	}
	if (!relay && config && !from_config(hand, config, address))
		return false;
	if (!relay && !config &&
	    (access(ASK_CONFIGURATION, R_OK) < 0 || !from_config(hand, ASK_CONFIGURATION, address)))
		(void)address_text_parse(HAND_USUAL, address, &problem);
	address_text_format_port(address, hand->where);
	return true;
}

/* ---- what is said ----------------------------------------------------------------------------------------------- */

static enum hand_result broken(struct hand *hand, enum hand_result result)
{
	char why[sizeof(hand->dial.problem)];

	memcpy(why, hand->dial.problem, sizeof(why));
	snprintf(hand->problem, sizeof(hand->problem), "the relay at %s: %s", hand->where, why);
	hand_close(hand);
	return result;
}

/* `good`: the first digit that lets it go on (RFC 5321 4.2.1). Another below 4 is out of turn, and what comes behind it
 * would be taken for something else. `lost`: what it is when nothing comes. */
static enum hand_result take_reply(struct hand *hand, unsigned good, struct smtp_extensions *extensions,
				   enum hand_result lost)
{
	size_t behind;

	if (dial_reply(&hand->dial, &hand->reply, extensions, &behind) < 0)
		return broken(hand, lost);
	if (hand->reply.code / 100 == good)
		return HAND_TAKEN;
	if (hand->reply.code < 400) {
		snprintf(hand->dial.problem, sizeof(hand->dial.problem), "it answers %u where %uxx is due",
			 hand->reply.code, good);
		return broken(hand, lost);
	}
	int n = snprintf(hand->problem, sizeof(hand->problem), "%u ", hand->reply.code);
	smtp_quote((const uint8_t *)hand->reply.text, hand->reply.text_length, hand->problem + n,
		   sizeof(hand->problem) - (size_t)n);
	return hand->reply.code < 500 ? HAND_LATER : HAND_REFUSED;
}

enum hand_result hand_open(struct hand *hand, const struct ring_address *address, uint64_t wait_ns)
{
	address_text_format_port(address, hand->where);
	dial_init(&hand->dial, wait_ns);
	if (dial_connect(&hand->dial, address) < 0)
		return broken(hand, HAND_BROKEN);
	return take_reply(hand, GO_ON, NULL, HAND_BROKEN);
}

void hand_close(struct hand *hand)
{
	dial_close(&hand->dial);
}

static enum hand_result say(struct hand *hand, const char *line, unsigned good, struct smtp_extensions *extensions)
{
	char out[LINE_MAX_OCTETS];
	int n = snprintf(out, sizeof(out), "%s\r\n", line);

	if (n >= (int)sizeof(out) || strpbrk(line, "\r\n")) {
		snprintf(hand->problem, sizeof(hand->problem), "a line that SMTP cannot carry");
		return HAND_REFUSED;
	}
	if (dial_send(&hand->dial, out, (size_t)n) < 0)
		return broken(hand, HAND_BROKEN);
	return take_reply(hand, good, extensions, HAND_BROKEN);
}

enum hand_result hand_hello(struct hand *hand, const char *name)
{
	char line[300];

	snprintf(line, sizeof(line), "EHLO %.255s", name);
	return say(hand, line, GO_ON, &hand->extensions);
}

enum hand_result hand_fits(struct hand *hand, size_t recipients)
{
	if (hand->extensions.recipients_max == 0 || recipients <= hand->extensions.recipients_max)
		return HAND_TAKEN;
	snprintf(hand->problem, sizeof(hand->problem),
		 "it has %zu recipients, and the relay takes a message for %u at most (limits.recipients_per_message)",
		 recipients, hand->extensions.recipients_max);
	return HAND_REFUSED;
}

enum hand_result hand_command(struct hand *hand, const char *line)
{
	return say(hand, line, GO_ON, NULL);
}

enum hand_result hand_data(struct hand *hand)
{
	content_encoder_init(&hand->encoder);
	return say(hand, "DATA", CONTENT_IS_DUE, NULL);
}

enum hand_result hand_content(struct hand *hand, const char *data, size_t length)
{
	uint8_t out[2 * PIECE];

	while (length > 0) {
		size_t piece = length < PIECE ? length : PIECE, consumed = 0, written = 0;
		if (!content_encode(&hand->encoder, (const uint8_t *)data, piece, &consumed, out, sizeof(out),
				    &written)) {
			snprintf(hand->problem, sizeof(hand->problem),
				 "a line that does not end in CRLF, or a NUL: SMTP cannot carry it");
			hand_close(hand);
			return HAND_REFUSED;
		}
		if (written > 0 && dial_send(&hand->dial, out, written) < 0)
			return broken(hand, HAND_BROKEN);
		data += consumed;
		length -= consumed;
	}
	return HAND_TAKEN;
}

enum hand_result hand_end(struct hand *hand)
{
	uint8_t out[8];
	size_t n = content_encode_end(&hand->encoder, out);

	if (n == 0) {
		snprintf(hand->problem, sizeof(hand->problem), "its last line ends in CR alone");
		hand_close(hand);
		return HAND_REFUSED;
	}
	if (dial_send(&hand->dial, out, n) < 0)
		return broken(hand, HAND_DOUBT);
	return take_reply(hand, GO_ON, NULL, HAND_DOUBT);
}

void hand_id(const struct hand *hand, char id[32])
{
	char text[SMTP_REPLY_TEXT_MAX + 1];
	const char *at;

	memcpy(text, hand->reply.text, hand->reply.text_length);
	text[hand->reply.text_length] = '\0';
	at = strstr(text, "queued as ");
	id[0] = '\0';
	if (at)
		(void)sscanf(at + strlen("queued as "), "%31[0-9A-Za-z]", id);
}
