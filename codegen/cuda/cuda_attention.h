
// ---- attention by a block, float32
//
// The block owns rows, or keys, OWN at a time, and goes over all of the other side, OTHER at a time; both lie in shared
// memory, padded with zeros to multiples of 16 columns.  Of its 16 x 16 threads, (y, x) has own rows y + 16 i and the others
// x + 16 j: what belongs to an own row stays in half a warp.

#ifdef BG_SHIM
#define BG_ROLLED
#else
#define BG_ROLLED _Pragma("unroll 1") // unrolled, its loads take all registers
#endif
template <class T> struct bg_matrix { // element (i, j) at at[i * row + j]
  T *at;
  long long row;
};
template <class T> BG_FN bg_matrix<T> bg_rows_of(T *at, long long row) {
  return {at, row};
}
BG_FN void bg_set(float *to, float x) {
  *to = x;
}
BG_FN void bg_set(unsigned short *to, float x) {
  *to = bg_to_bf16(bg_bf16(x));
}
// Of a row in shared memory: whole 16-byte pieces, those of neighbours on other banks.
BG_FN constexpr int
bg_wide(int columns) { // of a row in shared memory: in 16-byte pieces, on different banks
  return (columns + 15) / 16 * 16 + 4;
}
BG_FN int bg_y() {
  return (int)(threadIdx.x / 16);
}
BG_FN int bg_x() {
  return (int)(threadIdx.x % 16);
}

// Rows [first, first + N) of m, of `rows` in all.
template <int N, int D, class T>
BG_FN void bg_bring(float *to, bg_matrix<T> m, long long first, long long rows) {
  constexpr int W = bg_wide(D) - 4;
  for (int i = (int)threadIdx.x; i < N * W; i += 256) {
    const long long row = first + i / W, column = i % W;
    to[i / W * (W + 4) + i % W] =
        row < rows && column < D ? bg_read(m.at + (row * m.row + column)) : 0.0f;
  }
}
// s[i][j] = own row i times other row j.
template <int D, int M, int N>
BG_FN void bg_dots(float (&s)[M][N], const float *own, const float *other) {
  constexpr int W = bg_wide(D);
  BG_UNROLL for (int i = 0; i < M * N; i++) s[i / N][i % N] = 0.0f;
  BG_ROLLED for (int k = 0; k < W - 4; k += 4) {
    float4 a[M], b[N];
    BG_UNROLL for (int i = 0; i < M; i++) a[i] = *(const float4 *)(own + (bg_y() + 16 * i) * W + k);
    BG_UNROLL for (int j = 0; j < N; j++) b[j] =
        *(const float4 *)(other + (bg_x() + 16 * j) * W + k);
    BG_UNROLL for (int i = 0; i < M; i++) BG_UNROLL for (int j = 0; j < N; j++) s[i][j] = __fmaf_rn(
        a[i].w, b[j].w,
        __fmaf_rn(a[i].z, b[j].z, __fmaf_rn(a[i].y, b[j].y, __fmaf_rn(a[i].x, b[j].x, s[i][j]))));
  }
}
// sum[i][c] = sum * scale[i] + weights of own row i times column x + 16 c of the others.
template <int D, int N, int M, int C>
BG_FN void bg_weigh(float (&sum)[M][C], const float (&scale)[M], const float *weights,
                    const float *other) {
  constexpr int W = bg_wide(D), V = N + 4;
  float run[M][C] = {};
  BG_ROLLED for (int k = 0; k < N; k += 4) BG_UNROLL for (int i = 0; i < M; i++) {
    const float4 w = *(const float4 *)(weights + (bg_y() + 16 * i) * V + k);
    BG_UNROLL for (int c = 0; c < C; c++) {
      const float *b = other + k * W + bg_x() + 16 * c;
      run[i][c] = __fmaf_rn(
          w.w, b[3 * W],
          __fmaf_rn(w.z, b[2 * W], __fmaf_rn(w.y, b[W], __fmaf_rn(w.x, b[0], run[i][c]))));
    }
  }
  BG_UNROLL for (int i = 0; i < M * C; i++) sum[i / C][i % C] =
      __fmaf_rn(sum[i / C][i % C], scale[i / C], run[i / C][i % C]);
}
// The half warp's weights: for all its threads, when it returns.
template <int M, int N> BG_FN void bg_keep(float *weights, const float (&w)[M][N]) {
  __syncwarp(); // those before have been used
  BG_UNROLL for (int i = 0; i < M * N; i++)
      weights[(bg_y() + 16 * (i / N)) * (16 * N + 4) + bg_x() + 16 * (i % N)] = w[i / N][i % N];
  __syncwarp();
}
BG_FN float bg_half_sum(float x) {
  for (int m = 8; m; m /= 2)
    x += __shfl_xor_sync(BG_ALL, x, m);
  return x;
}
BG_FN float bg_half_max(float x) {
  for (int m = 8; m; m /= 2)
    x = bg_max(x, __shfl_xor_sync(BG_ALL, x, m));
  return x;
}
template <int D, int M, int C, class T>
BG_FN void bg_write(bg_matrix<T> m, const float (&x)[M][C], const float (&scale)[M],
                    long long first, long long rows) {
  BG_UNROLL for (int i = 0; i < M * C; i++) {
    const long long row = first + bg_y() + 16 * (i / C), column = bg_x() + 16 * (i % C);
    if (row < rows && column < D)
      bg_set(m.at + (row * m.row + column), x[i / C][i % C] * scale[i / C]);
  }
}
// A masked score counts as -1e9, so that a row of nothing else is an average.
template <class Score>
BG_FN float bg_scored(float acc, long long row, long long key, bool &seen, bool &kept,
                      Score score) {
  seen = kept = true;
  const float x = score(row, key, acc, seen, kept);
  return seen ? x : -1e9f;
}

// What rows may see: all keys, or those from `behind` before the row up to `ahead` after it.  Then blocks of others are not
// computed, whose weights are 0 in any case: unless a row sees nothing, of which all keys have the same.
struct bg_range {
  long long from, to;
};
struct bg_sees_all {
  enum { SKIPS = 0 };
  BG_FN bg_range keys(long long, long long, long long keys) const { // that these rows see
    return {0, keys};
  }
  BG_FN bg_range rows(long long, long long, long long rows) const { // that see these keys
    return {0, rows};
  }
};
struct bg_sees_near {
  enum { SKIPS = 1 };
  long long behind, ahead;
  BG_FN bg_range keys(long long first, long long last, long long keys) const {
    const bg_range x = {bg_most(first - behind, 0), bg_least(last + ahead + 1, keys)};
    return x.from < x.to ? x : bg_range{0, keys};
  }
  BG_FN bg_range rows(long long first, long long last, long long rows) const {
    return {bg_most(first - ahead, 0), bg_least(last + behind + 1, rows)};
  }
};
// From the start of a block.
template <int OTHER> BG_FN bg_range bg_blocks(bg_range x) {
  return {x.from / OTHER * OTHER, x.to};
}
// Is it not certain that a row has seen a key, by the largest score or by lse?
BG_FN bool bg_sees_nothing(float most) {
  return !(most >= -5e8f);
}
// The other side's rows that a block of keys takes, from the start of a block of them: for all threads.
template <int OTHER, int THREADS, class Sight>
BG_FN bg_range bg_rows_of(Sight sight, bg_matrix<const float> lse, long long first, long long last,
                          long long rows) {
  bg_range x = {0, rows};
  if constexpr (Sight::SKIPS) {
    bool lost = false;
    x = bg_blocks<OTHER>(sight.rows(first, last, rows));
    for (long long row = threadIdx.x; row < rows; row += THREADS)
      lost |= (row < x.from || row >= x.to) && bg_sees_nothing(lse.at[row * lse.row]);
    x = __syncthreads_or(lost) ? bg_range{0, rows} : x;
  }
  return x;
}

template <int C> BG_FN void bg_forget(float &most, float &total, float (&sum)[C]) {
  most = -3e38f;
  total = 0.0f;
  BG_UNROLL for (int i = 0; i < C; i++) sum[i] = 0.0f;
}

// out and, unless it is absent, lse: see LS_ATTENTION.  Online softmax: `most` and `total` are the largest score and the
// sum of exp(score - most) so far.
template <int OWN, int OTHER, int D, int E, class Q, class K, class V, class O, class Score,
          class Sight>
BG_FN void bg_attention_out(bg_matrix<Q> q, bg_matrix<K> k, bg_matrix<V> v, bg_matrix<O> out,
                            bg_matrix<float> lse, long long first, long long rows, long long keys,
                            float boost, Score score, Sight sight) {
  constexpr int M = OWN / 16, N = OTHER / 16, C = bg_wide(E) / 16;
  float *const qs = bg_shared, *const ks = qs + OWN * bg_wide(D),
               *const vs = ks + OTHER * bg_wide(D), *const ws = vs + OTHER * bg_wide(E);
  float most[M], total[M] = {}, sum[M][C] = {}, scale[M];
  BG_UNROLL for (int i = 0; i < M; i++) most[i] = -3e38f;
  __syncthreads(); // what was there has been used
  bg_bring<OWN, D>(qs, q, first, rows);
  bg_range near = bg_blocks<OTHER>(sight.keys(first, bg_least(first + OWN, rows) - 1, keys));
  for (long long other = near.from; other < near.to; other += OTHER) {
    float s[M][N];
    unsigned dropped = 0;
    __syncthreads();
    bg_bring<OTHER, D>(ks, k, other, keys);
    bg_bring<OTHER, E>(vs, v, other, keys);
    __syncthreads();
    bg_dots<D>(s, qs, ks);
    BG_UNROLL for (int i = 0; i < M; i++) {
      const long long row = first + bg_y() + 16 * i;
      float top = most[i], part = 0.0f;
      BG_UNROLL for (int j = 0; j < N; j++) {
        const long long key = other + bg_x() + 16 * j;
        bool seen, kept;
        if (row < rows && key < keys) {
          s[i][j] = bg_scored(s[i][j], row, key, seen, kept, score);
          top = bg_max(top, s[i][j]);
          dropped |= kept ? 0 : 1u << (i * N + j);
        }
      }
      top = bg_half_max(top);
      scale[i] = bg_exp(most[i] - top);
      BG_UNROLL for (int j = 0; j < N; j++) {
        s[i][j] = other + bg_x() + 16 * j < keys ? bg_exp(s[i][j] - top) : 0.0f;
        part += s[i][j];
        s[i][j] = dropped >> (i * N + j) & 1 ? 0.0f : s[i][j] * boost;
      }
      total[i] = __fmaf_rn(total[i], scale[i], bg_half_sum(part));
      most[i] = top;
    }
    bg_keep(ws, s);
    bg_weigh<E, OTHER>(sum, scale, ws, vs);
    if (Sight::SKIPS && other + OTHER >= near.to && (near.from || near.to < keys)) {
      bool lost = false;
      BG_UNROLL for (int i = 0; i < M; i++) lost |=
          first + bg_y() + 16 * i < rows && bg_sees_nothing(most[i]);
      if (__syncthreads_or(lost)) {
        if (near.from) { // again, from the first key
          other = -OTHER;
          BG_UNROLL for (int i = 0; i < M; i++) bg_forget(most[i], total[i], sum[i]);
        }
        near = {0, keys};
      }
    }
  }
  BG_UNROLL for (int i = 0; i < M; i++) {
    const long long row = first + bg_y() + 16 * i;
    scale[i] = 1.0f / total[i];
    if (lse.at && row < rows && !bg_x())
      lse.at[row * lse.row] = most[i] + bg_log(total[i]);
  }
  bg_write<E>(out, sum, scale, first, rows);
}

// What of lse float32 has lost: where nothing is seen, it is -1e9 + log(keys), of which -1e9 remains.  Only dv has weights of
// such rows.
BG_FN float bg_lost(float lse, long long keys) {
  return lse < -5e8f ? bg_log((float)keys) : 0.0f;
}

// delta and, unless it is absent, dq.
template <int OWN, int OTHER, int D, int E, class Q, class K, class V, class O, class G, class R,
          class Score, class Sight>
BG_FN void bg_attention_rows(bg_matrix<Q> q, bg_matrix<K> k, bg_matrix<V> v, bg_matrix<O> out,
                             bg_matrix<const float> lse, bg_matrix<G> dout, bg_matrix<float> delta,
                             bg_matrix<R> dq, long long first, long long rows, long long keys,
                             float scale, float boost, Score score, Sight sight) {
  constexpr int M = OWN / 16, N = OTHER / 16, C = bg_wide(D) / 16;
  float *const qs = bg_shared, *const gs = qs + OWN * bg_wide(D), *const ks = gs + OWN * bg_wide(E),
               *const vs = ks + OTHER * bg_wide(D), *const ws = vs + OTHER * bg_wide(E);
  float sum[M][C] = {}, one[M], less[M], mean[M] = {};
  __syncthreads();
  bg_bring<OWN, D>(qs, q, first, rows);
  bg_bring<OWN, E>(gs, dout, first, rows);
  BG_UNROLL for (int i = 0; i < M; i++) {
    const long long row = first + bg_y() + 16 * i;
    one[i] = 1.0f;
    less[i] = row < rows ? lse.at[row * lse.row] : 0.0f;
    for (int c = bg_x(); c < E && row < rows; c += 16)
      mean[i] = __fmaf_rn(bg_read(dout.at + (row * dout.row + c)),
                          bg_read(out.at + (row * out.row + c)), mean[i]);
    mean[i] = bg_half_sum(mean[i]);
    if (row < rows && !bg_x())
      delta.at[row * delta.row] = mean[i];
  }
  bg_range near = bg_blocks<OTHER>(sight.keys(first, bg_least(first + OWN, rows) - 1, keys));
  near.to = dq.at ? near.to : 0;
  for (long long other = near.from; other < near.to; other += OTHER) {
    float s[M][N], g[M][N];
    __syncthreads();
    bg_bring<OTHER, D>(ks, k, other, keys);
    bg_bring<OTHER, E>(vs, v, other, keys);
    __syncthreads();
    bg_dots<D>(s, qs, ks);
    bg_dots<E>(g, gs, vs);
    BG_UNROLL for (int i = 0; i < M * N; i++) {
      const long long row = first + bg_y() + 16 * (i / N), key = other + bg_x() + 16 * (i % N);
      float &x = s[i / N][i % N], ds = 0.0f;
      bool seen, kept;
      if (row < rows && key < keys) {
        x = bg_exp(bg_scored(x, row, key, seen, kept, score) - less[i / N]);
        ds = x * ((kept ? g[i / N][i % N] * boost : 0.0f) - mean[i / N]) * scale;
        ds = seen ? ds : 0.0f;
      }
      x = ds;
    }
    bg_keep(ws, s);
    bg_weigh<D, OTHER>(sum, one, ws, ks);
  }
  if (dq.at)
    bg_write<D>(dq, sum, one, first, rows);
}

// dk and dv, each unless it is absent.
template <int OWN, int OTHER, int D, int E, class Q, class K, class V, class G, class R, class S,
          class Score, class Sight>
BG_FN void bg_attention_keys(bg_matrix<Q> q, bg_matrix<K> k, bg_matrix<V> v,
                             bg_matrix<const float> lse, bg_matrix<G> dout,
                             bg_matrix<const float> delta, bg_matrix<R> dk, bg_matrix<S> dv,
                             long long first, long long rows, long long keys, float scale,
                             float boost, Score score, Sight sight) {
  constexpr int M = OWN / 16, N = OTHER / 16, C = bg_wide(D) / 16, F = bg_wide(E) / 16;
  float *const ks = bg_shared, *const vs = ks + OWN * bg_wide(D), *const qs = vs + OWN * bg_wide(E),
               *const gs = qs + OTHER * bg_wide(D), *const ws = gs + OTHER * bg_wide(E);
  float sum[M][C] = {}, mean[M][F] = {}, one[M];
  BG_UNROLL for (int i = 0; i < M; i++) one[i] = 1.0f;
  __syncthreads();
  bg_bring<OWN, D>(ks, k, first, keys);
  bg_bring<OWN, E>(vs, v, first, keys);
  const bg_range near =
      bg_rows_of<OTHER, 256>(sight, lse, first, bg_least(first + OWN, keys) - 1, rows);
  for (long long other = near.from; other < near.to; other += OTHER) {
    float s[M][N], g[M][N];
    __syncthreads();
    bg_bring<OTHER, D>(qs, q, other, rows);
    bg_bring<OTHER, E>(gs, dout, other, rows);
    __syncthreads();
    bg_dots<D>(s, ks, qs);
    bg_dots<E>(g, vs, gs);
    BG_UNROLL for (int j = 0; j < N; j++) {
      const long long row = other + bg_x() + 16 * j;
      const float less = row < rows ? lse.at[row * lse.row] : 0.0f;
      const float lost = bg_lost(less, keys), taken = row < rows ? delta.at[row * delta.row] : 0.0f;
      BG_UNROLL for (int i = 0; i < M; i++) {
        const long long key = first + bg_y() + 16 * i;
        float p = 0.0f, ds = 0.0f;
        bool seen, kept;
        if (row < rows && key < keys) {
          p = bg_exp(bg_scored(s[i][j], row, key, seen, kept, score) - less - lost);
          ds = p * ((kept ? g[i][j] * boost : 0.0f) - taken) * scale;
          ds = seen ? ds : 0.0f;
          p = kept ? p * boost : 0.0f;
        }
        s[i][j] = p;
        g[i][j] = ds;
      }
    }
    bg_keep(ws, s);
    bg_weigh<E, OTHER>(mean, one, ws, gs);
    bg_keep(ws, g);
    bg_weigh<D, OTHER>(sum, one, ws, qs);
  }
  if (dk.at)
    bg_write<D>(dk, sum, one, first, keys);
  if (dv.at)
    bg_write<E>(dv, mean, one, first, keys);
}
