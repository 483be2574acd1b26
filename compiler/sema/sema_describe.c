// What the rest of the program may ask about a model, and the text of `bigsc inspect`.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <inttypes.h>
#include <string.h>

// ---- public tables
static int dim_index(const Model *m, const char *name) {
  for (int i = 0; i < m->dims.n; i++)
    if (m->dims.v[i]->pub.name == name)
      return i;
  return -1;
}

void sema_model_value(Sema *s, Name name, const Ty *t, ModelValue *out) {
  const char **axes = NEWN(s->a, const char *, t->ax.n + 1);
  int *dim = NEWN(s->a, int, t->ax.n + 1);
  for (int i = 0; i < t->ax.n; i++) {
    axes[i] = t->ax.v[i]->name;
    dim[i] = dim_index(s->m, axes[i]);
  }
  *out = (ModelValue){.name = name.s,
                      .dtype = t->dtype,
                      .nax = t->ax.n,
                      .axes = axes,
                      .dim = dim,
                      .span = name.span};
}

static void describe_values(Sema *s, const Decl *d) {
  Model *m = s->m;
  s->frame = NULL;
  frame_push(s, FR_MODEL, m->model->name, d->name.span)->seq = m->model->seq;
  for (int i = 0; i < d->formals.n; i++) {
    const Formal *f = &d->formals.v[i];
    Ty t = ty_eval(s, f->type, false);
    ModelValue v;
    sema_model_value(s, f->name, &t, &v);
    if (f->preset) {
      Value *preset = sema_constant(s, f->preset, "an input's default");
      v.has_default = true;
      v.fallback = is_number(preset) ? preset->num->re : preset->truth;
    }
    vec_push(s->a, &m->inputs, v);
  }
  for (int i = 0; i < d->body->stmts.n; i++) {
    const Stmt *st = d->body->stmts.v[i];
    if (st->kind != ST_ENTRY)
      continue;
    Ty t = sema_entry_checked(s, st);
    ModelValue v;
    sema_model_value(s, st->names.v[0], &t, &v);
    vec_push(s->a, &m->entries, v);
  }
}

static void add_forms(Model *m, const Decl *d) {
  for (int i = 0; i < d->body->stmts.n; i++)
    if (d->body->stmts.v[i]->kind == ST_FORMS)
      vec_push(m->a, &m->forms, d->body->stmts.v[i]);
}

static void describe_forms(Model *m) {
  for (int i = 0; i < m->fns.n; i++)
    add_forms(m, m->fns.v[i]->decl);
  for (int i = 0; i < m->mods.n; i++)
    add_forms(m, m->mods.v[i]->decl);
  if (m->model)
    add_forms(m, m->model->decl);
}

void sema_describe(Sema *s) {
  Model *m = s->m;
  describe_forms(m);
  for (int i = 0; i < m->dims.n; i++)
    vec_push(s->a, &m->pub_dims, m->dims.v[i]->pub);
  for (int i = 0; i < m->lets.n; i++) {
    const LetInfo *l = m->lets.v[i];
    vec_push(
        s->a, &m->pub_lets,
        (ModelLet){l->name, is_number(l->value) ? l->value->num->re : l->value->truth, l->span});
  }
  for (int i = 0; i < m->params.n; i++)
    vec_push(s->a, &m->pub_params, m->params.v[i]->info);
  if (m->model)
    describe_values(s, m->model->decl);
}

bool model_ok(const Model *m) {
  return m->ok;
}

const char *model_name(const Model *m) {
  return m->model ? m->model->name : NULL;
}

int model_dims(const Model *m, const ModelDim **dims) {
  *dims = m->pub_dims.v;
  return m->pub_dims.n;
}

void model_complete_sizes(const Model *m, int64_t *syms) {
  sizes_complete(&m->syms, syms);
}

int model_files(const Model *m, const char *const **path) {
  *path = m->used_files.v;
  return m->used_files.n;
}

int model_lets(const Model *m, const ModelLet **lets) {
  *lets = m->pub_lets.v;
  return m->pub_lets.n;
}

int model_inputs(const Model *m, const ModelValue **inputs) {
  *inputs = m->inputs.v;
  return m->inputs.n;
}

int model_entries(const Model *m, const ModelValue **entries) {
  *entries = m->entries.v;
  return m->entries.n;
}

const ModelValue *model_entry(const Model *m, const char *name) {
  for (int i = 0; i < m->entries.n; i++)
    if (!strcmp(m->entries.v[i].name, name))
      return &m->entries.v[i];
  return NULL;
}

int model_params(const Model *m, const ModelParam **params) {
  *params = m->pub_params.v;
  return m->pub_params.n;
}

const TokenizerDecl *model_tokenizer(const Model *m) {
  return &m->tokenizer;
}

int model_trains(const Model *m, const Recipe *const **trains) {
  *trains = (const Recipe *const *)m->recipes.v;
  return m->recipes.n;
}

const Recipe *model_train(const Model *m, const char *name) {
  for (int i = 0; i < m->recipes.n; i++)
    if (!strcmp(m->recipes.v[i]->name, name))
      return m->recipes.v[i];
  return NULL;
}

int model_checkpoints(const Model *m, const CkptTable *const **tables) {
  *tables = (const CkptTable *const *)m->tables.v;
  return m->tables.n;
}

// ---- text
static const char *names_str(Arena *a, DType t, const char *const *axes, int n) {
  const char *text = t == DT_F32 ? "[" : arena_printf(a, "%s[", dtype_name(t));
  for (int i = 0; i < n; i++)
    text = arena_printf(a, "%s%s%s", text, i ? ", " : "", axes[i]);
  return !n ? dtype_name(t) : arena_printf(a, "%s]", text);
}

// 110106428 as 110,106,428
static const char *grouped(Arena *a, int64_t v) {
  char digits[32], out[48];
  int n = snprintf(digits, sizeof digits, "%" PRId64, v), k = 0;
  for (int i = 0; i < n; i++) {
    if (i && (n - i) % 3 == 0)
      out[k++] = ',';
    out[k++] = digits[i];
  }
  return arena_strndup(a, out, (size_t)k);
}

typedef struct Description {
  Arena *a;
  VEC(char) s;
} Description;

static void put(Description *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(Description *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *s = arena_vprintf(t->a, fmt, ap);
  va_end(ap);
  for (; *s; s++)
    vec_push(t->a, &t->s, *s);
}

static void put_dims(Description *t, const Model *m) {
  for (int run_time = 0; run_time < 2; run_time++) {
    int n = 0;
    for (int i = 0; i < m->pub_dims.n; i++) {
      const ModelDim *d = &m->pub_dims.v[i];
      if (d->fixed == run_time)
        continue;
      put(t, "%s%s", n++ ? ", " : run_time ? "  at run time: " : "  dims: ", d->name);
      if (d->fixed)
        put(t, " = %lld", (long long)d->extent);
      else if (d->formula)
        put(t, " = %s", d->formula);
      else if (d->bound)
        put(t, " <= %lld", (long long)d->bound);
    }
    if (n)
      put(t, "\n");
  }
}

// "  forms y: conv, recur (taken)"
static void put_forms(Description *t, const Model *m) {
  for (int i = 0; i < m->forms.n; i++) {
    const Stmt *f = m->forms.v[i];
    put(t, "  forms %s:", f->names.v[0].s);
    for (int k = 0; k < f->forms.n; k++)
      put(t, "%s%s%s", k ? ", " : " ", f->forms.v[k].name.s,
          model_form_asked(m, f) == &f->forms.v[k] ? " (taken)" : "");
    put(t, "\n");
  }
}

static void put_params(Description *t, const Model *m) {
  int64_t total = 0;
  int width = 0;
  for (int i = 0; i < m->pub_params.n; i++) {
    int n = (int)strlen(m->pub_params.v[i].path);
    width = n > width ? n : width;
  }
  for (int i = 0; i < m->pub_params.n; i++) {
    const ModelParam *p = &m->pub_params.v[i];
    total += p->elements;
    put(t, "  param %-*s %-20s %14s", width, p->path, names_str(t->a, p->dtype, p->axes, p->nax),
        grouped(t->a, p->elements));
    for (int k = 0; k < p->ntags; k++)
      put(t, " @%s", p->tags[k]);
    put(t, "\n");
  }
  put(t, "  %s elements in %d parameters\n", grouped(t->a, total), m->pub_params.n);
}

char *model_describe(Arena *a, const Model *m) {
  Description t = {.a = a};
  put(&t, "model %s\n", m->model ? m->model->name : "(none)");
  put_dims(&t, m);
  for (int i = 0; i < m->inputs.n; i++) {
    const ModelValue *v = &m->inputs.v[i];
    put(&t, "  input %s : %s", v->name, names_str(a, v->dtype, v->axes, v->nax));
    if (v->has_default && v->dtype == DT_BOOL)
      put(&t, " = %s", v->fallback ? "true" : "false");
    else if (v->has_default)
      put(&t, " = %g", v->fallback);
    put(&t, "\n");
  }
  for (int i = 0; i < m->entries.n; i++) {
    const ModelValue *v = &m->entries.v[i];
    put(&t, "  entry %s : %s\n", v->name, names_str(a, v->dtype, v->axes, v->nax));
  }
  put_forms(&t, m);
  put_params(&t, m);
  for (int i = 0; i < m->tables.n; i++)
    put(&t, "  checkpoint %s\n", m->tables.v[i]->name);
  for (int i = 0; i < m->recipes.n; i++)
    put(&t, "  train %s%s%s\n", m->recipes.v[i]->name, m->recipes.v[i]->source ? " on " : "",
        m->recipes.v[i]->source ? m->recipes.v[i]->source : "");
  vec_push(a, &t.s, 0);
  return t.s.v;
}
