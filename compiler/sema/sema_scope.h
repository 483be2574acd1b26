// Names and what they are bound to: frames of calls, scopes of bodies.
#ifndef BIGSC_SEMA_SCOPE_H
#define BIGSC_SEMA_SCOPE_H
#include "base/map.h"
#include "compiler/sema/sema_value.h"

// ---- tables from interned names to pointers
void *names_get(const Map *t, const char *key);               // NULL: absent
void names_put(Arena *a, Map *t, const char *key, void *val); // replaces

typedef struct Bound {
  const char *name;
  Span span;
  Value *value;     // NULL while lazy
  const Stmt *stmt; // what bound it, or NULL
  int index;        // of the statement in the body
  bool used, is_formal, is_entry, is_state, is_param, is_child;
  bool rebound;            // a state that has its next value, by `stmt`
  bool called;             // a child of which all is reached
  VEC(const char *) parts; // a child not called: the dotted parts read, "weight", "attention.query"
} Bound;

struct Scope {
  Scope *up;
  Frame *frame;
  Map table;
  VEC(Bound *) list;
  Ax *strip;              // the body of a scan along this axis
  struct ScanBuild *scan; // build mode
  const Body *body;       // the statements that bind here
  Map wanted;             // names of the body that were used above their line
};

typedef struct Generic {
  Name name;
  bool pack;
  int side;       // 0 left of `->` or no arrow, 1 right
  bool is_static; // a parameter lies along it: known at compile time
} Generic;

typedef enum FrameKind { FR_CONST, FR_FN, FR_MODULE, FR_MODEL, FR_TRAIN, FR_INIT } FrameKind;
struct Frame {
  FrameKind kind;
  Frame *caller;
  Span call;    // the text that called it
  bool is_call; // FR_FN: a real call, not the check of the definition
  bool failed;  // of a call: an error in its body was reported
  const char *name;
  int seq; // dims and lets declared before are seen
  bool prelude;
  const Generic *generics;
  int ngenerics;
  AxList *map; // per generic
  AxList rest;
  bool has_rest;
  VEC(Ax *) locals;
  Module *mod;
  Fn *fn;
  ModuleInst *inst;     // build mode
  const Origin *origin; // of the nodes that its body makes
  int depth;
  uint64_t key;             // identifies this activation for random draws
  int stmt, ncalls, ndraws; // of the statement being evaluated
  Ty init;                  // FR_INIT: the parameter's type
  const char *path;         // FR_INIT: its path
  bool init_of_file;        // FR_INIT: of the file's `init`, not of a `~`
  const Scope *around;      // FR_INIT: the body of the `~`; its values are not seen
};

Frame *frame_push(Sema *s, FrameKind kind, const char *name,
                  Span call); // with a scope; becomes the current one
typedef struct Saved {
  Frame *frame;
  Scope *scope;
} Saved;
Saved frame_save(const Sema *s);
void frame_restore(Sema *s, Saved old);
Frame *frame_owner(Frame *f); // the module, model or train frame that a fn's frame is for
void frame_raise_height(Sema *s, int height);
Scope *scope_push(Sema *s, Frame *f, Scope *up);
Bound *scope_find(const Scope *sc, const char *name); // this scope only
Bound *scope_bind(Sema *s, Name name,
                  Value *v); // NULL and reported when it is bound here already
#endif
