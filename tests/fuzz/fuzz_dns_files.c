/*
 * fuzz_dns_files.c - the texts of /etc/hosts and /etc/resolv.conf: any text, and what is found stays in its bounds.
 *
 * Input: a name, NUL, then the text of a file.
 */
#include <stdlib.h>
#include <string.h>

#include "core/agents/dns_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { MOST = 5 };
	struct ring_address found[MOST];
	const uint8_t *end = memchr(data, '\0', size);
	size_t name_length = end ? (size_t)(end - data) : 0, length = end ? size - name_length - 1 : size;
	char *name = strndup((const char *)data, name_length), *text = malloc(length ? length : 1);
	char candidate[DNS_NAME_SIZE];
	struct resolv_conf conf;
	unsigned n = 0;

	need(name && text);
	memcpy(text, data + size - length, length);
	for (unsigned most = 1; most <= MOST; most++) {
		unsigned count = hosts_find(text, length, name, found, most);
		need(count <= most);
		for (unsigned i = 0; i < count; i++)
			need(found[i].any.sa_family == AF_INET || found[i].any.sa_family == AF_INET6);
	}
	need(hosts_loopback(name, found, MOST) <= 2);
	resolv_conf_parse(text, length, &conf);
	need(conf.server_count <= DNS_SERVERS_MAX && conf.search_count <= DNS_SEARCH_MAX && conf.dots <= 9);
	for (unsigned i = 0; i < conf.server_count; i++)
		need(strlen(conf.servers[i]) < DNS_SERVER_TEXT && conf.servers[i][0]);
	while (resolv_conf_candidate(&conf, name, n, candidate)) {
		need(memchr(candidate, '\0', sizeof(candidate)) != NULL);
		n++;
	}
	need(n >= 1 && n <= DNS_SEARCH_MAX + 1);
	free(name);
	free(text);
	return 0;
}
