/*
 * tests/unit/test_disk_kind.c - core/base/disk_kind.c, on what every Linux has.
 */
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "core/base/disk_kind.h"
#include "tests/unit/check.h"

/* /dev/shm is in memory on each machine that has it. */
static void test_memory(void)
{
	struct statfs disk;
	const char *found;

	if (statfs("/dev/shm", &disk) < 0 || disk.f_type != 0x01021994)
		return;
	found = disk_kind_unsafe("/dev/shm");
	CHECK(found && strstr(found, "in memory"));
}

static void test_others(void)
{
	CHECK(disk_kind_unsafe("/proc") == NULL);
	CHECK(disk_kind_unsafe("/none/of/that/name") == NULL);
}

int main(void)
{
	RUN(test_memory);
	RUN(test_others);
	return check_end();
}
