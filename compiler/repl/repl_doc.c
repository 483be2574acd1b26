// :doc and :info: what a name means, and what it is here.
#include "compiler/repl/repl.h"
#include "base/edit.h"
#include "base/error.h"
#include "compiler/sema/functions.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- what is known of a name

static const Decl *any_decl(Repl *r, const char *name) {
  const Decl *own = repl_own_decl(r, name);
  return own ? own : prelude_decl(r->arena, r->names, &r->prelude, name);
}

static void consider(Nearest *n, const char *name) {
  if (name)
    nearest_add(n, name);
}

static void unknown(Repl *r, const char *name) {
  Nearest n = {.wanted = name};
  for (int i = 0; i < r->items.n; i++)
    consider(&n, r->items.v[i]->name);
  for (int i = 0; i < r->decls.n; i++)
    consider(&n, repl_decl_name(r->decls.v[i].decl));
  for (int i = 0; function_row(i); i++)
    consider(&n, function_row(i)->name);
  for (int i = 0; word_row(i); i++)
    consider(&n, word_row(i)->name);
  const File *f = prelude_file(r->arena, r->names, &r->prelude);
  for (int i = 0; i < f->decls.n; i++)
    consider(&n, repl_decl_name(f->decls.v[i]));
  if (n.best)
    repl_fail(r, "nothing here is called `%s`; did you mean `%s`?", name, n.best);
  else
    repl_fail(r, "nothing here is called `%s`; :vars lists what has a name, :help the commands",
              name);
}

// ---- :doc

// Every line of `text`, further in.
static void print_lines(FILE *f, const char *text) {
  while (*text) {
    int n = (int)strcspn(text, "\n");
    fprintf(f, "  %.*s\n", n, text);
    text += n + (text[n] == '\n');
  }
}

static void print_doc(Repl *r, const FunctionDoc *d) {
  fprintf(r->out, "%s\n", d->signature);
  print_lines(r->out, d->text);
}

// "E0204", "0204" or "204" of errors.def.
static bool doc_of_code(Repl *r, const char *name) {
  const char *digits = name + (*name == 'E' || *name == 'e');
  char *end;
  long n = strtol(digits, &end, 10);
  Arena *a = arena_new();
  const char *text = isdigit((unsigned char)*digits) && !*end ? diag_explain(a, (int)n) : NULL;
  if (text)
    fputs(text, r->out);
  arena_free(a);
  return text != NULL;
}

static bool doc_of_dtype(Repl *r, const char *name) {
  for (int d = 0; d < DT_COUNT; d++)
    if (d != DT_I64 && !strcmp(dtype_name((DType)d), name)) {
      fprintf(r->out, "%s\n  a type of elements; `%s(x)` converts to it\n", name, name);
      return true;
    }
  return false;
}

static bool doc_of_language(Repl *r, const char *name) {
  const Decl *d = any_decl(r, name);
  const FunctionDoc *row = function_doc(name);
  if (d) {
    FunctionDoc doc = decl_doc(r->arena, d);
    print_doc(r, &doc);
  } else if (row)
    print_doc(r, row);
  return d || row || doc_of_dtype(r, name) || doc_of_code(r, name) || repl_command_doc(r, name);
}

void repl_doc(Repl *r, const char *name) {
  const Item *it = repl_item(r, intern(r->names, name));
  if (!*name)
    repl_fail(r, "of what? `:doc softmax`, `:doc Linear`, `:doc :grad`, `:doc E0204`");
  else if (it && it->kind == ITEM_CHILD)
    repl_doc(r, it->stmt->module.s);
  else if (it)
    repl_info(r, name);
  else if (!doc_of_language(r, name))
    unknown(r, name);
}

// ---- :info

typedef struct Spread {
  double least, most, sum, squares;
  int64_t n, bad;
} Spread;

static Spread spread_of(const Array *x) {
  Spread s = {.least = INFINITY, .most = -INFINITY};
  for (int64_t i = 0; i < x->n; i++) {
    double v = array_number(x, i);
    s.bad += !isfinite(v);
    if (!isfinite(v))
      continue;
    s.n++;
    s.least = fmin(s.least, v);
    s.most = fmax(s.most, v);
    s.sum += v;
    s.squares += v * v;
  }
  return s;
}

static void print_spread(Repl *r, const Array *x) {
  Spread s = spread_of(x);
  double n = s.n ? (double)s.n : 1, mean = s.sum / n;
  int64_t count = x->n / (dtype_is_complex(x->dtype) ? 2 : 1);
  fprintf(r->out, "  %lld element%s, %lld bytes\n", (long long)count, count == 1 ? "" : "s",
          (long long)array_bytes(x));
  if (s.n)
    fprintf(r->out, "  least %.5g, largest %.5g, mean %.5g, standard deviation %.5g\n", s.least,
            s.most, mean, sqrt(fmax(s.squares / n - mean * mean, 0)));
  if (s.bad)
    fprintf(r->out, "  not finite: %lld of %lld\n", (long long)s.bad, (long long)x->n);
}

static void info_of_array(Repl *r, const char *name, const Array *x, const char *what) {
  Arena *a = arena_new();
  fprintf(r->out, "%s : %s%s\n", name, array_type(a, x->dtype, x->axis, x->rank), what);
  print_spread(r, x);
  arena_free(a);
}

static void info_of_stmt(Repl *r, const Item *it) {
  const Span s = it->stmt ? it->stmt->span : it->formal->span;
  fprintf(r->out, "%.*s\n", (int)(s.hi - s.lo), s.src->text + s.lo);
}

static void info_of_item(Repl *r, Item *it) {
  if (it->value)
    info_of_array(r, it->name, it->value,
                  it->sampled              ? ", an input with random numbers"
                  : it->kind == ITEM_INPUT ? ", an input"
                                           : "");
  else if (it->kind == ITEM_CHILD)
    repl_describe_child(r, it);
  else
    info_of_stmt(r, it);
  if (it->kind == ITEM_PARAM) {
    Array *x = repl_param(r, it->name);
    if (x)
      print_spread(r, x);
    array_free(x);
  }
}

static void info_of_dim(Repl *r, const DimNow *d) {
  fprintf(r->out, "dim %s = %lld%s", d->name, (long long)d->extent,
          d->open ? " here, known at run time" : "");
  if (d->open && d->bound)
    fprintf(r->out, ", at most %lld", (long long)d->bound);
  fprintf(r->out, "%s\n", d->open ? "; :set changes it" : "");
}

// With the comment above it.
static void info_of_decl(Repl *r, const Decl *d) {
  FunctionDoc doc = decl_doc(r->arena, d);
  print_lines(r->out, doc.text);
  fprintf(r->out, "%.*s\n", (int)(d->span.hi - d->span.lo), d->span.src->text + d->span.lo);
}

void repl_info(Repl *r, const char *text) {
  const char *name = repl_native_path(r, text, strlen(text));
  Item *it = repl_item(r, intern(r->names, name));
  const DimNow *dim = repl_dim(r, name);
  const Decl *d = any_decl(r, name);
  Array *param = !it && strchr(name, '.') ? repl_param(r, name) : NULL;
  if (!*name)
    repl_fail(r, "of what? `:info x`; :vars lists what has a name");
  else if (it)
    info_of_item(r, it);
  else if (dim)
    info_of_dim(r, dim);
  else if (d)
    info_of_decl(r, d);
  else if (param)
    info_of_array(r, name, param, ", a parameter");
  else if (!doc_of_language(r, name))
    unknown(r, name);
  array_free(param);
}
