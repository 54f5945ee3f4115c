/*
 * core/page/files.c - see files.h.
 */
#include "core/page/files.h"

#include <string.h>

const char *files_path(enum file file)
{
	return files_embedded[file].path;
}

void files_handle(struct control_request *request)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		if (strcmp(files_embedded[i].name, request->argument) == 0) {
			request_send_file(request, &files_embedded[i].file);
			return;
		}
	}
	request_fail(request, ANSWER_NOT_FOUND, "there is no such file");
}
