/*
 * core/control/limited.h - what keeps mail of a lane from going, in a word each; why.c has the sentences.
 */
#ifndef POSTRIDER_CONTROL_LIMITED_H
#define POSTRIDER_CONTROL_LIMITED_H

struct outbound;

/* The one that stops most first. */
enum limited {
	LIMITED_SUSPENDED,   /* by an operator */
	LIMITED_SIGN_IN,     /* nobody can sign in there */
	LIMITED_SET_UP,      /* a host refuses what this relay is */
	LIMITED_DNS,         /* no address is known */
	LIMITED_BACK_OFF,    /* a host failed, and is left alone */
	LIMITED_LIMITS,      /* of messages, octets or recipients */
	LIMITED_FALLBACK,    /* mail goes by another destination meanwhile */
	LIMITED_CONNECTIONS, /* all that it may have are in use */
	LIMITED_RETRY,       /* all that is here waits for its next attempt */
	LIMITED_COUNT,
};

extern const char *const limited_names[LIMITED_COUNT];

/* A bit for each but LIMITED_RETRY, which is said of a destination as a whole. On the lane's shard. */
unsigned limited_of(const struct outbound *o);

#endif
