/*
 * tests/unit/tls_pair.h - two TLS engines in memory and the wires between them, for test_tls.c.
 *
 * A wire is what one side has written and the other has not yet been fed. struct plan says how octets are cut on
 * their way: how large the lent output buffers are and how many octets are fed at once (0: a random number).
 * The certificates are those of tests/certificates.sh, in `directory`.
 */
#ifndef POSTRIDER_TESTS_TLS_PAIR_H
#define POSTRIDER_TESTS_TLS_PAIR_H

#include "tests/unit/check.h"
#include "tls/tls.h"

#include <stdlib.h>

/* Not every test needs every one of these. */
#define MAYBE_UNUSED __attribute__((unused))

static const char *directory;
static uint64_t random_state = 1;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

struct wire {
	uint8_t data[1 << 18];
	size_t from, to;
};

struct end {
	struct tls_session *session;
	struct wire *in, *out;
	uint8_t *lent;
	uint8_t input[TLS_OUTPUT_MIN];
	unsigned want_output;
};

struct plan {
	size_t output; /* size of the lent buffers */
	size_t piece;  /* octets fed at once; 0: random */
};

static const struct plan whole = {TLS_OUTPUT_MIN, TLS_OUTPUT_MIN};

struct pair {
	struct end client, server;
	struct wire up, down;
};

static const char *path(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *p = paths[next++ % 8];

	snprintf(p, sizeof(paths[0]), "%s/%s", directory, name);
	return p;
}

static struct tls_context *make(struct tls_context_config config)
{
	struct tls_problem problem;
	struct tls_context *context = tls_context_new(&config, &problem);

	if (context == NULL) {
		fprintf(stderr, "no context: %s\n", problem.text);
		exit(1);
	}
	return context;
}

enum versions { ANY, ONLY_12, ONLY_13 };

MAYBE_UNUSED static struct tls_context *server_context(enum versions v, const char *name, const char *ca)
{
	char crt[64], key[64];

	snprintf(crt, sizeof(crt), "%s.crt", name);
	snprintf(key, sizeof(key), "%s.key", name);
	return make((struct tls_context_config){
		.server = true,
		.verify_peer = ca != NULL,
		.ca_file = ca != NULL ? path(ca) : NULL,
		.certificate_file = path(crt),
		.private_key_file = path(key),
		.tls12_only = v == ONLY_12,
		.tls13_only = v == ONLY_13,
	});
}

MAYBE_UNUSED static struct tls_context *client_context(enum versions v, const char *ca, const char *name)
{
	char crt[64], key[64];

	if (name != NULL) {
		snprintf(crt, sizeof(crt), "%s.crt", name);
		snprintf(key, sizeof(key), "%s.key", name);
	}
	return make((struct tls_context_config){
		.verify_peer = ca != NULL,
		.ca_file = ca != NULL ? path(ca) : NULL,
		.certificate_file = name != NULL ? path(crt) : NULL,
		.private_key_file = name != NULL ? path(key) : NULL,
		.tls12_only = v == ONLY_12,
		.tls13_only = v == ONLY_13,
	});
}

static void end_open(struct end *end, struct tls_session *session, struct wire *in, struct wire *out,
		     const struct plan *plan)
{
	memset(end, 0, sizeof(*end));
	end->session = session;
	end->in = in;
	end->out = out;
	end->lent = malloc(plan->output);
	if (session == NULL || end->lent == NULL)
		exit(1);
	tls_lend_output(session, end->lent, plan->output);
}

static struct pair *pair_new(struct tls_context *client, struct tls_context *server, const char *name,
			     struct tls_ticket *ticket, const struct plan *plan)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL)
		exit(1);
	end_open(&pair->client, tls_session_new(client, name, ticket), &pair->down, &pair->up, plan);
	end_open(&pair->server, tls_session_new(server, NULL, NULL), &pair->up, &pair->down, plan);
	return pair;
}

static void pair_free(struct pair *pair)
{
	tls_session_free(pair->client.session);
	tls_session_free(pair->server.session);
	free(pair->client.lent);
	free(pair->server.lent);
	free(pair);
}

/* Takes the output to the wire and lends the buffer again. */
static void drain(struct end *end, const struct plan *plan)
{
	do {
		size_t n = tls_output_length(end->session);
		if (end->out->to + n > sizeof(end->out->data)) {
			fprintf(stderr, "wire overflow\n");
			exit(1);
		}
		memcpy(end->out->data + end->out->to, end->lent, n);
		end->out->to += n;
		memset(end->lent, 0xdd, plan->output); /* Whoever kept a pointer will notice. */
		tls_lend_output(end->session, end->lent, plan->output);
	} while (tls_output_length(end->session) > 0);
}

/* Feeds the next piece of the wire. False if there is none. */
static bool feed(struct end *end, const struct plan *plan)
{
	size_t left = end->in->to - end->in->from;
	size_t n = plan->piece != 0 ? plan->piece : 1 + next_random() % 700;

	if (left == 0)
		return false;
	CHECK_EQ(tls_input_left(end->session), 0);
	n = n < left ? n : left;
	memcpy(end->input, end->in->data + end->in->from, n);
	end->in->from += n;
	tls_feed(end->session, end->input, n);
	return true;
}

/* One turn of the caller's loop in tls.h, for the handshake. */
static enum tls_status turn(struct end *end, const struct plan *plan)
{
	for (;;) {
		enum tls_status status = tls_handshake(end->session);
		drain(end, plan);
		if (status == TLS_WANT_OUTPUT)
			end->want_output++;
		else if (status != TLS_WANT_INPUT || !feed(end, plan))
			return status;
	}
}

/* True if both sides finished. */
static bool handshake(struct pair *pair, const struct plan *plan)
{
	enum tls_status c = TLS_WANT_INPUT, s = TLS_WANT_INPUT;

	for (int i = 0; i < 20 && (c == TLS_WANT_INPUT || s == TLS_WANT_INPUT); i++) {
		c = turn(&pair->client, plan);
		s = turn(&pair->server, plan);
	}
	return c == TLS_OK && s == TLS_OK;
}

/* For handshakes that must succeed: says why not, and ends the program, as little behind them makes sense. */
MAYBE_UNUSED static void shake(struct pair *pair, const struct plan *plan)
{
	if (handshake(pair, plan))
		return;
	fprintf(stderr, "handshake failed: client: %s; server: %s\n", tls_error_text(pair->client.session),
		tls_error_text(pair->server.session));
	exit(1);
}

/* Reads until input is wanted; appends to `out`. Returns the last status. */
static enum tls_status read_all(struct end *end, uint8_t *out, size_t size, size_t *length, const struct plan *plan)
{
	for (;;) {
		size_t n = 0, room = size - *length;
		size_t capacity = plan->piece == 0 ? 1 + next_random() % 900 : room;
		enum tls_status status = tls_read(end->session, out + *length, capacity < room ? capacity : room, &n);
		*length += n;
		drain(end, plan);
		if (status == TLS_OK)
			CHECK(n > 0);
		else if (status == TLS_WANT_OUTPUT)
			end->want_output++;
		else if (status != TLS_WANT_INPUT || !feed(end, plan))
			return status;
	}
}

static enum tls_status write_one(struct end *end, const uint8_t *data, size_t length, const struct plan *plan)
{
	for (;;) {
		enum tls_status status = tls_write(end->session, data, length);
		if (status != TLS_WANT_OUTPUT)
			return status;
		end->want_output++;
		drain(end, plan);
	}
}

/* Sends `length` octets in writes of random size and compares what arrives. */
MAYBE_UNUSED static void transfer(struct end *from, struct end *to, size_t length, const struct plan *plan)
{
	uint8_t *sent = malloc(length), *got = malloc(length + 1);
	size_t at = 0, got_length = 0;

	for (size_t i = 0; i < length; i++)
		sent[i] = (uint8_t)next_random();
	while (at < length) {
		size_t n = 1 + next_random() % (TLS_RECORD_MAX + 0u);
		n = n < length - at ? n : length - at;
		CHECK_EQ(write_one(from, sent + at, n, plan), TLS_OK);
		at += n;
	}
	drain(from, plan);
	CHECK_EQ(read_all(to, got, length + 1, &got_length, plan), TLS_WANT_INPUT);
	CHECK_EQ(got_length, length);
	CHECK(got_length == length && memcmp(sent, got, length) == 0);
	free(sent);
	free(got);
}

MAYBE_UNUSED static void read_nothing(struct end *end, const struct plan *plan)
{
	uint8_t octet[16];
	size_t n = 0;

	CHECK_EQ(read_all(end, octet, sizeof(octet), &n, plan), TLS_WANT_INPUT);
	CHECK_EQ(n, 0);
}

#endif
