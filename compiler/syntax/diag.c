// Gathering diagnostics, their order, JSON, and the long explanations.  Text with carets:
// diag_render.c.
#include "compiler/syntax/diag.h"
#include "compiler/syntax/diag_render.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 100 };

// One mistake is reported once, though several uses of the same text may find it.
static bool seen(const Diags *d, int code, Span at, const char *text) {
  for (int i = 0; i < d->list.n; i++) {
    const Diag *g = d->list.v[i];
    if (g->code == code && g->span.src == at.src && g->span.lo == at.lo && g->span.hi == at.hi &&
        !strcmp(g->text, text))
      return true;
  }
  return false;
}

static Diag *add(Diags *d, Severity severity, int code, Span at, const char *fmt, va_list ap) {
  char *text = arena_vprintf(d->arena, fmt, ap);
  if (seen(d, code, at, text))
    return NULL;
  int limit = d->limit > 0 ? d->limit : DEFAULT_LIMIT;
  if (severity == SEV_ERROR)
    d->errors++;
  if (d->list.n >= limit && (severity != SEV_ERROR || d->errors > limit))
    return NULL;
  Diag *g = NEW(d->arena, Diag);
  *g = (Diag){.severity = severity, .code = code, .span = at, .text = text};
  vec_push(d->arena, &d->list, g);
  return g;
}

Diag *diag_error(Diags *d, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  Diag *g = add(d, SEV_ERROR, code, at, fmt, ap);
  va_end(ap);
  return g;
}

Diag *diag_warning(Diags *d, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  Diag *g = add(d, SEV_WARNING, code, at, fmt, ap);
  va_end(ap);
  return g;
}

Diag *diag_primary(Diags *d, Diag *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (g)
    g->label = arena_vprintf(d->arena, fmt, ap);
  va_end(ap);
  return g;
}

static Diag *add_part(Diags *d, Diag *g, Severity kind, Span at, const char *fmt, va_list ap) {
  if (g)
    vec_push(d->arena, &g->parts, (DiagPart){kind, at, arena_vprintf(d->arena, fmt, ap), false});
  return g;
}

Diag *diag_label(Diags *d, Diag *g, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add_part(d, g, SEV_ERROR, at, fmt, ap);
  va_end(ap);
  return g;
}

Diag *diag_note(Diags *d, Diag *g, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add_part(d, g, SEV_NOTE, at, fmt, ap);
  va_end(ap);
  return g;
}

Diag *diag_note_label(Diags *d, Diag *g, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add_part(d, g, SEV_NOTE, at, fmt, ap);
  va_end(ap);
  if (g)
    g->parts.v[g->parts.n - 1].label = true;
  return g;
}

Diag *diag_help(Diags *d, Diag *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add_part(d, g, SEV_HELP, (Span){0}, fmt, ap);
  va_end(ap);
  return g;
}

static void drop_help(Diag *g) {
  int n = 0;
  for (int i = 0; i < g->parts.n; i++)
    if (g->parts.v[i].kind != SEV_HELP)
      g->parts.v[n++] = g->parts.v[i];
  g->parts.n = n;
}

Diag *diag_help_instead(Diags *d, Diag *g, const char *fmt, ...) {
  va_list ap;
  if (g)
    drop_help(g);
  va_start(ap, fmt);
  add_part(d, g, SEV_HELP, (Span){0}, fmt, ap);
  va_end(ap);
  return g;
}

void diag_drop(Diags *d, Diag *g) {
  int i = 0;
  while (i < d->list.n && d->list.v[i] != g)
    i++;
  if (g)
    g->dropped = true;
  if (!g || i == d->list.n)
    return;
  d->errors -= g->severity == SEV_ERROR;
  memmove(d->list.v + i, d->list.v + i + 1, (size_t)(--d->list.n - i) * sizeof *d->list.v);
}

// ---- order: those without a place, then file by file as first met, by place, then as they were
// found
typedef struct Keyed {
  const Diag *g;
  int file, index;
} Keyed;

static int by_place(const void *x, const void *y) {
  const Keyed *a = x, *b = y;
  if (a->file != b->file)
    return a->file < b->file ? -1 : 1;
  if (a->g->span.lo != b->g->span.lo)
    return a->g->span.lo < b->g->span.lo ? -1 : 1;
  return a->index < b->index ? -1 : a->index > b->index;
}

static const Diag **sorted(Arena *a, const Diags *d) {
  Keyed *keys = NEWN(a, Keyed, d->list.n);
  for (int i = 0; i < d->list.n; i++) {
    const Source *src = d->list.v[i]->span.src;
    int first = 0;
    while (d->list.v[first]->span.src != src)
      first++;
    keys[i] = (Keyed){d->list.v[i], src ? first : -1, i};
  }
  if (d->list.n)
    qsort(keys, (size_t)d->list.n, sizeof *keys, by_place);
  const Diag **out = NEWN(a, const Diag *, d->list.n + 1);
  for (int i = 0; i < d->list.n; i++)
    out[i] = keys[i].g;
  return out;
}

// ---- JSON: one object a line
static void json_string(FILE *f, const char *s) {
  fputc('"', f);
  for (const char *p = s, *end = s + strlen(s); p < end;) {
    int32_t c;
    size_t n = utf8_read(p, (size_t)(end - p), &c);
    if (!n) {
      fputs("\\ufffd", f);
      p++;
      continue;
    }
    if (c == '"' || c == '\\')
      fprintf(f, "\\%c", (char)c);
    else if (c < 0x20 || c == 0x7f)
      fprintf(f, "\\u%04x", (unsigned)c);
    else
      fwrite(p, 1, n, f);
    p += n;
  }
  fputc('"', f);
}

static void json_place(FILE *f, Span s) {
  if (!s.src)
    return;
  int line, col;
  span_pos(s, &line, &col);
  fputs(",\"file\":", f);
  json_string(f, s.src->path);
  fprintf(f, ",\"line\":%d,\"column\":%d", line, col);
  span_pos((Span){s.src, s.hi, s.hi}, &line, &col);
  fprintf(f, ",\"end_line\":%d,\"end_column\":%d", line, col);
}

static void json_diag(FILE *f, const Diag *g) {
  fprintf(f, "{\"severity\":\"%s\"", severity_name(g->severity));
  if (g->code)
    fprintf(f, ",\"code\":\"E%04d\"", g->code);
  fputs(",\"message\":", f);
  json_string(f, g->text);
  json_place(f, g->span);
  if (g->label) {
    fputs(",\"label\":", f);
    json_string(f, g->label);
  }
  fputs(",\"children\":[", f);
  for (int i = 0; i < g->parts.n; i++) {
    const DiagPart *p = &g->parts.v[i];
    fprintf(f, "%s{\"severity\":\"%s\",\"message\":", i ? "," : "",
            p->kind == SEV_ERROR ? "label" : severity_name(p->kind));
    json_string(f, p->text);
    json_place(f, p->span);
    fputc('}', f);
  }
  fputs("]}\n", f);
}

const char *severity_name(Severity s) {
  switch (s) {
  case SEV_ERROR: return "error";
  case SEV_WARNING: return "warning";
  case SEV_NOTE: return "note";
  case SEV_HELP: return "help";
  }
  return "?";
}

static void dropped(FILE *f, const Diags *d, DiagFormat format) {
  int shown = 0;
  for (int i = 0; i < d->list.n; i++)
    shown += d->list.v[i]->severity == SEV_ERROR;
  if (d->errors <= shown)
    return;
  if (format == DIAG_JSON)
    fprintf(
        f, "{\"severity\":\"note\",\"message\":\"%d more errors are not shown\",\"children\":[]}\n",
        d->errors - shown);
  else
    fprintf(f, "note: %d more errors are not shown\n", d->errors - shown);
}

void diags_print(FILE *f, const Diags *d, DiagFormat format, bool color) {
  Arena *scratch = arena_new();
  const Diag **order = sorted(scratch, d);
  for (int i = 0; i < d->list.n; i++) {
    if (order[i]->dropped)
      continue;
    if (format == DIAG_JSON)
      json_diag(f, order[i]);
    else
      diag_render(f, scratch, order[i], color);
  }
  dropped(f, d, format);
  arena_free(scratch);
}

char *diags_string(Arena *a, const Diags *d, DiagFormat format, bool color) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  if (!f)
    out_of_memory();
  diags_print(f, d, format, color);
  if (fclose(f))
    out_of_memory();
  char *out = arena_strndup(a, text, size);
  free(text);
  return out;
}
