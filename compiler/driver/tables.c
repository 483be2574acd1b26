// What the driver adds to a planned module: names, constants, tokenizer, recipes, checkpoint
// blocks, the source text.
#include "compiler/driver/options.h"
#include "compiler/driver/pipeline.h"
#include <string.h>

static uint32_t tag_bits(const BigsModule *m, const char *const *tags, int n) {
  uint32_t bits = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < m->ntag; k++)
      if (!strcmp(tags[i], m->tag[k]))
        bits |= 1u << k;
  return bits;
}

const BigsPiece *schedule_pieces(Arena *a, const Schedule *of) {
  BigsPiece *p = NEWN(a, BigsPiece, of->n + 1);
  for (int i = 0; i < of->n; i++) {
    const SchedulePiece *s = &of->v[i];
    p[i] = (BigsPiece){.kind = (int32_t)s->kind, .length = s->length, .to = s->to};
  }
  return p;
}

static const BigsGroup *groups(Arena *a, const BigsModule *m, const Recipe *r) {
  BigsGroup *g = NEWN(a, BigsGroup, r->groups.n + 2);
  for (int i = 0; i < r->groups.n; i++) {
    const TagGroup *t = &r->groups.v[i];
    g[i] = (BigsGroup){.tags = tag_bits(m, t->tags, t->ntags),
                       .has_rate = t->has_rate,
                       .rate_is_factor = t->rate_times,
                       .rate = t->rate,
                       .has_decay = t->has_decay,
                       .decay = t->decay,
                       .has_frozen = t->has_frozen,
                       .frozen = t->frozen};
  }
  g[r->groups.n] = (BigsGroup){.tags = tag_bits(m, (const char *const[]){"state"}, 1),
                               .has_decay = true,
                               .decay = STATE_DECAY,
                               .has_frozen = true};
  return g;
}

// Inputs that the data line leaves to their defaults.
static uint32_t unpicked(const BigsModule *m, const Recipe *r) {
  uint32_t bits = 0;
  for (int i = 0; i < m->ninput && i < 32; i++) {
    bool picked = !m->input[i].optional;
    for (int k = 0; k < r->fields.n && !picked; k++)
      picked = !strcmp(r->fields.v[k].value.name, m->input[i].name);
    if (!picked)
      bits |= 1u << i;
  }
  return bits;
}

static const BigsArgument *arguments(Arena *a, const Recipe *r, int32_t *n) {
  BigsArgument *out = NEWN(a, BigsArgument, r->args.n + 1);
  *n = 0;
  for (int i = 0; i < r->args.n; i++)
    if (r->args.v[i].name)
      out[(*n)++] = (BigsArgument){r->args.v[i].name, r->args.v[i].num};
  return out;
}

static const char *const *more_paths(Arena *a, const Recipe *r, int32_t *n) {
  const char **out = NEWN(a, const char *, r->args.n + 1);
  *n = -1;
  for (int i = 0; i < r->args.n; i++)
    if (r->args.v[i].text && ++*n > 0)
      out[*n - 1] = r->args.v[i].text;
  *n = *n < 0 ? 0 : *n;
  return out;
}

static BigsTrain train_table(Build *b, const BigsModule *m, const Recipe *r, TrainPrograms p) {
  BigsTrain t = {.name = r->name,
                 .program = p.gradient,
                 .update = p.update,
                 .norm = p.norm,
                 .sum = p.sum,
                 .unpicked = unpicked(m, r),
                 .source = r->source,
                 .optimizer = optimizer_names[r->optimizer.kind],
                 .beta1 = r->optimizer.beta1,
                 .beta2 = r->optimizer.beta2,
                 .eps = r->optimizer.eps,
                 .momentum = r->optimizer.momentum,
                 .rate = r->has_rate ? r->rate : -1,
                 .decay = r->decay,
                 .clip = r->clip,
                 .ema = r->ema,
                 .batch = r->batch,
                 .pieces = r->pieces,
                 .steps = r->steps,
                 .epochs = (double)r->epochs,
                 .npiece = r->schedule.n,
                 .nmask_piece = r->masking.n,
                 .nbatch_piece = r->growth.n,
                 .ngroup = r->groups.n + model_has_states(b->model),
                 .piece = schedule_pieces(b->arena, &r->schedule),
                 .mask_piece = schedule_pieces(b->arena, &r->masking),
                 .batch_piece = schedule_pieces(b->arena, &r->growth),
                 .group = groups(b->arena, m, r),
                 .from = r->from};
  t.argument = arguments(b->arena, r, &t.nargument);
  t.more = more_paths(b->arena, r, &t.nmore);
  for (int i = 0; i < r->args.n; i++) {
    const SourceArg *s = &r->args.v[i];
    if (s->text && !t.path)
      t.path = s->text;
    else if (s->name && !strcmp(s->name, "rate"))
      t.mask_rate = s->num;
  }
  return t;
}

// Strides of the stored tensor along the native axes: see BigsName.
static void stored_strides(const ModelParam *p, const StoredParam *s, int64_t *stride) {
  int64_t pair = dtype_is_complex(p->dtype) ? 2 : 1, inner = 1;
  for (int i = p->nax - 1; i >= 0; i--) {
    // inner: product of the native extents behind axis i
    if (!s->transposed)
      stride[i] = inner * pair;
    else
      stride[i] = inner < s->cols ? inner * s->rows * pair : inner / s->cols * pair;
    inner *= p->extent[i];
  }
  if (pair == 2)
    stride[p->nax] = 1;
}

static const BigsName *names_table(Arena *a, const Model *model, const CkptTable *c) {
  const ModelParam *params;
  int n = model_params(model, &params);
  BigsName *out = NEWN(a, BigsName, n + 1);
  for (int i = 0; i < n; i++) {
    const StoredParam *s = &c->params.v[i];
    out[i] = (BigsName){.stored = s->name,
                        .may_init = s->group >= 0,
                        .init_group = s->group + 1,
                        .rank = (uint8_t)s->nshape};
    memcpy(out[i].shape, s->shape, sizeof s->shape);
    stored_strides(&params[i], s, out[i].stride);
  }
  return out;
}

// Compile-time value of a dim or let.
static double value_of(const Model *model, const char *name) {
  const ModelDim *dims;
  const ModelLet *lets;
  for (int i = 0, n = model_dims(model, &dims); i < n; i++)
    if (!strcmp(dims[i].name, name))
      return dims[i].fixed ? (double)dims[i].extent : 0;
  for (int i = 0, n = model_lets(model, &lets); i < n; i++)
    if (!strcmp(lets[i].name, name))
      return lets[i].value;
  return 0;
}

BigsCheckpoint checkpoint_table(Arena *a, const Model *model, const CkptTable *c) {
  BigsAlias *alias = NEWN(a, BigsAlias, c->aliases.n + 1);
  BigsConfig *config = NEWN(a, BigsConfig, c->config.n + 1);
  BigsIgnore *ignore = NEWN(a, BigsIgnore, c->ignore.n + 1);
  int nconfig = 0;
  for (int i = 0; i < c->aliases.n; i++)
    alias[i] = (BigsAlias){.old = c->aliases.v[i].old_name.s, .now = c->aliases.v[i].new_name.s};
  for (int i = 0; i < c->ignore.n; i++)
    ignore[i] = (BigsIgnore){.pattern = c->ignore.v[i].pattern, .param = c->ignore.v[i].param};
  for (int i = 0; i < c->config.n; i++) {
    const CkptConfig *k = &c->config.v[i];
    if (strcmp(k->file, "config.json")) // no other is read beside weights later
      continue;
    double number = k->name ? value_of(model, k->name) : k->num;
    config[nconfig++] = (BigsConfig){.key = k->key,
                                     .name = k->name,
                                     .number = number,
                                     .text = k->is_text ? k->text : k->when[number != 0],
                                     .is_bool = k->is_bool};
  }
  return (BigsCheckpoint){.name = c->name,
                          .entry = names_table(a, model, c),
                          .nalias = c->aliases.n,
                          .nignore = c->ignore.n,
                          .nconfig = nconfig,
                          .alias = alias,
                          .ignore = ignore,
                          .config = config};
}

static void constants(Build *b, BigsModule *m) {
  const ModelDim *dims;
  const ModelLet *lets;
  int nd = model_dims(b->model, &dims), nl = model_lets(b->model, &lets), n = 0;
  BigsNamedValue *v = NEWN(b->arena, BigsNamedValue, nd + nl + 1);
  for (int i = 0; i < nd; i++)
    if (dims[i].fixed)
      v[n++] = (BigsNamedValue){dims[i].name, (double)dims[i].extent};
  for (int i = 0; i < nl; i++)
    v[n++] = (BigsNamedValue){lets[i].name, lets[i].value};
  m->constant = v;
  m->nconst = n;
}

static void asked_forms(Build *b, BigsModule *m) {
  const Define *f;
  int n = model_forms_asked(b->model, &f);
  BigsForm *v = NEWN(b->arena, BigsForm, n + 1);
  for (int i = 0; i < n; i++)
    v[i] = (BigsForm){f[i].name, f[i].value};
  m->form = v;
  m->nform = n;
}

// The planner calls axes by the names that are the same everywhere; at the boundary they are called
// as the entry declares them.
static void declared_axes(Build *b, BigsModule *m) {
  for (int i = 0; i < b->entries.n && !b->want->graph; i++) {
    BigsTensor *t = (BigsTensor *)m->program[i].output;
    for (int k = 0; k < t->rank; k++)
      t->axis[k] = b->entries.v[i].ax[k]->name;
  }
}

// A program that computes a product of several layers for the sake of one depends on that one's parameters only.
static void reached_params(Build *b, BigsModule *m, const TrainPrograms *programs) {
  for (int i = 0; i < b->reached.n; i++) {
    int program = i < b->entries.n ? i : programs[i - b->entries.n].gradient;
    uint8_t *used = (uint8_t *)(uintptr_t)m->program[program].param_used;
    for (int k = 0; k < m->nparam; k++)
      used[k] &= b->reached.v[i][k];
  }
}

void fill_tables(Build *b, BigsModule *m, const TrainPrograms *programs) {
  Arena *a = b->arena;
  const TokenizerDecl *t = model_tokenizer(b->model);
  const CkptTable *const *tables;
  m->abi = BIGS_ABI_VERSION;
  m->model = b->options.name ? b->options.name : model_name(b->model);
  m->version = bigsc_version();
  m->target = b->target->cpu;
  m->features = b->target->features;
  constants(b, m);
  asked_forms(b, m);
  declared_axes(b, m);
  reached_params(b, m, programs);
  BigsTrain *train = NEWN(a, BigsTrain, b->trains.n + 1);
  for (int i = 0; i < b->trains.n; i++)
    train[i] = train_table(b, m, b->trains.v[i], programs[i]);
  m->train = train;
  m->ntrain = b->trains.n;
  m->ncheckpoint = model_checkpoints(b->model, &tables);
  BigsCheckpoint *c = NEWN(a, BigsCheckpoint, m->ncheckpoint + 1);
  for (int i = 0; i < m->ncheckpoint; i++)
    c[i] = checkpoint_table(a, b->model, tables[i]);
  m->checkpoint = c;
  m->tokenizer = t->given ? tokenizer_names[t->kind] : NULL;
  m->vocab = t->vocab;
  m->lower = t->lower;
  m->pad_to = t->pad_to;
  m->mdl = model_text(b->model);
}
