/*
 * core/tools/mail_exchanger.c - see mail_exchanger.h.
 */
#include "core/tools/mail_exchanger.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <string.h>

enum { ANSWER_MAX = 65535, PREFERENCE_OCTETS = 2 };

static bool take_best(ns_msg *message, char host[MAIL_EXCHANGER_SIZE])
{
	unsigned best = 0;
	bool found = false;
	char name[MAIL_EXCHANGER_SIZE];

	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
		ns_rr record;
		if (ns_parserr(message, ns_s_an, i, &record) < 0 || ns_rr_type(record) != ns_t_mx ||
		    ns_rr_rdlen(record) <= PREFERENCE_OCTETS)
			continue;
		unsigned preference = ns_get16(ns_rr_rdata(record));
		if ((found && preference >= best) ||
		    ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message),
				       ns_rr_rdata(record) + PREFERENCE_OCTETS, name, sizeof(name)) < 0)
			continue;
		found = true;
		best = preference;
		memcpy(host, name, sizeof(name));
	}
	return found && host[0] != '\0' && strcmp(host, ".") != 0; /* "." takes no mail (RFC 7505) */
}

bool mail_exchanger(const char *domain, char host[MAIL_EXCHANGER_SIZE])
{
	static unsigned char answer[ANSWER_MAX];
	struct __res_state state;
	ns_msg message;
	int length;

	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) != 0)
		return false;
	length = res_nquery(&state, domain, ns_c_in, ns_t_mx, answer, sizeof(answer));
	res_nclose(&state);
	return length > 0 && ns_initparse(answer, length, &message) == 0 && take_best(&message, host);
}
