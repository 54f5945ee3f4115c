/*
 * core/tools/queue_import.h - `postrider queue import`: messages out of files (parcel.h) into the relay, by SMTP.
 */
#ifndef POSTRIDER_TOOLS_QUEUE_IMPORT_H
#define POSTRIDER_TOOLS_QUEUE_IMPORT_H

int queue_import_command(int argc, char **argv);

#endif
