// ---- products of bf16 by a block, on tensor cores by mma.sync (sm_80): rows and columns 64 or 128, in steps of 32 k.  While the
// eight warps multiply a step, the copies of the next three are under way.
//
// An element's sum is one chain in float32, by steps of 16 k in their order; how a tensor core adds up the 16 products of a step
// and the sum so far is its own.

enum { BG_MMA_K = 32, BG_MMA_STAGES = 4 };

// A step of an operand has lines of pieces, each piece 8 numbers: lines are rows and pieces go along k, or lines are k and
// pieces go along the rows.  Where they lie: eight lines of one piece, and the pieces of a line, are in banks of their own.
struct bg_mma_step {
  enum { DEEP = BG_MMA_K };
  template <bool along_k, int rows>
  static BG_FN unsigned short *at(unsigned short *stage, int line, int piece) {
    return along_k ? stage + line * BG_MMA_K + (piece ^ line / 2 % 4) * 8
                   : stage + line * rows + (piece ^ line % 8) * 8;
  }
};

// Eight numbers, of which `count` are there, a step apart.
BG_FN uint4 bg_mma_gather(const unsigned short *x, long long step, int count) {
  unsigned v[8];
  BG_UNROLL for (int i = 0; i < 8; i++) v[i] = i < count ? x[i * step] : 0;
  return make_uint4(v[0] | v[1] << 16, v[2] | v[3] << 16, v[4] | v[5] << 16, v[6] | v[7] << 16);
}

// Two numbers, rounded to bf16.
BG_FN unsigned bg_pair(float low, float high) {
  unsigned r;
#ifdef BG_SHIM
  r = (unsigned)bg_to_bf16(bg_bf16(high)) << 16 | bg_to_bf16(bg_bf16(low));
#else
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
#endif
  return r;
}

// Of eight numbers the first `count`, as `first` makes them.
template <class First> BG_FN uint4 bg_mma_make(uint4 x, int count, First first) {
  const unsigned from[4] = {x.x, x.y, x.z, x.w};
  unsigned to[4];
  BG_UNROLL for (int i = 0; i < 4; i++) {
    const float low = first(__uint_as_float(from[i] << 16));
    const float high = first(__uint_as_float(from[i] & 0xffff0000u));
    to[i] = bg_pair(2 * i < count ? low : 0.0f, 2 * i + 1 < count ? high : 0.0f);
  }
  return make_uint4(to[0], to[1], to[2], to[3]);
}

// Can pieces be copied as they are?  `along` is the step along a piece, `line` that between lines.
BG_FN bool bg_mma_whole(const unsigned short *x, long long along, long long line) {
  return along == 1 && ((unsigned long long)x | (unsigned long long)line * 2) % 16 == 0;
}

// An operand, from the thread's first piece on: `along` is the step along a piece, `line` that between lines.
template <class Step, bool along_k, int rows> struct bg_mma_operand {
  enum { DEEP = Step::DEEP, PIECES = (along_k ? DEEP : rows) / 8, LINES = 256 / PIECES };
  const unsigned short *x;
  long long along, line;
  int left; // of the rows: of this piece, or along it

  BG_FN void begin(const unsigned short *from, long long xr, long long xk, long long count) {
    along = along_k ? xk : xr;
    line = along_k ? xr : xk;
    x = from + (threadIdx.x / PIECES * line + threadIdx.x % PIECES * 8 * along);
    left = (int)count - (int)(along_k ? threadIdx.x / PIECES : threadIdx.x % PIECES * 8);
  }
  // The thread's pieces of the next step, of which ks k are there; what is not is 0.  whole: of both, pieces are copied as they are.
  template <bool whole> BG_FN void fetch(unsigned short *stage, long long ks) {
    const int first = (int)(threadIdx.x / PIECES), piece = (int)(threadIdx.x % PIECES);
    const int k = (int)bg_least(ks, DEEP) - (along_k ? 8 * piece : first);
    BG_UNROLL for (int i = 0; i < rows * DEEP / 2048; i++) {
      const int row = left - (along_k ? i * LINES : 0), far = k - (along_k ? 0 : i * LINES);
      const int there = row <= 0 || far <= 0 ? 0 : along_k ? far : row;
      unsigned short *to = Step::template at<along_k, rows>(stage, first + i * LINES, piece);
      const unsigned short *from = x + i * LINES * line;
      if (whole || bg_mma_whole(x, along, line)) // its own can be, though the other's cannot
        bg_cp_async_16(to, from, there < 8 ? 2 * there : 16);
      else
        *(uint4 *)to = bg_mma_gather(from, along, there);
    }
    x += along_k ? DEEP * along : DEEP * line;
  }
  // What the thread has brought of a step, of which ks k are there, once it is: `first` of it.
  BG_FN void make(unsigned short *, long long, bg_same) const {
  }
  template <class First> BG_FN void make(unsigned short *stage, long long ks, First first) const {
    const int line_0 = (int)(threadIdx.x / PIECES), piece = (int)(threadIdx.x % PIECES);
    const int k = (int)bg_least(ks, DEEP) - (along_k ? 8 * piece : line_0);
    BG_UNROLL for (int i = 0; i < rows * DEEP / 2048; i++) {
      const int row = left - (along_k ? i * LINES : 0), far = k - (along_k ? 0 : i * LINES);
      const int there = row <= 0 || far <= 0 ? 0 : along_k ? far : row;
      uint4 *const at = (uint4 *)Step::template at<along_k, rows>(stage, line_0 + i * LINES, piece);
      *at = bg_mma_make(*at, there, first);
    }
  }
};

// 16 rows from `row` on, and 16 k from 16 * half on, as bg_mma_16816 takes them as a.
template <bool along_k, int rows>
BG_FN void bg_mma_a(unsigned (&a)[4], unsigned short *stage, int row, int half) {
  const int lane = bg_lane();
  if (along_k)
    bg_ldmatrix_x4(a, bg_mma_step::at<along_k, rows>(stage, row + lane % 16, 2 * half + lane / 16));
  else
    bg_ldmatrix_x4_trans(a,
                         bg_mma_step::at<along_k, rows>(stage, 16 * half + lane % 8 + lane / 16 * 8,
                                                        row / 8 + lane / 8 % 2));
}
// The same as b: of eight columns b[0] and b[1], of the next eight b[2] and b[3].
template <bool along_k, int columns>
BG_FN void bg_mma_b(unsigned (&b)[4], unsigned short *stage, int column, int half) {
  const int lane = bg_lane();
  if (along_k)
    bg_ldmatrix_x4(b, bg_mma_step::at<along_k, columns>(stage, column + lane % 8 + lane / 16 * 8,
                                                        2 * half + lane / 8 % 2));
  else
    bg_ldmatrix_x4_trans(
        b, bg_mma_step::at<along_k, columns>(stage, 16 * half + lane % 16, column / 8 + lane / 16));
}

// Warps go 2 by 4 over the tile, 4 by 2 where it is narrow; each has `down` times 16 rows, `across` times 16 columns.
template <int rows, int columns> struct bg_mma_shape {
  enum {
    WARPS = rows > columns ? 2 : 4, // side by side
    ROWS = rows * WARPS / 8,
    COLUMNS = columns / WARPS,
    DOWN = ROWS / 16,
    ACROSS = COLUMNS / 16,
    STAGE = (rows + columns) * BG_MMA_K
  };
};

template <int rows, int columns, bool a_along_k, bool b_along_k, class Sum>
BG_FN void bg_mma_multiply(Sum &sum, unsigned short *stage, int row, int column) {
  typedef bg_mma_shape<rows, columns> Shape;
  BG_UNROLL for (int half = 0; half < 2; half++) {
    unsigned a[Shape::DOWN][4], b[Shape::ACROSS][4];
    BG_UNROLL for (int i = 0; i < Shape::DOWN; i++)
        bg_mma_a<a_along_k, rows>(a[i], stage, row + 16 * i, half);
    BG_UNROLL for (int j = 0; j < Shape::ACROSS; j++)
        bg_mma_b<b_along_k, columns>(b[j], stage + rows * BG_MMA_K, column + 16 * j, half);
    BG_UNROLL for (int i = 0; i < Shape::DOWN; i++)
        BG_UNROLL for (int j = 0; j < 2 * Shape::ACROSS; j++)
            bg_mma_16816(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
  }
}

template <int rows, int columns, bool a_along_k, bool b_along_k, bool whole, class Sum, class FA,
          class FB>
BG_FN void bg_mma_walk(Sum &sum, bg_mma_operand<bg_mma_step, a_along_k, rows> a,
                       bg_mma_operand<bg_mma_step, b_along_k, columns> b, int row, int column,
                       bool used, long long K, FA first_a, FB first_b) {
  typedef bg_mma_shape<rows, columns> Shape;
  unsigned short *stages = (unsigned short *)bg_shared;
  const int steps = (int)((K + BG_MMA_K - 1) / BG_MMA_K);
  for (int s = 1 - BG_MMA_STAGES; s < steps; s++) {
    if (s >= 0) {
      unsigned short *stage = stages + s % BG_MMA_STAGES * Shape::STAGE;
      bg_cp_async_wait<BG_MMA_STAGES - 2>();
      a.make(stage, K - s * (long long)BG_MMA_K, first_a);
      b.make(stage + rows * BG_MMA_K, K - s * (long long)BG_MMA_K, first_b);
      __syncthreads(); // step s is there, and the stage of the one before has been used
    }
    const int next = s + BG_MMA_STAGES - 1;
    if (next < steps) {
      unsigned short *stage = stages + next % BG_MMA_STAGES * Shape::STAGE;
      const long long left = K - (long long)next * BG_MMA_K;
      a.template fetch<whole>(stage, left);
      b.template fetch<whole>(stage + rows * BG_MMA_K, left);
    }
    bg_cp_async_commit();
    if (!whole)
      __syncwarp(); // lanes have gathered numbers, each its own
    if (s >= 0 && used)
      bg_mma_multiply<rows, columns, a_along_k, b_along_k>(
          sum, stages + s % BG_MMA_STAGES * Shape::STAGE, row, column);
  }
}

// bg_shared[(columns + 8) * m + n] = the sum of a[m * am + k * ak] * b[n * bn + k * bk] over k: for all threads, when it
// returns.  The 8 keep the rows of a store in banks of their own.
template <int rows, int columns, bool a_along_k, bool b_along_k, class FA = bg_same,
          class FB = bg_same>
BG_FN void bg_mma_tile(const unsigned short *a, long long am, long long ak, const unsigned short *b,
                       long long bn, long long bk, long long M, long long N, long long K,
                       FA first_a = FA(), FB first_b = FB()) {
  typedef bg_mma_shape<rows, columns> Shape;
  const int warp = (int)threadIdx.x / 32, lane = bg_lane();
  const int row = warp / Shape::WARPS * Shape::ROWS, column = warp % Shape::WARPS * Shape::COLUMNS;
  const bool used = row < M && column < N;
  const bool whole = bg_mma_whole(a, a_along_k ? ak : am, a_along_k ? am : ak) &&
                     bg_mma_whole(b, b_along_k ? bk : bn, b_along_k ? bn : bk);
  float sum[Shape::DOWN][2 * Shape::ACROSS][4] = {};
  bg_mma_operand<bg_mma_step, a_along_k, rows> x;
  bg_mma_operand<bg_mma_step, b_along_k, columns> y;
  x.begin(a, am, ak, M);
  y.begin(b, bn, bk, N);
  __syncthreads(); // what was there has been read
  if (whole)
    bg_mma_walk<rows, columns, a_along_k, b_along_k, true>(sum, x, y, row, column, used, K, first_a,
                                                           first_b);
  else
    bg_mma_walk<rows, columns, a_along_k, b_along_k, false>(sum, x, y, row, column, used, K,
                                                            first_a, first_b);
  __syncthreads();
  BG_UNROLL for (int i = 0; i < Shape::DOWN; i++)
      BG_UNROLL for (int j = 0; j < 2 * Shape::ACROSS; j++) BG_UNROLL for (int h = 0; h < 2; h++) {
    float *to = bg_shared + (row + 16 * i + 8 * h + lane / 4) * (columns + 8) + column + 8 * j;
    *(float2 *)(to + 2 * (lane % 4)) = make_float2(sum[i][j][2 * h], sum[i][j][2 * h + 1]);
  }
  __syncthreads();
}
