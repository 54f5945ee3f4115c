/*
 * core/page/files.h - what pages load: files of static/, which are part of the program (embed). Their addresses have a
 * tag of their content, so a browser that has one never asks for it again, and a newer program's is another one.
 */
#ifndef POSTRIDER_PAGE_FILES_H
#define POSTRIDER_PAGE_FILES_H

#include "core/control/request.h"

/* In the order in which meson.build has them; all style sheets are one. */
enum file { FILE_ICON, FILE_STYLE, FILE_SCRIPT, FILE_PLOT, FILE_COUNT };

/* Its address. */
const char *files_path(enum file file);
/* GET /page/file/NAME */
control_fn files_handle;

/* Made of static/ at build time. */
struct file_embedded {
	const char *name, *path;
	struct request_file file;
};
extern const struct file_embedded files_embedded[FILE_COUNT];

#endif
