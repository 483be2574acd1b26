// Boxes in boxes, with links between those that stand in one: a model's modules, their operations, what goes from one to the next.
#ifndef BIGSC_BOXES_H
#define BIGSC_BOXES_H
#include "compiler/draw/layers.h"
#include <stdio.h>

typedef enum BoxKind {
  BOX_MODULE, // with what is in it, or closed
  BOX_OPS,    // operations, a line each
  BOX_INPUT,  // of all, at the top
  BOX_OUTPUT, // at the bottom
  BOX_ENTER,  // where a value comes into the box around it
  BOX_LEAVE,  // where one leaves
} BoxKind;

typedef struct DrawBox DrawBox;
typedef struct DrawLink {
  int from, to;         // numbers of children, from < to
  const DrawBox *leave; // in a child with something in it: where the value leaves it, or NULL
  const DrawBox *enter; // and where it enters
  double out, in;       // set: from the left sides
  LayerEdge way;        // set
} DrawLink;
typedef struct DrawText { // beside the line by which a value leaves
  const DrawBox *leave;   // NULL: at the middle
  const char *text;
} DrawText;
struct DrawBox {
  BoxKind kind;
  const char *title, *what; // what: behind the title, less loud; NULL
  const char *times;        // "x 12", or NULL
  const char *path;         // of a module: what `title` is in full, or NULL
  const char *as;           // of a module: another one beside it that is alike, or NULL
  const char *look;         // a class of boxes_svg.c's style, or ""
  VEC(const char *) line;
  VEC(DrawText) leaving;
  VEC(DrawBox *) child;
  VEC(DrawLink) link;
  // set: relative to the inside of the box around
  double x, y, w, h;
  double head; // height of what stands above the inside
  Layers in;
};

// Sizes and places of all, from the innermost outwards.
void boxes_place(Arena *a, DrawBox *root);
// The right side of what stands above the inside.
double box_head_width(const DrawBox *b);
// What a text of that size takes, at most, in the fonts that `sans-serif` is.
double box_text_width(const char *text, double size, bool bold);

enum {
  BOX_PAD = 12,
  BOX_TITLE = 13,
  BOX_SMALL = 11,
  BOX_LINE = 15,
  BOX_AXES = 10,
  BOX_AXES_ROOM = 15
};
typedef struct BoxPicture {
  const DrawBox *root;
  const char *title;
  const char *const *note; // lines under it
  int notes;
  bool inside; // of an HTML page: there with what its script needs
} BoxPicture;
void boxes_svg(FILE *f, const BoxPicture *p);
// A page: begin, boxes_svg with `inside`, aside, what stands beside it (rows of tables with a data-path are shown with the box of
// that path, in an element `whose` its name, `none` where there is no row), end.
void boxes_page_begin(FILE *f, const char *title);
void boxes_page_aside(FILE *f);
void boxes_page_end(FILE *f);
#endif
