/*
 * core/tools/usage.c - see usage.h.
 */
#include "core/tools/usage.h"

int usage(FILE *out, int status)
{
	fputs("usage: postrider run --config FILE      relay mail in the foreground until SIGTERM\n"
	      "       postrider check --config FILE    check a configuration: 0, or 78 and what to write instead;\n"
	      "                                        --show: what is in force, and where each value comes from;\n"
	      "                                        [--json], as nearly all of these\n"
	      "       postrider reload --config FILE   have the process that runs with it take it over anew\n"
	      "       postrider status                 does it run, and how does it go; [--json]\n"
	      "       postrider stats                  what was counted; each destination now\n"
	      "       postrider why DESTINATION        what keeps its mail from going now\n"
	      "       postrider top                    all of that on a terminal, as it goes; [--once [--json]]\n"
	      "       postrider incidents              what is wrong now, and what to do about it; [--json]\n"
	      "       postrider queue hold|release|retry|delete ID...\n"
	      "       postrider destination suspend|resume NAME, postrider destination list\n"
	      "       postrider queue list|summary|show what is here, and where it stands; [FILTER...] [--json]\n"
	      "       postrider queue export [FILTER...] --directory DIR\n"
	      "                                        messages as files, with their envelopes\n"
	      "       postrider queue import DIR       those to the relay, each once\n"
	      "       postrider spool check DIR, postrider spool export DIR --to OUT\n"
	      "                                        what lies in a spool that is not in use\n"
	      "       postrider doctor [--config FILE] [DESTINATION] [--send ADDRESS] [--bundle FILE] [--json]\n"
	      "       postrider probe HOST[:PORT]      what of the way to a next hop works, and what to do where it "
	      "ends\n"
	      "       postrider explain REPLY          what a refusal means, and what to do\n"
	      "       postrider presets [NAME]         what is known of providers, for `preset` of a destination\n"
	      "       postrider device list|show|add|remove|profiles\n"
	      "                                        the inventory of devices, and what to type into a machine\n"
	      "       postrider suppress list|add|remove|import|export\n"
	      "                                        addresses that no mail goes to\n"
	      "       postrider hash NAME              a line for users_file: asks for the password, or reads it\n"
	      "       postrider credentials status     what signs in with tokens; rotate: another certificate\n"
	      "       postrider setup office365        asks what it needs and writes the tenant's commands and a "
	      "configuration\n"
	      "       postrider import postfix DIR, postrider import iis-smtp FILE\n"
	      "                                        a configuration from theirs, and what could not be taken over\n"
	      "       postrider page                   a link that lets a browser in to the page\n"
	      "       postrider trace [ID]             what became of mail, by id, client, sender, recipient, time\n"
	      "       postrider route ADDRESS          where mail to it would go, and why; nothing is sent\n"
	      "       postrider report --since TIME    what came and what became of it, in figures\n"
	      "       postrider log --format postfix [FILE]\n"
	      "                                        events as lines of Postfix's log, for what reads those\n"
	      "       postrider sendmail, postrider mailq\n"
	      "                                        as programs of those names, for what writes mail by them\n"
	      "       postrider version\n",
	      out);
	return status;
}
