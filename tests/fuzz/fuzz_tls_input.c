/*
 * tests/fuzz/fuzz_tls_input.c - octets from a peer, in the clear and damaged, against both kinds of engine.
 *
 * The input's first octet chooses: bit 0 server or client; bit 1 TLS 1.2 or 1.3 client; bit 2 the rest of the
 * input is fed as it is, else a real handshake runs in memory and the rest says which octets of it to change
 * (pairs: distance in octets, exclusive-or mask). Bit 3 cuts the stream into pieces of 7. Bit 4 (TLS 1.3): the
 * handshake is left alone, and the rest is the inner plaintext of records that the peer seals with the right keys: for
 * each a length and its octets. Randomness is seeded, so
 * that an input replays. The certificates come from the directory in the environment's TLS_CERTIFICATES.
 *
 * Whatever comes in: no crash, no endless loop, a failed session stays failed, and tls_error_text() says something.
 */
#include "tests/unit/craft_record.h"
#include "tls/tls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *server, *client12, *client13;
static uint64_t seed;

static void seeded(void *out, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		((uint8_t *)out)[i] = (uint8_t)(seed >> 56);
	}
}

static struct tls_context *make(struct tls_context_config config)
{
	struct tls_problem problem;
	struct tls_context *context = tls_context_new(&config, &problem);

	if (context == NULL) {
		fprintf(stderr, "%s\n", problem.text);
		exit(1);
	}
	return context;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *directory = getenv("TLS_CERTIFICATES");
	char crt[512], key[512], ca[512];

	if (directory == NULL) {
		fprintf(stderr, "set TLS_CERTIFICATES to a directory made by tests/certificates.sh\n");
		exit(64);
	}
	snprintf(crt, sizeof(crt), "%s/server.crt", directory);
	snprintf(key, sizeof(key), "%s/server.key", directory);
	snprintf(ca, sizeof(ca), "%s/ca.crt", directory);
	tls_global_init();
	tls_set_random(seeded);
	server = make((struct tls_context_config){.server = true, .certificate_file = crt, .private_key_file = key});
	client12 = make((struct tls_context_config){.verify_peer = true, .ca_file = ca, .tls12_only = true});
	client13 = make((struct tls_context_config){.verify_peer = true, .ca_file = ca, .tls13_only = true});
	return 0;
}

struct wire {
	uint8_t data[65536];
	size_t from, to;
};

struct end {
	struct tls_session *session;
	struct wire *in, *out;
	uint8_t lent[TLS_OUTPUT_MIN], input[65536];
};

static void drain(struct end *end)
{
	size_t n = tls_output_length(end->session);

	if (n > sizeof(end->out->data) - end->out->to)
		n = sizeof(end->out->data) - end->out->to;
	memcpy(end->out->data + end->out->to, end->lent, n);
	end->out->to += n;
	tls_lend_output(end->session, end->lent, sizeof(end->lent));
}

/* Feeds everything on the wire in pieces and drives the session. */
static enum tls_status drive(struct end *end, bool *done, size_t piece)
{
	uint8_t plaintext[512];
	size_t n;
	enum tls_status status;

	for (;;) {
		if (!*done) {
			status = tls_handshake(end->session);
			*done = status == TLS_OK;
		} else {
			status = tls_read(end->session, plaintext, sizeof(plaintext), &n);
			assert(status != TLS_OK || n > 0);
		}
		drain(end);
		size_t left = end->in->to - end->in->from;
		if (status == TLS_WANT_INPUT) {
			assert(tls_input_left(end->session) == 0);
			if (left == 0)
				return status;
			n = left < piece ? left : piece;
			memcpy(end->input, end->in->data + end->in->from, n);
			end->in->from += n;
			tls_feed(end->session, end->input, n);
		} else if (status == TLS_FAILED || status == TLS_CLOSED) {
			return status;
		}
	}
}

/* Changes what is on the wire at the distances the input names. */
static void damage(struct wire *wire, size_t *at, const uint8_t **data, size_t *size)
{
	while (*size >= 2) {
		*at += (*data)[0];
		if (*at >= wire->to)
			return;
		wire->data[*at] ^= (*data)[1];
		*at += 1;
		*data += 2;
		*size -= 2;
	}
}

static void end_open(struct end *end, struct tls_context *context, struct wire *in, struct wire *out)
{
	end->session = tls_session_new(context, context == server ? NULL : "localhost", NULL);
	end->in = in;
	end->out = out;
	if (end->session == NULL)
		abort();
	tls_lend_output(end->session, end->lent, sizeof(end->lent));
}

/* Records that only a peer with the keys can make. */
static void craft_all(struct end *far, const uint8_t *data, size_t size)
{
	unsigned sequence = far->session->context->server ? 1 : 0; /* a server's ticket went before */

	while (size > 0 && sequence < 200) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;
		uint8_t outer = n < data[0] ? 22 : 23;
		far->out->to +=
			craft_record(far->session, data + 1, n, sequence++, outer, far->out->data + far->out->to);
		data += 1 + n;
		size -= 1 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire up, down;
	static struct end near, far;

	if (size < 2 || size > 20000)
		return 0;
	uint8_t choice = data[0];
	struct tls_context *client = choice & 2 ? client12 : client13;
	size_t piece = choice & 8 ? 7 : sizeof(near.input);
	bool near_done = false, far_done = false;
	size_t damaged_to = 0;

	data++;
	size--;
	seed = 1;
	up.from = up.to = down.from = down.to = 0;
	end_open(&near, choice & 1 ? server : client, &down, &up);
	end_open(&far, choice & 1 ? client : server, &up, &down);
	if (choice & 4) {
		memcpy(down.data, data, size);
		down.to = size;
		drive(&near, &near_done, piece);
	}
	for (int i = 0; i < 3 && (choice & 20) == 16; i++) {
		drive(&far, &far_done, sizeof(far.input));
		drive(&near, &near_done, piece);
		if (i == 1 && near_done && far_done && client == client13)
			craft_all(&far, data, size);
	}
	for (int i = 0; i < 6 && !(choice & 20); i++) {
		drive(&far, &far_done, sizeof(far.input));
		if (far_done && i == 2 && tls_write(far.session, (const uint8_t *)"NOOP\r\n", 6) == TLS_OK)
			drain(&far);
		damage(&down, &damaged_to, &data, &size);
		enum tls_status status = drive(&near, &near_done, piece);
		if (status == TLS_FAILED) {
			assert(tls_handshake(near.session) == TLS_FAILED);
			assert(tls_error_text(near.session)[0] != '\0');
			break;
		}
	}
	tls_session_free(near.session);
	tls_session_free(far.session);
	return 0;
}
