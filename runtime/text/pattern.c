// See pattern.h.  An expression becomes a list of instructions; what is left to try stands on a stack.
#include "runtime/text/pattern.h"
#include "base/alloc.h"
#include "base/utf8.h"
#include "runtime/text/tok_file.h"
#include "runtime/text/unicode.h"
#include <limits.h>
#include <string.h>

enum { MAX_PATTERN = 4096, PATTERN_STACK = 256, MAX_ITEMS = 32 };
typedef enum PatternOp {
  PAT_SET,   // one character of set a
  PAT_RUN,   // from lo to hi of them, as many as there are and then fewer
  PAT_SPLIT, // goes on at a, later at b: both relative
  PAT_JUMP,  // goes on at a
  PAT_AHEAD, // what follows, up to a match, is (a 1) or is not (0) there; goes on at b
  PAT_BEGIN,
  PAT_END,
  PAT_MATCH
} PatternOp;
typedef struct PatternStep {
  PatternOp op;
  int a, b, lo, hi;
} PatternStep;

// Of a set: characters from lo to hi, or those of some categories, or of a class; or all others.
typedef enum PatternClass {
  CLASS_RANGE,
  CLASS_CATEGORIES,
  CLASS_SPACE,
  CLASS_WORD,
  CLASS_WORD_ALONE // \w outside of brackets, which has Latin-1's numbers too in Oniguruma
} PatternClass;
typedef struct PatternItem {
  PatternClass is;
  bool others;
  int32_t lo, hi;
  uint32_t categories;
} PatternItem;
typedef struct PatternSet {
  bool others;
  int n;
  PatternItem item[MAX_ITEMS];
  bool ascii[128]; // what the above comes to
} PatternSet;

struct TextPattern {
  PatternStep *step;
  PatternSet *set;
  int nstep, nset;
};

// ---- sets

static bool item_has(const PatternItem *i, int32_t c) {
  bool has = false;
  switch (i->is) {
  case CLASS_RANGE: has = c >= i->lo && c <= i->hi; break;
  case CLASS_CATEGORIES: has = i->categories >> unicode_category(c) & 1; break;
  case CLASS_SPACE: has = unicode_is_space(c); break;
  case CLASS_WORD: has = is_word_char(c); break;
  case CLASS_WORD_ALONE: has = is_word_char(c) || (c < 0x100 && unicode_is_number(c)); break;
  }
  return has != i->others;
}

static bool set_compute(const PatternSet *s, int32_t c) {
  bool has = false;
  for (int i = 0; i < s->n && !has; i++)
    has = item_has(&s->item[i], c);
  return has != s->others;
}

static inline bool set_has(const PatternSet *s, int32_t c) {
  return c < 128 ? s->ascii[c] : set_compute(s, c);
}

// ---- reading

typedef struct PatternReader {
  const char *at, *begin, *end;
  TextPattern *p;
  bool fold; // case
  int depth;
  BigsError *e;
} PatternReader;

static int bad_pattern(const PatternReader *r, const char *why) {
  return bigs_fail(r->e, BIGS_EFILE, "the expression \"%.*s\": %s at byte %d",
                   (int)(r->end - r->begin), r->begin, why, (int)(r->at - r->begin));
}

static int add_step(PatternReader *r, PatternStep s) {
  TextPattern *p = r->p;
  if (p->nstep == MAX_PATTERN)
    return bad_pattern(r, "too long");
  PatternStep *grown = p->nstep % 64 ? p->step : REALLOC_N(PatternStep, p->step, p->nstep + 64);
  if (!grown)
    return bigs_fail_memory(r->e, "an expression");
  p->step = grown;
  p->step[p->nstep++] = s;
  return 0;
}

// Puts a step before those from `at` on; jumps are relative, so those among them stay right.
static int insert_step(PatternReader *r, int at, PatternStep s) {
  int status = add_step(r, s);
  if (status)
    return status;
  PatternStep *v = r->p->step;
  memmove(v + at + 1, v + at, sizeof *v * (size_t)(r->p->nstep - 1 - at));
  v[at] = s;
  return 0;
}

static PatternSet *add_set(PatternReader *r) {
  TextPattern *p = r->p;
  PatternSet *grown = REALLOC_N(PatternSet, p->set, p->nset + 1);
  if (!grown) {
    bigs_fail_memory(r->e, "an expression");
    return NULL;
  }
  p->set = grown;
  memset(&p->set[p->nset], 0, sizeof *p->set);
  return &p->set[p->nset++];
}

static int add_item(const PatternReader *r, PatternSet *s, PatternItem i) {
  if (s->n == MAX_ITEMS)
    return bad_pattern(r, "too many in one set");
  s->item[s->n++] = i;
  return 0;
}

// A range, and in (?i:...) what differs from it by case: ASCII's, and the two letters that fold to one of those.
static int add_range(const PatternReader *r, PatternSet *s, int32_t lo, int32_t hi) {
  PatternItem i = {CLASS_RANGE, false, lo, hi, 0};
  int status = add_item(r, s, i);
  for (int32_t c = 'a'; r->fold && !status && c <= 'z'; c++) {
    PatternItem other = {CLASS_RANGE, false, c ^ 32, c ^ 32, 0};
    if (c >= lo && c <= hi)
      status = add_item(r, s, other);
    other.lo = other.hi = c;
    if (!status && (c ^ 32) >= lo && (c ^ 32) <= hi)
      status = add_item(r, s, other);
    other.lo = other.hi = c == 's' ? 0x17F : 0x212A;
    if (!status && (c == 's' || c == 'k') &&
        ((c >= lo && c <= hi) || ((c ^ 32) >= lo && (c ^ 32) <= hi)))
      status = add_item(r, s, other);
  }
  return status;
}

static bool taking(PatternReader *r, const char *s) {
  size_t n = strlen(s);
  if ((size_t)(r->end - r->at) < n || memcmp(r->at, s, n))
    return false;
  r->at += n;
  return true;
}

// The categories that a name is of: "L", "Lu"; 0: there is no such one.
static uint32_t categories_named(const char *s, size_t n) {
  static const char names[UNICODE_CATEGORIES][3] = {
      "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
      "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
  uint32_t all = 0;
  for (int i = 0; i < UNICODE_CATEGORIES; i++)
    if ((n == 1 || n == 2) && !memcmp(names[i], s, n))
      all |= UINT32_C(1) << i;
  return all;
}

static int read_property(PatternReader *r, PatternItem *i) {
  const char *name = r->at + 1,
             *stop = r->at < r->end && *r->at == '{'
                         ? (const char *)memchr(name, '}', (size_t)(r->end - name))
                         : NULL;
  i->is = CLASS_CATEGORIES;
  i->categories = stop ? categories_named(name, (size_t)(stop - name)) : 0;
  if (!i->categories)
    return bad_pattern(r, "a property that is not known");
  r->at = stop + 1;
  return 0;
}

// Behind a backslash: a class, or with *c a character.
static int read_escape(PatternReader *r, PatternItem *i, int32_t *c) {
  static const char controls[] = "r\rn\nt\tf\fv\v";
  if (r->at == r->end)
    return bad_pattern(r, "nothing behind the backslash");
  char k = *r->at++;
  i->others = k == 'S' || k == 'W' || k == 'D' || k == 'P';
  *c = -1;
  switch (k) {
  case 's':
  case 'S': i->is = CLASS_SPACE; return 0;
  case 'w':
  case 'W': i->is = CLASS_WORD; return 0;
  case 'd':
  case 'D':
    i->is = CLASS_CATEGORIES;
    i->categories = UINT32_C(1) << UNICODE_ND;
    return 0;
  case 'p':
  case 'P': return read_property(r, i);
  default: break;
  }
  const char *control = strchr(controls, k);
  bool letter =
      (k >= 'a' && k <= 'z') || (k >= 'A' && k <= 'Z') || (k >= '0' && k <= '9') || k == 0;
  if (letter && (!control || (control - controls) % 2)) {
    r->at--;
    return bad_pattern(r, "an escape that is not known");
  }
  *c = letter ? control[1] : k;
  return 0;
}

// One character or escape, inside brackets or outside.
static int read_item(PatternReader *r, PatternItem *i, int32_t *c) {
  if (taking(r, "\\"))
    return read_escape(r, i, c);
  size_t n = utf8_read(r->at, (size_t)(r->end - r->at), c);
  if (!n)
    return bad_pattern(r, "not UTF-8");
  r->at += n;
  return 0;
}

static int read_member(PatternReader *r, PatternSet *s) {
  PatternItem i = {CLASS_RANGE, false, 0, 0, 0}, last = i;
  int32_t lo, hi;
  int status = read_item(r, &i, &lo);
  if (status || lo < 0)
    return status ? status : add_item(r, s, i);
  hi = lo;
  if (r->end - r->at > 1 && r->at[0] == '-' && r->at[1] != ']') {
    r->at++;
    status = read_item(r, &last, &hi);
    if (!status && hi < lo)
      status = bad_pattern(r, "a range that is empty");
  }
  return status ? status : add_range(r, s, lo, hi);
}

static int read_brackets(PatternReader *r, PatternSet *s) {
  s->others = taking(r, "^");
  int status = 0;
  for (bool any = false; !status; any = true) {
    if (r->at == r->end)
      return bad_pattern(r, "`[` without `]`");
    if (any && taking(r, "]"))
      return 0;
    if (*r->at == '[' || (r->end - r->at > 1 && r->at[0] == '&' && r->at[1] == '&'))
      return bad_pattern(r, "a set in a set is not known");
    status = read_member(r, s);
  }
  return status;
}

static int end_set(PatternReader *r, PatternSet *s) {
  for (int32_t c = 0; c < 128; c++)
    s->ascii[c] = set_compute(s, c);
  PatternStep step = {PAT_SET, r->p->nset - 1, 0, 1, 1};
  return add_step(r, step);
}

static int read_set(PatternReader *r) {
  PatternSet *s = add_set(r);
  PatternItem i = {CLASS_RANGE, false, '\n', '\n', 0};
  int32_t c;
  int status = s ? 0 : BIGS_EMODEL;
  if (status)
    return status;
  if (taking(r, "[")) {
    status = read_brackets(r, s);
  } else if (taking(r, ".")) {
    s->others = true;
    status = add_item(r, s, i);
  } else {
    status = read_item(r, &i, &c);
    i.is = i.is == CLASS_WORD ? CLASS_WORD_ALONE : i.is;
    status = status ? status : c < 0 ? add_item(r, s, i) : add_range(r, s, c, c);
  }
  return status ? status : end_set(r, s);
}

static int read_alternatives(PatternReader *r);

static int read_look(PatternReader *r, bool wanted) {
  int at = r->p->nstep;
  PatternStep ahead = {PAT_AHEAD, wanted, 0, 0, 0}, match = {PAT_MATCH, 0, 0, 0, 0};
  int status = add_step(r, ahead);
  status = status ? status : read_alternatives(r);
  status = status ? status : add_step(r, match);
  if (!status)
    r->p->step[at].b = r->p->nstep - at;
  return status;
}

static int read_folded(PatternReader *r) {
  r->fold = true;
  return read_alternatives(r);
}

static int read_group(PatternReader *r) {
  bool fold = r->fold;
  int status = 0;
  if (++r->depth > 32)
    return bad_pattern(r, "too many parentheses");
  if (taking(r, "?!"))
    status = read_look(r, false);
  else if (taking(r, "?="))
    status = read_look(r, true);
  else if (taking(r, "?i:"))
    status = read_folded(r);
  else if (!taking(r, "?:") && r->at < r->end && *r->at == '?')
    status = bad_pattern(r, "a group that is not known");
  else
    status = read_alternatives(r);
  r->fold = fold;
  r->depth--;
  if (!status && !taking(r, ")"))
    status = bad_pattern(r, "`(` without `)`");
  return status;
}

static int read_atom(PatternReader *r) {
  PatternStep begin = {PAT_BEGIN, 0, 0, 0, 0}, end = {PAT_END, 0, 0, 0, 0};
  if (taking(r, "("))
    return read_group(r);
  if (taking(r, "^"))
    return add_step(r, begin);
  if (taking(r, "$"))
    return add_step(r, end);
  if (strchr("?*+{", *r->at) && *r->at)
    return bad_pattern(r, "nothing to repeat");
  return read_set(r);
}

static bool read_repeats(PatternReader *r, int *n) {
  const char *start = r->at;
  *n = 0;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && *n < 10000)
    *n = *n * 10 + (*r->at++ - '0');
  return r->at > start;
}

// Whether there is a quantifier, and its bounds; INT_MAX: none above.
static bool read_bounds(PatternReader *r, int *lo, int *hi, bool *bad) {
  *lo = *hi = 0;
  *bad = false;
  if (taking(r, "?"))
    return *hi = 1, true;
  if (taking(r, "*"))
    return *hi = INT_MAX, true;
  if (taking(r, "+"))
    return *lo = 1, *hi = INT_MAX, true;
  if (!taking(r, "{"))
    return false;
  *bad = !read_repeats(r, lo);
  *hi = *lo;
  if (taking(r, ",") && !read_repeats(r, hi))
    *hi = INT_MAX;
  *bad |= !taking(r, "}") || *hi < *lo;
  return true;
}

static int repeat(PatternReader *r, int at) {
  int lo, hi, n = r->p->nstep - at;
  bool bad;
  if (!read_bounds(r, &lo, &hi, &bad))
    return 0;
  if (bad || (r->at < r->end && strchr("?*+{", *r->at)))
    return bad_pattern(r, "a repetition that is not known");
  PatternStep *s = &r->p->step[at];
  if (n == 1 && s->op == PAT_SET) {
    s->op = PAT_RUN;
    s->lo = lo;
    s->hi = hi;
    return 0;
  }
  PatternStep some = {PAT_SPLIT, 1, n + 1 + (hi > 1), 0, 0}, back = {PAT_JUMP, -n - 1, 0, 0, 0},
              again = {PAT_SPLIT, -n, 1, 0, 0};
  if (lo > 1 || (hi > 1 && hi < INT_MAX))
    return bad_pattern(r, "a repeated group is not known");
  if (lo)
    return hi == 1 ? 0 : add_step(r, again);
  int status = insert_step(r, at, some);
  return status || hi == 1 ? status : add_step(r, back);
}

static int read_sequence(PatternReader *r) {
  int status = 0;
  while (!status && r->at < r->end && *r->at != '|' && *r->at != ')') {
    int at = r->p->nstep;
    status = read_atom(r);
    status = status ? status : repeat(r, at);
  }
  return status;
}

static int read_alternatives(PatternReader *r) {
  int at = r->p->nstep;
  int status = read_sequence(r);
  while (!status && taking(r, "|")) {
    int first = r->p->nstep - at;
    PatternStep split = {PAT_SPLIT, 1, first + 2, 0, 0}, jump = {PAT_JUMP, 0, 0, 0, 0};
    status = insert_step(r, at, split);
    status = status ? status : add_step(r, jump);
    int leap = r->p->nstep - 1;
    status = status ? status : read_alternatives(r);
    if (!status)
      r->p->step[leap].a = r->p->nstep - leap;
  }
  return status;
}

static TextPattern *make_pattern(PatternReader *r, int (*read)(PatternReader *)) {
  PatternStep match = {PAT_MATCH, 0, 0, 0, 0};
  r->p = ALLOC(TextPattern);
  int status = r->p ? read(r) : bigs_fail_memory(r->e, "an expression");
  if (!status && r->at < r->end)
    status = bad_pattern(r, "`)` without `(`");
  status = status ? status : add_step(r, match);
  if (status) {
    pattern_free(r->p);
    return NULL;
  }
  return r->p;
}

static int read_literal(PatternReader *r) {
  int status = r->at < r->end ? 0 : bad_pattern(r, "nothing to look for");
  while (!status && r->at < r->end) {
    int32_t c = 0;
    size_t n = utf8_read(r->at, (size_t)(r->end - r->at), &c);
    PatternSet *s = n ? add_set(r) : NULL;
    status = s ? add_range(r, s, c, c) : n ? BIGS_EMODEL : bad_pattern(r, "not UTF-8");
    status = status ? status : end_set(r, s);
    r->at += n;
  }
  return status;
}

TextPattern *pattern_new(const char *text, size_t n, BigsError *e) {
  PatternReader r = {text, text, text + n, NULL, false, 0, e};
  return make_pattern(&r, read_alternatives);
}

TextPattern *pattern_literal(const char *text, size_t n, BigsError *e) {
  PatternReader r = {text, text, text + n, NULL, false, 0, e};
  return make_pattern(&r, read_literal);
}

void pattern_free(TextPattern *p) {
  if (!p)
    return;
  free(p->step);
  free(p->set);
  free(p);
}

// ---- matching

// What is left to try: at step `at` from place `place`; after a run, also from the places before it down to `least`.
typedef struct PatternTry {
  int at;
  const char *place, *least;
} PatternTry;
typedef struct PatternMatch {
  const TextPattern *p;
  const char *begin, *end;
  PatternTry stack[PATTERN_STACK];
  int n;
  long steps; // that may still be taken
} PatternMatch;

static bool push_try(PatternMatch *m, int at, const char *place, const char *least) {
  PatternTry t = {at, place, least};
  if (m->n == PATTERN_STACK)
    return false;
  m->stack[m->n++] = t;
  return true;
}

// The end of a run of set s from *place on, and in *least the end of its first lo characters.  False: it is shorter.
static bool run_of(const PatternMatch *m, const PatternStep *s, const char **place,
                   const char **least) {
  const PatternSet *set = &m->p->set[s->a];
  const char *p = *place;
  int n = 0;
  *least = p;
  while (n < s->hi && p < m->end) {
    const char *next = p;
    if (!set_has(set, utf8_next(&next)))
      break;
    p = next;
    if (++n == s->lo)
      *least = p;
  }
  *place = p;
  return n >= s->lo;
}

static const char *match_from(PatternMatch *m, int at, const char *place, bool *failed);

static bool looks(PatternMatch *m, int at, const char *place, bool *failed) {
  int kept = m->n;
  bool found = match_from(m, at, place, failed) != NULL;
  m->n = kept;
  return found;
}

// One step from *place.  False: it does not match.
static bool match_step(PatternMatch *m, int *at, const char **place, bool *failed) {
  const PatternStep *s = &m->p->step[*at];
  const char *least = *place;
  switch (s->op) {
  case PAT_SET: ++*at; return *place < m->end && set_has(&m->p->set[s->a], utf8_next(place));
  case PAT_RUN:
    ++*at;
    if (!run_of(m, s, place, &least))
      return false;
    *failed |= *place > least && !push_try(m, *at, *place, least);
    return true;
  case PAT_SPLIT:
    *failed |= !push_try(m, *at + s->b, *place, *place);
    *at += s->a;
    return true;
  case PAT_JUMP: *at += s->a; return true;
  case PAT_AHEAD: *at += s->b; return looks(m, *at - s->b + 1, *place, failed) == (s->a != 0);
  case PAT_BEGIN: ++*at; return *place == m->begin;
  case PAT_END: ++*at; return *place == m->end;
  case PAT_MATCH: break;
  }
  return true;
}

// Takes the last thing that was left to try.
static bool retry(PatternMatch *m, int bottom, int *at, const char **place) {
  if (m->n == bottom)
    return false;
  PatternTry *t = &m->stack[m->n - 1];
  *at = t->at;
  if (t->place > t->least) {
    do
      t->place--;
    while ((*t->place & 0xC0) == 0x80);
    *place = t->place;
    m->n -= t->place == t->least;
  } else {
    *place = t->place;
    m->n--;
  }
  return true;
}

static const char *match_from(PatternMatch *m, int at, const char *place, bool *failed) {
  int bottom = m->n;
  while (!*failed) {
    if (m->p->step[at].op == PAT_MATCH)
      return place;
    *failed |= --m->steps < 0;
    if (!match_step(m, &at, &place, failed) && !retry(m, bottom, &at, &place))
      return NULL;
  }
  return NULL;
}

bool pattern_find(const TextPattern *p, const char *s, size_t n, size_t from, size_t *start,
                  size_t *end, int *status, BigsError *e) {
  PatternMatch m;
  m.p = p;
  m.begin = s;
  m.end = s + n;
  m.steps = 100000 + 64 * (long)n;
  bool failed = false;
  for (const char *at = s + from; at <= m.end && !failed;) {
    m.n = 0;
    const char *stop = match_from(&m, 0, at, &failed);
    if (stop) {
      *start = (size_t)(at - s);
      *end = (size_t)(stop - s);
      return true;
    }
    if (at == m.end)
      break;
    utf8_next(&at);
  }
  if (failed)
    *status = bigs_fail(e, BIGS_EMODEL,
                        "an expression of the tokenizer takes too many steps on this text");
  return false;
}
