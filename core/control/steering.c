/*
 * core/control/steering.c - see steering.h.
 */
#include "core/control/steering.h"

#include <stdio.h>
#include <string.h>

#include "core/base/address_text.h"

json_t *steering_body(struct control_request *request, const char *const *keys)
{
	json_t *body = json_loadb(request->body ? request->body : "{}", request->body ? request->body_length : 2,
				  JSON_REJECT_DUPLICATES, NULL);
	const char *key;
	json_t *value;

	if (!json_is_object(body)) {
		json_decref(body);
		request_fail(request, ANSWER_BAD, "the body is to be a JSON object");
		return NULL;
	}
	json_object_foreach(body, key, value)
	{
		size_t i = 0;
		while (keys[i] && strcmp(keys[i], key) != 0)
			i++;
		if (keys[i])
			continue;
		request_fail(request, ANSWER_BAD, "\"%.60s\" means nothing here", key);
		json_decref(body);
		return NULL;
	}
	return body;
}

bool steering_text(struct control_request *request, const json_t *body, const char *key, size_t most, const char **out)
{
	const json_t *value = json_object_get(body, key);
	const char *text = json_string_value(value);

	*out = "";
	if (!value || json_is_null(value))
		return true;
	if (!text || strlen(text) != json_string_length(value) || strlen(text) > most) {
		request_fail(request, ANSWER_BAD, "\"%s\" is to be a text of %zu octets at most", key, most);
		return false;
	}
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at < ' ' || *at == 127) {
			request_fail(request, ANSWER_BAD, "\"%s\" may not have control characters", key);
			return false;
		}
	}
	*out = text;
	return true;
}

void steering_who(const struct control_request *request, char out[STEERING_WHO])
{
	char address[ADDRESS_TEXT_SIZE];

	if (request->remote) {
		(void)address_text_format(&request->address, address);
		snprintf(out, STEERING_WHO, "%.30s, %s", request->user, address);
		return;
	}
	snprintf(out, STEERING_WHO, "uid %u, pid %d", (unsigned)request->peer.uid, (int)request->peer.pid);
}
