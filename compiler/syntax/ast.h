// The abstract syntax of .mdl text: what the parser builds and the checker reads.  Immutable after
// parsing; everything lives in the arena given to the parser.  Names are interned in the Intern
// given to the parser (equal text, equal pointer), strings are not.  Every node has a Span.
// Productions are those of the grammar in docs/language.md.  Type names differ from those of
// graph/ir.h: the checker includes both.
#ifndef BIGSC_AST_H
#define BIGSC_AST_H
#include "base/arena.h"
#include "base/dtype.h"
#include "base/vec.h"
#include "compiler/syntax/diag.h"
#include <string.h>

// No expression is higher than this (leaf: 1; a scan counts its body), so recursion over a tree is
// safe.  The parser reports what is higher.  Brackets, blocks, unary minus and `^` nest at most
// AST_MAX_NESTING deep.
enum { AST_MAX_HEIGHT = 1000, AST_MAX_NESTING = 200 };

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef VEC(Expr *) Exprs;
typedef VEC(Stmt *) Stmts;

typedef struct Name {
  const char *s; // interned
  Span span;
} Name;
typedef VEC(Name) Names;

typedef struct Str {
  const char *s; // between the quotes, NUL-terminated, no NUL inside; UTF-8
  Span span;     // with the quotes
} Str;
typedef VEC(Str) Strs;

// ---- numbers
typedef enum NumKind { NUM_WHOLE, NUM_REAL, NUM_IMAG } NumKind;
typedef struct Num {
  NumKind kind;
  double value;  // correctly rounded; NUM_IMAG: the imaginary part
  int64_t whole; // NUM_WHOLE: the exact value, never negative
  // The value as written is mantissa * 10^exponent when `exact`; false when the digits do not fit
  // an int64.
  bool exact;
  int exponent;
  int64_t mantissa;
} Num;

// ---- axes, types
typedef struct AxisName { // NAME ["..."]
  Name name;
  bool pack;
  Span span;
} AxisName;
typedef VEC(AxisName) AxisNames;

typedef struct Generics { // "[" axes ["->" axes] "]": of a definition, of a child
  Span span;
  AxisNames in, out;
  bool arrow; // `->` was written; without it all axes are in `in`
} Generics;

typedef struct TDim { // one axis of a type: ".." | NAME ["..."]
  Span span;
  Name name; // name.s NULL for `..`
  bool rest; // `..`
  bool pack; // NAME...
  // Types that no text wrote (values at a prompt): 0, or how long the axis is.  It is the dim of
  // this name if that is as long, else a local axis; with `slice` a slice of the dim.
  int64_t extent;
  bool slice;
} TDim;

typedef struct Type {
  Span span;
  DType dtype;    // DT_F32 when not written
  bool has_dtype; // written
  Span dtype_span;
  bool has_axes; // `[...]` written; `f32` alone is a scalar like `f32[]`
  VEC(TDim) dims;
} Type;

// ---- expressions
typedef enum ExprKind {
  EX_NUM,      // num
  EX_STR,      // str
  EX_NAME,     // name; `true` and `false` are EX_BOOL
  EX_BOOL,     // truth
  EX_DTYPE,    // dtype: a conversion when called, `f32(m)`
  EX_DOT,      // a . name
  EX_AXES,     // a [axes], never empty
  EX_OPS,      // a [op, op, ...], never empty
  EX_CALL,     // a (args)
  EX_NEG,      // - a
  EX_NOT,      // not a
  EX_BIN,      // a bin b
  EX_CONTRACT, // a @[axes] b; axes may be empty
  EX_PIPE, // a |> b: b is a stage, made of EX_NAME or EX_DTYPE, EX_DOT, one EX_AXES at most, one
           // EX_CALL at most
  EX_TUPLE, // (items[0], items[1], ...), two or more: results of a module or a fn, or a pair of numbers
  EX_THEN,    // (items[0] then items[1] ...), two or more
  EX_SCAN,    // scan
  EX_AT,      // a [b]: one child of a repeat
  EX_FOREIGN, // foreign: no expression of the language, already reported; what is meant is clear
  EX_KIND_COUNT
} ExprKind;

typedef enum BinOp {
  BIN_ADD,
  BIN_SUB,
  BIN_MUL,
  BIN_DIV,
  BIN_POW,
  BIN_EQ,
  BIN_NE,
  BIN_LT,
  BIN_LE,
  BIN_GT,
  BIN_GE,
  BIN_AND,
  BIN_OR,
  BIN_COUNT
} BinOp;
const char *bin_op_name(BinOp op); // "+", "<=", ...

typedef enum DimOpKind {
  DIM_RENAME, // from[0] as to[0]
  DIM_SPLIT,  // from[0] as (to...)
  DIM_MERGE,  // (from...) as to[0]
  DIM_INDEX,  // from[0] = lo
  DIM_SLICE   // from[0] = lo : hi
} DimOpKind;
typedef struct DimOp {
  DimOpKind kind;
  Span span;
  Names from, to;
  Expr *lo, *hi;
} DimOp;

// What another language writes, and the error that it got: who knows more may give it a better help.
typedef enum ForeignKind {
  FOREIGN_PLACES,  // a [places]: `x[:, 0]`
  FOREIGN_LIST,    // [items]
  FOREIGN_MODULE,  // a [in -> out]: a module where a value is wanted
  FOREIGN_PRODUCT, // a @ b, without axes
  FOREIGN_OTHER    // items
} ForeignKind;
typedef struct ForeignPlace { // one of `x[:, 0, 1:3, ..., None]`
  enum { PLACE_ALL, PLACE_ONE, PLACE_PART, PLACE_REST, PLACE_NEW } kind;
  Expr *lo, *hi; // PLACE_ONE: lo; PLACE_PART: either may be NULL
} ForeignPlace;
typedef struct ForeignExpr {
  ForeignKind kind;
  Diag *diag;  // NULL: not shown, others came before it
  Exprs items; // all of its expressions but the one in front
  VEC(ForeignPlace) places;
  Generics *generics;
} ForeignExpr;

typedef struct Arg { // [NAME ":"] expr
  Span span;
  Name name;  // name.s NULL: by position
  Diag *diag; // it was written `NAME = expr`; else NULL
  Expr *value;
} Arg;
typedef VEC(Arg) Args;

typedef struct Formal { // NAME [":" type] ["=" expr]
  Span span;
  Name name;
  Type *type;   // NULL: takes anything
  Expr *preset; // the default, or a scan state's first value; NULL: none
} Formal;
typedef VEC(Formal) Formals;

typedef struct Body { // "{" {stmt EOL} "}", or the expression of `fn f(x) = expr` as its only
                      // statement
  Span span;
  Stmts stmts;
  bool bad; // a statement of it did not parse (there is an ST_BAD): say nothing about a missing
            // result or unused names
} Body;

typedef struct ScanExpr {
  Name axis;
  Formals states;
  Body *body;
} ScanExpr;

struct Expr {
  ExprKind kind;
  Span span; // the whole expression, with its parentheses
  Span
      op; // EX_NEG, EX_NOT, EX_BIN, EX_CONTRACT, EX_PIPE: the operator; EX_AXES, EX_OPS, EX_AT, EX_CALL: the
  // brackets with their inside; EX_SCAN: the word `scan`; others: as `span`
  bool parens;     // written in parentheses of its own
  uint16_t height; // 1 for a leaf
  Expr *a, *b;
  union {
    Num num;
    Str str;
    bool truth;
    DType dtype;
    BinOp bin;
    Name name;            // EX_NAME, EX_DOT
    AxisNames axes;       // EX_AXES, EX_CONTRACT
    VEC(DimOp) ops;       // EX_OPS
    Args args;            // EX_CALL
    Exprs items;          // EX_TUPLE, EX_THEN
    ScanExpr *scan;       // EX_SCAN
    ForeignExpr *foreign; // EX_FOREIGN
  };
};

// ---- statements of a body
typedef enum StmtKind {
  ST_PARAM, // names : type [~ init] tags [if cond [or absent]]
  ST_CHILD, // names : [(repeat | share) N [as i]] Module [generics] [(args)] [if cond or other]
  ST_BIND,  // names = value: one, or one a result of a call; `_` of several is no name
  ST_ENTRY, // entry names[0] : type = value
  ST_FORMS, // forms names[0] : type { forms }
  ST_EXPR,  // value
  ST_BAD    // wrong, already reported; `names` are what it would have bound, as far as known: bind
            // them to poison
} StmtKind;
typedef enum Repeat { REPEAT_NONE, REPEAT_REPEAT, REPEAT_SHARE } Repeat;

typedef struct Bind { // NAME "=" expr
  Span span;
  Name name;
  Expr *value;
} Bind;
typedef VEC(Bind) Binds;

struct Stmt {
  StmtKind kind;
  Span span;
  Names names;
  Type *type;         // ST_PARAM, ST_ENTRY, ST_FORMS
  Expr *value;        // ST_PARAM: after `~` or NULL; ST_BIND, ST_ENTRY, ST_EXPR
  Names tags;         // ST_PARAM: without the `@`; their spans include it
  Repeat repeat;      // ST_CHILD
  Name count;         // ST_CHILD: the dim of `repeat` and `share`; count.s NULL without
  Name index;         // ST_CHILD: a layer's number in args and conditions; index.s NULL without
  Name module;        // ST_CHILD
  Generics *generics; // ST_CHILD; NULL: none written
  bool has_args;      // ST_CHILD: `( )` was written
  Args args;          // ST_CHILD
  Expr *cond; // ST_CHILD: chooses between it and `other`; ST_PARAM: is it there?  NULL without
  struct Stmt *
      other; // ST_CHILD: what it is where the condition is false; with an index a layer, with the same repeat
  Expr *absent; // ST_PARAM: the value where the condition is false; NULL: that of `value`
  Binds forms;  // ST_FORMS
  Diag *diag;   // ST_ENTRY without its type: the error that was reported; else NULL
};

// `_` beside other names: a result that nothing needs.
static inline bool is_no_name(const Stmt *st, int i) {
  return st->kind == ST_BIND && st->names.n > 1 && !strcmp(st->names.v[i].s, "_");
}

// ---- checkpoint blocks
typedef enum SegKind { SEG_NAME, SEG_INDEX, SEG_GROUP } SegKind;
typedef struct Seg {
  SegKind kind;
  Span span;
  Names names; // SEG_NAME, SEG_INDEX (`{i}`): one; SEG_GROUP: one or more
} Seg;
typedef struct CkRule CkRule;
typedef VEC(CkRule *) CkRules;
struct CkRule { // segs <-> "to" ["or" "init"] [{ rules }]
  Span span;
  VEC(Seg) segs;
  Str to;
  bool or_init;
  CkRules rules;
};
typedef struct ConfigItem { // NAME = NAME ["==" STRING "or" STRING] | NAME == sum
  Span span;
  Name name; // the dim or let; with `check` a key of the file
  bool check;
  Name key; // !check
  // Likewise: what the key says where the let is false, and where it is true; s NULL: the let has the key's value.
  Str when[2];
  Expr *value; // check
} ConfigItem;
typedef struct AliasPair {
  Str old_name, new_name;
} AliasPair;
typedef struct Ignored { // STRING ["=" NAME {"." NAME}]
  Str pattern;
  Names param; // path of the parameter that such a tensor repeats; empty: no parameter's
} Ignored;
typedef enum CkKind { CK_LAYOUT, CK_CONFIG, CK_ALIAS, CK_IGNORE, CK_RULE } CkKind;
typedef struct CkItem {
  CkKind kind;
  Span span;
  Name layout;            // CK_LAYOUT
  Str path;               // CK_CONFIG
  VEC(ConfigItem) config; // CK_CONFIG
  VEC(AliasPair) aliases; // CK_ALIAS
  VEC(Ignored) ignore;    // CK_IGNORE
  CkRule *rule;           // CK_RULE
} CkItem;

// ---- train blocks
typedef struct Field { // NAME [":" type]
  Span span;
  Name name;
  Type *type; // NULL: an input of the model
} Field;
typedef struct Setting { // NAME ("=" | "*=") expr
  Span span;
  Name name;
  bool times; // `*=`
  Expr *value;
} Setting;
typedef enum TrKind { TR_FROM, TR_DATA, TR_SETTING, TR_GROUP, TR_NEXT } TrKind;
typedef struct TrItem {
  TrKind kind;
  Span span;
  Str from;              // TR_FROM
  VEC(Field) fields;     // TR_DATA
  Expr *source;          // TR_DATA
  Setting setting;       // TR_SETTING
  Names tags;            // TR_GROUP, without the `@`
  VEC(Setting) settings; // TR_GROUP
  Expr *state, *next;    // TR_NEXT: the parameter, and its value after the step
} TrItem;

// ---- declarations
typedef enum DeclKind {
  DECL_USE,        // path only
  DECL_DIM,        // dims
  DECL_LET,        // lets
  DECL_INIT,       // value
  DECL_TOKENIZER,  // value
  DECL_FN,         // name generics formals type body
  DECL_MODULE,     // name generics formals type body
  DECL_MODEL,      // name from formals body
  DECL_CHECKPOINT, // name from checkpoint
  DECL_TRAIN,      // name from train
  DECL_BAD // did not parse, already reported; `names` are what it would have declared, as far as
           // known: poison
} DeclKind;
typedef enum DimBind { DIM_OPEN, DIM_EQUAL, DIM_AT_MOST } DimBind; // dim B, dim H = 4, dim L <= 8
typedef struct Dim {
  Span span;
  Name name;
  DimBind bind;
  Expr *value; // NULL for DIM_OPEN
} Dim;
typedef struct Decl {
  DeclKind kind;
  Span span;
  Span keyword;
  Name name;   // fn, module, model, checkpoint, train
  Name from;   // model, checkpoint, train: what it goes on from; from.s NULL: nothing
  Names names; // DECL_BAD
  Str path;
  Names only; // use: what it brings; empty: everything
  VEC(Dim) dims;
  Binds lets;
  Expr *value;
  Generics *generics; // NULL: none
  Formals formals;
  Type *type;       // result; NULL: not written (fn, model)
  VEC(Type *) more; // the results behind the first
  Body *body;
  bool short_form; // fn f(x) = expr
  VEC(CkItem) checkpoint;
  VEC(TrItem) train;
  bool bad; // something inside is wrong and already reported; it may be missing from the lists
} Decl;

typedef struct File {
  const Source *src;
  VEC(Decl *) decls;
  bool bad; // some error was reported while parsing
} File;

// Indented text of the tree, one node a line, for --emit=ast.
char *ast_print(Arena *a, const File *f);
char *ast_print_expr(Arena *a, const Expr *e); // on one line, in the language's own syntax
char *ast_print_type(Arena *a, const Type *t);
#endif
