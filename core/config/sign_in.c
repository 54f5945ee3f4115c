/*
 * core/config/sign_in.c - see sign_in.h.
 */
#include "core/config/sign_in.h"

#include <stdlib.h>

#include "core/config/user_table.h"

bool sign_in_any(const struct sign_in *s)
{
	return s->users || s->certificate_count > 0 || s->proxy.user_header;
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

void sign_in_free(struct sign_in *s)
{
	user_table_free(s->users);
	free_texts(s->operators, s->operator_count);
	for (size_t i = 0; i < s->certificate_count; i++) {
		free(s->certificates[i].certificate);
		free(s->certificates[i].user);
	}
	free(s->certificates);
	free(s->proxy.from);
	free(s->proxy.user_header);
	free(s->proxy.origin);
	free(s->proxy.certificate);
	free_texts(s->proxy.users, s->proxy.user_count);
}
