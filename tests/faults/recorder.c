/* Writes down, in order, what a program does to the files of one folder: for a model of what a power cut leaves of it.
 *
 * LD_PRELOAD it, with FAULTS_FOLDER (absolute, no final slash) and FAULTS_LOG in the environment. An event is
 *   u8 kind, u32 length of the path, u64 offset, u32 length of the data, path, data
 * in this machine's byte order. Kinds: C a file was made, W written, T cut to `offset`, S synced, U unlinked, R renamed
 * (data: the new path). Memory maps are not seen: SQLite maps its -shm file alone, which no power cut leaves of use.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS 4096

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char *paths[DESCRIPTORS];
static const char *folder;
static int sink = -1;

#define REAL(type, name, ...) static type (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)

static void begin(void) {
    if (sink >= 0 || !getenv("FAULTS_LOG")) return;
    REAL(int, open, const char *, int, ...);
    folder = getenv("FAULTS_FOLDER");
    sink = real_open(getenv("FAULTS_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int inside(const char *path) {
    begin();
    return sink >= 0 && path && folder && strncmp(path, folder, strlen(folder)) == 0;
}

static const char *of(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? paths[fd] : NULL;
}

static void out(const void *bytes, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (length && real_write(sink, bytes, length) != (ssize_t)length) abort();
}

static void note(char kind, const char *path, uint64_t offset, const void *data, uint32_t size) {
    uint32_t length = strlen(path);
    out(&kind, 1), out(&length, 4), out(&offset, 8), out(&size, 4), out(path, length), out(data, size);
}

static int opened(int fd, const char *path, int made) {
    if (fd >= 0 && fd < DESCRIPTORS && inside(path)) {
        pthread_mutex_lock(&turn);
        free(paths[fd]);
        paths[fd] = strdup(path);
        if (made) note('C', path, 0, NULL, 0);
        pthread_mutex_unlock(&turn);
    }
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        int made = (flags & O_CREAT) && inside(path) && access(path, F_OK) != 0; \
        return opened(real_##name(path, flags, mode), path, made); \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(int, close, int);
    if (of(fd)) {
        pthread_mutex_lock(&turn);
        free(paths[fd]);
        paths[fd] = NULL;
        pthread_mutex_unlock(&turn);
    }
    return real_close(fd);
}

#define TRACED(call, event) \
    if (!of(fd)) return call; \
    pthread_mutex_lock(&turn); \
    typeof(call) done = call; \
    if (done >= 0) event; \
    pthread_mutex_unlock(&turn); \
    return done

#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, off_t at) { \
        REAL(ssize_t, name, int, const void *, size_t, off_t); \
        TRACED(real_##name(fd, data, size, at), note('W', paths[fd], at, data, done)); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    off_t at = of(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    TRACED(real_write(fd, data, size), note('W', paths[fd], at, data, done));
}

#define TRUNCATE(name) \
    int name(int fd, off_t length) { \
        REAL(int, name, int, off_t); \
        TRACED(real_##name(fd, length), note('T', paths[fd], length, NULL, 0)); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, name, int); \
        TRACED(real_##name(fd), note('S', paths[fd], 0, NULL, 0)); \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    int done = real_unlink(path);
    if (done == 0 && inside(path)) {
        pthread_mutex_lock(&turn);
        note('U', path, 0, NULL, 0);
        pthread_mutex_unlock(&turn);
    }
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    int done = real_rename(from, to);
    if (done == 0 && inside(from)) {
        pthread_mutex_lock(&turn);
        note('R', from, 0, to, strlen(to));
        pthread_mutex_unlock(&turn);
    }
    return done;
}
