/*
 * tests/unit/test_site_preset.c - which provider's hosts a site has.
 */
#include "core/config/site_preset.h"

#include "tests/unit/check.h"

static void test_find(void)
{
	static const struct {
		const char *one, *other; /* NULL: only one */
		const char *name;        /* "": none */
	} table[] = {
		{"gmail-smtp-in.l.google.com", NULL, "google"},
		{"ASPMX.L.GOOGLE.COM", "aspmx2.googlemail.com.", "google"},
		{"contoso-com.mail.protection.outlook.com", NULL, "microsoft"},
		{"outlook-com.olc.protection.outlook.com", NULL, "microsoft"},
		{"contoso-com.o-v1.mx.microsoft", NULL, "microsoft"},
		{"mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net", "yahoo"},
		{"mx01.mail.icloud.com", NULL, "apple"},
		/* A domain of one's own with a second host elsewhere is nobody's. */
		{"aspmx.l.google.com", "mail.example.org", ""},
		{"aspmx.l.google.com", "mta5.am0.yahoodns.net", ""},
		/* The end of a name is not the end of a word. */
		{"mail.notgoogle.com", NULL, ""},
		{"google.com.example.org", NULL, ""},
		{".google.com", NULL, ""},
		{"google.com", NULL, ""},
		{"", NULL, ""},
		{".", NULL, ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config_host hosts[2] = {{.name = (char *)table[i].one}, {.name = (char *)table[i].other}};
		const struct site_preset *found = site_preset_find(hosts, table[i].other ? 2 : 1);
		CHECK_STR(found ? found->name : "", table[i].name);
		CHECK(!found || (found->connections > 0 && found->messages_per_connection > 0));
	}
	CHECK(site_preset_find(NULL, 0) == NULL);
}

int main(void)
{
	RUN(test_find);
	return check_end();
}
