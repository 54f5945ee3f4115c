/*
 * core/config/schema_suppression.c - see schema_suppression.h.
 */
#include "core/config/schema_suppression.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/schema_fields.h"

const struct reader_field schema_suppression_fields[] = {
	FIELD_REQUIRED("directory", reader_path, offsetof(struct config, suppression.directory),
		       "directory: /var/lib/postrider"),
	FIELDS_END,
};

static const struct reader_choice uses[] = {
	{"honour", CONFIG_SUPPRESSION_HONOUR, false},
	{"feed", CONFIG_SUPPRESSION_FEED, false},
	{"ignore", CONFIG_SUPPRESSION_IGNORE, false},
	{NULL, 0, false},
};

/* Those that say something else than most are found by their names, as envelopes have them. */
bool schema_suppression_client(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			       void *object)
{
	const struct reader_field word = {.name = value->name, .detail = uses};
	struct config_suppression *all = &r->config->suppression;
	struct config_suppression_client *more;
	int use = CONFIG_SUPPRESSION_HONOUR;

	if (!reader_choice_word(r, &word, value, &use))
		return false;
	more = realloc(all->clients, (all->client_count + 1) * sizeof(*more));
	if (more == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	all->clients = more;
	more[all->client_count++] = (struct config_suppression_client){
		.index = r->config->client_count - 1,
		.use = (uint8_t)use,
		.line = (uint32_t)value->node->start_mark.line,
		.column = (uint32_t)value->node->start_mark.column,
	};
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct config_suppression_client *)a)->name,
		      ((const struct config_suppression_client *)b)->name);
}

bool schema_suppression_finish(struct reader *r, const yaml_node_t *root)
{
	struct config_suppression *all = &r->config->suppression;

	for (size_t i = 0; i < all->client_count; i++) {
		struct config_suppression_client *one = &all->clients[i];
		const yaml_mark_t mark = {.line = one->line, .column = one->column};
		one->name = r->config->clients[one->index].name;
		if (all->directory == NULL && reader_fine(r, "suppression"))
			return reader_fail(r, &mark,
					   "suppression: there is no list: write, beside \"clients\", suppression: { "
					   "directory: /var/lib/postrider }");
	}
	if (all->client_count > 0)
		qsort(all->clients, all->client_count, sizeof(*all->clients), compare);
	return true;
}

void schema_suppression_free(struct config *config)
{
	free(config->suppression.directory);
	free(config->suppression.clients);
}

struct key {
	const char *name;
	size_t length;
};

/* Cut, as envelopes have them (queue/envelope.h), which names never are. */
static int compare_key(const void *key, const void *item)
{
	const struct key *k = key;
	const char *name = ((const struct config_suppression_client *)item)->name;
	int order = strncmp(k->name, name, k->length);

	return order != 0 ? order : name[k->length] != '\0' ? -1 : 0;
}

enum config_suppression_use config_suppression_use(const struct config *config, const char *client, size_t length)
{
	const struct config_suppression *all = &config->suppression;
	const struct key key = {client, length};
	const struct config_suppression_client *found =
		all->client_count ? bsearch(&key, all->clients, all->client_count, sizeof(*all->clients), compare_key)
				  : NULL;

	return found ? (enum config_suppression_use)found->use : CONFIG_SUPPRESSION_HONOUR;
}
