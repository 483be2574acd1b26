// The syntax tree as text: for --emit=ast one node a line, indented; expressions and types also in
// the language's own syntax on one line, which parses to the same tree again.
#include "compiler/syntax/ast.h"
#include <stdio.h>
#include <string.h>

typedef struct AstPrinter {
  Arena *arena;
  VEC(char) text;
  int indent;
} AstPrinter;

static void out(AstPrinter *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void out(AstPrinter *p, const char *fmt, ...) {
  char small[256];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(small, sizeof small, fmt, ap);
  va_end(ap);
  const char *s = small;
  if (n >= (int)sizeof small) {
    va_start(ap, fmt);
    s = arena_vprintf(p->arena, fmt, ap);
    va_end(ap);
  }
  if (p->text.n + n >= p->text.cap)
    vec_grow(p->arena, (void **)&p->text.v, &p->text.cap, p->text.n + n + 1, 1);
  memcpy(p->text.v + p->text.n, s, (size_t)n + 1);
  p->text.n += n;
}

static void line(AstPrinter *p) {
  out(p, "%s%*s", p->text.n ? "\n" : "", 2 * p->indent, "");
}

static void place(AstPrinter *p, Span s) {
  int row, col;
  span_pos(s, &row, &col);
  out(p, "  # %d:%d", row, col);
}

// ---- one line, in the language's syntax
static void expr(AstPrinter *p, const Expr *e);

static void names(AstPrinter *p, const Names *n) {
  for (int i = 0; i < n->n; i++)
    out(p, "%s%s", i ? ", " : "", n->v[i].s);
}

static void group(AstPrinter *p, const Names *n, bool brackets) {
  out(p, brackets ? "(" : "");
  names(p, n);
  out(p, brackets ? ")" : "");
}

static void axes(AstPrinter *p, const AxisNames *x) {
  for (int i = 0; i < x->n; i++)
    out(p, "%s%s%s", i ? ", " : "", x->v[i].name.s, x->v[i].pack ? "..." : "");
}

static void generics(AstPrinter *p, const Generics *g) {
  if (!g)
    return;
  out(p, "[");
  axes(p, &g->in);
  out(p, g->arrow ? " -> " : "");
  axes(p, &g->out);
  out(p, "]");
}

static void type(AstPrinter *p, const Type *t) {
  if (t->has_dtype)
    out(p, "%s", dtype_name(t->dtype));
  if (!t->has_axes)
    return;
  out(p, "[");
  for (int i = 0; i < t->dims.n; i++) {
    const TDim *d = &t->dims.v[i];
    out(p, "%s%s%s", i ? ", " : "", d->rest ? ".." : d->name.s, d->pack ? "..." : "");
  }
  out(p, "]");
}

static void args(AstPrinter *p, const Args *a) {
  out(p, "(");
  for (int i = 0; i < a->n; i++) {
    out(p, "%s", i ? ", " : "");
    if (a->v[i].name.s)
      out(p, "%s: ", a->v[i].name.s);
    expr(p, a->v[i].value);
  }
  out(p, ")");
}

static void formals(AstPrinter *p, const Formals *f) {
  out(p, "(");
  for (int i = 0; i < f->n; i++) {
    out(p, "%s%s", i ? ", " : "", f->v[i].name.s);
    if (f->v[i].type) {
      out(p, " : ");
      type(p, f->v[i].type);
    }
    if (f->v[i].preset) {
      out(p, " = ");
      expr(p, f->v[i].preset);
    }
  }
  out(p, ")");
}

static void dim_op(AstPrinter *p, const DimOp *op) {
  group(p, &op->from, op->kind == DIM_MERGE);
  if (op->kind == DIM_INDEX || op->kind == DIM_SLICE) {
    out(p, " = ");
    expr(p, op->lo);
    if (op->kind == DIM_SLICE) {
      out(p, " : ");
      expr(p, op->hi);
    }
    return;
  }
  out(p, " as ");
  group(p, &op->to, op->kind == DIM_SPLIT);
}

static void stmt(AstPrinter *p, const Stmt *s, bool tree);

static void scan(AstPrinter *p, const ScanExpr *s) {
  out(p, "scan[%s]", s->axis.s);
  formals(p, &s->states);
  out(p, " { ");
  for (int i = 0; i < s->body->stmts.n; i++) {
    stmt(p, s->body->stmts.v[i], false);
    out(p, "; ");
  }
  out(p, "}");
}

static void items(AstPrinter *p, const Exprs *e, const char *between) {
  out(p, "(");
  for (int i = 0; i < e->n; i++) {
    out(p, "%s", i ? between : "");
    expr(p, e->v[i]);
  }
  out(p, ")");
}

// What stands after the operand of a postfix expression, or the whole of a leaf.
static void tail(AstPrinter *p, const Expr *e) {
  switch (e->kind) {
  case EX_NUM: out(p, "%.*s", (int)(e->op.hi - e->op.lo), e->op.src->text + e->op.lo); break;
  case EX_STR: out(p, "\"%s\"", e->str.s); break;
  case EX_NAME: out(p, "%s", e->name.s); break;
  case EX_BOOL: out(p, e->truth ? "true" : "false"); break;
  case EX_DTYPE: out(p, "%s", dtype_name(e->dtype)); break;
  case EX_DOT: out(p, ".%s", e->name.s); break;
  case EX_AXES:
    out(p, "[");
    axes(p, &e->axes);
    out(p, "]");
    break;
  case EX_OPS:
    out(p, "[");
    for (int i = 0; i < e->ops.n; i++) {
      out(p, "%s", i ? ", " : "");
      dim_op(p, &e->ops.v[i]);
    }
    out(p, "]");
    break;
  case EX_AT:
    out(p, "[");
    expr(p, e->b);
    out(p, "]");
    break;
  case EX_CALL: args(p, &e->args); break;
  case EX_TUPLE: items(p, &e->items, ", "); break;
  case EX_THEN: items(p, &e->items, " then "); break;
  case EX_SCAN: scan(p, e->scan); break;
  case EX_FOREIGN:
    out(p, "%.*s", (int)(e->span.hi - e->span.lo), e->span.src->text + e->span.lo);
    break;
  default: break;
  }
}

static void oper(AstPrinter *p, const Expr *e) {
  if (e->kind == EX_NEG)
    out(p, "-");
  else if (e->kind == EX_NOT)
    out(p, "not ");
  else if (e->kind == EX_PIPE)
    out(p, "|>");
  else if (e->kind == EX_BIN)
    out(p, "%s", bin_op_name(e->bin));
  else if (e->kind == EX_CONTRACT) {
    out(p, "@[");
    axes(p, &e->axes);
    out(p, "]");
  }
}

static void expr(AstPrinter *p, const Expr *e) {
  bool infix = e->kind == EX_BIN || e->kind == EX_CONTRACT || e->kind == EX_PIPE;
  out(p, e->parens ? "(" : "");
  if (e->kind == EX_NEG || e->kind == EX_NOT)
    oper(p, e);
  if (e->a && e->kind != EX_FOREIGN)
    expr(p, e->a);
  if (infix) {
    bool tight = e->kind == EX_BIN && e->bin == BIN_POW;
    out(p, tight ? "" : " ");
    oper(p, e);
    out(p, tight ? "" : " ");
    expr(p, e->b);
  }
  tail(p, e);
  out(p, e->parens ? ")" : "");
}

// ---- the tree: one node a line
static void tree(AstPrinter *p, const Expr *e);

static void formals_tree(AstPrinter *p, const Formals *f) {
  for (int i = 0; i < f->n; i++) {
    line(p);
    out(p, "formal %s", f->v[i].name.s);
    if (f->v[i].type) {
      out(p, " : ");
      type(p, f->v[i].type);
    }
    if (f->v[i].preset)
      tree(p, f->v[i].preset);
  }
}

static void body_tree(AstPrinter *p, const Body *b) {
  for (int i = 0; i < b->stmts.n; i++) {
    line(p);
    stmt(p, b->stmts.v[i], true);
  }
}

static void args_tree(AstPrinter *p, const Args *a) {
  for (int i = 0; i < a->n; i++) {
    if (a->v[i].name.s) {
      line(p);
      out(p, "%s:", a->v[i].name.s);
      p->indent++;
    }
    tree(p, a->v[i].value);
    p->indent -= a->v[i].name.s != NULL;
  }
}

static void node(AstPrinter *p, const Expr *e) {
  static const char *const kinds[EX_KIND_COUNT] = {
      "number ", "string ", "name ",  "bool ", "dtype ",  "dot ", "axes ",
      "ops ",    "call",    "negate", "not",   "",        "",     "pipe",
      "tuple",   "then",    "scan ",  "at",    "foreign "};
  out(p, "%s", kinds[e->kind]);
  if (e->kind == EX_BIN || e->kind == EX_CONTRACT)
    oper(p, e);
  else if (e->kind == EX_SCAN)
    out(p, "%s", e->scan->axis.s);
  else if (e->kind != EX_CALL && e->kind != EX_TUPLE && e->kind != EX_THEN && e->kind != EX_AT)
    tail(p, e);
  place(p, e->span);
}

static void tree(AstPrinter *p, const Expr *e) {
  p->indent++;
  line(p);
  node(p, e);
  if (e->a)
    tree(p, e->a);
  if (e->b)
    tree(p, e->b);
  p->indent++;
  if (e->kind == EX_CALL)
    args_tree(p, &e->args);
  if (e->kind == EX_SCAN) {
    formals_tree(p, &e->scan->states);
    body_tree(p, e->scan->body);
  }
  p->indent--;
  if (e->kind == EX_TUPLE || e->kind == EX_THEN)
    for (int i = 0; i < e->items.n; i++)
      tree(p, e->items.v[i]);
  p->indent--;
}

static void value(AstPrinter *p, const Expr *e, bool as_tree) {
  if (as_tree)
    tree(p, e);
  else
    expr(p, e);
}

static void one_child(AstPrinter *p, const Stmt *s);

static void child(AstPrinter *p, const Stmt *s) {
  if (s->repeat != REPEAT_NONE)
    out(p, "%s %s ", s->repeat == REPEAT_REPEAT ? "repeat" : "share", s->count.s);
  if (s->index.s)
    out(p, "as %s ", s->index.s);
  one_child(p, s);
}

static void one_child(AstPrinter *p, const Stmt *s) {
  out(p, "%s", s->module.s);
  generics(p, s->generics);
  if (s->has_args)
    args(p, &s->args);
  if (!s->other)
    return;
  out(p, " if ");
  expr(p, s->cond);
  out(p, " or ");
  if (s->index.s)
    one_child(p, s->other);
  else
    child(p, s->other);
}

static void param(AstPrinter *p, const Stmt *s, bool as_tree) {
  type(p, s->type);
  if (!as_tree && s->value) {
    out(p, " ~ ");
    expr(p, s->value);
  }
  for (int i = 0; i < s->tags.n; i++)
    out(p, "  @%s", s->tags.v[i].s);
  if (s->cond) {
    out(p, " if ");
    expr(p, s->cond);
  }
  if (s->absent) {
    out(p, " or ");
    expr(p, s->absent);
  }
  if (as_tree && s->value)
    tree(p, s->value);
}

static void forms(AstPrinter *p, const Stmt *s, bool as_tree) {
  out(p, as_tree ? "" : " { ");
  p->indent++;
  for (int i = 0; i < s->forms.n; i++) {
    if (as_tree)
      line(p);
    out(p, as_tree ? "form %s" : "%s = ", s->forms.v[i].name.s);
    value(p, s->forms.v[i].value, as_tree);
    out(p, as_tree ? "" : "; ");
  }
  p->indent--;
  out(p, as_tree ? "" : "}");
}

// On one line it is the language's syntax, as a tree a word for the kind comes first.
static void stmt(AstPrinter *p, const Stmt *s, bool as_tree) {
  static const char *const kinds[] = {"param ", "child ",          "bind ", "entry ",
                                      "forms ", "result or value", "bad "};
  if (as_tree || s->kind == ST_ENTRY || s->kind == ST_FORMS)
    out(p, "%s", kinds[s->kind]);
  names(p, &s->names);
  if (s->kind == ST_BAD)
    return;
  if (s->type || s->kind == ST_CHILD)
    out(p, " : ");
  if (s->kind == ST_PARAM) {
    param(p, s, as_tree);
    return;
  }
  if (s->type)
    type(p, s->type);
  if (s->kind == ST_CHILD)
    child(p, s);
  if (s->kind == ST_FORMS)
    forms(p, s, as_tree);
  if (!s->value)
    return;
  if (!as_tree && s->kind != ST_EXPR)
    out(p, " = ");
  value(p, s->value, as_tree);
}

// ---- declarations
static void rule(AstPrinter *p, const CkRule *r) {
  line(p);
  out(p, "rule ");
  for (int i = 0; i < r->segs.n; i++) {
    const Seg *s = &r->segs.v[i];
    out(p, "%s%s", i ? "." : "", s->kind == SEG_INDEX ? "{" : s->kind == SEG_GROUP ? "(" : "");
    names(p, &s->names);
    out(p, s->kind == SEG_INDEX ? "}" : s->kind == SEG_GROUP ? ")" : "");
  }
  out(p, " <-> \"%s\"%s", r->to.s, r->or_init ? " or init" : "");
  p->indent++;
  for (int i = 0; i < r->rules.n; i++)
    rule(p, r->rules.v[i]);
  p->indent--;
}

static void config(AstPrinter *p, const CkItem *c) {
  out(p, "config \"%s\"", c->path.s);
  p->indent++;
  for (int i = 0; i < c->config.n; i++) {
    const ConfigItem *x = &c->config.v[i];
    line(p);
    out(p, x->check ? "check %s == " : "set %s = ", x->name.s);
    if (x->check)
      expr(p, x->value);
    else
      out(p, "%s", x->key.s);
    if (x->when[1].s)
      out(p, " == \"%s\" or \"%s\"", x->when[1].s, x->when[0].s);
  }
  p->indent--;
}

static void ckitem(AstPrinter *p, const CkItem *c) {
  if (c->kind == CK_RULE) {
    rule(p, c->rule);
    return;
  }
  line(p);
  if (c->kind == CK_LAYOUT) {
    out(p, "layout %s", c->layout.s);
  } else if (c->kind == CK_CONFIG) {
    config(p, c);
  } else if (c->kind == CK_ALIAS) {
    out(p, "alias");
    for (int i = 0; i < c->aliases.n; i++)
      out(p, " \"%s\" = \"%s\"", c->aliases.v[i].old_name.s, c->aliases.v[i].new_name.s);
  } else {
    out(p, "ignore");
    for (int i = 0; i < c->ignore.n; i++) {
      const Ignored *x = &c->ignore.v[i];
      out(p, " \"%s\"", x->pattern.s);
      for (int k = 0; k < x->param.n; k++)
        out(p, "%s%s", k ? "." : " = ", x->param.v[k].s);
    }
  }
}

static void setting(AstPrinter *p, const Setting *s) {
  line(p);
  out(p, "set %s %s", s->name.s, s->times ? "*=" : "=");
  tree(p, s->value);
}

static void tritem(AstPrinter *p, const TrItem *x) {
  if (x->kind == TR_SETTING) {
    setting(p, &x->setting);
    return;
  }
  line(p);
  if (x->kind == TR_NEXT) {
    out(p, "next ");
    expr(p, x->state);
    tree(p, x->next);
  } else if (x->kind == TR_FROM) {
    out(p, "from \"%s\"", x->from.s);
  } else if (x->kind == TR_DATA) {
    out(p, "data");
    for (int i = 0; i < x->fields.n; i++) {
      out(p, "%s %s", i ? "," : "", x->fields.v[i].name.s);
      if (x->fields.v[i].type) {
        out(p, " : ");
        type(p, x->fields.v[i].type);
      }
    }
    tree(p, x->source);
  } else {
    out(p, "group");
    for (int i = 0; i < x->tags.n; i++)
      out(p, " @%s", x->tags.v[i].s);
    p->indent++;
    for (int i = 0; i < x->settings.n; i++)
      setting(p, &x->settings.v[i]);
    p->indent--;
  }
}

static void dims_and_lets(AstPrinter *p, const Decl *d) {
  static const char *const binds[] = {"", " =", " <="};
  for (int i = 0; i < d->dims.n; i++) {
    line(p);
    out(p, "dim %s%s", d->dims.v[i].name.s, binds[d->dims.v[i].bind]);
    place(p, d->dims.v[i].span);
    if (d->dims.v[i].value)
      tree(p, d->dims.v[i].value);
  }
  for (int i = 0; i < d->lets.n; i++) {
    line(p);
    out(p, "let %s", d->lets.v[i].name.s);
    place(p, d->lets.v[i].span);
    tree(p, d->lets.v[i].value);
  }
}

static void inside(AstPrinter *p, const Decl *d) {
  formals_tree(p, &d->formals);
  if (d->body)
    body_tree(p, d->body);
  for (int i = 0; i < d->checkpoint.n; i++)
    ckitem(p, &d->checkpoint.v[i]);
  for (int i = 0; i < d->train.n; i++)
    tritem(p, &d->train.v[i]);
}

static void results(AstPrinter *p, const Decl *d) {
  out(p, d->more.n ? " -> (" : " -> ");
  type(p, d->type);
  for (int i = 0; i < d->more.n; i++) {
    out(p, ", ");
    type(p, d->more.v[i]);
  }
  out(p, d->more.n ? ")" : "");
}

static void decl(AstPrinter *p, const Decl *d) {
  static const char *const kinds[] = {"use ",        "dim ",   "let ",    "init",
                                      "tokenizer",   "fn ",    "module ", "model ",
                                      "checkpoint ", "train ", "bad "};
  if (d->kind == DECL_DIM || d->kind == DECL_LET) {
    dims_and_lets(p, d);
    return;
  }
  line(p);
  out(p, "%s", kinds[d->kind]);
  if (d->kind == DECL_BAD) {
    names(p, &d->names);
    return;
  }
  if (d->kind == DECL_USE) {
    names(p, &d->only);
    out(p, "%s\"%s\"", d->only.n ? " from " : "", d->path.s);
  }
  if (d->name.s)
    out(p, "%s", d->name.s);
  if (d->from.s)
    out(p, " from %s", d->from.s);
  generics(p, d->generics);
  if (d->type)
    results(p, d);
  place(p, d->span);
  if (d->value)
    tree(p, d->value);
  p->indent++;
  inside(p, d);
  p->indent--;
}

// ---- entry points
static char *text(AstPrinter *p) {
  out(p, "%s", "");
  return p->text.v;
}

char *ast_print(Arena *a, const File *f) {
  AstPrinter p = {.arena = a};
  for (int i = 0; i < f->decls.n; i++)
    decl(&p, f->decls.v[i]);
  out(&p, p.text.n ? "\n" : "");
  return text(&p);
}

char *ast_print_expr(Arena *a, const Expr *e) {
  AstPrinter p = {.arena = a};
  expr(&p, e);
  return text(&p);
}

char *ast_print_type(Arena *a, const Type *t) {
  AstPrinter p = {.arena = a};
  type(&p, t);
  return text(&p);
}
