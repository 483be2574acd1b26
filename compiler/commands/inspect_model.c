// What a model's text says: entries, parameters, recipes, checkpoint blocks; and what running it
// costs.
#include "compiler/commands/inspect.h"
#include "codegen/target.h"
#include "runtime/exec/exec.h"
#include <math.h>
#include <string.h>

// ---- recipes
static const char *schedule_text(Session *s, double number, const Schedule *v) {
  const char *text = session_text(s, "%.10g", number);
  for (int i = 0; i < v->n; i++) {
    const SchedulePiece *p = &v->v[i];
    text = session_text(s, "%s%s%s", text, i ? " then " : ", ", schedule_names[p->kind]);
    if (p->length > 0 && p->length < 1)
      text = session_text(s, "%s %g %%", text, 100 * p->length);
    else if (p->length > 0)
      text = session_text(s, "%s %g steps", text, p->length);
    if (schedule_falls[p->kind])
      text = session_text(s, "%s to %g", text, p->to);
  }
  return text;
}

static void print_group(Session *s, const TagGroup *g) {
  const char *text = "";
  for (int i = 0; i < g->ntags; i++)
    text = session_text(s, "%s%s@%s", text, i ? ", " : "", g->tags[i]);
  printf("    group %s:", text);
  if (g->has_rate)
    printf(" rate %s %g", g->rate_times ? "*=" : "=", g->rate);
  if (g->has_decay)
    printf(" decay = %g", g->decay);
  if (g->has_frozen)
    printf(" %s", g->frozen ? "frozen" : "not frozen");
  printf("\n");
}

// What the optimizer takes, and nothing that it does not use.
static void print_optimizer(const Optimizer *o) {
  const char *takes = optimizer_arguments[o->kind];
  printf("    %s", optimizer_names[o->kind]);
  if (strstr(takes, "beta"))
    printf(", beta %g %g", o->beta1, o->beta2);
  if (strstr(takes, "eps"))
    printf(", eps %g", o->eps);
  if (strstr(takes, "momentum"))
    printf(", momentum %g", o->momentum);
  printf("\n");
}

// What the source masks, before its schedule.
static double masked(const Recipe *r) {
  double rate = 0;
  for (int i = 0; i < r->args.n; i++)
    rate = r->args.v[i].name && !strcmp(r->args.v[i].name, "rate") ? r->args.v[i].num : rate;
  return rate;
}

static void print_recipe(Session *s, const Recipe *r) {
  printf("  train %s", r->name);
  if (r->source)
    printf(" on %s", r->source);
  if (r->from)
    printf(" from \"%s\"", r->from);
  printf("\n");
  if (r->has_optimizer)
    print_optimizer(&r->optimizer);
  if (r->has_rate)
    printf("    rate %s\n", schedule_text(s, r->rate, &r->schedule));
  if (r->masking.n)
    printf("    masked %s\n", schedule_text(s, masked(r), &r->masking));
  if (r->growth.n)
    printf("    batch %s\n", schedule_text(s, (double)r->batch, &r->growth));
  if (r->ema > 0)
    printf("    averaged, ema %.10g\n", r->ema);
  printf("    decay %g, clip %g, batch %lld", r->decay, r->clip, (long long)r->batch);
  if (r->pieces > 1)
    printf(" in %lld pieces", (long long)r->pieces);
  if (r->steps)
    printf(", %s steps", inspect_grouped(s, r->steps));
  if (r->epochs)
    printf(", %lld epochs", (long long)r->epochs);
  printf("\n");
  for (int i = 0; i < r->groups.n; i++)
    print_group(s, &r->groups.v[i]);
}

static void print_checkpoint(Session *s, const CkptTable *t) {
  (void)s;
  printf("  checkpoint %s: %d tensors", t->name, t->params.n);
  for (int i = 0; i < t->groups.n; i++)
    printf("%s%s", i ? ", " : ", may lack ", t->groups.v[i]);
  printf("\n");
  for (int i = 0; i < t->params.n && i < 2; i++)
    printf("    %s\n", t->params.v[i].name);
  if (t->params.n > 2)
    printf("    ...\n");
}

// ---- costs

static const char *dims_text(Session *s, const BigsModule *m, const bigs_info_entry *e,
                             const int64_t *dims) {
  const char *text = "";
  for (int i = 0; i < e->ndim; i++)
    text = session_text(s, "%s%s%s = %lld", text, i ? ", " : "", m->dim[e->dim[i]].name,
                        (long long)dims[e->dim[i]]);
  return text;
}

static bool dims_known(const bigs_info_entry *e, const int64_t *dims) {
  for (int i = 0; i < e->ndim; i++)
    if (!dims[e->dim[i]])
      return false;
  return true;
}

void inspect_costs(Session *s, const BigsModule *m, JsonText *json) {
  bigs_info *info = bigs_info_new(m);
  JsonText costs = {0};
  for (int i = 0; info && i < info->nentry; i++) {
    const bigs_info_entry *e = &info->entry[i];
    if (!dims_known(e, s->given))
      continue;
    double flops = info->flops(info, e->program, s->given);
    int64_t bytes = info->memory(info, e->program, s->given);
    const char *forms = program_for(m, e->program, s->given)->forms;
    if (!json) {
      printf("  %s%s%s%s: ", e->name, e->trains ? " (a step)" : "", e->ndim ? " at " : "",
             dims_text(s, m, e, s->given));
      if (flops < 0 || bytes < 0)
        printf("a dim is out of bounds, or too large\n");
      else
        printf("%.4g GFLOP, %s besides the parameters%s%s\n", flops / 1e9, inspect_bytes(s, bytes),
               forms ? ", " : "", forms ? forms : "");
      continue;
    }
    JsonText cost = {0};
    record_begin(&cost);
    record_text(&cost, "name", e->name);
    record_number(&cost, "gflop", flops < 0 ? NAN : flops / 1e9);
    record_number(&cost, "memory_mib", bytes < 0 ? NAN : (double)bytes / (1 << 20));
    record_text(&cost, "forms", forms);
    record_end(&cost);
    inspect_item(&costs, &cost);
  }
  bigs_info_free(info);
  if (json)
    inspect_list(json, "costs", &costs);
}

// Tables without machine code.
static int plan(Session *s) {
  BuildWant want = {.nentries = -1, .ntrains = -1, .update = true};
  BuildOptions b = session_build_options(s->o);
  b.gpu = b.gpu || target_missing(); // the plan for whatever code can be made
  session_take_int8(s, &b);
  if (!build_module(&s->build, s->arena, s->names, s->diags, s->model, &want, &b))
    return session_diags(s, EXIT_MODEL);
  s->build.module->builtin = session_builtins();
  return session_diags(s, EXIT_MODEL);
}

static bool has_given(const Session *s) {
  for (int i = 0; i < MAX_SYMS; i++)
    if (s->given[i])
      return true;
  return false;
}

// ---- JSON

static void json_names(JsonText *t, const char *key, const char *const *name, int n) {
  JsonText list = {0}, item;
  for (int i = 0; i < n; i++) {
    item = (JsonText){0};
    json_put_string(&item, name[i], strlen(name[i]));
    inspect_item(&list, &item);
  }
  inspect_list(t, key, &list);
}

static void json_dims(JsonText *t, const Model *m) {
  const ModelDim *dims;
  JsonText list = {0};
  for (int i = 0, n = model_dims(m, &dims); i < n; i++) {
    JsonText d = {0};
    record_begin(&d);
    record_text(&d, "name", dims[i].name);
    if (dims[i].fixed)
      record_int(&d, "extent", dims[i].extent);
    else if (dims[i].formula)
      record_text(&d, "formula", dims[i].formula);
    else if (dims[i].bound)
      record_int(&d, "bound", dims[i].bound);
    record_end(&d);
    inspect_item(&list, &d);
  }
  inspect_list(t, "dims", &list);
}

static void json_values(JsonText *t, const char *key, const ModelValue *v, int n) {
  JsonText list = {0};
  for (int i = 0; i < n; i++) {
    JsonText o = {0};
    record_begin(&o);
    record_text(&o, "name", v[i].name);
    record_text(&o, "dtype", dtype_name(v[i].dtype));
    json_names(&o, "axes", v[i].axes, v[i].nax);
    if (v[i].has_default)
      record_number(&o, "default", v[i].fallback);
    record_end(&o);
    inspect_item(&list, &o);
  }
  inspect_list(t, key, &list);
}

static void json_forms(JsonText *t, const Model *m) {
  const Stmt *const *f;
  JsonText list = {0};
  for (int i = 0, n = model_forms(m, &f); i < n; i++) {
    JsonText o = {0}, members = {0}, name;
    for (int k = 0; k < f[i]->forms.n; k++) {
      name = (JsonText){0};
      json_put_string(&name, f[i]->forms.v[k].name.s, strlen(f[i]->forms.v[k].name.s));
      inspect_item(&members, &name);
    }
    record_begin(&o);
    record_text(&o, "name", f[i]->names.v[0].s);
    inspect_list(&o, "members", &members);
    const Bind *taken = model_form_asked(m, f[i]);
    record_text(&o, "taken",
                taken ? taken->name.s : NULL); // null: the one that is fastest at the sizes
    record_end(&o);
    inspect_item(&list, &o);
  }
  inspect_list(t, "forms", &list);
}

static void json_params(JsonText *t, const Model *m) {
  const ModelParam *p;
  JsonText list = {0};
  int64_t total = 0;
  for (int i = 0, n = model_params(m, &p); i < n; i++) {
    JsonText o = {0}, shape = {0}, number;
    record_begin(&o);
    record_text(&o, "name", p[i].path);
    record_text(&o, "dtype", dtype_name(p[i].dtype));
    for (int k = 0; k < p[i].nax; k++) {
      number = (JsonText){0};
      json_put_int(&number, p[i].extent[k]);
      inspect_item(&shape, &number);
    }
    inspect_list(&o, "shape", &shape);
    json_names(&o, "axes", p[i].axes, p[i].nax);
    json_names(&o, "tags", p[i].tags, p[i].ntags);
    record_end(&o);
    inspect_item(&list, &o);
    total += p[i].elements;
  }
  record_int(t, "parameter_count", total);
  inspect_list(t, "parameters", &list);
}

static void json_recipes(JsonText *t, const Model *m) {
  const Recipe *const *r;
  JsonText list = {0};
  for (int i = 0, n = model_trains(m, &r); i < n; i++) {
    JsonText o = {0};
    record_begin(&o);
    record_text(&o, "name", r[i]->name);
    record_text(&o, "source", r[i]->source);
    record_text(&o, "from", r[i]->from);
    record_text(&o, "optimizer",
                r[i]->has_optimizer ? optimizer_names[r[i]->optimizer.kind] : NULL);
    record_number(&o, "rate", r[i]->has_rate ? r[i]->rate : NAN); // null
    record_number(&o, "decay", r[i]->decay);
    record_number(&o, "clip", r[i]->clip);
    record_number(&o, "ema", r[i]->ema);
    record_int(&o, "batch", r[i]->batch);
    record_int(&o, "pieces", r[i]->pieces > 1 ? r[i]->pieces : 1);
    record_int(&o, "steps", r[i]->steps);
    record_int(&o, "epochs", r[i]->epochs);
    record_end(&o);
    inspect_item(&list, &o);
  }
  inspect_list(t, "trains", &list);
}

static int model_json(Session *s, const char *path) {
  const ModelValue *v;
  const CkptTable *const *tables;
  JsonText t = {0};
  record_begin(&t);
  record_text(&t, "kind", "model");
  record_text(&t, "path", path);
  record_text(&t, "model", model_name(s->model));
  json_dims(&t, s->model);
  int n = model_inputs(s->model, &v);
  json_values(&t, "inputs", v, n);
  n = model_entries(s->model, &v);
  json_values(&t, "entries", v, n);
  json_forms(&t, s->model);
  json_params(&t, s->model);
  json_recipes(&t, s->model);
  n = model_checkpoints(s->model, &tables);
  const char **names = NEWN(s->arena, const char *, n + 1);
  for (int i = 0; i < n; i++)
    names[i] = tables[i]->name;
  json_names(&t, "checkpoints", names, n);
  if (s->build.module)
    inspect_costs(s, s->build.module, &t);
  return inspect_json(s, &t);
}

int inspect_model(Session *s, const char *path) {
  const Recipe *const *r;
  const CkptTable *const *t;
  int status = has_given(s) && model_name(s->model) ? plan(s) : 0;
  if (status || s->o->json)
    return status ? status : model_json(s, path);
  // The short list of blocks at its end is said at length here.
  char *text = model_describe(s->arena, s->model), *end = strstr(text, "\n  checkpoint ");
  end = end ? end : strstr(text, "\n  train ");
  if (end)
    end[1] = 0;
  fputs(text, stdout);
  for (int i = 0, n = model_checkpoints(s->model, &t); i < n; i++)
    print_checkpoint(s, t[i]);
  for (int i = 0, n = model_trains(s->model, &r); i < n; i++)
    print_recipe(s, r[i]);
  if (s->build.module)
    inspect_costs(s, s->build.module, NULL);
  return 0;
}
