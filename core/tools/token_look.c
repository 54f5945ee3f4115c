/*
 * core/tools/token_look.c - see token_look.h.
 */
#include "core/tools/token_look.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/agents/token_job.h"
#include "core/tools/token_claims.h"

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(list, word); at; at = strstr(at + 1, word)) {
		if ((at == list || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' '))
			return true;
	}
	return false;
}

/* A token for Graph, say, is fetched without an error, and refused at AUTH without a reason. */
static bool is_for_mail(const char *audience)
{
	return strstr(audience, "outlook") != NULL || strstr(audience, "00000002-0000-0ff1-ce00-000000000000") != NULL;
}

static void look_at_claims(struct ladder *ladder, const struct token_claims *claims, const char *user,
			   uint64_t lifetime_s)
{
	bool microsoft = claims->tenant[0] != '\0';

	if (microsoft && !is_for_mail(claims->audience)) {
		ladder_add(ladder, "token", RUNG_WARNING, "for %s, for %" PRIu64 " more seconds", claims->audience,
			   lifetime_s);
		ladder_advise(ladder, "that is not Exchange Online: it will be refused at AUTH. `scope` has to be "
				      "https://outlook.office365.com/.default.");
		return;
	}
	if (claims->user[0] && strcasecmp(claims->user, user) != 0) {
		ladder_add(ladder, "token", RUNG_WARNING, "of %s, for %s", claims->user, claims->audience);
		ladder_advise(ladder,
			      "it was %s who signed in and consented, not %s: AUTH will be refused. Sign in again as "
			      "the mailbox.",
			      claims->user, user);
		return;
	}
	ladder_add(ladder, "token", RUNG_OK, "for %s, %s%s, for %" PRIu64 " more seconds", claims->audience,
		   claims->roles[0]    ? "with the role "
		   : claims->scopes[0] ? "with the scope "
				       : "without a role",
		   claims->roles[0] ? claims->roles : claims->scopes, lifetime_s);
	if (microsoft && !claims->roles[0] && !claims->scopes[0])
		ladder_advise(
			ladder,
			"right where Exchange's own role `Application SMTP.SendAsApp` is assigned to it, which no "
			"token shows. After a change that takes up to two hours; until then AUTH answers 5.7.3.");
	else if (microsoft && claims->scopes[0] && !has_word(claims->scopes, "SMTP.Send"))
		ladder_advise(ladder, "it lacks the scope SMTP.Send, without which AUTH is refused.");
}

bool token_look(struct ladder *ladder, const struct config_oauth *oauth, const char *user, struct token_reply *reply)
{
	struct token_claims claims;

	token_once(oauth, user, reply);
	if (reply->outcome != TOKEN_GIVEN) {
		ladder_add(ladder, "token", RUNG_BROKEN, "none: %s", reply->problem);
		if (reply->outcome == TOKEN_LATER)
			ladder_advise(ladder,
				      "nothing was refused: it may pass by itself. See that this machine reaches the "
				      "endpoint by HTTPS (port 443).");
		else if (reply->outcome == TOKEN_CLOCK)
			ladder_advise(ladder, "set this machine's clock: timedatectl.");
		else
			ladder_advise(ladder,
				      "the endpoint's own words are above; `oauth` of the destination is what they are "
				      "about.");
		return false;
	}
	if (token_claims_read(reply->access_token.text, reply->access_token.length, &claims))
		look_at_claims(ladder, &claims, user, reply->lifetime_s);
	else
		ladder_add(ladder, "token", RUNG_OK,
			   "for %" PRIu64 " more seconds; what it is for only its maker can read", reply->lifetime_s);
	return true;
}
