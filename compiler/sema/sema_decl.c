// Declarations of a file and of what it uses: dims, lets, fns, modules, -D; then the check of all
// of it.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

void sema_start(Sema *s, Model *m, Graph *g) {
  *s = (Sema){.m = m, .a = m->a, .d = m->d, .g = g};
}

// ---- text
enum { MAX_FILE = 4 << 20 };

char *sema_read_text(Model *m, const char *path, Span at, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    diag_error(m->d, ERR_UNUSABLE_FILE, at, "cannot read `%s`: %s", path, strerror(errno));
    return NULL;
  }
  size_t cap = 1 << 16, n = 0;
  char *buf = arena_alloc(m->a, cap);
  for (size_t got; (got = fread(buf + n, 1, cap - n - 1, f)) > 0;) {
    n += got;
    if (n > MAX_FILE)
      break; // the lexer reports it
    if (n + 1 >= cap) {
      buf = arena_grow(m->a, buf, cap, 2 * cap);
      cap *= 2;
    }
  }
  bool bad = ferror(f);
  fclose(f);
  if (bad) {
    diag_error(m->d, ERR_UNUSABLE_FILE, at, "cannot read `%s`: %s", path, strerror(errno));
    return NULL;
  }
  buf[n] = 0;
  *size = n;
  return buf;
}

// ---- defines
static const Define *define_of(Model *m, const char *name, int *index) {
  const Define *found = NULL;
  for (int i = 0; i < m->opt.ndefs; i++)
    if (!strcmp(m->opt.defs[i].name, name)) {
      m->def_used[i] = true;
      found = &m->opt.defs[i];
      *index = i;
    }
  return found;
}

static Value *define_value(Sema *s, const Define *def) {
  const char *path = arena_printf(s->a, "-D %s", def->name), *text = arena_strdup(s->a, def->value);
  Source *src = source_new(s->a, path, text, strlen(text));
  Expr *e = parse_expr_text(s->a, s->m->names, s->d, src);
  return e ? sema_constant(s, e, "the value of -D") : v_poison(s);
}

// Tables and config.json have numbers only: 0 and 1 stand for the values of a let that is written as a truth value.
static Value *define_let(Sema *s, const Define *def, const Expr *own) {
  Value *v = define_value(s, def);
  int64_t whole;
  bool truth = own->kind == EX_BOOL && v_whole(v, &whole) && (whole == 0 || whole == 1);
  return truth ? v_bool(s, whole) : v;
}

static void unknown_defines(Sema *s) {
  for (int i = 0; i < s->m->opt.ndefs; i++) {
    if (s->m->def_used[i])
      continue;
    const char *name = s->m->opt.defs[i].name;
    Diag *g = diag_error(s->d, ERR_UNKNOWN_DEFINE, (Span){0},
                         "-D %s: the model has no dim and no let of this name", name);
    Suggest best = {.wanted = name};
    suggest_table(&best, &s->m->dim_table);
    suggest_table(&best, &s->m->let_table);
    suggest_help(s, g, &best);
  }
}

// ---- dims and lets
static Frame *const_frame(Sema *s, bool prelude) {
  s->frame = NULL;
  Frame *f = frame_push(s, FR_CONST, "", (Span){0});
  f->seq = s->m->seq;
  f->prelude = prelude;
  return f;
}

static bool taken(Sema *s, Name name) {
  DimInfo *d = names_get(&s->m->dim_table, name.s);
  LetInfo *l = names_get(&s->m->let_table, name.s);
  if (!d && !l)
    return false;
  Diag *g = sema_error(s, ERR_NAME_TWICE, name.span, "`%s` is declared twice", name.s);
  sema_label(s, g, d ? d->pub.span : l->span, "first here");
  return true;
}

// "H = 25, Heads = 3": the dims and lets of an expression.
static const char *names_text(Sema *s, const Expr *e, const char *text) {
  if (e->kind == EX_BIN)
    return names_text(s, e->b, names_text(s, e->a, text));
  if (e->kind == EX_NEG || e->kind == EX_NOT)
    return names_text(s, e->a, text);
  for (int i = 0; e->kind == EX_CALL && i < e->args.n; i++)
    text = names_text(s, e->args.v[i].value, text);
  if (e->kind != EX_NAME)
    return text;
  const DimInfo *d = names_get(&s->m->dim_table, e->name.s);
  const LetInfo *l = names_get(&s->m->let_table, e->name.s);
  double x;
  if (d ? !d->pub.fixed : !(l && v_const(l->value, &x)))
    return text;
  Number n = d ? number_size(s, poly_const(d->pub.extent)) : *l->value->num;
  const char *one = arena_printf(s->a, "%s = %s", e->name.s, number_said(s->a, &n));
  return strstr(text, one) ? text : arena_printf(s->a, "%s%s%s", text, *text ? ", " : "", one);
}

// At least 1 and whole; 1 when reported.  e: where it is written, or NULL.
static int64_t extent_of(Sema *s, const char *name, Span at, const Value *v, const Expr *e) {
  const double top = 1ll << 40;
  if (is_poison(v))
    return 1;
  if (!is_number(v) || v->num->is_complex) {
    sema_error(s, ERR_OUT_OF_RANGE, at, "`%s` is a whole number, not %s", name,
               is_number(v) ? "a complex one" : v_type_str(s, v));
    return 1;
  }
  double x = v->num->re;
  int64_t n;
  bool whole = v_whole(v, &n);
  const char *said = number_said(s->a, v->num);
  if (whole && x >= 1 && x <= top)
    return n;
  Diag *g = x > top ? sema_error(s, ERR_OUT_OF_RANGE, at, "`%s` = %s: a dimension is at most 2^40",
                                 name, said)
            : whole ? sema_error(s, ERR_OUT_OF_RANGE, at, "`%s` = %s: a dimension is at least 1",
                                 name, said)
                    : sema_error(s, ERR_OUT_OF_RANGE, at, "`%s` is not whole: %s", name, said);
  const char *names = e ? names_text(s, e, "") : "";
  if (*names)
    diag_primary(s->d, g, "%s", names);
  return 1;
}

static void fix_dim(ModelDim *d, int64_t extent) {
  d->fixed = true;
  d->extent = extent;
  d->size = poly_const(extent);
}

static void add_sym(Sema *s, ModelDim *d) {
  if (s->m->syms.n - sema_quotients(s->m) == MAX_DIMS) {
    if (!s->m->too_many_syms)
      sema_error(s, ERR_TOO_MANY_DIMS, d->span, "a file has at most %d run-time dims", MAX_DIMS);
    s->m->too_many_syms = true;
    fix_dim(d, 1);
    return;
  }
  d->sym = s->m->syms.n;
  d->size = poly_sym(d->sym);
  vec_push(s->a, &s->m->syms, (Sym){.name = d->name, .bound = d->bound});
}

static bool is_size(const Value *v) {
  return is_number(v) && v->num->kind == NUMBER_SIZE;
}

static void define_dim(Sema *s, const Define *def, ModelDim *d) {
  fix_dim(d, extent_of(s, d->name, d->span, define_value(s, def), NULL));
  if (d->bound && d->extent > d->bound)
    sema_error(s, ERR_OUT_OF_RANGE, d->span, "-D %s=%lld passes its bound %lld", d->name,
               (long long)d->extent, (long long)d->bound);
}

// Refuses what no sizes make a dimension, as far as bounds of its terms say so.
static void must_be_possible(Sema *s, const ModelDim *d, Span at) {
  int64_t most;
  if (!size_most(&s->m->syms, &d->size, &most) || most >= 1)
    return;
  Diag *g =
      sema_error(s, ERR_OUT_OF_RANGE, at, "`%s` = %s is never a dimension", d->name, d->formula);
  diag_primary(s->d, g, "%lld at most, and a dimension is at least 1", (long long)most);
}

// NAME = sum: a constant, or made of the run-time dims above.
static void equal_dim(Sema *s, const Dim *d, ModelDim *out) {
  Value *v = d->value ? sema_extent(s, d->value) : v_poison(s);
  if (!is_size(v)) {
    fix_dim(out, extent_of(s, out->name, d->value ? d->value->span : d->span, v, d->value));
    return;
  }
  Span at = d->value->span;
  out->size = *v->num->size;
  out->formula = arena_strndup(s->a, at.src->text + at.lo, at.hi - at.lo);
  must_be_possible(s, out, at);
}

static void open_dim(Sema *s, const Define *def, ModelDim *d) {
  if (def)
    define_dim(s, def, d);
  else
    add_sym(s, d);
}

// Is it made of a dim that the text leaves open, though -D may say it here?
static bool names_open(Sema *s, const Expr *e) {
  const DimInfo *d = e && e->kind == EX_NAME ? names_get(&s->m->dim_table, e->name.s) : NULL;
  bool open = d && d->ax->open;
  if (e && e->kind == EX_BIN)
    open = names_open(s, e->b);
  for (int i = 0; e && e->kind == EX_CALL && i < e->args.n; i++)
    open |= names_open(s, e->args.v[i].value);
  return open || (e && (e->kind == EX_BIN || e->kind == EX_NEG) && names_open(s, e->a));
}

static void declare_dim(Sema *s, const Dim *d) {
  if (taken(s, d->name))
    return;
  const_frame(s, false);
  int k, errors = s->d->errors;
  const Define *def = define_of(s->m, d->name.s, &k);
  DimInfo *info = NEW(s->a, DimInfo);
  info->pub = (ModelDim){.name = d->name.s, .span = d->name.span, .sym = -1};
  info->seq = s->m->seq++;
  if (d->bind == DIM_AT_MOST)
    info->pub.bound =
        extent_of(s, d->name.s, d->value->span, sema_constant(s, d->value, "a bound"), d->value);
  if (d->bind != DIM_EQUAL)
    open_dim(s, def, &info->pub);
  else if (def)
    define_dim(s, def, &info->pub);
  else
    equal_dim(s, d, &info->pub);
  info->ax = ax_new(s, AX_DIM, d->name.s, info->pub.size, d->name.span);
  info->ax->dim = s->m->dims.n;
  info->ax->open = d->bind != DIM_EQUAL || names_open(s, d->value);
  info->ax->poison = s->d->errors > errors;
  vec_push(s->a, &s->m->dims, info);
  names_put(s->a, &s->m->dim_table, d->name.s, info);
}

static Poly renumbered(const Poly *p, const int *now) {
  Poly out = poly_const(0);
  for (int i = 0; i < p->n; i++) {
    Poly term = poly_const(p->t[i].coef);
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      term = poly_mul(term, poly_sym(now[p->t[i].sym[k]]));
    out = poly_add(out, term);
  }
  return out;
}

static void renumber(Model *m, const int *now) {
  for (int i = 0; i < m->syms.n; i++)
    m->syms.v[i].of = renumbered(&m->syms.v[i].of, now);
  for (int i = 0; i < m->dims.n; i++) {
    DimInfo *d = m->dims.v[i];
    d->pub.size = d->ax->size = renumbered(&d->pub.size, now);
    d->pub.sym = dim_is_given(&d->pub) ? now[d->pub.sym] : -1;
  }
}

// What calls bring stands before what follows from it: a compiled model's dims are its first symbols.
static void order_symbols(Model *m) {
  int now[MAX_SYMS], n = 0;
  Syms old = m->syms;
  m->syms = (Syms){0};
  for (int follows = 0; follows < 2; follows++)
    for (int i = 0; i < old.n; i++)
      if ((old.v[i].by != 0) == follows) {
        vec_push(m->a, &m->syms, old.v[i]);
        now[i] = n++;
      }
  renumber(m, now);
}

static void declare_let(Sema *s, const Bind *b, bool prelude) {
  int k;
  if (!prelude && taken(s, b->name))
    return;
  const_frame(s, prelude);
  const Define *def = prelude ? NULL : define_of(s->m, b->name.s, &k);
  LetInfo *l = NEW(s->a, LetInfo);
  Value *v = def ? define_let(s, def, b->value) : sema_constant(s, b->value, "a let");
  *l = (LetInfo){
      .name = b->name.s, .value = v, .seq = s->m->seq++, .prelude = prelude, .span = b->name.span};
  names_put(s->a, prelude ? &s->m->prelude_lets : &s->m->let_table, b->name.s, l);
  if (!prelude)
    vec_push(s->a, &s->m->lets, l);
}

// ---- fns, modules, the model
static void declare_fn(Sema *s, const Decl *d, bool prelude) {
  Map *t = prelude ? &s->m->prelude_fns : &s->m->user_fns;
  Fn *f = NEW(s->a, Fn), *old = names_get(t, d->name.s);
  if (old) {
    Diag *g = sema_error(s, ERR_NAME_TWICE, d->name.span, "fn `%s` is declared twice", d->name.s);
    sema_label(s, g, old->decl->name.span, "first here");
    return;
  }
  int nleft;
  *f = (Fn){.decl = d, .name = d->name.s, .prelude = prelude, .seq = s->m->seq++, .bad = d->bad};
  sema_generics(s, d->generics, (Generic **)&f->generics, &f->ngenerics, &nleft);
  names_put(s->a, t, d->name.s, f);
  vec_push(s->a, &s->m->fns, f);
}

static Module *new_module(Sema *s, const Decl *d, bool prelude) {
  Module *m = NEW(s->a, Module);
  *m = (Module){.decl = d, .name = d->name.s, .prelude = prelude, .seq = s->m->seq++};
  m->deciding = NEWN(s->a, bool, d->formals.n + 1);
  sema_generics(s, d->generics, &m->generics, &m->ngenerics, &m->nleft);
  return m;
}

static void declare_module(Sema *s, const Decl *d, bool prelude) {
  Map *t = prelude ? &s->m->prelude_mods : &s->m->user_mods;
  Module *old = names_get(t, d->name.s);
  if (old) {
    Diag *g =
        sema_error(s, ERR_NAME_TWICE, d->name.span, "module `%s` is declared twice", d->name.s);
    sema_label(s, g, old->decl->name.span, "first here");
    return;
  }
  Module *m = new_module(s, d, prelude);
  names_put(s->a, t, d->name.s, m);
  vec_push(s->a, &s->m->mods, m);
}

static void declare_model(Sema *s, const Decl *d) {
  if (s->m->model) {
    Diag *g = sema_error(s, ERR_SECOND_MODEL, d->name.span, "a file has one model");
    sema_label(s, g, s->m->model->decl->name.span, "the first is here");
    return;
  }
  s->m->model = new_module(s, d, false);
}

static void declare_block(Sema *s, const Decl *d) {
  bool train = d->kind == DECL_TRAIN;
  const Decl **v = train ? s->m->trains.v : s->m->checkpoints.v;
  int n = train ? s->m->trains.n : s->m->checkpoints.n;
  for (int i = 0; i < n; i++)
    if (v[i]->name.s == d->name.s) {
      Diag *g = sema_error(s, ERR_NAME_TWICE, d->name.span, "%s `%s` is declared twice",
                           train ? "train" : "checkpoint", d->name.s);
      sema_label(s, g, v[i]->name.span, "first here");
      return;
    }
  if (train)
    vec_push(s->a, &s->m->trains, d);
  else
    vec_push(s->a, &s->m->checkpoints, d);
}

static bool declare(Sema *s, const Decl *d, bool prelude) {
  switch (d->kind) {
  case DECL_USE: break; // could not be read
  case DECL_DIM:
    for (int i = 0; i < d->dims.n; i++)
      declare_dim(s, &d->dims.v[i]);
    return !d->bad;
  case DECL_LET:
    for (int i = 0; i < d->lets.n; i++)
      declare_let(s, &d->lets.v[i], prelude);
    return !d->bad;
  case DECL_INIT:
    if (s->m->init)
      sema_label(s, sema_error(s, ERR_NAME_TWICE, d->keyword, "`init` is declared twice"),
                 s->m->init->span, "first here");
    s->m->init = d->value;
    s->m->init_seq = s->m->seq++;
    break;
  case DECL_TOKENIZER:
    const_frame(s, false);
    sema_check_tokenizer(s, d->value);
    break;
  case DECL_FN: declare_fn(s, d, prelude); break;
  case DECL_MODULE: declare_module(s, d, prelude); break;
  case DECL_MODEL: declare_model(s, d); break;
  case DECL_CHECKPOINT:
  case DECL_TRAIN: declare_block(s, d); break;
  default: return false;
  }
  return true;
}

// False: something is missing, so that unknown names say nothing.
static bool declare_file(Sema *s, const File *f, bool prelude) {
  bool whole = true;
  for (int i = 0; i < f->decls.n; i++)
    whole &= declare(s, f->decls.v[i], prelude);
  return whole;
}

// ---- the model's own body
static void check_inputs(Sema *s, const Decl *d) {
  if (d->formals.n > MAX_INPUTS)
    sema_error(s, ERR_TOO_LARGE, d->formals.v[MAX_INPUTS].span, "a model has at most %d inputs",
               MAX_INPUTS);
  for (int i = 0; i < d->formals.n; i++) {
    const Formal *f = &d->formals.v[i];
    Value *v = v_poison(s);
    if (!f->type)
      sema_error(s, ERR_UNTYPED_ARGUMENT, f->span, "the input `%s` needs a type", f->name.s);
    else {
      Ty t = ty_eval(s, f->type, false);
      v = ty_value(s, &t);
      Value *preset = f->preset ? sema_constant(s, f->preset, "an input's default") : NULL;
      if (preset && is_number(preset) && !t.bad)
        sema_fit(s, s->frame, (Operand){preset, f->preset->span}, f, s->m->model->name,
                 f->preset->span);
      else if (preset && is_tensor(preset) && !t.bad && t.dtype != DT_BOOL)
        sema_error(s, ERR_OTHER_DTYPE, f->preset->span, "`%s` is %s, and its default bool",
                   f->name.s, dtype_name(t.dtype));
    }
    Bound *b = scope_bind(s, f->name, v);
    if (b)
      b->is_formal = true;
  }
}

static void unused_in_model(Sema *s) {
  for (int i = 0; i < s->m->model->scope->list.n; i++) {
    const Bound *b = s->m->model->scope->list.v[i];
    if (b->used || b->is_formal || b->is_entry || (b->value && is_poison(b->value)))
      continue;
    sema_error(s, ERR_OUT_OF_REACH, b->span, "`%s` is reached by no entry and no loss", b->name);
  }
}

static bool train_bad(const Model *m) {
  for (int i = 0; i < m->trains.n; i++)
    if (m->trains.v[i]->bad)
      return true;
  return false;
}

static void check_model(Sema *s) {
  Module *m = s->m->model;
  m->uses = NEWN(s->a, bool, s->m->dims.n + 1);
  s->frame = NULL;
  Frame *f = frame_push(s, FR_MODEL, m->name, m->decl->name.span);
  f->seq = m->seq;
  f->mod = m;
  f->depth = 1;
  check_inputs(s, m->decl);
  s->m->deps = NEWN(s->a, IntList, m->decl->body->stmts.n + 1);
  sema_body(s, m->decl->body, m->decl->name.span, m->name);
  m->scope = s->scope;
  m->state = 2;
  for (int i = 0; i < s->m->trains.n; i++) {
    frame_restore(s, (Saved){f, m->scope});
    sema_check_train(s, s->m->trains.v[i]);
  }
  frame_restore(s, (Saved){f, m->scope});
  bool draft = s->m->opt.draft;
  if (!m->decl->bad && !train_bad(s->m) && !s->stopped && !draft)
    unused_in_model(s);
}

static void check_all(Sema *s) {
  Model *m = s->m;
  const_frame(s, false);
  sema_check_file_init(s);
  for (int i = 0; i < m->fns.n; i++)
    fn_check(s, m->fns.v[i], m->fns.v[i]->decl->name.span);
  for (int i = 0; i < m->mods.n; i++)
    module_check(s, m->mods.v[i], m->mods.v[i]->decl->name.span);
  const_frame(s, false);
  if (m->model)
    check_model(s);
  for (int i = 0; !m->model && i < m->trains.n + m->checkpoints.n; i++) {
    const Decl *d = i < m->trains.n ? m->trains.v[i] : m->checkpoints.v[i - m->trains.n];
    sema_error(s, ERR_SECOND_MODEL, d->name.span,
               "a `%s` block is about the file's model, and there is none",
               i < m->trains.n ? "train" : "checkpoint");
  }
}

static void check_tree(Sema *s) {
  const_frame(s, false);
  sema_tree(s);
  if (s->stopped || s->d->errors)
    return;
  if (!s->m->opt.draft)
    sema_check_reached(s);
  sema_check_tags(s);
  for (int i = 0; i < s->m->checkpoints.n; i++)
    sema_check_checkpoint(s, s->m->checkpoints.v[i]);
}

static const Define *copy_defines(Arena *a, const Define *of, int n) {
  Define *v = NEWN(a, Define, n + 1);
  for (int i = 0; i < n; i++)
    v[i] = (Define){of[i].name ? arena_strdup(a, of[i].name) : NULL, arena_strdup(a, of[i].value)};
  return v;
}

// A model is built from long after it was loaded: it owns its options.
static ModelOptions copy_options(Arena *a, const ModelOptions *opt) {
  if (!opt)
    return (ModelOptions){0};
  return (ModelOptions){.defs = copy_defines(a, opt->defs, opt->ndefs),
                        .ndefs = opt->ndefs,
                        .forms = copy_defines(a, opt->forms, opt->nforms),
                        .nforms = opt->nforms,
                        .draft = opt->draft,
                        .see = opt->see,
                        .see_ctx = opt->see_ctx};
}

static Model *new_model(Arena *a, Intern *names, Diags *diags, const char *path,
                        const ModelOptions *opt) {
  Model *m = NEW(a, Model);
  *m = (Model){.a = a, .names = names, .d = diags, .path = path, .opt = copy_options(a, opt)};
  m->def_used = NEWN(a, bool, m->opt.ndefs + 1);
  return m;
}

// m->file is there; `before`: errors reported until its text was read.
static Model *check_file(Model *m, int before) {
  Sema s;
  Diags *diags = m->d;
  const char *prelude = prelude_text();
  sema_start(&s, m, NULL);
  File *pre =
      parse_file(m->a, m->names, diags, source_new(m->a, "<prelude>", prelude, strlen(prelude)));
  vec_push(m->a, &m->used_files, intern(m->names, m->path));
  const_frame(&s, false);
  declare_file(&s, pre, true);
  sema_use_files(&s);
  if (!declare_file(&s, m->file, false))
    return m;
  order_symbols(m);
  unknown_defines(&s);
  check_all(&s);
  if (m->model && diags->errors == before)
    check_tree(&s);
  m->ok = diags->errors == before;
  if (m->ok)
    sema_describe(&s);
  return m;
}

Model *model_load(Arena *a, Intern *names, Diags *diags, const char *path, const char *text,
                  const ModelOptions *opt) {
  Model *m = new_model(a, names, diags, path, opt);
  int before = diags->errors;
  size_t size = text ? strlen(text) : 0;
  const char *buf = text ? arena_strndup(a, text, size) : sema_read_text(m, path, (Span){0}, &size);
  if (!buf)
    return m;
  m->file = parse_file(a, names, diags, source_new(a, arena_strdup(a, path), buf, size));
  return check_file(m, before);
}

File *model_join(Arena *a, Intern *names, Diags *diags, File *file) {
  Sema s;
  Model *m = new_model(a, names, diags, file->src->path, NULL);
  m->file = file;
  vec_push(m->a, &m->used_files, intern(m->names, m->path));
  sema_start(&s, m, NULL);
  const_frame(&s, false);
  sema_use_files(&s);
  return m->file;
}

Model *model_load_tree(Arena *a, Intern *names, Diags *diags, File *file, const ModelOptions *opt) {
  Model *m = new_model(a, names, diags, file->src->path, opt);
  m->file = file;
  return check_file(m, diags->errors);
}
