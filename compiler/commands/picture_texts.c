// What stands in boxes and beside edges.
#include "compiler/commands/picture_internal.h"
#include <math.h>
#include <string.h>

const char *axis_word(const Axis *a) {
  const char *dot = strrchr(a->name, '.');
  return dot && dot[1] ? dot + 1 : a->name;
}

static const char *axis_list(Arena *a, Axis *const *ax, int n) {
  const char *s = "";
  for (int i = 0; i < n; i++)
    s = arena_printf(a, "%s%s%s", s, i ? ", " : "", axis_word(ax[i]));
  return s;
}

// The places of the node's axes in a type; false: it lacks one of them.
static bool places_in(const Node *n, Axis *const *ax, int nax, int *place) {
  for (int i = 0; i < n->nax; i++) {
    place[i] = 0;
    while (place[i] < nax && ax[place[i]] != n->ax[i])
      place[i]++;
    if (place[i] == nax)
      return false;
  }
  return true;
}

// In the order of the entry's type, or of an input's, where one has them all; in the graph the order is by how a value was made.
static bool declared_places(const Picture *p, const Node *n, int *place) {
  if (places_in(n, p->out.ax, p->out.nax, place))
    return true;
  for (int i = 0; i < p->g->inputs.n; i++)
    if (places_in(n, p->g->inputs.v[i]->ax, p->g->inputs.v[i]->nax, place))
      return true;
  return false;
}

static void declared_order(const Picture *p, const Node *n, Axis **ax) {
  int place[MAX_AXES], sorted = declared_places(p, n, place) ? n->nax : 0;
  memcpy(ax, n->ax, sizeof *ax * (size_t)n->nax);
  for (int i = 1; i < sorted; i++)
    for (int j = i; j && place[j] < place[j - 1]; j--) {
      Axis *other = ax[j];
      int at = place[j];
      ax[j] = ax[j - 1];
      ax[j - 1] = other;
      place[j] = place[j - 1];
      place[j - 1] = at;
    }
}

const char *pic_axes(const Picture *p, const Node *n) {
  const char *type = n->dtype == DT_F32 ? "" : dtype_name((DType)n->dtype);
  Axis *ax[MAX_AXES];
  declared_order(p, n, ax);
  return n->nax  ? arena_printf(p->a, "%s[%s]", type, axis_list(p->a, ax, n->nax))
         : *type ? type
                 : "f32";
}

// As they are written.
static const char *sign_of(int op) {
  switch (op) {
  case OP_ADD: return "+";
  case OP_SUB: return "\xE2\x88\x92";
  case OP_MUL: return "\xC3\x97";
  case OP_DIV: return "\xC3\xB7";
  case OP_NEG: return "\xE2\x88\x92";
  case OP_RMAX: return "max";
  case OP_RMIN: return "min";
  case OP_LT: return "<";
  case OP_LE: return "\xE2\x89\xA4";
  case OP_EQ: return "==";
  case OP_NE: return "!=";
  case OP_POW: return "^";
  default: return op_name(op);
  }
}

// ---- calls
static const char *close_of(const char *s, const char *end, char open, char close) {
  int depth = 0;
  for (; s < end; s++) {
    depth += (*s == open) - (*s == close);
    if (!depth)
      return s + 1;
  }
  return end;
}

static size_t word_at(const char *s, const char *end) {
  size_t n = 0;
  while (s + n < end &&
         (s[n] == '_' || (s[n] >= 'a' && s[n] <= 'z') || (n && s[n] >= '0' && s[n] <= '9')))
    n++;
  return n;
}

// The name, where the text is a call and nothing else: `mean[L](x, where: mask)`.  stage: or the name alone, behind `|>`.
static const char *called_in(Arena *a, Span at, bool stage) {
  if (!at.src || at.hi > at.src->size || at.lo >= at.hi)
    return NULL;
  const char *s = at.src->text + at.lo, *end = at.src->text + at.hi;
  size_t n = word_at(s, end);
  const char *rest = s + n;
  if (n && rest < end && *rest == '[')
    rest = close_of(rest, end, '[', ']');
  if (n && stage && rest == end)
    return arena_strndup(a, s, n);
  if (!n || rest >= end || *rest != '(')
    return NULL;
  return close_of(rest, end, '(', ')') == end ? arena_strndup(a, s, n) : NULL;
}

// What the text calls, of which others may be made: `silu` of `sigmoid`.  Within a module of the prelude that is the module.
const char *pic_call(const Picture *p, const PicModule *m, const Node *n) {
  if (!n->fn)
    return called_in(p->a, n->span, false);
  if (m->origin && !strcmp(n->fn, m->origin->module))
    return NULL;
  const char *name = m->origin && m->origin->prelude ? NULL : called_in(p->a, n->span, true);
  return name ? name : n->fn;
}

bool pic_one_call(const Picture *p, const PicModule *m, const Node *a, const Node *b) {
  const char *x = pic_call(p, m, a), *y = x ? pic_call(p, m, b) : NULL;
  return y && !strcmp(x, y) && a->span.src == b->span.src && a->span.lo == b->span.lo;
}

static const char *index_text(const Picture *p, const Node *n) {
  const char *names[MAX_SYMS] = {0};
  for (int i = 0; i < p->g->syms.n && i < MAX_SYMS; i++)
    names[i] = p->g->syms.v[i].name;
  return arena_printf(p->a, "[%s = %s]", axis_word(n->attr.axis),
                      poly_str(p->a, &n->attr.lo, names));
}

const char *pic_op(const Picture *p, const Node *n) {
  const Attr *at = &n->attr;
  switch (n->op) {
  case OP_PARAM: return at->name;
  case OP_CONTRACT:
    return at->naxes ? arena_printf(p->a, "@[%s]", axis_list(p->a, at->axes, at->naxes))
                     : "\xC3\x97";
  case OP_INDEX: return index_text(p, n);
  case OP_SCAN: return arena_printf(p->a, "scan[%s]", axis_word(at->scan->axis));
  case OP_SUM:
  case OP_RMAX:
  case OP_RMIN:
  case OP_FLIP:
    return arena_printf(p->a, "%s[%s]", sign_of(n->op), axis_list(p->a, at->axes, at->naxes));
  default:
    return at->axis ? arena_printf(p->a, "%s[%s]", sign_of(n->op), axis_word(at->axis))
                    : sign_of(n->op);
  }
}

const char *pic_amount(Arena *a, double x, const char *unit) {
  static const char *const scale[] = {"", "k", "M", "G", "T", "P"};
  int i = 0;
  for (; x >= 999.5 && i + 1 < COUNT(scale); i++)
    x /= 1000;
  int digits = x >= 100 || (!i && x == floor(x)) ? 0 : x >= 10 ? 1 : 2;
  return arena_printf(a, "%.*f %s%s", digits, x, scale[i], i || *unit != ' ' ? unit : unit + 1);
}
