// What the files fmt*.c share: the lines of a formatted text, and what stands open while they are made.
#ifndef BIGSC_FMT_INTERNAL_H
#define BIGSC_FMT_INTERNAL_H
#include "compiler/syntax/fmt.h"
#include "compiler/syntax/lex.h"

// Statements of one kind, on lines that follow one another, stand in columns.
typedef enum FmtKind {
  FMT_NONE,
  FMT_DECL,  // names : type ~ first value  @tags
  FMT_BIND,  // name = value
  FMT_ENTRY, // entry name : type = value
  FMT_RULE   // path <-> "path"
} FmtKind;
enum { FMT_COLUMNS = 4 }; // of one line, the first included

typedef VEC(char) FmtText;
typedef struct FmtLine {
  int indent;
  bool blank; // an empty line stands before it
  FmtKind kind;
  FmtText cell
      [FMT_COLUMNS]; // of a kind other than FMT_NONE the rest begins a column each; may be empty
  int ncell;
  const char *comment; // with its `#`; NULL: none
} FmtLine;
typedef VEC(FmtLine) FmtLines;

typedef struct FmtOpen { // a bracket
  TokKind kind;
  bool block;           // of statements
  bool contracts, scan; // `@[`, `scan[`
  bool call;            // arguments, not formals: `name: value`
  int inside, outside;  // where lines inside, and its partner, are indented to
} FmtOpen;
typedef struct FmtStmt {
  int first; // its first token
  int indent;
  int line; // where it starts, when nothing stands before it there; else -1
  int scan_indent;
  bool went_on; // a line of it begins neither inside a bracket nor with `|>`
  bool formals; // they were there
} FmtStmt;
typedef struct Fmt {
  Arena *a;
  const Tokens *t;
  VEC(FmtOpen) open;
  VEC(FmtStmt) stmts; // one of each open block, and the file's
  FmtLines lines;
  int last;                    // the token that was put last; -1: none
  bool operand;                // what follows it begins an operand: a `-` there is a sign
  bool tight;                  // no blank follows it
  bool contracted, after_scan; // it was the `]` of `@[`, of `scan[`
} Fmt;

// Is a blank wanted before token i?  `call`: set to whether an opening bracket takes arguments.
bool fmt_blank(const Fmt *f, int i);
bool fmt_is_call(const Fmt *f, int i);
bool fmt_is_block(const Fmt *f, int i); // of a `{`; the others are those of `layer.{i}`
bool fmt_starts(const Fmt *f, int i);   // does token i start a statement?
void fmt_passed(Fmt *f, int i);         // sets what the blank behind token i depends on

FmtKind fmt_kind(const Fmt *f, int first); // of the statement
bool fmt_begins_column(const Fmt *f, const FmtLine *l, int i);
char *fmt_render(Arena *a, const FmtLines *lines);
#endif
