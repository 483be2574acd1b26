// The module's tables that the planner knows: dims, inputs, parameters and their storage, programs;
// and their text for --emit=fused.
#include "codegen/plan/plan_internal.h"
#include <inttypes.h>
#include <string.h>

typedef VEC(const char *) Tags;

static void fill_axes(BigsTensor *t, Axis *const *ax, int nax) {
  if (nax > BIGS_MAX_RANK)
    BUG("%s has %d axes", t->name, nax);
  t->rank = (uint8_t)nax;
  for (int i = 0; i < nax; i++) {
    t->extent[i] = ax[i]->extent;
    t->axis[i] = ax[i]->name;
  }
}

static void fill_inputs(Planner *p, BigsModule *m) {
  Graph *g = p->g;
  BigsTensor *t = NEWN(p->a, BigsTensor, g->inputs.n + 1);
  for (int i = 0; i < g->inputs.n; i++) {
    const Input *in = g->inputs.v[i];
    t[i] = (BigsTensor){.name = in->name,
                        .dtype = in->dtype,
                        .optional = in->has_default,
                        .fallback = in->fallback};
    fill_axes(&t[i], in->ax, in->nax);
  }
  input_limits(p, t);
  m->input = t;
  m->ninput = g->inputs.n;
}

static void fill_dims(Planner *p, BigsModule *m) {
  Graph *g = p->g;
  BigsDim *d = NEWN(p->a, BigsDim, g->syms.n + 1);
  for (int i = 0; i < g->syms.n; i++)
    d[i] = (BigsDim){.name = g->syms.v[i].name,
                     .bound = g->syms.v[i].bound,
                     .of = g->syms.v[i].of,
                     .by = g->syms.v[i].by};
  m->dim = d;
  m->ndim = g->syms.n;
}

static uint32_t tag_bits(Planner *p, Tags *tags, const Param *x) {
  uint32_t bits = 0;
  for (int i = 0; i < x->ntags; i++) {
    int k = 0;
    while (k < tags->n && strcmp(tags->v[k], x->tags[i]))
      k++;
    if (k == 32)
      BUG("more than 32 tags");
    if (k == tags->n)
      vec_push(p->a, tags, x->tags[i]);
    bits |= 1u << k;
  }
  return bits;
}

static BigsParam param_row(Planner *p, const Param *x) {
  const ParamPlace *s = &p->param[x->index];
  const Node *w = x->node;
  BigsParam r = {.name = x->path,
                 .dtype = w->dtype,
                 .rank = (uint8_t)w->nax,
                 .is_complex = x->pair != NULL,
                 .pairs = s->pairs,
                 .quads = s->quads,
                 .storage = s->storage};
  for (int i = 0; i < w->nax; i++) {
    extent_is(w->ax[i], &r.extent[i]);
    r.axis[i] = w->ax[i]->name;
    r.kstep[i] = s->kstep[i];
    r.nstep[i] = s->nstep[i];
  }
  r.width = s->width;
  r.panel = s->panel;
  r.kstride = s->kstride;
  r.nlo = s->nlo;
  r.offset = p->storage.v[s->storage].offset / param_elem_bytes(s, w) + s->shift;
  return r;
}

static void fill_params(Planner *p, BigsModule *m) {
  Graph *g = p->g;
  Tags tags = {0};
  BigsParam *r = NEWN(p->a, BigsParam, g->params.n + 1);
  int n = 0;
  for (int i = 0; i < g->params.n; i++) {
    if (g->params.v[i]->is_stack)
      continue;
    r[n] = param_row(p, g->params.v[i]);
    r[n++].tags = tag_bits(p, &tags, g->params.v[i]);
  }
  m->param = r;
  m->nparam = n;
  m->tag = tags.v;
  m->ntag = tags.n;
  m->storage = p->storage.v;
  m->nstorage = p->storage.n;
  m->param_bytes = 0;
  for (int i = 0; i < p->storage.n; i++)
    m->param_bytes = p->storage.v[i].offset + p->storage.v[i].bytes;
}

// ---- programs

static uint32_t syms_of(const Poly *p) {
  uint32_t bits = 0;
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < POLY_FACTORS && p->t[i].sym[k] >= 0; k++)
      bits |= 1u << p->t[i].sym[k];
  return bits;
}

// Quotients are no arguments; what they are of is.
static uint32_t given(const Graph *g, uint32_t bits) {
  for (int i = g->syms.n - 1; i >= 0; i--)
    if (g->syms.v[i].by && bits >> i & 1)
      bits = (bits & ~(1u << i)) | syms_of(&g->syms.v[i].of);
  return bits;
}

static uint32_t program_syms(const Prog *g) {
  uint32_t bits = 0;
  for (int i = 0; i < g->nnode; i++) {
    const Node *n = g->node[i];
    bits |= syms_of(&n->attr.lo) | syms_of(&n->attr.hi);
    for (int k = 0; k < n->nax; k++)
      bits |= syms_of(&n->ax[k]->extent);
    for (int k = 0; k < n->attr.naxes; k++)
      bits |= syms_of(&n->attr.axes[k]->extent);
  }
  for (int i = 0; i < g->nout; i++)
    for (int k = 0; k < g->outs[i].nax; k++)
      bits |= syms_of(&g->outs[i].ax[k]->extent);
  return given(g->g, bits);
}

// A parameter is used when its leaf is reached, or the stack that it is part of.
static const uint8_t *used_params(Planner *p, const Prog *g) {
  uint8_t *used = NEWN(p->a, uint8_t, p->g->params.n + 1);
  int n = 0;
  for (int i = 0; i < p->g->params.n; i++) {
    const Param *x = p->g->params.v[i];
    if (x->is_stack)
      continue;
    used[n] = info_of(g, x->node) || (x->stack && info_of(g, x->stack->node));
    for (int k = 0; k < g->nout; k++)
      used[n] |= g->outs[k].param && (g->outs[k].param == x || g->outs[k].param == x->stack);
    n++;
  }
  return used;
}

static void fill_program(Planner *p, Prog *g) {
  int32_t *input = NEWN(p->a, int32_t, p->g->inputs.n + 1);
  BigsTensor *out = NEWN(p->a, BigsTensor, g->nout + 1);
  g->out.name = g->name;
  g->out.kind = (uint8_t)g->kind;
  g->out.syms = program_syms(g);
  for (int i = 0; i < p->g->inputs.n; i++)
    if (g->reads[i])
      input[g->out.ninput++] = i;
  g->out.input = input;
  for (int i = 0; i < g->nout; i++) {
    const Output *o = &g->outs[i];
    if (o->param)
      continue;
    BigsTensor *t = &out[g->out.noutput++];
    *t = (BigsTensor){.name = o->name, .dtype = o->node->dtype};
    fill_axes(t, o->ax, o->nax);
  }
  g->out.output = out;
  g->out.param_used = used_params(p, g);
  g->out.forms = g->forms;
  g->out.cost = work_table(g, &g->out.ncost);
  program_rooms(p, g, &g->out);
  program_limits(p, g, &g->out);
}

// Of those that compute the same, which are the last ones: what one of them takes as an argument or depends on, all do.
static void share(BigsProgram *p, const Prog *g, int nparam) {
  BigsProgram *other = NEWN(g->a, BigsProgram, p->nother + 1);
  uint8_t *used = (uint8_t *)(uintptr_t)p->param_used;
  if (p->nother)
    memcpy(other, p->other, sizeof *other * (size_t)p->nother);
  other[p->nother++] = g->out;
  p->other = other;
  p->syms |= g->out.syms;
  for (int i = 0; i < nparam; i++)
    used[i] |= g->out.param_used[i];
}

static void fill_others(Planner *p, BigsProgram *progs, int nparam) {
  for (int i = 0; i < p->progs.n; i++) {
    Prog *g = p->progs.v[i];
    for (int k = 0; g->of && k < i; k++)
      if (p->progs.v[k] == g->of && !g->uncounted && !g->of->uncounted)
        share(&progs[k], g, nparam);
  }
}

void module_fill(Planner *p, BigsModule *m) {
  BigsProgram *progs = NEWN(p->a, BigsProgram, p->progs.n + 1);
  m->nprogram = 0;
  fill_dims(p, m);
  fill_inputs(p, m);
  fill_params(p, m);
  for (int i = 0; i < p->progs.n; i++) {
    fill_program(p, p->progs.v[i]);
    progs[i] = p->progs.v[i]->out;
    m->nprogram += !p->progs.v[i]->of;
  }
  fill_others(p, progs, m->nparam);
  m->program = progs;
  m->nkernel = p->kernels.n;
  m->poly = p->polys.v;
  m->npoly = p->polys.n;
}

// ---- text

static const char *const where_names[] = {
    [BIGS_ARENA] = "arena",       [BIGS_KEPT] = "kept",   [BIGS_INPUT] = "input",
    [BIGS_OUTPUT] = "output",     [BIGS_PARAM] = "param", [BIGS_GRAD] = "grad",
    [BIGS_CONSTANT] = "constant", [BIGS_PIECE] = "piece"};

typedef struct Print {
  FILE *f;
  Planner *p;
  const BigsModule *m;
  const char *syms[MAX_SYMS];
} Print;

static const char *size_text(const Print *o, BigsSize size) {
  return poly_str(o->p->a, module_poly(o->m, size), o->syms);
}

static void print_buffer(const Print *o, const BigsBuffer *b, int i) {
  FILE *f = o->f;
  fprintf(f, "  b%d: %s %s", i, where_names[b->where], dtype_name((DType)b->dtype));
  fprintf(f, " [%s", size_text(o, b->size));
  if (b->block)
    fprintf(f, " * ceil((%s) / %" PRId64 ")", size_text(o, b->rows), b->block);
  fprintf(f, "]");
  if (b->where == BIGS_PIECE)
    fprintf(f, " of b%d from %s", b->index, size_text(o, b->offset));
  else if (b->where == BIGS_PARAM || b->where == BIGS_GRAD)
    fprintf(f, " at byte %s", size_text(o, b->offset));
  else if (b->where == BIGS_INPUT || b->where == BIGS_OUTPUT)
    fprintf(f, " %d", b->index);
  fprintf(f, "  steps %d..%d\n", b->first, b->last);
}

static void print_gemm(const Print *o, const BigsGemm *g) {
  const char *const more[] = {"", " + bias", " + rest"};
  fprintf(o->f, "  library (%s) x (%s) x (%s)", size_text(o, g->m), size_text(o, g->n),
          size_text(o, g->k));
  fprintf(o->f, "%s%s", more[g->arg[BIGS_GEMM_BIAS] >= 0],
          more[g->arg[BIGS_GEMM_REST] >= 0 ? 2 : 0]);
  if (g->count != plan_size(o->p, poly_const(1)))
    fprintf(o->f, ", %s of them", size_text(o, g->count));
}

static void print_step(const Print *o, const BigsProgram *p, int i) {
  const BigsStep *s = &p->step[i];
  FILE *f = o->f;
  LKernel *const *kernel = o->p->kernels.v;
  const char *name = s->kind == BIGS_KERNEL ? kernel[s->index]->name : "builtin";
  fprintf(f, "  %d: %s", i, name);
  for (int k = 0; k < s->narg; k++)
    fprintf(f, "%sb%d%s", k ? ", " : "(", s->arg[k],
            s->kind == BIGS_KERNEL && kernel[s->index]->mem.v[k].written ? "!" : "");
  fprintf(f, ")");
  for (int k = 0; k < s->ngrid; k++)
    fprintf(f, "%s(%s)/%" PRId32, k ? " x " : "  grid ", size_text(o, s->grid[k].extent),
            s->grid[k].block);
  if (s->gemm)
    print_gemm(o, &p->gemm[s->gemm - 1]);
  fprintf(f, "  # %s%s%s\n", s->label, s->source ? "  " : "", s->source ? s->source : "");
}

static void print_program(const Print *o, const BigsProgram *g) {
  fprintf(o->f, "program %s%s%s: %d steps, %d of them once\n", g->name, g->forms ? ", " : "",
          g->forms ? g->forms : "", g->nstep, g->nprologue);
  for (int k = 0; k < g->nstep; k++)
    print_step(o, g, k);
  for (int k = 0; k < g->nbuffer; k++)
    print_buffer(o, &g->buffer[k], k);
  for (int k = 0; k < g->nother; k++)
    print_program(o, &g->other[k]);
}

void plan_print(FILE *f, Planner *p, const BigsModule *m) {
  Print o = {.f = f, .p = p, .m = m};
  for (int i = 0; i < MAX_SYMS; i++)
    o.syms[i] = i < p->g->syms.n ? p->g->syms.v[i].name : "?";
  for (int i = 0; i < m->nparam; i++) {
    const BigsParam *x = &m->param[i];
    fprintf(f, "param %s: storage %d at %" PRId64 ", %s", x->name, x->storage, x->offset,
            x->width ? "panels of " : "plain");
    if (x->width)
      fprintf(f, "%" PRId64, x->width);
    fputs(x->pairs ? ", pairs of bf16\n" : x->quads ? ", quads of int8\n" : "\n", f);
  }
  for (int i = 0; i < m->nprogram; i++)
    print_program(&o, &m->program[i]);
}
