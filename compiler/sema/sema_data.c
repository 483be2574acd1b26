// The data line of a train block: sources of data and the fields that the block picks.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <math.h>
#include <string.h>

// ---- sources and their fields
typedef enum SettingShape { SHAPE_BL, SHAPE_BCL, SHAPE_B, SHAPE_M } SettingShape;
typedef enum SourceId {
#define SOURCE(ID, id, name, least) SOURCE_##ID,
#define FIELD(ID, FIELD, name, dtype, shape)
#include "base/sources.def"
#undef SOURCE
#undef FIELD
} SourceId;
static const char *const sources[] = {
#define SOURCE(ID, id, name, least) name,
#define FIELD(ID, FIELD, name, dtype, shape)
#include "base/sources.def"
#undef SOURCE
#undef FIELD
};
typedef enum ArgumentKind { ARG_RATE, ARG_SHARE, ARG_COUNT, ARG_TRUTH, ARG_CHOICE } ArgumentKind;
typedef struct ArgumentSpec {
  SourceId source;
  const char *name, *what;
  ArgumentKind kind;
} ArgumentSpec;
static const ArgumentSpec argument_specs[] = {
#define ARGUMENT(SOURCE, name, kind, what) {SOURCE_##SOURCE, #name, what, ARG_##kind},
#define CHOICE(SOURCE, argument, ID, name)
#include "base/arguments.def"
#undef ARGUMENT
#undef CHOICE
};
typedef struct ArgumentChoice {
  SourceId source;
  const char *argument, *name;
} ArgumentChoice;
static const ArgumentChoice argument_choices[] = {
#define ARGUMENT(SOURCE, name, kind, what)
#define CHOICE(SOURCE, argument, ID, name) {SOURCE_##SOURCE, #argument, name},
#include "base/arguments.def"
#undef ARGUMENT
#undef CHOICE
};
typedef struct FieldSpec {
  SourceId source;
  const char *name;
  FieldKind kind;
  DType dtype;
  SettingShape shape;
} FieldSpec;
static const FieldSpec field_specs[] = {
#define SOURCE(ID, id, name, least)
#define FIELD(ID, FIELD, name, dtype, shape)                                                       \
  {SOURCE_##ID, name, FIELD_##FIELD, DT_##dtype, SHAPE_##shape},
#include "base/sources.def"
#undef SOURCE
#undef FIELD
};

static bool is_of(const FieldSpec *f, const char *source) {
  return !strcmp(sources[f->source], source);
}

static bool is_field(const FieldSpec *f, const char *source, const char *name) {
  return is_of(f, source) && !strcmp(f->name, name);
}

static const FieldSpec *field_spec(const char *source, const char *name) {
  for (int i = 0; i < COUNT(field_specs); i++)
    if (is_field(&field_specs[i], source, name))
      return &field_specs[i];
  return NULL;
}

// A source without fields of its own has those that a block names: arrays of whatever is in its files.
static bool has_any_field(const char *source) {
  for (int i = 0; i < COUNT(field_specs); i++)
    if (is_of(&field_specs[i], source))
      return false;
  return true;
}

// May a field have this dtype?
static bool dtype_fits(const FieldSpec *spec, DType dtype) {
  bool fits = false;
  for (int i = 0; i < COUNT(field_specs); i++)
    fits |= is_field(&field_specs[i], sources[spec->source], spec->name) &&
            field_specs[i].dtype == dtype;
  return fits;
}

// "i32 or f32"
static const char *dtype_words(Sema *s, const FieldSpec *spec) {
  const char *text = "";
  for (int i = 0; i < COUNT(field_specs); i++)
    if (is_field(&field_specs[i], sources[spec->source], spec->name))
      text =
          arena_printf(s->a, "%s%s%s", text, *text ? " or " : "", dtype_name(field_specs[i].dtype));
  return text;
}

static const Formal *input_formal(const Model *m, const char *name) {
  const Formals *f = &m->model->decl->formals;
  for (int i = 0; i < f->n; i++)
    if (f->v[i].name.s == name)
      return &f->v[i];
  return NULL;
}

// Do rows of the source have several choices?
static bool has_choices(const char *source) {
  bool has = false;
  for (int i = 0; i < COUNT(field_specs); i++)
    has |= is_of(&field_specs[i], source) && field_specs[i].shape == SHAPE_BCL;
  return has;
}

// The input whose axes those of fields are.
static const Formal *ids_formal(const Model *m, const char *source) {
  const Formals *f = &m->model->decl->formals;
  int axes = has_choices(source) ? 3 : 2;
  for (int i = 0; i < f->n; i++)
    if (!strcmp(f->v[i].name.s, "ids") && f->v[i].type && f->v[i].type->dims.n == axes)
      return &f->v[i];
  return NULL;
}

static const char *const shape_words[] = {"like `ids`", "like `ids`", "along the batch of `ids`",
                                          "along the chosen places, a run-time dim of its own"};

// rows: the dim of masked rows (of `tensors`: of all rows) seen so far in this block.
static bool shape_fits(const Model *m, const FieldSpec *spec, const Ty *t, Ax **rows) {
  const Formal *ids = ids_formal(m, sources[spec->source]);
  const TDim *d = ids->type->dims.v;
  if (spec->shape == SHAPE_M) {
    bool ok = t->ax.n == 1 && t->ax.v[0]->name != d[0].name.s && t->ax.v[0]->name != d[1].name.s &&
              (!*rows || *rows == t->ax.v[0]);
    if (ok)
      *rows = t->ax.v[0];
    return ok;
  }
  int n = spec->shape == SHAPE_B ? 1 : ids->type->dims.n;
  if (t->ax.n != n)
    return false;
  for (int i = 0; i < n; i++)
    if (t->ax.v[i]->name != d[i].name.s)
      return false;
  return true;
}

// "ids, types, mask" of a source.
static const char *field_names(Sema *s, const char *source) {
  const char *text = "";
  for (int i = 0; i < COUNT(field_specs); i++)
    if (field_spec(source, field_specs[i].name) == &field_specs[i]) // the first so called
      text = arena_printf(s->a, "%s%s%s", text, *text ? ", " : "", field_specs[i].name);
  return text;
}

static void unknown_field(Sema *s, const Field *f, const char *source) {
  Diag *g = sema_error(s, ERR_BAD_FIELD, f->name.span, "`%s` has no field `%s`: there are %s",
                       source, f->name.s, field_names(s, source));
  Suggest best = {.wanted = f->name.s};
  for (int i = 0; i < COUNT(field_specs); i++)
    if (is_of(&field_specs[i], source))
      suggest_add(&best, field_specs[i].name);
  suggest_help(s, g, &best);
}

static void missing_type(Sema *s, const Field *f, const FieldSpec *spec) {
  const Formal *ids = spec ? ids_formal(s->m, sources[spec->source]) : NULL;
  const char *axes = spec ? "M" : "B";
  for (int i = 0; ids && spec->shape != SHAPE_M && i < ids->type->dims.n; i++)
    if (!i || spec->shape != SHAPE_B)
      axes =
          arena_printf(s->a, "%s%s%s", i ? axes : "", i ? ", " : "", ids->type->dims.v[i].name.s);
  Diag *g = sema_error(s, ERR_BAD_FIELD, f->span, "`%s` is no input of the model: give its type",
                       f->name.s);
  diag_help(s->d, g, "`%s : %s[%s]`", f->name.s, dtype_name(spec ? spec->dtype : DT_I32), axes);
}

// Any array of rows, of the same number in each field.
static bool check_array(Sema *s, const Field *f, const char *source, const Ty *t, Ax **rows) {
  bool held = t->dtype == DT_BOOL || t->dtype == DT_I32 || t->dtype == DT_F32 || t->dtype == DT_F64;
  Ax *first = t->ax.n ? t->ax.v[0] : NULL;
  if (t->bad)
    return true;
  if (!held || !first || (*rows && *rows != first)) {
    sema_error(
        s, ERR_BAD_FIELD, f->span,
        "`%s` of `%s` is bool, i32, f32 or f64, and its first axis is that of the rows%s%s%s, "
        "not %s",
        f->name.s, source, *rows ? ", `" : "", *rows ? (*rows)->name : "", *rows ? "`" : "",
        dtype_axes_str(s, t->dtype, &t->ax));
    return false;
  }
  *rows = first;
  return true;
}

// Whether the source has the field and its type, t, is right.
static bool check_field(Sema *s, const Field *f, const char *source, const Ty *t, Ax **rows,
                        FieldKind *kind) {
  const FieldSpec *spec = field_spec(source, f->name.s);
  *kind = FIELD_ANY;
  if (has_any_field(source))
    return check_array(s, f, source, t, rows);
  if (!spec) {
    unknown_field(s, f, source);
    return false;
  }
  *kind = spec->kind;
  if (!ids_formal(s->m, source)) {
    bool choices = has_choices(source);
    sema_error(s, ERR_BAD_FIELD, f->span,
               "`%s` needs an input `ids : i32[%s]` of the model: its axes are %s", source,
               choices ? "B, C, L" : "B, L",
               choices ? "batch, choices and length" : "batch and length");
    return false;
  }
  if (t->bad || (dtype_fits(spec, t->dtype) && shape_fits(s->m, spec, t, rows)))
    return true;
  sema_error(s, ERR_BAD_FIELD, f->span, "`%s` of `%s` is %s %s, not %s", f->name.s, source,
             dtype_words(s, spec), shape_words[spec->shape], dtype_axes_str(s, t->dtype, &t->ax));
  return false;
}

static void bind_field(Sema *s, const Field *f, const Ty *t) {
  Value *v;
  if (checking(s))
    v = ty_value(s, t);
  else
    v = sema_input(s, &(Formal){.span = f->span, .name = f->name, .type = f->type}, t);
  Bound *b = scope_bind(s, f->name, v);
  if (b)
    b->is_formal = true;
}

static bool takes(const ArgumentSpec *p, const Recipe *r) {
  return !strcmp(sources[p->source], r->source);
}

static const ArgumentSpec *argument_spec(const Recipe *r, const char *name) {
  for (int i = 0; i < COUNT(argument_specs); i++)
    if (takes(&argument_specs[i], r) && !strcmp(argument_specs[i].name, name))
      return &argument_specs[i];
  return NULL;
}

static void unknown_argument(Sema *s, const Arg *a, const Recipe *r) {
  const char *known[COUNT(argument_specs)];
  int n = 0;
  Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, a->name.span, "`%s` has no argument `%s`", r->source,
                       a->name.s);
  for (int i = 0; i < COUNT(argument_specs); i++)
    if (takes(&argument_specs[i], r))
      known[n++] = argument_specs[i].name;
  suggest_list(s, g, a->name.s, known, n);
}

// A number times a schedule, at each moment between 0 and 1.
static bool masked_rate(Sema *s, const Arg *a, const char *what, double *out, Recipe *r) {
  if (!sema_schedule(s, a->value, "a rate of masked tokens", out, &r->masking))
    return false;
  if (*out > 0 && *out * schedule_most(&r->masking) < 1 && schedule_least(&r->masking) > 0)
    return true;
  sema_error(s, ERR_BAD_SETTING, a->span, "%s lies between 0 and 1", what);
  return false;
}

static bool whole_count(Sema *s, const Expr *e, const char *what, double *out) {
  if (!sema_number(s, e, what, 1, INFINITY, out))
    return false;
  if (*out == floor(*out) && *out <= INT32_MAX)
    return true;
  sema_error(s, ERR_BAD_SETTING, e->span, "%s is a whole number", what);
  return false;
}

static bool truth_of(Sema *s, const Expr *e, const char *what, double *out) {
  Value *v = sema_constant(s, e, what);
  if (is_poison(v))
    return false;
  if (is_number(v))
    sema_error(s, ERR_BAD_SETTING, e->span, "%s is true or false", what);
  else
    *out = v->truth;
  return !is_number(v);
}

// The names of an argument's choices, in their order; how many.
static int list_choices(SourceId source, const char *argument,
                        const char *known[COUNT(argument_choices)]) {
  int n = 0;
  for (int i = 0; i < COUNT(argument_choices); i++)
    if (argument_choices[i].source == source && !strcmp(argument_choices[i].argument, argument))
      known[n++] = argument_choices[i].name;
  return n;
}

// The place of the name among the argument's choices.
static bool choice_of(Sema *s, const Expr *e, const ArgumentSpec *p, double *out) {
  const char *known[COUNT(argument_choices)];
  int n = list_choices(p->source, p->name, known);
  int place = e->kind == EX_NAME ? name_place(known, n, e->name.s) : n;
  *out = place;
  if (place < n)
    return true;
  Diag *g = sema_error(s, ERR_BAD_SETTING, e->span, "`%s` says %s: there are %s", p->name, p->what,
                       suggest_text(s, known, n));
  if (e->kind == EX_NAME)
    suggest_list(s, g, e->name.s, known, n);
  return false;
}

static bool argument_value(Sema *s, const Arg *a, const ArgumentSpec *p, double *out, Recipe *r) {
  if (a->value->kind == EX_STR) {
    sema_error(s, ERR_BAD_SETTING, a->value->span, "%s is no text", p->what);
    return false;
  }
  switch (p->kind) {
  case ARG_RATE: return masked_rate(s, a, p->what, out, r);
  case ARG_SHARE: return sema_number(s, a->value, p->what, 0, 1, out);
  case ARG_COUNT: return whole_count(s, a->value, p->what, out);
  case ARG_TRUTH: return truth_of(s, a->value, p->what, out);
  case ARG_CHOICE: return choice_of(s, a->value, p, out);
  }
  return false;
}

// Paths come first.
static bool is_path(const Arg *a, const Recipe *r) {
  bool first = !r->args.n || !r->args.v[r->args.n - 1].name;
  return first && a->value->kind == EX_STR;
}

static void source_arg(Sema *s, const Arg *a, Recipe *r) {
  SourceArg arg = {.name = a->name.s};
  const ArgumentSpec *spec = r->source_known && a->name.s ? argument_spec(r, a->name.s) : NULL;
  if (!r->source_known)
    return;
  if (a->name.s && !spec) {
    unknown_argument(s, a, r);
    return;
  }
  if (!spec && !is_path(a, r)) {
    sema_error(s, ERR_WRONG_ARGUMENTS, a->span, "`%s` takes paths, then arguments by name",
               r->source);
    return;
  }
  if (spec && !argument_value(s, a, spec, &arg.num, r))
    return;
  arg.text = spec ? NULL : a->value->str.s;
  vec_push(s->a, &r->args, arg);
}

static const SourceArg *given(const Recipe *r, const char *name) {
  for (int i = 0; i < r->args.n; i++)
    if (r->args.v[i].name && !strcmp(r->args.v[i].name, name))
      return &r->args.v[i];
  return NULL;
}

// Does the recipe give its argument this choice?
static bool chosen(const Recipe *r, const char *argument, const char *choice) {
  const ArgumentSpec *p = argument_spec(r, argument);
  const SourceArg *a = given(r, argument);
  const char *known[COUNT(argument_choices)];
  return a && p && (int)a->num < list_choices(p->source, argument, known) &&
         !strcmp(known[(int)a->num], choice);
}

// What is said of rows that are none of this recipe's would be passed over.
static void check_short(Sema *s, const Expr *source, const Recipe *r) {
  bool passed = given(r, "short") && !chosen(r, "rows", "sentences");
  for (int i = 0; passed && i < source->args.n; i++)
    if (source->args.v[i].name.s && !strcmp(source->args.v[i].name.s, "short"))
      sema_error(s, ERR_BAD_SETTING, source->args.v[i].name.span,
                 "`short` is of rows of whole sentences: `rows: sentences`");
}

static void check_source(Sema *s, const TrItem *it, Recipe *r) {
  const Expr *e = it->source, *callee = e->kind == EX_CALL ? e->a : e;
  if (callee->kind != EX_NAME) {
    sema_error(s, ERR_UNKNOWN_SOURCE, e->span,
               "a data source is named and called: `mlm_text(\"corpus/*.txt\")`");
    return;
  }
  r->source = callee->name.s;
  r->source_known = name_listed(sources, COUNT(sources), r->source);
  if (!r->source_known) {
    Diag *g =
        sema_error(s, ERR_UNKNOWN_SOURCE, callee->span, "unknown data source `%s`: there are %s",
                   r->source, suggest_text(s, sources, COUNT(sources)));
    suggest_list(s, g, r->source, sources, COUNT(sources));
  }
  sema_args_once(s, e, r->source);
  for (int i = 0; e->kind == EX_CALL && i < e->args.n; i++)
    source_arg(s, &e->args.v[i], r);
  if (e->kind == EX_CALL)
    check_short(s, e, r);
}

static bool picked(const Recipe *r, const char *name) {
  for (int i = 0; i < r->fields.n; i++)
    if (r->fields.v[i].value.name == name)
      return true;
  return false;
}

// The block would mean the field by the name of a value, a child or a parameter of the model.
static void check_hiding(Sema *s, const Field *f) {
  const Bound *b = scope_find(s->m->model->scope, f->name.s);
  if (!b)
    return;
  Diag *g = sema_error(s, ERR_NAME_TWICE, f->name.span,
                       "a field `%s` would hide what the model calls so", f->name.s);
  sema_label(s, g, b->span, "first here");
}

// A field that is wrong is bound all the same, to what raises no errors of its own.
static void run_field(Sema *s, const Field *f, Recipe *r, Ax **rows) {
  const Formal *input = input_formal(s->m, f->name.s);
  const Type *type = input ? input->type : f->type;
  TrainField out = {.is_input = input != NULL};
  const char *source = r && r->source_known ? r->source : NULL;
  Ty t = {.bad = true};
  if (type)
    t = ty_eval(s, type, false);
  if (r && input && f->type)
    sema_error(s, ERR_BAD_FIELD, f->type->span, "`%s` is an input of the model, which has its type",
               f->name.s);
  if (r && input && picked(r, f->name.s)) // of another field the binding tells
    sema_error(s, ERR_BAD_FIELD, f->span, "`%s` is picked twice", f->name.s);
  if (r && !input)
    check_hiding(s, f);
  const FieldSpec *spec = source ? field_spec(source, f->name.s) : NULL;
  if (!type && (spec || !source || has_any_field(source)))
    missing_type(s, f, spec);
  else if (source && !check_field(s, f, source, &t, rows, &out.kind))
    t.bad = true;
  if (!input)
    bind_field(s, f, &t);
  if (r && !t.bad) {
    sema_model_value(s, f->name, &t, &out.value);
    vec_push(s->a, &r->fields, out);
  }
}

static void count_inputs(Sema *s, const TrItem *it, const Recipe *r) {
  int inputs = s->m->model->decl->formals.n, n = inputs;
  for (int i = 0; i < r->fields.n; i++)
    n += !r->fields.v[i].is_input;
  if (n > MAX_INPUTS && inputs <= MAX_INPUTS)
    sema_error(s, ERR_TOO_LARGE, it->span,
               "inputs of the model and new fields are %d together, and at most %d", n, MAX_INPUTS);
}

void sema_train_data(Sema *s, const TrItem *it, Recipe *r) {
  Ax *rows = NULL;
  if (r)
    check_source(s, it, r);
  for (int i = 0; i < it->fields.n; i++)
    run_field(s, &it->fields.v[i], r, &rows);
  if (r)
    count_inputs(s, it, r);
}
