/*
 * core/config/problems.h - everything that is wrong with a configuration, collected.
 *
 * One line for each: "postrider.yaml:12:5: unknown key \"hostnme\"; did you mean \"hostname\"?". A warning has
 * "warning: " before its sentence. Fixed in size, so that a file full of mistakes, or no memory, is no problem
 * of its own.
 */
#ifndef POSTRIDER_CONFIG_PROBLEMS_H
#define POSTRIDER_CONFIG_PROBLEMS_H

#include <stdarg.h>
#include <stdbool.h>

enum { CONFIG_PROBLEMS_MAX = 40, CONFIG_PROBLEM_SIZE = 1024 };

/* A place in the configuration's file; lines and columns from 1, 0 where there is none. */
struct config_place {
	unsigned line, column;
};

struct config_problem {
	struct config_place place; /* what the order goes by, also when the text names another file */
	bool warning;
	char text[CONFIG_PROBLEM_SIZE];
};

struct config_problems {
	unsigned errors, warnings; /* all of them */
	unsigned count;            /* of the list: errors and warnings beyond CONFIG_PROBLEMS_MAX are only counted */
	struct config_problem list[CONFIG_PROBLEMS_MAX];
};

void config_problems_init(struct config_problems *problems);
/* `at` is where `file` is at fault, `place` what the order goes by. The text is made safe to print. */
__attribute__((format(printf, 6, 0))) void config_problems_add_list(struct config_problems *problems, bool warning,
								    struct config_place place, const char *file,
								    struct config_place at, const char *format,
								    va_list arguments);
/* At `place` of `file`. */
__attribute__((format(printf, 5, 6))) void config_problems_add(struct config_problems *problems, bool warning,
							       const char *file, struct config_place place,
							       const char *format, ...);
/* By place; what was added first comes first at the same place. */
void config_problems_sort(struct config_problems *problems);
/* A line for each, on standard error. */
void config_problems_print(const struct config_problems *problems);
/* The first error's line, or without errors the first; "" without any. */
const char *config_problems_first(const struct config_problems *problems);

#endif
