/*
 * tests/unit/test_schema_listener.c - core/config/schema_listener.c: what listeners say, and what they need for it.
 */
#include "core/config/config.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/check.h"

#define REST                                                                                                           \
	"hostname: relay.example.org\nclients: [{ name: local, networks: [127.0.0.0/8] }]\n"                           \
	"destinations: [{ name: next, hosts: [\"mail.example.org:25\"] }]\nroutes: [{ destination: next }]\n"

/* What listeners say about TLS. The certificate is a file that can be read; whether it is one is for who uses it. */
static void test_listener_tls(void)
{
	static const struct {
		const char *listener, *tls, *problem; /* NULL: it is good */
	} cases[] = {
		{"tls: offered", "tls: { certificates: [{ certificate: t.crt, private_key: t.key }] }\n", NULL},
		{"tls: required, min_version: 1.1", "tls: { certificates: [{ certificate: t.crt }] }\n", NULL},
		{"tls: implicit, min_version: \"1.3\"", "tls: { certificates: [{ certificate: t.crt }] }\n", NULL},
		{"tls: off", "tls: { certificates: [{ certificate: t.crt }] }\n", NULL},
		{"tls: offered", "",
		 "the listener \"lan\" needs a certificate: write, beside \"listeners\", tls: { certificates: [{ "
		 "certificate: relay.crt, private_key: relay.key }] }"},
		{"tls: offered, min_version: 1.0", "tls: { certificates: [{ certificate: t.crt }] }\n",
		 "min_version: TLS 1.0 is not in the TLS library"},
		{"tls: offered, min_version: 3", "tls: { certificates: [{ certificate: t.crt }] }\n",
		 "min_version: unknown value \"3\": write one of 1.1, 1.2, 1.3"},
		{"tls: offered, client_certificates: requested, ca_file: t.crt",
		 "tls: { certificates: [{ certificate: t.crt }] }\n", NULL},
		{"client_certificates: requested", "", "client_certificates: without effect without TLS"},
		{"min_version: 1.2", "", "min_version: without effect without TLS"},
		{"tls: offered, ca_file: t.crt", "tls: { certificates: [{ certificate: t.crt }] }\n",
		 "ca_file: without effect where clients are not asked"},
		{"tls: offered, devices_min_version: 1.1", "tls: { certificates: [{ certificate: t.crt }] }\n", NULL},
		{"tls: offered, min_version: 1.1, devices_min_version: 1.1",
		 "tls: { certificates: [{ certificate: t.crt }] }\n",
		 "devices_min_version: without effect, as it is not below min_version"},
		{"devices_min_version: 1.1", "", "devices_min_version: without effect without TLS"},
		{"tls: offered, devices_min_version: 1.0", "tls: { certificates: [{ certificate: t.crt }] }\n",
		 "devices_min_version: TLS 1.0 is not in the TLS library"},
		{"tls: starttls", "tls: { certificates: [{ certificate: t.crt }] }\n", "unknown value \"starttls\""},
		{"tls: offered", "tls: { certificates: [{ certificate: missing.crt }] }\n", "missing.crt"},
		{"tls: offered", "tls: { certificates: [] }\n", "certificates"},
		{"tls: offered", "tls: { }\n", "the key \"certificates\" is missing"},
		{"tls: offered", "tls: { certificates: [{ private_key: t.key }] }\n",
		 "the key \"certificate\" is missing"},
	};
	char directory[] = "/tmp/test_config.XXXXXX", file[64], text[2048];
	struct config_problems problems;

	CHECK(mkdtemp(directory) != NULL);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), "%s/t.%s", directory, i == 0 ? "crt" : "key");
		fclose(fopen(file, "w"));
	}
	snprintf(file, sizeof(file), "%s/t.yaml", directory);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "listeners: [{ name: lan, address: \"127.0.0.1:25\", %s }]\n%s" REST,
			 cases[i].listener, cases[i].tls);
		struct config *c = config_parse(file, text, strlen(text), &problems);
		CHECK((c != NULL) == (cases[i].problem == NULL));
		if (c == NULL && cases[i].problem != NULL)
			CHECK(strstr(config_problems_first(&problems), cases[i].problem) != NULL);
		if (c != NULL && i == 0) {
			CHECK_EQ(c->listeners[0].tls, CONFIG_LISTENER_TLS_OFFERED);
			CHECK_EQ(c->listeners[0].min_version, CONFIG_TLS_1_2);
			CHECK(strstr(c->certificates[0].private_key, "/t.key") != NULL);
		}
		if (c != NULL && i == 1) {
			CHECK_EQ(c->listeners[0].tls, CONFIG_LISTENER_TLS_REQUIRED);
			CHECK_EQ(c->listeners[0].min_version, CONFIG_TLS_1_1);
			CHECK(c->certificates[0].private_key == NULL);
		}
		config_free(c);
	}
	for (unsigned i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), "%s/t.%s", directory, i == 0 ? "crt" : "key");
		unlink(file);
	}
	rmdir(directory);
}

/* Who says whose a connection is, in front of it or by XCLIENT. */
static void check_speakers(const char *key)
{
	static const struct {
		const char *networks, *problem; /* NULL: it is good */
		bool warned;
	} cases[] = {
		{"[127.0.0.0/8, \"2001:db8::/32\", 192.0.2.1]", NULL, false},
		{"[0.0.0.0/0]", ": 0.0.0.0/0 is everybody", true},
		{"[\"::/0\"]", ": ::/0 is everybody", true},
		{"127.0.0.1", ": write a list, as in [127.0.0.0/8]", false},
		{"[]", ": the list is empty", false},
		{"[balancer]", ": ", false},
		{"[127.0.0.1/33]", ": ", false},
		{"[127.0.0.1, \"\"]", ": ", false},
	};
	struct config_problems problems;
	struct address_problem wrong;
	struct ring_address address;
	bool proxy = strcmp(key, "proxy_protocol_from") == 0;
	char text[1024], problem[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "listeners: [{ name: lan, address: \"127.0.0.1:25\", %s: %s }]\n" REST,
			 key, cases[i].networks);
		struct config *c = config_parse("t.yaml", text, strlen(text), &problems);
		CHECK((c != NULL) == (cases[i].problem == NULL || cases[i].warned));
		snprintf(problem, sizeof(problem), "%s%s", key, cases[i].problem ? cases[i].problem : "");
		if (cases[i].problem != NULL)
			CHECK(strstr(config_problems_first(&problems), problem) != NULL);
		if (c != NULL && i == 0) {
			const struct config_listener *l = &c->listeners[0];
			const struct network *speakers = proxy ? l->proxies : l->xclients;
			CHECK_EQ(l->proxy_count, proxy ? 3 : 0);
			CHECK_EQ(l->xclient_count, proxy ? 0 : 3);
			CHECK(address_text_parse("192.0.2.1:1", &address, &wrong) == 0);
			CHECK(network_contains(&speakers[2], &address));
			CHECK(!network_contains(&speakers[0], &address));
		}
		config_free(c);
	}
}

static void test_speakers(void)
{
	check_speakers("proxy_protocol_from");
	check_speakers("xclient_from");
}

/* Nobody can be known by a certificate that nobody is asked for. */
static void test_certificates_of_clients(void)
{
	static const char text[] =
		"hostname: relay.example.org\nlisteners: [{ name: lan, address: \"127.0.0.1:25\" }]\n"
		"clients: [{ name: apps, certificates: [app.example.org] }]\n"
		"destinations: [{ name: next, hosts: [\"mail.example.org:25\"] }]\n"
		"routes: [{ destination: next }]\n";
	struct config_problems problems;
	struct config *c = config_parse("t.yaml", text, strlen(text), &problems);

	CHECK(c != NULL);
	CHECK_EQ(problems.warnings, 1);
	CHECK(strstr(config_problems_first(&problems),
		     "3:39: warning: certificates: no listener asks clients for one") != NULL);
	config_free(c);
}

int main(void)
{
	RUN(test_listener_tls);
	RUN(test_speakers);
	RUN(test_certificates_of_clients);
	return check_end();
}
