// Pieces of SVG and of HTML.
#ifndef BIGSC_SVG_H
#define BIGSC_SVG_H
#include <stdio.h>

// Text between tags or in an attribute's quotes: escaped; what XML has no character for (controls, what is not UTF-8) is U+FFFD.
void xml_text(FILE *f, const char *s);
// A text beside a point, of class `class`; anchor: "start", "middle", "end".
void svg_label(FILE *f, double x, double y, const char *anchor, const char *text);
void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class);
#endif
