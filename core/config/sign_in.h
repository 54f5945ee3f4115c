/*
 * core/config/sign_in.h - who signs in over TCP (control.http), and how: by a password, by a certificate, or by the
 * word of a proxy.
 */
#ifndef POSTRIDER_CONFIG_SIGN_IN_H
#define POSTRIDER_CONFIG_SIGN_IN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/address_text.h"

struct user_table;

/* Whose certificate it is. */
struct sign_in_certificate {
	char *certificate; /* "sha256:" and 64 small digits, "email:", "dns:", "uri:" or "subject:" and what it has */
	char *user;
};

enum sign_in_address_header { SIGN_IN_X_FORWARDED_FOR, SIGN_IN_FORWARDED };

/* What is in front of us, and says who asks, and from where. */
struct sign_in_proxy {
	struct network *from; /* none: there is no proxy */
	size_t from_count;
	char *user_header; /* NULL: it names nobody */
	enum sign_in_address_header address_header;
	char *origin;      /* "https://relay.example.org", under which browsers know it; NULL: under its own */
	char *certificate; /* its own, as of struct sign_in_certificate; NULL: any that is no user's, or none */
	char **users;      /* whom it may name; none: anybody */
	size_t user_count;
};

/* All of it is owned. */
struct sign_in {
	struct user_table *users; /* of users_file, as it was when this was read; NULL: nobody has a password */
	char **operators;         /* who of them may act */
	size_t operator_count;
	struct sign_in_certificate *certificates;
	size_t certificate_count;
	bool certificate_required; /* whoever has none is nobody, whatever else he has */
	struct sign_in_proxy proxy;
};

/* Somebody can sign in. */
bool sign_in_any(const struct sign_in *s);
/* Not `s` itself. */
void sign_in_free(struct sign_in *s);

#endif
