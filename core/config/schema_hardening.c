/*
 * core/config/schema_hardening.c - see schema_hardening.h.
 */
#include "core/config/schema_hardening.h"

#include <stdlib.h>

#include "core/config/schema_fields.h"

enum { DIRECTORIES_MAX = 64 };

#define CONFIG(member) offsetof(struct config, member)
static const struct reader_list directories = {
	.size = sizeof(char *),
	.count_offset = CONFIG(hardening.directories.count),
	.item = {.name = "directories", .read = reader_path},
};

const struct reader_field schema_hardening_fields[] = {
	FIELD("seccomp", reader_boolean, CONFIG(hardening.seccomp)),
	FIELD("landlock", reader_boolean, CONFIG(hardening.landlock)),
	FIELD_LIST("directories", CONFIG(hardening.directories.list), DIRECTORIES_MAX, &directories,
		   "directories: [/srv/certificates]"),
	FIELDS_END,
};

void schema_hardening_defaults(struct config *config)
{
	config->hardening.seccomp = true;
	config->hardening.landlock = true;
}

void schema_hardening_free(struct config *config)
{
	for (size_t i = 0; i < config->hardening.directories.count; i++)
		free(config->hardening.directories.list[i]);
	free(config->hardening.directories.list);
}
