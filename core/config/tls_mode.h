/*
 * core/config/tls_mode.h - what a destination says of TLS, `tls.mode`, from the weakest to the strictest.
 */
#ifndef POSTRIDER_CONFIG_TLS_MODE_H
#define POSTRIDER_CONFIG_TLS_MODE_H

enum config_tls_mode {
	CONFIG_TLS_NONE,          /* in clear */
	CONFIG_TLS_OPPORTUNISTIC, /* TLS where it can be had, else in clear */
	CONFIG_TLS_REQUIRED,      /* TLS with whoever answers */
	CONFIG_TLS_VERIFY,        /* TLS with who proves a name, or has one of the fingerprints */
	CONFIG_TLS_DANE,          /* TLS with who matches a TLSA record (RFC 7672) */
};

#endif
