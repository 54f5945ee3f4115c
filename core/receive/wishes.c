/*
 * core/receive/wishes.c - how a sender wants a message to be carried, beside what is in it: what is reported of it (RFC
 * 3461), only over TLS that is verified (RFC 8689), not before some time (RFC 4865).
 *
 * Whether one is offered depends on the session. What was not offered is not known (RFC 5321 4.1.1.11): 555, and the
 * message is not taken without it. Reports are the exception: they are read from any client, also behind HELO.
 *
 * What is not there: AUTH= (RFC 4954 5) is checked and goes no further, because nobody is trusted to speak for another;
 * DELIVERBY (RFC 2852) would need reports for its one form, and for the other a next hop that knows it, which hardly
 * any does, or else the message could only come back; MT-PRIORITY (RFC 6710) would let a message choose what the
 * operator has given its client (`priority`).
 */
#include <stdio.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/line.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "queue/envelope.h"

_Static_assert((int)SMTP_RET_FULL == (int)ENVELOPE_RET_FULL && (int)SMTP_RET_HEADERS == (int)ENVELOPE_RET_HEADERS,
	       "RET is one number");
_Static_assert((int)SMTP_NOTIFY_NEVER == (int)ENVELOPE_NOTIFY_NEVER &&
		       (int)SMTP_NOTIFY_SUCCESS == (int)ENVELOPE_NOTIFY_SUCCESS &&
		       (int)SMTP_NOTIFY_FAILURE == (int)ENVELOPE_NOTIFY_FAILURE &&
		       (int)SMTP_NOTIFY_DELAY == (int)ENVELOPE_NOTIFY_DELAY,
	       "NOTIFY is one set of bits");
_Static_assert((int)PARAMETERS_ENVID_MAX == (int)ENVELOPE_ENVID_MAX &&
		       (int)PARAMETERS_ORCPT_MAX == (int)ENVELOPE_ORCPT_MAX,
	       "what is taken can be stored");

/* Who may relay may have its mail kept until later, as long as is configured. */
static uint64_t future_ns(const struct session *s)
{
	return s->client < 0 ? 0 : s->snapshot->config->limits.future_release_ns;
}

/* For how long, and until when (RFC 4865 4). */
static void offer_future(uint64_t most_ns, struct line *reply)
{
	time_t until = (time_t)((clock_wall_ns() + most_ns) / CLOCK_NS_PER_S);
	char text[40];
	struct tm tm;

	line_text(reply, "250-FUTURERELEASE ");
	line_number(reply, most_ns / CLOCK_NS_PER_S);
	if (gmtime_r(&until, &tm) && strftime(text, sizeof(text), " %Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		line_text(reply, text);
	line_text(reply, "\r\n");
}

/* 0: at once, which what is past already means, too. */
static uint64_t not_before_ns(const struct smtp_mail_parameters *mail)
{
	uint64_t when_s = mail->hold, wall_ns;

	if (!mail->hold_for && !mail->hold_until)
		return 0;
	wall_ns = clock_wall_ns();
	if (mail->hold_for)
		return wall_ns + when_s * CLOCK_NS_PER_S;
	if (when_s > UINT64_MAX / 2 / CLOCK_NS_PER_S)
		return UINT64_MAX / 2;
	return when_s * CLOCK_NS_PER_S > wall_ns ? when_s * CLOCK_NS_PER_S : 0;
}

void receive_offer_wishes(const struct session *s, struct line *reply)
{
	line_text(reply, "250-DSN\r\n");
	/* "Only if the client has begun TLS" (RFC 8689 3). */
	if (s->transport.secured)
		line_text(reply, "250-REQUIRETLS\r\n");
	if (future_ns(s) > 0)
		offer_future(future_ns(s), reply);
}

const char *receive_refuse_wishes(const struct session *s, const struct smtp_mail_parameters *mail)
{
	static const char unknown[] = "555 5.5.4 Parameter not recognised\r\n";

	if (mail->require_tls && !s->transport.secured)
		return unknown;
	if (!mail->hold_for && !mail->hold_until)
		return NULL;
	if (future_ns(s) == 0)
		return unknown;
	if (not_before_ns(mail) > clock_wall_ns() + future_ns(s))
		return "501 5.5.4 Longer than messages are kept here\r\n";
	return NULL;
}

bool receive_note_wishes(struct submission *m, const struct smtp_mail_parameters *mail)
{
	m->letter.ret = mail->ret;
	m->letter.require_tls = mail->require_tls;
	m->letter.not_before_ns = not_before_ns(mail);
	return submission_envelope_id(m, mail->envid);
}
