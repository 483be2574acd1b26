// The graph as text, one line a node, and as DOT.
//   %12 = add f32[B, L, H] %3 %7  # bert.mdl:28
#include "graph/op.h"
#include <inttypes.h>
#include <string.h>

typedef struct GraphPrinter {
  FILE *f;
  Arena *arena;
  const char **syms;
  char **axis; // by id: how it is written
} GraphPrinter;

// An axis of a module's body is written with its depth, "In.2"; one made by a pass with its number,
// "one.a7"; of axes that share name and depth (slices) the later ones get their number too.
static char *axis_text(const Graph *g, Arena *a, const Axis *x) {
  if (x->depth < 0)
    return arena_printf(a, "%s.a%d", x->name, x->id);
  for (int i = 0; i < x->id; i++)
    if (g->axes.v[i]->name == x->name && g->axes.v[i]->depth == x->depth)
      return arena_printf(a, "%s.a%d", x->name, x->id);
  return x->depth ? arena_printf(a, "%s.%d", x->name, x->depth) : arena_strdup(a, x->name);
}

static GraphPrinter printer(FILE *f, const Graph *g) {
  GraphPrinter p = {.f = f, .arena = arena_new()};
  p.syms = NEWN(p.arena, const char *, g->syms.n + 1);
  for (int i = 0; i < g->syms.n; i++)
    p.syms[i] = g->syms.v[i].name;
  p.axis = NEWN(p.arena, char *, g->axes.n + 1);
  for (int i = 0; i < g->axes.n; i++)
    p.axis[i] = axis_text(g, p.arena, g->axes.v[i]);
  return p;
}

static const char *size_text(GraphPrinter *p, const Poly *x) {
  return poly_str(p->arena, x, p->syms);
}

static char *list_text(GraphPrinter *p, Axis *const *ax, int n) {
  char *s = "";
  for (int i = 0; i < n; i++)
    s = arena_printf(p->arena, "%s%s%s", s, i ? ", " : "", p->axis[ax[i]->id]);
  return s;
}

static char *map_text(GraphPrinter *p, const Attr *at) {
  char *s = "";
  for (int i = 0; i < at->nmap; i++)
    s = arena_printf(p->arena, "%s%s%s as %s", s, i ? ", " : "", p->axis[at->from[i]->id],
                     p->axis[at->to[i]->id]);
  return s;
}

static char *scan_text(GraphPrinter *p, const Scan *c) {
  char *s = arena_printf(p->arena, "[%s]", p->axis[c->axis->id]);
  for (int i = 0; i < c->nstate; i++)
    s = arena_printf(p->arena, "%s, %%%d = %%%d then %%%d", s, c->state[i]->id, c->first[i]->id,
                     c->next[i]->id);
  for (int i = 0; i < c->nseen; i++)
    s = arena_printf(p->arena, "%s, %%%d at %%%d", s, c->seen_leaf[i]->id, c->seen[i]->id);
  return arena_printf(p->arena, "%s, result %%%d", s, c->result->id);
}

static char *loop_text(GraphPrinter *p, const Node *n) {
  const Scan *c = n->attr.scan;
  int k = 0;
  char *s = arena_printf(p->arena, "[%s%s]", c->reverse ? "reverse " : "", p->axis[c->axis->id]);
  for (int i = 0; i < c->nstate; i++, k++)
    s = arena_printf(p->arena, "%s, %%%d = %%%d then %%%d", s, c->state[i]->id, n->in[k]->id,
                     c->next[i]->id);
  for (int i = 0; i < c->nseen; i++, k++)
    s = arena_printf(p->arena, "%s, %%%d at %%%d", s, c->seen_leaf[i]->id, n->in[k]->id);
  for (int i = 0; i < c->nheld; i++, k++)
    s = arena_printf(p->arena, "%s, %%%d is %%%d", s, c->held_leaf[i]->id, n->in[k]->id);
  int64_t i0 = n->attr.i0;
  return i0 < 0 ? arena_printf(p->arena, "%s, last %%%d", s, c->state[-1 - i0]->id)
                : arena_printf(p->arena, "%s, result %%%d", s, c->out[i0]->id);
}

static char *attention_text(GraphPrinter *p, const Node *n) {
  const Attr *at = &n->attr;
  static const char *const which[] = {" dq", " dk", " dv", " dbias"};
  char *s = arena_printf(p->arena, "[%s] @[%s], w[%s], scale %.17g", p->axis[at->axis->id],
                         p->axis[at->axis2->id], list_text(p, at->axes, at->naxes), at->num);
  if (at->num2 != 0)
    s = arena_printf(p->arena, "%s, dropout %g, site %016" PRIx64, s, at->num2, at->site);
  return arena_printf(p->arena, "%s%s", s, n->op == OP_ATTENTION_GRAD ? which[at->i0] : "");
}

static char *number_text(Arena *a, double v) {
  char *s = arena_printf(a, "%.9g", v);
  double back = 0;
  return sscanf(s, "%lf", &back) == 1 && back == v ? s : arena_printf(a, "%.17g", v);
}

// The attributes that an op uses.
static char *attr_text(GraphPrinter *p, const Node *n) {
  const Attr *at = &n->attr;
  Arena *a = p->arena;
  const char *axis = at->axis ? p->axis[at->axis->id] : "",
             *axis2 = at->axis2 ? p->axis[at->axis2->id] : "";
  const char *list = list_text(p, at->axes, at->naxes);
  switch ((Op)n->op) {
  case OP_INPUT:
  case OP_PARAM:
  case OP_STATE: return arena_printf(a, "\"%s\"", at->name);
  case OP_CONST: return number_text(a, at->num);
  case OP_TABLE: return arena_printf(a, "[%s], hash %016" PRIx64, axis, n->hash);
  case OP_EXTENT: return arena_printf(a, "%s", size_text(p, &at->lo));
  case OP_RANDOM: return arena_printf(a, "site %016" PRIx64, at->site);
  case OP_SUM:
  case OP_RMAX:
  case OP_RMIN:
  case OP_FLIP: return arena_printf(a, "[%s]", list);
  case OP_CONTRACT: return arena_printf(a, "@[%s]", list);
  case OP_ARGMAX:
  case OP_GATHER: return arena_printf(a, "[%s]", axis);
  case OP_SCATTER: return arena_printf(a, "[%s], keep [%s]", axis, list);
  case OP_RENAME: return arena_printf(a, "[%s]", map_text(p, at));
  case OP_SPLIT: return arena_printf(a, "[%s as (%s)]", axis, list);
  case OP_MERGE: return arena_printf(a, "[(%s) as %s]", list, axis);
  case OP_SLICE:
    return arena_printf(a, "[%s = %s : %s as %s]", axis, size_text(p, &at->lo),
                        size_text(p, &at->hi), axis2);
  case OP_INDEX: return arena_printf(a, "[%s = %s]", axis, size_text(p, &at->lo));
  case OP_PAD: return arena_printf(a, "[%s from %s as %s]", axis, size_text(p, &at->lo), axis2);
  case OP_WINDOW:
    return arena_printf(a, "[%s = %d %s + %s %s + %s]", axis, (int)at->i0, axis2,
                        size_text(p, &at->hi), list, size_text(p, &at->lo));
  case OP_CONCAT: return arena_printf(a, "[(%s) as %s]", list_text(p, at->from, at->nmap), axis);
  case OP_ARGSORT:
    return arena_printf(a, "[%s as %s]%s", axis, axis2, at->reverse ? " reverse" : "");
  case OP_CUMSUM:
  case OP_CAUSAL_CONV: return arena_printf(a, "[%s]%s", axis, at->reverse ? " reverse" : "");
  case OP_CONV_GRAD:
    return arena_printf(a, "[%s], keep [%s]%s", axis, list, at->reverse ? " reverse" : "");
  case OP_ATTENTION:
  case OP_ATTENTION_LSE:
  case OP_ATTENTION_GRAD: return attention_text(p, n);
  case OP_SCAN: return scan_text(p, at->scan);
  case OP_LOOP: return loop_text(p, n);
  default: return "";
  }
}

static void print_place(GraphPrinter *p, const Node *n) {
  int line, col;
  if (n->span.src) {
    const char *slash = strrchr(n->span.src->path, '/');
    span_pos(n->span, &line, &col);
    fprintf(p->f, "  # %s:%d", slash ? slash + 1 : n->span.src->path, line);
  }
  if (n->fn)
    fprintf(p->f, "%s%s", n->span.src ? " " : "  # ", n->fn);
}

static void print_node(GraphPrinter *p, const Node *n) {
  const char *attr = attr_text(p, n);
  fprintf(p->f, "%%%d = %s %s", n->id, op_name(n->op), dtype_name((DType)n->dtype));
  if (n->nax)
    fprintf(p->f, "[%s]", list_text(p, n->ax, n->nax));
  for (int i = 0; i < n->nin; i++)
    fprintf(p->f, " %%%d", n->in[i]->id);
  if (*attr)
    fprintf(p->f, " %s", attr);
  print_place(p, n);
  fputc('\n', p->f);
}

static void print_axes(GraphPrinter *p, const Graph *g, Node *const *nodes, int n) {
  bool *used = NEWN(p->arena, bool, g->axes.n + 1);
  const char *sep = "# ";
  for (int i = 0; i < n; i++)
    for (int k = 0; k < nodes[i]->nax; k++)
      used[nodes[i]->ax[k]->id] = true;
  for (int i = 0; i < g->axes.n; i++)
    if (used[i]) {
      const char *size = size_text(p, &g->axes.v[i]->extent);
      if (strcmp(size, p->axis[i])) {
        fprintf(p->f, "%s%s = %s", sep, p->axis[i], size);
        sep = ", ";
      }
    }
  if (*sep == ',')
    fputc('\n', p->f);
}

void graph_print(FILE *f, const Graph *g, Node *const *roots, const char *const *names, int n) {
  GraphPrinter p = printer(f, g);
  int m;
  Node **nodes = reachable(g, p.arena, roots, n, &m);
  print_axes(&p, g, nodes, m);
  for (int i = 0; i < m; i++)
    print_node(&p, nodes[i]);
  for (int i = 0; i < n; i++)
    if (names && names[i])
      fprintf(f, "%s = %%%d\n", names[i], roots[i]->id);
    else
      fprintf(f, "return %%%d\n", roots[i]->id);
  arena_free(p.arena);
}

// ---- DOT

static void dot_string(FILE *f, const char *s) {
  for (; *s; s++) {
    if (*s == '"' || *s == '\\')
      fputc('\\', f);
    fputc(*s, f);
  }
}

static void dot_node(GraphPrinter *p, const Node *n) {
  const char *attr = attr_text(p, n);
  fprintf(p->f, "  n%d [label=\"%s", n->id, op_name(n->op));
  if (*attr)
    fputc(' ', p->f);
  dot_string(p->f, attr);
  fprintf(p->f, "\\n%s[", dtype_name((DType)n->dtype));
  dot_string(p->f, list_text(p, n->ax, n->nax));
  fprintf(p->f, "]\"%s];\n", op_flags(n->op) & F_LEAF ? ", shape=ellipse" : "");
}

// Nodes of one fn that follow each other make a cluster: calls of the same fn stay apart.
void graph_dot(FILE *f, const Graph *g, Node *const *roots, const char *const *names, int n) {
  GraphPrinter p = printer(f, g);
  int m, clusters = 0;
  Node **nodes = reachable(g, p.arena, roots, n, &m);
  fprintf(f, "digraph model {\n  rankdir=BT;\n  node [shape=box, fontname=\"sans-serif\"];\n");
  for (int i = 0; i < m; i++) {
    bool starts = nodes[i]->fn && (!i || nodes[i - 1]->fn != nodes[i]->fn);
    bool ends = nodes[i]->fn && (i + 1 == m || nodes[i + 1]->fn != nodes[i]->fn);
    if (starts) {
      fprintf(f, "  subgraph cluster%d {\n  label=\"", clusters++);
      dot_string(f, nodes[i]->fn);
      fprintf(f, "\";\n");
    }
    dot_node(&p, nodes[i]);
    if (ends)
      fprintf(f, "  }\n");
  }
  for (int i = 0; i < m; i++)
    for (int k = 0; k < nodes[i]->nin; k++)
      fprintf(f, "  n%d -> n%d;\n", nodes[i]->in[k]->id, nodes[i]->id);
  for (int i = 0; i < n; i++) {
    fprintf(f, "  r%d [shape=plaintext, label=\"", i);
    dot_string(f, names && names[i] ? names[i] : "result");
    fprintf(f, "\"];\n  n%d -> r%d;\n", roots[i]->id, i);
  }
  fprintf(f, "}\n");
  arena_free(p.arena);
}
