// Checkpoint blocks against names of files; train blocks as recipes.
#include "compiler/driver/pipeline.h"
#include "runtime/exec/match.h"
#include "runtime/exec/optim.h"
#include "tests/unit/sema_test.h"
#include "tests/unit/suites.h"
#include <math.h>
#include <string.h>

// ---- checkpoint tables
static const StoredParam *stored(const CkptTable *t, const char *name) {
  for (int i = 0; i < t->params.n; i++)
    if (!strcmp(t->params.v[i].name, name))
      return &t->params.v[i];
  ck_abort_msg("no stored name %s", name);
}

static void shape_is(const StoredParam *p, int n, int64_t a, int64_t b) {
  ck_assert_msg(p->nshape == n && p->shape[0] == a && (n < 2 || p->shape[1] == b), "shape of %s",
                p->name);
}

START_TEST(table_of_bert) {
  Loaded l = must_load("models/bert.mdl", "Depth=2");
  const CkptTable *t = must_find_block(l.m, "hf");
  const ModelParam *p;
  ck_assert_int_eq(t->params.n, model_params(l.m, &p));
  for (int i = 0; i < t->params.n; i++)
    ck_assert_int_eq(t->params.v[i].param, i);
  const StoredParam *q = stored(t, "bert.encoder.layer.1.attention.self.query.weight");
  ck_assert_str_eq(p[q->param].path, "layer.1.attention.query.weight");
  ck_assert(q->transposed && q->rows == 768 && q->cols == 768 && q->group < 0);
  shape_is(q, 2, 768, 768);
  q = stored(t, "bert.encoder.layer.0.intermediate.dense.weight");
  ck_assert(q->transposed && q->rows == 768 && q->cols == 3072);
  shape_is(q, 2, 3072, 768);
  shape_is(stored(t, "bert.encoder.layer.0.attention.output.dense.bias"), 1, 768, 0);
  q = stored(t, "bert.embeddings.word_embeddings.weight");
  ck_assert(!q->transposed);
  shape_is(q, 2, 30522, 768);
  q = stored(t, "cls.predictions.bias");
  ck_assert_str_eq(t->groups.v[q->group], "head");
  ck_assert_int_eq(q->group, stored(t, "cls.predictions.transform.dense.weight")->group);
  ck_assert_int_eq(t->config.n, 14);
  ck_assert(!strcmp(t->config.v[0].name, "V") && !strcmp(t->config.v[0].key, "vocab_size"));
  ck_assert(!t->config.v[8].name && t->config.v[8].is_text && !strcmp(t->config.v[8].text, "gelu"));
  ck_assert(!t->config.v[9].name && t->config.v[9].num == 1e-12);
  ck_assert(!t->config.v[10].name && !strcmp(t->config.v[10].key, "model_type") &&
            t->config.v[10].is_text && !strcmp(t->config.v[10].text, "bert"));
  unload(&l);
}
END_TEST

START_TEST(table_of_bigs) {
  Loaded l = must_load("models/bigs.mdl", "Depth=1 N=5");
  const CkptTable *t = must_find_block(l.m, "hf"), *native = model_native_table(l.m);
  shape_is(stored(t, "bigs.encoder.layer.0.bs4.kernel.C"), 2, 5, 2);
  shape_is(stored(t, "bigs.encoder.layer.0.fs4.D"), 1, 1, 0);
  shape_is(stored(t, "bigs.encoder.layer.0.fs4.kernel.log_step"), 1, 1, 0);
  shape_is(stored(t, "bigs.encoder.layer.0.dol.weight"), 2, 3072, 1024);
  shape_is(stored(native, "layer.0.dol.weight"), 2, 1024, 3072);
  shape_is(stored(native, "layer.0.bwd.s4.C"), 2, 5, 2);
  ck_assert(!stored(native, "layer.0.dol.weight")->transposed);
  const ModelParam *p;
  model_params(l.m, &p);
  ck_assert_str_eq(p[stored(t, "bigs.encoder.layer.0.duc_backward.bias")->param].path,
                   "layer.0.bwd.duc.bias");
  unload(&l);
}
END_TEST

static const char small[] =
    "dim H = 4, K = 2, J = 2, Depth = 2\n"
    "module C[W, In... -> Out](x : [.., In...]) -> [.., Out] {\n"
    "  kernel : [W, In..., Out]\n  sum[W](x @[In...] kernel)\n}\n"
    "module P(x : [H]) -> [H] {\n  a : Linear[H -> K, J]\n  c : C[H, K, J -> H]\n  x |> a |> c\n}\n"
    "model M(x : [H]) {\n  p : repeat Depth P\n  n : LayerNorm[H]\n  w : f32 ~ 1\n"
    "  entry y : [H] = (x |> p |> n) * w\n}\n"
    "checkpoint a {\n  layout torch\n  p.{k} <-> \"blk.{k}\" { (a, c) <-> \"(lin, conv)\" }\n"
    "  n <-> \"ln\" or init\n  w <-> \"scale\"\n"
    "  alias \"gamma\" = \"weight\", \"beta\" = \"bias\", \"block\" = \"blk\", \"\" = \"blk\"\n"
    "  ignore \"*.junk\", \"old.*.x\"\n}\n";

START_TEST(flat_groups) {
  Loaded l = must_load(small, NULL);
  const CkptTable *t = must_find_block(l.m, "a");
  const StoredParam *p = stored(t, "blk.1.lin.weight");
  ck_assert(p->transposed && p->rows == 4 && p->cols == 4);
  shape_is(p, 2, 4, 4);
  shape_is(stored(t, "blk.1.lin.bias"), 1, 4, 0);
  p = stored(t, "blk.0.conv.kernel"); // [W, In..., Out] of a module [W, In... -> Out]
  ck_assert(p->transposed && p->nshape == 3 && p->shape[0] == 4 && p->shape[1] == 4 &&
            p->shape[2] == 4);
  ck_assert(p->rows == 16 && p->cols == 4);
  shape_is(stored(t, "scale"), 1, 1, 0);
  unload(&l);
}
END_TEST

// `<-> ""` adds nothing to a name, and no dot.
START_TEST(empty_right_sides) {
  Loaded l = must_load("dim H = 4\nmodule P(x : [H]) -> [H] {\n  a, b : Linear[H -> H]\n"
                       "  x |> a |> b\n}\n"
                       "model M(x : [H]) {\n  p, q : P\n  entry y : [H] = x |> p |> q\n}\n"
                       "checkpoint c {\n  p <-> \"\" {\n    a <-> \"\"\n    b <-> \"last\"\n  }\n"
                       "  q <-> \"deep\" {\n    a <-> \"\"\n    b.weight <-> \"one\"\n"
                       "    b <-> \"\" {\n      bias <-> \"two\"\n    }\n  }\n}\n",
                       NULL);
  const CkptTable *t = must_find_block(l.m, "c");
  static const char *const want[] = {"weight",      "bias",      "last.weight", "last.bias",
                                     "deep.weight", "deep.bias", "deep.one",    "deep.two"};
  ck_assert_int_eq(t->params.n, COUNT(want));
  for (int i = 0; i < COUNT(want); i++)
    ck_assert_str_eq(t->params.v[i].name, want[i]);
  unload(&l);
}
END_TEST

typedef struct FileNames {
  const char *v[16];
  int n;
} FileNames;
static const FileNames full = {{"blk.0.lin.weight", "blk.0.lin.bias", "blk.0.conv.kernel",
                                "blk.1.lin.weight", "blk.1.lin.bias", "blk.1.conv.kernel",
                                "ln.weight", "ln.bias", "scale"},
                               9};

typedef struct Matched {
  BigsCheckpoint block;
  NameMatch m;
} Matched;

static Matched match(Loaded *l, const FileNames *n) {
  Matched x = {.block = checkpoint_table(l->a, l->m, must_find_block(l->m, "a"))};
  NameSet set = {
      .n = must_find_block(l->m, "a")->params.n, .block = &x.block, .rules = &x.block, .nrules = 1};
  ck_assert(!name_match(&set, n->v, n->n, &x.m, NULL));
  return x;
}

static bool fit(Loaded *l, const FileNames *n) {
  Matched x = match(l, n);
  bool yes = !x.m.nwrong;
  name_match_free(&x.m);
  return yes;
}

START_TEST(match_names) {
  Loaded l = must_load(small, NULL);
  FileNames n = full;
  Matched x = match(&l, &n);
  ck_assert(!x.m.nwrong && x.m.nknown == 9);
  for (int i = 0; i < n.n; i++)
    ck_assert(x.m.name[i] == i && x.m.found[i].param[0] == i && x.m.lack[i] == LACK_NOT);
  name_match_free(&x.m);
  n.v[n.n++] = "a.junk";
  n.v[n.n++] = "old.layer.3.x";
  ck_assert(fit(&l, &n));
  n.v[n.n++] = "old.y";
  x = match(&l, &n);
  ck_assert(x.m.found[9].role == NAME_IGNORED && x.m.found[11].role == NAME_SURPLUS);
  name_match_free(&x.m);
  n = full;
  n.v[0] = "nothing";
  x = match(&l, &n);
  ck_assert(x.m.name[0] == -1 && x.m.lack[0] == LACK_MUST && x.m.found[0].role == NAME_SURPLUS);
  name_match_free(&x.m);
  unload(&l);
}
END_TEST

START_TEST(match_aliases) {
  Loaded l = must_load(small, NULL);
  FileNames n = full;
  n.v[0] = "block.0.lin.gamma";
  n.v[1] = "0.lin.beta"; // lacks the prefix, and an alias besides
  n.v[6] = "ln.gamma";
  Matched x = match(&l, &n);
  ck_assert(!x.m.nwrong && x.m.name[0] == 0 && x.m.name[1] == 1 && x.m.name[6] == 6);
  name_match_free(&x.m);
  n = full;
  n.v[9] = "ln.gamma"; // the exact name wins
  n.n = 10;
  x = match(&l, &n);
  ck_assert(x.m.name[6] == 6 && x.m.found[9].role == NAME_DOUBLED && x.m.found[9].param[0] == 6);
  name_match_free(&x.m);
  n.v[9] = "lng.amma"; // whole segments only
  ck_assert(!fit(&l, &n));
  unload(&l);
}
END_TEST

START_TEST(match_init) {
  Loaded l = must_load(small, NULL);
  FileNames n = full;
  n.v[6] = n.v[8];
  n.n = 7;
  Matched x = match(&l, &n);
  ck_assert(!x.m.nwrong && x.m.lack[6] == LACK_FRESH && x.m.lack[7] == LACK_FRESH);
  name_match_free(&x.m);
  n = full;
  n.v[6] = n.v[8];
  n.n = 8; // ln.bias without ln.weight
  x = match(&l, &n);
  ck_assert(x.m.lack[6] == LACK_PART && x.m.lack[7] == LACK_NOT);
  name_match_free(&x.m);
  unload(&l);
}
END_TEST

// What an alias means: see docs/language.md.
static const struct {
  const char *old, *now, *old2, *now2, *name, *stored;
  bool spells;
} spellings[] = {
    {"", "bert", "", "", "bert.x.w", "bert.x.w", true}, // absent or not
    {"", "bert", "", "", "x.w", "bert.x.w", true},
    {"", "bert", "", "", "y.x.w", "y.bert.x.w", false}, // at the start only
    {"", "bert", "", "", "bert.x.w", "x.w", false},     // and never added
    {"", "bert", "", "", "", "bert", false},
    {"", "bert", "", "", "bert.bert.x", "bert.x", false},
    {"", "x.y", "", "", "w", "x.y.w", true},
    {"model", "", "", "", "model.x.w", "x.w", true}, // added
    {"model", "", "", "", "x.w", "x.w", true},
    {"model", "", "", "", "model.model.x.w", "x.w", false},
    {"model", "", "", "", "x.model.w", "x.w", false},
    {"model", "", "", "", "x.w", "model.x.w", false},
    {"model", "", "", "bert", "model.x.w", "bert.x.w", true}, // both
    {"model", "", "", "bert", "model.bert.x.w", "bert.x.w", true},
    {"gamma", "weight", "", "", "ln.gamma", "ln.weight", true},
    {"gamma", "weight", "", "", "ln.weight", "ln.gamma", false},
    {"gamma", "weight", "", "", "gamma.0.weight.gamma", "weight.0.weight.weight",
     true}, // each of them
    {"gamma", "weight", "", "", "ln.gam", "ln.weight", false},
    {"gamma", "weight", "", "", "ln.gamma.x", "ln.weight", false},
    {"gamma", "weight", "", "", "ln.gamma.", "ln.weight", false},
    {"a.b", "c", "", "", "x.a.b.w", "x.c.w", true},
    {"c", "a.b", "", "", "x.c.w", "x.a.b.w", true},
    {"p", "m", "q", "n", "p.q.w", "m.n.w", true}, // two in a row
    {"p", "q", "q", "r", "q.w", "r.w", true},
    {"p", "q", "q", "r", "p.w", "r.w", false}, // and no chain
    {"gamma", "weight", "", "ln", "gamma", "ln.weight", true},
    {"a", "a.a", "a", "a", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.x",
     "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
     "a.a.y",
     false}, // soon
};

START_TEST(spellings_of_a_name) {
  BigsAlias alias[] = {{spellings[_i].old, spellings[_i].now},
                       {spellings[_i].old2, spellings[_i].now2}};
  BigsCheckpoint c = {.nalias = 2, .alias = alias};
  ck_assert_int_eq(name_spells(&c, spellings[_i].name, spellings[_i].stored), spellings[_i].spells);
}
END_TEST

// ---- train blocks
START_TEST(recipe_of_bigs) {
  Loaded l = must_load("models/bigs.mdl", "Depth=1");
  const Recipe *r = model_train(l.m, "pretrain"), *c = model_train(l.m, "classify");
  ck_assert(r && c && !model_train(l.m, "other"));
  ck_assert(r->has_loss && r->source_known && !strcmp(r->source, "mlm_text") && !r->from);
  ck_assert(r->args.n == 5 && !strcmp(r->args.v[0].text, "corpus/*.txt") &&
            r->args.v[1].num == 0.15);
  ck_assert(!strcmp(r->args.v[2].name, "rows") && r->args.v[2].num == 1); // sentences
  ck_assert(r->args.v[3].num == 0.1 && r->args.v[4].num == 20);
  ck_assert_int_eq(r->fields.n, 4);
  ck_assert(r->fields.v[0].kind == FIELD_IDS && r->fields.v[0].is_input);
  ck_assert(r->fields.v[2].kind == FIELD_AT && !r->fields.v[2].is_input);
  ck_assert_str_eq(r->fields.v[3].value.axes[0], "M");
  ck_assert(r->optimizer.kind == OPT_ADAMW && r->optimizer.beta2 == 0.98 &&
            r->optimizer.eps == 1e-6);
  ck_assert(r->decay == 0.05 && r->batch == 1048 && r->steps == 100000 && !r->epochs &&
            r->clip == 0);
  ck_assert(!c->from && c->epochs == 3 && c->fields.v[3].kind == FIELD_TARGET);
  unload(&l);
}
END_TEST

// The rate as the trainer computes it from the module's tables.
static double rate_at(const Loaded *l, const Recipe *r, int64_t step, int64_t total) {
  return r->rate * schedule_factor(schedule_pieces(l->a, &r->schedule), r->schedule.n, step, total);
}

START_TEST(schedule_of_bigs) {
  Loaded l = must_load("models/bigs.mdl", "Depth=1");
  const Recipe *r = model_train(l.m, "pretrain"), *c = model_train(l.m, "classify");
  static const struct {
    int64_t step;
    double rate;
  } want[] = {{0, 6e-4 / 2000},     {999, 3e-4},    {1999, 6e-4},  {2000, 6e-4},
              {51000, 6e-4 * 0.55}, {100000, 6e-5}, {200000, 6e-5}};
  for (int i = 0; i < COUNT(want); i++) {
    double got = rate_at(&l, r, want[i].step, 100000);
    ck_assert_msg(fabs(got - want[i].rate) < 1e-12, "step %d: %g", (int)want[i].step, got);
  }
  ck_assert(fabs(rate_at(&l, c, 99, 1000) - 2e-5) < 1e-15); // 10% of the run
  ck_assert(fabs(rate_at(&l, c, 550, 1000) - 1e-5) < 1e-15);
  ck_assert(fabs(rate_at(&l, c, 1000, 1000)) < 1e-15);
  unload(&l);
}
END_TEST

static void group_is(const TagGroup *g, const char *first, const char *second) {
  ck_assert_int_eq(g->ntags, second ? 2 : 1);
  ck_assert_str_eq(g->tags[0], first);
  if (second)
    ck_assert_str_eq(g->tags[1], second);
}

START_TEST(groups_of_bigs) {
  Loaded l = must_load("models/bigs.mdl", "Depth=1");
  const Recipe *r = model_train(l.m, "pretrain"), *c = model_train(l.m, "classify");
  ck_assert(r->groups.n == 2 && c->groups.n == 2);
  const TagGroup *plain = &r->groups.v[0], *ssm = &r->groups.v[1], *frozen = &c->groups.v[1];
  group_is(plain, "bias", "gain");
  ck_assert(plain->has_decay && plain->decay == 0 && !plain->has_rate && !plain->has_frozen);
  group_is(ssm, "ssm", NULL);
  ck_assert(ssm->has_rate && ssm->rate_times && ssm->rate == 0.1 && ssm->has_decay &&
            ssm->decay == 0);
  group_is(frozen, "ssm", "mode");
  ck_assert(frozen->has_frozen && frozen->frozen && !frozen->has_decay);
  unload(&l);
}
END_TEST

// Both of the paper's ways to fine-tune, for classes and for numbers.
START_TEST(fine_tuning_of_bigs) {
  static const char *const names[] = {"classify", "regress"};
  for (int all = 0; all < 2; all++) {
    Loaded l = must_load("models/bigs.mdl", all ? "Depth=1 freeze=false" : "Depth=1");
    for (int i = 0; i < COUNT(names); i++) {
      const Recipe *r = model_train(l.m, names[i]);
      ck_assert(r && r->groups.n == 2 && r->fields.n == 4);
      group_is(&r->groups.v[1], "ssm", "mode");
      ck_assert(r->groups.v[1].has_frozen && r->groups.v[1].frozen == !all);
      ck_assert_int_eq(r->fields.v[3].value.dtype, i ? DT_F32 : DT_I32);
    }
    unload(&l);
  }
}
END_TEST

START_TEST(schedules) {
  static const struct {
    const char *rate;
    double at[4]; // steps 0, 24, 50, 99 of 100
  } want[] = {
      {"0.5", {0.5, 0.5, 0.5, 0.5}},
      {"2 * linear(to: 0)", {2, 1.52, 1, 0.02}},
      {"(warmup(25) then constant(25) then linear(to: 0.5)) / 2", {0.02, 0.5, 0.5, 0.255}},
      {"1 * (warmup(50%) then constant())", {0.02, 0.5, 1, 1}},
      {"(cosine(50, to: 0.5) then linear(to: 0)) * 1", {1, 0.765699, 0.5, 0.01}},
  };
  char text[512];
  snprintf(
      text, sizeof text,
      "dim H = 4\nmodel M(x : [H]) { w : [H] ~ 1; entry y : [H] = x * w }\ntrain t { rate = %s }\n",
      want[_i].rate);
  Loaded l = must_load(text, NULL);
  static const int steps[] = {0, 24, 50, 99};
  for (int i = 0; i < 4; i++) {
    double got = rate_at(&l, model_train(l.m, "t"), steps[i], 100);
    ck_assert_msg(fabs(got - want[_i].at[i]) < 1e-5, "%s at %d: %g", want[_i].rate, steps[i], got);
  }
  unload(&l);
}
END_TEST

START_TEST(schedules_of_the_data) {
  Loaded l = must_load(
      "dim V = 9, H = 4\ndim B, L <= 8, M\nmodel M(ids : i32[B, L]) { w : Embedding[V, H]; entry y "
      ": [B, L, H] = "
      "w(ids) }\ntrain t {\n  data ids, at : i32[M], labels : i32[M] = mlm_text(\"x\", rate: 0.3 * "
      "linear(to: 0.5))\n  batch = 2 * 16 * (constant(10) then linear(80%, to: 4) then "
      "constant())\n}\n",
      NULL);
  const Recipe *r = model_train(l.m, "t");
  ck_assert(r->args.n == 2 && r->args.v[1].num == 0.3 && r->masking.n == 1 && r->batch == 32 &&
            r->growth.n == 3 && r->schedule.n == 0);
  double at = schedule_factor(schedule_pieces(l.a, &r->growth), r->growth.n, 50, 100);
  ck_assert_double_eq_tol(at, 1 + 3 * 40.0 / 80, 1e-12);
  at = schedule_factor(schedule_pieces(l.a, &r->masking), r->masking.n, 50, 100);
  ck_assert_double_eq_tol(at, 0.75, 1e-12);
  unload(&l);
}
END_TEST

Suite *blocks_suite(void) {
  Suite *s = suite_create("blocks");
  TCase *t = tcase_create("blocks");
  tcase_add_test(t, table_of_bert);
  tcase_add_test(t, table_of_bigs);
  tcase_add_test(t, flat_groups);
  tcase_add_test(t, empty_right_sides);
  tcase_add_test(t, match_names);
  tcase_add_test(t, match_aliases);
  tcase_add_test(t, match_init);
  tcase_add_loop_test(t, spellings_of_a_name, 0, COUNT(spellings));
  tcase_add_test(t, recipe_of_bigs);
  tcase_add_test(t, schedule_of_bigs);
  tcase_add_test(t, groups_of_bigs);
  tcase_add_test(t, fine_tuning_of_bigs);
  tcase_add_loop_test(t, schedules, 0, 5);
  tcase_add_test(t, schedules_of_the_data);
  suite_add_tcase(s, t);
  return s;
}
