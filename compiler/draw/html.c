// See html.h.
#include "compiler/draw/html.h"
#include "compiler/draw/svg.h"
#include <stdarg.h>
#include <stdlib.h>

static const char style[] =
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 "
    "1em;color:#222;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.2em;border-bottom:1px solid #ccc;margin-top:2em}"
    "table{border-collapse:collapse;margin:.5em 0}th,td{text-align:left;padding:.15em 1em .15em 0;"
    "border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}"
    "th{white-space:nowrap}figure{margin:.5em 0}"
    "pre{background:#f4f4f4;padding:.6em;white-space:pre-wrap;font-size:.85em}svg{max-width:100%;"
    "height:auto}"
    ".row{display:flex;flex-wrap:wrap;gap:1em}.gap{border:1px solid #222;padding:0 "
    ".3em;font-weight:bold}"
    ".text{font-size:1.05em;margin:1em 0 .3em}.note{color:#666}.wrong{color:#b04a00}"
    "@media "
    "print{body{margin:0;max-width:none;font-size:12px}figure,pre,tr,.example{break-inside:avoid}"
    "h2,.note{break-after:avoid}.row figure{width:47%}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

static void put_escaped(FILE *f, const char *fmt, va_list ap) {
  char *text = NULL;
  if (vasprintf(&text, fmt, ap) < 0)
    return;
  xml_text(f, text);
  free(text);
}

void html_begin(FILE *f, const char *title) {
  fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
  xml_text(f, title);
  fprintf(f, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
  xml_text(f, title);
  fprintf(f, "</h1>\n");
}

void html_end(FILE *f) {
  fprintf(f, "</body>\n</html>\n");
}

void html_section(FILE *f, const char *id, const char *heading) {
  fprintf(f, "<section id=\"%s\">\n<h2>", id);
  xml_text(f, heading);
  fprintf(f, "</h2>\n");
}

void html_close(FILE *f, const char *tag) {
  fprintf(f, "</%s>\n", tag);
}

void html_note(FILE *f, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(f, "<p class=\"note\">");
  put_escaped(f, fmt, ap);
  fprintf(f, "</p>\n");
  va_end(ap);
}

void html_pairs(FILE *f) {
  fprintf(f, "<table>\n");
}

void html_pair(FILE *f, const char *name, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(f, "<tr><th>");
  xml_text(f, name);
  fprintf(f, "</th><td>");
  put_escaped(f, fmt, ap);
  fprintf(f, "</td></tr>\n");
  va_end(ap);
}

void html_head(FILE *f, const char *const *name, int n) {
  fprintf(f, "<table>\n<tr>");
  for (int i = 0; i < n; i++) {
    fprintf(f, "<th>");
    xml_text(f, name[i]);
    fprintf(f, "</th>");
  }
  fprintf(f, "</tr>\n");
}

void html_cell(FILE *f, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(f, "<td>");
  put_escaped(f, fmt, ap);
  fprintf(f, "</td>");
  va_end(ap);
}
