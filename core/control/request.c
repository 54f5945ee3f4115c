/*
 * core/control/request.c - see request.h. The answer is made here, and sent by control.c when the handler is through.
 */
#include "core/control/request.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/smtp/utf8.h"

enum { STREAM_BLOCK = 64 << 10 };

const char *request_value(const struct control_request *request, const char *key)
{
	for (const struct request_given *one = request->given; one && one->key; one++) {
		if (strcmp(one->key, key) == 0)
			return one->value;
	}
	return request->given ? NULL : MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, key);
}

const char *request_header(const struct control_request *request, const char *name)
{
	return request->given ? NULL : MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct named {
	const char *name;
	unsigned count;
};

static enum MHD_Result on_named(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct named *named = context;

	named->count += strcasecmp(key, named->name) == 0;
	return MHD_YES;
}

unsigned request_header_count(const struct control_request *request, const char *name)
{
	struct named named = {name, 0};

	if (!request->given)
		(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, on_named, &named);
	return named.count;
}

struct joined {
	const char *name;
	char *text;
	size_t length;
	bool any;
};

static enum MHD_Result on_field(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct joined *joined = context;
	size_t length = value ? strlen(value) : 0;
	char *more;

	if (strcasecmp(key, joined->name) != 0)
		return MHD_YES;
	more = realloc(joined->text, joined->length + length + 2);
	if (!more) {
		free(joined->text);
		joined->text = NULL;
		return MHD_NO;
	}
	joined->text = more;
	if (joined->any)
		more[joined->length++] = ',';
	joined->any = true;
	memcpy(more + joined->length, value ? value : "", length);
	joined->length += length;
	more[joined->length] = '\0';
	return MHD_YES;
}

char *request_header_all(const struct control_request *request, const char *name)
{
	struct joined joined = {name, calloc(1, 1), 0, false};

	if (joined.text && !request->given)
		(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, on_field, &joined);
	return joined.text;
}

struct framing {
	unsigned lengths, encodings;
	bool wrong;
};

static enum MHD_Result on_framing(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct framing *framing = context;

	framing->lengths += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		framing->encodings++;
		framing->wrong |= !value || strcasecmp(value, "chunked") != 0;
	}
	/* A blank before the colon: some take it for the field without. */
	framing->wrong |= key[strcspn(key, " \t\r\n")] != '\0';
	return MHD_YES;
}

bool request_is_framed(const struct control_request *request)
{
	struct framing framing = {0, 0, false};

	if (!request->given)
		(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, on_framing, &framing);
	return !framing.wrong && framing.lengths + framing.encodings <= 1;
}

const char *request_cookie(const struct control_request *request, const char *name)
{
	return request->given ? NULL : MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, name);
}

struct values {
	request_value_fn *fn;
	void *context;
};

static enum MHD_Result on_value(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	const struct values *values = context;

	return values->fn(values->context, key, value ? value : "") ? MHD_YES : MHD_NO;
}

void request_values(const struct control_request *request, request_value_fn *fn, void *context)
{
	struct values values = {fn, context};

	for (const struct request_given *one = request->given; one && one->key; one++) {
		if (one->value && !fn(context, one->key, one->value))
			return;
	}
	if (!request->given)
		(void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_value, &values);
}

struct field {
	const char *name, *value;
};

/* None of it is part of somebody's page. */
static const struct field common_fields[] = {
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{NULL, NULL},
};
static const struct field data_fields[] = {
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
	{"Referrer-Policy", "no-referrer"},
	{NULL, NULL},
};
/* Without a referrer a browser would say of its own forms that they come from nowhere (Origin: null). */
static const struct field page_fields[] = {
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
				    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
				    "require-trusted-types-for 'script'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Referrer-Policy", "same-origin"},
	{NULL, NULL},
};
/* Their address has their tag. */
static const struct field file_fields[] = {
	{"Cache-Control", "private, max-age=31536000, immutable"},
	{"Vary", "Accept-Encoding"},
	{NULL, NULL},
};

static void add_fields(struct MHD_Response *response, const struct field *fields)
{
	for (; fields->name; fields++)
		(void)MHD_add_response_header(response, fields->name, fields->value);
}

static void answer_as(struct control_request *request, unsigned status, struct MHD_Response *response, const char *type,
		      const struct field *fields)
{
	if (request->given) {
		MHD_destroy_response(response);
		return;
	}
	if (request->response)
		MHD_destroy_response(request->response);
	request->response = response;
	request->status = status;
	if (!response)
		return;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	add_fields(response, common_fields);
	add_fields(response, fields);
}

static void answer_with(struct control_request *request, unsigned status, struct MHD_Response *response,
			const char *type)
{
	answer_as(request, status, response, type, data_fields);
}

/* Within the process. */
static void answer_within(struct control_request *request, unsigned status, json_t *json)
{
	json_decref(request->answer);
	request->answer = json ? json : json_pack("{ss}", "error", "there was no memory for the answer");
	request->status = json ? status : ANSWER_UNAVAILABLE;
}

void request_answer(struct control_request *request, unsigned status, json_t *json)
{
	static char none[] = "{\"error\":\"there was no memory for the answer\"}";
	char *text;

	if (request->given) {
		answer_within(request, status, json);
		return;
	}
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (text)
		answer_with(request, status, MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE),
			    "application/json");
	else
		answer_with(request, ANSWER_UNAVAILABLE,
			    MHD_create_response_from_buffer(sizeof(none) - 1, none, MHD_RESPMEM_PERSISTENT),
			    "application/json");
}

void request_fail(struct control_request *request, unsigned status, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof(text))
		length = (int)sizeof(text) - 1;
	request_answer(request, status,
		       json_pack("{so}", "error", request_text((struct span){text, (uint32_t)length})));
}

void request_add(struct control_request *request, const char *name, const char *value)
{
	if (request->response)
		(void)MHD_add_response_header(request->response, name, value);
}

void request_take_text(struct control_request *request, unsigned status, const char *type, char *text, size_t length)
{
	struct MHD_Response *response;

	if (request->given) {
		answer_within(request, status, text ? json_pack("{ss%}", "text", text, length) : NULL);
		free(text);
		return;
	}
	response = text ? MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE) : NULL;
	if (response)
		answer_with(request, status, response, type);
	else
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
}

void request_take_page(struct control_request *request, unsigned status, char *text, size_t length)
{
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE) : NULL;

	if (response)
		answer_as(request, status, response, "text/html; charset=utf-8", page_fields);
	else
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
}

static struct MHD_Response *response_of(const void *data, size_t length)
{
	return MHD_create_response_from_buffer(length, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT);
}

void request_redirect(struct control_request *request, const char *path)
{
	answer_as(request, ANSWER_SEE_OTHER, response_of("", 0), "text/plain; charset=utf-8", page_fields);
	request_add(request, "Location", path);
}

void request_send_file(struct control_request *request, const struct request_file *file)
{
	const char *takes = request_header(request, "Accept-Encoding"), *has = request_header(request, "If-None-Match");
	bool packed = takes && strstr(takes, "gzip");

	if (has && strcmp(has, file->tag) == 0)
		answer_as(request, ANSWER_NOT_MODIFIED, response_of("", 0), file->type, file_fields);
	else if (packed)
		answer_as(request, ANSWER_OK, response_of(file->packed, file->packed_length), file->type, file_fields);
	else
		answer_as(request, ANSWER_OK, response_of(file->plain, file->plain_length), file->type, file_fields);
	request_add(request, "ETag", file->tag);
	if (packed)
		request_add(request, "Content-Encoding", "gzip");
}

struct stream {
	struct MHD_Connection *connection;
	request_read_fn *read;
	void (*end)(void *context);
	void *context;
};

/* `events`, or that it is over (POLLHUP, POLLERR), which poll() says in any case. */
static bool has_event(struct MHD_Connection *connection, short events)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd of = {.fd = info ? info->connect_fd : -1, .events = events};

	return poll(&of, 1, 0) > 0;
}

static bool is_gone(struct MHD_Connection *connection)
{
	return has_event(connection, POLLRDHUP);
}

bool request_gone(const struct control_request *request)
{
	return !request->given && is_gone(request->connection);
}

bool request_cut(const struct control_request *request)
{
	return !request->given && has_event(request->connection, 0);
}

static ssize_t on_read(void *context, uint64_t position, char *out, size_t size)
{
	struct stream *stream = context;
	ssize_t n;

	do
		n = stream->read(stream->context, out, size);
	while (n == REQUEST_LATER && !is_gone(stream->connection));
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void on_end(void *context)
{
	struct stream *stream = context;

	stream->end(stream->context);
	free(stream);
}

void request_stream(struct control_request *request, const char *type, request_read_fn *read,
		    void (*end)(void *context), void *context)
{
	struct stream *stream = malloc(sizeof(*stream));
	struct MHD_Response *response = NULL;

	if (stream) {
		*stream = (struct stream){request->connection, read, end, context};
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, stream, on_end);
	}
	if (response) {
		answer_with(request, ANSWER_OK, response, type);
		return;
	}
	free(stream);
	end(context);
	request_answer(request, ANSWER_UNAVAILABLE, NULL);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

json_t *request_text(struct span text)
{
	static const char replaced[] = "\xef\xbf\xbd";
	json_t *json;
	char *out;
	size_t n = 0;

	if (!utf8_needed(text))
		return json_stringn(text.data ? text.data : "", text.length);
	out = malloc(3 * (size_t)text.length);
	if (!out)
		return NULL;
	while (text.length > 0) {
		uint32_t length = (unsigned char)*text.data < 0x80 ? 1 : utf8_character(text);
		if (length == 0) {
			memcpy(out + n, replaced, 3);
			n += 3;
			length = 1;
		} else {
			memcpy(out + n, text.data, length);
			n += length;
		}
		text.data += length;
		text.length -= length;
	}
	json = json_stringn(out, n);
	free(out);
	return json;
}

bool request_number(const char *text, uint64_t most, uint64_t *out)
{
	char *end = NULL;

	errno = 0;
	if (*text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *out <= most;
}

bool request_limit(struct control_request *request, unsigned most, unsigned *out)
{
	const char *limit = request_value(request, "limit");
	uint64_t n;

	if (!limit)
		return true;
	if (!request_number(limit, most, &n) || n == 0) {
		request_fail(request, ANSWER_BAD, "limit: write a number from 1 to %u", most);
		return false;
	}
	*out = (unsigned)n;
	return true;
}

json_t *request_time(uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / CLOCK_NS_PER_S);
	char text[64];
	struct tm tm;
	size_t n;

	if (wall_ns == 0)
		return json_null();
	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(wall_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS));
	return json_string(text);
}
