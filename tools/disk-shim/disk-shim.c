/*
 * A disk under the tests' control: a library that is put before libc (LD_PRELOAD) and stands between a program and the
 * files below one folder. It can delay syncs, write down every change of a file, and fail one call in the two ways in
 * which a disk fails: what failed is not there, or it is there all the same.
 *
 *   CLAVIGER_DISK_FOLDER         the folder, absolute; without it nothing is touched
 *   CLAVIGER_DISK_SYNC_DELAY_US  each fsync and fdatasync takes so much longer
 *   CLAVIGER_DISK_TRACE          file, outside the folder, to which every change is appended (trace.ts reads it); others
 *                                may append records of their own, each in one write with O_APPEND
 *   CLAVIGER_DISK_FAULT          CALL:SUFFIX:N:EFFECT[:ENOSPC], for instance `sync:-wal:40:lost`: the Nth write or sync
 *                                of files whose names end in SUFFIX fails with EIO (or ENOSPC), once. `lost`: it is not
 *                                on the disk, and of a sync nothing since the last good one is. `kept`: it is there.
 *
 * What it can show: the order of writes and syncs of the one program, and so every state in which a power cut could
 * leave its files; what a program does when the disk says no.
 * What it cannot: writes to mapped memory (SQLite's `-shm`, which no recovery reads, is left out), a file system's own
 * journal, a disk that lies about its cache. System calls made without libc pass by unseen; SQLite makes none, and
 * libuv only to close. Vectored writes end the program, for they are not written down.
 *
 * Linux, glibc. Built by tools/peers/disk-shim.ts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* File descriptors that can be told apart; a process that opens more is ended rather than half watched. */
#define FDS_MAX 65536

/* Kinds of records in the trace. Of a file it names the inode, for names come and go. */
enum {
  CREATED = 'C',  /* inode; path */
  WRITTEN = 'W',  /* inode, offset; data */
  SIZED = 'T',    /* inode, offset = new size */
  UNLINKED = 'U', /* path */
  RENAMED = 'R',  /* path; data = new path */
  LINKED = 'L',   /* path; data = new path */
  SYNCING = 'B',  /* inode (0: the folder), offset = number of this sync: it has begun */
  SYNCED = 'E',   /* inode (0: the folder), offset = number of this sync: it has succeeded */
};

struct record_head {
  uint32_t kind;
  uint32_t path_length;
  uint64_t inode;
  uint64_t offset;
  uint64_t data_length;
} __attribute__((packed));

/* What was there before a write that is not synced yet; kept only where a sync is to lose it. */
struct undo {
  struct undo *before;
  off_t size;
  off_t offset;
  size_t length;
  unsigned char bytes[];
};

/* A file below the folder, by inode. Never freed: a test has few. */
struct file {
  struct file *next;
  dev_t device;
  ino_t inode;
  int is_folder;
  int may_fail;
  /* Syncs that have failed. Every descriptor that was open then is told once, by its own next sync, as Linux does. */
  int failures;
  struct undo *unsynced;
};

static char folder[PATH_MAX];
static size_t folder_length;
static int trace = -1;
static long delay_us;

static struct {
  int armed;
  int of_sync;
  char suffix[64];
  long countdown;
  int lost;
  int error;
} fault;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct file *opened[FDS_MAX];
/* Failures of its file that a descriptor has been told. */
static int told[FDS_MAX];
static uint64_t syncs;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_truncate)(const char *, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_remove)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_link)(const char *, const char *);

static void die(const char *what, const char *detail) {
  dprintf(STDERR_FILENO, "disk-shim: %s: %s\n", what, detail);
  abort();
}

static void read_fault(const char *text) {
  char call[8], effect[8], error[8] = "EIO";
  int fields = sscanf(text, "%7[^:]:%63[^:]:%ld:%7[^:]:%7s", call, fault.suffix, &fault.countdown, effect, error);
  fault.of_sync = strcmp(call, "sync") == 0;
  fault.lost = strcmp(effect, "lost") == 0;
  fault.error = strcmp(error, "ENOSPC") == 0 ? ENOSPC : EIO;
  fault.armed = fields >= 4 && fault.countdown > 0;
  if (!fault.armed || (!fault.of_sync && strcmp(call, "write") != 0) || (!fault.lost && strcmp(effect, "kept") != 0))
    die("CLAVIGER_DISK_FAULT is not CALL:SUFFIX:N:EFFECT[:ENOSPC]", text);
}

__attribute__((constructor)) static void start(void) {
  real_open = dlsym(RTLD_NEXT, "open");
  real_openat = dlsym(RTLD_NEXT, "openat");
  real_close = dlsym(RTLD_NEXT, "close");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_writev = dlsym(RTLD_NEXT, "writev");
  real_pwritev = dlsym(RTLD_NEXT, "pwritev");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  real_truncate = dlsym(RTLD_NEXT, "truncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_remove = dlsym(RTLD_NEXT, "remove");
  real_rename = dlsym(RTLD_NEXT, "rename");
  real_link = dlsym(RTLD_NEXT, "link");
  const char *at = getenv("CLAVIGER_DISK_FOLDER");
  if (at == NULL || realpath(at, folder) == NULL) return;
  folder_length = strlen(folder);
  const char *delay = getenv("CLAVIGER_DISK_SYNC_DELAY_US");
  if (delay != NULL) delay_us = atol(delay);
  const char *planned = getenv("CLAVIGER_DISK_FAULT");
  if (planned != NULL) read_fault(planned);
  const char *to = getenv("CLAVIGER_DISK_TRACE");
  if (to == NULL) return;
  if (fault.armed) die("a trace and a fault exclude each other, for what a fault undoes is not written down", to);
  trace = real_open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (trace < 0) die("cannot open the trace", to);
}

/* The path below the folder ("" for the folder itself), or NULL for a file that is none of ours. */
static const char *below(const char *path) {
  static __thread char whole[PATH_MAX * 2];
  if (folder_length == 0 || path == NULL) return NULL;
  if (path[0] != '/') {
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL) return NULL;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    path = whole;
  }
  if (strncmp(path, folder, folder_length) != 0) return NULL;
  path += folder_length;
  if (*path == '\0') return path;
  if (*path != '/') return NULL;
  path += 1;
  size_t length = strlen(path);
  return length >= 4 && strcmp(path + length - 4, "-shm") == 0 ? NULL : path;
}

static int ends_with(const char *text, const char *end) {
  size_t length = strlen(text), end_length = strlen(end);
  return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static void note(int kind, ino_t inode, uint64_t offset, const char *path, const void *data, size_t length) {
  if (trace < 0) return;
  struct record_head head = {kind, strlen(path), inode, offset, length};
  struct iovec parts[] = {
      {&head, sizeof head}, {(void *)path, head.path_length}, {(void *)data, length}};
  ssize_t size = sizeof head + head.path_length + length;
  /* One call, so that nothing comes between its parts. A trace with a hole would be worse than none. */
  if (real_writev(trace, parts, 3) != size) die("cannot write the trace", strerror(errno));
}

/* The file of an open descriptor, or NULL. Looks twice, for libuv closes without libc, and a socket has the number next. */
static struct file *file_of(int fd) {
  struct file *file = folder_length > 0 && fd >= 0 && fd < FDS_MAX ? opened[fd] : NULL;
  struct stat at;
  if (file == NULL || (fstat(fd, &at) == 0 && at.st_ino == file->inode && at.st_dev == file->device)) return file;
  opened[fd] = NULL;
  return NULL;
}

static void remember(int fd, const char *path, int made) {
  if (fd >= FDS_MAX) die("too many open files", path);
  struct stat at;
  if (fstat(fd, &at) != 0) die("cannot look at an open file", path);
  struct file *file = files;
  while (file != NULL && (file->inode != at.st_ino || file->device != at.st_dev)) file = file->next;
  if (file == NULL) {
    file = calloc(1, sizeof *file);
    file->device = at.st_dev;
    file->inode = at.st_ino;
    file->next = files;
    files = file;
  }
  file->is_folder = S_ISDIR(at.st_mode);
  file->may_fail = fault.armed && ends_with(path, fault.suffix);
  told[fd] = file->failures;
  opened[fd] = file;
  if (made) {
    file->unsynced = NULL;
    note(CREATED, file->inode, 0, path, NULL, 0);
  }
}

/* True for the one call that is to fail. */
static int fails_now(struct file *file, int is_sync) {
  if (!fault.armed || !file->may_fail || fault.of_sync != is_sync || --fault.countdown > 0) return 0;
  fault.armed = 0;
  dprintf(STDERR_FILENO, "disk-shim: the fault has come\n");
  return 1;
}

static off_t size_of(int fd) {
  struct stat at;
  return fstat(fd, &at) == 0 ? at.st_size : 0;
}

/* Keeps what a change is about to replace, where a sync may have to lose the change. */
static void keep(struct file *file, int fd, off_t offset, size_t length) {
  if (!fault.armed || !fault.of_sync || !fault.lost || !file->may_fail) return;
  off_t size = size_of(fd);
  size_t there = offset >= size ? 0 : (size_t)(size - offset) < length ? (size_t)(size - offset) : length;
  struct undo *undo = malloc(sizeof *undo + there);
  *undo = (struct undo){file->unsynced, size, offset, there};
  if (there > 0 && pread(fd, undo->bytes, there, offset) != (ssize_t)there) die("cannot keep", strerror(errno));
  file->unsynced = undo;
}

/* Makes the file what the last good sync left, or forgets how to. */
static void settle(struct file *file, int fd, int lose) {
  while (file->unsynced != NULL) {
    struct undo *undo = file->unsynced;
    if (lose) {
      if (real_pwrite(fd, undo->bytes, undo->length, undo->offset) != (ssize_t)undo->length) die("cannot undo", "write");
      if (real_ftruncate(fd, undo->size) != 0) die("cannot undo", "truncate");
    }
    file->unsynced = undo->before;
    free(undo);
  }
}

static int open_watched(int at, const char *path, int flags, mode_t mode) {
  const char *ours = at == AT_FDCWD || path[0] == '/' ? below(path) : NULL;
  if (ours == NULL) return real_openat(at, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat before;
  int made = (flags & O_CREAT) != 0 && lstat(path, &before) != 0;
  int fd = real_openat(at, path, flags, mode);
  int error = errno;
  if (fd >= 0) {
    remember(fd, ours, made);
    if ((flags & O_TRUNC) != 0 && !made) note(SIZED, opened[fd]->inode, 0, "", NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

static mode_t mode_of(int flags, va_list rest) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode_t mode = mode_of(flags, rest);                                                                                \
    va_end(rest);                                                                                                      \
    return open_watched(AT_FDCWD, path, flags, mode);                                                                  \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
  int name(int at, const char *path, int flags, ...) {                                                                 \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode_t mode = mode_of(flags, rest);                                                                                \
    va_end(rest);                                                                                                      \
    return open_watched(at, path, flags, mode);                                                                        \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  if (fd >= 0 && fd < FDS_MAX) opened[fd] = NULL;
  return real_close(fd);
}

static ssize_t write_watched(struct file *file, int fd, const void *bytes, size_t length, off_t offset) {
  pthread_mutex_lock(&lock);
  ssize_t result = -1;
  int failed = fails_now(file, 0);
  if (!failed || !fault.lost) {
    keep(file, fd, offset, length);
    result = real_pwrite(fd, bytes, length, offset);
    int error = errno;
    if (result > 0) note(WRITTEN, file->inode, offset, "", bytes, result);
    errno = error;
  }
  pthread_mutex_unlock(&lock);
  if (!failed) return result;
  errno = fault.error;
  return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
  struct file *file = file_of(fd);
  return file == NULL ? real_pwrite(fd, bytes, length, offset) : write_watched(file, fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  struct file *file = file_of(fd);
  if (file == NULL) return real_write(fd, bytes, length);
  int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
  off_t offset = appends ? size_of(fd) : lseek(fd, 0, SEEK_CUR);
  ssize_t result = write_watched(file, fd, bytes, length, offset);
  if (result > 0) lseek(fd, offset + result, SEEK_SET);
  return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (file_of(fd) != NULL) die("cannot write down", "writev");
  return real_writev(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  if (file_of(fd) != NULL) die("cannot write down", "pwritev");
  return real_pwritev(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev(fd, parts, count, offset);
}

int ftruncate64(int fd, off_t size) {
  struct file *file = file_of(fd);
  if (file == NULL) return real_ftruncate(fd, size);
  pthread_mutex_lock(&lock);
  off_t before = size_of(fd);
  keep(file, fd, size, before > size ? (size_t)(before - size) : 0);
  int result = real_ftruncate(fd, size);
  int error = errno;
  if (result == 0) note(SIZED, file->inode, size, "", NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

int ftruncate(int fd, off_t size) {
  return ftruncate64(fd, size);
}

int truncate64(const char *path, off_t size) {
  if (below(path) != NULL) die("cannot write down", "truncate");
  return real_truncate(path, size);
}

int truncate(const char *path, off_t size) {
  return truncate64(path, size);
}

static int sync_watched(struct file *file, int fd, int (*real_sync)(int)) {
  /* The folder's own number: names are kept apart from what files hold. */
  ino_t inode = file->is_folder ? 0 : file->inode;
  pthread_mutex_lock(&lock);
  uint64_t number = ((uint64_t)getpid() << 32) | ++syncs;
  note(SYNCING, inode, number, "", NULL, 0);
  if (fails_now(file, 1)) {
    file->failures += 1;
    if (fault.lost) settle(file, fd, 1);
  }
  int failed = told[fd] < file->failures;
  told[fd] = file->failures;
  pthread_mutex_unlock(&lock);

  /* Not under the lock: others may write meanwhile, and whether that is synced is not known. */
  int result = real_sync(fd);
  int error = errno;
  if (delay_us > 0) {
    struct timespec time = {delay_us / 1000000, delay_us % 1000000 * 1000};
    nanosleep(&time, NULL);
  }

  pthread_mutex_lock(&lock);
  if (result == 0) {
    settle(file, fd, 0);
    note(SYNCED, inode, number, "", NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = failed ? fault.error : error;
  return failed ? -1 : result;
}

int fsync(int fd) {
  struct file *file = file_of(fd);
  return file == NULL ? real_fsync(fd) : sync_watched(file, fd, real_fsync);
}

int fdatasync(int fd) {
  struct file *file = file_of(fd);
  return file == NULL ? real_fdatasync(fd) : sync_watched(file, fd, real_fdatasync);
}

int unlink(const char *path) {
  const char *ours = below(path);
  if (ours == NULL) return real_unlink(path);
  pthread_mutex_lock(&lock);
  int result = real_unlink(path);
  int error = errno;
  if (result == 0) note(UNLINKED, 0, 0, ours, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

/* How std::filesystem removes; it asks libc itself, not through unlink above. */
int remove(const char *path) {
  const char *ours = below(path);
  if (ours == NULL) return real_remove(path);
  pthread_mutex_lock(&lock);
  int result = real_remove(path);
  int error = errno;
  if (result == 0) note(UNLINKED, 0, 0, ours, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

static int named_anew(int kind, int (*real)(const char *, const char *), const char *from, const char *to) {
  char ours[PATH_MAX];
  const char *source = below(from);
  if (source == NULL) {
    if (below(to) != NULL) die("cannot write down a file that comes from outside", to);
    return real(from, to);
  }
  snprintf(ours, sizeof ours, "%s", source);
  const char *target = below(to);
  if (target == NULL) die("cannot write down a file that leaves the folder", from);
  pthread_mutex_lock(&lock);
  int result = real(from, to);
  int error = errno;
  if (result == 0) note(kind, 0, 0, ours, target, strlen(target));
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

int rename(const char *from, const char *to) {
  return named_anew(RENAMED, real_rename, from, to);
}

int link(const char *from, const char *to) {
  return named_anew(LINKED, real_link, from, to);
}
