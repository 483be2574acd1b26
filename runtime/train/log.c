// log.jsonl and the line of progress: see log.h.
#include "runtime/train/log.h"
#include "runtime/files/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// ---- records
void record_begin(JsonText *t) {
  t->n = 0;
  json_raw(t, "{");
}
static void put_key(JsonText *t, const char *key) {
  if (t->n && t->s[t->n - 1] != '{') // a record may stand in another
    json_raw(t, ", ");
  json_put_string(t, key, strlen(key));
  json_raw(t, ": ");
}
void record_text(JsonText *t, const char *key, const char *value) {
  put_key(t, key);
  if (!value)
    json_raw(t, "null");
  else // a command line may hold anything: the log stays UTF-8
    json_put_string(t, value, utf8_valid(value, strlen(value)));
}
void record_int(JsonText *t, const char *key, int64_t value) {
  put_key(t, key);
  json_put_int(t, value);
}
void record_number(JsonText *t, const char *key, double value) {
  put_key(t, key);
  json_put_double(t, value);
}
void record_raw(JsonText *t, const char *key, const char *json) {
  put_key(t, key);
  json_raw(t, json);
}
void record_end(JsonText *t) {
  json_raw(t, "}");
}

// ---- the file
struct RunLog {
  int fd;
  char *dir, *path;
};

// Cuts what follows the last newline.
static int drop_partial_line(int fd) {
  off_t end = lseek(fd, 0, SEEK_END), keep = end;
  char c = 0;
  while (keep > 0 && pread(fd, &c, 1, keep - 1) == 1 && c != '\n')
    keep--;
  return keep < end ? ftruncate(fd, keep) : 0;
}

// The lock ends with its descriptor, and so with the process.  A file system without locks has
// none.
static int lock(int fd, const char *path, BigsError *e) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return 0;
  return bigs_fail(e, BIGS_EFILE, "%s: another process is training in this folder", path);
}

// A lock is on a file, not on its name: is the name another file's by now?
static bool replaced(int fd, const char *path) {
  struct stat mine, now;
  return fstat(fd, &mine) == 0 &&
         (stat(path, &now) || mine.st_ino != now.st_ino || mine.st_dev != now.st_dev);
}

// *fd is -1 where there is no file and `flags` make none.
static int open_locked(const char *path, const char *dir, int flags, int *fd, BigsError *e) {
  for (;;) {
    *fd = file_open(path, flags);
    if (*fd < 0)
      return flags & O_CREAT ? bigs_fail_errno(e, "write", path) : 0;
    int err = lock(*fd, dir, e);
    if (!err && !replaced(*fd, path))
      return 0;
    close(*fd);
    *fd = -1;
    if (err)
      return err;
  }
}

int log_lock(const char *dir, int *fd, BigsError *e) {
  char *path = file_join(dir, "log.jsonl", e);
  *fd = -1;
  int err = path ? open_locked(path, dir, O_RDONLY, fd, e) : BIGS_EMODEL;
  free(path);
  return err;
}

static int open_log(RunLog *log, BigsError *e) {
  return open_locked(log->path, log->dir, O_RDWR | O_CREAT | O_APPEND, &log->fd, e);
}

RunLog *log_open(const char *dir, BigsError *e) {
  RunLog *log = calloc(1, sizeof *log);
  if (!log || !(log->dir = strdup(dir))) {
    free(log);
    bigs_fail_memory(e, "the log");
    return NULL;
  }
  log->fd = -1;
  log->path = file_join(dir, "log.jsonl", e);
  int err = log->path ? open_log(log, e) : BIGS_EMODEL;
  if (!err && drop_partial_line(log->fd))
    err = bigs_fail_errno(e, "write", log->path);
  if (!err)
    return log;
  log_close(log);
  return NULL;
}

// Is the line the record of a step after `step`?  What is no record stays.
static bool is_after(const char *line, size_t n, int64_t step) {
  int64_t its;
  JsonDoc *doc = json_parse(line, n, "log.jsonl", 0, NULL);
  const JsonValue *v = doc ? json_root(doc) : NULL;
  v = v && v->kind == JSON_OBJECT ? json_get(v, "step") : NULL;
  bool after = v && json_int(v, &its) && its > step;
  json_free(doc);
  return after;
}

// Moves the lines that stay to the front of text[0, n); returns their length.
static size_t keep_until(char *text, size_t n, int64_t step) {
  size_t kept = 0;
  for (char *line = text, *end; (end = memchr(line, '\n', (size_t)(text + n - line)));
       line = end + 1) {
    size_t length = (size_t)(end + 1 - line);
    if (line != text && is_after(line, length - 1, step))
      continue;
    memmove(text + kept, line, length);
    kept += length;
  }
  return kept;
}

static int replace_log(RunLog *log, const char *text, size_t n, BigsError *e) {
  int old = log->fd, err = file_put(log->path, text, n, e);
  if (err)
    return err;
  err = open_log(log, e); // the lock of the old file lasts until the new one's is held
  close(old);
  return err;
}

// A device or a pipe that log.jsonl leads to keeps no records, and reading one may never end.
static bool keeps_records(const RunLog *log) {
  struct stat st;
  return fstat(log->fd, &st) || S_ISREG(st.st_mode);
}

int log_cut(RunLog *log, int64_t step, BigsError *e) {
  size_t n, kept;
  if (!keeps_records(log))
    return 0;
  char *text = file_read(log->path, SIZE_MAX / 4, &n, e);
  if (!text)
    return e->status;
  kept = keep_until(text, n, step);
  int err = kept < n ? replace_log(log, text, kept, e) : 0;
  free(text);
  return err;
}

int log_clear(RunLog *log, BigsError *e) {
  return keeps_records(log) && ftruncate(log->fd, 0) ? bigs_fail_errno(e, "write", log->path) : 0;
}

int log_write(RunLog *log, JsonText *record, BigsError *e) {
  record_end(record);
  json_raw(record, "\n");
  if (record->failed)
    return bigs_fail_memory(e, "a record of the log");
  for (size_t done = 0; done < record->n;) {
    ssize_t k = write(log->fd, record->s + done, record->n - done);
    if (k < 0 && errno != EINTR)
      return bigs_fail_errno(e, "write", log->path);
    done += k > 0 ? (size_t)k : 0;
  }
  record_begin(record);
  return 0;
}

void log_close(RunLog *log) {
  if (!log)
    return;
  if (log->fd >= 0)
    close(log->fd);
  free(log->path);
  free(log->dir);
  free(log);
}

// ---- progress
static void duration(double s, char *buf, size_t size) {
  int64_t t = s > 0 && s < 1e9 ? (int64_t)(s + 0.5) : 0;
  if (t >= 3600)
    snprintf(buf, size, "%dh%02dm", (int)(t / 3600), (int)(t / 60 % 60));
  else if (t >= 60)
    snprintf(buf, size, "%dm%02ds", (int)(t / 60), (int)(t % 60));
  else
    snprintf(buf, size, "%ds", (int)t);
}

static void count(double x, char *buf, size_t size) {
  if (x >= 1e6)
    snprintf(buf, size, "%.2fM", x / 1e6);
  else if (x >= 1e4)
    snprintf(buf, size, "%.1fk", x / 1e3);
  else
    snprintf(buf, size, "%.0f", x);
}

static int columns(FILE *f) {
  struct winsize w;
  return ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : INT_MAX;
}

bool progress_due(const Progress *p, int64_t step, double now) {
  return p->to && (p->terminal ? now >= p->next : p->every > 0 && step % p->every == 0);
}

void progress_show(Progress *p, const ProgressNow *v, double now) {
  char line[200], left[32], speed[32];
  duration(v->seconds_left, left, sizeof left);
  count(v->tokens_per_second, speed, sizeof speed);
  int n = snprintf(line, sizeof line, "step %lld/%lld  loss %s  rate %.2e  %s %s/s  %s  ETA %s",
                   (long long)v->step, (long long)v->steps, bigs_number(v->loss, 4).text, v->rate,
                   speed, p->unit ? p->unit : "tokens", bigs_bytes((double)v->memory).text, left);
  if (p->terminal && n >= columns(p->to)) // a line that wraps could not be rewritten
    n = columns(p->to) - 1;
  if (p->terminal)
    fprintf(p->to, "\r%.*s%*s", n, line, p->width > n ? p->width - n : 0, "");
  else
    fprintf(p->to, "%s\n", line);
  fflush(p->to);
  p->width = n;
  p->next = now + 0.1;
}

static void clear_line(Progress *p) {
  if (p->terminal && p->width)
    fprintf(p->to, "\r%*s\r", p->width, "");
  p->width = 0;
}

void progress_say(Progress *p, const char *fmt, ...) {
  if (!p->to)
    return;
  clear_line(p);
  va_list ap;
  va_start(ap, fmt);
  vfprintf(p->to, fmt, ap);
  va_end(ap);
  fputc('\n', p->to);
  fflush(p->to);
}

void progress_end(Progress *p) {
  if (p->to && p->terminal && p->width)
    fputc('\n', p->to);
  p->width = 0;
}

// ---- facts
int64_t process_bytes(void) {
  long long total, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f)
    return 0;
  if (fscanf(f, "%lld %lld", &total, &resident) != 2)
    resident = 0;
  fclose(f);
  return resident * sysconf(_SC_PAGESIZE);
}

void cpu_name(char *buf, size_t size) {
  char line[512];
  FILE *f = fopen("/proc/cpuinfo", "r");
  buf[0] = 0;
  while (f && !buf[0] && fgets(line, sizeof line, f)) {
    char *colon = strchr(line, ':');
    if (!strncmp(line, "model name", 10) && colon)
      snprintf(buf, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
  }
  if (f)
    fclose(f);
}
