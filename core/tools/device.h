/*
 * core/tools/device.h - `postrider device`: the inventory of devices, and what is known of them.
 *
 * Exit status: 0; 1 where there is no such device, or one like it already; 64 for a wrong command line; 73 where a file
 * cannot be written or removed; 78 for a configuration that cannot be used.
 */
#ifndef POSTRIDER_TOOLS_DEVICE_H
#define POSTRIDER_TOOLS_DEVICE_H

/* argv[0] is "device". */
int device_command(int argc, char **argv);

#endif
