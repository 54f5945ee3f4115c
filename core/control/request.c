/*
 * core/control/request.c - see request.h. The answer is made here, and sent by control.c when the handler is through.
 */
#include "core/control/request.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/smtp/utf8.h"

enum { STREAM_BLOCK = 64 << 10 };

const char *request_value(const struct control_request *request, const char *key)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, key);
}

const char *request_header(const struct control_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
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

	(void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_value, &values);
}

static void answer_with(struct control_request *request, unsigned status, struct MHD_Response *response,
			const char *type)
{
	/* Nothing here is a page, or part of somebody's page. */
	static const struct {
		const char *name, *value;
	} fields[] = {
		{"X-Content-Type-Options", "nosniff"},
		{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
					    "form-action 'none'"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
	};

	if (request->response)
		MHD_destroy_response(request->response);
	request->response = response;
	request->status = status;
	if (!response)
		return;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		(void)MHD_add_response_header(response, fields[i].name, fields[i].value);
}

void request_answer(struct control_request *request, unsigned status, json_t *json)
{
	static char none[] = "{\"error\":\"there was no memory for the answer\"}";
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

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
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE) : NULL;

	if (response)
		answer_with(request, status, response, type);
	else
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
}

struct stream {
	request_read_fn *read;
	void (*end)(void *context);
	void *context;
};

static ssize_t on_read(void *context, uint64_t position, char *out, size_t size)
{
	struct stream *stream = context;
	ssize_t n = stream->read(stream->context, out, size);

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
		*stream = (struct stream){read, end, context};
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
