/*
 * core/control/remote.h - the same over TCP (control.http): the socket, and who is let in; and who is not on that of
 * the file system, which a proxy or a browser may have been led to.
 */
#ifndef POSTRIDER_CONTROL_REMOTE_H
#define POSTRIDER_CONTROL_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct control_request;
struct gate;

/* A listening socket, non-blocking, or -errno with a `problem`, for people. */
int remote_listen(const struct config *config, char *problem, size_t size);
/* Before anything of the request is read but its header. False: it was answered. May wait, as who fails is to. `gate`
 * NULL: whoever reaches the address may look, and nobody may act. `hostname`: the relay's now. */
bool remote_admit(struct control_request *request, struct gate *gate, const struct config *config,
		  const char *hostname);
/* The same of a request on the socket, whose permissions say who may: but not who says that he asks for somebody else,
 * nor a page of others in a browser of whoever has led it here (ssh -L). */
bool remote_admit_local(struct control_request *request, const char *hostname);
/* certificate and private_key, NUL-terminated, the caller's to wipe and free. 0, or -errno with a `problem`. */
struct remote_key {
	char *certificate, *private_key;
};
int remote_key_read(const struct config *config, struct remote_key *key, char *problem, size_t size);
void remote_key_wipe(struct remote_key *key);
/* What client_ca has, NUL-terminated, the caller's to free. NULL, with a `problem`. */
char *remote_issuers_read(const struct config *config, char *problem, size_t size);

/* The name of the cookie with the pass (pass.h). */
enum { REMOTE_COOKIE_SIZE = 24 };
void remote_cookie(const struct config *config, char out[REMOTE_COOKIE_SIZE]);

#endif
