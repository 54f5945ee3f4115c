/*
 * tls/session.c - one connection's TLS state as an engine over lent buffers.
 *
 * wolfSSL calls back for octets: reading takes from the caller's input span, writing appends to the caller's
 * output buffer. Writing never blocks wolfSSL: what finds no room goes to the session's spill, which is emptied
 * first into the next buffer lent, and until it is empty every call answers TLS_WANT_OUTPUT. So wolfSSL never
 * holds half a flight, and repeating a call is safe:
 *
 *     call -> wolfSSL ran, spill empty      -> its result
 *          -> wolfSSL ran, spill not empty  -> TLS_WANT_OUTPUT; the repeated call gives the result
 *
 * A failed session stays failed, a session whose peer sent close_notify stays closed for reading: octets behind
 * either are never looked at (RELIABILITY STL-05).
 */
#include "tls/internal.h"

#include "tls/hello.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static const char no_memory_text[] = "TLS failed, and there was no memory to say why";

/* Puts the input aside. False without memory. */
static bool keep(struct tls_session *session)
{
	size_t n = session->input_length - session->input_used;

	if (n == 0)
		return true;
	uint8_t *grown = realloc(session->held, session->held_length + n);
	if (grown == NULL)
		return false;
	memcpy(grown + session->held_length, session->input + session->input_used, n);
	session->held = grown;
	session->held_length += n;
	session->input_used += n;
	return true;
}

/* Keeps the input back until the server's answer to the ticket is clear (see resume.c). False without memory. */
static bool hold(struct tls_session *session)
{
	enum tls_answer answer;

	if (!keep(session))
		return false;
	answer = tls_resume_answer(session->held, session->held_length);
	if (answer == TLS_ANSWER_REFUSES)
		wolfSSL_set_SessionTicket(session->wolf, NULL, 0);
	session->holding = answer == TLS_ANSWER_UNKNOWN && session->held_length < TLS_HELD_MAX;
	return true;
}

static int take_held(struct tls_session *session, char *out, size_t size)
{
	size_t left = session->held_length - session->held_used;
	size_t n = size < left ? size : left;

	memcpy(out, session->held + session->held_used, n);
	session->held_used += n;
	if (session->held_used == session->held_length) {
		free(session->held);
		session->held = NULL;
		session->held_length = session->held_used = 0;
	}
	return (int)n;
}

static int take_input(struct tls_session *session, char *out, size_t size)
{
	size_t left = session->input_length - session->input_used;
	size_t n = size < left ? size : left;

	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(out, session->input + session->input_used, n);
	session->input_used += n;
	return (int)n;
}

static int on_receive(WOLFSSL *wolf, char *out, int size, void *argument)
{
	struct tls_session *session = argument;

	if (session->holding && !hold(session))
		return WOLFSSL_CBIO_ERR_GENERAL;
	if (session->holding)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	int n = session->held != NULL ? take_held(session, out, (size_t)size) : take_input(session, out, (size_t)size);
	if (n > 0)
		session->refusal = tls_guard_records(&session->guard, (const uint8_t *)out, (size_t)n);
	return session->refusal == NULL ? n : WOLFSSL_CBIO_ERR_GENERAL;
}

/* Keeps what the lent buffer cannot take. False without memory or beyond the bound. */
static bool spill(struct tls_session *session, const uint8_t *octets, size_t length)
{
	size_t needed = session->spill_length + length;

	if (needed > TLS_SPILL_MAX)
		return false;
	if (needed > session->spill_capacity) {
		size_t capacity = needed < 4096 ? 4096 : needed * 2;
		uint8_t *grown = realloc(session->spill, capacity);
		if (grown == NULL)
			return false;
		session->spill = grown;
		session->spill_capacity = capacity;
	}
	memcpy(session->spill + session->spill_length, octets, length);
	session->spill_length = needed;
	return true;
}

static int on_send(WOLFSSL *wolf, char *octets, int size, void *argument)
{
	struct tls_session *session = argument;
	size_t room = session->output_capacity - session->output_length;
	size_t n = (size_t)size < room ? (size_t)size : room;

	if (session->spill_length > 0)
		n = 0; /* Order. */
	if (n > 0) {
		memcpy(session->output + session->output_length, octets, n);
		session->output_length += n;
	}
	if (n < (size_t)size && !spill(session, (const uint8_t *)octets + n, (size_t)size - n))
		return WOLFSSL_CBIO_ERR_GENERAL;
	return size;
}

void tls_session_callbacks(WOLFSSL_CTX *wolf)
{
	wolfSSL_CTX_SetIORecv(wolf, on_receive);
	wolfSSL_CTX_SetIOSend(wolf, on_send);
}

static bool set_name(struct tls_session *session, const char *name)
{
	size_t length = name != NULL ? strlen(name) : 0;

	if (length == 0)
		return true;
	/* An absolute name's dot is not part of SNI (RFC 6066 section 3) nor of certificates. */
	if (name[length - 1] == '.')
		length--;
	session->server_name = strndup(name, length);
	if (session->server_name == NULL)
		return false;
	if (session->context->server || tls_name_is_address(session->server_name))
		return true;
	return wolfSSL_UseSNI(session->wolf, WOLFSSL_SNI_HOST_NAME, session->server_name, (word16)length) ==
	       WOLFSSL_SUCCESS;
}

/* What wolfSSL has of a session. False without memory. */
static bool begin(struct tls_session *session)
{
	struct tls_context *context = session->context;

	session->wolf = wolfSSL_new(context->wolf);
	if (session->wolf != NULL && context->accelerated)
		session->keys = accel_keys_new();
	if (session->wolf == NULL || (context->accelerated && session->keys == NULL) || !tls_verify_watch(session))
		return false;
	wolfSSL_SetIOReadCtx(session->wolf, session);
	wolfSSL_SetIOWriteCtx(session->wolf, session);
	wolfSSL_set_app_data(session->wolf, session);
	return true;
}

/* To a TLS 1.3 client without a group of ours wolfSSL 5.5.4 answers a HelloRetryRequest that asks for nothing. */
static bool has_no_group(const struct tls_hello *hello)
{
	enum { TLS_13 = 0x0304 };

	return hello->version >= TLS_13 && hello->groups_given && !hello->group_known;
}

/* RFC 8446 4.1.1 */
static enum tls_status refuse_groups(struct tls_session *session)
{
	char alert[] = {21, 3, 3, 0, 2, 2, 40};

	session->refusal = "no key exchange group in common";
	(void)on_send(NULL, alert, sizeof(alert), session);
	session->error = strdup(session->refusal);
	return TLS_FAILED;
}

/* A server begins when the ClientHello is whole, which says what it begins with; one that is none is for wolfSSL to
 * answer. TLS_OK: it has begun. */
static enum tls_status read_hello(struct tls_session *session)
{
	if (!keep(session))
		return TLS_FAILED;
	enum tls_hello_state state = tls_hello_read(session->held, session->held_length, session->hello);
	if (session->held_length == 0 || state == TLS_HELLO_MORE)
		return TLS_WANT_INPUT;
	if (state == TLS_HELLO_WHOLE && has_no_group(session->hello))
		return refuse_groups(session);
	struct tls_context *chosen = tls_choose(session->context, session->hello);
	tls_context_hold(chosen);
	tls_context_free(session->context);
	session->context = chosen;
	return begin(session) ? TLS_OK : TLS_FAILED;
}

struct tls_session *tls_session_new(struct tls_context *context, const char *server_name, struct tls_ticket *ticket)
{
	assert(context->server || !context->verify_peer || (server_name != NULL && server_name[0] != '\0'));
	assert(server_name == NULL || strlen(server_name) < TLS_NAME_SIZE);
	struct tls_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return NULL;
	session->context = context;
	atomic_fetch_add(&context->users, 1);
	if (context->server)
		session->hello = calloc(1, sizeof(*session->hello));
	if (context->server ? session->hello == NULL : !begin(session) || !set_name(session, server_name)) {
		tls_session_free(session);
		return NULL;
	}
	if (ticket != NULL)
		tls_resume_offer(session, ticket);
	return session;
}

void tls_session_free(struct tls_session *session)
{
	if (session == NULL)
		return;
	tls_trim_free(session);
	wolfSSL_free(session->wolf);
	accel_keys_free(session->keys);
	free(session->spill);
	free(session->held);
	free(session->hello);
	free(session->identity);
	free(session->server_name);
	free(session->error);
	tls_context_free(session->context);
	free(session);
}

void tls_feed(struct tls_session *session, const uint8_t *ciphertext, size_t length)
{
	/* Replacing octets that were not consumed would lose them; behind an end they do not matter. */
	assert(tls_input_left(session) == 0 || session->failed || session->peer_closed);
	session->input = ciphertext;
	session->input_length = length;
	session->input_used = 0;
	if (!session->first_octet_known && length > 0) {
		session->first_octet_known = true;
		session->first_octet = ciphertext[0];
	}
}

size_t tls_input_left(const struct tls_session *session)
{
	return session->input_length - session->input_used;
}

size_t tls_unfeed(struct tls_session *session)
{
	size_t left = tls_input_left(session);

	session->input_length = session->input_used;
	return left;
}

/* Moves the spill to the lent buffer, as far as that goes. */
static void flush(struct tls_session *session)
{
	size_t left = session->spill_length - session->spill_used;
	size_t room = session->output_capacity - session->output_length;
	size_t n = left < room ? left : room;

	if (n == 0)
		return;
	memcpy(session->output + session->output_length, session->spill + session->spill_used, n);
	session->output_length += n;
	session->spill_used += n;
	if (session->spill_used < session->spill_length)
		return;
	free(session->spill);
	session->spill = NULL;
	session->spill_length = session->spill_used = session->spill_capacity = 0;
}

void tls_lend_output(struct tls_session *session, uint8_t *buffer, size_t capacity)
{
	assert(buffer != NULL || capacity == 0);
	session->output = buffer;
	session->output_capacity = capacity;
	session->output_length = 0;
	flush(session);
}

size_t tls_output_length(const struct tls_session *session)
{
	return session->output_length;
}

static enum tls_status fail(struct tls_session *session, int error)
{
	char text[256];

	session->failed = true;
	if (session->error == NULL && session->refusal != NULL) {
		session->error = strdup(session->refusal);
	} else if (session->error == NULL) {
		tls_error_describe(session, session->judgement != 0 ? session->judgement : error, text, sizeof(text));
		session->error = strdup(text);
	}
	return TLS_FAILED;
}

/* A handshake does not fail in silence (RFC 8446 6.2): where wolfSSL has sent no alert, the peer hears at least that
 * this is the end. Who does not speak TLS hears nothing that it would not understand. */
static void say_that_it_failed(struct tls_session *session)
{
	enum { HANDSHAKE = 22, ALERT = 21 };
	WOLFSSL_ALERT_HISTORY history = {.last_tx.code = -1, .last_rx.code = -1};

	if (session->first_octet_known && session->first_octet != HANDSHAKE && session->first_octet != ALERT)
		return;
	wolfSSL_get_alert_history(session->wolf, &history);
	if (history.last_tx.code < 0 && history.last_rx.code < 0)
		wolfSSL_shutdown(session->wolf);
}

/* True if the call must not go on: then *status is the answer. */
static bool blocked(struct tls_session *session, enum tls_status *status)
{
	if (session->failed) {
		*status = TLS_FAILED;
		return true;
	}
	flush(session);
	if (session->spill_length > 0) {
		*status = TLS_WANT_OUTPUT;
		return true;
	}
	tls_device_enter(session->keys);
	return false;
}

/* Ends every call into wolfSSL that blocked() let through. */
static enum tls_status leave(struct tls_session *session, enum tls_status status)
{
	tls_device_enter(NULL);
	/* This build keeps a list of errors for OpenSSL's interface, which nobody reads. */
	if (status != TLS_OK)
		wolfSSL_ERR_clear_error();
	if (status == TLS_FAILED || session->spill_length == 0)
		return status;
	return TLS_WANT_OUTPUT;
}

/* What a result of wolfSSL other than success means. */
static enum tls_status explain(struct tls_session *session, int result)
{
	int error = wolfSSL_get_error(session->wolf, result);

	switch (error) {
	case WOLFSSL_ERROR_WANT_READ:
	case WANT_READ:
		return TLS_WANT_INPUT;
	case WOLFSSL_ERROR_ZERO_RETURN:
	case ZERO_RETURN:
		session->peer_closed = true;
		return session->handshake_done ? TLS_CLOSED : fail(session, error);
	default:
		return fail(session, error);
	}
}

enum tls_status tls_handshake(struct tls_session *session)
{
	enum tls_status status;
	int result;

	if (blocked(session, &status))
		return status;
	if (session->handshake_done)
		return leave(session, TLS_OK);
	if (session->wolf == NULL) {
		status = read_hello(session);
		if (status == TLS_FAILED)
			session->failed = true;
		if (status != TLS_OK)
			return status;
		tls_device_enter(session->keys);
	}
	tls_device_sign_with(session->context->rsa);
	if (session->context->server)
		result = wolfSSL_accept(session->wolf);
	else
		result = wolfSSL_connect(session->wolf);
	tls_device_sign_with(NULL);
	if (result != WOLFSSL_SUCCESS) {
		status = explain(session, result);
		if (status == TLS_FAILED)
			say_that_it_failed(session);
		return leave(session, status);
	}
	session->refusal = tls_guard_handshake(session);
	if (session->refusal != NULL) {
		wolfSSL_shutdown(session->wolf);
		return leave(session, fail(session, 0));
	}
	session->handshake_done = true;
	free(session->hello);
	session->hello = NULL;
	tls_guard_content(&session->guard);
	tls_evidence_settle(session);
	tls_verify_done(session);
	tls_trim(session);
	return leave(session, TLS_OK);
}

enum tls_status tls_read(struct tls_session *session, uint8_t *plaintext, size_t capacity, size_t *length)
{
	enum tls_status status;

	assert(capacity > 0);
	*length = 0;
	if (session->peer_closed && !session->failed)
		return TLS_CLOSED;
	if (blocked(session, &status))
		return status;
	assert(session->handshake_done);
	int result = wolfSSL_read(session->wolf, plaintext, capacity < INT_MAX ? (int)capacity : INT_MAX);
	if (result <= 0)
		return leave(session, explain(session, result));
	*length = (size_t)result;
	tls_guard_content(&session->guard);
	/* The octets are handed over now; output that spilled (a key update's answer) holds up the next call. */
	leave(session, TLS_OK);
	return TLS_OK;
}

bool tls_has_more(const struct tls_session *session)
{
	/* wolfSSL takes octets record by record, so it keeps none but what it has opened. */
	return tls_input_left(session) > 0 || session->held_used < session->held_length || session->spill_length > 0 ||
	       wolfSSL_pending(session->wolf) > 0;
}

enum tls_status tls_write(struct tls_session *session, const uint8_t *plaintext, size_t length)
{
	enum tls_status status;

	assert(length <= TLS_RECORD_MAX);
	if (blocked(session, &status))
		return status;
	assert(session->handshake_done && !session->close_sent);
	if (length == 0 || session->write_accepted) {
		session->write_accepted = false;
		return leave(session, TLS_OK);
	}
	/* Better a fresh buffer than a spill; with nothing in the buffer a fresh one would not help. */
	if (session->output_length > 0 &&
	    session->output_capacity - session->output_length < length + TLS_OVERHEAD_MAX) {
		tls_device_enter(NULL);
		return TLS_WANT_OUTPUT;
	}
	int result = wolfSSL_write(session->wolf, plaintext, (int)length);
	if (result <= 0)
		return leave(session, explain(session, result));
	assert((size_t)result == length);
	status = leave(session, TLS_OK);
	session->write_accepted = status == TLS_WANT_OUTPUT;
	return status;
}

enum tls_status tls_close_notify(struct tls_session *session)
{
	enum tls_status status;

	if (blocked(session, &status))
		return status;
	if (session->close_sent)
		return leave(session, TLS_OK);
	assert(session->handshake_done);
	/* It answers "not done" until the peer's own close_notify, which tls_read() reports. */
	int result = wolfSSL_shutdown(session->wolf);
	if (result < 0)
		return leave(session, explain(session, result));
	session->close_sent = true;
	return leave(session, TLS_OK);
}

void tls_session_offer(const struct tls_session *session, struct tls_offer *offer)
{
	const struct tls_hello *hello = session->hello;

	memset(offer, 0, sizeof(*offer));
	offer->version = "";
	if (hello == NULL || hello->version == 0)
		return;
	offer->version = tls_version_text(hello->version);
	memcpy(offer->name, hello->name, sizeof(offer->name));
	tls_suites_text(hello->suites, hello->suite_count, offer->suites, sizeof(offer->suites));
}

void tls_session_info(const struct tls_session *session, struct tls_info *info)
{
	assert(session->handshake_done);
	const char *version = wolfSSL_get_version(session->wolf);
	int suite = wolfSSL_get_current_cipher_suite(session->wolf);
	const char *cipher = wolfSSL_get_cipher_name_iana_from_suite((unsigned char)(suite >> 8), (unsigned char)suite);
	const char *group = wolfSSL_get_curve_name(session->wolf);

	info->version = version != NULL ? version : "";
	info->cipher = cipher != NULL ? cipher : "";
	info->group = group != NULL ? group : "";
	info->resumed = wolfSSL_session_reused(session->wolf) == 1;
	info->verified = session->context->server ? session->context->verify_peer : session->evidence.verified;
}

const char *tls_error_text(const struct tls_session *session)
{
	if (session->error != NULL)
		return session->error;
	return session->failed ? no_memory_text : "no error";
}
