/*
 * core/smtp/syntax.h - how patiently commands and addresses are read.
 *
 * Two ways, because an address is only passed on: what it means is for the domain's own server to say, and mail of a
 * device that nobody can change is worth more than a rule that protects no one. Tolerated are octets that mean nothing
 * to whoever carries them; which octets may stand in an address at all, and where its parts end, is the same in both.
 */
#ifndef POSTRIDER_SMTP_SYNTAX_H
#define POSTRIDER_SMTP_SYNTAX_H

enum smtp_syntax {
	SMTP_SYNTAX_STRICT,   /* as the RFC's grammar and sizes say */
	SMTP_SYNTAX_TOLERANT, /* command.h and address.h say what of it */
};

#endif
