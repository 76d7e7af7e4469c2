/* Preloaded, it makes every sync of a file whose path contains $SLOW_SYNC_OF take $SLOW_SYNC_MS longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_for(int fd)
{
    const char *of = getenv("SLOW_SYNC_OF"), *ms = getenv("SLOW_SYNC_MS");
    char link[64], path[4096];
    ssize_t length;
    long wait = ms ? atol(ms) : 0;
    struct timespec span = {wait / 1000, wait % 1000 * 1000000};

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (of == NULL || length < 0)
        return;
    path[length] = 0;
    if (strstr(path, of) != NULL)
        nanosleep(&span, NULL);
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

    wait_for(fd);
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

    wait_for(fd);
    return real(fd);
}
