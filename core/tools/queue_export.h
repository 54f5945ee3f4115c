/*
 * core/tools/queue_export.h - `postrider queue export`: messages of the process that runs, as files (parcel.h). They
 * stay where they are.
 */
#ifndef POSTRIDER_TOOLS_QUEUE_EXPORT_H
#define POSTRIDER_TOOLS_QUEUE_EXPORT_H

int queue_export_command(int argc, char **argv);

#endif
