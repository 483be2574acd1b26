// See toy_module.h.
#include "tests/unit/toy_module.h"
#include "base/recipe.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "runtime/exec/exec.h"
#include <math.h>
#include <string.h>

// clang-format off
#define NONE {-1, -1, -1, -1, -1, -1, -1, -1}
#define CONST(c) {.n = 1, .t = {{.coef = (c), .sym = NONE}}}
#define SYM(a) {.n = 1, .t = {{.coef = 1, .sym = {(a), -1, -1, -1, -1, -1, -1, -1}}}}
#define SYM2(a, b) {.n = 1, .t = {{.coef = 1, .sym = {(a), (b), -1, -1, -1, -1, -1, -1}}}}
// clang-format on

enum { V = TOY_V, H = TOY_H };
int toy_prologues;

static float scalar_f32(const BigsFrame *f, int i) {
  uint32_t bits = (uint32_t)f->scalar[i];
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// ---- kernels
static void triple(const BigsFrame *f, int64_t task, void *scratch) {
  (void)task, (void)scratch;
  *(float *)f->arg[1] = scalar_f32(f, 0) * *(const float *)f->arg[0];
  toy_prologues++;
}
static void multiply(const BigsFrame *f, int64_t task, void *scratch) { // 2 batch rows a task
  const float *x = f->arg[0], *kept = f->arg[1];
  float *out = f->arg[2], *tmp = scratch;
  int64_t B = f->sym[TOY_B], L = f->sym[TOY_L];
  for (int64_t b = 2 * task; b < B && b < 2 * task + 2; b++) {
    for (int64_t l = 0; l < L; l++)
      tmp[l] = x[b * L + l] * *kept;
    memcpy(out + b * L, tmp, (size_t)L * sizeof *out);
  }
}
static void add_mask(const BigsFrame *f, int64_t task, void *scratch) {
  const float *x = f->arg[0];
  const uint8_t *mask = f->arg[1];
  float *out = f->arg[2];
  int64_t L = f->sym[TOY_L];
  (void)scratch;
  for (int64_t l = 0; l < L; l++)
    out[task * L + l] = x[task * L + l] + (float)mask[task * L + l];
}
static void lookup(const BigsFrame *f, int64_t task, void *scratch) {
  const int32_t *id = f->arg[0];
  const float *bias = f->arg[1];
  (void)scratch;
  ((float *)f->arg[2])[task] = bias[id[task]];
}
static void logits(const BigsFrame *f, int64_t task, void *scratch) {
  const int32_t *id = f->arg[0];
  const float *bias = f->arg[1], *gain = f->arg[2];
  (void)scratch;
  for (int v = 0; v < V; v++)
    ((float *)f->arg[3])[task * V + v] = bias[v] + (v == id[task] ? *gain : 0);
}
// arg: bias, labels -> p[V] with counts subtracted, ce
static void cross_entropy(const BigsFrame *f, int64_t task, void *scratch) {
  const float *bias = f->arg[0];
  const int32_t *label = f->arg[1];
  float *db = f->arg[2], *ce = f->arg[3];
  double p[V], sum = 0, loss = 0;
  int64_t M = f->sym[TOY_M];
  (void)task, (void)scratch;
  for (int i = 0; i < V; i++)
    sum += p[i] = exp(bias[i]);
  for (int64_t m = 0; m < M; m++)
    loss += log(sum) - bias[label[m]];
  for (int i = 0; i < V; i++)
    db[i] = (float)(p[i] / sum);
  for (int64_t m = 0; m < M; m++)
    db[label[m]] -= 1 / (float)M;
  *ce = (float)(loss / (double)M);
}
// arg: gain -> root
static void root_of_gain(const BigsFrame *f, int64_t task, void *scratch) {
  (void)task, (void)scratch;
  *(float *)f->arg[1] = sqrtf(*(const float *)f->arg[0]);
}
// arg: ce, root -> loss, dgain; scalar: keys
static void total_loss(const BigsFrame *f, int64_t task, void *scratch) {
  uint64_t key = f->scalar[0];
  float u = rng_uniform(rng_element((uint32_t)key, (uint32_t)(key >> 32), 0)),
        root = *(const float *)f->arg[1];
  (void)task, (void)scratch;
  *(float *)f->arg[2] = *(const float *)f->arg[0] + u * root;
  *(float *)f->arg[3] = u * 0.5f / root;
}
static void copy_sixteenth(const BigsFrame *f, int64_t task, void *scratch) {
  (void)scratch;
  ((float *)f->arg[1])[task] = ((const float *)f->arg[0])[task] / 16;
}
// arg: p g m v rate decay scale correct1 correct2 go -> p m v; 16 elements a task
static void adamw(const BigsFrame *f, int64_t task, void *scratch) {
  const float *p = f->arg[0], *g = f->arg[1], *m = f->arg[2], *v = f->arg[3];
  float rate = *(float *)f->arg[4], decay = *(float *)f->arg[5], scale = *(float *)f->arg[6],
        c1 = *(float *)f->arg[7], c2 = *(float *)f->arg[8];
  float *po = f->arg[10], *mo = f->arg[11], *vo = f->arg[12];
  (void)scratch;
  for (int64_t i = task * 16; i < f->sym[TOY_N] && i < task * 16 + 16 && *(bool *)f->arg[9]; i++) {
    float grad = g[i] * scale, mi = m[i] * 0.9f + grad * 0.1f,
          vi = v[i] * 0.99f + grad * grad * 0.01f;
    po[i] = p[i] - rate * (mi * c1 / (sqrtf(vi * c2) + 1e-6f) + p[i] * decay);
    mo[i] = mi;
    vo[i] = vi;
  }
}
static void sum_of_squares(const BigsFrame *f, int64_t task, void *scratch) {
  const float *g = f->arg[0];
  double sum = 0;
  (void)task, (void)scratch;
  for (int64_t i = 0; i < f->sym[TOY_N]; i++)
    sum += (double)g[i] * g[i];
  *(double *)f->arg[1] = sum;
}
// arg: a g weight leaf -> sum
static void sum_of_pieces(const BigsFrame *f, int64_t task, void *scratch) {
  const float *a = f->arg[0], *g = f->arg[1];
  bool leaf = *(bool *)f->arg[3];
  (void)scratch;
  for (int64_t i = task * 16; i < f->sym[TOY_N] && i < task * 16 + 16; i++)
    ((float *)f->arg[4])[i] = leaf ? g[i] * *(float *)f->arg[2] : a[i] + g[i];
}
static void fill_random(const BigsFrame *f, int64_t task, void *scratch) {
  uint64_t key = f->scalar[0];
  (void)scratch;
  ((float *)f->arg[0])[task] =
      rng_uniform(rng_element((uint32_t)key, (uint32_t)(key >> 32), (uint64_t)task));
}
static void fill_value(const BigsFrame *f, int64_t task, void *scratch) {
  (void)scratch;
  ((float *)f->arg[0])[task] = scalar_f32(f, 0);
}
enum {
  TRIPLE,
  MULTIPLY,
  ADD_MASK,
  LOOKUP,
  CROSS_ENTROPY,
  ROOT,
  TOTAL,
  SIXTEENTH,
  ADAMW,
  SQUARES,
  RANDOM,
  VALUE,
  LOGITS,
  PIECES
};
static BigsKernel *const kernels[] = {triple,        multiply,       add_mask,    lookup,
                                      cross_entropy, root_of_gain,   total_loss,  copy_sixteenth,
                                      adamw,         sum_of_squares, fill_random, fill_value,
                                      logits,        sum_of_pieces};

// ---- tables
static const BigsDim dims[] = {
    {.name = "B"}, {.name = "L", .bound = 8}, {.name = "M"}, {.name = "#n"}};
// clang-format off
#define BL .rank = 2, .extent = {SYM(TOY_B), SYM(TOY_L)}, .axis = {"B", "L"}
#define FLAT(n) {.name = n, .dtype = DT_F32, .rank = 1, .extent = {SYM(TOY_N)}, .axis = {"#n"}}
#define NUMBER(n) {.name = n, .dtype = DT_F32}
// clang-format on
enum {
  IDS,
  MASK,
  AT,
  LABELS,
  X,
  P,
  G,
  MOM,
  VAR,
  RATE,
  DECAY,
  SCALE,
  C1,
  C2,
  GO,
  OTHER,
  WEIGHT,
  LEAF
};
static const BigsTensor inputs[] = {
    {.name = "ids", .dtype = DT_I32, BL, .limit = CONST(V)},
    {.name = "mask", .dtype = DT_BOOL, .optional = 1, .fallback = 1, BL},
    {.name = "at",
     .dtype = DT_I32,
     .rank = 1,
     .extent = {SYM(TOY_M)},
     .axis = {"M"},
     .limit = SYM2(TOY_B, TOY_L)},
    {.name = "labels",
     .dtype = DT_I32,
     .rank = 1,
     .extent = {SYM(TOY_M)},
     .axis = {"M"},
     .limit = CONST(V)},
    {.name = "x", .dtype = DT_F32, BL},
    FLAT("#p"),
    FLAT("#g"),
    FLAT("#m"),
    FLAT("#v"),
    NUMBER("#rate"),
    NUMBER("#decay"),
    NUMBER("#scale"),
    NUMBER("#correct1"),
    NUMBER("#correct2"),
    {.name = "#go", .dtype = DT_BOOL},
    FLAT("#a"),
    NUMBER("#weight"),
    {.name = "#leaf", .dtype = DT_BOOL},
};
// Bytes of the storages; elements of table, of q and k, ...
enum { AT_TABLE = 0, AT_QK = 256, AT_MODES = 448, AT_BIAS = 512, AT_GAIN = 576, BYTES = 640 };
static const BigsParam params[TOY_NPARAM] = {
    {.name = "table.weight",
     .dtype = DT_F32,
     .rank = 2,
     .extent = {V, H},
     .axis = {"V", "H"},
     .offset = 0,
     .kstride = 4,
     .panel = 4 * V,
     .width = 4,
     .kstep = {1, 0},
     .nstep = {0, 1},
     .storage = 0},
    {.name = "q.weight",
     .dtype = DT_F32,
     .rank = 2,
     .extent = {H, 3},
     .axis = {"H", "A"},
     .offset = AT_QK / 4,
     .kstride = 4,
     .panel = 4 * H,
     .width = 4,
     .kstep = {1, 0},
     .nstep = {0, 1},
     .storage = 1},
    {.name = "k.weight",
     .dtype = DT_F32,
     .rank = 3,
     .extent = {H, 2, 2},
     .axis = {"H", "C", "D"},
     .offset = AT_QK / 4,
     .kstride = 4,
     .panel = 4 * H,
     .width = 4,
     .nlo = 3,
     .kstep = {1, 0, 0},
     .nstep = {0, 2, 1},
     .storage = 1},
    {.name = "modes",
     .dtype = DT_F32,
     .is_complex = 1,
     .rank = 2,
     .tags = 2,
     .extent = {3, 2},
     .axis = {"N", ""},
     .offset = AT_MODES / 4,
     .kstep = {2, 1},
     .storage = 2},
    {.name = "bias",
     .dtype = DT_F32,
     .rank = 1,
     .tags = 1,
     .extent = {V},
     .axis = {"V"},
     .offset = AT_BIAS / 4,
     .kstep = {1},
     .storage = 3},
    {.name = "gain", .dtype = DT_F32, .tags = 1, .offset = AT_GAIN / 4, .storage = 4},
};
static const BigsStorage storages[] = {{AT_TABLE, 224, DT_F32, {0}},
                                       {AT_QK, 192, DT_F32, {0}},
                                       {AT_MODES, 24, DT_F32, {0}},
                                       {AT_BIAS, 28, DT_F32, {0}},
                                       {AT_GAIN, 4, DT_F32, {0}}};
static const char *const tags[] = {"bias", "mode"};

// Sizes: number n is n for the constants that occur, and others follow.
enum { S_B = BYTES + 1, S_M, S_N, S_BL, S_4L, S_VBL, NPOLY };
#define SAME(n) [n] = CONST(n)
static const Poly polys[NPOLY] = {
    SAME(1),
    SAME(6),
    SAME(V),
    SAME(4 * V),
    SAME(AT_MODES / 4 + 6),
    SAME(AT_MODES),
    SAME(AT_BIAS),
    SAME(AT_GAIN),
    [S_B] = SYM(TOY_B),
    [S_M] = SYM(TOY_M),
    [S_N] = SYM(TOY_N),
    [S_BL] = SYM2(TOY_B, TOY_L),
    [S_4L] = {.n = 1, .t = {{.coef = 4, .sym = {TOY_L, -1, -1, -1, -1, -1, -1, -1}}}},
    [S_VBL] = {.n = 1, .t = {{.coef = V, .sym = {TOY_B, TOY_L, -1, -1, -1, -1, -1, -1}}}}};

// clang-format off
#define ARRAY(...) (const int32_t[]){__VA_ARGS__}
#define GRID(p, b) .ngrid = 1, .grid = {{p, b}}
#define BUFFER(w, i, s) {.where = (w), .dtype = DT_F32, .index = (i), .size = s}
#define PARAM(at, n) {.where = BIGS_PARAM, .dtype = DT_F32, .size = (n), .offset = (at)}
#define GRAD(at, n) {.where = BIGS_GRAD, .dtype = DT_F32, .size = (n), .offset = (at)}
#define OUT_BL {.name = "out", .dtype = DT_F32, BL}
// clang-format on

static const BigsTensor out_bl[] = {OUT_BL};
static const BigsBuffer scale_buffers[] = {
    BUFFER(BIGS_INPUT, 0, S_BL),  {.where = BIGS_INPUT, .dtype = DT_BOOL, .index = 1, .size = S_BL},
    BUFFER(BIGS_OUTPUT, 0, S_BL), BUFFER(BIGS_KEPT, 0, 1),
    BUFFER(BIGS_ARENA, 0, S_BL),  PARAM(AT_GAIN, 1)};
static const BigsStep scale_steps[] = {
    {.index = TRIPLE,
     .narg = 2,
     .arg = ARRAY(5, 3),
     .nscalar = 1,
     .scalar = (const BigsScalar[]){{.value = 0x40400000}}},
    {.index = MULTIPLY,
     .narg = 3,
     .arg = ARRAY(0, 3, 4),
     GRID(S_B, 2),
     .scratch = S_4L,
     .flops = S_BL},
    {.index = ADD_MASK, .narg = 3, .arg = ARRAY(4, 1, 2), GRID(S_B, 1), .flops = S_BL}};

static const BigsBuffer lookup_buffers[] = {
    {.where = BIGS_INPUT, .dtype = DT_I32, .index = 0, .size = S_BL},
    PARAM(AT_BIAS, V),
    BUFFER(BIGS_OUTPUT, 0, S_BL)};
static const BigsStep lookup_steps[] = {
    {.index = LOOKUP, .narg = 3, .arg = ARRAY(0, 1, 2), GRID(S_BL, 1)}};

static const BigsTensor out_logits[] = {{.name = "logits",
                                         .dtype = DT_F32,
                                         .rank = 3,
                                         .extent = {SYM(TOY_B), SYM(TOY_L), CONST(V)},
                                         .axis = {"B", "L", "V"}}};
static const BigsBuffer logits_buffers[] = {
    {.where = BIGS_INPUT, .dtype = DT_I32, .index = 0, .size = S_BL},
    PARAM(AT_BIAS, V),
    PARAM(AT_GAIN, 1),
    {.where = BIGS_OUTPUT, .dtype = DT_F32, .index = 0, .size = S_VBL}};
static const BigsStep logits_steps[] = {
    {.index = LOGITS, .narg = 4, .arg = ARRAY(0, 1, 2, 3), GRID(S_BL, 1)}};

static const BigsTensor out_loss[] = {{.name = "loss", .dtype = DT_F32}};
static const BigsBuffer fit_buffers[] = {
    PARAM(AT_BIAS, V),          {.where = BIGS_INPUT, .dtype = DT_I32, .index = 3, .size = S_M},
    GRAD(AT_BIAS, V),           BUFFER(BIGS_ARENA, 0, 1),
    PARAM(AT_GAIN, 1),          BUFFER(BIGS_ARENA, 0, 1),
    BUFFER(BIGS_OUTPUT, 0, 1),  GRAD(AT_GAIN, 1),
    PARAM(0, AT_MODES / 4 + 6), GRAD(0, AT_MODES / 4 + 6)};
static const BigsStep fit_steps[] = {
    {.index = CROSS_ENTROPY,
     .narg = 4,
     .arg = ARRAY(0, 1, 2, 3),
     .label = "cross_entropy",
     .source = "toy.mdl:11",
     .flops = S_M},
    {.index = ROOT, .narg = 2, .arg = ARRAY(4, 5), .label = "sqrt", .source = "toy.mdl:12"},
    {.index = TOTAL,
     .narg = 4,
     .arg = ARRAY(3, 5, 6, 7),
     .nscalar = 1,
     .scalar = (const BigsScalar[]){{.kind = 1, .value = 77}},
     .label = "loss",
     .source = "toy.mdl:13"},
    {.index = SIXTEENTH, .narg = 2, .arg = ARRAY(8, 9), GRID(AT_MODES / 4 + 6, 1)}};

#define FLAT_IN(i) BUFFER(BIGS_INPUT, i, S_N)
#define NUMBER_IN(i) BUFFER(BIGS_INPUT, i, 1)
static const BigsTensor out_update[] = {FLAT("#p"), FLAT("#m"), FLAT("#v")};
static const BigsBuffer update_buffers[] = {
    FLAT_IN(0),
    FLAT_IN(1),
    FLAT_IN(2),
    FLAT_IN(3),
    NUMBER_IN(4),
    NUMBER_IN(5),
    NUMBER_IN(6),
    NUMBER_IN(7),
    NUMBER_IN(8),
    {.where = BIGS_INPUT, .dtype = DT_BOOL, .index = 9, .size = 1},
    BUFFER(BIGS_OUTPUT, 0, S_N),
    BUFFER(BIGS_OUTPUT, 1, S_N),
    BUFFER(BIGS_OUTPUT, 2, S_N)};
static const BigsStep update_steps[] = {{.index = ADAMW,
                                         .narg = 13,
                                         .arg = ARRAY(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
                                         GRID(S_N, 16)}};

static const BigsTensor out_norm[] = {{.name = "norm2", .dtype = DT_F64}};
static const BigsBuffer norm_buffers[] = {
    FLAT_IN(0), {.where = BIGS_OUTPUT, .dtype = DT_F64, .index = 0, .size = 1}};
static const BigsStep norm_steps[] = {{.index = SQUARES, .narg = 2, .arg = ARRAY(0, 1)}};

static const BigsTensor out_sum[] = {FLAT("sum")};
static const BigsBuffer sum_buffers[] = {
    FLAT_IN(0),
    FLAT_IN(1),
    NUMBER_IN(2),
    {.where = BIGS_INPUT, .dtype = DT_BOOL, .index = 3, .size = 1},
    BUFFER(BIGS_OUTPUT, 0, S_N)};
static const BigsStep sum_steps[] = {
    {.index = PIECES, .narg = 5, .arg = ARRAY(0, 1, 2, 3, 4), GRID(S_N, 16)}};

// Only the first panel of table gets values other than 0; padding stays 0 (columns 6 and 7 of its
// second).
static const BigsBuffer init_buffers[] = {PARAM(AT_TABLE, 4 * V), PARAM(AT_MODES, 6),
                                          PARAM(AT_GAIN, 1)};
static const BigsStep init_steps[] = {
    {.index = RANDOM,
     .narg = 1,
     .arg = ARRAY(0),
     GRID(4 * V, 1),
     .nscalar = 1,
     .scalar = (const BigsScalar[]){{.kind = 1, .value = 5}}},
    {.index = RANDOM,
     .narg = 1,
     .arg = ARRAY(1),
     GRID(6, 1),
     .nscalar = 1,
     .scalar = (const BigsScalar[]){{.kind = 1, .value = 6}}},
    {.index = VALUE,
     .narg = 1,
     .arg = ARRAY(2),
     .nscalar = 1,
     .scalar = (const BigsScalar[]){{.value = 0x3F800000}}}}; // 1.0f

#define STEPS(n)                                                                                   \
  .nbuffer = COUNT(n##_buffers), .buffer = n##_buffers, .nstep = COUNT(n##_steps), .step = n##_steps
// An entry with one output; a program over a parameter's elements.
#define ENTRY(n, out)                                                                              \
  .name = #n, .kind = BIGS_ENTRY, .syms = 3, .noutput = 1, .output = (out), STEPS(n)
#define OF_PARAMETERS(s, k, n) .name = (s), .kind = (k), .syms = 8, .output = out_##n, STEPS(n)
static const BigsProgram programs[] = {
    {ENTRY(scale, out_bl), .ninput = 2, .input = ARRAY(X, MASK), .nprologue = 1},
    {ENTRY(lookup, out_bl), .ninput = 1, .input = ARRAY(IDS), .nlimit = 1,
     .limit = (const BigsLimit[]){{.input = 0, .limit = CONST(V)}}},
    {.name = "fit",
     .kind = BIGS_GRADIENT,
     .syms = 7,
     .ninput = 4,
     .input = ARRAY(IDS, MASK, AT, LABELS),
     .noutput = 1,
     .output = out_loss,
     STEPS(fit)},
    {OF_PARAMETERS("fit.update", BIGS_UPDATE, update), .ninput = 10,
     .input = ARRAY(P, G, MOM, VAR, RATE, DECAY, SCALE, C1, C2, GO), .noutput = COUNT(out_update)},
    {OF_PARAMETERS("norm", BIGS_NORM, norm), .ninput = 1, .input = ARRAY(G), .noutput = 1},
    {.name = "init", .kind = BIGS_INIT, STEPS(init)},
    {ENTRY(logits, out_logits), .ninput = 1, .input = ARRAY(IDS)},
    {OF_PARAMETERS("sum", BIGS_UPDATE, sum), .ninput = 4, .input = ARRAY(OTHER, G, WEIGHT, LEAF),
     .noutput = 1},
};

static const BigsPiece pieces[] = {{SCHED_WARMUP, 0, 4, 1}, {SCHED_LINEAR, 0, 0, 0}};
static const BigsGroup groups[] = {{.tags = 1, .has_decay = 1, .decay = 0},
                                   {.tags = 2, .has_frozen = 1, .frozen = 1}};
static const BigsTrain trains[] = {{.name = "fit",
                                    .program = TOY_FIT,
                                    .update = TOY_UPDATE,
                                    .norm = TOY_NORM,
                                    .sum = TOY_SUM,
                                    .source = "mlm_text",
                                    .path = "corpus.txt",
                                    .mask_rate = 0.5,
                                    .optimizer = "adamw",
                                    .beta1 = 0.9,
                                    .beta2 = 0.99,
                                    .eps = 1e-6,
                                    .rate = 0.05,
                                    .decay = 0.1,
                                    .clip = 1,
                                    .batch = 4,
                                    .steps = 20,
                                    .npiece = 2,
                                    .ngroup = 2,
                                    .piece = pieces,
                                    .group = groups}};

static const BigsName names[TOY_NPARAM] = {
    {.stored = "emb.word.weight", .rank = 2, .shape = {H, V}, .stride = {1, V}},
    {.stored = "emb.q.weight", .rank = 2, .shape = {3, H}, .stride = {1, H}},
    {.stored = "emb.k.weight", .rank = 2, .shape = {4, H}, .stride = {1, 2 * H, H}},
    {.stored = "emb.modes", .rank = 2, .shape = {3, 2}, .stride = {2, 1}},
    {.stored = "cls.bias", .may_init = 1, .init_group = 1, .rank = 1, .shape = {V}, .stride = {1}},
    {.stored = "cls.gain", .may_init = 1, .init_group = 1, .rank = 1, .shape = {1}, .stride = {0}},
};
static const BigsAlias aliases[] = {{"gamma", "weight"}, {"", "emb"}};
static const BigsIgnore ignores[] = {{.pattern = "*.position_ids", .param = -1},
                                     {.pattern = "out.bias", .param = TOY_BIAS}};
static const BigsConfig configs[] = {{.key = "vocab_size", .name = "V", .number = V},
                                     {.key = "act", .text = "gelu"},
                                     {.key = "pre_norm", .number = 1, .is_bool = 1},
                                     {.key = "eps", .number = 1e-12}};
static const BigsCheckpoint checkpoints[] = {{.name = "hf",
                                              .entry = names,
                                              .nalias = 2,
                                              .nignore = COUNT(ignores),
                                              .nconfig = 4,
                                              .alias = aliases,
                                              .ignore = ignores,
                                              .config = configs}};
static const BigsNamedValue constants[] = {{"V", V}, {"H", H}};

const BigsModule toy_module = {.abi = BIGS_ABI_VERSION,
                               .model = "Toy",
                               .version = "test",
                               .ndim = TOY_NDIM,
                               .ninput = COUNT(inputs),
                               .nparam = TOY_NPARAM,
                               .nstorage = COUNT(storages),
                               .ntag = 2,
                               .nprogram = COUNT(programs),
                               .ntrain = 1,
                               .ncheckpoint = 1,
                               .nkernel = COUNT(kernels),
                               .nconst = 2,
                               .npoly = NPOLY,
                               .poly = polys,
                               .dim = dims,
                               .input = inputs,
                               .param = params,
                               .storage = storages,
                               .param_bytes = BYTES,
                               .tag = tags,
                               .program = programs,
                               .train = trains,
                               .checkpoint = checkpoints,
                               .kernel = kernels,
                               .constant = constants,
                               .tokenizer = "wordpiece",
                               .vocab = "vocab.txt",
                               .lower = 1,
                               .mdl = "# toy\n"};
