// The machine of pickles: see pickle_internal.h.  It goes through the bytes once, and each makes at most one value: cycles and
// depth cost nothing, for nothing is followed here.
#include "runtime/foreign/pickle_internal.h"
#include <string.h>

void *pickle_fail(const Pickle *p, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  foreign_fail(p->x, "%s byte %zu: %s", p->what, p->op, arena_vprintf(p->x->arena, fmt, ap));
  va_end(ap);
  return NULL;
}

const char *pickle_kind(const PyValue *v) {
  static const char *const names[] = {
      [PY_MARK] = "a mark",       [PY_NONE] = "None",           [PY_BOOL] = "a truth value",
      [PY_INT] = "an integer",    [PY_LONG] = "a long integer", [PY_FLOAT] = "a number",
      [PY_TEXT] = "a text",       [PY_BYTES] = "bytes",         [PY_TUPLE] = "a tuple",
      [PY_LIST] = "a list",       [PY_DICT] = "a dictionary",   [PY_GLOBAL] = "a function or type",
      [PY_STORAGE] = "a storage", [PY_TENSOR] = "a tensor"};
  return names[v->kind];
}

PyValue *pickle_value(const Pickle *p, PyKind kind) {
  PyValue *v = NEW(p->x->arena, PyValue);
  v->kind = kind;
  return v;
}

bool pickle_is_text(const PyValue *v, const char *text) {
  return v->kind == PY_TEXT && v->n == strlen(text) && !memcmp(v->is.text, text, v->n);
}

const PyValue *pickle_item(const PyValue *v, const char *key) {
  for (int i = 0; i + 1 < v->at.n; i += 2)
    if (pickle_is_text(v->at.v[i], key))
      return v->at.v[i + 1];
  return NULL;
}

// ---- the stack.  All functions of an opcode: false with the error set.
typedef struct PickleArg {
  const unsigned char *p;
  size_t n;
} PickleArg;

static bool push(Pickle *p, PyValue *v) {
  vec_push(p->x->arena, &p->stack, v);
  return true;
}

static int floor_of(const Pickle *p) { // values below belong to a mark, or are none
  return p->marks.n ? p->marks.v[p->marks.n - 1] + 1 : 0;
}

static bool has(const Pickle *p, int n) {
  if (p->stack.n - floor_of(p) >= n)
    return true;
  pickle_fail(p, "it takes %d value%s where there are fewer: damaged", n, n == 1 ? "" : "s");
  return false;
}

// Place of the first value behind the last mark, which goes; -1.
static int unmark(Pickle *p) {
  if (p->marks.n)
    return p->marks.v[--p->marks.n] + 1;
  pickle_fail(p, "a list without its start: damaged");
  return -1;
}

static PyValue *top(const Pickle *p, int below) {
  return p->stack.v[p->stack.n - 1 - below];
}

static void move_items(Pickle *p, PyValue *to, int from) {
  for (int i = from; i < p->stack.n; i++)
    vec_push(p->x->arena, &to->at, p->stack.v[i]);
}

// ---- plain values
static bool op_mark(Pickle *p, PickleArg a) {
  (void)a;
  vec_push(p->x->arena, &p->marks, p->stack.n);
  return push(p, pickle_value(p, PY_MARK));
}
static bool op_pop(Pickle *p, PickleArg a) {
  (void)a;
  if (!has(p, 1))
    return false;
  p->stack.n--;
  return true;
}
static bool op_dup(Pickle *p, PickleArg a) {
  (void)a;
  return has(p, 1) && push(p, top(p, 0));
}
static bool push_whole(Pickle *p, PyKind kind, int64_t whole) {
  PyValue *v = pickle_value(p, kind);
  v->is.whole = whole;
  return push(p, v);
}
static bool op_none(Pickle *p, PickleArg a) {
  (void)a;
  return push_whole(p, PY_NONE, 0);
}
static bool op_true(Pickle *p, PickleArg a) {
  (void)a;
  return push_whole(p, PY_BOOL, 1);
}
static bool op_false(Pickle *p, PickleArg a) {
  (void)a;
  return push_whole(p, PY_BOOL, 0);
}
static bool op_whole(Pickle *p, PickleArg a) {
  return push_whole(p, PY_INT, (int64_t)little_endian(a.p, (int)a.n));
}
static bool op_signed4(Pickle *p, PickleArg a) {
  return push_whole(p, PY_INT, (int32_t)(uint32_t)little_endian(a.p, 4));
}
static bool op_number(Pickle *p, PickleArg a) {
  (void)a;
  return push_whole(p, PY_FLOAT, 0);
}
static bool push_text(Pickle *p, PyKind kind, PickleArg a) {
  PyValue *v = pickle_value(p, kind);
  v->is.text = (const char *)a.p;
  v->n = a.n;
  return push(p, v);
}
static bool op_text(Pickle *p, PickleArg a) {
  return push_text(p, PY_TEXT, a);
}
static bool op_bytes(Pickle *p, PickleArg a) {
  return push_text(p, PY_BYTES, a);
}
// Two's complement, little-endian, of any length.
static bool op_integer(Pickle *p, PickleArg a) {
  if (a.n > 8)
    return push_text(p, PY_LONG, a);
  uint64_t v = little_endian(a.p, (int)a.n);
  if (a.n && a.n < 8 && a.p[a.n - 1] & 0x80)
    v -= (uint64_t)1 << 8 * a.n;
  return push_whole(p, PY_INT, (int64_t)v);
}

// ---- containers
static bool replace(Pickle *p, PyKind kind, int from, int keep) {
  PyValue *v = pickle_value(p, kind);
  move_items(p, v, from);
  p->stack.n = keep;
  return push(p, v);
}
static bool tuple_of(Pickle *p, int n) {
  return has(p, n) && replace(p, PY_TUPLE, p->stack.n - n, p->stack.n - n);
}
static bool op_tuple1(Pickle *p, PickleArg a) {
  (void)a;
  return tuple_of(p, 1);
}
static bool op_tuple2(Pickle *p, PickleArg a) {
  (void)a;
  return tuple_of(p, 2);
}
static bool op_tuple3(Pickle *p, PickleArg a) {
  (void)a;
  return tuple_of(p, 3);
}
static bool op_empty_tuple(Pickle *p, PickleArg a) {
  (void)a;
  return push(p, pickle_value(p, PY_TUPLE));
}
static bool op_empty_list(Pickle *p, PickleArg a) {
  (void)a;
  return push(p, pickle_value(p, PY_LIST));
}
static bool op_empty_dict(Pickle *p, PickleArg a) {
  (void)a;
  return push(p, pickle_value(p, PY_DICT));
}
static bool marked(Pickle *p, PyKind kind) {
  int first = unmark(p);
  if (first >= 0 && kind == PY_DICT && (p->stack.n - first) % 2)
    return pickle_fail(p, "a key without a value: damaged");
  return first >= 0 && replace(p, kind, first, first - 1);
}
static bool op_tuple(Pickle *p, PickleArg a) {
  (void)a;
  return marked(p, PY_TUPLE);
}
static bool op_list(Pickle *p, PickleArg a) {
  (void)a;
  return marked(p, PY_LIST);
}
static bool op_dict(Pickle *p, PickleArg a) {
  (void)a;
  return marked(p, PY_DICT);
}
// The values from `first` on go into the container below `keep`.
static bool add_items(Pickle *p, PyKind kind, int first, int keep) {
  if (keep <= floor_of(p))
    return pickle_fail(p, "items of nothing: damaged");
  PyValue *to = p->stack.v[keep - 1];
  if (to->kind != kind)
    return pickle_fail(p, "items for %s: damaged", pickle_kind(to));
  if (kind == PY_DICT && (p->stack.n - first) % 2)
    return pickle_fail(p, "a key without a value: damaged");
  move_items(p, to, first);
  p->stack.n = keep;
  return true;
}
static bool op_append(Pickle *p, PickleArg a) {
  (void)a;
  return has(p, 2) && add_items(p, PY_LIST, p->stack.n - 1, p->stack.n - 1);
}
static bool op_setitem(Pickle *p, PickleArg a) {
  (void)a;
  return has(p, 3) && add_items(p, PY_DICT, p->stack.n - 2, p->stack.n - 2);
}
static bool op_appends(Pickle *p, PickleArg a) {
  (void)a;
  int first = unmark(p);
  return first >= 0 && add_items(p, PY_LIST, first, first - 1);
}
static bool op_setitems(Pickle *p, PickleArg a) {
  (void)a;
  int first = unmark(p);
  return first >= 0 && add_items(p, PY_DICT, first, first - 1);
}

// ---- the memo: at most as many places as the pickle has bytes
static bool store(Pickle *p, uint64_t place) {
  if (!has(p, 1))
    return false;
  if (place > p->n)
    return pickle_fail(p, "place %llu of the memo in a pickle of %zu bytes: damaged",
                       (unsigned long long)place, p->n);
  while ((uint64_t)p->memo.n <= place)
    vec_push(p->x->arena, &p->memo, NULL);
  p->memo.v[place] = top(p, 0);
  return true;
}
static bool op_put(Pickle *p, PickleArg a) {
  return store(p, little_endian(a.p, (int)a.n));
}
static bool op_memoize(Pickle *p, PickleArg a) {
  (void)a;
  return store(p, (uint64_t)p->memo.n);
}
static bool op_get(Pickle *p, PickleArg a) {
  uint64_t place = little_endian(a.p, (int)a.n);
  if (place >= (uint64_t)p->memo.n || !p->memo.v[place])
    return pickle_fail(p, "place %llu of the memo is empty: damaged", (unsigned long long)place);
  return push(p, p->memo.v[place]);
}

// ---- names and what is made by them
static bool push_global(Pickle *p, const char *module, size_t m, const char *name, size_t n) {
  const char *full = arena_printf(p->x->arena, "%.*s.%.*s", (int)m, module, (int)n, name);
  for (int i = 0; i < p->nglobals; i++)
    if (!strcmp(p->globals[i].name, full)) {
      PyValue *v = pickle_value(p, PY_GLOBAL);
      v->is.global = &p->globals[i];
      return push(p, v);
    }
  return pickle_fail(
      p,
      "it asks for %.120s, which may do anything: only tensors and dictionaries of them are read; "
      "save the state_dict alone",
      full);
}

enum { MAX_GLOBAL = 1000 }; // bytes of a name

static const char *line(Pickle *p, size_t *n) {
  const char *s = (const char *)p->bytes + p->at;
  size_t most = p->n - p->at < MAX_GLOBAL ? p->n - p->at : MAX_GLOBAL;
  const char *end = memchr(s, '\n', most);
  if (!end)
    return pickle_fail(p, "a name without its end: damaged");
  *n = (size_t)(end - s);
  p->at += *n + 1;
  return s;
}
static bool op_global(Pickle *p, PickleArg a) {
  (void)a;
  size_t m, n;
  const char *module = line(p, &m), *name = module ? line(p, &n) : NULL;
  return name && push_global(p, module, m, name, n);
}
static bool op_stack_global(Pickle *p, PickleArg a) {
  (void)a;
  if (!has(p, 2))
    return false;
  const PyValue *module = top(p, 1), *name = top(p, 0);
  if (module->kind != PY_TEXT || name->kind != PY_TEXT || module->n > MAX_GLOBAL ||
      name->n > MAX_GLOBAL)
    return pickle_fail(p, "the name of a function is no short text: damaged");
  p->stack.n -= 2;
  return push_global(p, module->is.text, module->n, name->is.text, name->n);
}
static bool push_made(Pickle *p, const PyValue *v) {
  return v && push(p, (PyValue *)v);
}
static bool op_reduce(Pickle *p, PickleArg a) {
  (void)a;
  if (!has(p, 2))
    return false;
  const PyValue *f = top(p, 1), *args = top(p, 0);
  if (f->kind != PY_GLOBAL || args->kind != PY_TUPLE)
    return pickle_fail(p, "it calls %s with %s: damaged", pickle_kind(f), pickle_kind(args));
  if (!f->is.global->call)
    return pickle_fail(p, "it calls %s, which is not read", f->is.global->name);
  p->stack.n -= 2;
  return push_made(p, f->is.global->call(p, args));
}
static bool op_persistent(Pickle *p, PickleArg a) {
  (void)a;
  if (!has(p, 1))
    return false;
  if (!p->persistent)
    return pickle_fail(p, "a reference to something outside of it");
  const PyValue *id = top(p, 0);
  p->stack.n--;
  return push_made(p, p->persistent(p, id));
}
// Attributes: a state_dict's have versions of its modules, which mean nothing here.
static bool op_build(Pickle *p, PickleArg a) {
  (void)a;
  if (!has(p, 2))
    return false;
  if (top(p, 1)->kind != PY_DICT)
    return pickle_fail(p, "it gives attributes to %s, which is not read", pickle_kind(top(p, 1)));
  p->stack.n--;
  return true;
}

// ---- the loop
static bool op_protocol(Pickle *p, PickleArg a) {
  if (a.p[0] >= 2 && a.p[0] <= 5)
    return true;
  return pickle_fail(p, "protocol %d: pickles of protocols 2 to 5 are read", a.p[0]);
}
static bool op_frame(Pickle *p, PickleArg a) {
  (void)p;
  (void)a;
  return true;
}

typedef struct PickleOp {
  bool (*run)(Pickle *p, PickleArg a);
  int n;
} PickleOp;
static const PickleOp ops[256] = {
#define PICKLE_OP(code, handler, n) [code] = {op_##handler, n},
#include "runtime/foreign/pickle_ops.def"
#undef PICKLE_OP
};

static bool take(Pickle *p, uint64_t n, PickleArg *out) {
  if (n > p->n - p->at)
    return pickle_fail(p, "it ends within a value: the file is cut, or damaged");
  *out = (PickleArg){p->bytes + p->at, (size_t)n};
  p->at += (size_t)n;
  return true;
}

static bool step(Pickle *p, int code) {
  const PickleOp *op = &ops[code];
  PickleArg a;
  if (!op->run)
    return pickle_fail(p, "opcode 0x%02x, which dictionaries of tensors do not have: refused",
                       code);
  if (!take(p, (uint64_t)(op->n < 0 ? -op->n : op->n), &a))
    return false;
  if (op->n < 0 && !take(p, little_endian(a.p, (int)a.n), &a))
    return false;
  return op->run(p, a);
}

static const PyValue *last_value(Pickle *p) {
  if (p->stack.n == 1 && !p->marks.n)
    return p->stack.v[0];
  return pickle_fail(p, "it ends with %d values: damaged", p->stack.n);
}

const PyValue *pickle_read(Pickle *p) {
  p->stack.n = p->marks.n = p->memo.n = 0;
  while (p->at < p->n) {
    p->op = p->at;
    int code = p->bytes[p->at++];
    if (code == '.')
      return last_value(p);
    if (!step(p, code))
      return NULL;
  }
  return pickle_fail(p, "it ends without its last opcode: the file is cut");
}
