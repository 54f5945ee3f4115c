/*
 * core/tools/queue_act.h - `postrider queue hold|release|retry|delete`, `postrider destination suspend|resume|list`.
 */
#ifndef POSTRIDER_TOOLS_QUEUE_ACT_H
#define POSTRIDER_TOOLS_QUEUE_ACT_H

int queue_act_command(int argc, char **argv);
int destination_command(int argc, char **argv);

#endif
