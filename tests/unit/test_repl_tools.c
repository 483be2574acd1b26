// What the prompt is asked about: docs, costs, causes, curves; values that are written down, parameters by their paths.
#include "compiler/sema/functions.h"
#include "compiler/syntax/lex.h"
#include "tests/unit/repl_bed.h"
#include "tests/unit/tmpdir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(words_that_leave) {
  prints("1\nexit\n2\n", "1  i32\n");
  prints("quit()\n2\n", "");
  prints("exit = 3\nexit\n", "exit : i32\n3  i32\n"); // a name of one's own
}
END_TEST

START_TEST(commands_by_their_start) {
  fails_with(":t 1\n", 1, "`:t` may be :type, :time");
  prints(":ty 1 + 1\n", "i32\n");
}
END_TEST

START_TEST(docs_of_names) {
  prints(":doc gelu\n",
         "gelu(x)\n  x times the share of the normal distribution below x, exactly (by erf)\n");
  succeeds_with(":doc Linear\n",
                "Linear[In... -> Out...](x : [.., In...], biased = true) -> [.., Out...]\n"
                "  a linear layer");
  succeeds_with(":doc gather\n", "gather[V](x, i)\n");
  succeeds_with(":doc scan\n", "scan[L](");
  succeeds_with(":doc :grad\n", ":grad EXPR [NAME]\n");
  succeeds_with(":doc E0204\n", "E0204: ");
  succeeds_with(":doc rate\n", "rate = 1e-3 * (");
  succeeds_with(":doc entry\n", "entry y : [B, H] = expr\n  what a model computes");
  fails_with(":doc sofmax\n", 1, "did you mean `softmax`?");
  fails_with(":doc\n", 1, "of what?");
  // One's own, by the comment above it, in the place of the prelude's.
  prints("# as Hinton has it,\n# twice\nfn gelu(x, k = 2) = k * x\n\n:doc gelu\n",
         "gelu(x, k = 2)\n  as Hinton has it,\n  twice\n");
}
END_TEST

// What the language has can be asked for: each function, initializer and name of the prelude.
START_TEST(every_function_is_documented) {
  static const char *const names[] = {
#define PRIM(id, name) name,
#include "compiler/sema/prims.def"
#undef PRIM
#define INITIALIZER(id, name) name,
#include "compiler/sema/initializers.def"
#define OPTIMIZER(ID, name, arguments, beta2) #name,
#include "base/optimizers.def"
#undef OPTIMIZER
#define SCHEDULE(ID, name, falls) #name,
#include "base/schedules.def"
#undef SCHEDULE
      "loss",  "optimizer", "rate", "decay", "batch", "pieces", "steps",  "epochs",
      "clip",  "ema",       "data", "group", "next",  "frozen", "repeat", "share",
      "alias", "ignore",    "then", "as",    "if",    "config", "layout", "forms",
  };
  Arena *a = arena_new();
  File *prelude = NULL;
  for (int i = 0; i < COUNT(names); i++)
    ck_assert_msg(function_doc(names[i]) != NULL, "functions.def has no row for %s", names[i]);
  for (int k = 0; k < T_KIND_COUNT; k++)
    if (token_class((TokKind)k) == DECL || k == T_ENTRY)
      ck_assert_msg(function_doc(token_text((TokKind)k)) != NULL, "functions.def has no row for %s",
                    token_text((TokKind)k));
  prelude_file(a, intern_new(a), &prelude);
  ck_assert_int_gt(prelude->decls.n, 10);
  for (int i = 0; i < prelude->decls.n; i++) {
    FunctionDoc doc = decl_doc(a, prelude->decls.v[i]);
    ck_assert_msg(*doc.text, "prelude.mdl has no comment above %s", doc.name);
  }
  arena_free(a);
}
END_TEST

START_TEST(what_a_name_is) {
  static const char some[] = "dim B, H = 2\nx = [3, -1] : [H]\nl : Linear[H -> H]\n";
  char s[512];
  snprintf(s, sizeof s, "%s:info x\n", some);
  succeeds_with(s, "  2 elements, 8 bytes\n  least -1, largest 3, mean 1, standard deviation 2\n");
  snprintf(s, sizeof s, "%s:info l\n", some);
  succeeds_with(s, "  l.bias : [H = 2] f32\n");
  snprintf(s, sizeof s, "%s:info l.bias\n", some);
  succeeds_with(s, "l.bias : [H = 2] f32, a parameter\n  2 elements");
  snprintf(s, sizeof s, "%s:info B\n", some);
  succeeds_with(s, "dim B = 2 here, known at run time; :set changes it\n");
  prints("fn f(x) = x\n:info f\n", "fn f(x) = x\n");
  succeeds_with(":info relu\n", "fn relu(x) = select(x <= 0, 0, x)\n");
  succeeds_with("dim H = 2\nx = 1 / f32(iota[H])\n:info x\n",
                "least 1, largest 1, mean 1, standard deviation 0\n  not finite: 1 of 2\n");
  fails_with(":info l.weight\n", 1, "nothing here is called `l.weight`");
}
END_TEST

START_TEST(lists_of_numbers) {
  prints("dim A = 2\nx = [[1, 2.5],\n  [-3, 4e1],] : [A, S]\nx\nsum[S](x)\n",
         "x : [A = 2, S = 2] f32\n[A = 2, S = 2] f32\n[[ 1.0000  2.5000]\n [-3.0000 40.0000]]\n"
         "[A = 2] f32\n[ 3.5000 37.0000]\n");
  prints("[1, -2] : i32[S]\nit + 1\n", "[S = 2] i32\n[ 1 -2]\n[S = 2] i32\n[ 2 -1]\n");
  prints("[true, false] : bool[S]\n", "[S = 2] bool\n[ true false]\n");
  fails_with("x = [1, 2]\n", 1, "which axes has it? Write the list as `x = [...] : [A]`");
  fails_with("[[1, 2], [3]] : [A, B]\n", 1, "a list of 1, the ones before have 2 elements");
  fails_with("[[1, 2], 3] : [A, B]\n", 1, "a number in 1 brackets");
  fails_with("[] : [A]\n", 1, "an axis has at least one");
  fails_with("[1.5] : i32[A]\n", 1, "`1.5` is not whole: it fits no i32");
  fails_with("[3000000000] : i32[A]\n", 1, "`3000000000` is too large");
  fails_with("[true] : [A]\n", 1, "write `: bool[...]`");
  fails_with("[1i] : c64[A]\n", 1, "a list holds real numbers");
  fails_with("[[1]] : [A, A]\n", 1, "a value has no axis twice");
  fails_with("[[1]] : [.., A]\n", 1, "a name of its own");
  fails_with("[1] : [A, B]\n", 1, "it has 1 axis, `[A, B]` names 2");
  fails_with("dim H = 3\n[1, 2] : [H]\n", 1,
             "H is 3 here, and this axis has 2 elements: another name");
  fails_with("dim B\n[1, 2, 3] : [B]\n:set B=3\n[1, 2, 3] : [B]\n", 1,
             "`:set B=3`, or another name");
  fails_with("x = 1 : [A]\nf(1) : [A]\n", 2, "a type stands behind a list of numbers");
}
END_TEST

static const char layers[] = "dim H = 2, F = 3, Depth = 2\n"
                             "module Block(x : [H]) -> [H] {\n"
                             "  up : Linear[H -> F]\n"
                             "  own : Linear[H -> H]\n"
                             "  down : Linear[F -> H]\n"
                             "  x + down(up(own(x)))\n"
                             "}\n"
                             "layer : repeat Depth Block\n"
                             "b : Block\n"
                             "x = [1, 2] : [H]\n";

static void with_layers(const char *more, char *script, size_t size) {
  snprintf(script, size, "%s%s", layers, more);
}

START_TEST(parameters_by_their_paths) {
  char s[2048];
  with_layers("layer.1.up.weight = [[1, 2, 3], [4, 5, 6]] : [H, F]\nlayer.1.up.weight\n"
              "sum(layer.1.up.weight) + layer.0.down.bias[H = 0]\n",
              s, sizeof s);
  succeeds_with(
      s, "layer.1.up.weight : [H = 2, F = 3] f32\n[H = 2, F = 3] f32\n[[1.0000 2.0000 3.0000]\n "
         "[4.0000 5.0000 6.0000]]\n21.0000  f32\n");
  // By names of axes, whatever their order; an axis that the value lacks it is constant along.
  with_layers(
      "b.up.weight = [[1, 2], [3, 4], [5, 6]] : [F, H]\nb.up.weight[F = 1]\nb.up.weight = x\n"
      "b.up.weight[F = 2]\nb.up.weight = 0.5; max(abs(b.up.weight - 0.5))\n",
      s, sizeof s);
  succeeds_with(s,
                "[3.0000 4.0000]\nb.up.weight : [H = 2, F = 3] f32\n[H = 2] f32\n[1.0000 2.0000]\n"
                "b.up.weight : [H = 2, F = 3] f32\n0.0000  f32\n");
  // A square one, which no value can be, by order.
  with_layers("layer.0.own.weight = [[1, 2], [3, 4]]\nlayer.0.own.weight\n", s, sizeof s);
  succeeds_with(s, "[H = 2, H = 2] f32\n[[1.0000 2.0000]\n [3.0000 4.0000]]\n");
  // As the language calls a layer.
  with_layers("layer[0].own.weight = [[1, 2], [3, 4]]\nlayer[0].own.weight\nlayer[1].up.bias = "
              "2\nsum(layer[1].up.bias)\n"
              ":info layer[1].up.bias\n:grad sum(layer(x)) layer[1].down.bias\n",
              s, sizeof s);
  succeeds_with(
      s,
      "layer.0.own.weight : [H = 2, H = 2] f32\n[H = 2, H = 2] f32\n[[1.0000 2.0000]\n [3.0000 "
      "4.0000]]\n"
      "layer.1.up.bias : [F = 3] f32\n6.0000  f32\nlayer.1.up.bias : [F = 3] f32, a parameter\n");
  succeeds_with(s, "[H = 2] f32\n[1.0000 1.0000]\n");
  // What is assigned is what computes.
  with_layers("b.down.weight = 0\nb.down.bias = [10, 20]\nb(x)\n", s, sizeof s);
  succeeds_with(s, "[11.0000 22.0000]\n");
  with_layers("layer.0.down.bias = layer.0.down.bias + 1; y = layer.0.down.bias\ny\n", s, sizeof s);
  succeeds_with(s, "y : [H = 2] f32\n[H = 2] f32\n[1.0000 1.0000]\n");
}
END_TEST

START_TEST(wrong_parameters) {
  char s[2048];
  with_layers("layer.2.up.bias\n", s, sizeof s);
  fails_with(s, 1, "there is no parameter `layer.2.up.bias`; `:info layer` lists what there is");
  with_layers("layer.0.up.none = 1\n", s, sizeof s);
  fails_with(s, 1, "there is no parameter `layer.0.up.none`");
  with_layers("b.up.bias = x\n", s, sizeof s);
  fails_with(s, 1, "`b.up.bias` is [F = 3] f32, and the value [H = 2] f32");
  with_layers("b.up.bias = [1, 2]\n", s, sizeof s);
  fails_with(s, 1, "`b.up.bias` is [F = 3] f32, and the value [axis0 = 2] f32");
  with_layers("b.up.bias = true\n", s, sizeof s);
  fails_with(s, 1, "and the value bool");
  with_layers("layer_0_up_bias = 3\nlayer.0.up.bias\nlayer_0_up_bias\n", s, sizeof s);
  fails_with(s, 1, "3  i32\n");
  with_layers("b.up == 1\n\"layer.0.up.bias\"\n", s, sizeof s); // neither an assignment nor a path
  fails_with(s, 2, "a string has no meaning here");
}
END_TEST

START_TEST(what_a_value_costs) {
  static const char some[] =
      "dim B, H = 4, F = 6\n:set B=8\nl : Linear[H -> F]\nx = normal[B, H](1)\n";
  char s[512];
  snprintf(s, sizeof s, "%s:cost l(x)\n", some);
  // 2 * 8 * 4 * 6 by multiplying and adding.
  succeeds_with(
      s, "l(x) : [B = 8, F = 6] f32\n  parameters        30\n  arithmetic        384 FLOP\n");
  snprintf(s, sizeof s, "%sm : Linear[H -> H]\n:compare l(x), m(x)\n", some);
  succeeds_with(s, "                    l(x)       m(x)\n  parameters        30         20\n"
                   "  arithmetic        384 FLOP   256 FLOP\n");
  succeeds_with(":compare 1 + 1, max(2, 7)\n", "  value             2         7\n");
  // The values of tensors, whose axes meet by name.
  succeeds_with(
      "dim A = 2, B = 3\nx = [[1, 2, 3], [4, 5, 6]] : [A, B]\ny = [[1, 4], [2, 7], [3, 6]] "
      ": [B, A]\n:compare x, y\n",
      "  values            1 of 6 differ, most by 2 at A = 1, B = 1\n");
  succeeds_with("dim A = 2\nx = [0, 4] : [A]\n:compare log(-1 - x), 0 * log(-1 - x)\n",
                "  values            the same\n");
  succeeds_with("dim A = 2\nx = [0, 4] : [A]\n:compare x + 1i * x, x + 3 + 1i * (x - 4)\n",
                "  values            2 of 2 differ, most by 5 at A = 0\n");
  succeeds_with("dim A = 2, B = 3\n:compare iota[A], iota[B]\n",
                "  values            of other axes");
  fails_with(":compare 1\n:cost foo\n:compare 1 foo\n", 3, "which two?");
}
END_TEST

START_TEST(models_are_compared) {
  char s[1024];
  make_dir();
  for (int i = 0; i < 2; i++) {
    FILE *f = fopen(in_dir(i ? "b.mdl" : "a.mdl"), "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "dim B, H = %d\nmodel M(u : [B]) {\n  w : [H] ~ 1\n  entry y : [B, H] = u * w\n  entry "
            "z : f32 = sum(y)\n}\n",
            i ? 6 : 3);
    fclose(f);
  }
  snprintf(s, sizeof s, ":compare %s %s\n", in_dir("a.mdl"), in_dir("b.mdl"));
  succeeds_with(s, "/a.mdl: y");
  succeeds_with(s, "  parameters        3");
  fails_with(":compare /none/a.mdl /none/b.mdl\n", 1, "/none/a.mdl");
  remove_dir();
}
END_TEST

START_TEST(what_a_value_depends_on) {
  static const char some[] =
      "dim H = 4, K = 2\nx = [1, -2, 3, 4] : [H]\nl : Linear[H -> K]\ny = 3 * x\nz = y + 1\n";
  char s[1024];
  snprintf(s, sizeof s, "%s:why sum(3 * x) x\n", some);
  succeeds_with(s, "sum(3 * x) : f32\nx : [H = 4] f32\n  axes: only the second H\n  norm of the "
                   "derivative: 6 in all\n");
  snprintf(s, sizeof s, "%s:why x[H = 1] x\n", some);
  succeeds_with(s, "norm of the derivative: 1 in all; none of 3 of 4 elements\n  along H  ");
  succeeds_with(s, "most at H = 1 (100 %)");
  // By what it was computed from, as long as that is as it was.
  snprintf(s, sizeof s, "%s:why sum(z) x\n", some);
  succeeds_with(s, "  by way of z, y\n  norm of the derivative: 6 in all\n");
  snprintf(s, sizeof s, "%sx = 2 * x\n:why sum(z) x\n", some);
  succeeds_with(s, "  does not depend on x\n");
  snprintf(s, sizeof s, "%s:why sum(l(x)) l.bias\n:why y l.bias\n", some);
  succeeds_with(s, "norm of the derivative: 1.414 in all\n");
  succeeds_with(s, "  axes: only the first H; only the second K\n  does not depend on l.bias\n");
  succeeds_with("dim H = 3\nmodule M(x : [H]) -> ([H], f32) {\n  w : [H] ~ 1\n  (x * w, sum(w * "
                "w))\n}\nm : M\nx = [1, 2, 3] : [H]\n"
                "y, aux = m(x)\n:why aux m.w\n",
                "  by way of aux\n  norm of the derivative: 3.464 in all\n");
  succeeds_with("a = [1, 2] : [S]\nb = [1, 2, 3] : [S]\n:why a b\n",
                "  axes: both S\n  S is 2 in the first and 3 in the second: they cannot meet\n  "
                "does not depend on b: it is a value by itself");
  // A name of a model in between, a draw too, as if it were given.
  snprintf(s, sizeof s,
           "%sentry t : [H] = normal[H](1)\nentry h : [H] = x * t\nentry u : [H] = 3 * h + 2 * "
           "t\n:why sum(u) h\n"
           ":grad sum(u) h\n:grad sum(u) l.bias\n",
           some);
  fails_with(s, 1, "does not depend on `l.bias`; it does on: x");
  *strstr(s, ":grad sum(u) l.bias") = 0;
  succeeds_with(s, "  by way of u\n  norm of the derivative: 6 in all\n");
  succeeds_with(s, "[H = 4] f32\n[3.0000 3.0000 3.0000 3.0000]\n");
  succeeds_with("dim H = 4\nentry t : [H] = normal[H](1)\n:why sum(5 * t) t\n:cost sum(t)\n",
                "  norm of the derivative: 10 in all\n");
  // What is no number is not 0.
  succeeds_with("dim H = 2\nx = [0, 4] : [H]\n:why sum(sqrt(x - 1)) x\n",
                "  norm of the derivative: nan, it is no number for 1 of 2 elements\n");
  succeeds_with("dim V = 3, B = 2\nids = [0, 1] : i32[B]\nt = [0, 0, 2] : [V]\n"
                ":why sum(log(gather[V](t, ids) - 1)) ids\n",
                "the next number: 0, its numbers have no effect here\n");
  // Ids and masks, by changing each.
  succeeds_with("dim V = 5, B = 3\nids = [0, 4, 2] : i32[B]\nt = [1, 2, 3, 4, 8] : [V]\ny = "
                "gather[V](t, ids)[B = 1]\n"
                ":why y ids\n",
                "  by way of y\n  change when an element is the next number: 7 in all; none of 2 "
                "of 3 elements\n");
  succeeds_with(
      "dim B = 2\nm = [true, true] : bool[B]\nx = [3, 4] : [B]\n:why sum(x, where: m) m\n",
      "change when an element is the other: 5 in all\n");
  snprintf(s, sizeof s, "%s:why y\n:why y l\n:why y none\n:why i32(y) x\n", some);
  fails_with(s, 4, "`l` is a child");
}
END_TEST

START_TEST(curves_at_the_prompt) {
  char s[512];
  setenv("COLUMNS", "40", 1);
  succeeds_with("dim H = 5\n:plot f32(iota[H]) ^ 2\n", "15 ");
  succeeds_with("dim H = 5, B = 9\n:plot f32(iota[H] + iota[B])[B = 0]\n", "H");
  succeeds_with("dim H = 5, B = 9\n:plot normal[B, H](1)\n",
                "the first 8 curves; 1 more are left out");
  fails_with("dim H = 5\n:plot 1\n:plot iota[H] / 0.0 * 0\n:plot normal[H](1) /none/x.svg\n:plot\n",
             4, "one number is no curve");
  fails_with("dim H = 5\n:plot iota[H] x.png\n", 1, "x.png: curves are written as FILE.svg alone");
  make_dir();
  snprintf(s, sizeof s, "dim H = 5\n:plot iota[H] %s\n", in_dir("x.svg"));
  succeeds_with(s, "x.svg written");
  FILE *f = fopen(in_dir("x.svg"), "r");
  ck_assert(f && fgets(s, sizeof s, f) && strstr(s, "<?xml"));
  fclose(f);
  remove_dir();
}
END_TEST

// ---- training

static const char net[] = "dim B = 16, H = 2, F = 8\n"
                          "x = normal[B, H](1)\n"
                          "y = x[H = 0] - 2 * x[H = 1]\n"
                          "module Net(x : [B, H]) -> [B] {\n"
                          "  up : Linear[H -> F]\n"
                          "  down : Linear[F -> H]\n"
                          "  sum[H](x |> up |> gelu |> down)\n"
                          "}\n"
                          "f : Net\n";

static void with_net(const char *more, char *script, size_t size) {
  snprintf(script, size, "%s%s", net, more);
}

START_TEST(any_loss_is_trained) {
  char s[2048];
  with_net("before = mean((f(x) - y)^2)\n:train 100 mean((f(x) - y)^2) rate=1e-2\nl = mean((f(x) - "
           "y)^2)\nl < before / 4\n"
           ":train 50 mean((f(x) - y)^2)\n:train 10 l\nmean((f(x) - y)^2) < l\n",
           s, sizeof s);
  succeeds_with(s, "true  bool\nsteps 101 to 150 in ");
  succeeds_with(s, "steps 1 to 10 in ");
  succeeds_with(s, "true  bool\n");
  with_net(":train 3 mean(f(x)^2)\nf.up.bias = 1\n:train 3 mean(f(x)^2)\n", s, sizeof s);
  succeeds_with(s, "note: something changed: the optimizer starts anew");
  // Random numbers of the loss are others in each step.
  succeeds_with("dim H = 64\nw : f32 ~ 0\n:train 200 mean((w + normal[H](1) + 3)^2) "
                "rate=0.1\nabs(w + 3) < 0.5\n",
                "true  bool\n");
  // One step of AdamW moves each number that matters by the rate.
  succeeds_with("dim H = 2\nw : [H] ~ 3\n:train 1 sum(w * w) rate=0.5\nabs(w - 2.5) < 1e-4\n",
                "[true true]\n");
}
END_TEST

START_TEST(a_block_and_its_states) {
  static const char s[] =
      "dim B, H = 2\nmodel M(x : [B, H]) {\n  w : [H] ~ 1\n  seen : f32 ~ 0 @state\n  entry y : "
      "[B, H] = x * w\n"
      "  entry n : f32 = seen\n}\ntrain t {\n  loss = mean(y^2)\n  optimizer = adamw(beta: (0.9, "
      "0.999), eps: 1e-8)\n"
      "  rate = 1e-2; batch = 1\n  next seen = seen + 1\n}\n:train 5\n:train 2\nseen\n";
  succeeds_with(s, "steps 6 to 7 in ");
  succeeds_with(s, "\n7.0000  f32\n");
}
END_TEST

START_TEST(what_cannot_be_trained) {
  char s[2048];
  with_net(":train\n:train 0 1\n:train x\n:train 1e9 1\n", s, sizeof s);
  fails_with(s, 4, "how many steps? `:train 100`");
  with_net(":train 5\n", s, sizeof s);
  fails_with(s, 1, "train what? `:train 100 LOSS`");
  with_net(":train 5 f(x)\n", s, sizeof s);
  fails_with(s, 1, "a loss is one number; this is [B = 16] f32");
  with_net(":train 5 mean(x)\n", s, sizeof s);
  fails_with(s, 1, "the loss depends on no parameter");
  with_net(":train 5 mean(f(x)) rate=x\n:train 5 mean(f(x)) speed=1\n", s, sizeof s);
  fails_with(s, 2, "rate=x: must be a number");
  // What was reached stays, and what is not finite changes nothing.
  with_net("a = f(x)\n:train 5 log(mean(f(x)) * 0 - 1)\nmax(abs(f(x) - a))\n", s, sizeof s);
  fails_with(s, 1, "0.0000  f32\n");
}
END_TEST

TCase *repl_tools(void) {
  TCase *t = tcase_create("tools");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, words_that_leave);
  tcase_add_test(t, commands_by_their_start);
  tcase_add_test(t, docs_of_names);
  tcase_add_test(t, every_function_is_documented);
  tcase_add_test(t, what_a_name_is);
  tcase_add_test(t, lists_of_numbers);
  tcase_add_test(t, parameters_by_their_paths);
  tcase_add_test(t, wrong_parameters);
  tcase_add_test(t, what_a_value_costs);
  tcase_add_test(t, models_are_compared);
  tcase_add_test(t, what_a_value_depends_on);
  tcase_add_test(t, curves_at_the_prompt);
  tcase_add_test(t, any_loss_is_trained);
  tcase_add_test(t, a_block_and_its_states);
  tcase_add_test(t, what_cannot_be_trained);
  return t;
}
