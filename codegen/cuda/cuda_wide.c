// Vector loops whose lanes take several elements a step.
//
// A lane's elements are groups of neighbours (16 bytes of the narrowest memory), the groups of all lanes
// one after the other: what lies where depends on the loop alone, so that sums do too.  Memory that is
// walked over at stride 1 is loaded into arrays of registers before the elements are computed and stored
// after it, in 16 bytes at a time where its address allows it (bg_take, bg_give).  Where a body passes
// over a short row several times, a step is the whole row, and what was loaded stays in registers.
#include "codegen/cuda/cuda_internal.h"
#include <stdlib.h>

enum {
  STEP = 8,        // elements of a lane, where there is no reason for others
  COST_MOST = 100, // of an element: what takes longer waits for no memory
  ROW_COST_MOST =
      100,       // of an element in all passes over a row: what takes longer would spill registers
  ROW_MOST = 32, // elements of a lane, where a step is a row
  ARRAYS_MOST = 80, // elements of a lane in all arrays of a step
  KEPT_MOST = 64,   // elements of a lane that are kept
  SMALL = 1 << 30,
};

// ---- indices

static bool same(const LExpr *a, const LExpr *b) {
  if (a == b || !a || !b)
    return a == b;
  return a->op == b->op && a->dtype == b->dtype && a->inum == b->inum && a->num == b->num &&
         (a->op != L_POLY || poly_eq(&a->poly, &b->poly)) && same(a->a, b->a) && same(a->b, b->b) &&
         same(a->c, b->c);
}

// Does it change from element to element, or with what the loop stores?
static bool moves(const LStmt *loop, const LExpr *x) {
  if (!x)
    return false;
  if (x->op == L_VAR)
    return x->inum == loop->var;
  if (x->op == L_REG)
    return cuda_declares(&loop->body, (int)x->inum);
  return x->op == L_LOAD || x->op == L_ACC || moves(loop, x->a) || moves(loop, x->b) ||
         moves(loop, x->c);
}

// Is the index that of the loop's first element and the element's number?
static bool walks(const LStmt *loop, const LExpr *x) {
  if (x->op == L_VAR)
    return x->inum == loop->var;
  if (x->op != L_IADD && x->op != L_ISUB)
    return false;
  if (!moves(loop, x->b))
    return walks(loop, x->a);
  return x->op == L_IADD && !moves(loop, x->a) && walks(loop, x->b);
}

static LExpr *first_of(CudaCx *c, const LStmt *loop, LExpr *x) {
  if (x->op == L_VAR && x->inum == loop->var)
    return loop->lo;
  if (!moves(loop, x))
    return x;
  return lx_iop(c->arena, x->op, first_of(c, loop, x->a), first_of(c, loop, x->b));
}

// ---- the size of a loop

// [lo, min(lo + block, ..))
static int64_t most_of(const LStmt *s) {
  const LExpr *hi = s->hi;
  if (cuda_exact_count(s) >= 0)
    return cuda_exact_count(s);
  if (s->lo->op == L_INT && !s->lo->inum)
    return loop_upper_bound(hi);
  for (int i = 0; i < 2 && hi->op == L_IMIN; i++) {
    const LExpr *end = i ? hi->b : hi->a;
    if (end->op == L_IADD && end->b->op == L_INT && same(end->a, s->lo))
      return end->b->inum;
  }
  return -1;
}

// Rows of no multiple of a group would begin anywhere.
static int group_of(const CudaCx *c, const LStmt *s) {
  int64_t count = cuda_exact_count(s), most = most_of(s);
  int group = 4;
  for (int i = 0; i < c->k->mem.n; i++)
    if (c->k->mem.v[i].dtype == DT_BF16)
      group = 8;
  while (group > 1 && ((most >= 0 && c->crew * group > most) || (count >= 0 && count % group)))
    group /= 2;
  return group;
}

// STEP elements, but for what would leave lanes without work.
static int elements_of(const CudaCx *c, const LStmt *s, int group) {
  int64_t most = most_of(s), step = c->crew * group, groups = (most + step - 1) / step;
  int n = group < STEP ? STEP / group : 2;
  while (n > 1 && most >= 0 && (groups + n - 1) / n * n > groups)
    n /= 2;
  return n * group;
}

static int part_of_row(const CudaCx *c, int group) {
  int part = STEP;
  while (part > group && (part % group || c->row->elements % part))
    part--;
  return part > group ? part : group;
}

// ---- what an element costs

static int64_t cost_of(Map *seen, const LExpr *x) {
  static const int of[] = {
#define LOOP_OP(id, name, arity) [L_##id] = 1,
#include "codegen/loop/loop_ops.def"
#undef LOOP_OP
#define SCALAR(id, name, arity, domain, flags, cost) [L_##id] = cost,
#include "base/scalar.def"
#undef SCALAR
  };
  uint64_t old;
  if (!x || map_get(seen, x, &old))
    return 0;
  map_put(seen, x, 1);
  int64_t own = x->op == L_RANDOM ? 12 : x->dtype == DT_F64 ? 4 * of[x->op] : of[x->op];
  return own + cost_of(seen, x->a) + cost_of(seen, x->b) + cost_of(seen, x->c);
}

static int64_t body_cost(CudaCx *c, const LBody *b) {
  Map seen = {.arena = c->arena};
  int64_t sum = 0;
  for (int i = 0; i < b->n; i++)
    sum += cost_of(&seen, b->v[i]->value);
  return sum;
}

// ---- what lies in arrays

static CudaArray *find_array(CudaArrays *in, int mem, const LExpr *first) {
  for (int i = 0; i < in->n; i++)
    if (in->v[i].mem == mem && same(in->v[i].first, first))
      return &in->v[i];
  return NULL;
}

const CudaArray *cuda_array(CudaCx *c, const LExpr *x) {
  CudaWide *w = c->wide;
  if (!w || x->op != L_LOAD || !walks(w->loop, x->a))
    return NULL;
  return find_array(&w->take, (int)x->inum, first_of(c, w->loop, x->a));
}

int cuda_given(CudaCx *c, const LStmt *s) {
  return find_array(&c->wide->give, s->mem, first_of(c, c->wide->loop, s->index))->number;
}

static bool is_stored(const CudaWide *w, int mem) {
  for (int i = 0; i < w->give.n; i++)
    if (w->give.v[i].mem == mem)
      return true;
  return false;
}

static CudaArray array_new(CudaCx *c, int mem, const LExpr *first) {
  return (CudaArray){.mem = mem, .first = first, .number = ++c->nnamed};
}

static bool take(CudaCx *c, CudaWide *w, int mem, LExpr *index) {
  const LExpr *first = first_of(c, w->loop, index);
  if (is_stored(w, mem))
    return false;
  if (!find_array(&w->take, mem, first))
    vec_push(c->arena, &w->take, array_new(c, mem, first));
  return true;
}

// Finds the loads of a value; false where one may see what the loop stores.
static bool take_loads(CudaCx *c, CudaWide *w, Map *seen, LExpr *x) {
  uint64_t old;
  if (!x || map_get(seen, x, &old))
    return true;
  map_put(seen, x, 1);
  if (x->op == L_LOAD && walks(w->loop, x->a))
    return take(c, w, (int)x->inum, x->a);
  if (x->op == L_LOAD) {
    w->gathers |= moves(w->loop, x->a);
    w->apart[x->inum] = true;
  }
  return take_loads(c, w, seen, x->a) && take_loads(c, w, seen, x->b) &&
         take_loads(c, w, seen, x->c);
}

// Arrays of a memory that is stored to are all of the same elements.
static bool give(CudaCx *c, CudaWide *w, const LStmt *s) {
  if (!walks(w->loop, s->index))
    return false;
  const LExpr *first = first_of(c, w->loop, s->index);
  if (s->add && !take(c, w, s->mem, s->index))
    return false;
  for (int i = 0; i < w->take.n; i++)
    if (w->take.v[i].mem == s->mem && !same(w->take.v[i].first, first))
      return false;
  bool again = find_array(&w->give, s->mem, first) != NULL;
  vec_push(c->arena, &w->give, array_new(c, s->mem, first));
  return !again;
}

static bool take_statement(CudaCx *c, CudaWide *w, Map *seen, const LStmt *s) {
  if (!take_loads(c, w, seen, s->value))
    return false;
  switch (s->kind) {
  case LS_REG:
  case LS_REDUCE: return true;
  case LS_SET: return cuda_declares(&w->loop->body, s->reg);
  case LS_STORE:
  case LS_COLSUM: return give(c, w, s);
  default: return false;
  }
}

static bool take_all(CudaCx *c, CudaWide *w) {
  const LBody *b = &w->loop->body;
  Map seen = {.arena = c->arena};
  w->apart = NEWN(c->arena, bool, c->k->mem.n + 1);
  for (int i = 0; i < b->n; i++)
    if (!take_statement(c, w, &seen, b->v[i]))
      return false;
  for (int i = 0; i < w->give.n; i++)
    if (w->apart[w->give.v[i].mem])
      return false;
  return w->take.n + w->give.n > 0;
}

// The elements of a step: of a row, a part that divides it.
static void set_size(const CudaCx *c, CudaWide *w) {
  const LStmt *s = w->loop;
  int64_t most = most_of(s);
  w->count = cuda_exact_count(s);
  w->small = most >= 0 && most < SMALL;
  w->group = group_of(c, s);
  w->row = c->row && w->count == c->row->count;
  w->elements = elements_of(c, s, w->group);
  if (w->row)
    w->elements = part_of_row(c, w->group);
}

// The arrays of all memories lie in registers at once.
static void fit_registers(const CudaCx *c, CudaWide *w) {
  int arrays = w->take.n + w->give.n;
  while (!w->row && w->elements > w->group && arrays * w->elements > ARRAYS_MOST)
    w->elements /= 2;
  w->partly = w->count < 0 || w->count % (c->crew * w->elements);
}

static bool is_wide(CudaCx *c, const LStmt *s, CudaWide *w) {
  *w = (CudaWide){.loop = s};
  set_size(c, w);
  if (c->block || w->elements < 2 || body_cost(c, &s->body) > COST_MOST || !take_all(c, w))
    return false;
  fit_registers(c, w);
  return true;
}

// ---- rows that stay in registers

static bool is_pass(CudaCx *c, const LStmt *s, CudaWide *w) {
  return s->kind == LS_FOR && s->vec && cuda_exact_count(s) >= 0 && s->lo->op == L_INT &&
         !s->lo->inum && is_wide(c, s, w);
}

static void add_pass(CudaCx *c, CudaRow *row, const CudaWide *w, CudaArrays *once) {
  row->cost += body_cost(c, &w->loop->body);
  row->passes++;
  for (int i = 0; i < w->take.n; i++) {
    const CudaArray *x = &w->take.v[i];
    bool again = find_array(once, x->mem, x->first) != NULL;
    if (!again)
      vec_push(c->arena, once, *x);
    else if (!find_array(&row->kept, x->mem, x->first))
      vec_push(c->arena, &row->kept, (CudaArray){.mem = x->mem, .first = x->first});
  }
}

// What is the same for all rows lies in the cache: of too many arrays those go first.
static void choose_kept(CudaCx *c, CudaRow *row) {
  CudaArrays all = row->kept;
  row->kept = (CudaArrays){0};
  for (int same_for_all = 0; same_for_all < 2; same_for_all++)
    for (int i = 0; i < all.n; i++)
      if ((all.v[i].first->op == L_INT) == same_for_all &&
          (row->kept.n + 1) * row->elements <= KEPT_MOST)
        vec_push(c->arena, &row->kept, all.v[i]);
}

static CudaRow *find_row(CudaCx *c, const LBody *b) {
  CudaRow *row = NEW(c->arena, CudaRow);
  CudaArrays once = {0};
  CudaWide w;
  for (int i = 0; i < b->n; i++)
    if (is_pass(c, b->v[i], &w) && (!row->passes || row->count == w.count)) {
      row->count = w.count;
      row->elements = w.group;
      add_pass(c, row, &w, &once);
    }
  int64_t step = (int64_t)c->crew * row->elements;
  if (!row->kept.n || row->count > c->crew * (c->crew > CUDA_BLOCK ? KEPT_MOST : ROW_MOST))
    return NULL;
  row->elements *= (int)((row->count + step - 1) / step);
  choose_kept(c, row);
  return row->cost <= ROW_COST_MOST ? row : NULL;
}

CudaRow *cuda_row(CudaCx *c, const LBody *b) {
  int number = c->nnamed;
  c->row = NULL;
  CudaRow *row = find_row(c, b);
  c->nnamed = number;
  return row;
}

static bool stores(const LStmt *s) {
  bool any = s->kind == LS_STORE || s->kind == LS_COLSUM || s->kind == LS_TILE ||
             s->kind == LS_TRANSPOSE || s->kind == LS_PAIRS || s->kind == LS_QUADS ||
             s->kind == LS_ATTENTION;
  for (int i = 0; i < s->body.n && !any; i++)
    any = stores(s->body.v[i]);
  return any;
}

void cuda_forget(CudaCx *c, const LStmt *s) {
  for (int i = 0; c->row && stores(s) && i < c->row->kept.n; i++)
    c->row->kept.v[i].number = 0;
}

// ---- text

// Where a lane's first element of a step lies.
static const char *step_name(CudaCx *c, const CudaWide *w) {
  if (w->row)
    return arena_printf(c->arena, "%d * lane + bg_at<%d, %d>(s)", w->group, c->crew, w->group);
  return arena_printf(c->arena, "j%d", w->loop->var);
}

static const char *count_name(CudaCx *c, const CudaWide *w) {
  return w->count >= 0 ? arena_printf(c->arena, "%d", (int)w->count)
                       : arena_printf(c->arena, "m%d", w->loop->var);
}

static const char *int_type(const CudaWide *w) {
  return w->small ? "int" : "long long";
}

static void put_count(CudaCx *c, const CudaWide *w) {
  const LStmt *s = w->loop;
  if (w->count >= 0)
    return;
  if (s->lo->op == L_INT && !s->lo->inum)
    cuda_line(c, w->small ? "const int m%d = (int)@;" : "const long long m%d = $;", s->var, s->hi);
  else
    cuda_line(c, w->small ? "const int m%d = (int)(@ - @);" : "const long long m%d = @ - @;",
              s->var, s->hi, s->lo);
}

static void put_pointer(CudaCx *c, const CudaArray *x, bool written) {
  cuda_line(c, "%s%s *const p%d = %s + @;", written ? "" : "const ",
            cuda_memory(c->k->mem.v[x->mem].dtype), x->number, cuda_mem(c, x->mem), x->first);
}

// What the row keeps has its array there, from the first pass on.
static void find_kept(CudaCx *c, CudaWide *w) {
  for (int i = 0; i < w->take.n && w->row; i++) {
    CudaArray *x = &w->take.v[i], *kept = find_array(&c->row->kept, x->mem, x->first);
    x->kept = kept != NULL;
    x->old = kept && kept->number;
    if (x->old)
      x->number = kept->number;
    else if (kept)
      kept->number = x->number;
  }
}

static void put_pointers(CudaCx *c, const CudaWide *w) {
  const LExpr **first = NEWN(c->arena, const LExpr *, w->take.n + w->give.n + 1);
  int n = 0;
  for (int i = 0; i < w->take.n; i++)
    if (!w->take.v[i].old)
      first[n++] = w->take.v[i].first;
  for (int i = 0; i < w->give.n; i++)
    first[n++] = w->give.v[i].first;
  cuda_begin(c, first, n);
  for (int i = 0; i < w->take.n; i++)
    if (!w->take.v[i].old)
      put_pointer(c, &w->take.v[i], false);
  for (int i = 0; i < w->give.n; i++)
    put_pointer(c, &w->give.v[i], true);
}

static void put_array(CudaCx *c, const char *type, const CudaArray *x, int elements,
                      const char *value) {
  cuda_line(c, "%s v%d[%d]%s;", type, x->number, elements, value);
}

// Where the number of elements is not known, an address may be good for smaller pieces.
static void put_move(CudaCx *c, const CudaWide *w, const char *function, const char *array,
                     const char *first) {
  cuda_line(c, "%s<%d, %d, %d>(%s, %s, %s);", function, c->crew, w->group, w->count < 0 ? 2 : 1,
            array, first, count_name(c, w));
}

static void put_take(CudaCx *c, const CudaWide *w, const CudaArray *x, int elements,
                     const char *first) {
  DType type = c->k->mem.v[x->mem].dtype;
  put_array(c, type == DT_BOOL ? cuda_memory(type) : cuda_type(type), x, elements, "");
  put_move(c, w, "bg_take", arena_printf(c->arena, "v%d, p%d", x->number, x->number), first);
}

static void put_kept(CudaCx *c, const CudaWide *w) {
  for (int i = 0; i < w->take.n; i++)
    if (w->take.v[i].kept && !w->take.v[i].old)
      put_take(c, w, &w->take.v[i], c->row->elements,
               arena_printf(c->arena, "%d * lane", w->group));
}

static void put_takes(CudaCx *c, const CudaWide *w) {
  for (int i = 0; i < w->take.n; i++)
    if (!w->take.v[i].kept)
      put_take(c, w, &w->take.v[i], w->elements, step_name(c, w));
  for (int i = 0; i < w->give.n; i++)
    put_array(c, cuda_memory(c->k->mem.v[w->give.v[i].mem].dtype), &w->give.v[i], w->elements,
              " = {}");
}

static void put_gives(CudaCx *c, const CudaWide *w) {
  for (int i = 0; i < w->give.n; i++) {
    int number = w->give.v[i].number;
    put_move(c, w, "bg_give", arena_printf(c->arena, "p%d, v%d", number, number), step_name(c, w));
  }
}

static void put_variable(CudaCx *c, const CudaWide *w) {
  const LStmt *s = w->loop;
  if (s->lo->op == L_INT && !s->lo->inum)
    cuda_line(c, "const long long i%d = %s + bg_at<%d, %d>(e);", s->var, step_name(c, w), c->crew,
              w->group);
  else
    cuda_line(c, "const long long i%d = @ + %s + bg_at<%d, %d>(e);", s->var, s->lo, step_name(c, w),
              c->crew, w->group);
}

// Which elements there are: the others are computed like them, of zeros, where that touches no memory.
static void put_within(CudaCx *c, const CudaWide *w) {
  const char *format = w->gathers ? "if (%s + bg_at<%d, %d>(e) >= %s)"
                                  : "const bool within = %s + bg_at<%d, %d>(e) < %s;";
  if (!w->partly || (!w->gathers && !w->reduces))
    return;
  cuda_line(c, format, step_name(c, w), c->crew, w->group, count_name(c, w));
  if (w->gathers)
    cuda_line(c, "  continue;");
}

static void put_elements(CudaCx *c, CudaWide *w) {
  const LStmt *s = w->loop;
  cuda_line(c, "BG_UNROLL for (int e = 0; e < %d; e++) {", w->elements);
  c->depth++;
  put_within(c, w);
  c->used[s->var] = false;
  char *text = cuda_text_of(c, &s->body);
  if (c->used[s->var]) {
    cuda_begin(c, NULL, 0);
    put_variable(c, w);
  }
  cuda_put(c, "%s", text);
  free(text);
  c->depth--;
  cuda_line(c, "}");
}

static void put_step(CudaCx *c, CudaWide *w) {
  put_takes(c, w);
  c->wide = w;
  put_elements(c, w);
  c->wide = NULL;
  put_gives(c, w);
}

static void put_steps(CudaCx *c, CudaWide *w) {
  int var = w->loop->var;
  if (w->row)
    cuda_line(c, "BG_UNROLL for (int s = 0; s < %d; s += %d) {", c->row->elements, w->elements);
  else
    cuda_line(c, "for (%s j%d = %d * lane; j%d < %s; j%d += %d) {", int_type(w), var, w->group, var,
              count_name(c, w), var, c->crew * w->elements);
  c->depth++;
  put_step(c, w);
  c->depth--;
  cuda_line(c, "}");
}

static bool reduces(CudaCx *c, const LBody *b) {
  for (int i = 0; i < b->n; i++)
    if (b->v[i]->kind == LS_REDUCE && c->partial[b->v[i]->reg])
      return true;
  return false;
}

bool cuda_put_vector(CudaCx *c, const LStmt *s) {
  CudaWide w;
  if (!is_wide(c, s, &w))
    return false;
  w.reduces = reduces(c, &s->body);
  c->lanes = true;
  c->lane_var = s->var;
  put_count(c, &w);
  find_kept(c, &w);
  put_pointers(c, &w);
  put_kept(c, &w);
  put_steps(c, &w);
  c->lane_var = -1;
  return true;
}
