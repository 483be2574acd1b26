// Attention as one kernel: blocks of scores in scratch, online softmax (Milakov and Gimelshein
// 2018; Dao et al. 2022), nothing of the size rows x keys stored.  The builders add the body of one
// batch element (one head of one sequence) to a kernel whose arguments and grid the caller has
// made.
#ifndef BIGSC_ATTENTION_H
#define BIGSC_ATTENTION_H
#include "codegen/loop/loop.h"

typedef LMatrix AttentionMatrix; // f32 or, where it is not added to, bf16
typedef struct PairBlock { // rows [row, row + rows), keys [key, key + keys), none of them empty
  LExpr *row, *rows, *key, *keys;
} PairBlock;
typedef struct AttentionShape {
  LExpr *rows, *keys; // L (queries), S (keys and values)
  Poly rows_size;     // L
  int64_t d, dv;      // features of queries and keys; of values
  double scale, rate; // rate of dropout, 0: none
  bool near;          // keys before row - behind and beyond row + ahead are masked
  int64_t behind, ahead;
  int nr;        // width of the target's panels
  int pair_rows; // 0, or products are of pairs of bf16, which q, k, v and dout are: rows of their tiles
  AttentionMatrix q, k, v, out;      // rows x d, keys x d, keys x dv, rows x dv
  AttentionMatrix lse;               // rows x 1 (row: distance of rows); forward: may be absent
  AttentionMatrix dout, dq, dk, dv_; // backward
  AttentionMatrix delta;             // rows x 1; of attention_block only
  // The mask (bool) and the bias (f32) at (row, key), and the uniform number that dropout draws
  // there; statements they need go to `body`.  `key` is a vector variable's expression.  NULL
  // functions: absent.
  LExpr *(*mask)(void *ctx, LBody *body, LExpr *row, LExpr *key);
  LExpr *(*bias)(void *ctx, LBody *body, LExpr *row, LExpr *key);
  LExpr *(*random)(void *ctx, LBody *body, LExpr *row, LExpr *key);
  // May a row of the block see a key of it?  NULL: all do.  What no row sees is not computed, unless a row sees nothing at
  // all, which averages all keys.
  LExpr *(*sees)(void *ctx, LBody *body, const PairBlock *block);
  void *ctx;
} AttentionShape;

enum { ATTENTION_ROWS = 96 }; // rows of a forward task: the block to give the grid
// out and lse of rows [row0, row0 + nrows), nrows <= ATTENTION_ROWS.
void attention_forward(Arena *a, LKernel *k, LBody *body, const AttentionShape *s, LExpr *row0,
                       LExpr *nrows);
// dq, dk, dv of all rows and keys: one task owns them, so nothing needs atomics.
void attention_backward(Arena *a, LKernel *k, LBody *body, const AttentionShape *s);
// A part as one ATTENTION statement, for the block of rows or keys from `first` on.
void attention_block(Arena *a, LKernel *k, LBody *body, const AttentionShape *s, LPart part,
                     LExpr *first);
#endif
