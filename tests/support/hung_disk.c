/* A disk that hangs while the file named by HUNG_DISK is there: writes at an offset and flushes wait for
 * it to go. Otherwise a flush returns at once, so that the disk is a quick one on any machine. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static void wait_for_the_disk(void)
{
    const char *hangs = getenv("HUNG_DISK");
    while (hangs != NULL && access(hangs, F_OK) == 0)
        usleep(2000);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    wait_for_the_disk();
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return pwrite64(fd, bytes, count, offset);
}

int fsync(int fd)
{
    (void)fd;
    wait_for_the_disk();
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}
