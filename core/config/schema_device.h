/*
 * core/config/schema_device.h - the inventory of devices: a directory with files NAME.yaml, or one file.
 *
 * A file has one device, as a mapping, or a list of them.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_DEVICE_H
#define POSTRIDER_CONFIG_SCHEMA_DEVICE_H

#include "core/config/reader.h"

/* [char *: the path; the devices go to config->devices] */
reader_fn schema_devices;
/* One file's text, into r->config->devices, which is there. For the fuzz target. */
bool schema_devices_text(struct reader *r, const char *path, const char *text, size_t length);
/* What goes together with users and clients, when all is read. */
bool schema_devices_finish(struct reader *r, const yaml_node_t *root);

#endif
