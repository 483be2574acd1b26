// Readable text of loop IR, for --emit=loops and for failing tests.
#include "codegen/loop/loop.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct Out {
  FILE *f;
  const LKernel *k;
  Arena *arena;
} Out;

static const char *const op_name[L_OP_COUNT] = {
#define LOOP_OP(id, name, arity) name,
#include "codegen/loop/loop_ops.def"
#undef LOOP_OP
#define SCALAR(id, name, arity, domain, flags, cost) name,
#include "base/scalar.def"
#undef SCALAR
};
static const char *const reduce_name[] = {[LR_SUM] = "sum", [LR_MAX] = "max", [LR_MIN] = "min"};
static const char *const infix[L_OP_COUNT] = {
    [L_ADD] = "+", [L_SUB] = "-", [L_MUL] = "*", [L_DIV] = "/", [L_LT] = "<",
    [L_LE] = "<=", [L_EQ] = "==", [L_NE] = "!=", [L_AND] = "&", [L_OR] = "|"};

static void put_expr(const Out *o, const LExpr *e, bool inner);

static void put_infix(const Out *o, const LExpr *e, const char *op, bool inner) {
  fputs(inner ? "(" : "", o->f);
  put_expr(o, e->a, true);
  fprintf(o->f, " %s ", op);
  put_expr(o, e->b, true);
  fputs(inner ? ")" : "", o->f);
}

static void put_call(const Out *o, const LExpr *e, const char *name) {
  fprintf(o->f, "%s(", name);
  put_expr(o, e->a, false);
  if (e->b)
    fputs(", ", o->f), put_expr(o, e->b, false);
  if (e->c)
    fputs(", ", o->f), put_expr(o, e->c, false);
  fputc(')', o->f);
}

static const char *mem_name(const Out *o, int64_t mem) {
  if (mem < 0 || mem >= o->k->mem.n)
    return "?";
  const char *name = o->k->mem.v[mem].name;
  return arena_printf(o->arena, "%s.%d", name ? name : "m", (int)mem);
}

static void put_access(const Out *o, int64_t mem, const LExpr *index) {
  fprintf(o->f, "%s[", mem_name(o, mem));
  put_expr(o, index, false);
  fputc(']', o->f);
}

static void put_expr(const Out *o, const LExpr *e, bool inner) {
  if (!e) {
    fputs("<null>", o->f);
    return;
  }
  switch (e->op) {
  case L_INT: fprintf(o->f, "%" PRId64, e->inum); return;
  case L_POLY: fprintf(o->f, "{%s}", poly_str(o->arena, &e->poly, NULL)); return;
  case L_SCALAR_INT: fprintf(o->f, "%s(%" PRId64 ")", op_name[e->op], e->inum); return;
  case L_CONST:
    fprintf(o->f, "%.17g%s", e->num, e->dtype == DT_F32 ? "" : dtype_name(e->dtype));
    return;
  case L_SCALAR:
    fprintf(o->f, "%s.%s(%" PRId64 ")", op_name[e->op], dtype_name(e->dtype), e->inum);
    return;
  case L_LOAD: put_access(o, e->inum, e->a); return;
  case L_VAR:
  case L_REG: fprintf(o->f, "%s%" PRId64, op_name[e->op], e->inum); return;
  case L_ACC: fputs(op_name[e->op], o->f); return;
  case L_FROM_INT:
  case L_CAST: put_call(o, e, dtype_name(e->dtype)); return;
  case L_RANDOM:
    put_call(o, e, arena_printf(o->arena, "%s.%" PRId64, op_name[e->op], e->inum));
    return;
  default: break;
  }
  if (e->op >= L_IADD && e->op <= L_IMOD)
    put_infix(o, e, op_name[e->op], inner);
  else if (e->op < L_OP_COUNT && infix[e->op])
    put_infix(o, e, infix[e->op], inner);
  else
    put_call(o, e, e->op < L_OP_COUNT ? op_name[e->op] : "?");
}

static void put_body(const Out *o, const LBody *b, int depth);

// Prints a format where % stands for the next expression, in parentheses after a '*'.
static void put(const Out *o, const char *format, ...) {
  va_list ap;
  char before = 0;
  va_start(ap, format);
  for (; *format; before = *format++)
    if (*format == '%')
      put_expr(o, va_arg(ap, const LExpr *), before == '*');
    else
      fputc(*format, o->f);
  va_end(ap);
}

static void put_product(const Out *o, const LTile *t, const LProduct *p) {
  fprintf(o->f, "%s[", mem_name(o, p->amem));
  put(o, "%", p->abase);
  fprintf(o->f, " + i%d*", t->mvar);
  put(o, "% + k*%] @ ", p->am, p->ak);
  fprintf(o->f, "%s[", mem_name(o, p->bmem));
  put(o, "% + k*%", p->bbase, p->bk);
  if (p->bwidth) {
    fprintf(o->f, " + i%d/%d*", t->nvar, (int)p->bwidth);
    put(o, "%", p->bpanel);
    fprintf(o->f, " + i%d%%%d", t->nvar, (int)p->bwidth);
  } else {
    fprintf(o->f, " + i%d", t->nvar);
    if (p->bn)
      put(o, "*%", p->bn);
  }
  put(o, "], k < %", p->K);
  if (p->afirst)
    put(o, ", of the first %", p->afirst);
  if (p->bfirst)
    put(o, ", of the second %", p->bfirst);
  if (p->pairs)
    fputs(", in pairs", o->f);
  if (p->quads)
    fputs(", in quads", o->f);
  fputc('\n', o->f);
}

static void put_tile(const Out *o, const LTile *t, int depth) {
  fprintf(o->f, "tile i%d < ", t->mvar);
  put(o, "%", t->M);
  fprintf(o->f, ", i%d < ", t->nvar);
  put(o, "% {\n", t->N);
  for (int i = 0; i < t->nprod; i++) {
    fprintf(o->f, "%*sacc += ", 2 * depth + 2, "");
    put_product(o, t, &t->prod[i]);
  }
  put_body(o, &t->body, depth + 1);
  fprintf(o->f, "%*s}\n", 2 * depth, "");
}

static void put_transpose(const Out *o, const LStmt *s) {
  fprintf(o->f, "transpose %s[", mem_name(o, s->tr.dst));
  put(o, "%", s->tr.dbase);
  fprintf(o->f, " + r/%d*", (int)s->tr.dwidth);
  put(o, "% + c*%", s->tr.dpanel, s->tr.dcol);
  fprintf(o->f, " + r%%%d] = %s[", (int)s->tr.dwidth, mem_name(o, s->tr.src));
  put(o, "% + r*% + c], r < %, c < %\n", s->tr.sbase, s->tr.srow, s->tr.rows, s->tr.cols);
}

static void put_pairs(const Out *o, const LStmt *s) {
  fprintf(o->f, "pairs %s[", mem_name(o, s->tr.dst));
  put(o, "%", s->tr.dbase);
  fprintf(o->f, " + r/%d*", (int)s->tr.dwidth);
  put(o, "%", s->tr.dpanel);
  fprintf(o->f, " + c/2*%d + r%%%d*2 + c%%2] = %s[", 2 * (int)s->tr.dwidth, (int)s->tr.dwidth,
          mem_name(o, s->tr.src));
  put(o, "% + r*% + c*%], r < %, c < %\n", s->tr.sbase, s->tr.srow, s->tr.scol, s->tr.rows,
      s->tr.cols);
}

static void put_quads(const Out *o, const LStmt *s) {
  fprintf(o->f, "quads %s[", mem_name(o, s->tr.dst));
  put(o, "%", s->tr.dbase);
  fprintf(o->f, " + r/%d*", (int)s->tr.dwidth);
  put(o, "%] = ", s->tr.dpanel);
  fprintf(o->f, "%s[", mem_name(o, s->tr.src));
  put(o, "% + r*% + c*%], r < %, c < %\n", s->tr.sbase, s->tr.srow, s->tr.scol, s->tr.rows,
      s->tr.cols);
}

static void put_for(const Out *o, const LStmt *s, int depth) {
  fprintf(o->f, "for i%d in [", s->var);
  put(o, "%, %)", s->lo, s->hi);
  if (s->vec)
    fprintf(o->f, " vector x%d", s->vec);
  if (s->apart)
    fputs(" apart", o->f);
  fputs(" {\n", o->f);
  put_body(o, &s->body, depth + 1);
  fprintf(o->f, "%*s}\n", 2 * depth, "");
}

static void put_matrix(const Out *o, const LAttention *t, int i, int depth) {
  char use = loop_attention_use(t->part, i);
  if (use == 'N' || t->m[i].mem < 0)
    return;
  fprintf(o->f, "%*s%s %s %s[", 2 * depth, "", loop_attention_name(i), use == 'R' ? "=" : "->",
          mem_name(o, t->m[i].mem));
  put(o, "% + i*% + j]\n", t->m[i].base, t->m[i].row);
}

// A register that is -1 has nothing to say.
static void put_yield(const Out *o, const char *what, int reg) {
  if (reg >= 0)
    fprintf(o->f, " %s r%d", what, reg);
}

static void put_attention(const Out *o, const LStmt *s, int depth) {
  static const char *const part[] = {"out", "rows", "keys"};
  const LAttention *t = s->attention;
  fprintf(o->f, "attention %s from ", part[t->part]);
  put(o, "%", t->first);
  fprintf(o->f, ", i%d < ", t->row);
  put(o, "%", t->rows);
  fprintf(o->f, ", i%d < ", t->key);
  put(o, "%", t->keys);
  fprintf(o->f, ", d = %" PRId64 ", dv = %" PRId64 ", scale %.9g, rate %.9g", t->d, t->dv, t->scale,
          t->rate);
  if (t->near)
    fprintf(o->f, ", i%d in [i%d - %" PRId64 ", i%d + %" PRId64 "]", t->key, t->row, t->behind,
            t->row, t->ahead);
  fputs(" {\n", o->f);
  for (int i = 0; i < LM_COUNT; i++)
    put_matrix(o, t, i, depth + 1);
  put_body(o, &s->body, depth + 1);
  fprintf(o->f, "%*s}", 2 * depth, "");
  put_yield(o, "score", t->score);
  put_yield(o, "seen", t->seen);
  put_yield(o, "kept", t->kept);
  fputc('\n', o->f);
}

static void put_stmt(const Out *o, const LStmt *s, int depth) {
  fprintf(o->f, "%*s", 2 * depth, "");
  switch (s->kind) {
  case LS_FOR: put_for(o, s, depth); return;
  case LS_TILE: put_tile(o, s->tile, depth); return;
  case LS_TRANSPOSE: put_transpose(o, s); return;
  case LS_PAIRS: put_pairs(o, s); return;
  case LS_QUADS: put_quads(o, s); return;
  case LS_ATTENTION: put_attention(o, s, depth); return;
  case LS_REG:
    fprintf(o->f, "r%d : %s = ", s->reg, dtype_name(s->dtype));
    put(o, "%\n", s->value);
    return;
  case LS_SET:
    fprintf(o->f, "r%d = ", s->reg);
    put(o, "%\n", s->value);
    return;
  case LS_REDUCE:
    fprintf(o->f, "r%d %s= ", s->reg, reduce_name[s->reduce]);
    put(o, "%\n", s->value);
    return;
  case LS_STORE:
  case LS_COLSUM:
    fputs(s->diagonal ? "diagonal sum " : s->kind == LS_COLSUM ? "colsum " : "", o->f);
    put_access(o, s->mem, s->index);
    put(o, s->add ? " += %\n" : " = %\n", s->value);
    return;
  }
}

static void put_body(const Out *o, const LBody *b, int depth) {
  for (int i = 0; i < b->n; i++)
    put_stmt(o, b->v[i], depth);
}

static void put_mems(const Out *o) {
  for (int i = 0; i < o->k->mem.n; i++) {
    const LMem *m = &o->k->mem.v[i];
    fprintf(o->f, "  %s %s : %s", i < o->k->nargs ? "arg" : "scratch", mem_name(o, i),
            dtype_name(m->dtype));
    if (m->scratch)
      fprintf(o->f, "[%s]", poly_str(o->arena, &m->size, NULL));
    fputs(!m->scratch && m->written ? " written\n" : "\n", o->f);
  }
}

void loop_print(FILE *f, const LKernel *k) {
  Out o = {f, k, arena_new()};
  if (k->from)
    fprintf(f, "# %s\n", k->from);
  fprintf(f, "kernel %s {\n", k->name ? k->name : "?");
  put_mems(&o);
  for (int i = 0; i < k->ngrid; i++)
    fprintf(f, "  grid i%d < ceil((%s) / %" PRId64 ")\n", k->grid[i].var,
            poly_str(o.arena, &k->grid[i].extent, NULL), k->grid[i].block);
  put_body(&o, &k->body, 1);
  fputs("}\n", f);
  arena_free(o.arena);
}
