// See picture.h.
#include "compiler/commands/picture_internal.h"
#include "compiler/commands/drawing.h"
#include "runtime/files/file.h"
#include <string.h>

enum { USUAL_LENGTH = 128, WIDEST = 1500, HIGHEST = 5200, DEEPEST = 12 };

// ---- sizes: what -D does not say is one batch of a usual length
static int64_t usual_size(const ModelDim *d) {
  int64_t n = strcmp(d->name, "B") ? USUAL_LENGTH : 1;
  return d->bound && d->bound < n ? d->bound : n;
}

static const char *dim_text(Picture *p, const char *before, const char *name, int64_t size) {
  return arena_printf(p->a, "%s%s%s = %lld", before, *before ? ", " : "", name, (long long)size);
}

static bool has_sym(const Poly *p, int sym) {
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      if (p->t[i].sym[k] == sym)
        return true;
  return false;
}

static bool is_reached(const Picture *p, int sym) {
  int n;
  Node *root = p->out.node, **live = graph_reachable(p->g, &root, 1, &n);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < live[i]->nax; k++)
      if (has_sym(&live[i]->ax[k]->extent, sym))
        return true;
  return false;
}

static const char *set_dims(Picture *p) {
  const ModelDim *dim;
  const char *text = "";
  int n = model_dims(p->s->model, &dim);
  for (int i = 0; i < n; i++)
    if (dim_is_given(&dim[i]))
      p->sym[dim[i].sym] = usual_size(&dim[i]);
  model_complete_sizes(p->s->model, p->sym);
  for (int i = 0; i < p->s->fixed.n; i++)
    text = dim_text(p, text, p->s->fixed.v[i].name, p->s->fixed.v[i].extent);
  for (int i = 0; i < n; i++)
    if (dim_is_given(&dim[i]) && is_reached(p, dim[i].sym))
      text = dim_text(p, text, dim[i].name, p->sym[dim[i].sym]);
  return text;
}

// ---- the graph
static int build_graph(Picture *p) {
  p->g = graph_new(p->a, p->s->names);
  model_register_params(p->s->model, p->g);
  bool ok = model_build_entry(p->s->model, p->g, p->want->entry, false, &p->out);
  int status = session_diags(p->s, EXIT_MODEL);
  return ok ? status : EXIT_MODEL;
}

// ---- boxes: fewer are opened where all would be too large to look at
static bool is_too_large(const Picture *p, const DrawBox *b) {
  return b->in.w > WIDEST || (!p->want->folds && b->in.h > HIGHEST);
}

static DrawBox *fitting_boxes(Picture *p) {
  for (p->deepest = DEEPEST;; p->deepest = p->deepest > DEEPEST ? DEEPEST
                                           : p->deepest > 5     ? 5
                                                                : p->deepest - 1) {
    DrawBox *b = picture_boxes(p);
    boxes_place(p->a, b);
    if (!is_too_large(p, b) || p->deepest == 1)
      return b;
    if (!p->brief)
      p->brief = true, p->deepest = DEEPEST + 1;
  }
}

int picture_make(Session *s, const PictureWant *want, ModelPicture *out) {
  Picture *p = NEW(s->arena, Picture);
  *p = (Picture){.s = s, .a = s->arena, .want = want};
  int status = build_graph(p);
  if (status)
    return status;
  const char *dims = set_dims(p);
  picture_modules(p);
  picture_levels(p);
  *out = (ModelPicture){.root = fitting_boxes(p),
                        .title = session_text(s, "%s.%s", model_name(s->model), want->entry),
                        .dims = p->sym};
  out->note[0] = session_text(s, "%s, %s", pic_amount(p->a, p->root->elements, " parameters"),
                              pic_amount(p->a, p->root->flops, "FLOP"));
  out->note[1] = session_text(s, "at %s", dims);
  if (want->time)
    out->note[0] = session_text(s, "%s, %.3g ms", out->note[0], p->root->ms);
  return 0;
}

// ---- which entry
static const char *entry_names(Session *s) {
  const ModelValue *v;
  const char *text = "";
  for (int i = 0, n = model_entries(s->model, &v); i < n; i++)
    text = session_text(s, "%s%s%s", text, i ? ", " : "", v[i].name);
  return text;
}

static int choose_entry(Session *s, const char **entry) {
  const ModelValue *v;
  int n = model_entries(s->model, &v);
  if (!n)
    return session_error(s, EXIT_MODEL, "there is nothing to draw: the model has no entry");
  *entry = s->o->entry ? s->o->entry : v[0].name;
  return model_entry(s->model, *entry)
             ? 0
             : session_error(s, EXIT_MODEL, "no entry `%s`; it has: %s", *entry, entry_names(s));
}

// ---- time: the entry runs at the sizes of the picture
static void add_size(Session *s, Options *o, const ModelDim *d) {
  const char *size = session_text(s, "%lld", (long long)usual_size(d));
  vec_push(s->arena, &o->defs, ((Define){d->name, size}));
}

static int measure(Session *s, PictureWant *want) {
  Options o = *s->o;
  const ModelDim *dim;
  StepTime *time;
  Defines own = {0};
  for (int i = 0; i < o.defs.n; i++)
    vec_push(s->arena, &own, o.defs.v[i]);
  o.defs = own;
  o.entry = want->entry;
  for (int i = 0, n = model_dims(s->model, &dim); i < n; i++)
    if (dim_is_given(&dim[i]))
      add_size(s, &o, &dim[i]);
  int status = bench_steps(&o, s->arena, &time, &want->ntime);
  want->time = status ? NULL : time;
  return status;
}

int picture_write(Session *s, const char *path) {
  PictureWant want = {.folds = file_has_suffix(path, ".html")};
  ModelPicture made;
  Drawing d;
  int status = session_needs_model(s);
  status = status ? status : choose_entry(s, &want.entry);
  status = status || !s->o->time ? status : measure(s, &want);
  status = status ? status : picture_make(s, &want, &made);
  status = status ? status : drawing_begin(s, &d);
  if (status)
    return status;
  if (want.folds)
    status = picture_page(s, d.f, &want, &made);
  else
    boxes_svg(d.f, &(BoxPicture){made.root, made.title, made.note, 2, false});
  if (!status)
    return drawing_write(s, &d, path);
  drawing_drop(&d);
  return status;
}
