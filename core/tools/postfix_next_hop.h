/*
 * core/tools/postfix_next_hop.h - a next hop as Postfix writes it: "[mail.example.org]:587", "example.org", "10.0.0.1".
 */
#ifndef POSTRIDER_TOOLS_POSTFIX_NEXT_HOP_H
#define POSTRIDER_TOOLS_POSTFIX_NEXT_HOP_H

#include <stdbool.h>

struct postfix_next_hop {
	char host[256]; /* without brackets; "" : none is named */
	unsigned port;  /* 25 where none is named */
	bool exactly;   /* in brackets: no MX is asked for */
	bool numeric, numeric6;
};

/* False: it is none. Names of ports are those of mail. */
bool postfix_next_hop_read(const char *text, struct postfix_next_hop *out);
/* A port's number, or a name as in "submission"; 0: neither. */
unsigned postfix_port(const char *text);

#endif
