// See unicode.h.
#include "runtime/text/unicode.h"
#include "runtime/text/unicode_tables.h"

enum { L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, S_BASE = 0xAC00 };
enum { L_COUNT = 19, V_COUNT = 21, T_COUNT = 28, S_COUNT = L_COUNT * V_COUNT * T_COUNT };

const UnicodeRecord *unicode_record(int32_t c) {
  return &records[record_of[fine_of[coarse_of[c >> 12]][c >> 6 & 63]][c & 63]];
}

bool unicode_is_space(int32_t c) {
  if (c < 0x80)
    return c == ' ' || (c >= '\t' && c <= '\r');
  UnicodeCategory k = unicode_category(c);
  return c == 0x85 || (k >= UNICODE_ZS && k <= UNICODE_ZP);
}

// ---- lower case

int32_t unicode_lower(int32_t c) {
  if (!(unicode_record(c)->flags & UNICODE_LOWERS))
    return c;
  size_t lo = 0, hi = sizeof lower_run / sizeof *lower_run;
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    if (lower_run[mid][0] <= c)
      lo = mid;
    else
      hi = mid;
  }
  return c + lower_run[lo][3];
}

// ---- decomposition (section 3.7 of the standard; Hangul: 3.12)

static int decompose_hangul(int32_t c, int32_t *out) {
  int32_t s = c - S_BASE, t = s % T_COUNT;
  out[0] = L_BASE + s / (V_COUNT * T_COUNT);
  out[1] = V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT;
  out[2] = T_BASE + t;
  return t ? 3 : 2;
}

static int decompose_by_table(int32_t c, int32_t *out) {
  size_t lo = 0, hi = sizeof decompose_run / sizeof *decompose_run;
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    if (decompose_run[mid] <= (uint32_t)c)
      lo = mid;
    else
      hi = mid;
  }
  size_t at = decompose_first[lo] + (size_t)c - decompose_run[lo];
  int n = 0;
  for (size_t i = decompose_at[at]; i < decompose_at[at + 1]; i++) {
    int32_t unit = decompose_unit[i];
    if (unit >= 0xD800 && unit < 0xDC00)
      unit = 0x10000 + ((unit - 0xD800) << 10) + (decompose_unit[++i] - 0xDC00);
    out[n++] = unit;
  }
  return n;
}

// What a canonical decomposition consists of may be compatible with something else.
static int decompose_further(int32_t *out, int n) {
  int32_t from[UNICODE_MAX_DECOMPOSED];
  int len = 0;
  for (int i = 0; i < n; i++)
    from[i] = out[i];
  for (int i = 0; i < n; i++) {
    bool more = unicode_record(from[i])->flags & UNICODE_COMPATIBLE;
    out[len] = from[i];
    len += more ? decompose_by_table(from[i], out + len) : 1;
  }
  return len;
}

int unicode_decompose(int32_t c, bool compatible, int32_t *out) {
  int flags = unicode_record(c)->flags;
  if (c >= S_BASE && c < S_BASE + S_COUNT)
    return decompose_hangul(c, out);
  if (flags & UNICODE_CANONICAL) {
    int n = decompose_by_table(c, out);
    return compatible ? decompose_further(out, n) : n;
  }
  return compatible && flags & UNICODE_COMPATIBLE ? decompose_by_table(c, out) : 0;
}

// ---- composition

static int32_t compose_hangul(int32_t a, int32_t b) {
  if (a >= L_BASE && a < L_BASE + L_COUNT && b >= V_BASE && b < V_BASE + V_COUNT)
    return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
  bool open = a >= S_BASE && a < S_BASE + S_COUNT && (a - S_BASE) % T_COUNT == 0;
  return open && b > T_BASE && b < T_BASE + T_COUNT ? a + (b - T_BASE) : 0;
}

static int32_t compose_far_pair(int32_t a, int32_t b) {
  for (size_t i = 0; i < sizeof compose_far / sizeof *compose_far; i++)
    if (compose_far[i][0] == (uint32_t)a && compose_far[i][1] == (uint32_t)b)
      return (int32_t)compose_far[i][2];
  return 0;
}

int32_t unicode_compose(int32_t a, int32_t b) {
  int32_t hangul = compose_hangul(a, b);
  if (hangul || a >= 0x10000)
    return hangul ? hangul : compose_far_pair(a, b);
  size_t lo = 0, hi = sizeof compose_near / sizeof *compose_near;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    const uint16_t *p = compose_near[mid];
    if (p[0] == a && p[1] == b)
      return p[2];
    if (p[0] < a || (p[0] == a && p[1] < b))
      lo = mid + 1;
    else
      hi = mid;
  }
  return 0;
}
