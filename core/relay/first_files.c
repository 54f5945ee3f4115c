/*
 * core/relay/first_files.c - see first_files.h.
 */
#include "core/relay/first_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/tls_policy.h"
#include "core/receive/inbound_tls.h"
#include "core/relay/agents.h"
#include "core/relay/relay.h"
#include "core/shard/snapshot.h"
#include "tls/tls.h"

enum { EXIT_UNAVAILABLE = 69, EXIT_CONFIG = 78 };

int first_files_load(struct relay *relay, struct agents *agents, const struct config *config)
{
	struct snapshot *snapshot = relay->snapshot;
	struct mailbox_problem mailbox_problem;
	struct tls_problem tls_problem;
	const char *why;
	int r;

	if (tls_policies_make(snapshot->tls, config, &tls_problem) < 0 ||
	    inbound_tls_make(&snapshot->inbound, config, relay->shard_count, &tls_problem) < 0) {
		fprintf(stderr, "postrider: %s: %s\n", config->file, tls_problem.text);
		return EXIT_CONFIG;
	}
	why = agents_start_tokens(agents, config);
	if (!why)
		why = agents_start_policies(agents, config);
	if (why) {
		fprintf(stderr, "postrider: %s\n", why);
		return EXIT_UNAVAILABLE;
	}
	r = mailbox_sets_make(snapshot->mailboxes, relay->deliverers.mailboxes, relay->deliverers.tokens, config,
			      &mailbox_problem);
	if (r < 0)
		fprintf(stderr, "postrider: %s: %s\n", config->file,
			r == -EINVAL ? mailbox_problem.text : "out of memory");
	else if ((r = deliverers_extend_mailboxes(&relay->deliverers, config, snapshot->mailboxes)) < 0)
		fprintf(stderr, "postrider: %s: %s\n", config->spool.directory, strerror(-r));
	else if ((r = suspensions_load(&relay->deliverers.suspensions)) < 0)
		fprintf(stderr, "postrider: %s/suspended: %s\n", config->spool.directory,
			r == -EBADMSG ? "cannot be understood: it says which destinations an operator has suspended; "
					"mend it, or remove it, and all of them go on"
				      : strerror(-r));
	else
		deliverers_follow(&relay->deliverers, config, snapshot->mailboxes);
	return r == 0 ? 0 : r == -EINVAL ? EXIT_CONFIG : EXIT_UNAVAILABLE;
}
