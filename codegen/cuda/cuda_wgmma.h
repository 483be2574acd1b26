// ---- products of bf16 by a block, on tensor cores by wgmma (sm_90a), else by mma.sync: 128 rows and columns, in steps of 64 k.
// Each half of the block multiplies 64 rows while the copies of the next two steps are under way; of the three stages
// one is read.  An element's sum is one chain in float32, by steps of 16 k in their order.

#if defined(BG_SHIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
struct bg_wgmma_step {
  enum { DEEP = 64, STAGES = 3, STAGE = 2 * 128 * DEEP };
  template <bool along_k, int rows>
  static BG_FN unsigned short *at(unsigned short *stage, int line, int piece) {
    return along_k ? stage + line * DEEP + (piece ^ line % 8) * 8
                   : stage + piece / 8 * 64 * DEEP + line * 64 + (piece % 8 ^ line % 8) * 8;
  }
  // The copies of step s, if there is one, as a group.
  template <class A, class B> static BG_FN void fetch(A &a, B &b, int s, int steps, long long K) {
    unsigned short *stage = (unsigned short *)bg_shared + s % STAGES * STAGE;
    if (s < steps) {
      a.template fetch<true>(stage, K - (long long)s * DEEP);
      b.template fetch<true>(stage + 128 * DEEP, K - (long long)s * DEEP);
    }
    bg_cp_async_commit();
  }
};

// 16 k of an operand's rows from `row` on, a multiple of 64.
template <bool along_k> BG_FN unsigned long long bg_wgmma_rows(unsigned short *x, int row, int k) {
  enum { DEEP = bg_wgmma_step::DEEP };
  return along_k ? bg_wgmma_matrix(x + row * DEEP + k)
                 : bg_wgmma_matrix_across(x + row * DEEP + k * 64, 64 * DEEP * 2);
}

template <bool a_along_k, bool b_along_k>
BG_FN void bg_wgmma_walk(float (&sum)[64], bg_mma_operand<bg_wgmma_step, a_along_k, 128> a,
                         bg_mma_operand<bg_wgmma_step, b_along_k, 128> b, long long K) {
  typedef bg_wgmma_step Step;
  const int steps = (int)((K + Step::DEEP - 1) / Step::DEEP), row = (int)threadIdx.x / 128 * 64;
  BG_UNROLL for (int s = 0; s < Step::STAGES - 1; s++) Step::fetch(a, b, s, steps, K);
  for (int s = 0; s < steps; s++) {
    unsigned short *now = (unsigned short *)bg_shared + s % Step::STAGES * Step::STAGE;
    bg_cp_async_wait<Step::STAGES - 2>();
    bg_wgmma_stored();
    __syncthreads(); // step s is there, and the stage of the one before has been used
    bg_wgmma_fence();
    BG_UNROLL for (int k = 0; k < Step::DEEP; k += 16) bg_wgmma_128<!a_along_k, !b_along_k>(
        sum, bg_wgmma_rows<a_along_k>(now, row, k),
        bg_wgmma_rows<b_along_k>(now + 128 * Step::DEEP, 0, k));
    bg_wgmma_commit();
    Step::fetch(a, b, s + Step::STAGES - 1, steps, K);
    bg_wgmma_wait<0>();
  }
}

// The thread's sums, to bg_shared in rows of 136.
BG_FN void bg_wgmma_store(const float (&sum)[64]) {
  const int warp = (int)threadIdx.x / 32, lane = bg_lane();
  BG_UNROLL for (int i = 0; i < 32; i++) *
      (float2 *)(bg_shared + (16 * warp + i % 2 * 8 + lane / 4) * 136 + i / 2 * 8 +
                 2 * (lane % 4)) = make_float2(sum[2 * i], sum[2 * i + 1]);
}

// As bg_mma_tile, which does it where pieces cannot be copied as they are.
template <bool a_along_k, bool b_along_k>
BG_FN void bg_wgmma_tile(const unsigned short *a, long long am, long long ak,
                         const unsigned short *b, long long bn, long long bk, long long M,
                         long long N, long long K) {
  if (!bg_mma_whole(a, a_along_k ? ak : am, a_along_k ? am : ak) ||
      !bg_mma_whole(b, b_along_k ? bk : bn, b_along_k ? bn : bk)) {
    bg_mma_tile<128, 128, a_along_k, b_along_k>(a, am, ak, b, bn, bk, M, N, K);
    return;
  }
  float sum[64] = {};
  bg_mma_operand<bg_wgmma_step, a_along_k, 128> x;
  bg_mma_operand<bg_wgmma_step, b_along_k, 128> y;
  x.begin(a, am, ak, M);
  y.begin(b, bn, bk, N);
  __syncthreads(); // what was there has been read
  bg_wgmma_walk<a_along_k, b_along_k>(sum, x, y, K);
  __syncthreads();
  bg_wgmma_store(sum);
  __syncthreads();
}
#else
template <bool a_along_k, bool b_along_k>
BG_FN void bg_wgmma_tile(const unsigned short *a, long long am, long long ak,
                         const unsigned short *b, long long bn, long long bk, long long M,
                         long long N, long long K) {
  bg_mma_tile<128, 128, a_along_k, b_along_k>(a, am, ak, b, bn, bk, M, N, K);
}
#endif
