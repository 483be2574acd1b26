// Schedules: what a number of a train block is multiplied by in the course of a run.
#include "compiler/sema/sema_check.h"
#include "compiler/sema/sema_eval.h"
#include <math.h>
#include <string.h>

static bool is_piece(const Expr *e) {
  return e->kind == EX_CALL && e->a->kind == EX_NAME &&
         name_listed(schedule_names, SCHED_COUNT, e->a->name.s);
}

// Its name alone, which nothing else has.
static bool is_bare_piece(Sema *s, const Expr *e) {
  return e->kind == EX_NAME && name_listed(schedule_names, SCHED_COUNT, e->name.s) &&
         !let_find(s, e->name.s);
}

// With the arguments that it often has.
static const char *whole_piece(Sema *s, const char *name) {
  bool falls = schedule_falls[name_place(schedule_names, SCHED_COUNT, name)];
  return arena_printf(s->a, "%s(%s)", name, falls ? "to: 0" : "10%");
}

static void bare_piece(Sema *s, const Expr *e) {
  Diag *g = sema_error(s, ERR_WRONG_ARGUMENTS, e->span, "a piece of a schedule is a call");
  diag_help(s->d, g, "write `%s`", whole_piece(s, e->name.s));
}

static void unknown_schedule(Sema *s, const Expr *e) {
  const Expr *callee = e->kind == EX_CALL ? e->a : e;
  if (is_bare_piece(s, e)) {
    bare_piece(s, e);
    return;
  }
  if (callee->kind != EX_NAME) {
    sema_error(s, ERR_UNKNOWN_SOURCE, e->span, "a piece of a schedule is a call: there are %s",
               suggest_text(s, schedule_names, SCHED_COUNT));
    return;
  }
  Diag *g = sema_error(s, ERR_UNKNOWN_SOURCE, callee->span, "unknown schedule `%s`: there are %s",
                       callee->name.s, suggest_text(s, schedule_names, SCHED_COUNT));
  suggest_list(s, g, callee->name.s, schedule_names, SCHED_COUNT);
}

static bool in_percent(const Expr *e) {
  return e->span.src && e->span.src->text[e->span.hi - 1] == '%';
}

// Steps, or below 1 a share of the run: 150 % are no steps, nor is 1.5.
static bool length_of(Sema *s, const Expr *e, double *out) {
  if (!sema_number(s, e, "a length", 0, 1e15, out))
    return false;
  if (*out < 1 || (!in_percent(e) && *out == floor(*out)))
    return true;
  sema_error(s, ERR_BAD_SETTING, e->span,
             "a length is a whole number of steps, or a share of the run below 100 %%");
  return false;
}

// False when an argument is wrong, which was reported.
static bool piece_args(Sema *s, const Expr *e, bool falls, SchedulePiece *p) {
  bool ok = true;
  sema_args_once(s, e, e->a->name.s);
  for (int i = 0; i < e->args.n; i++) {
    const Arg *a = &e->args.v[i];
    bool to = a->name.s && !strcmp(a->name.s, "to") && falls;
    if (to)
      ok &= sema_number(s, a->value, "`to`", 0, 1e6, &p->to);
    else if (!a->name.s && i == 0)
      ok &= length_of(s, a->value, &p->length);
    else {
      sema_error(s, ERR_WRONG_ARGUMENTS, a->span, "`%s` takes %s", e->a->name.s,
                 falls ? "a length, and the level it ends at: `to: 0`" : "a length");
      ok = false;
    }
  }
  return ok;
}

static void add_piece(Sema *s, const Expr *e, bool last, Schedule *v) {
  if (!is_piece(e)) {
    unknown_schedule(s, e);
    return;
  }
  SchedulePiece p = {.kind = (ScheduleKind)name_place(schedule_names, SCHED_COUNT, e->a->name.s)};
  bool falls = schedule_falls[p.kind];
  p.to = !falls;
  if (!piece_args(s, e, falls, &p))
    return;
  if (p.kind == SCHED_WARMUP && p.length == 0)
    sema_error(s, ERR_WRONG_ARGUMENTS, e->span,
               "`warmup` needs its length: steps, or below 1 a share of the run");
  else if (!last && p.length == 0)
    sema_error(s, ERR_WRONG_ARGUMENTS, e->span, "`%s` is not the last: it needs its length",
               e->a->name.s);
  vec_push(s->a, v, p);
}

// Pieces whose lengths are shares must fit into the run.
static void check_shares(Sema *s, const Expr *e, const Schedule *v) {
  double sum = 0;
  for (int i = 0; i < v->n; i++)
    sum += v->v[i].length < 1 ? v->v[i].length : 0;
  if (sum > 1 + 1e-9)
    sema_error(s, ERR_BAD_SETTING, e->span, "the pieces of the schedule take %g %% of the run",
               100 * sum);
}

// One piece: its name with arguments or alone, or a call of a name that nothing else has.
static bool is_one_piece(Sema *s, const Expr *e) {
  return is_piece(e) || is_bare_piece(s, e) ||
         (e->kind == EX_CALL && e->a->kind == EX_NAME && prim_by_name(e->a->name.s) < 0 &&
          !fn_find(s, e->a->name.s));
}

bool sema_is_schedule(Sema *s, const Expr *e) {
  if (e->kind == EX_BIN)
    return sema_is_schedule(s, e->a) || sema_is_schedule(s, e->b);
  return e->kind == EX_THEN || is_one_piece(s, e);
}

static void add_pieces(Sema *s, const Expr *e, Schedule *v) {
  for (int i = 0; i < e->items.n; i++)
    add_piece(s, e->items.v[i], i == e->items.n - 1, v);
  check_shares(s, e, v);
}

static void read_factor(Sema *s, const Expr *e, const char *what, double *number, Schedule *v) {
  double x;
  if (e->kind == EX_THEN) {
    add_pieces(s, e, v);
  } else if (is_one_piece(s, e)) {
    add_piece(s, e, true, v);
  } else if (e->kind == EX_BIN && e->bin == BIN_DIV) {
    read_factor(s, e->a, what, number, v);
    if (sema_number(s, e->b, arena_printf(s->a, "what divides %s", what), 1e-300, INFINITY, &x))
      *number /= x;
  } else if (e->kind == EX_BIN && e->bin == BIN_MUL) {
    bool left = v->n > 0;
    read_factor(s, e->a, what, number, v);
    if (v->n && !left && sema_is_schedule(s, e->b))
      sema_error(s, ERR_BAD_SETTING, e->b->span, "%s has one schedule", what);
    else
      read_factor(s, e->b, what, number, v);
  } else if (e->kind == EX_TUPLE) {
    sema_error(s, ERR_BAD_SETTING, e->span, "%s is a number, or a number times a schedule", what);
  } else if (sema_number(s, e, what, 0, INFINITY, &x))
    *number *= x;
}

static bool says_number(Sema *s, const Expr *e) {
  return e->kind == EX_BIN ? says_number(s, e->a) || says_number(s, e->b) : !sema_is_schedule(s, e);
}

// `cosine(1e-3)`: what stands where its length would be is the number that is meant.
static const Expr *number_inside(const Expr *e) {
  const Expr *x = is_piece(e) && e->args.n == 1 ? e->args.v[0].value : NULL;
  return x && !e->args.v[0].name.s && x->kind == EX_NUM && x->num.value < 1 && !in_percent(x)
             ? x
             : NULL;
}

static void no_number(Sema *s, const Expr *e, const char *what) {
  const Expr *meant = number_inside(e);
  Diag *g = sema_error(s, ERR_BAD_SETTING, e->span,
                       "%s is a number times a schedule, and this is the schedule alone", what);
  if (meant)
    diag_help(s->d, g, "write `%s * %s`", span_text(s->a, meant->span, "1e-3"),
              whole_piece(s, e->a->name.s));
  else
    diag_help(s->d, g, "put the number in front: `... * %s`",
              span_text(s->a, e->span, "cosine(to: 0)"));
}

bool sema_schedule(Sema *s, const Expr *e, const char *what, double *number, Schedule *v) {
  int before = s->d->errors;
  *number = 1;
  read_factor(s, e, what, number, v);
  if (s->d->errors == before && !says_number(s, e))
    no_number(s, e, what);
  return s->d->errors == before;
}

double schedule_most(const Schedule *v) {
  double most = 1;
  for (int i = 0; i < v->n; i++)
    most = fmax(most, v->v[i].to);
  return most;
}

double schedule_least(const Schedule *v) {
  double least = 1;
  for (int i = 0; i < v->n; i++)
    least = fmin(least, v->v[i].to);
  return least;
}
