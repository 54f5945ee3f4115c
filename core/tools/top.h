/*
 * core/tools/top.h - `postrider top`: the relay on a terminal, as it goes (dist/postrider.8).
 */
#ifndef POSTRIDER_TOOLS_TOP_H
#define POSTRIDER_TOOLS_TOP_H

int top_command(int argc, char **argv);

#endif
