// Expressions of the loop IR as CUDA C++.
//
// Nodes may be shared; what a statement uses more than once is named before it, so that text grows
// with the nodes and not with the paths to them.  Sums of products are fused by the expression's
// form alone, as in machine code for CPUs.
#include "codegen/cuda/cuda_internal.h"
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *cuda_type(DType t) {
  switch (t) {
  case DT_BOOL: return "bool";
  case DT_I32: return "int";
  case DT_I64: return "long long";
  case DT_F64: return "double";
  default: return "float";
  }
}

const char *cuda_memory(DType t) {
  return t == DT_BOOL ? "unsigned char" : t == DT_BF16 ? "unsigned short" : cuda_type(t);
}

// The name it has in the model as an identifier, and its number, so that it is nobody else's.
const char *cuda_mem(CudaCx *c, int mem) {
  const char *name = c->k->mem.v[mem].name;
  char *text =
      arena_printf(c->arena, "%s_%d", name && isalpha((unsigned char)*name) ? name : "m", mem);
  for (char *p = text; *p; p++)
    if (!isalnum((unsigned char)*p))
      *p = '_';
  c->used_mem[mem] = true;
  return text;
}

// ---- sums of products

typedef struct Fused { // a * b + c
  const LExpr *a, *b, *c;
  bool minus_a, minus_c;
} Fused;

static bool is_product(const LExpr *x) {
  return x->op == L_MUL && (x->dtype == DT_F32 || x->dtype == DT_F64);
}

static bool fused(const LExpr *x, Fused *f) {
  if ((x->op != L_ADD && x->op != L_SUB) || (x->dtype != DT_F32 && x->dtype != DT_F64))
    return false;
  bool minus = x->op == L_SUB, first = is_product(x->a);
  const LExpr *p = first ? x->a : x->b;
  *f = (Fused){p->a, p->b, first ? x->b : x->a, minus && !first, minus && first};
  return is_product(p);
}

// ---- names

// What the text of x evaluates; their number, 0 for leaves.
static int operands(CudaCx *c, const LExpr *x, const LExpr *kid[3]) {
  Fused f;
  if (cuda_array(c, x))
    return 0;
  if (fused(x, &f)) {
    kid[0] = f.a, kid[1] = f.b, kid[2] = f.c;
    return 3;
  }
  kid[0] = x->a, kid[1] = x->b, kid[2] = x->c;
  return x->c ? 3 : x->b ? 2 : x->a ? 1 : 0;
}

static void count(CudaCx *c, const LExpr *x) {
  const LExpr *kid[3];
  uint64_t uses = 0;
  int n = operands(c, x, kid);
  if (!n)
    return;
  map_get(&c->counts, x, &uses);
  map_put(&c->counts, x, uses + 1);
  for (int i = 0; i < n && !uses; i++)
    count(c, kid[i]);
}

static const char *name_format(const LExpr *x) {
  return x->dtype == DT_I64 ? "n%d" : "x%d";
}

static void give_name(CudaCx *c, const LExpr *x) {
  const char *name = arena_printf(c->arena, name_format(x), ++c->nnamed);
  cuda_line(c, "const %s %s = $;", cuda_type(x->dtype), name, x);
  map_put(&c->names, x, (uint64_t)c->nnamed);
}

static void name_shared(CudaCx *c, const LExpr *x) {
  const LExpr *kid[3];
  uint64_t uses = 0, seen;
  int n = operands(c, x, kid);
  if (!n || map_get(&c->names, x, &seen))
    return;
  for (int i = 0; i < n; i++)
    name_shared(c, kid[i]);
  map_get(&c->counts, x, &uses);
  map_put(&c->names, x, 0);
  if (uses > 1)
    give_name(c, x);
}

void cuda_begin(CudaCx *c, const LExpr *const *roots, int n) {
  map_clear(&c->counts);
  map_clear(&c->names);
  for (int i = 0; i < n; i++)
    if (roots[i])
      count(c, roots[i]);
  for (int i = 0; i < n; i++)
    if (roots[i])
      name_shared(c, roots[i]);
}

// ---- text

static void put_format(CudaCx *c, const char *format, va_list *ap) {
  for (; *format; format++)
    if (*format == '@' || *format == '$')
      cuda_expr(c, va_arg(*ap, const LExpr *), *format == '@');
    else if (*format == '%' && format[1] == 'd')
      fprintf(c->f, "%d", va_arg(*ap, int)), format++;
    else if (*format == '%' && format[1] == 's')
      fputs(va_arg(*ap, const char *), c->f), format++;
    else
      fputc(*format, c->f);
}

void cuda_put(CudaCx *c, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  put_format(c, format, &ap);
  va_end(ap);
}

void cuda_line(CudaCx *c, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  fprintf(c->f, "%*s", 2 * c->depth, "");
  put_format(c, format, &ap);
  fputc('\n', c->f);
  va_end(ap);
  c->synced = false;
}

static bool starts(const char *s, const char *prefix) {
  return !strncmp(s, prefix, strlen(prefix));
}

// Operands of a pattern stand alone where they are a call's arguments.
static bool is_argument(const char *pattern, const char *at) {
  return starts(pattern, "bg_") && (at[-1] == '(' || (at[-1] == ' ' && at[-2] == ','));
}

static void put_pattern(CudaCx *c, const char *p, const LExpr *const x[3], bool operand) {
  if (!strcmp(p, "A")) {
    cuda_expr(c, x[0], operand);
    return;
  }
  bool infix = !starts(p, "bg_") && (strchr(p, ' ') || *p != '(');
  fputs(infix && operand ? "(" : "", c->f);
  for (const char *s = p; *s; s++)
    if (*s >= 'A' && *s <= 'C')
      cuda_expr(c, x[*s - 'A'], !is_argument(p, s));
    else
      fputc(*s, c->f);
  fputs(infix && operand ? ")" : "", c->f);
}

static void put_term(CudaCx *c, const PolyTerm *t, int64_t coef) {
  bool one = coef == 1 && t->sym[0] >= 0;
  if (!one)
    fprintf(c->f, "%" PRId64, coef);
  for (int i = 0; i < POLY_FACTORS && t->sym[i] >= 0; i++)
    fprintf(c->f, "%sf.sym[%d]", i || !one ? " * " : "", t->sym[i]);
}

void cuda_poly(CudaCx *c, const Poly *p, bool operand) {
  bool group = operand && (p->n != 1 || p->t[0].coef != 1 || p->t[0].sym[1] >= 0);
  fputs(group ? "(" : "", c->f);
  for (int i = 0; i < p->n; i++) {
    int64_t coef = p->t[i].coef;
    fputs(i ? coef < 0 ? " - " : " + " : "", c->f);
    put_term(c, &p->t[i], i && coef < 0 ? -coef : coef);
  }
  fputs(p->n ? "" : "0", c->f);
  fputs(group ? ")" : "", c->f);
}

static void put_int(CudaCx *c, int64_t n, bool operand) {
  fprintf(c->f, n < 0 && operand ? "(%" PRId64 ")" : "%" PRId64, n);
}

// Infinities and what is no number have functions of the prelude.
static void put_real(CudaCx *c, double v, bool f64, bool operand) {
  char text[40];
  snprintf(text, sizeof text, f64 ? "%.17g" : "%.9g", v);
  bool group = operand && *text == '-';
  fputs(group ? "(" : "", c->f);
  if (isfinite(v))
    fprintf(c->f, "%s%s%s", text, strpbrk(text, ".e") ? "" : ".0", f64 ? "" : "f");
  else
    fputs(isnan(v) ? "bg_nan()" : v < 0 ? "-bg_infinity()" : "bg_infinity()", c->f);
  fputs(group ? ")" : "", c->f);
}

static float bf16_nearest(double v) {
  float f = (float)v;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  if (f == f)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&f, &bits, 4);
  return f;
}

static double rounded(DType t, double v) {
  return t == DT_F64 ? v : t == DT_BF16 ? (double)bf16_nearest(v) : (double)(float)v;
}

// INT_MIN has no literal.
static void put_const(CudaCx *c, const LExpr *x, bool operand) {
  if (x->dtype == DT_BOOL)
    fputs(x->num != 0 ? "true" : "false", c->f);
  else if (x->dtype == DT_I32 && (int64_t)x->num == INT32_MIN)
    fputs("(-2147483647 - 1)", c->f);
  else if (x->dtype == DT_I32)
    put_int(c, (int64_t)x->num, operand);
  else
    put_real(c, rounded(x->dtype, x->num), x->dtype == DT_F64, operand);
}

static void put_stored(CudaCx *c, const LExpr *x) {
  const CudaArray *in = cuda_array(c, x);
  if (in)
    cuda_put(c, in->old ? "bg_again(v%d[s + e])" : in->kept ? "v%d[s + e]" : "v%d[e]", in->number);
  else
    cuda_put(c, "%s[$]", cuda_mem(c, (int)x->inum), x->a);
}

// Arrays have bf16 as the float of equal value.
static void put_load(CudaCx *c, const LExpr *x, bool operand) {
  bool group = x->dtype == DT_BOOL && operand, bf16 = x->dtype == DT_BF16 && !cuda_array(c, x);
  fputs(group ? "(" : bf16 ? "bg_from_bf16(" : "", c->f);
  put_stored(c, x);
  fputs(x->dtype == DT_BOOL ? " != 0" : "", c->f);
  fputs(group || bf16 ? ")" : "", c->f);
}

static void put_scalar_slot(CudaCx *c, const LExpr *x) {
  const char *f = x->op == L_SCALAR_INT ? "(long long)f.scalar[%d]"
                  : x->dtype == DT_I32  ? "(int)f.scalar[%d]"
                  : x->dtype == DT_F64  ? "bg_f64(f.scalar[%d])"
                                        : "bg_f32(f.scalar[%d])";
  cuda_put(c, f, (int)x->inum);
}

static void put_fused(CudaCx *c, const LExpr *x, const Fused *f) {
  cuda_put(c, x->dtype == DT_F64 ? "__fma_rn(" : "__fmaf_rn(");
  cuda_put(c, f->minus_a ? "-@" : "$", f->a);
  cuda_put(c, ", $, ", f->b);
  cuda_put(c, f->minus_c ? "-@)" : "$)", f->c);
}

// Division of a non-negative by a positive number; a divisor that is not known may be 0 where its
// result is not used.
static void put_int_op(CudaCx *c, const LExpr *x, bool operand) {
  static const char *const text[] = {
      [L_IADD] = "A + B",        [L_ISUB] = "A - B", [L_IMUL] = "A * B",
      [L_IDIV] = "A / B",        [L_IMOD] = "A % B", [L_IMIN] = "bg_least(A, B)",
      [L_IMAX] = "bg_most(A, B)"};
  const LExpr *kid[3] = {x->a, x->b, NULL};
  bool unknown = (x->op == L_IDIV || x->op == L_IMOD) && x->b->op != L_INT;
  const char *guarded = x->op == L_IDIV ? "bg_quotient(A, B)" : "bg_rest(A, B)";
  put_pattern(c, unknown ? guarded : text[x->op], kid, operand);
}

// The result is an operand, or was rounded already.
static bool rounds_nothing(LOp op) {
  return op == L_MIN || op == L_MAX || op == L_SELECT || op == L_CAST;
}

static void put_op(CudaCx *c, const LExpr *x, bool operand) {
  const LExpr *kid[3] = {x->a, x->b, x->c};
  const char *p = cuda_scalar(x->op, x->dtype, x->a->dtype);
  bool round = x->dtype == DT_BF16 && !rounds_nothing(x->op);
  fputs(round ? "bg_bf16(" : "", c->f);
  put_pattern(c, p, kid, operand && !round);
  fputs(round ? ")" : "", c->f);
}

static void put_var(CudaCx *c, int var) {
  c->used[var] = true;
  cuda_put(c, "i%d", var);
}

static void put_new(CudaCx *c, const LExpr *x, bool operand) {
  const LExpr *kid[3] = {x->a, NULL, NULL};
  Fused f;
  switch (x->op) {
  case L_INT: put_int(c, x->inum, operand); return;
  case L_VAR: put_var(c, (int)x->inum); return;
  case L_POLY: cuda_poly(c, &x->poly, operand); return;
  case L_TO_INT: cuda_put(c, "(long long)@", x->a); return;
  case L_CONST: put_const(c, x, operand); return;
  case L_SCALAR:
  case L_SCALAR_INT: put_scalar_slot(c, x); return;
  case L_LOAD: put_load(c, x, operand); return;
  case L_REG: cuda_put(c, c->partial[x->inum] ? "r%d_lane" : "r%d", (int)x->inum); return;
  case L_ACC: cuda_put(c, "acc"); return;
  case L_FROM_INT: put_pattern(c, cuda_cast(DT_I64, x->dtype), kid, operand); return;
  case L_RANDOM: cuda_put(c, "bg_random(f.scalar[%d], $)", (int)x->inum, x->a); return;
  default: break;
  }
  if (x->op >= L_IADD && x->op <= L_IMAX)
    put_int_op(c, x, operand);
  else if (fused(x, &f))
    put_fused(c, x, &f);
  else
    put_op(c, x, operand);
}

void cuda_expr(CudaCx *c, const LExpr *x, bool operand) {
  uint64_t number = 0;
  if (x->a && map_get(&c->names, x, &number) && number)
    cuda_put(c, name_format(x), (int)number);
  else
    put_new(c, x, operand);
}
