// See calibrate.h.
#include "compiler/commands/calibrate.h"
#include "base/int8.h"
#include "compiler/commands/texts.h"
#include "runtime/files/file.h"
#include "runtime/train/corpus.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PASS_NUMBERS = 1 << 25, CHUNK_LINES = 1024 };
static const char PROGRAM[] = "moments";

// x, and those of its axes that a product sums up, in the order of the parameter's.
typedef struct EnteringUse {
  Node *x;
  int n;
  Axis *ax[BIGS_MAX_RANK];
} EnteringUse;
typedef VEC(EnteringUse) EnteringUses;

typedef struct EnteringProduct {
  EnteringUses uses;
  VEC(int) params;
  int64_t K;
} EnteringProduct;

typedef struct Calibration {
  const Session *of;
  const CalibrateParam *param;
  TakeEntering *take;
  void *ctx;
  Options o;
  // of a pass
  Session s;
  Graph *g;
  EnteringUses *uses; // [parameters]
  VEC(EnteringProduct) products;
  int first, end;      // products of the pass
  VEC(Output) outputs; // moments and noise of each
  void **out;          // a group's
  double **sum;        // of all groups
  int64_t *numbers;    // of each
  int64_t texts;
} Calibration;

// ---- what enters which products

static const BigsParam *param_row(const Calibration *c, int i) {
  return &c->of->module->param[i];
}

// The parameter that n is, perhaps under other names.
static Node *param_below(Node *n) {
  while (n->op == OP_RENAME)
    n = n->in[0];
  return n;
}

// What axis of the parameter below n its axis a is; -1: none.
static int axis_of_param(Node *n, const Axis *a) {
  for (; n->op == OP_RENAME; n = n->in[0])
    a = axis_before(n, a);
  return node_axis_index(n, a);
}

static bool is_text(const char *name) {
  return !strcmp(name, "ids") || !strcmp(name, "types") || !strcmp(name, "mask");
}

// Can x be computed of a text, and of weights that are there?
static bool is_fed(const Calibration *c, Node *x) {
  int n;
  bool fed = true;
  Node **live = graph_reachable(c->g, &x, 1, &n);
  for (int i = 0; i < n && fed; i++)
    if (live[i]->op == OP_INPUT)
      fed = is_text(live[i]->attr.name) || c->g->inputs.v[live[i]->attr.i0]->has_default;
    else if (live[i]->op == OP_PARAM)
      fed = !c->param[live[i]->attr.i0].lacking;
    else
      fed = live[i]->op != OP_STATE; // of a scan, within
  return fed;
}

// Fills u->ax; false where the product sums up others than the module does, or x lacks one.
static bool match_axes(const Node *product, Node *w, const BigsParam *p, EnteringUse *u) {
  Axis *at[BIGS_MAX_RANK] = {0};
  bool fits = true;
  for (int i = 0; i < product->attr.naxes; i++) {
    int k = axis_of_param(w, product->attr.axes[i]);
    fits &= k >= 0 && node_has(u->x, product->attr.axes[i]);
    if (k >= 0)
      at[k] = product->attr.axes[i];
  }
  for (int i = 0; i < p->rank; i++) {
    fits &= p->extent[i] == 1 || (at[i] == NULL) == (p->nstep[i] != 0);
    if (at[i])
      u->ax[u->n++] = at[i];
  }
  return fits && u->n;
}

static bool is_same_use(const EnteringUse *a, const EnteringUse *b) {
  return a->x == b->x && a->n == b->n && !memcmp(a->ax, b->ax, sizeof *a->ax * (size_t)a->n);
}

static void note_use(Calibration *c, const Node *product, int side) {
  Node *w = product->in[side], *base = param_below(w);
  EnteringUse u = {.x = product->in[1 - side]};
  int i = base->op == OP_PARAM ? (int)base->attr.i0 : -1;
  bool known = i < 0 || !c->param[i].wanted || !match_axes(product, w, param_row(c, i), &u);
  for (int k = 0; !known && k < c->uses[i].n; k++)
    known = is_same_use(&c->uses[i].v[k], &u);
  if (!known && is_fed(c, u.x))
    vec_push(c->s.arena, &c->uses[i], u);
}

static bool are_same_uses(const EnteringUses *a, const EnteringUses *b) {
  bool same = a->n == b->n;
  for (int i = 0; i < a->n && same; i++)
    same = is_same_use(&a->v[i], &b->v[i]);
  return same;
}

static int64_t summed(const BigsParam *p) {
  int64_t k = 1;
  for (int i = 0; i < p->rank; i++)
    k *= p->nstep[i] ? 1 : p->extent[i];
  return k;
}

static void add_product(Calibration *c, int param) {
  int i = 0;
  while (i < c->products.n && !are_same_uses(&c->products.v[i].uses, &c->uses[param]))
    i++;
  if (i == c->products.n)
    vec_push(c->s.arena, &c->products,
             ((EnteringProduct){.uses = c->uses[param], .K = summed(param_row(c, param))}));
  vec_push(c->s.arena, &c->products.v[i].params, param);
}

static int build_entries(Calibration *c, Node ***roots, int *n) {
  const ModelValue *entry;
  *n = model_entries(c->s.model, &entry);
  *roots = NEWN(c->s.arena, Node *, *n + 1);
  c->g = graph_new(c->s.arena, c->s.names);
  model_register_params(c->s.model, c->g);
  for (int i = 0; i < *n; i++) {
    Output out = {0};
    if (!model_build_entry(c->s.model, c->g, entry[i].name, false, &out))
      return session_diags(&c->s, EXIT_MODEL);
    (*roots)[i] = out.node;
  }
  return 0;
}

static int find_products(Calibration *c) {
  Node **roots;
  RewriteStats stats = {0};
  int nroots, n, nparam = c->of->module->nparam, status = build_entries(c, &roots, &nroots);
  if (status)
    return status;
  graph_close_scans(c->g, roots, nroots);
  graph_rewrite(c->g, RULES_SIMPLIFY, roots, nroots, &stats);
  c->uses = NEWN(c->s.arena, EnteringUses, nparam + 1);
  Node **live = graph_reachable(c->g, roots, nroots, &n);
  for (int i = 0; i < n; i++)
    for (int side = 0; live[i]->op == OP_CONTRACT && side < 2; side++)
      note_use(c, live[i], side);
  for (int i = 0; i < nparam; i++)
    if (c->uses[i].n)
      add_product(c, i);
  return 0;
}

// ---- what is computed of them

// Padding counts for nothing, where a row has a place of the text.
static Node *without_padding(Calibration *c, const EnteringUse *u) {
  Node *mask = NULL;
  for (int i = 0; i < c->g->inputs.n; i++)
    if (!strcmp(c->g->inputs.v[i]->name, "mask") && c->g->inputs.v[i]->dtype == DT_BOOL)
      mask = c->g->inputs.v[i]->node;
  for (int i = 0; mask && i < mask->nax; i++)
    if (!node_has(u->x, mask->ax[i]) || axis_in(u->ax, u->n, mask->ax[i]))
      return u->x;
  return mask ? g_select(c->g, mask, u->x, g_const(c->g, DT_F32, 0)) : u->x;
}

static int rows_of(const EnteringUse *u, Axis **rows) {
  int n = 0;
  for (int i = 0; i < u->x->nax; i++)
    if (!axis_in(u->ax, u->n, u->x->ax[i]))
      rows[n++] = u->x->ax[i];
  return n;
}

static Node *moment_of(Calibration *c, const EnteringUse *u, Axis *const *ax, Axis *const *by) {
  Axis *rows[MAX_AXES];
  Node *x = without_padding(c, u), *a = g_rename(c->g, x, u->ax, ax, u->n),
       *b = g_rename(c->g, x, u->ax, by, u->n);
  return g_contract(c->g, a, b, rows, rows_of(u, rows));
}

static Node *end_of_rows(Calibration *c, Op reduce, Op with, const EnteringUse *u, Node *x) {
  Node *end = g_reduce(c->g, reduce, x, u->ax, u->n), *zero = g_const(c->g, DT_F32, 0);
  return g_binary(c->g, with, end, zero);
}

// x / step * step, rounded between: base/int8.h, but for the last bits of a scale.
static Node *rounded_rows(Calibration *c, const EnteringUse *u, Node *x) {
  Graph *g = c->g;
  Node *most = end_of_rows(c, OP_RMAX, OP_MAX, u, x),
       *least = end_of_rows(c, OP_RMIN, OP_MIN, u, x);
  Node *steps = g_const(g, DT_F32, 1 / (2 * INT8_LARGEST)),
       *tiny = g_const(g, DT_F32, int8_float(INT8_LEAST));
  Node *step = g_binary(g, OP_MUL, g_binary(g, OP_SUB, most, least), steps);
  step = g_binary(g, OP_MAX, step, tiny);
  Node *whole = g_unary(g, OP_ROUND, g_binary(g, OP_DIV, x, step));
  return g_binary(g, OP_MUL, whole, step);
}

static Node *noise_of(Calibration *c, const EnteringUse *u, Axis *const *ax) {
  Axis *rows[MAX_AXES];
  Node *x = without_padding(c, u), *off = g_binary(c->g, OP_SUB, x, rounded_rows(c, u, x));
  Node *squares = g_rename(c->g, g_binary(c->g, OP_MUL, off, off), u->ax, ax, u->n);
  int n = rows_of(u, rows);
  return n ? g_reduce(c->g, OP_SUM, squares, rows, n) : squares;
}

static void add_output(Calibration *c, Node *value, Axis **ax, int n) {
  Output out = {.name = PROGRAM, .node = value, .nax = n, .ax = ax};
  vec_push(c->s.arena, &c->outputs, out);
}

static void add_outputs(Calibration *c, const EnteringProduct *p) {
  const EnteringUse *u = p->uses.v;
  Axis **ax = NEWN(c->s.arena, Axis *, 2 * u->n);
  Node *moment = NULL, *noise = NULL;
  for (int i = 0; i < 2 * u->n; i++)
    ax[i] = graph_fresh_axis(c->g, i < u->n ? "k" : "by", u->ax[i % u->n]->extent);
  for (int i = 0; i < p->uses.n; i++) {
    Node *m = moment_of(c, u + i, ax, ax + u->n), *x = noise_of(c, u + i, ax);
    moment = moment ? g_binary(c->g, OP_ADD, moment, m) : m;
    noise = noise ? g_binary(c->g, OP_ADD, noise, x) : x;
  }
  add_output(c, moment, ax, 2 * u->n);
  add_output(c, noise, ax, u->n);
}

// Products from c->first on, as many as there is room for.
static void choose_pass(Calibration *c) {
  int64_t numbers = 0;
  for (c->end = c->first; c->end < c->products.n; c->end++) {
    const EnteringProduct *p = &c->products.v[c->end];
    numbers += p->K * (p->K + 1);
    if (numbers > PASS_NUMBERS && c->end > c->first)
      break;
    add_outputs(c, p);
  }
}

// ---- running

static int no_room(Calibration *c) {
  return session_error(&c->s, EXIT_MODEL, "out of memory for the moments of a product");
}

static int get_room(Calibration *c) {
  int n = c->outputs.n;
  c->out = NEWN(c->s.arena, void *, n + 1);
  c->sum = NEWN(c->s.arena, double *, n + 1);
  c->numbers = NEWN(c->s.arena, int64_t, n + 1);
  for (int i = 0; i < n; i++) {
    int64_t K = c->products.v[c->first + i / 2].K;
    c->numbers[i] = i % 2 ? K : K * K;
    c->out[i] = malloc((size_t)c->numbers[i] * sizeof(float));
    c->sum[i] = calloc((size_t)c->numbers[i], sizeof(double));
    if (!c->out[i] || !c->sum[i])
      return no_room(c);
  }
  return 0;
}

static void task_add(void *ctx, int64_t task, int thread) {
  const Calibration *c = ctx;
  const float *x = c->out[task];
  double *sum = c->sum[task];
  (void)thread;
  for (int64_t i = 0; i < c->numbers[task]; i++)
    sum[i] += x[i];
}

static int take_group(void *ctx, const FeedArgs *args) {
  Calibration *c = ctx;
  int status = bigs_model_run(c->s.handle, 0, args->dims, args->input, c->out);
  if (status)
    return session_error(&c->s, status, "%s", bigs_model_error(c->s.handle));
  pool_run(c->s.handle->pool, c->outputs.n, task_add, c);
  return 0;
}

static void show_progress(const Calibration *c, const TextReader *in) {
  double share = (c->first + text_share(in) * (c->end - c->first)) / c->products.n;
  if (!c->o.quiet && isatty(2))
    fprintf(stderr, "\r%-32s %3.0f %%\033[K", "what enters products", 100 * share);
}

static int add_line(Calibration *c, Texts *t, const TextLine *line) {
  char *copy = strndup(line->s, line->n);
  bool cut = false;
  if (!copy)
    return no_room(c);
  int err = text_rows_add(&t->rows, t->encoder, (const char *[]){copy}, 1, &cut, &c->s.error);
  free(copy);
  c->texts++;
  t->cut += cut;
  return err ? session_fail(&c->s, &c->s.error) : 0;
}

static int feed_lines(Calibration *c, Texts *t, TextReader *in) {
  TextLine line;
  int status = 0;
  while (!status) {
    if (text_next(in, &line, &c->s.error))
      return session_fail(&c->s, &c->s.error);
    if (!line.s)
      break;
    status = add_line(c, t, &line);
    if (!status && t->rows.n == CHUNK_LINES) {
      status = texts_feed(t, take_group, c);
      show_progress(c, in);
    }
  }
  return status ? status : texts_feed(t, take_group, c);
}

static int feed_texts(Calibration *c, Texts *t) {
  c->texts = 0;
  TextReader *in = text_open(c->o.data.v, c->o.data.n, &c->s.error);
  if (!in)
    return session_fail(&c->s, &c->s.error);
  int status = feed_lines(c, t, in);
  text_close(in);
  if (!status && !c->texts)
    status = session_error(&c->s, EXIT_MODEL,
                           c->first ? "%s cannot be read once more: give a file"
                                    : "%s has no line of text",
                           c->o.data.v[0]);
  return status;
}

static int run_texts(Calibration *c) {
  Texts t = {0};
  const char *dir = file_is_folder(c->s.o->weights) ? c->s.o->weights : NULL;
  int status = texts_open(&c->s, &t, PROGRAM, dir, c->o.length > 0 ? c->o.length : 0);
  status = status ? status : feed_texts(c, &t);
  if (!status && !c->first)
    texts_note_cut(&t);
  texts_close(&t);
  return status;
}

// ---- a pass

static int give_product(Calibration *c, int i) {
  const EnteringProduct *p = &c->products.v[c->first + i];
  Entering x = {.K = p->K,
                .moment = c->sum[2 * i],
                .noise = c->sum[2 * i + 1],
                .nparam = p->params.n,
                .param = p->params.v};
  for (int64_t k = 0; k < x.K * x.K; k++)
    if (!isfinite(x.moment[k]))
      return session_error(&c->s, EXIT_NUMERIC,
                           "what enters the product of `%s`, or its square, is not finite",
                           param_row(c, x.param[0])->name);
  return c->take(c->ctx, &c->s, &x);
}

static int compile_pass(Calibration *c) {
  BuildWant want = {.graph = c->g, .value = c->outputs.v, .nvalue = c->outputs.n};
  int status = session_compile(&c->s, &want);
  c->s.unnoted = true; // it was noted already
  c->s.lacking = "left out";
  status = status ? status : session_open(&c->s);
  return status ? status : session_check_finite(&c->s);
}

static int run_pass(Calibration *c) {
  choose_pass(c);
  int status = compile_pass(c);
  status = status ? status : get_room(c);
  status = status ? status : run_texts(c);
  for (int i = 0; i < c->end - c->first && !status; i++)
    status = give_product(c, i);
  return status;
}

static int start_pass(Calibration *c) {
  int status = session_load(&c->s, &c->o, c->o.args.v[0], true);
  status = status ? status : find_products(c);
  if (!status && !c->products.n)
    return session_error(
        &c->s, EXIT_MODEL,
        "of a text, as ids, types and mask, nothing enters a product as int8: --data has "
        "nothing to go by");
  return status;
}

static void end_pass(Calibration *c) {
  for (int i = 0; c->sum && i < c->outputs.n; i++) {
    free(c->out[i]);
    free(c->sum[i]);
  }
  session_close(&c->s);
}

// Of a pass all is made anew.
static int do_pass(Calibration *c, int first, int *left) {
  *c = (Calibration){
      .of = c->of, .param = c->param, .take = c->take, .ctx = c->ctx, .o = c->o, .first = first};
  int status = start_pass(c);
  status = status ? status : run_pass(c);
  *left = c->products.n - c->end;
  first = c->end;
  end_pass(c);
  return status;
}

int calibrate(const Session *of, const CalibrateParam *param, TakeEntering *take, void *ctx) {
  Calibration c = {.of = of, .param = param, .take = take, .ctx = ctx, .o = *of->o};
  int left, status;
  c.o.precision = "f32";
  do
    status = do_pass(&c, c.end, &left);
  while (!status && left);
  if (!of->o->quiet && isatty(2))
    fprintf(stderr, "\r\033[K");
  return status;
}
