/*
 * A disk of SMALL_DISK_BYTES below the directory SMALL_DISK, for tests that may not mount one: loaded before libc
 * (LD_PRELOAD), it counts what the files there hold, and a write beyond that is cut short, then refused with ENOSPC, as
 * a real file system does it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long long heldBytes(const char *directory) {
  long long held = 0;
  DIR *entries = opendir(directory);
  if (entries == NULL) return 0;
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
    struct stat about;
    if (fstatat(dirfd(entries), entry->d_name, &about, 0) == 0 && S_ISREG(about.st_mode)) held += about.st_size;
  }
  closedir(entries);
  return held;
}

/* How much of `count` bytes may be written at `offset` (negative: where the file stands). */
static size_t allowed(int file, size_t count, off_t offset) {
  const char *directory = getenv("SMALL_DISK"), *limit = getenv("SMALL_DISK_BYTES");
  char link[64], path[4096];
  struct stat about;
  if (directory == NULL || limit == NULL) return count;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0 || strncmp(path, directory, strlen(directory)) != 0 || fstat(file, &about) != 0) return count;
  off_t from = offset < 0 ? lseek(file, 0, SEEK_CUR) : offset;
  long long growth = (long long)from + (long long)count - about.st_size;
  long long beyond = heldBytes(directory) + growth - atoll(limit);
  if (growth <= 0 || beyond <= 0) return count;
  return beyond >= (long long)count ? 0 : count - (size_t)beyond;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off_t);
  if (real == NULL) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  size_t part = allowed(file, count, offset);
  if (part == 0 && count > 0) { errno = ENOSPC; return -1; }
  return real(file, bytes, part, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) { return pwrite64(file, bytes, count, offset); }

ssize_t write(int file, const void *bytes, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (real == NULL) real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  size_t part = allowed(file, count, -1);
  if (part == 0 && count > 0) { errno = ENOSPC; return -1; }
  return real(file, bytes, part);
}
