/*
 * core/tools/queue.h - `postrider queue list | summary | show`: what the process that runs has here.
 */
#ifndef POSTRIDER_TOOLS_QUEUE_H
#define POSTRIDER_TOOLS_QUEUE_H

int queue_command(int argc, char **argv);

#endif
