// What the kernels below call.  A warp does a task; lanes are its 32 threads, blocks have 8 warps.
#define BG_ALL 0xffffffffu
#define BG_FN __device__ __forceinline__

BG_FN int bg_lane() {
  return (int)(threadIdx.x % 32);
}
BG_FN long long bg_warp() {
  return blockIdx.x * 8LL + threadIdx.x / 32;
}
BG_FN long long bg_warps() {
  return gridDim.x * 8LL;
}

// ---- sizes

BG_FN long long bg_least(long long a, long long b) {
  return a < b ? a : b;
}
BG_FN long long bg_most(long long a, long long b) {
  return a > b ? a : b;
}
// Of a non-negative by a positive number; a divisor of 0 belongs to a result that nobody uses.
BG_FN long long bg_quotient(long long a, long long b) {
  return a / bg_most(b, 1);
}
BG_FN long long bg_rest(long long a, long long b) {
  return a % bg_most(b, 1);
}
BG_FN long long bg_room(long long bytes) {
  return (bytes + 63) / 64 * 64;
}

// ---- numbers

BG_FN float bg_infinity() {
  return __uint_as_float(0x7f800000u);
}
BG_FN float bg_nan() {
  return __uint_as_float(0x7fc00000u);
}
BG_FN float bg_f32(unsigned long long bits) {
  return __uint_as_float((unsigned)bits);
}
BG_FN double bg_f64(unsigned long long bits) {
  return __longlong_as_double((long long)bits);
}

// bf16: the upper half of a float, rounded to nearest even; what is no number stays so.
BG_FN float bg_bf16(float x) {
  unsigned u = __float_as_uint(x);
  return __uint_as_float(x != x ? u | 0x400000u : (u + 0x7fffu + (u >> 16 & 1u)) & 0xffff0000u);
}
BG_FN float bg_from_bf16(unsigned short x) {
  return __uint_as_float((unsigned)x << 16);
}
BG_FN unsigned short bg_to_bf16(float x) {
  return (unsigned short)(__float_as_uint(x) >> 16);
}

// An element of an operand.
BG_FN float bg_read(const float *x) {
  return *x;
}
BG_FN float bg_read(const unsigned short *x) {
  return bg_from_bf16(*x);
}

// Integers wrap around; conversions to them cut, end at the ends, and make 0 of what is no number.
BG_FN int bg_add(int a, int b) {
  return (int)((unsigned)a + (unsigned)b);
}
BG_FN int bg_sub(int a, int b) {
  return (int)((unsigned)a - (unsigned)b);
}
BG_FN int bg_mul(int a, int b) {
  return (int)((unsigned)a * (unsigned)b);
}
BG_FN int bg_int(double x) {
  return x != x               ? 0
         : x >= 2147483647.0  ? 2147483647
         : x <= -2147483648.0 ? -2147483647 - 1
                              : (int)x;
}
BG_FN int bg_abs(int x) {
  return x < 0 ? bg_sub(0, x) : x;
}
// To the lower neighbour, and the rest; by 0 the quotient is 0.  Division by -1 may leave the range.
BG_FN int bg_div(int a, int b) {
  if (b == 0 || b == -1)
    return b ? bg_sub(0, a) : 0;
  return a / b - (a % b != 0 && (a ^ b) < 0);
}
BG_FN int bg_mod(int a, int b) {
  return bg_sub(a, bg_mul(b, bg_div(a, b)));
}

BG_FN float bg_abs(float x) {
  return fabsf(x);
}
BG_FN float bg_exp(float x) {
  return expf(x);
}
BG_FN float bg_log(float x) {
  return logf(x);
}
BG_FN float bg_sqrt(float x) {
  return sqrtf(x);
}
BG_FN float bg_tanh(float x) {
  return tanhf(x);
}
BG_FN float bg_erf(float x) {
  return erff(x);
}
BG_FN float bg_sin(float x) {
  return sinf(x);
}
BG_FN float bg_cos(float x) {
  return cosf(x);
}
BG_FN float bg_pow(float x, float y) {
  return powf(x, y);
}
BG_FN float bg_round(float x) {
  return rintf(x);
}
BG_FN float bg_floor(float x) {
  return floorf(x);
}
BG_FN float bg_ceil(float x) {
  return ceilf(x);
}
BG_FN float bg_log1p(float x) {
  return log1pf(x);
}
BG_FN float bg_expm1(float x) {
  return expm1f(x);
}
BG_FN double bg_abs(double x) {
  return fabs(x);
}
BG_FN double bg_exp(double x) {
  return exp(x);
}
BG_FN double bg_log(double x) {
  return log(x);
}
BG_FN double bg_sqrt(double x) {
  return sqrt(x);
}
BG_FN double bg_tanh(double x) {
  return tanh(x);
}
BG_FN double bg_erf(double x) {
  return erf(x);
}
BG_FN double bg_sin(double x) {
  return sin(x);
}
BG_FN double bg_cos(double x) {
  return cos(x);
}
BG_FN double bg_pow(double x, double y) {
  return pow(x, y);
}
BG_FN double bg_round(double x) {
  return rint(x);
}
BG_FN double bg_floor(double x) {
  return floor(x);
}
BG_FN double bg_ceil(double x) {
  return ceil(x);
}
BG_FN double bg_log1p(double x) {
  return log1p(x);
}
BG_FN double bg_expm1(double x) {
  return expm1(x);
}

// What is no number wins.
template <class T> BG_FN T bg_max(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T> BG_FN T bg_min(T a, T b) {
  return a < b || a != a ? a : b;
}

// ---- random numbers: element `index` of the site with these keys, in (0, 1)

BG_FN unsigned bg_mix(unsigned x) {
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ x >> 16;
}
// The keys of a place that draws are another in each step, and lie in memory.
BG_FN float bg_random(unsigned long long at, long long index) {
  const unsigned long long keys = __ldg((const unsigned long long *)at);
  unsigned a =
      (unsigned)index * 0x9E3779B9u + (unsigned)keys + (unsigned)(index >> 32) * 0x85EBCA6Bu;
  unsigned r = bg_mix(bg_mix(a) ^ (unsigned)(keys >> 32));
  return ((float)(r >> 9) + 0.5f) * 1.1920928955078125e-7f;
}

// ---- over the lanes of a warp, in a fixed order; all lanes get the result

template <class T> BG_FN T bg_add(T a, T b) {
  return a + b;
}
template <class T> BG_FN T bg_warp_sum(T x, int lanes = 32) { // of each `lanes` neighbours
  for (int m = lanes / 2; m; m /= 2)
    x = bg_add(x, __shfl_xor_sync(BG_ALL, x, m));
  return x;
}
BG_FN float bg_warp_sum_bf16(float x) {
  for (int m = 16; m; m /= 2)
    x = bg_bf16(x + __shfl_xor_sync(BG_ALL, x, m));
  return x;
}
// Of 0 and -0 each lane may keep another: lane 0 says which.
template <class T> BG_FN T bg_warp_max(T x) {
  for (int m = 16; m; m /= 2)
    x = bg_max(x, __shfl_xor_sync(BG_ALL, x, m));
  return __shfl_sync(BG_ALL, x, 0);
}
template <class T> BG_FN T bg_warp_min(T x) {
  for (int m = 16; m; m /= 2)
    x = bg_min(x, __shfl_xor_sync(BG_ALL, x, m));
  return __shfl_sync(BG_ALL, x, 0);
}

#ifdef BG_SHIM
#define BG_UNROLL
#else
#define BG_UNROLL _Pragma("unroll")
#endif

// ---- over the threads of a block of so many warps, likewise

extern __shared__ __align__(1024) float bg_shared[];

// What the threads of this one's lane in the warps have: of warp lane % warps.
template <int warps, class T> BG_FN T bg_of_warp(T x) {
  T *all = (T *)bg_shared;
  __syncthreads(); // what was there has been read
  if (bg_lane() == 0)
    all[threadIdx.x / 32] = x;
  __syncthreads();
  return all[bg_lane() % warps];
}
template <int warps, class T> BG_FN T bg_block_sum(T x) {
  return bg_warp_sum(bg_of_warp<warps>(bg_warp_sum(x)), warps);
}
template <int warps, class T> BG_FN T bg_block_max(T x) {
  return bg_warp_max(bg_of_warp<warps>(bg_warp_max(x)));
}
template <int warps, class T> BG_FN T bg_block_min(T x) {
  return bg_warp_min(bg_of_warp<warps>(bg_warp_min(x)));
}

// ---- elements of a vector loop, in registers: a lane has groups of neighbours, those of the `crew` lanes
// one after the other

// How far behind its first element a lane's element e lies.
template <int crew, int group> BG_FN int bg_at(int e) {
  return e / group * (crew * group) + e % group;
}
// The same value, of which the compiler does not know it: what was computed from it in an earlier pass is
// computed again, as it would not find room in registers.
template <class T> BG_FN T bg_again(T x) {
  return x;
}
#ifndef BG_SHIM
BG_FN float bg_again(float x) {
  asm volatile("" : "+f"(x));
  return x;
}
BG_FN double bg_again(double x) {
  asm volatile("" : "+d"(x));
  return x;
}
#endif
template <class T, int n> struct __align__(sizeof(T) * n) bg_group {
  T v[n];
};
// Do whole pieces of n elements lie at p, of `end` elements?
template <int n, class T> BG_FN bool bg_in_pieces(const T *p, long long end) {
  return (unsigned long long)p % (sizeof(T) * n) == 0 && end % n == 0;
}
template <class T> BG_FN T bg_element(T x) {
  return x;
}
BG_FN float bg_element(unsigned short x) {
  return bg_from_bf16(x);
}
template <int crew, int group, int piece, class E, int n, class T, class I>
BG_FN void bg_take_pieces(E (&to)[n], const T *from, I first, I end) {
  BG_UNROLL for (int e = 0; e < n; e += piece) {
    const I at = first + bg_at<crew, group>(e);
    bg_group<T, piece> x = {};
    if (at < end)
      x = *(const bg_group<T, piece> *)(from + at);
    BG_UNROLL for (int i = 0; i < piece; i++) to[e + i] = bg_element(x.v[i]);
  }
}
template <int crew, int group, int piece, class T, int n, class I>
BG_FN void bg_give_pieces(T *to, const T (&from)[n], I first, I end) {
  BG_UNROLL for (int e = 0; e < n; e += piece) {
    const I at = first + bg_at<crew, group>(e);
    bg_group<T, piece> x;
    BG_UNROLL for (int i = 0; i < piece; i++) x.v[i] = from[e + i];
    if (at < end)
      *(bg_group<T, piece> *)(to + at) = x;
  }
}
// The lane's elements of from[0 .. end), whose first is `first`; what lies behind the end is 0.  In whole
// groups, where the address allows it, or in pieces of so many elements.
template <int crew, int group, int less, class E, int n, class T, class I>
BG_FN void bg_take(E (&to)[n], const T *from, I first, I end) {
  if (bg_in_pieces<group>(from, end))
    bg_take_pieces<crew, group, group>(to, from, first, end);
  else if (less > 1 && less < group && bg_in_pieces<less>(from, end))
    bg_take_pieces<crew, group, less>(to, from, first, end);
  else
    bg_take_pieces<crew, group, 1>(to, from, first, end);
}
// The other way; stores nothing behind the end.
template <int crew, int group, int less, class T, int n, class I>
BG_FN void bg_give(T *to, const T (&from)[n], I first, I end) {
  if (bg_in_pieces<group>(to, end))
    bg_give_pieces<crew, group, group>(to, from, first, end);
  else if (less > 1 && less < group && bg_in_pieces<less>(to, end))
    bg_give_pieces<crew, group, less>(to, from, first, end);
  else
    bg_give_pieces<crew, group, 1>(to, from, first, end);
}

// ---- products: sum + a[k * ak] * b[k * bk] over k, in runs of 128

// An operand's element is what is loaded, or what a function makes of that, rounded to bf16.
struct bg_same {};
BG_FN float bg_first(float x, bg_same) {
  return x;
}
template <class First> BG_FN float bg_first(float x, First first) {
  return bg_bf16(first(x));
}

template <class T, class A, class B, class FA = bg_same, class FB = bg_same>
BG_FN T bg_product(T sum, const A *a, long long ak, const B *b, long long bk, long long K,
                   FA first_a = FA(), FB first_b = FB()) {
  for (long long k = 0; k < K;) {
    float run = 0.0f;
    for (long long end = bg_least(k + 128, K); k < end; k++)
      run = __fmaf_rn(bg_first(bg_read(a + k * ak), first_a),
                      bg_first(bg_read(b + k * bk), first_b), run);
    sum += run;
  }
  return sum;
}

// ---- products by a block: 64 or 128 (`side`) rows and columns at most, in blocks of 16 or 8 k (`deep`)

// A stage: by k, then by row or column.
template <int side, int deep> struct bg_stage {
  enum { ROW = side + 4, SIZE = deep * ROW, PIECES = side * deep / 256 };

  // Where the thread's piece i lies: neighbours are along k, or along the rows.
  template <bool along_k> static BG_FN int k(int i) {
    return (int)(along_k ? threadIdx.x % deep : threadIdx.x / side + 256 / side * i);
  }
  template <bool along_k> static BG_FN int row(int i) {
    return (int)(along_k ? threadIdx.x / deep + 256 / deep * i : threadIdx.x % side);
  }
  // The thread's pieces of x[row * xr + k * xk]; what lies outside is 0.
  template <bool along_k, class X>
  static BG_FN void fetch(float (&v)[PIECES], const X *x, long long xr, long long xk,
                          long long rows, long long ks) {
    BG_UNROLL for (int i = 0; i < PIECES; i++) {
      const int r = row<along_k>(i), at = k<along_k>(i);
      v[i] = r < rows && at < ks ? bg_read(x + (r * xr + at * xk)) : 0.0f;
    }
  }
  template <bool along_k> static BG_FN void put(float *stage, const float (&v)[PIECES]) {
    BG_UNROLL for (int i = 0; i < PIECES; i++) stage[k<along_k>(i) * ROW + row<along_k>(i)] = v[i];
  }
};
// A thread has 4 x 4 elements of each 64 x 64.
template <int side, int deep>
BG_FN void bg_multiply(float (&sum)[side / 16][side / 16], const float *a, const float *b) {
  enum { MANY = side / 16, ROW = bg_stage<side, deep>::ROW };
  BG_UNROLL for (int k = 0; k < deep; k++) {
    float row[MANY], column[MANY];
    BG_UNROLL for (int i = 0; i < MANY; i += 4) {
      const float4 x = *(const float4 *)(a + k * ROW + 16 * i),
                   y = *(const float4 *)(b + k * ROW + 16 * i);
      row[i] = x.x, row[i + 1] = x.y, row[i + 2] = x.z, row[i + 3] = x.w;
      column[i] = y.x, column[i + 1] = y.y, column[i + 2] = y.z, column[i + 3] = y.w;
    }
    BG_UNROLL for (int i = 0; i < MANY * MANY; i++) sum[i / MANY][i % MANY] =
        __fmaf_rn(row[i / MANY], column[i % MANY], sum[i / MANY][i % MANY]);
  }
}
// Puts the thread's sums where the result is, or adds them to what it has put there.
template <int side, class Sum> BG_FN void bg_store_sums(const Sum &sum, int m, int n, bool add) {
  BG_UNROLL for (int i = 0; i < side / 16; i++) BG_UNROLL for (int j = 0; j < side / 16; j += 4) {
    float4 *to = (float4 *)(bg_shared + side * (m + i / 4 * 64 + i % 4) + n + 16 * j);
    float4 x = make_float4((float)sum[i][j], (float)sum[i][j + 1], (float)sum[i][j + 2],
                           (float)sum[i][j + 3]);
    if (add)
      x = make_float4(to->x + x.x, to->y + x.y, to->z + x.z, to->w + x.w);
    *to = x;
  }
}
// bg_shared[64 * m + n] = the sum of a[m * am + k * ak] * b[n * bn + k * bk] over k, in runs of 128 as
// bg_product: for all threads, when it returns.
template <class T, bool a_along_k, bool b_along_k, class A, class B>
BG_FN void bg_tile(const A *a, long long am, long long ak, const B *b, long long bn, long long bk,
                   long long M, long long N, long long K) {
  typedef bg_stage<64, 16> Stage;
  const int warp = (int)threadIdx.x / 32, lane = bg_lane();
  const int m = 16 * (warp / 2) + 4 * (lane / 8), n = 32 * (warp % 2) + 4 * (lane % 8);
  float x[4], y[4], run[4][4] = {}, *stage = bg_shared;
  T sum[4][4] = {};
  Stage::fetch<a_along_k>(x, a, am, ak, M, K);
  Stage::fetch<b_along_k>(y, b, bn, bk, N, K);
  __syncthreads(); // what was there has been read
  for (long long k = 16;; k += 16) {
    Stage::put<a_along_k>(stage, x);
    Stage::put<b_along_k>(stage + Stage::SIZE, y);
    __syncthreads(); // and the other stage has been used
    if (k < K) {
      Stage::fetch<a_along_k>(x, a + k * ak, am, ak, M, K - k);
      Stage::fetch<b_along_k>(y, b + k * bk, bn, bk, N, K - k);
    }
    if (m < M && n < N)
      bg_multiply<64, 16>(run, stage + m, stage + Stage::SIZE + n);
    if (k % 128 == 0 || k >= K)
      BG_UNROLL for (int i = 0; i < 16; i++) {
        sum[i / 4][i % 4] += run[i / 4][i % 4];
        run[i / 4][i % 4] = 0.0f;
      }
    if (k >= K)
      break;
    stage = bg_shared + (stage == bg_shared ? 2 * Stage::SIZE : 0);
  }
  __syncthreads();
  bg_store_sums<64>(sum, m, n, false);
  __syncthreads();
}
// The same of 128 rows and columns, in runs of 512, whose sums are added up where the result will be.
template <bool a_along_k, bool b_along_k, class A, class B>
BG_FN void bg_wide_tile(const A *a, long long am, long long ak, const B *b, long long bn,
                        long long bk, long long M, long long N, long long K) {
  typedef bg_stage<128, 8> Stage;
  const int warp = (int)threadIdx.x / 32, lane = bg_lane();
  const int m = 16 * (warp / 2) + 4 * (lane / 8), n = 32 * (warp % 2) + 4 * (lane % 8);
  float *const stages = bg_shared + 128 * 128;
  float x[4], y[4], run[8][8] = {}, *stage = stages;
  Stage::fetch<a_along_k>(x, a, am, ak, M, K);
  Stage::fetch<b_along_k>(y, b, bn, bk, N, K);
  for (long long k = 8;; k += 8) {
    Stage::put<a_along_k>(stage, x);
    Stage::put<b_along_k>(stage + Stage::SIZE, y);
    __syncthreads(); // and the other stage has been used, and all that was there
    if (k < K) {
      Stage::fetch<a_along_k>(x, a + k * ak, am, ak, M, K - k);
      Stage::fetch<b_along_k>(y, b + k * bk, bn, bk, N, K - k);
    }
    bg_multiply<128, 8>(run, stage + m, stage + Stage::SIZE + n);
    if (k % 512 == 0 || k >= K) {
      bg_store_sums<128>(run, m, n, k > 512);
      BG_UNROLL for (int i = 0; i < 64; i++) run[i / 8][i % 8] = 0.0f;
    }
    if (k >= K)
      break;
    stage = stages + (stage == stages ? 2 * Stage::SIZE : 0);
  }
  __syncthreads();
}
// The sum of column threadIdx.x of `columns`, from those of the threads that had its rows.
template <int columns> BG_FN float bg_column(int number) {
  const float *x = bg_shared + 256 * number + threadIdx.x;
  return columns == 128 ? x[0] + x[128] : x[0] + x[64] + (x[128] + x[192]);
}

// The sum of a tile's sums whose row - column is `diagonal`; in bg_shared rows are `row` floats apart.
template <int row> BG_FN float bg_diagonal(long long diagonal, long long M, long long N) {
  float sum = 0.0f;
  for (int m = 0; m < (int)M; m++) {
    const int n = m - (int)diagonal;
    if (n >= 0 && n < (int)N)
      sum += bg_shared[row * m + n];
  }
  return sum;
}

// ---- rows of src as columns of panels of dst, `width` wide; the last panel is filled with zeros

template <class X>
BG_FN void bg_transpose(float *dst, long long panel, long long column, long long width,
                        const X *src, long long row, long long rows, long long columns) {
  for (long long r = 0; r < (rows + width - 1) / width * width; r++)
    for (long long c = bg_lane(); c < columns; c += 32)
      dst[r / width * panel + c * column + r % width] =
          r < rows ? bg_read(src + (r * row + c)) : 0.0f;
}

// ---- numbers that are another in each call, for kernels that are launched alike: the host's, into memory

struct bg_words_frame {
  unsigned long long *to;
  long long n;
  unsigned long long word[64];
};
extern "C" __global__ void __launch_bounds__(256) bg_words(const bg_words_frame f) {
  if (threadIdx.x < f.n)
    f.to[threadIdx.x] = f.word[threadIdx.x];
}

// ---- what the host would decide between the gradients of a training step and its update: see DeviceVerdict in runtime/exec/device.h

struct bg_decide_frame {
  const float *loss;
  const double *sum;
  long long n;
  const double *clip;
  unsigned long long *out;
};
extern "C" __global__ void __launch_bounds__(32) bg_decide(const bg_decide_frame f) {
  if (threadIdx.x)
    return;
  double sum = 0.0;
  for (long long i = 0; i < f.n; i++)
    sum += f.sum[i];
  const double norm = sqrt(sum), clip = *f.clip;
  const bool go = fabsf(*f.loss) <= 3.4028234663852886e38f && norm <= 1.7976931348623157e308;
  f.out[0] = __float_as_uint(clip > 0.0 && norm > clip ? (float)(clip / norm) : 1.0f);
  f.out[1] = go;
  f.out[2] = __float_as_uint(*f.loss);
  f.out[3] = (unsigned long long)__double_as_longlong(norm);
}
