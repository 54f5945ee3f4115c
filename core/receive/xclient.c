/*
 * core/receive/xclient.c - sessions that a proxy brings (XCLIENT, core/smtp/xclient.h): it says whose they are, and
 * that is the client for everything from then on.
 *
 * Only who connects from `xclient_from` of its listener may say it, and only such a one is told of it in EHLO; for
 * others there is no such command. What is asked is the address the connection began with, so no client that a proxy
 * has brought becomes a proxy by its address. And it is said once: nginx passes on whatever its client says behind it,
 * who would else be anybody.
 *
 * The session begins anew behind it: greeting, EHLO, who has signed in, the transaction that there is none of. Whether
 * that client may relay, and how many connections it may have, is decided by what was said; the proxy's own certificate
 * counts no more, or all of its clients were it. A name that has signed in at the proxy must be one of users_file, so
 * that what holds for users (senders, the file that is reloaded) holds for it.
 */
#include <string.h>

#include "core/base/line.h"
#include "core/config/config.h"
#include "core/config/user_table.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/smtp/xclient.h"

void receive_offer_xclient(const struct session *s, struct line *reply)
{
	if (s->may_xclient)
		line_text(reply, "250-XCLIENT " XCLIENT_ATTRIBUTES "\r\n");
}

/* Who has signed in, at the proxy and not here. False: nobody of that name is known. */
static bool take_login(struct session *s, const struct xclient *told)
{
	struct user user;

	s->user = NULL;
	if (told->login_said != XCLIENT_SAID)
		return true;
	if (!user_table_find(s->snapshot->config->users, told->login, told->login_length, &user))
		return false;
	s->user = user.name;
	return true;
}

/* False: no memory. */
static bool take_helo(struct session *s, const struct xclient *told)
{
	if (told->protocol_said == XCLIENT_SAID)
		s->esmtp = told->esmtp;
	s->helo_given = told->helo_said == XCLIENT_SAID;
	return receive_keep_name(s, (struct span){told->helo, told->helo_length});
}

static const char *take(struct session *s, const struct xclient *told)
{
	struct ring_address before;

	if (told->address_said == XCLIENT_UNKNOWN)
		return "550 5.7.1 A client whose address is not known may not relay\r\n";
	if (!take_login(s, told))
		return "550 5.7.1 Nobody of that LOGIN is known\r\n";
	if (!take_helo(s, told))
		return "421 4.3.0 Out of memory, try again later\r\n";
	if (told->address_said == XCLIENT_NOTHING && !receive_address(s, &before))
		return "421 4.3.0 Try again later\r\n";
	s->brought = true;
	s->may_xclient = false;
	return receive_admit_brought(s, told->address_said == XCLIENT_SAID ? &told->address : &before);
}

void receive_xclient(struct session *s, const struct smtp_command *command)
{
	const char *refusal;
	struct xclient told;

	if (!s->may_xclient) {
		receive_error(s, "500 5.5.2 Command not recognised\r\n");
		return;
	}
	/* What was sent before is that client's, and speaks of it. */
	if (s->message || s->pending_count > 0) {
		receive_error(s, "503 5.5.1 Not in a mail transaction\r\n");
		return;
	}
	if (!xclient_parse(command->argument, &told)) {
		receive_error(s, "501 5.5.4 Syntax: XCLIENT attribute=value\r\n");
		return;
	}
	refusal = take(s, &told);
	if (refusal)
		receive_finish(s, refusal, "XCLIENT refused");
	else
		receive_greet(s);
}
