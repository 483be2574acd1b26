// How a graph becomes boxes: modules, which are runs of instances; in each a level of elements with edges.
#ifndef BIGSC_PICTURE_INTERNAL_H
#define BIGSC_PICTURE_INTERNAL_H
#include "compiler/commands/picture.h"

typedef struct PicModule PicModule;
typedef struct PicElem PicElem;
typedef enum ElemKind {
  ELEM_OPS,
  ELEM_MODULE,
  ELEM_INPUT,
  ELEM_OUTPUT,
  ELEM_ENTER,
  ELEM_LEAVE
} ElemKind;
struct PicElem {
  ElemKind kind;
  const Node *
      node; // the first one; of a port and an input the value; a parameter that is another module's
  PicModule *module; // ELEM_MODULE
  PicElem *into;     // what it was merged with; NULL: nothing
  VEC(const Node *) nodes;
  bool data;    // depends on inputs
  bool random;  // and on none of these, but on a draw
  bool dropped; // small, and of no input: not drawn
  int key;      // order of making: operands first
  int mark, number;
  DrawBox *box;
};
typedef struct PicEdge {
  PicElem *from, *to, *leave, *enter; // ports in `from` and `to`, or NULL
  const Node *value;                  // as it is called there
} PicEdge;
struct PicModule {
  const Origin *origin; // NULL: the model
  PicModule *up;
  PicModule *shown;     // the turn of a repeat that stands for it; mostly itself
  const PicModule *as;  // in the same body, and alike; NULL: there is none before it
  int stands;           // turns that it stands for
  bool shared;          // which have one set of parameters
  bool closed;          // of the prelude, with no module in it
  uint64_t sign, exact; // what its operations are; with the constants in them
  bool varied;          // turns that it stands for have other constants
  double flops, elements, ms;
  unsigned work; // bits of what its ops are
  PicElem *elem; // in the level of `up`
  VEC(PicElem *) elems;
  VEC(PicEdge) edges;
};
typedef enum PicWork { WORK_TABLE = 1, WORK_PRODUCT = 2, WORK_MIX = 4 } PicWork;

typedef struct PicNode {
  bool live, data, param, random; // it depends on an input, on a parameter, on a draw
  PicModule *module;
  PicElem *elem;
} PicNode;
typedef struct Picture {
  Session *s;
  Arena *a;
  Graph *g;
  const PictureWant *want;
  Output out;
  int64_t sym[MAX_SYMS];
  PicNode *of; // by id
  PicModule *root;
  bool brief;               // modules that have one alike before them are closed
  int deepest;              // how many are opened in one another
  VEC(PicModule *) modules; // the root first, callers before what they call
} Picture;

// ---- picture_graph.c
void picture_modules(Picture *p);
const Node *
pic_viewed(const Node *n); // what n is another view of, which is not drawn; NULL: it is none
const Node *pic_source(const Node *n); // behind views
double pic_flops(const Picture *p, const Node *n);
bool pic_is_of(const char *name, const char *path); // `name` is path, or something in it
// ---- picture_levels.c
void picture_levels(Picture *p);
// ---- picture_merge.c
PicElem *elem_find(PicElem *e);
void picture_merge(Picture *p, PicModule *m);
// ---- picture_texts.c
const char *axis_word(const Axis *a); // "H" of `In.H`
const char *pic_axes(const Picture *p, const Node *n);
const char *pic_op(const Picture *p, const Node *n);
// The function whose call made n, of the prelude or of the language: "gelu", "mean"; NULL: none, or the module itself.
const char *pic_call(const Picture *p, const PicModule *m, const Node *n);
bool pic_one_call(const Picture *p, const PicModule *m, const Node *a, const Node *b);
const char *pic_amount(Arena *a, double x, const char *unit); // "7.09 MFLOP"
// ---- picture_page.c
int picture_page(Session *s, FILE *f, const PictureWant *want, const ModelPicture *made);
// ---- picture_boxes.c
DrawBox *picture_boxes(Picture *p);
#endif
