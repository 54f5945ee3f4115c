/*
 * tests/unit/test_disk.c - the synchronous disk on a real file system, in a directory it makes and removes.
 *
 * The program's own pread, pwrite, fsync and fcntl stand in front of the C library's, so that interrupted
 * and short calls and errors can be asked for.
 */
#include "core/base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

static struct {
	int interrupts;   /* answer the next calls with EINTR */
	size_t short_max; /* move at most so many octets per call; 0: all */
	int fail_after;   /* calls that work before `error`; -1: never */
	int error;        /* 0: the failing call moves nothing */
	int calls;
	bool no_direct; /* a file system without O_DIRECT */
} fault = {.fail_after = -1};

static void fault_clear(void)
{
	memset(&fault, 0, sizeof(fault));
	fault.fail_after = -1;
}

/* True when the call is to end here, with *result. */
static bool fault_hits(size_t *length, ssize_t *result)
{
	fault.calls++;
	if (fault.interrupts > 0) {
		fault.interrupts--;
		errno = EINTR;
		*result = -1;
		return true;
	}
	if (fault.fail_after == 0) {
		errno = fault.error;
		*result = fault.error == 0 ? 0 : -1;
		return true;
	}
	if (fault.fail_after > 0)
		fault.fail_after--;
	if (fault.short_max > 0 && *length > fault.short_max)
		*length = fault.short_max;
	return false;
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
	ssize_t result;

	return fault_hits(&length, &result) ? result : syscall(SYS_pread64, fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
	ssize_t result;

	return fault_hits(&length, &result) ? result : syscall(SYS_pwrite64, fd, data, length, offset);
}

int fsync(int fd)
{
	size_t length = 0;
	ssize_t result;

	return fault_hits(&length, &result) ? (int)result : (int)syscall(SYS_fsync, fd);
}

/* Every command the disk uses takes one argument that fits into a register. */
int fcntl(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	long argument = va_arg(arguments, long);
	va_end(arguments);
	if (fault.no_direct && command == F_SETFL && (argument & O_DIRECT)) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

static char directory_path[300];
static int directory;

static void test_directories(void)
{
	char path[400];
	struct stat status;

	snprintf(path, sizeof(path), "%s/spool", directory_path);
	CHECK_EQ(disk_directory_open(path, false), -ENOENT);
	int spool = disk_directory_open(path, true);
	CHECK(spool >= 0);
	CHECK_EQ(fstat(spool, &status), 0);
	CHECK_EQ(status.st_mode & 077, 0);
	CHECK(fcntl(spool, F_GETFD) & FD_CLOEXEC);
	int again = disk_directory_open(path, true);
	CHECK(again >= 0);
	disk_close(again);

	CHECK_EQ(disk_subdirectory_open(spool, "shard-0", false), -ENOENT);
	int shard = disk_subdirectory_open(spool, "shard-0", true);
	CHECK(shard >= 0);
	disk_close(shard);
	shard = disk_subdirectory_open(spool, "shard-0", true);
	CHECK(shard >= 0);
	CHECK_EQ(disk_sync(shard), 0);
	disk_close(shard);

	/* A subdirectory that is not durable is no subdirectory. */
	fault.fail_after = 0;
	fault.error = EIO;
	CHECK_EQ(disk_subdirectory_open(spool, "shard-1", true), -EIO);
	fault_clear();
	CHECK_EQ(disk_remove_directory(spool, "shard-1"), 0);

	int file = disk_open(spool, "file", DISK_CREATE | DISK_WRITE);
	CHECK(file >= 0);
	disk_close(file);
	CHECK_EQ(disk_subdirectory_open(spool, "file", true), -ENOTDIR);
	CHECK_EQ(disk_remove_directory(spool, "file"), -ENOTDIR);
	CHECK_EQ(disk_unlink(spool, "file"), 0);
	CHECK_EQ(disk_remove_directory(spool, "shard-0"), 0);
	CHECK_EQ(disk_remove_directory(spool, "shard-0"), -ENOENT);
	disk_close(spool);
	CHECK_EQ(disk_remove_directory(directory, "spool"), 0);
}

/* The answer of another process that tries for the lock. */
static int lock_elsewhere(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int other = disk_directory_open(directory_path, false);
		int lock = disk_lock(other);
		_exit(lock >= 0 ? 0 : -lock);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void test_lock(void)
{
	int lock = disk_lock(directory);

	CHECK(lock >= 0);
	CHECK_EQ(lock_elsewhere(), EWOULDBLOCK);
	CHECK_EQ(disk_lock(directory), -EWOULDBLOCK); /* nor does this process get it twice... */
	CHECK_EQ(lock_elsewhere(), EWOULDBLOCK);      /* ...nor lose it by trying */
	disk_close(lock);
	CHECK_EQ(lock_elsewhere(), 0);
	lock = disk_lock(directory);
	CHECK(lock >= 0);
	disk_close(lock);
	CHECK_EQ(disk_unlink(directory, "lock"), 0);
}

static void on_name(void *context, const char *name)
{
	char *names = context;

	strcat(names, name);
	strcat(names, " ");
}

static void test_list(void)
{
	char names[200] = "";

	CHECK_EQ(disk_list(directory, on_name, names), 0);
	CHECK_STR(names, "");
	disk_close(disk_open(directory, "a", DISK_CREATE | DISK_WRITE));
	disk_close(disk_subdirectory_open(directory, "b", true));
	CHECK_EQ(symlinkat("a", directory, "link"), 0);
	CHECK_EQ(mkfifoat(directory, "fifo", 0600), 0);

	/* Twice: listing must not move a position the next listing starts from. */
	for (int i = 0; i < 2; i++) {
		names[0] = '\0';
		CHECK_EQ(disk_list(directory, on_name, names), 0);
		CHECK(strcmp(names, "a b ") == 0 || strcmp(names, "b a ") == 0);
	}
	CHECK_EQ(disk_open(directory, "link", 0), -ELOOP);
	CHECK_EQ(disk_unlink(directory, "link"), 0);
	CHECK_EQ(disk_unlink(directory, "fifo"), 0);
	CHECK_EQ(disk_unlink(directory, "a"), 0);
	CHECK_EQ(disk_remove_directory(directory, "b"), 0);
	CHECK(disk_list(-1, on_name, names) < 0);
}

static void test_open_and_rename(void)
{
	char octets[8];

	CHECK_EQ(disk_open(directory, "a", DISK_WRITE), -ENOENT);
	int file = disk_open(directory, "a", DISK_CREATE | DISK_WRITE);
	CHECK(file >= 0);
	CHECK(fcntl(file, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(disk_open(directory, "a", DISK_CREATE | DISK_WRITE), -EEXIST);
	CHECK_EQ(disk_write(file, "octets", 6, 0), 6);
	disk_close(file);

	CHECK_EQ(disk_rename(directory, "a", "b"), 0);
	CHECK_EQ(disk_rename(directory, "a", "c"), -ENOENT);
	CHECK_EQ(disk_sync(directory), 0);
	file = disk_open(directory, "b", 0);
	CHECK(file >= 0);
	CHECK_EQ(disk_size(file), 6);
	CHECK_EQ(disk_read(file, octets, 6, 0), 6);
	CHECK(memcmp(octets, "octets", 6) == 0);
	CHECK_EQ(disk_write(file, "x", 1, 0), -EBADF); /* read only */
	disk_close(file);
	CHECK_EQ(disk_unlink(directory, "b"), 0);
	CHECK_EQ(disk_unlink(directory, "b"), -ENOENT);
	CHECK_EQ(disk_sync(-1), -EBADF);
	CHECK_EQ(disk_size(-1), -EBADF);
	CHECK_EQ(disk_truncate(-1, 0), -EBADF);
}

static void test_flags(void)
{
	int file = disk_open(directory, "a", DISK_CREATE | DISK_WRITE | DISK_DSYNC);

	CHECK(fcntl(file, F_GETFL) & O_DSYNC);
	CHECK(!(fcntl(file, F_GETFL) & O_DIRECT));
	disk_close(file);
	file = disk_open(directory, "a", DISK_WRITE | DISK_DIRECT | DISK_DSYNC);
	CHECK(fcntl(file, F_GETFL) & O_DSYNC);
	CHECK_EQ(fcntl(file, F_GETFL) & O_ACCMODE, O_RDWR);
	printf("O_DIRECT: %s\n", fcntl(file, F_GETFL) & O_DIRECT ? "yes" : "not here");
	disk_close(file);

	/* Where it cannot be had the file opens all the same. */
	CHECK_EQ(disk_unlink(directory, "a"), 0);
	fault.no_direct = true;
	file = disk_open(directory, "a", DISK_CREATE | DISK_WRITE | DISK_DIRECT);
	fault_clear();
	CHECK(file >= 0);
	CHECK(!(fcntl(file, F_GETFL) & O_DIRECT));
	disk_close(file);
	CHECK_EQ(disk_unlink(directory, "a"), 0);
}

/* Aligned writes, and a read past the end of a file whose size is not a multiple of a block. */
static void test_direct(void)
{
	int file = disk_open(directory, "a", DISK_CREATE | DISK_WRITE | DISK_DIRECT);
	uint8_t *data = aligned_alloc(DISK_BLOCK, 4 * DISK_BLOCK), *back = aligned_alloc(DISK_BLOCK, 4 * DISK_BLOCK);

	CHECK(file >= 0 && data != NULL && back != NULL);
	for (int i = 0; i < 4 * DISK_BLOCK; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	CHECK_EQ(disk_allocate(file, 4 * DISK_BLOCK), 0);
	CHECK_EQ(disk_size(file), 4 * DISK_BLOCK);
	CHECK_EQ(disk_write(file, data, 4 * DISK_BLOCK, 0), 4 * DISK_BLOCK);
	CHECK_EQ(disk_sync(file), 0);
	CHECK_EQ(disk_read(file, back, 2 * DISK_BLOCK, DISK_BLOCK), 2 * DISK_BLOCK);
	CHECK(memcmp(back, data + DISK_BLOCK, 2 * DISK_BLOCK) == 0);
	CHECK_EQ(disk_truncate(file, DISK_BLOCK + 1000), 0);
	CHECK_EQ(disk_size(file), DISK_BLOCK + 1000);
	CHECK_EQ(disk_read(file, back, 4 * DISK_BLOCK, 0), DISK_BLOCK + 1000);
	CHECK(memcmp(back, data, DISK_BLOCK + 1000) == 0);
	CHECK_EQ(disk_read(file, back, DISK_BLOCK, 8 * DISK_BLOCK), 0);
	disk_close(file);
	free(data);
	free(back);
	CHECK_EQ(disk_unlink(directory, "a"), 0);
}

static void test_short_and_interrupted(void)
{
	int file = disk_open(directory, "a", DISK_CREATE | DISK_WRITE);
	char data[1000], back[1200];

	for (int i = 0; i < 1000; i++)
		data[i] = (char)(i * 7);
	fault_clear();
	fault.interrupts = 3;
	fault.short_max = 300;
	CHECK_EQ(disk_write(file, data, 1000, 50), 1000);
	CHECK_EQ(fault.calls, 3 + 4);
	fault_clear();
	fault.interrupts = 2;
	fault.short_max = 300;
	CHECK_EQ(disk_read(file, back, 1000, 50), 1000);
	CHECK_EQ(fault.calls, 2 + 4);
	CHECK(memcmp(data, back, 1000) == 0);
	fault_clear();
	fault.short_max = 300;
	CHECK_EQ(disk_read(file, back, 1200, 50), 1000);
	fault_clear();
	fault.interrupts = 2;
	CHECK_EQ(disk_sync(file), 0);
	CHECK_EQ(fault.calls, 3);
	fault_clear();
	disk_close(file);
	CHECK_EQ(disk_unlink(directory, "a"), 0);
}

/* An error is reported also after a part was written, and a failed sync is not repeated (P3). */
static void test_errors(void)
{
	int file = disk_open(directory, "a", DISK_CREATE | DISK_WRITE);
	char data[1000] = "";

	fault.short_max = 300;
	fault.fail_after = 2;
	fault.error = ENOSPC;
	CHECK_EQ(disk_write(file, data, 1000, 0), -ENOSPC);
	fault_clear();
	fault.fail_after = 0;
	CHECK_EQ(disk_write(file, data, 1000, 0), -EIO); /* a call that writes nothing, without an error */
	CHECK_EQ(fault.calls, 1);
	fault_clear();
	fault.fail_after = 0;
	fault.error = EIO;
	CHECK_EQ(disk_read(file, data, 1000, 0), -EIO);
	CHECK_EQ(disk_sync(file), -EIO);
	CHECK_EQ(fault.calls, 2);
	fault_clear();
	disk_close(file);
	CHECK_EQ(disk_unlink(directory, "a"), 0);
}

/* Runs everything below `where`; false when there is no such directory. */
static bool run_in(const char *where)
{
	snprintf(directory_path, sizeof(directory_path), "%s/test_disk.XXXXXX", where);
	if (mkdtemp(directory_path) == NULL)
		return false;
	directory = disk_directory_open(directory_path, true);
	CHECK(directory >= 0);
	printf("in %s\n", where);
	RUN(test_directories);
	RUN(test_lock);
	RUN(test_list);
	RUN(test_open_and_rename);
	RUN(test_flags);
	RUN(test_direct);
	RUN(test_short_and_interrupted);
	RUN(test_errors);
	disk_close(directory);
	CHECK_EQ(rmdir(directory_path), 0);
	return true;
}

int main(void)
{
	/* The build's file system, and one in memory, where O_DIRECT may be missing. */
	CHECK(run_in("."));
	if (!run_in("/dev/shm"))
		printf("no /dev/shm here\n");
	return check_end();
}
