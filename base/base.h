// What every part of the project may include: arenas, growable arrays, interned strings, hashing,
// polynomials in run-time symbols, dtypes.  No globals; every allocation belongs to an arena passed
// in.
#ifndef BIGSC_BASE_H
#define BIGSC_BASE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
#else
#define PRINTF_LIKE(fmt, first)
#define NORETURN
#endif
#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

// A bug in bigsc itself, never a user's error: prints file:line to standard error and exits with
// status 70.
NORETURN void bug_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond) ((cond) ? (void)0 : BUG("%s", #cond))

// ---- arena: zeroed memory of one lifetime, freed at once
typedef struct Arena Arena;
Arena *arena_new(void); // NULL when out of memory
void arena_free(Arena *a);
// On exhaustion longjmps to *oom with value 1 when set, else dies with status 70.
void arena_on_oom(Arena *a, jmp_buf *oom);
void *arena_alloc(Arena *a, size_t bytes); // zeroed, aligned to 16
void *arena_grow(Arena *a, void *old, size_t old_bytes, size_t new_bytes);
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_strdup(Arena *a, const char *s);
char *arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);
#define NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define NEWN(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

// Growable array in an arena: VEC(int) xs = {0}; vec_push(arena, &xs, 3); xs.v[i], xs.n.
#define VEC(T)                                                                                     \
  struct {                                                                                         \
    T *v;                                                                                          \
    int n, cap;                                                                                    \
  }
void vec_grow(Arena *a, void **v, int *cap, int need, size_t elem);
#define vec_push(arena, x, ...)                                                                    \
  do {                                                                                             \
    if ((x)->n == (x)->cap)                                                                        \
      vec_grow((arena), (void **)&(x)->v, &(x)->cap, (x)->n + 1, sizeof *(x)->v);                  \
    (x)->v[(x)->n++] = (__VA_ARGS__);                                                              \
  } while (0)

// ---- interned strings: equal text, equal pointer (within one table)
typedef struct Intern Intern;
Intern *intern_new(Arena *a);
const char *intern(Intern *t, const char *s);
const char *intern_n(Intern *t, const char *s, size_t n);

uint64_t hash_bytes(uint64_t seed, const void *p, size_t n); // FNV-1a, finalized
uint64_t hash_str(const char *s);                            // the same for a NUL-terminated string
static inline uint64_t hash_mix(uint64_t h, uint64_t x) {
  h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  h *= 0xff51afd7ed558ccdu;
  return h ^ (h >> 32);
}
// Levenshtein's; limit + 1 when above limit.
int edit_distance(const char *a, const char *b, int limit);

// ---- dtypes.  Complex ones live in the language only: the graph, kernels and modules hold pairs
// of reals.
typedef enum DType {
  DT_BOOL,
  DT_I32,
  DT_BF16,
  DT_F32,
  DT_F64,
  DT_C64,
  DT_C128,
  DT_I64,
  DT_COUNT
} DType;
const char *dtype_name(DType t); // as in the language: "f32"
int dtype_size(DType t);         // bytes of one element in memory; bool is 1
uint16_t bf16_of(double v);      // the nearest bf16, ties to even; NaN stays one
double bf16_value(uint16_t bits);
double dtype_round(DType t, double v); // the nearest value of a float dtype; of the others v itself
static inline bool dtype_is_float(DType t) {
  return t == DT_BF16 || t == DT_F32 || t == DT_F64;
}
static inline bool dtype_is_complex(DType t) {
  return t == DT_C64 || t == DT_C128;
}

// ---- polynomials with integer coefficients in run-time symbols (sizes, strides, task counts).
// Plain data, the same in the graph, the loop IR and a compiled module.  Canonical: terms in
// ascending order of factors, no zero coefficient; so equal polynomials are equal bytes.
enum { POLY_TERMS = 6, POLY_FACTORS = 8, MAX_SYMS = 16 };
typedef struct PolyTerm {
  int64_t coef;
  int8_t sym[POLY_FACTORS]; // ascending indices of symbols, then -1
} PolyTerm;
// Terms are compared and hashed as bytes: none of them may be padding.
_Static_assert(sizeof(PolyTerm) == 16, "a term has padding");
typedef struct Poly {
  int32_t n, pad;
  PolyTerm t[POLY_TERMS];
} Poly;
Poly poly_const(int64_t c);
Poly poly_sym(int sym);
// Sums and products are a BUG past POLY_TERMS or POLY_FACTORS.
Poly poly_add(Poly a, Poly b);
Poly poly_sub(Poly a, Poly b);
Poly poly_mul(Poly a, Poly b);
bool poly_mul_fits(const Poly *a, const Poly *b);
Poly poly_scale(Poly a, int64_t c);
bool poly_eq(const Poly *a, const Poly *b);
bool poly_is_const(const Poly *a, int64_t *value); // value may be NULL
// a = q * b exactly, for a single-term b; false otherwise.
bool poly_div(const Poly *a, const Poly *b, Poly *q);
int64_t poly_eval(const Poly *p, const int64_t *sym);
// syms[i]: name for printing; NULL prints s0, s1, ...
char *poly_str(Arena *a, const Poly *p, const char *const *syms);
uint64_t poly_hash(const Poly *p);
#endif
