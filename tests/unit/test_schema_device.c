/*
 * tests/unit/test_schema_device.c - the inventory of devices and their profiles: what is taken, and every sentence.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/config/client_index.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/config/profile.h"
#include "core/config/quirks.h"
#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

#define DEVICES "devices: devices.d\n"

static char directory[64];

static void path_of(char path[160], const char *name)
{
	snprintf(path, 160, "%s/%s", directory, name);
}

static void write_to(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	path_of(path, name);
	f = fopen(path, "w");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_file(const char *name)
{
	char path[160];

	path_of(path, name);
	CHECK(unlink(path) == 0);
}

/* The configuration with `text` beside the usual keys. `problem`: the first, behind the directory; NULL: none. */
static struct config *load(const char *text, const char *problem)
{
	struct config_problems problems;
	char yaml[2048], path[160];
	char expected[400] = "";
	const char *first, *at = problem ? strstr(problem, "DIRECTORY") : NULL;
	struct config *c;

	if (at)
		snprintf(expected, sizeof(expected), "%.*s%s%s", (int)(at - problem), problem, directory, at + 9);
	else if (problem)
		snprintf(expected, sizeof(expected), "%s", problem);
	snprintf(yaml, sizeof(yaml), "%s%s", text, HOST LISTENERS DESTINATIONS ROUTES);
	write_to("t.yaml", yaml);
	path_of(path, "t.yaml");
	c = config_load(path, &problems);
	first = config_problems_first(&problems);
	if (strncmp(first, directory, strlen(directory)) == 0)
		first += strlen(directory);
	CHECK_STR(first, expected);
	return c;
}

#define CLIENT "clients: [{ name: all, devices: true }]\n"

static void test_taken(void)
{
	struct config *c;
	struct device device;
	struct ring_address address;

	write_to("devices.d/a.yaml",
		 "# a comment\nname: \"Copier 3rd floor\"\naddress: 10.20.3.14\nowner: anna@example.org\n"
		 "place: by the kitchen\nprofile: old\nfrom: copier@example.org\n"
		 "limits: { connections: 4, messages_per_minute: 30, recipients_per_minute: 6000 }\n");
	write_to("devices.d/b.yaml", "- { name: b1, address: \"2001:db8::1\" }\n- { name: b2, user: scan2 }\n");
	write_to("devices.d/ignored.yaml.new", "!");
	write_to("devices.d/.hidden.yaml", "!");
	c = load(CLIENT DEVICES,
		 "/devices.d/b.yaml:2:1: warning: the device \"b2\" cannot sign in: users_file has no user "
		 "\"scan2\": `postrider hash` writes its line");
	if (c == NULL)
		return;
	CHECK_EQ(device_table_count(c->devices), 3);
	CHECK(address_text_numeric("10.20.3.14", 1, &address));
	CHECK_EQ(device_table_of_address(c->devices, &address), 0);
	device_table_get(c->devices, 0, &device);
	CHECK_STR(device.name, "Copier 3rd floor");
	CHECK_STR(device.owner, "anna@example.org");
	CHECK_STR(device.place, "by the kitchen");
	CHECK_STR(device.from, "copier@example.org");
	CHECK_EQ(device.connections, 4);
	CHECK_EQ(device.messages_per_minute, 30);
	CHECK_EQ(device.recipients_per_minute, 6000);
	CHECK_EQ(device.line, 2);
	CHECK_EQ(c->profile_count, 1);
	CHECK_STR(c->profiles[device.profile - 1].name, "old");
	CHECK_EQ(c->profiles[0].quirks, QUIRK_LINE_ENDINGS | QUIRK_LONG_LINES | QUIRK_MISSING_HEADERS);
	CHECK(address_text_numeric("::ffff:10.20.3.14", 1, &address));
	CHECK_EQ(device_table_of_address(c->devices, &address), 0);
	CHECK(address_text_numeric("2001:db8::1", 1, &address));
	CHECK_EQ(device_table_of_address(c->devices, &address), 1);
	CHECK(address_text_numeric("2001:db8::2", 1, &address));
	CHECK_EQ(device_table_of_address(c->devices, &address), -1);
	CHECK_EQ(device_table_of_user(c->devices, "SCAN2"), 2);
	CHECK_EQ(device_table_of_user(c->devices, ""), -1);
	CHECK_EQ(device_table_of_name(c->devices, "copier 3RD floor"), 0);
	/* `devices: true` lets in devices alone. */
	CHECK_EQ(client_index_find(c->index, &(struct client_question){.address = &address, .device = true}), 0);
	CHECK_EQ(client_index_find(c->index, &(struct client_question){.address = &address}), -1);
	config_free(c);
	remove_file("devices.d/b.yaml");
	remove_file("devices.d/ignored.yaml.new");
	remove_file("devices.d/.hidden.yaml");
}

static const struct {
	const char *text, *problem;
} entries[] = {
	{"name: x\n",
	 "1:1: a device is known by its address or by the user that it signs in as: write one of address and "
	 "user"},
	{"name: x\naddress: 10.1.1.1\nuser: y\n",
	 "1:1: a device is known by its address or by the user that it signs in "
	 "as: write one of address and user"},
	{"address: 10.1.1.1\n", "1:1: the key \"name\" is missing: write name: \"Copier 3rd floor\""},
	{"name: x\naddress: 10.1.0.0/16\n",
	 "2:10: address: \"10.1.0.0/16\" is a network: write the one address of this device"},
	{"name: \" x\"\nuser: y\n", "1:7: name: a device's name begins or ends with a blank"},
	{"name: x\nuser: \"a:b\"\n", "2:7: user: a user's name has a colon in it"},
	{"name: x\nuser: y\nowner: \"*@example.org\"\n",
	 "3:8: owner: \"*@example.org\" is no address: write one such as anna@example.org"},
	{"name: x\nuser: y\nprofil: old\n", "3:1: unknown key \"profil\"; did you mean \"profile\"?"},
	{"name: x\nuser: y\nprofile: olt\n", "3:10: profile: there is no profile \"olt\"; did you mean \"old\"?"},
	{"name: x\nuser: y\nprofile: ../old\n",
	 "3:10: profile: \"../old\" is no name: `postrider device profiles` lists them"},
	{"name: \"COPIER 3rd floor\"\nuser: y\n", "1:1: name: there is a device \"COPIER 3rd floor\" already: "},
	{"- name: x\n  address: 10.20.3.14\n", "1:3: address: it is that of the device \"Copier 3rd floor\" already: "},
	{"", "1:1: the file is empty"},
	{"x\n", "1:1: a device must be a mapping: write name: \"Copier 3rd floor\", address: 10.20.3.14"},
	{"name: x\nuser: y\nlimits: { connections: 70000 }\n",
	 "3:24: connections: 70000 is out of range: write a number from 0 to 65535"},
	{"name: x\nuser: y\nlimits: { messages_per_minute: 6001 }\n",
	 "3:32: messages_per_minute: 6001 is out of range: write a number from 0 to 6000"},
	{"name: &a x\nuser: *a\n", "2:7: aliases are not supported: write the value out"},
};

static void test_problems(void)
{
	struct config_problems problems;
	char path[160], expected[400];

	path_of(path, "t.yaml");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct config *c;
		write_to("devices.d/z.yaml", entries[i].text);
		write_to("t.yaml", CLIENT DEVICES HOST LISTENERS DESTINATIONS ROUTES);
		c = config_load(path, &problems);
		CHECK(c == NULL);
		snprintf(expected, sizeof(expected), "%s/devices.d/z.yaml:%s", directory, entries[i].problem);
		if (strncmp(config_problems_first(&problems), expected, strlen(expected)) != 0)
			CHECK_STR(config_problems_first(&problems), expected);
		config_free(c);
	}
	remove_file("devices.d/z.yaml");
}

static void test_whole(void)
{
	char path[160];

	(void)load(CLIENT "devices: none.d\n",
		   "/t.yaml:2:10: devices: DIRECTORY/none.d: No such file or directory: make a directory of that name");
	(void)load(CLIENT, "/t.yaml:1:33: devices: there is no inventory: write devices: devices.d at the top");
	path_of(path, "devices.d");
	CHECK_EQ(chmod(path, 0777), 0);
	(void)load(CLIENT DEVICES, "/t.yaml:2:10: devices: everybody may write DIRECTORY/devices.d, and let in whom he "
				   "likes: chmod o-w it");
	CHECK_EQ(chmod(path, 0755), 0);
	path_of(path, "devices.d/a.yaml");
	CHECK_EQ(chmod(path, 0666), 0);
	(void)load(CLIENT DEVICES, "/t.yaml:2:10: devices: everybody may write DIRECTORY/devices.d/a.yaml, and let in "
				   "whom he likes: chmod o-w it");
	CHECK_EQ(chmod(path, 0644), 0);
}

/* A client's profile, and what it says itself. */
static void test_profile_of_client(void)
{
	struct config *c = load("clients:\n"
				"  - { name: a, networks: [10.0.0.0/8], profile: strict }\n"
				"  - { name: b, networks: [12.0.0.0/8], profile: strict, syntax: tolerant }\n"
				"  - { name: c, networks: [11.0.0.0/8], profile: lf-only }\n",
				NULL);

	if (c == NULL)
		return;
	CHECK_EQ(c->clients[0].syntax, CONFIG_SYNTAX_STRICT);
	CHECK_EQ(c->clients[1].syntax, CONFIG_SYNTAX_TOLERANT);
	CHECK_EQ(c->clients[2].quirks,
		 QUIRK_LINE_ENDINGS | QUIRK_ANY_ENDINGS | QUIRK_LONG_LINES | QUIRK_MISSING_HEADERS);
	CHECK_EQ(c->profile_count, 2);
	config_free(c);
}

static struct device_table *table_of(unsigned count)
{
	struct device_table *table = device_table_new();
	char name[32], user[32], place[32];
	enum device_key taken;
	struct device other;

	for (unsigned i = 0; i < count; i++) {
		struct device device = {.name = name,
					.user = "",
					.owner = "it@example.org",
					.place = place,
					.from = "scan@example.org",
					.file = "/etc/postrider/devices.d/all.yaml",
					.family = AF_INET,
					.octets = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		snprintf(name, sizeof(name), "copier-%u", i);
		snprintf(user, sizeof(user), "u%u", i);
		snprintf(place, sizeof(place), "building %u", i / 100);
		if (i % 5 == 1) {
			device.user = user;
			device.family = 0;
		}
		CHECK_EQ(device_table_add(table, &device, &taken, &other), 0);
	}
	return table;
}

/* Nanoseconds of a search for whoever it is: first by the user, then by the address. */
static uint64_t cost(const struct device_table *table, unsigned count)
{
	enum { SEARCHES = 500000 };
	struct ring_address address;
	uint64_t began_ns = clock_monotonic_ns();
	unsigned found = 0;
	char text[32];

	CHECK(address_text_numeric("10.0.0.0", 1, &address));
	for (unsigned i = 0; i < SEARCHES; i++) {
		unsigned n = i * 7919 % count;
		address.v4.sin_addr.s_addr = htonl(10u << 24 | n);
		text[0] = 'u';
		text[1] = (char)('0' + n % 10);
		text[2] = '\0';
		found += device_table_of_user(table, text) >= 0 ||
			 device_table_of_address(table, &address) == (int32_t)n;
	}
	CHECK(found >= SEARCHES / 2);
	return (clock_monotonic_ns() - began_ns) / SEARCHES;
}

/* A hundred thousand: found as ten are, and in how much memory. What it costs is told, and not judged: the machine may
 * be busy. */
static void test_many(void)
{
	enum { COUNT = 100000 };
	struct device_table *few = table_of(10), *many = table_of(COUNT);
	char name[32];

	for (unsigned i = 0; i < COUNT; i += 97) {
		snprintf(name, sizeof(name), "COPIER-%u", i);
		CHECK_EQ(device_table_of_name(many, name), (int)i);
	}
	printf("the inventory's own part of %u devices: %zu octets each\n", COUNT, device_table_octets(many) / COUNT);
	CHECK(device_table_octets(many) / COUNT <= 150);
	printf("a search among 10 devices: %" PRIu64 " ns, among %u: %" PRIu64 " ns\n", cost(few, 10), COUNT,
	       cost(many, COUNT));
	device_table_free(few);
	device_table_free(many);
}

int main(void)
{
	char path[160];

	snprintf(directory, sizeof(directory), "%s", "test_schema_device.XXXXXX");
	if (mkdtemp(directory) == NULL || getenv("POSTRIDER_PROFILES") == NULL)
		return 1;
	path_of(path, "devices.d");
	CHECK_EQ(mkdir(path, 0755), 0);
	RUN(test_taken);
	RUN(test_problems);
	RUN(test_whole);
	RUN(test_profile_of_client);
	RUN(test_many);
	remove_file("devices.d/a.yaml");
	remove_file("t.yaml");
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(rmdir(directory), 0);
	return check_end();
}
