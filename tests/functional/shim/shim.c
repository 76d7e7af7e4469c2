/*
 * Preloaded into a receiver: writes down what it does with the files below $SHIM_ROOT, in the order in which it
 * is done, and makes calls fail or slow.
 *
 *   SHIM_ROOT   the directory whose files are watched
 *   SHIM_LOG    where the record goes; SHIM_LOG.count has the number of entries so far (8 bytes, shared memory)
 *   SHIM_FAIL   "call:part of the path:n:errno" - the n-th such call fails so; several are separated by commas
 *   SHIM_SLOW   "call:part of the path:milliseconds" - every such call takes so long
 *
 * An entry is: u64 number, u8 kind, i32 descriptor, u64 offset or size, u32 length of the path, u32 length of the data
 * (or of the second path), path, data.  Each call is made and written down under one lock, so the order is true.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[MOST];
static int record = -1;
static uint64_t *count;
static const char *root;
static size_t root_length;
static pid_t owner;

struct rule { char call[16], part[64]; long n, value, met; };
static struct rule fails[8], slows[8];

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static void read_rules(const char *text, struct rule *rules, int slow) {
    char copy[1024], *save = NULL;
    if (!text) return;
    snprintf(copy, sizeof copy, "%s", text);
    int place = 0;
    for (char *word = strtok_r(copy, ",", &save); word && place < 8; word = strtok_r(NULL, ",", &save), place++) {
        struct rule *rule = &rules[place];
        if (slow) sscanf(word, "%15[^:]:%63[^:]:%ld", rule->call, rule->part, &rule->value);
        else sscanf(word, "%15[^:]:%63[^:]:%ld:%ld", rule->call, rule->part, &rule->n, &rule->value);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("SHIM_LOG");
    root = getenv("SHIM_ROOT");
    if (!log || !root) return;
    root_length = strlen(root);
    owner = getpid();
    char name[4096];
    snprintf(name, sizeof name, "%s.count", log);
    int shared = REAL(open64)(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (shared < 0 || REAL(ftruncate64)(shared, 8)) return;
    count = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    record = REAL(open64)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    read_rules(getenv("SHIM_FAIL"), fails, 0);
    read_rules(getenv("SHIM_SLOW"), slows, 1);
}

static int ours(const char *path) {
    return record >= 0 && getpid() == owner && path && !strncmp(path, root, root_length) && path[root_length] == '/';
}

static const char *of(int fd) { return fd >= 0 && fd < MOST && record >= 0 && getpid() == owner ? paths[fd] : NULL; }

/* Without the lock: a disk that does not answer one thread must not keep the others. */
static void delay(const char *call, const char *path) {
    for (int i = 0; i < 8; i++) {
        if (!slows[i].call[0] || strcmp(slows[i].call, call) || !strstr(path, slows[i].part)) continue;
        struct timespec wait = {slows[i].value / 1000, slows[i].value % 1000 * 1000000};
        nanosleep(&wait, NULL);
    }
}

/* 0, or what errno has to be. */
static long meddle(const char *call, const char *path) {
    long error = 0;
    for (int i = 0; i < 8; i++) {
        if (fails[i].call[0] && !strcmp(fails[i].call, call) && strstr(path, fails[i].part) && ++fails[i].met == fails[i].n)
            error = fails[i].value;
    }
    return error;
}

static void all(const void *data, size_t length) {
    while (length) {
        ssize_t done = REAL(write)(record, data, length);
        if (done <= 0) abort();
        data = (const char *)data + done;
        length -= done;
    }
}

static void note(uint8_t kind, int32_t fd, uint64_t offset, const char *path, const void *data, uint32_t length) {
    uint32_t size = path ? strlen(path) : 0;
    uint64_t number = *count + 1;
    char head[29];
    memcpy(head, &number, 8); memcpy(head + 8, &kind, 1); memcpy(head + 9, &fd, 4);
    memcpy(head + 13, &offset, 8); memcpy(head + 21, &size, 4); memcpy(head + 25, &length, 4);
    all(head, sizeof head);
    all(path, size);
    all(data, length);
    __atomic_store_n(count, number, __ATOMIC_SEQ_CST);
}

static int opened(int fd, int flags, const char *path) {
    if (fd >= 0 && fd < MOST) { free(paths[fd]); paths[fd] = strdup(path); note('o', fd, flags, path, "", 0); }
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if (!ours(path)) return REAL(name)(path, flags, mode); \
        pthread_mutex_lock(&lock); int fd = opened(REAL(name)(path, flags, mode), flags, path); \
        pthread_mutex_unlock(&lock); return fd; }
OPEN(open64)
OPEN(open)
int openat64(int at, const char *path, int flags, ...) {
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    if (!ours(path)) return REAL(openat64)(at, path, flags, mode);
    pthread_mutex_lock(&lock); int fd = opened(REAL(openat64)(at, path, flags, mode), flags, path);
    pthread_mutex_unlock(&lock); return fd;
}
int close(int fd) {
    if (!of(fd)) return REAL(close)(fd);
    pthread_mutex_lock(&lock); free(paths[fd]); paths[fd] = NULL; note('c', fd, 0, NULL, "", 0);
    int done = REAL(close)(fd); pthread_mutex_unlock(&lock); return done;
}

/* Everything that takes a descriptor: meddle, do, and write down what was done. */
#define ON_FD(type, call, fd, doing, noting) \
    const char *path = of(fd); \
    if (!path) return doing; \
    delay(call, path); \
    pthread_mutex_lock(&lock); \
    long error = meddle(call, path); type done; \
    if (error) { errno = error; done = -1; if (call[0] == 'f' && call[1] != 't') note('x', fd, 0, path, "", 0); } \
    else { done = doing; int kept = errno; if (done >= 0) noting; errno = kept; } \
    pthread_mutex_unlock(&lock); return done;

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    ON_FD(ssize_t, "pwrite", fd, REAL(pwrite64)(fd, data, length, offset), note('w', fd, offset, path, data, done))
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }
static int appends(int fd) { return fcntl(fd, F_GETFL) & O_APPEND; }
ssize_t write(int fd, const void *data, size_t length) {
    ON_FD(ssize_t, "write", fd, REAL(write)(fd, data, length),
          note('w', fd, (appends(fd) ? lseek64(fd, 0, SEEK_END) : lseek64(fd, 0, SEEK_CUR)) - done, path, data, done))
}
static void note_parts(int fd, const char *path, const struct iovec *parts, int n, off64_t offset, size_t left) {
    char *data = malloc(left + 1); size_t length = 0;
    for (int i = 0; i < n && length < left; i++) {
        size_t part = parts[i].iov_len < left - length ? parts[i].iov_len : left - length;
        memcpy(data + length, parts[i].iov_base, part); length += part;
    }
    note('w', fd, offset, path, data, length); free(data);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t offset) {
    ON_FD(ssize_t, "pwrite", fd, REAL(pwritev64)(fd, parts, n, offset), note_parts(fd, path, parts, n, offset, done))
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int n, off64_t offset, int flags) {
    ON_FD(ssize_t, "pwrite", fd, REAL(pwritev64v2)(fd, parts, n, offset, flags), note_parts(fd, path, parts, n, offset, done))
}
int fdatasync(int fd) { ON_FD(int, "fdatasync", fd, REAL(fdatasync)(fd), note('s', fd, 0, path, "", 0)) }
int fsync(int fd) { ON_FD(int, "fsync", fd, REAL(fsync)(fd), note('s', fd, 1, path, "", 0)) }
int ftruncate64(int fd, off64_t size) { ON_FD(int, "ftruncate", fd, REAL(ftruncate64)(fd, size), note('t', fd, size, path, "", 0)) }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    const char *path = of(fd);
    if (!path) return REAL(posix_fallocate64)(fd, offset, length);
    delay("fallocate", path);
    pthread_mutex_lock(&lock);
    long error = meddle("fallocate", path);
    int done = error ? (int)error : REAL(posix_fallocate64)(fd, offset, length);
    if (!done) note('a', fd, offset + length, path, "", 0);
    pthread_mutex_unlock(&lock); return done;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }
int rename(const char *old, const char *new) {
    if (!ours(old) && !ours(new)) return REAL(rename)(old, new);
    delay("rename", old);
    pthread_mutex_lock(&lock);
    long error = meddle("rename", old); int done = -1;
    if (error) errno = error;
    else if (!(done = REAL(rename)(old, new))) note('r', -1, 0, old, new, strlen(new));
    pthread_mutex_unlock(&lock); return done;
}
int unlink(const char *path) {
    if (!ours(path)) return REAL(unlink)(path);
    delay("unlink", path);
    pthread_mutex_lock(&lock);
    long error = meddle("unlink", path); int done = -1;
    if (error) errno = error;
    else if (!(done = REAL(unlink)(path))) note('u', -1, 0, path, "", 0);
    pthread_mutex_unlock(&lock); return done;
}
