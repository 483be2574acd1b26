// See profile.h.
#include "compiler/commands/profile.h"
#include "base/arena.h"
#include "base/bug.h"
#include "base/dtype.h"
#include "runtime/exec/exec.h"
#include "runtime/train/log.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- ceilings

Roof roof_of_gpu(const char *name) {
  static const struct {
    const char *name;
    double memory, f32, bf16;
  } gpus[] = {
#define GPU(name, memory, f32, bf16) {name, memory, f32, bf16},
#include "compiler/commands/gpus.def"
#undef GPU
  };
  for (int i = 0; i < COUNT(gpus); i++)
    if (strstr(name, gpus[i].name))
      return (Roof){gpus[i].memory * 1e9, {gpus[i].f32 * 1e12, gpus[i].bf16 * 1e12}, false};
  return (Roof){NAN, {NAN, NAN}, false};
}

Roof roof_of_cpu(int threads, PeakUnit unit, double gflop_s) {
  double got, f32 = unit == PEAK_F32 ? gflop_s : peak_gflops(PEAK_F32, threads, &got);
  return (Roof){copy_gbytes(threads) * 1e9, {f32 * 1e9, gflop_s * 1e9}, true};
}

// ---- lines

typedef struct ProfileLine { // of a step, of a kind of work, or of all
  int step, steps;           // its number; how many they are
  double ms, bytes, flops;
  double least; // ms: what memory or arithmetic take at least, the longer of both; NAN: not known
} ProfileLine;

static double size_of(const Profile *p, BigsSize size) {
  return (double)poly_eval(module_poly(p->module, size), p->dims);
}

static bool multiplies_bf16(const Profile *p, const BigsStep *s) {
  for (int i = 0; i < s->narg; i++)
    if (p->program->buffer[s->arg[i]].dtype == DT_BF16)
      return true;
  return false;
}

static ProfileLine line_of(const Profile *p, int step) {
  const BigsStep *s = &p->program->step[step];
  ProfileLine x = {.step = step,
                   .steps = 1,
                   .ms = p->ms[step],
                   .bytes = size_of(p, s->bytes),
                   .flops = step_flops(p->module, s, p->dims)};
  double moves = x.bytes / p->roof.bytes_s, adds = x.flops / p->roof.flops_s[multiplies_bf16(p, s)];
  x.least = 1e3 * (moves > adds || isnan(moves) ? moves : adds);
  return x;
}

static void add_line(ProfileLine *all, const ProfileLine *x) {
  all->steps += x->steps;
  all->ms += x->ms;
  all->bytes += x->bytes;
  all->flops += x->flops;
  all->least += x->least;
}

static int slower(const void *a, const void *b) {
  const ProfileLine *x = a, *y = b;
  int by_time = (x->ms < y->ms) - (x->ms > y->ms);
  return by_time ? by_time : (x->step > y->step) - (x->step < y->step);
}

static const char *work_name(int work) {
  static const char *const names[] = {
#define WORK(id, name) [BIGS_WORK_##id] = name,
#include "runtime/work.def"
#undef WORK
  };
  return names[work];
}

typedef struct ProfileTable {
  ProfileLine *line; // all steps, the slowest first
  ProfileLine kind[BIGS_WORKS], all;
} ProfileTable;

static ProfileTable table_of(const Profile *p) {
  int n = p->program->nstep;
  ProfileTable t = {.line = calloc((size_t)n + 1, sizeof *t.line)};
  if (!t.line)
    out_of_memory();
  for (int i = 0; i < n; i++) {
    t.line[i] = line_of(p, i);
    add_line(&t.kind[p->program->step[i].work], &t.line[i]);
    add_line(&t.all, &t.line[i]);
  }
  for (int i = 0; i < BIGS_WORKS; i++)
    t.kind[i].step = i;
  qsort(t.line, (size_t)n, sizeof *t.line, slower);
  qsort(t.kind, BIGS_WORKS, sizeof *t.kind, slower);
  return t;
}

// ---- for people

static void put_rate(double amount, double ms, double unit, int digits) {
  if (amount > 0 && ms > 0)
    printf(" %8.*f", digits, amount / ms * 1e3 / unit);
  else
    printf(" %8s", "");
}

static void put_line(const ProfileLine *x, double all_ms) {
  printf("  %9.4f %5.1f%%", x->ms, all_ms > 0 ? 100 * x->ms / all_ms : 0);
  put_rate(x->bytes, x->ms, 1e9, 1);
  put_rate(x->flops, x->ms, 1e12, 3);
  if (x->least > 0 && x->ms > 0)
    printf(" %6.1f%%", 100 * x->least / x->ms);
  else
    printf(" %7s", "");
}

static void put_roof(const Roof *r) {
  if (isnan(r->bytes_s))
    printf("  what this GPU can do at most is not known\n");
  else
    printf("  at most %.1f GB/s, %.3f TFLOP/s in float32, %.3f in bf16%s\n", r->bytes_s / 1e9,
           r->flops_s[0] / 1e12, r->flops_s[1] / 1e12,
           r->measured ? ", as measured" : ", as its maker says");
}

void profile_print(const Profile *p, int most) {
  ProfileTable t = table_of(p);
  put_roof(&p->roof);
  printf("  %9s %6s %8s %8s %7s  step\n", "ms", "share", "GB/s", "TFLOP/s", "of roof");
  for (int i = 0; i < p->program->nstep && i < most; i++) {
    const BigsStep *s = &p->program->step[t.line[i].step];
    put_line(&t.line[i], t.all.ms);
    printf("  %d %s  %s\n", t.line[i].step, s->label ? s->label : "", s->source ? s->source : "");
  }
  for (int i = 0; i < BIGS_WORKS; i++)
    if (t.kind[i].steps) {
      put_line(&t.kind[i], t.all.ms);
      printf("  all %s: %d steps\n", work_name(t.kind[i].step), t.kind[i].steps);
    }
  put_line(&t.all, t.all.ms);
  printf("  in %d steps\n", t.all.steps);
  free(t.line);
}

// ---- for programs

static void record_line(JsonText *t, const ProfileLine *x) {
  record_number(t, "ms", x->ms);
  record_number(t, "bytes", x->bytes);
  record_number(t, "flop", x->flops);
  record_number(t, "gb_s", x->ms > 0 ? x->bytes / x->ms / 1e6 : NAN);
  record_number(t, "tflop_s", x->ms > 0 ? x->flops / x->ms / 1e9 : NAN);
  record_number(t, "roof_share", x->ms > 0 ? x->least / x->ms : NAN);
}

static void put_steps(const Profile *p, const ProfileTable *x, JsonText *t) {
  for (int i = 0; i < p->program->nstep; i++) {
    const BigsStep *s = &p->program->step[x->line[i].step];
    json_raw(t, i ? ", " : "");
    json_raw(t, "{");
    record_int(t, "step", x->line[i].step);
    record_text(t, "kind", work_name(s->work));
    record_text(t, "label", s->label);
    record_text(t, "source", s->source);
    record_text(t, "module", s->module ? s->module : "");
    record_line(t, &x->line[i]);
    record_end(t);
  }
}

static void put_kinds(const ProfileTable *x, JsonText *t) {
  for (int i = 0, n = 0; i < BIGS_WORKS; i++)
    if (x->kind[i].steps) {
      json_raw(t, n++ ? ", " : "");
      json_raw(t, "{");
      record_text(t, "kind", work_name(x->kind[i].step));
      record_int(t, "steps", x->kind[i].steps);
      record_line(t, &x->kind[i]);
      record_end(t);
    }
}

void profile_json(const Profile *p, JsonText *t) {
  ProfileTable x = table_of(p);
  record_number(t, "roof_gb_s", p->roof.bytes_s / 1e9);
  record_number(t, "roof_tflop_s", p->roof.flops_s[0] / 1e12);
  record_number(t, "roof_bf16_tflop_s", p->roof.flops_s[1] / 1e12);
  record_raw(t, "steps", "[");
  put_steps(p, &x, t);
  json_raw(t, "]");
  record_raw(t, "kinds", "[");
  put_kinds(&x, t);
  json_raw(t, "]");
  free(x.line);
}
