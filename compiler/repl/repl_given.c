// Values that are given and not computed: lists of numbers, and tensors of files.
#include "compiler/repl/repl.h"
#include "base/error.h"
#include "compiler/commands/inspect.h"
#include "runtime/files/hub.h"
#include "runtime/foreign/foreign.h"
#include "runtime/train/npy.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 12 }; // names of tensors in a message

// ---- axes

// "[A, B]": what could be written behind a value of this rank.
static const char *some_axes(Arena *a, int rank) {
  const char *text = "";
  for (int i = 0; i < rank; i++)
    text = arena_printf(a, "%s%s%c", text, i ? ", " : "", 'A' + i % 26);
  return arena_printf(a, "[%s]", text);
}

static bool dim_fits(Repl *r, const DimNow *d, int64_t extent) {
  if (!d || d->extent == extent)
    return true;
  repl_fail(r, "%s is %lld here, and this axis has %lld elements: %s", d->name,
            (long long)d->extent, (long long)extent,
            d->open ? arena_printf(r->arena, "`:set %s=%lld`, or another name", d->name,
                                   (long long)extent)
                    : "another name makes it an axis of its own");
  return false;
}

static bool take_axis(Repl *r, const Type *t, int i, int64_t extent, TypedAxis *axis) {
  const TDim *d = &t->dims.v[i];
  if (d->rest || d->pack) {
    repl_fail(r, "an axis of a value has a name of its own, not `%s`", d->rest ? ".." : "...");
    return false;
  }
  for (int k = 0; k < i; k++)
    if (axis[k].name == d->name.s) {
      repl_fail(r, "a value has no axis twice: call one `%s` otherwise", d->name.s);
      return false;
    }
  const DimNow *now = repl_dim(r, d->name.s);
  axis[i] = (TypedAxis){d->name.s, extent, now ? TYPED_DIM : TYPED_LOCAL};
  return dim_fits(r, now, extent);
}

// Axes that nobody named: for a parameter, which takes them by their order.
static void plain_axes(Repl *r, int rank, const int64_t *extent, TypedAxis *axis) {
  for (int i = 0; i < rank; i++)
    axis[i] = (TypedAxis){intern(r->names, arena_printf(r->arena, "%s%d", PLAIN_AXIS, i)),
                          extent[i], TYPED_LOCAL};
}

static bool axes_of(Repl *r, const Type *t, int rank, const int64_t *extent, TypedAxis *axis) {
  if (!t)
    plain_axes(r, rank, extent, axis);
  else if (t->dims.n != rank) {
    repl_fail(r, "it has %d ax%s, `%s` names %d", rank, rank == 1 ? "is" : "es",
              ast_print_type(r->arena, t), t->dims.n);
    return false;
  }
  for (int i = 0; t && i < rank; i++)
    if (!take_axis(r, t, i, extent[i], axis))
      return false;
  return true;
}

// ---- lists of numbers

static bool literal_number(Repl *r, const LiteralNumber *x, DType t) {
  const char *why = x->truth != (t == DT_BOOL) ? x->truth ? "a bool" : "a number"
                    : t == DT_I32 && !x->whole ? "not whole"
                    : t == DT_I32 && (x->value > INT32_MAX || x->value < INT32_MIN) ? "too large"
                                                                                    : NULL;
  if (why)
    repl_fail(r, "`%.*s` is %s: it fits no %s%s", (int)(x->span.hi - x->span.lo),
              x->span.src->text + x->span.lo, why, dtype_name(t),
              x->truth ? "; write `: bool[...]`" : "");
  return !why;
}

static Array *literal_array(Repl *r, const Literal *l, const Type *t) {
  TypedAxis *axis = NEWN(r->arena, TypedAxis, l->rank + 1);
  DType dtype = t ? t->dtype : DT_F32;
  if (dtype_is_complex(dtype)) {
    repl_fail(r, "a list holds real numbers: make complex ones of two, `re + 1i * im`");
    return NULL;
  }
  for (int i = 0; i < l->number.n; i++)
    if (!literal_number(r, &l->number.v[i], dtype))
      return NULL;
  if (!axes_of(r, t, l->rank, l->extent, axis))
    return NULL;
  Array *x = array_new(dtype, axis, l->rank);
  for (int i = 0; x && i < l->number.n; i++)
    array_set(x, i, l->number.v[i].value);
  if (!x)
    repl_fail(r, "out of memory for the list");
  return x;
}

void repl_literal(Repl *r, const Literal *l, const Type *t) {
  Name name = l->name.s ? l->name : (Name){intern(r->names, "it"), l->span};
  if (!t && !repl_assigned(r, name.s)) {
    repl_fail(r, "which axes has it? Write the list as `%s[...] : %s`",
              l->name.s ? arena_printf(r->arena, "%s = ", l->name.s) : "",
              some_axes(r->arena, l->rank));
    return;
  }
  Array *x = literal_array(r, l, t);
  if (x)
    repl_keep(r, name, x, l->name.s != NULL);
}

// ---- tensors of files

typedef struct TensorFile {
  Hub *hub;
  StFile *npy;
  int count;
} TensorFile;

static bool ends_in(const char *path, const char *suffix) {
  size_t n = strlen(path), k = strlen(suffix);
  return n > k && !strcmp(path + n - k, suffix);
}

static bool open_tensors(Repl *r, const char *path, TensorFile *f) {
  BigsError e = {0};
  *f = (TensorFile){0};
  int status = ends_in(path, ".npy") ? npy_open(path, &f->npy, &e)
                                     : hub_open(path, &foreign_readers, &f->hub, &e);
  if (status) {
    repl_fail(r, "%s", e.text);
    return false;
  }
  f->count = f->npy ? st_count(f->npy) : hub_count(f->hub);
  return true;
}

static const StTensor *tensor_at(const TensorFile *f, int i) {
  return f->npy ? st_at(f->npy, i) : hub_at(f->hub, i);
}

static void close_tensors(TensorFile *f) {
  st_close(f->npy);
  hub_close(f->hub);
}

// Without what would steer the terminal.
static const char *tensor_name(Repl *r, const TensorFile *f, int i) {
  Session s = {.arena = r->arena};
  return inspect_shown(&s, tensor_at(f, i)->name);
}

static void list_tensors(Repl *r, const TensorFile *f) {
  char text[256];
  for (int i = 0; i < f->count; i++)
    fprintf(r->out, "  %s : %s\n", tensor_name(r, f, i),
            st_describe(tensor_at(f, i), text, sizeof text));
}

static const char *some_names(Repl *r, const TensorFile *f) {
  const char *text = "";
  for (int i = 0; i < f->count && i < SHOWN; i++)
    text = arena_printf(r->arena, "%s%s`%s`", text, i ? ", " : "", tensor_name(r, f, i));
  return f->count > SHOWN ? arena_printf(r->arena, "%s and %d more", text, f->count - SHOWN) : text;
}

static const StTensor *choose(Repl *r, const TensorFile *f, const char *path, const char *name) {
  for (int i = 0; name && i < f->count; i++)
    if (!strcmp(tensor_at(f, i)->name, name))
      return tensor_at(f, i);
  if (!name && f->count == 1)
    return tensor_at(f, 0);
  if (name)
    repl_fail(r, "%s has no tensor `%s`; it has %s", path, name,
              f->count ? some_names(r, f) : "none");
  else
    repl_fail(r, "%s has %d tensors: `load(\"%s\", \"NAME\")`, of %s", path, f->count, path,
              some_names(r, f));
  return NULL;
}

// What it is here unless a type says so.
static DType natural_dtype(StDType t) {
  return t == ST_BOOL     ? DT_BOOL
         : t == ST_C64    ? DT_C64
         : t == ST_F64    ? DT_F64
         : st_is_whole(t) ? DT_I32
                          : DT_F32;
}

static StDType stored_dtype(DType t) {
  static const StDType st[] = {
#define DTYPE(id, name, size, c, stored) ST_##stored,
#include "base/dtype.def"
#undef DTYPE
  };
  return st[t];
}

static Array *read_tensor(Repl *r, const StTensor *t, const Type *type) {
  DType dtype = type && type->has_dtype ? type->dtype : natural_dtype(t->dtype);
  TypedAxis *axis = NEWN(r->arena, TypedAxis, t->rank + 1);
  BigsError e = {0};
  if (!t->elements) {
    repl_fail(r, "`%s` has no elements", t->name);
    return NULL;
  }
  if (!axes_of(r, type, t->rank, t->shape, axis))
    return NULL;
  Array *x = array_new(dtype, axis, t->rank);
  int status = x ? st_copy(t, stored_dtype(dtype), x->data, &e) : bigs_fail_memory(&e, t->name);
  if (!status)
    return x;
  repl_fail(r, "%s", e.text);
  array_free(x);
  return NULL;
}

// load(PATH [, NAME])
static bool load_arguments(Repl *r, const Expr *call, const char **path, const char **name) {
  const Args *a = &call->args;
  bool ok = a->n == 1 || a->n == 2;
  for (int i = 0; ok && i < a->n; i++)
    ok = a->v[i].value->kind == EX_STR;
  if (!ok) {
    repl_fail(r, "`load` takes a file and perhaps the name of a tensor in it: "
                 "`load(\"x.safetensors\", \"word.weight\")`");
    return false;
  }
  *path = a->v[0].value->str.s;
  *name = a->n == 2 ? a->v[1].value->str.s : NULL;
  return true;
}

bool is_load(const Repl *r, const Stmt *s) {
  const Expr *e = s->kind == ST_EXPR || s->kind == ST_BIND ? s->value : NULL;
  return e && e->kind == EX_CALL && e->a->kind == EX_NAME && !strcmp(e->a->name.s, "load") &&
         !repl_own_decl(r, "load");
}

void repl_load_tensor(Repl *r, const Stmt *s, const Type *type) {
  const char *path, *name;
  TensorFile f;
  if (!load_arguments(r, s->value, &path, &name) || !open_tensors(r, path, &f))
    return;
  Name to = s->kind == ST_BIND ? s->names.v[0] : (Name){intern(r->names, "it"), s->span};
  if (s->kind == ST_EXPR && !name && f.count != 1)
    list_tensors(r, &f);
  else {
    const StTensor *t = choose(r, &f, path, name);
    Array *x = t ? read_tensor(r, t, type) : NULL;
    if (x && x->rank && !type && !repl_assigned(r, to.s))
      repl_note(r, "its axes have no names yet: `load(...) : %s` gives them some",
                some_axes(r->arena, x->rank));
    if (x)
      repl_keep(r, to, x, s->kind == ST_BIND);
  }
  close_tensors(&f);
}
