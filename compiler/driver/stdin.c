// Standard input as a model's text, or as a file of tensors: see session.h.  However much comes, no
// more of it is held than can be of use.
#include "compiler/driver/session.h"
#include "compiler/driver/shipped.h"
#include "compiler/syntax/lex.h"
#include "runtime/files/safetensors.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(Session *s) {
  bigs_fail_errno(&s->error, "read", "standard input");
  return session_fail(s, &s->error);
}

// A second reader would find nothing.
static int claim_stdin(Session *s) {
  if (s->stdin_path || s->o->text)
    return session_error(s, EXIT_USAGE, "standard input can be read only once");
  return 0;
}

// ---- text

// One byte more than a model may have lets the lexer say so.
static int read_text(Session *s, const char **text) {
  VEC(char) all = {0};
  int status = claim_stdin(s);
  if (status)
    return status;
  for (int c; all.n <= SOURCE_MAX && (c = getchar()) != EOF;)
    vec_push(s->arena, &all, (char)c);
  if (ferror(stdin))
    return fail(s);
  if (memchr(all.v ? all.v : "", 0, (size_t)all.n))
    return session_error(s, EXIT_MODEL, "<stdin>: not text: it holds a zero byte");
  vec_push(s->arena, &all, 0);
  s->stdin_path = "<stdin>";
  *text = all.v;
  return 0;
}

// The model of this name that is installed, for those who are not in a folder with models/.
static const char *installed_one(Session *s, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path,
             *dot = strstr(name, ".mdl");
  return dot && !dot[4]
             ? shipped_file(s->arena, arena_strndup(s->arena, name, (size_t)(dot - name)))
             : NULL;
}

static int no_source(Session *s, const char *path) {
  int why = errno;
  const char *other = why == ENOENT ? installed_one(s, path) : NULL;
  errno = why;
  bigs_fail_errno(&s->error, "open", path);
  return other ? session_error(s, s->error.status, "%s; bigsc has %s", s->error.text, other)
               : session_fail(s, &s->error);
}

int session_source(Session *s, const char *path, const char **text) {
  struct stat st;
  *text = NULL;
  if (!strcmp(path, "-"))
    return (*text = s->o->text) ? 0 : read_text(s, text);
  errno = !stat(path, &st) && S_ISDIR(st.st_mode) ? EISDIR : 0;
  if (!errno && !access(path, R_OK))
    return 0;
  return no_source(s, path);
}

// ---- a file without a name

// Copies until `to` has `want` bytes, or all that there are.
static bool copy(FILE *to, size_t *have, size_t want) {
  char buffer[1 << 16];
  size_t n = 1;
  while (*have < want && n) {
    size_t room = want - *have < sizeof buffer ? want - *have : sizeof buffer;
    n = fread(buffer, 1, room, stdin);
    if (fwrite(buffer, 1, n, to) != n)
      return false;
    *have += n;
  }
  return !ferror(stdin) && !fflush(to);
}

// The length of a safetensors header, which the file starts with; false: with something else.
static bool header_length(FILE *f, uint64_t *length) {
  uint8_t head[9];
  *length = 0;
  if (pread(fileno(f), head, sizeof head, 0) != sizeof head)
    return false;
  for (int i = 8; i-- > 0;)
    *length = *length << 8 | head[i];
  return !head[7] && head[8] == '{';
}

bool session_stdin_holds_tensors(const Session *s) {
  uint64_t length;
  return header_length(s->stdin_copy, &length);
}

// Bytes of the tensors that a header names; 0 where it is none, which its reader says.
static int64_t data_bytes(const char *header, size_t n) {
  BigsError none = {0};
  JsonDoc *doc = json_parse(header, n, "", 8, &none);
  int64_t most = 0, end;
  for (const JsonValue *m = doc ? json_root(doc)->child : NULL; m; m = m->next) {
    const JsonValue *at = json_get(m, "data_offsets");
    if (at && at->count == 2 && json_int(at->child->next, &end) && end > most)
      most = end;
  }
  json_free(doc);
  return most;
}

// How much of the input to hold once it has its header: *want, of which a byte more than announced
// lets the reader see that there is more.
static int announced(Session *s, FILE *f, size_t length, size_t *want) {
  char *header = malloc(length + 1);
  uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  if (!header)
    return bigs_fail_memory(&s->error, "standard input"), session_fail(s, &s->error);
  ssize_t got = pread(fileno(f), header, length, 8);
  uint64_t data = got < 0 ? 0 : (uint64_t)data_bytes(header, (size_t)got);
  free(header);
  if (data > memory)
    return session_error(s, EXIT_FILE,
                         "<stdin>: %llu bytes of tensors are announced, more than this machine's "
                         "memory of %llu: give a file by its name, which is not held in memory",
                         (unsigned long long)data, (unsigned long long)memory);
  *want = 8 + length + (size_t)data + 1;
  return 0;
}

static int copy_input(Session *s, FILE *f) {
  uint64_t length;
  size_t have = 0, want = SOURCE_MAX + 1;
  if (!copy(f, &have, 9))
    return fail(s);
  if (header_length(f, &length) && length <= ST_MAX_HEADER) {
    if (!copy(f, &have, 8 + (size_t)length))
      return fail(s);
    int status = announced(s, f, (size_t)length, &want);
    if (status)
      return status;
  }
  return copy(f, &have, want) ? 0 : fail(s);
}

// What is read by its path must be a file: a header is read before what it tells about.
int session_stdin(Session *s, const char **path) {
  if (strcmp(*path, "-"))
    return 0;
  int status = claim_stdin(s), fd = status ? -1 : memfd_create("stdin", MFD_CLOEXEC);
  if (status)
    return status;
  FILE *f = s->stdin_copy = fd < 0 ? NULL : fdopen(fd, "w+");
  if (!f)
    return fail(s);
  *path = s->stdin_path = session_text(s, "/proc/self/fd/%d", fd);
  return copy_input(s, f);
}
