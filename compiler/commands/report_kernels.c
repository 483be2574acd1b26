// Kernels of a model's convolutions that depend on its parameters alone, as state-space models have them: what a place takes from the
// places before it and behind it.  Values are the interpreter's, from the elaborated graph.
#include "compiler/commands/report.h"
#include "compiler/draw/chart.h"
#include "compiler/draw/html.h"
#include "base/alloc.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KERNEL_WIDTH = 370, KERNEL_HEIGHT = 200, LEGEND_ROW = 18, CHANNELS = 4 };
static const double most_work = 3e8; // turns of the interpreter, for one kernel

typedef struct ConvKernel {
  const char *path;  // what its parameters' names begin with: "layer.0.fwd.s4"
  const char *layer; // as far as the first number: "layer.0"
  const Node *conv;
  bool future; // it takes from the places behind
  const ChartPoint *point[CHANNELS];
  int channels, n;
} ConvKernel;
typedef VEC(ConvKernel) Kernels;
typedef struct Kernelling {
  Report *r;
  Session *s;
  Graph *g;
  int64_t sym[MAX_SYMS];
  Kernels list;
} Kernelling;

// ---- which there are
static bool is_of_parameters(Graph *g, Node *k) {
  int n;
  Node **live = graph_reachable(g, &k, 1, &n);
  bool parameters = false;
  for (int i = 0; i < n; i++) {
    if (live[i]->op == OP_INPUT || live[i]->op == OP_STATE)
      return false;
    parameters |= live[i]->op == OP_PARAM;
  }
  return parameters;
}

// The longest common beginning of the parameters' names, whole parts of a path.
static const char *path_of(Arena *a, Graph *g, Node *k) {
  int n;
  size_t same = 0;
  const char *first = NULL;
  Node **live = graph_reachable(g, &k, 1, &n);
  for (int i = 0; i < n; i++)
    if (live[i]->op == OP_PARAM) {
      const char *path = live[i]->attr.name;
      size_t m = 0;
      if (!first)
        first = path, same = strlen(path);
      while (m < same && path[m] == first[m])
        m++;
      same = m;
    }
  while (same && first[same] != '.')
    same--;
  return arena_strndup(a, first, same);
}

static const char *layer_of(Arena *a, const char *path) {
  size_t n = strcspn(path, "0123456789");
  n += strspn(path + n, "0123456789");
  return path[n] ? arena_strndup(a, path, n) : path;
}

// What carries the axis into a node: for a convolution what it is of, and not its kernel.
static Node *carrier(const Node *n, const Axis *a) {
  for (int i = 0; i < n->nin; i++)
    if (node_has(n->in[i], a))
      return n->in[i];
  return NULL;
}

// A convolution whose operand is the text turned around takes from what stands behind: all ways to the model's inputs have turned it
// as often, or what is added up would not belong together.
static bool is_of_future(const Node *conv) {
  const Axis *a = conv->attr.axis;
  bool turned = conv->attr.reverse;
  for (const Node *n = conv->in[0]; n; n = carrier(n, a))
    turned ^= n->op == OP_FLIP && axis_in(n->attr.axes, n->attr.naxes, a);
  return turned;
}

static void list_kernels(Kernelling *k, Node *root) {
  int n;
  Arena *a = k->s->arena;
  Node **live = graph_reachable(k->g, &root, 1, &n);
  for (int i = 0; i < n; i++)
    if (live[i]->op == OP_CAUSAL_CONV && is_of_parameters(k->g, live[i]->in[1])) {
      const char *path = path_of(a, k->g, live[i]->in[1]);
      vec_push(a, &k->list,
               (ConvKernel){.path = path,
                            .layer = layer_of(a, path),
                            .conv = live[i],
                            .future = is_of_future(live[i])});
    }
}

// ---- their values
static int64_t extent(const Kernelling *k, const Axis *a) {
  int64_t n;
  return poly_size(&a->extent, k->sym, &n) ? n : INT64_MAX / 2;
}

static double work_of(const Kernelling *k, Node *root) {
  int n;
  double work = 0;
  Node **live = graph_reachable(k->g, &root, 1, &n);
  for (int i = 0; i < n; i++) {
    double turns = 1;
    for (int j = 0; j < live[i]->nax; j++)
      turns *= (double)extent(k, live[i]->ax[j]);
    for (int j = 0; j < live[i]->attr.naxes && live[i]->op == OP_CONTRACT; j++)
      turns *= (double)extent(k, live[i]->attr.axes[j]);
    work += turns;
  }
  return work;
}

static double *parameter(Kernelling *k, Arena *a, const char *path) {
  const BigsModule *m = k->s->module;
  int index = bigs_model_parameter(m, path);
  int64_t n = 1;
  if (index < 0)
    return NULL;
  const BigsParam *p = &m->param[index];
  for (int i = 0; i < p->rank; i++)
    n *= p->extent[i];
  double *out = NEWN(a, double, n + 1);
  float *narrow = NEWN(a, float, n + 1);
  bool wide = p->dtype == DT_F64;
  if (bigs_model_get(k->s->handle, BIGS_THE_WEIGHT, index, wide ? (void *)out : narrow))
    return NULL;
  for (int64_t i = 0; i < n && !wide; i++)
    out[i] = (double)narrow[i];
  return out;
}

static bool bind(Kernelling *k, Arena *a, Eval *e, Node *root) {
  int n;
  Node **live = graph_reachable(k->g, &root, 1, &n);
  for (int i = 0; i < n; i++)
    if (live[i]->op == OP_PARAM) {
      double *v = parameter(k, a, live[i]->attr.name);
      if (!v)
        return false;
      eval_bind(e, live[i], v);
    }
  return true;
}

// The axes with that of the convolution last.
static int channel_axes(const Kernelling *k, const Node *conv, Axis **ax, int64_t *channels) {
  const Node *x = conv->in[1];
  int n = 0;
  *channels = 1;
  for (int i = 0; i < x->nax; i++)
    if (x->ax[i] != conv->attr.axis) {
      *channels *= extent(k, x->ax[i]);
      ax[n++] = x->ax[i];
    }
  ax[n++] = conv->attr.axis;
  return n;
}

// Places at the left are those before.
static ChartPoint *points_of(Arena *a, const ConvKernel *kernel, const double *v, int64_t n) {
  ChartPoint *p = NEWN(a, ChartPoint, n + 1);
  for (int64_t i = 0; i < n; i++)
    p[kernel->future ? i : n - 1 - i] = (ChartPoint){(double)(kernel->future ? i : -i), v[i]};
  return p;
}

static void take_values(Kernelling *k, ConvKernel *kernel, const double *v, int64_t channels) {
  int64_t n = extent(k, kernel->conv->attr.axis);
  kernel->channels = channels < CHANNELS ? (int)channels : CHANNELS;
  kernel->n = (int)n;
  for (int c = 0; c < kernel->channels; c++)
    kernel->point[c] = points_of(k->s->arena, kernel, v + channels * c / kernel->channels * n, n);
}

static int evaluate_kernel(Kernelling *k, ConvKernel *kernel) {
  Axis *ax[MAX_AXES + 1];
  Node *root = kernel->conv->in[1];
  const char *error = "a parameter is not there";
  int64_t channels;
  if (work_of(k, root) > most_work)
    return 0;
  Arena *a = arena_new();
  Eval *e = eval_new(a, k->g, k->sym, 0, 0);
  int nax = channel_axes(k, kernel->conv, ax, &channels);
  const double *v = bind(k, a, e, root) ? eval_in_order(e, root, ax, nax, &error) : NULL;
  if (v)
    take_values(k, kernel, v, channels);
  arena_free(a);
  return v ? 0 : session_error(k->s, EXIT_MODEL, "the kernel of %s: %s", kernel->path, error);
}

// ---- on the page
static const char *name_of(const Kernelling *k, const ConvKernel *kernel) {
  size_t n = strlen(kernel->layer);
  const char *rest = kernel->path[n] == '.' ? kernel->path + n + 1 : kernel->path;
  return session_text(k->s, "%s (%s)", rest, kernel->future ? "behind" : "before");
}

static int put_series(const Kernelling *k, const ConvKernel *kernel, int style, Series *out) {
  for (int c = 0; c < kernel->channels; c++)
    out[c] = (Series){c ? NULL : name_of(k, kernel), kernel->point[c], kernel->n, style,
                      c ? DRAWN_FAINT : DRAWN_LINE};
  return kernel->channels;
}

static void put_layer(const Kernelling *k, const char *layer) {
  Series *s = NEWN(k->s->arena, Series, CHANNELS * k->list.n + 1);
  ChartFrame unused;
  int n = 0, style = 0;
  for (int i = 0; i < k->list.n; i++)
    if (!strcmp(k->list.v[i].layer, layer))
      n += put_series(k, &k->list.v[i], style++, s + n);
  const Chart c = {.title = layer,
                   .x_name = "distance in tokens",
                   .y_name = "kernel",
                   .zero_y = true,
                   .series = s,
                   .n = n};
  if (!n || !chart_frame(&c, &unused))
    return;
  fprintf(k->r->f, "<figure class=\"kernels\">\n");
  chart_svg(k->r->f, &c,
            (SvgSize){.width = KERNEL_WIDTH,
                      .height = KERNEL_HEIGHT + LEGEND_ROW * style,
                      .inside = true});
  html_close(k->r->f, "figure");
}

static bool is_first(const Kernelling *k, int i) {
  for (int j = 0; j < i; j++)
    if (!strcmp(k->list.v[j].layer, k->list.v[i].layer))
      return false;
  return true;
}

static void put_kernels(const Kernelling *k) {
  int left = 0;
  html_section(k->r->f, "kernels", "Kernels");
  html_note(k->r->f,
            "What a place takes from the places before it (left) and behind it (right), "
            "at a length of %lld. Where a kernel differs by channel, up to %d are drawn.",
            (long long)extent(k, k->list.v[0].conv->attr.axis), CHANNELS);
  fprintf(k->r->f, "<div class=\"row\">\n");
  for (int i = 0; i < k->list.n; i++)
    if (is_first(k, i))
      put_layer(k, k->list.v[i].layer);
  html_close(k->r->f, "div");
  for (int i = 0; i < k->list.n; i++)
    left += !k->list.v[i].channels;
  if (left)
    html_note(k->r->f, "Too large for the interpreter, and left out: %d kernels.", left);
  html_close(k->r->f, "section");
}

// Every run-time dim is as long as the rows were, or one where that is no length of the model's.
static void set_dims(Kernelling *k) {
  const ModelDim *dim;
  for (int i = 0, n = model_dims(k->s->model, &dim); i < n; i++)
    if (dim_is_given(&dim[i])) {
      int64_t length = k->r->st.length > 0 ? k->r->st.length : dim[i].bound;
      k->sym[dim[i].sym] = length < 1                              ? 1
                           : dim[i].bound && length > dim[i].bound ? dim[i].bound
                                                                   : length;
    }
  model_complete_sizes(k->s->model, k->sym);
}

static bool build(Kernelling *k, Node **root) {
  Output out = {0};
  k->g = graph_new(k->s->arena, k->s->names);
  model_register_params(k->s->model, k->g);
  if (!model_build_entry(k->s->model, k->g, k->r->entry, false, &out))
    return false;
  graph_close_scans(k->g, &out.node, 1);
  *root = out.node;
  return true;
}

int report_kernels(Report *r) {
  Kernelling k = {.r = r, .s = &r->s};
  Node *root;
  int status = 0;
  if (!r->saved || !r->entry || !r->s.model || !build(&k, &root))
    return 0;
  set_dims(&k);
  list_kernels(&k, root);
  for (int i = 0; i < k.list.n && !status; i++)
    status = evaluate_kernel(&k, &k.list.v[i]);
  if (!status && k.list.n)
    put_kernels(&k);
  return status;
}
