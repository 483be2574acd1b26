// See svg.h.
#include "compiler/draw/svg.h"
#include "base/utf8.h"
#include <string.h>

static const char *escaped(int32_t c) {
  switch (c) {
  case '<': return "&lt;";
  case '>': return "&gt;";
  case '&': return "&amp;";
  case '"': return "&quot;";
  case '\t':
  case '\n': return NULL;
  }
  return c < 0x20 || c == 0x7F || c == 0xFFFE || c == 0xFFFF ? "\xEF\xBF\xBD" : NULL;
}

void xml_text(FILE *f, const char *s) {
  int32_t c = 0;
  for (size_t left = strlen(s), n; left; s += n, left -= n) {
    n = utf8_read(s, left, &c);
    const char *text = n ? escaped(c) : "\xEF\xBF\xBD";
    n = n ? n : 1;
    if (text)
      fputs(text, f);
    else
      fwrite(s, 1, n, f);
  }
}

void svg_label(FILE *f, double x, double y, const char *anchor, const char *text) {
  fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
  xml_text(f, text);
  fprintf(f, "</text>\n");
}

void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class) {
  fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1,
          y1, x2, y2);
}
