
// ---- attention by a block, bf16 on tensor cores: sums and softmax float32, weights rounded to bf16
//
// As above, but of four warps, each with 16 own rows, which it keeps in registers as bg_mma_16816 takes them; the other side
// comes in two stages of N rows, one while the other is used.  Of 16 x 8 scores a lane has those that bg_mma_16816 gives it:
// s[j][q] is row lane / 4 + q / 2 * 8, column 8 j + lane % 4 * 2 + q % 2.

typedef bg_matrix<const unsigned short> bg_halves;
// Numbers from row to row in shared memory: an odd number of pieces of 8, so that 8 rows are on different banks.
BG_FN constexpr int bg_half_row(int columns) {
  return (columns + 15) / 16 * 16 + 8;
}
BG_FN constexpr int bg_half_steps(int columns) {
  return (columns + 15) / 16;
}
// exp, to a few units of float32 in the exponent: what it gives is rounded to bf16.
BG_FN float bg_weight(float x) {
  return exp2f(x * 1.44269504f);
}
BG_FN float bg_quad_sum(float x) {
  x += __shfl_xor_sync(BG_ALL, x, 1);
  return x + __shfl_xor_sync(BG_ALL, x, 2);
}
BG_FN float bg_quad_max(float x) {
  x = bg_max(x, __shfl_xor_sync(BG_ALL, x, 1));
  return bg_max(x, __shfl_xor_sync(BG_ALL, x, 2));
}

// Rows [first, first + N) of m, of `rows` in all, on their way.
template <int N, int D>
BG_FN void bg_send(unsigned short *to, bg_halves m, long long first, long long rows) {
  constexpr int ROW = bg_half_row(D), PIECES = ROW / 8 - 1;
  const bool whole = ((unsigned long long)m.at | (unsigned long long)m.row * 2) % 16 == 0;
  BG_ROLLED for (int i = (int)threadIdx.x; i < N * PIECES; i += 128) {
    const int line = i / PIECES, column = i % PIECES * 8;
    const int count = first + line < rows ? (int)bg_least(D - column, 8) : 0;
    const unsigned short *from = count > 0 ? m.at + ((first + line) * m.row + column) : m.at;
    unsigned short *piece = to + (line * ROW + column);
    if (whole)
      bg_cp_async_16(piece, from, count > 0 ? 2 * count : 0);
    else
      for (int k = 0; k < 8; k++)
        piece[k] = k < count ? from[k] : (unsigned short)0;
  }
}
// The block's own rows, through memory that nobody uses, when it returns.
template <int D>
BG_FN void bg_hold(unsigned (&own)[bg_half_steps(D)][4], bg_halves m, long long first,
                   long long rows) {
  unsigned short *const at = (unsigned short *)bg_shared;
  const int lane = bg_lane(), line = (int)threadIdx.x / 32 * 16 + lane % 16;
  __syncthreads(); // what was there has been used
  bg_send<64, D>(at, m, first, rows);
  bg_cp_async_commit();
  bg_cp_async_wait<0>();
  __syncthreads();
  BG_UNROLL for (int k = 0; k < bg_half_steps(D); k++)
      bg_ldmatrix_x4(own[k], at + (line * bg_half_row(D) + 16 * k + lane / 16 * 8));
  __syncthreads();
}
// The block's own rows as bg_mma_16816 takes them, 16 columns a step: in registers.
template <int D, bool held = true> struct bg_own {
  unsigned x[bg_half_steps(D)][4];
  BG_FN void bring(bg_halves m, long long first, long long rows, unsigned short *) {
    bg_hold<D>(x, m, first, rows);
  }
  BG_FN void step(unsigned (&a)[4], int k) const {
    BG_UNROLL for (int i = 0; i < 4; i++) a[i] = x[k][i];
  }
};
// Or in shared memory of their own, on their way there with the first of the other side.
template <int D> struct bg_own<D, false> {
  const unsigned short *x;
  BG_FN void bring(bg_halves m, long long first, long long rows, unsigned short *at) {
    bg_send<64, D>(at, m, first, rows);
    x = at + ((threadIdx.x / 32 * 16 + bg_lane() % 16) * bg_half_row(D) + bg_lane() / 16 * 8);
  }
  BG_FN void step(unsigned (&a)[4], int k) const {
    bg_ldmatrix_x4(a, x + 16 * k);
  }
};
// s = own rows times N other rows.
template <int D, int N, class Own>
BG_FN void bg_mma_dots(float (&s)[N / 8][4], const Own &own, const unsigned short *other) {
  const unsigned short *at =
      other + ((bg_lane() % 8 + bg_lane() / 16 * 8) * bg_half_row(D) + bg_lane() / 8 % 2 * 8);
  BG_UNROLL for (int j = 0; j < N / 2; j++) s[j / 4][j % 4] = 0.0f;
  __syncwarp(); // ldmatrix and mma are for whole warps, and lanes may have gone ways of their own
  BG_UNROLL for (int k = 0; k < bg_half_steps(D); k++) {
    unsigned a[4];
    own.step(a, k);
    BG_UNROLL for (int j = 0; j < N / 16; j++) {
      unsigned b[4];
      bg_ldmatrix_x4(b, at + (16 * j * bg_half_row(D) + 16 * k));
      bg_mma_16816(s[2 * j], a, b[0], b[1]);
      bg_mma_16816(s[2 * j + 1], a, b[2], b[3]);
    }
  }
}
// sum += weights times N other rows.
template <int D, int N>
BG_FN void bg_mma_weigh(float (&sum)[2 * bg_half_steps(D)][4], const float (&w)[N / 8][4],
                        const unsigned short *other) {
  const unsigned short *at = other + (bg_lane() % 16 * bg_half_row(D) + bg_lane() / 16 * 8);
  __syncwarp();
  BG_UNROLL for (int j = 0; j < N / 16; j++) {
    const float(&x)[4] = w[2 * j], (&y)[4] = w[2 * j + 1];
    const unsigned a[4] = {bg_pair(x[0], x[1]), bg_pair(x[2], x[3]), bg_pair(y[0], y[1]),
                           bg_pair(y[2], y[3])};
    BG_UNROLL for (int c = 0; c < bg_half_steps(D); c++) {
      unsigned b[4];
      bg_ldmatrix_x4_trans(b, at + (16 * j * bg_half_row(D) + 16 * c));
      bg_mma_16816(sum[2 * c], a, b[0], b[1]);
      bg_mma_16816(sum[2 * c + 1], a, b[2], b[3]);
    }
  }
}
template <int D, class T>
BG_FN void bg_mma_write(bg_matrix<T> m, const float (&x)[2 * bg_half_steps(D)][4],
                        const float (&scale)[2], long long first, long long rows) {
  const long long line = first + threadIdx.x / 32 * 16 + bg_lane() / 4;
  BG_UNROLL for (int i = 0; i < 8 * bg_half_steps(D); i++) {
    const long long row = line + i % 4 / 2 * 8, column = i / 4 * 8 + bg_lane() % 4 * 2 + i % 2;
    if (row < rows && column < D)
      bg_set(m.at + (row * m.row + column), x[i / 4][i % 4] * scale[i % 4 / 2]);
  }
}

// Of two stages from the start of shared memory on.
template <int STAGE> BG_FN unsigned short *bg_other_stage(const unsigned short *stage) {
  unsigned short *const first = (unsigned short *)bg_shared;
  return stage == first ? first + STAGE : first;
}

template <int N, int D, int E, class O, class Score, class Sight>
BG_FN void bg_attention_out_mma(bg_halves q, bg_halves k, bg_halves v, bg_matrix<O> out,
                                bg_matrix<float> lse, long long first, long long rows,
                                long long keys, float boost, Score score, Sight sight) {
  constexpr int STAGE = N * (bg_half_row(D) + bg_half_row(E));
  const long long line = first + threadIdx.x / 32 * 16 + bg_lane() / 4;
  const int pair = bg_lane() % 4 * 2;
  unsigned short *stage = (unsigned short *)bg_shared;
  bg_own<D> own;
  float most[2] = {-3e38f, -3e38f}, total[2] = {}, scale[2], sum[2 * bg_half_steps(E)][4] = {};
  own.bring(q, first, rows, nullptr);
  bg_range near = bg_blocks<N>(sight.keys(first, bg_least(first + 64, rows) - 1, keys));
  bg_send<N, D>(stage, k, near.from, keys);
  bg_send<N, E>(stage + N * bg_half_row(D), v, near.from, keys);
  bg_cp_async_commit();
  for (long long other = near.from; other < near.to; other += N) {
    unsigned short *const next = bg_other_stage<STAGE>(stage);
    float s[N / 8][4], top[2] = {most[0], most[1]}, part[2] = {};
    unsigned dropped = 0;
    bg_cp_async_wait<0>();
    __syncthreads(); // this stage is there, and the next has been used
    if (other + N < near.to) {
      bg_send<N, D>(next, k, other + N, keys);
      bg_send<N, E>(next + N * bg_half_row(D), v, other + N, keys);
    }
    bg_cp_async_commit();
    bg_mma_dots<D, N>(s, own, stage);
    BG_UNROLL for (int i = 0; i < N / 2; i++) {
      const long long row = line + i % 4 / 2 * 8, key = other + i / 4 * 8 + pair + i % 2;
      float &x = s[i / 4][i % 4];
      bool seen, kept;
      if (row < rows && key < keys) {
        x = bg_scored(x, row, key, seen, kept, score);
        top[i % 4 / 2] = bg_max(top[i % 4 / 2], x);
        dropped |= kept ? 0 : 1u << i;
      }
    }
    BG_UNROLL for (int h = 0; h < 2; h++) {
      top[h] = bg_quad_max(top[h]);
      scale[h] = bg_weight(most[h] - top[h]);
      most[h] = top[h];
    }
    BG_UNROLL for (int i = 0; i < N / 2; i++) {
      float &x = s[i / 4][i % 4];
      x = other + i / 4 * 8 + pair + i % 2 < keys ? bg_weight(x - top[i % 4 / 2]) : 0.0f;
      part[i % 4 / 2] += x;
      x = dropped >> i & 1 ? 0.0f : x;
    }
    BG_UNROLL for (int h = 0; h < 2; h++) total[h] =
        __fmaf_rn(total[h], scale[h], bg_quad_sum(part[h]));
    BG_UNROLL for (int i = 0; i < 8 * bg_half_steps(E); i++) sum[i / 4][i % 4] *= scale[i % 4 / 2];
    bg_mma_weigh<E, N>(sum, s, stage + N * bg_half_row(D));
    if (Sight::SKIPS && other + N >= near.to && (near.from || near.to < keys)) {
      const bool lost = (line < rows && bg_sees_nothing(most[0])) ||
                        (line + 8 < rows && bg_sees_nothing(most[1]));
      if (__syncthreads_or(lost)) {
        if (near.from) { // again, from the first key
          other = -N;
          BG_UNROLL for (int h = 0; h < 2; h++) most[h] = -3e38f, total[h] = 0.0f;
          BG_UNROLL for (int i = 0; i < 8 * bg_half_steps(E); i++) sum[i / 4][i % 4] = 0.0f;
        }
        near = {0, keys};
        bg_send<N, D>(next, k, other + N, keys);
        bg_send<N, E>(next + N * bg_half_row(D), v, other + N, keys);
        bg_cp_async_commit();
      }
    }
    stage = next;
  }
  BG_UNROLL for (int h = 0; h < 2; h++) {
    const long long row = line + 8 * h;
    scale[h] = boost / total[h];
    if (lse.at && row < rows && !pair)
      lse.at[row * lse.row] = most[h] + bg_log(total[h]);
  }
  bg_mma_write<E>(out, sum, scale, first, rows);
}

template <int N, int D, int E, class O, class R, class Score, class Sight>
BG_FN void bg_attention_rows_mma(bg_halves q, bg_halves k, bg_halves v, bg_matrix<O> out,
                                 bg_matrix<const float> lse, bg_halves dout, bg_matrix<float> delta,
                                 bg_matrix<R> dq, long long first, long long rows, long long keys,
                                 float scale, float boost, Score score, Sight sight) {
  constexpr int STAGE = N * (bg_half_row(D) + bg_half_row(E));
  const long long line = first + threadIdx.x / 32 * 16 + bg_lane() / 4;
  const int pair = bg_lane() % 4 * 2;
  bg_range near = bg_blocks<N>(sight.keys(first, bg_least(first + 64, rows) - 1, keys));
  unsigned short *stage = (unsigned short *)bg_shared;
  bg_own<D> own;
  bg_own<E> grad;
  float less[2], mean[2] = {}, sum[2 * bg_half_steps(D)][4] = {};
  own.bring(q, first, rows, nullptr);
  grad.bring(dout, first, rows, nullptr);
  BG_UNROLL for (int h = 0; h < 2; h++) {
    const long long row = line + 8 * h;
    less[h] = row < rows ? lse.at[row * lse.row] : 0.0f;
    for (long long c = bg_lane() % 4; c < E && row < rows; c += 4)
      mean[h] = __fmaf_rn(bg_read(dout.at + (row * dout.row + c)),
                          bg_read(out.at + (row * out.row + c)), mean[h]);
    mean[h] = bg_quad_sum(mean[h]);
    if (row < rows && !pair)
      delta.at[row * delta.row] = mean[h];
  }
  near.to = dq.at ? near.to : 0;
  bg_send<N, D>(stage, k, near.from, near.to);
  bg_send<N, E>(stage + N * bg_half_row(D), v, near.from, near.to);
  bg_cp_async_commit();
  for (long long other = near.from; other < near.to; other += N) {
    unsigned short *const next = bg_other_stage<STAGE>(stage);
    float s[N / 8][4], g[N / 8][4];
    bg_cp_async_wait<0>();
    __syncthreads(); // this stage is there, and the next has been used
    if (other + N < near.to) {
      bg_send<N, D>(next, k, other + N, keys);
      bg_send<N, E>(next + N * bg_half_row(D), v, other + N, keys);
    }
    bg_cp_async_commit();
    bg_mma_dots<D, N>(s, own, stage);
    bg_mma_dots<E, N>(g, grad, stage + N * bg_half_row(D));
    BG_UNROLL for (int i = 0; i < N / 2; i++) {
      const int h = i % 4 / 2;
      const long long row = line + 8 * h, key = other + i / 4 * 8 + pair + i % 2;
      float &x = s[i / 4][i % 4], ds = 0.0f;
      bool seen, kept;
      if (row < rows && key < keys) {
        x = bg_weight(bg_scored(x, row, key, seen, kept, score) - less[h]);
        ds = x * ((kept ? g[i / 4][i % 4] * boost : 0.0f) - mean[h]);
        ds = seen ? ds : 0.0f;
      }
      x = ds;
    }
    bg_mma_weigh<D, N>(sum, s, stage);
    stage = next;
  }
  bg_cp_async_wait<0>();
  const float scales[2] = {scale, scale};
  if (dq.at)
    bg_mma_write<D>(dq, sum, scales, first, rows);
}

// Of N rows from `first` on: lse, what it has lost, delta.
template <int N>
BG_FN void bg_numbers(float *to, bg_matrix<const float> lse, bg_matrix<const float> delta,
                      long long first, long long rows, long long keys) {
  const long long row = first + threadIdx.x;
  if (threadIdx.x >= N)
    return;
  const float less = row < rows ? lse.at[row * lse.row] : 0.0f;
  to[threadIdx.x] = less;
  to[N + threadIdx.x] = bg_lost(less, keys);
  to[2 * N + threadIdx.x] = row < rows ? delta.at[row * delta.row] : 0.0f;
}

template <int N, int D, int E, class R, class S, class Score, class Sight>
BG_FN void bg_attention_keys_mma(bg_halves q, bg_halves k, bg_halves v, bg_matrix<const float> lse,
                                 bg_halves dout, bg_matrix<const float> delta, bg_matrix<R> dk,
                                 bg_matrix<S> dv, long long first, long long rows, long long keys,
                                 float scale, float boost, Score score, Sight sight) {
  constexpr int NUMBERS = N * (bg_half_row(D) + bg_half_row(E)), STAGE = NUMBERS + 6 * N;
  const long long line = first + threadIdx.x / 32 * 16 + bg_lane() / 4;
  const int pair = bg_lane() % 4 * 2;
  unsigned short *stage = (unsigned short *)bg_shared;
  bg_own<D> own;
  bg_own<E, (N > 16)> value; // of wide heads not all have room in registers
  float sum[2 * bg_half_steps(D)][4] = {}, mean[2 * bg_half_steps(E)][4] = {};
  own.bring(k, first, keys, nullptr);
  value.bring(v, first, keys, stage + 2 * STAGE);
  const bg_range near = bg_rows_of<N, 128>(sight, lse, first, bg_least(first + 64, keys) - 1, rows);
  bg_send<N, D>(stage, q, near.from, rows);
  bg_send<N, E>(stage + N * bg_half_row(D), dout, near.from, rows);
  bg_numbers<N>((float *)(stage + NUMBERS), lse, delta, near.from, rows, keys);
  bg_cp_async_commit();
  for (long long other = near.from; other < near.to; other += N) {
    unsigned short *const next = bg_other_stage<STAGE>(stage);
    const float *const number = (const float *)(stage + NUMBERS);
    float s[N / 8][4], g[N / 8][4];
    bg_cp_async_wait<0>();
    __syncthreads(); // this stage is there, and the next has been used
    if (other + N < near.to) {
      bg_send<N, D>(next, q, other + N, rows);
      bg_send<N, E>(next + N * bg_half_row(D), dout, other + N, rows);
      bg_numbers<N>((float *)(next + NUMBERS), lse, delta, other + N, rows, keys);
    }
    bg_cp_async_commit();
    bg_mma_dots<D, N>(s, own, stage);
    bg_mma_dots<E, N>(g, value, stage + N * bg_half_row(D));
    BG_UNROLL for (int i = 0; i < N / 2; i++) {
      const int at = i / 4 * 8 + pair + i % 2;
      const long long key = line + i % 4 / 2 * 8, row = other + at;
      float &x = s[i / 4][i % 4], &y = g[i / 4][i % 4], p = 0.0f, ds = 0.0f;
      bool seen, kept;
      if (row < rows && key < keys) {
        p = bg_weight(bg_scored(x, row, key, seen, kept, score) - number[at] - number[N + at]);
        ds = p * ((kept ? y * boost : 0.0f) - number[2 * N + at]);
        ds = seen ? ds : 0.0f;
        p = kept ? p : 0.0f;
      }
      x = p;
      y = ds;
    }
    bg_mma_weigh<E, N>(mean, s, stage + N * bg_half_row(D));
    bg_mma_weigh<D, N>(sum, g, stage);
    stage = next;
  }
  bg_cp_async_wait<0>();
  const float scales[2] = {scale, scale}, boosts[2] = {boost, boost};
  if (dk.at)
    bg_mma_write<D>(dk, sum, scales, first, keys);
  if (dv.at)
    bg_mma_write<E>(dv, mean, boosts, first, keys);
}
