/*
 * core/receive/quirks.c - what a session is forgiven because its client's entry, or its device's profile, says so
 * (core/config/quirks.h). Content is repaired here, between the scanner and the blocks it is kept in: nothing behind
 * ever sees a line that does not end in CRLF. A session without quirks costs one look.
 */
#include "core/config/quirks.h"

#include <string.h>

#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/config/profile.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* Of the session's device; NULL: it is none, or has none. */
static const struct config_profile *profile_of(const struct session *s)
{
	const struct config *config = s->snapshot->config;
	struct device device;

	if (s->device < 0)
		return NULL;
	device_table_get(config->devices, (size_t)s->device, &device);
	return device.profile > 0 ? &config->profiles[device.profile - 1] : NULL;
}

unsigned receive_quirks(const struct session *s)
{
	const struct config_profile *profile = profile_of(s);

	return (s->client >= 0 ? s->snapshot->config->clients[s->client].quirks : 0) | (profile ? profile->quirks : 0);
}

bool receive_old_tls(const struct session *s)
{
	const struct config_listener *listener = &s->snapshot->config->listeners[s->listener];
	const struct config_profile *profile = listener->devices_min_version ? profile_of(s) : NULL;

	return profile && profile->tls && profile->tls < listener->min_version;
}

enum smtp_syntax receive_syntax(const struct session *s)
{
	const struct config *config = s->snapshot->config;
	const struct config_profile *profile = profile_of(s);
	bool tolerant = s->client >= 0 && config->clients[s->client].syntax == CONFIG_SYNTAX_TOLERANT;

	/* Who has not signed in yet, and may. */
	if (s->client < 0 && config->listeners[s->listener].auth != CONFIG_LISTENER_AUTH_OFF)
		tolerant = true;
	if (profile)
		tolerant = profile->syntax == CONFIG_SYNTAX_TOLERANT;
	return tolerant ? SMTP_SYNTAX_TOLERANT : SMTP_SYNTAX_STRICT;
}

/* What was repaired is no fault; NUL and a CR in the middle of a line are. */
static void judge(struct session *s)
{
	if (!(s->repair.what & REPAIR_ENDINGS))
		return;
	s->scanner.faults &= CONTENT_NUL;
	if (s->repair.bare_cr)
		s->scanner.faults |= CONTENT_BARE_CR;
}

enum content_result receive_scan(struct session *s, const uint8_t *data, size_t length, size_t *consumed, uint8_t *out,
				 size_t capacity, size_t *written)
{
	uint8_t *between = s->shard->store->scratch;
	enum content_result result;
	size_t found, most;

	if (s->repair.what == 0)
		return content_scan_data(&s->scanner, data, length, consumed, out, capacity, written);
	if (s->odd_line) {
		result = repair_lines(&s->repair, data, length, consumed, out, capacity, written);
		content_scan_chunk(&s->scanner, out, *written);
	} else if (out == between) {
		/* It is kept nowhere: its end is looked for, and a fault that would have been found as well if it had
		 * been kept, so that what is said does not depend on how the stream was cut. */
		most = (capacity - repair_room(0)) / 4;
		result = content_scan_data(&s->scanner, data, length, consumed, between, most, written);
		(void)repair_content(&s->repair, between, *written, between + most);
	} else {
		/* At least 4, whatever the room: there are SUBMISSION_ROOM octets. */
		most = (capacity - repair_room(0)) / 3;
		most = most < SPOOL_ENVELOPE_MAX ? most : SPOOL_ENVELOPE_MAX;
		result = content_scan_data(&s->scanner, data, length, consumed, between, most, &found);
		*written = repair_content(&s->repair, between, found, out);
	}
	judge(s);
	return result;
}

void receive_scan_chunk(struct session *s, const uint8_t *data, size_t length, size_t *consumed, uint8_t *out,
			size_t capacity, size_t *written)
{
	size_t most = s->repair.what ? (capacity - repair_room(0)) / 3 : capacity;

	*consumed = length < most ? length : most;
	content_scan_chunk(&s->scanner, data, *consumed);
	if (s->repair.what == 0) {
		memcpy(out, data, *consumed);
		*written = *consumed;
		return;
	}
	*written = repair_content(&s->repair, data, *consumed, out);
	judge(s);
}
