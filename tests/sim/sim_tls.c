/*
 * tests/sim/sim_tls.c - stands in for tls/: a handshake of a line from each side, and what is said afterwards as it is.
 *
 * So the engine believes a connection to be secured and verified, and does there what it does nowhere else, without the
 * processor's time and the memory of real TLS. Octets in clear are what the actors read (actor_nexthop.c).
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_tls.h"
#include "tls/tls.h"

struct tls_context {
	unsigned users;
	bool server;
};

struct tls_session {
	struct tls_context *context;
	const uint8_t *input;
	size_t input_length;
	uint8_t *output;
	size_t output_length, output_capacity;
	size_t heard; /* octets of the other side's line */
	bool said, failed;
};

void tls_global_init(void)
{
}

void tls_thread_end(void)
{
}

const char *tls_acceleration(void)
{
	return "none";
}

const char *tls_library(void)
{
	return "simulated";
}

struct tls_context *tls_context_new(const struct tls_context_config *config, struct tls_problem *problem)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	problem->text[0] = '\0';
	if (!context)
		return NULL;
	context->users = 1;
	context->server = config->server;
	return context;
}

void tls_context_hold(struct tls_context *context)
{
	context->users++;
}

void tls_context_free(struct tls_context *context)
{
	if (context && --context->users == 0)
		free(context);
}

struct tls_certificate_text *tls_certificates_read(const char *file, const char *host, size_t *count)
{
	*count = 0;
	return NULL;
}

struct tls_session *tls_session_new(struct tls_context *context, const char *server_name, struct tls_ticket *ticket)
{
	struct tls_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->context = context;
	tls_context_hold(context);
	return session;
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	tls_context_free(session->context);
	free(session);
}

void tls_feed(struct tls_session *session, const uint8_t *ciphertext, size_t length)
{
	session->input = ciphertext;
	session->input_length = length;
}

size_t tls_input_left(const struct tls_session *session)
{
	return session->input_length;
}

size_t tls_unfeed(struct tls_session *session)
{
	size_t left = session->input_length;

	session->input_length = 0;
	return left;
}

void tls_lend_output(struct tls_session *session, uint8_t *buffer, size_t capacity)
{
	session->output = buffer;
	session->output_capacity = capacity;
	session->output_length = 0;
}

size_t tls_output_length(const struct tls_session *session)
{
	return session->output_length;
}

static bool put(struct tls_session *session, const void *data, size_t length)
{
	if (session->output_capacity - session->output_length < length)
		return false;
	memcpy(session->output + session->output_length, data, length);
	session->output_length += length;
	return true;
}

static bool heard_all(struct tls_session *session)
{
	while (session->heard < SIM_TLS_HELLO_LENGTH && session->input_length > 0) {
		if (*session->input != (uint8_t)SIM_TLS_HELLO[session->heard]) {
			session->failed = true;
			return false;
		}
		session->heard++;
		session->input++;
		session->input_length--;
	}
	return session->heard == SIM_TLS_HELLO_LENGTH;
}

enum tls_status tls_handshake(struct tls_session *session)
{
	bool first = !session->context->server;

	if (first && !session->said)
		session->said = put(session, SIM_TLS_HELLO, SIM_TLS_HELLO_LENGTH);
	if (!heard_all(session))
		return session->failed ? TLS_FAILED : TLS_WANT_INPUT;
	if (!session->said)
		session->said = put(session, SIM_TLS_HELLO, SIM_TLS_HELLO_LENGTH);
	return session->said ? TLS_OK : TLS_WANT_OUTPUT;
}

enum tls_status tls_read(struct tls_session *session, uint8_t *plaintext, size_t capacity, size_t *length)
{
	size_t n = session->input_length < capacity ? session->input_length : capacity;

	*length = n;
	if (n == 0)
		return TLS_WANT_INPUT;
	memcpy(plaintext, session->input, n);
	session->input += n;
	session->input_length -= n;
	return TLS_OK;
}

bool tls_has_more(const struct tls_session *session)
{
	return session->input_length > 0;
}

enum tls_status tls_write(struct tls_session *session, const uint8_t *plaintext, size_t length)
{
	return put(session, plaintext, length) ? TLS_OK : TLS_WANT_OUTPUT;
}

/* An end of TCP says as much here. */
enum tls_status tls_close_notify(struct tls_session *session)
{
	return TLS_OK;
}

void tls_session_info(const struct tls_session *session, struct tls_info *info)
{
	*info = (struct tls_info){.version = "simulated", .cipher = "none", .group = "", .verified = true};
}

void tls_session_offer(const struct tls_session *session, struct tls_offer *offer)
{
	*offer = (struct tls_offer){.version = "", .name = ""};
}

struct tls_certificate_text *tls_peer_certificates(const struct tls_session *session, const char *host, size_t *count)
{
	*count = 0;
	return NULL;
}

const struct tls_identity *tls_session_identity(const struct tls_session *session)
{
	return NULL;
}

bool tls_identity_is(const struct tls_identity *identity, const char *wanted)
{
	return false;
}

void tls_fingerprint_text(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE], char text[TLS_FINGERPRINT_TEXT])
{
	text[0] = '\0';
}

const struct tls_evidence *tls_session_evidence(const struct tls_session *session)
{
	static const struct tls_evidence verified = {.known = true, .verified = true, .alternative = true};

	return &verified;
}

void tls_evidence_text(const struct tls_session *session, char *text, size_t size)
{
	text[0] = '\0';
}

enum tls_doubt tls_session_doubt(const struct tls_session *session)
{
	return TLS_DOUBT_NONE;
}

bool tls_evidence_is(const struct tls_evidence *evidence, const char *wanted)
{
	return false;
}

const char *tls_error_text(const struct tls_session *session)
{
	return "simulated: another hello";
}

struct tls_ticket *tls_ticket_take(struct tls_session *session)
{
	return NULL;
}

void tls_session_trim(struct tls_session *session)
{
}

void tls_ticket_free(struct tls_ticket *ticket)
{
}
