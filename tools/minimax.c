// Generates codegen/llvm/vecmath_coeffs.h: minimax polynomials for the emitted vector maths, by Remez
// exchange in binary128.
//
//   gcc -std=gnu11 -O2 -o /tmp/minimax tools/minimax.c -lquadmath -lm && /tmp/minimax >
//   codegen/llvm/vecmath_coeffs.h
//
// Not part of the build: the header is committed.  Needs gcc (__float128).
//
// A fit finds c_0..c_{n-1} that minimise  max |w(x) (f(x) - sum_k c_k x^(p + k s))|  on [lo, hi].
// Coefficients are rounded to their type one at a time, lowest power first, and the rest refitted
// after each: the later ones absorb the rounding of the earlier.  Method: E. Remez (1934); see
// Muller, "Elementary Functions", 3rd ed., section 3.5.
#include <math.h>
#include <quadmath.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __float128 Q;
typedef Q Function(Q);
enum { MAXN = 32, GRID = 6000 };

typedef struct Fit {
  const char *name, *what;
  Function *f, *w; // target and weight, of the abscissa x
  Function *var;   // the polynomial's variable, of x; NULL: x itself
  double lo, hi;
  int power, step, n;
  bool single; // round to float, else to double
} Fit;

static Q q_abs(Q x) {
  return x < 0 ? -x : x;
}

// Solves the n x n system a x = b by elimination with partial pivoting; destroys a and b.
static void solve(int n, Q a[][MAXN + 1], Q *b, Q *x) {
  for (int i = 0; i < n; i++) {
    int p = i;
    for (int r = i + 1; r < n; r++)
      if (q_abs(a[r][i]) > q_abs(a[p][i]))
        p = r;
    for (int c = 0; c < n; c++) {
      Q t = a[i][c];
      a[i][c] = a[p][c];
      a[p][c] = t;
    }
    Q t = b[i];
    b[i] = b[p];
    b[p] = t;
    for (int r = i + 1; r < n; r++) {
      Q f = a[r][i] / a[i][i];
      for (int c = i; c < n; c++)
        a[r][c] -= f * a[i][c];
      b[r] -= f * b[i];
    }
  }
  for (int i = n - 1; i >= 0; i--) {
    x[i] = b[i];
    for (int c = i + 1; c < n; c++)
      x[i] -= a[i][c] * x[c];
    x[i] /= a[i][i];
  }
}

typedef struct Samples {
  Q t[GRID], f[GRID], w[GRID]; // the variable, target, weight on the grid
} Samples;

static Q power(Q t, int p) {
  Q r = 1;
  for (; p > 0; p--)
    r *= t;
  return r;
}

static Q residual(const Fit *fit, const Samples *s, const Q *c, int n, int i) {
  Q t = fit->step == 2 ? s->t[i] * s->t[i] : s->t[i], p = 0;
  for (int k = n - 1; k >= 0; k--)
    p = p * t + c[k];
  return (s->f[i] - p * power(s->t[i], fit->power)) * s->w[i];
}

// Indices of the largest residual of each run of one sign; at most max of them, the largest
// consecutive ones.
static int extrema(const Q *e, int *at, int max) {
  static int all[GRID];
  int n = 0;
  for (int i = 0; i < GRID; i++) {
    if (e[i] == 0)
      continue;
    if (n && (e[all[n - 1]] > 0) == (e[i] > 0)) {
      if (q_abs(e[i]) > q_abs(e[all[n - 1]]))
        all[n - 1] = i;
    } else {
      all[n++] = i;
    }
  }
  int lo = 0;
  while (n - lo > max) {
    if (q_abs(e[all[lo]]) < q_abs(e[all[n - 1]]))
      lo++;
    else
      n--;
  }
  for (int i = lo; i < n; i++)
    at[i - lo] = all[i];
  return n - lo;
}

// Fits coefficients first..n-1, the earlier ones being fixed.  Returns the largest residual.
static Q remez(const Fit *fit, const Samples *s, Q *c, int first) {
  static Q e[GRID];
  int m = fit->n - first, at[MAXN + 1];
  for (int i = 0; i <= m; i++)
    at[i] = (int)((GRID - 1) * (0.5 - 0.5 * cos(M_PI * (i + 0.5) / (m + 1))));
  Q worst = 0;
  for (int round = 0; round < 60; round++) {
    Q a[MAXN + 1][MAXN + 1], b[MAXN + 1], x[MAXN + 1];
    for (int i = 0; i <= m; i++) {
      Q t = s->t[at[i]];
      for (int k = 0; k < m; k++)
        a[i][k] = s->w[at[i]] * power(t, fit->power + (first + k) * fit->step);
      a[i][m] = i & 1 ? -1 : 1;
      b[i] = residual(fit, s, c, first, at[i]);
    }
    solve(m + 1, a, b, x);
    for (int k = 0; k < m; k++)
      c[first + k] = x[k];
    worst = 0;
    for (int i = 0; i < GRID; i++) {
      e[i] = residual(fit, s, c, fit->n, i);
      if (q_abs(e[i]) > worst)
        worst = q_abs(e[i]);
    }
    if (worst <= q_abs(x[m]) * 1.0001Q || extrema(e, at, m + 1) < m + 1)
      break;
  }
  return worst;
}

static Q worst_residual(const Fit *fit, const Samples *s, const Q *c) {
  Q worst = 0;
  for (int i = 0; i < GRID; i++) {
    Q e = q_abs(residual(fit, s, c, fit->n, i));
    if (e > worst)
      worst = e;
  }
  return worst;
}

// With a leading coefficient fixed the rest need not be a Haar system, and the exchange may go
// astray: then the earlier values stand.
static void refit(const Fit *fit, const Samples *s, Q *c, int first) {
  Q old[MAXN], before = worst_residual(fit, s, c);
  memcpy(old, c, sizeof old);
  remez(fit, s, c, first);
  Q after = worst_residual(fit, s, c);
  if (!(after < before))
    memcpy(c, old, sizeof old);
}

static void sample(const Fit *fit, Samples *s) {
  for (int i = 0; i < GRID; i++) {
    Q u = 0.5Q - 0.5Q * cosq(M_PIq * (i + 0.5Q) / GRID), x = fit->lo + (fit->hi - (Q)fit->lo) * u;
    s->t[i] = fit->var ? fit->var(x) : x;
    s->f[i] = fit->f(x);
    s->w[i] = fit->w(x);
  }
}

static void emit(const Fit *fit) {
  static Samples s;
  Q c[MAXN] = {0};
  sample(fit, &s);
  double exact = (double)remez(fit, &s, c, 0);
  for (int k = 0; k < fit->n; k++) {
    c[k] = fit->single ? (Q)(float)c[k] : (Q)(double)c[k];
    if (k + 1 < fit->n)
      refit(fit, &s, c, k + 1);
  }
  double worst = (double)worst_residual(fit, &s, c);
  printf("// %s\n// on [%.6g, %.6g]: error 2^%.1f, 2^%.1f before rounding\n", fit->what, fit->lo,
         fit->hi, log2(worst), log2(exact));
  printf("static const double %s[] = {", fit->name);
  for (int k = 0; k < fit->n; k++)
    printf("%s%s%a", k ? "," : "", k % 4 ? " " : "\n    ", (double)c[k]);
  printf("};\n");
}

// ---- targets and weights
static Q exp_f(Q x) {
  return expq(x) - 1 - x;
}
static Q exp_w(Q x) {
  return expq(-x);
}
static Q log_f(Q x) {
  return log1pq(x) - x + x * x / 2;
}
static Q log_w(Q x) {
  return 1 / log1pq(x);
}
static Q atanh_f(Q s) {
  return log1pq(s) - log1pq(-s) - 2 * s;
}
static Q atanh5_f(Q s) {
  return atanh_f(s) - 2 * s * s * s / 3;
}
static Q atanh_w(Q s) {
  return 1 / (log1pq(s) - log1pq(-s));
}
static Q tanh_f(Q x) {
  return tanhq(x) - x;
}
static Q tanh_w(Q x) {
  return 1 / tanhq(x);
}
static Q erf_f(Q x) {
  return erfq(x) - x;
}
static Q erf_w(Q x) {
  return 1 / erfq(x);
}
static Q erf_tail_f(Q x) {
  return -logq(erfcq(x)) - x;
}
static Q erf_tail_w(Q x) {
  return erfcq(x) / erfq(x);
}
static Q erfcx_f(Q x) {
  return erfcq(x) * expq(x * x);
}
static Q erfcx_w(Q x) {
  return expq(-x * x) / erfq(x);
}
static Q erfcx_var(Q x) {
  return (x - 2) / (x + 2);
}
static Q sin_f(Q x) {
  return sinq(x) - x;
}
static Q sin_w(Q x) {
  return 1 / sinq(x);
}
static Q cos_f(Q x) {
  return cosq(x) - 1 + x * x / 2;
}
static Q cos_w(Q x) {
  return 1 / cosq(x);
}

#define LN2_2 0.34657359027997265
#define S_MAX 0.17157287525380990 // (sqrt(2) - 1) / (sqrt(2) + 1)
#define PI_4 0.78539816339744831

static const Fit fits[] = {
    {"VMC_EXP32", "exp(r) = 1 + r + r^2 P(r)", exp_f, exp_w, NULL, -LN2_2, LN2_2, 2, 1, 5, true},
    {"VMC_EXP_MID", "the same in float64, for float32 results", exp_f, exp_w, NULL, -LN2_2, LN2_2,
     2, 1, 6, false},
    {"VMC_EXP64", "the same for float64 results", exp_f, exp_w, NULL, -LN2_2, LN2_2, 2, 1, 10,
     false},
    {"VMC_LOG32", "log(1 + f) = f - f^2 / 2 + f^3 P(f)", log_f, log_w, NULL, -1.0 / 3, 1.0 / 3, 3,
     1, 8, true},
    {"VMC_LOG_MID", "log((1 + s) / (1 - s)) = 2 s + s^3 P(s^2), for float32 results", atanh_f,
     atanh_w, NULL, 0, S_MAX, 3, 2, 5, false},
    {"VMC_LOG64", "the same for float64 results", atanh_f, atanh_w, NULL, 0, S_MAX, 3, 2, 7, false},
    {"VMC_LOG_DD", "log((1 + s) / (1 - s)) = 2 s + 2 s^3 / 3 + s^5 P(s^2)", atanh5_f, atanh_w, NULL,
     0, S_MAX, 5, 2, 8, false},
    {"VMC_TANH64", "tanh(x) = x + x^3 P(x^2)", tanh_f, tanh_w, NULL, 0, 0.625, 3, 2, 11, false},
    {"VMC_ERF32", "erf(x) = 1 - exp(-x - x P(x))", erf_tail_f, erf_tail_w, NULL, 0, 4, 1, 1, 9,
     true},
    {"VMC_ERF64", "erf(x) = x + x P(x^2)", erf_f, erf_w, NULL, 0, 1, 1, 2, 13, false},
    {"VMC_ERF64_TAIL", "erf(x) = 1 - exp(-x^2) P((x - 2) / (x + 2))", erfcx_f, erfcx_w, erfcx_var,
     1, 6, 0, 1, 18, false},
    {"VMC_SIN_MID", "sin(r) = r + r^3 P(r^2), for float32 results", sin_f, sin_w, NULL, 0, PI_4, 3,
     2, 3, false},
    {"VMC_COS_MID", "cos(r) = 1 - r^2 / 2 + r^4 P(r^2), for float32 results", cos_f, cos_w, NULL, 0,
     PI_4, 4, 2, 3, false},
    {"VMC_SIN64", "sin(r) = r + r^3 P(r^2)", sin_f, sin_w, NULL, 0, PI_4, 3, 2, 6, false},
    {"VMC_COS64", "cos(r) = 1 - r^2 / 2 + r^4 P(r^2)", cos_f, cos_w, NULL, 0, PI_4, 4, 2, 6, false},
};

// ---- pi to 480 bits, in fixed point, from Machin's formula: pi = 16 atan(1/5) - 4 atan(1/239)
enum { WORDS = 16 };
typedef struct Fixed {
  uint32_t v[WORDS]; // v[0]: integer part; then 32-bit fractions
} Fixed;

static void fixed_div(Fixed *a, uint32_t d) {
  uint64_t r = 0;
  for (int i = 0; i < WORDS; i++) {
    r = r << 32 | a->v[i];
    a->v[i] = (uint32_t)(r / d);
    r %= d;
  }
}

static void fixed_add(Fixed *a, const Fixed *b, bool subtract) {
  int64_t c = 0;
  for (int i = WORDS - 1; i >= 0; i--) {
    c += (int64_t)a->v[i] + (subtract ? -(int64_t)b->v[i] : (int64_t)b->v[i]);
    a->v[i] = (uint32_t)c;
    c >>= 32;
  }
}

static Fixed fixed_atan_inverse(uint32_t d, uint32_t scale) { // scale * atan(1 / d)
  Fixed sum = {{0}}, t = {{scale}};
  fixed_div(&t, d);
  for (uint32_t k = 0; k < 400; k++) {
    Fixed u = t;
    fixed_div(&u, 2 * k + 1);
    fixed_add(&sum, &u, k & 1);
    fixed_div(&t, d);
    fixed_div(&t, d);
  }
  return sum;
}

static Fixed fixed_pi(void) {
  Fixed pi = fixed_atan_inverse(5, 16), p4 = fixed_atan_inverse(239, 4);
  fixed_add(&pi, &p4, true);
  return pi;
}

// The leading `bits` significant bits of a, truncated; subtracts them from a.
static double fixed_take(Fixed *a, int bits) {
  double sum = 0;
  int left = 0; // bits still to take, from the first one set
  for (int i = 0; i < WORDS * 32; i++) {
    bool set = a->v[i / 32] >> (31 - i % 32) & 1;
    if (set && !left && sum == 0)
      left = bits;
    if (!left)
      continue;
    if (set) {
      sum += ldexp(1, 31 - i);
      a->v[i / 32] &= ~(1u << (31 - i % 32));
    }
    if (!--left)
      break;
  }
  return sum;
}

// Long division of 1/2 by pi, bit by bit.
static void emit_turns(int words) {
  Fixed pi = fixed_pi(), r = {{0, 1u << 31}};
  printf("// 1 / (2 pi) = sum of word[i] 2^(-32 (i + 1))\nstatic const uint32_t "
         "VMC_INVERSE_TWO_PI[] = {");
  for (int i = 0; i < words; i++) {
    uint32_t w = 0;
    for (int b = 0; b < 32; b++) {
      Fixed twice = r;
      fixed_add(&twice, &r, false);
      r = twice;
      fixed_add(&twice, &pi, true);
      bool below = !(twice.v[0] >> 31);
      if (below)
        r = twice;
      w = w << 1 | below;
    }
    printf("%s0x%08x", i ? ", " : "", w);
  }
  printf("};\n");
}

// Parts of pi / 2 with `bits` significant bits each, the last a full double.
static void emit_pi_parts(const char *name, const char *what, int bits, int n) {
  Fixed half = fixed_pi();
  fixed_div(&half, 2);
  printf("// %s\nstatic const double %s[] = {", what, name);
  for (int i = 0; i < n; i++)
    printf("%s%a", i ? ", " : "", fixed_take(&half, i + 1 < n ? bits : 53));
  printf("};\n");
}

// v as a part of `bits` significant bits and a double for the rest.
static void emit_split(const char *name, const char *what, Q v, int bits) {
  int e;
  double hi = (double)v;
  frexp(hi, &e);
  hi = bits < 53 ? ldexp(trunc(ldexp(hi, bits - e)), e - bits) : hi;
  printf("// %s\nstatic const double %s[] = {%a, %a};\n", what, name, hi, (double)(v - hi));
}

int main(void) {
  printf("// Generated by tools/minimax.c; do not edit.  Coefficients are in ascending powers.\n"
         "// clang-format off\n"
         "#ifndef BIGSC_VECMATH_COEFFS_H\n#define BIGSC_VECMATH_COEFFS_H\n#include <stdint.h>\n\n");
  for (size_t i = 0; i < sizeof fits / sizeof *fits; i++)
    emit(&fits[i]);
  emit_pi_parts("VMC_PIO2_FMA", "pi / 2 in full doubles: exact reduction with fused multiply-add",
                53, 3);
  emit_pi_parts("VMC_PIO2_SHORT",
                "pi / 2 in parts of 29 bits: n times a part is exact for n < 2^24", 29, 4);
  emit_split("VMC_LN2_64", "ln 2: n times the first part is exact for n < 2^11", M_LN2q, 42);
  emit_split("VMC_LN2_32", "ln 2 for float: n times the first part is exact for n < 2^8", M_LN2q,
             16);
  emit_split("VMC_TWO_THIRDS", "2 / 3 in two doubles", 2 / 3.0Q, 53);
  emit_turns(7);
  printf("#endif\n");
  return 0;
}
