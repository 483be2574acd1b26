// ---- products of bf16 by a block, on tensor cores by wgmma from copies of boxes (TMA, sm_90a): 128 rows and columns, in steps of
// 64 k.  A block has nine warps: the last one copies, through a ring of stages, and eight multiply; neither waits for more than
// it needs.  Two such blocks have room on a multiprocessor, so that one multiplies while the other has its epilogue: the nine warps
// have 96 registers then.  To shift registers to the eight (setmaxnreg) takes whole groups of four warps, so three more for the
// copies, and two blocks of twelve could give the eight 104: not worth three warps.
// An element's sum is the one of bg_wgmma_tile.

enum { BG_TMA_CREW = 256 }; // threads that multiply

#if defined(BG_SHIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
enum { BG_TMA_THREADS = BG_TMA_CREW + 32, BG_TMA_BLOCKS = 2 };

// Of frames in global memory, which the host fills anew when tensors move: the GPU may still have the maps from before.
BG_FN const bg_tensor_map *bg_tma_maps(const bg_tensor_map *map) {
  if (threadIdx.x == BG_TMA_CREW) {
    bg_map_acquire(map);
    bg_map_acquire(map + 1);
  }
  return map;
}

// Barriers behind the stages: a stage is full when its bytes have come, and empty when all eight warps have multiplied it.
struct bg_tma_ring {
  enum { STAGES = bg_wgmma_step::STAGES, BYTES = 2 * bg_wgmma_step::STAGE };
  unsigned long long full[STAGES], empty[STAGES];
  static BG_FN bg_tma_ring *get() {
    return (bg_tma_ring *)((unsigned char *)bg_shared + STAGES * BYTES);
  }
  BG_FN void begin() {
    for (int i = 0; i < STAGES; i++) {
      bg_mbarrier_init(full + i, 1);
      bg_mbarrier_init(empty + i, BG_TMA_CREW / 32);
    }
    bg_mbarrier_fence();
  }
  BG_FN void end() {
    for (int i = 0; i < STAGES; i++) {
      bg_mbarrier_end(full + i);
      bg_mbarrier_end(empty + i);
    }
  }
};
// Where one is in the ring: the stage, and how often the ring was gone round, whether even.
struct bg_tma_place {
  int stage;
  unsigned parity;
  BG_FN void next() {
    if (++stage == bg_tma_ring::STAGES)
      stage = 0, parity ^= 1;
  }
};

// An operand's part of a step: 64 k of the 128 rows from `row` on, as bg_wgmma_step has them.
template <bool along_k>
BG_FN void bg_tma_fetch(unsigned short *to, const bg_tensor_map *map, int row, int k, int plane,
                        unsigned long long *full) {
  enum { DEEP = bg_wgmma_step::DEEP };
  if (along_k) {
    bg_tma_load_3(to, map, k, row, plane, full);
  } else {
    bg_tma_load_3(to, map, row, k, plane, full);
    bg_tma_load_3(to + 64 * DEEP, map, row + 64, k, plane, full);
  }
}

// All steps' copies, by one thread.  What is not there, behind the last row or the last k, comes as 0.
template <bool a_along_k, bool b_along_k>
BG_FN void bg_tma_copy(const bg_tensor_map *map, int m, int a_plane, int n, int b_plane,
                       int steps) {
  typedef bg_wgmma_step Step;
  bg_tma_ring *ring = bg_tma_ring::get();
  bg_tma_place at = {0, 0};
  for (int s = 0; s < steps; s++, at.next()) {
    unsigned short *stage = (unsigned short *)bg_shared + at.stage * Step::STAGE;
    bg_mbarrier_wait(ring->empty + at.stage, at.parity ^ 1);
    bg_mbarrier_expect(ring->full + at.stage, bg_tma_ring::BYTES);
    bg_tma_fetch<a_along_k>(stage, map, m, s * Step::DEEP, a_plane, ring->full + at.stage);
    bg_tma_fetch<b_along_k>(stage + 128 * Step::DEEP, map + 1, n, s * Step::DEEP, b_plane,
                            ring->full + at.stage);
  }
}

// The products of a step are under way while the next one is waited for; then its stage is handed back.
template <bool a_along_k, bool b_along_k> BG_FN void bg_tma_walk(float (&sum)[64], int steps) {
  typedef bg_wgmma_step Step;
  bg_tma_ring *ring = bg_tma_ring::get();
  const int row = (int)threadIdx.x / 128 * 64;
  bg_tma_place at = {0, 0};
  for (int s = 0, before = 0; s < steps; s++, before = at.stage, at.next()) {
    unsigned short *now = (unsigned short *)bg_shared + at.stage * Step::STAGE;
    bg_mbarrier_wait(ring->full + at.stage, at.parity);
    bg_wgmma_fence();
    BG_UNROLL for (int k = 0; k < Step::DEEP; k += 16) bg_wgmma_128<!a_along_k, !b_along_k>(
        sum, bg_wgmma_rows<a_along_k>(now, row, k),
        bg_wgmma_rows<b_along_k>(now + 128 * Step::DEEP, 0, k));
    bg_wgmma_commit();
    bg_wgmma_wait<1>();
    if (s && bg_lane() == 0)
      bg_mbarrier_arrive(ring->empty + before);
  }
  bg_wgmma_wait<0>();
}

// Without maps, which the host can make but for operands at odd addresses: slowly, and with few registers.
BG_FN void bg_tma_without(const unsigned short *a, long long am, long long ak,
                          const unsigned short *b, long long bn, long long bk, long long M,
                          long long N, long long K) {
  for (int i = (int)threadIdx.x; i < 128 * 128; i += BG_TMA_CREW) {
    const int m = i / 128, n = i % 128;
    float sum = 0.0f;
    if (m < M && n < N)
      for (long long k = 0; k < K; k++)
        sum = __fmaf_rn(bg_from_bf16(a[m * am + k * ak]), bg_from_bf16(b[n * bn + k * bk]), sum);
    bg_shared[m * 136 + n] = sum;
  }
}

// As bg_wgmma_tile, of maps of both operands where there are any: row m (n) of a plane is their first.
template <bool a_along_k, bool b_along_k>
BG_FN void bg_tma_tile(unsigned long long mapped, const bg_tensor_map *map, int m, int a_plane,
                       int n, int b_plane, const unsigned short *a, long long am, long long ak,
                       const unsigned short *b, long long bn, long long bk, long long M,
                       long long N, long long K) {
  const int steps = (int)((K + bg_wgmma_step::DEEP - 1) / bg_wgmma_step::DEEP);
  const int thread = (int)threadIdx.x;
  bg_tma_ring *ring = bg_tma_ring::get();
  if (thread == 0)
    ring->begin();
  bg_wgmma_stored(); // sums, which copies overwrite
  __syncthreads();   // what was there has been read, and all know the barriers
  if (!mapped) {
    if (thread < BG_TMA_CREW)
      bg_tma_without(a, am, ak, b, bn, bk, M, N, K);
  } else if (thread < BG_TMA_CREW) {
    float sum[64] = {};
    bg_tma_walk<a_along_k, b_along_k>(sum, steps);
    bg_barrier(1, BG_TMA_CREW); // all have multiplied what the sums overwrite
    bg_wgmma_store(sum);
  } else if (thread == BG_TMA_CREW) {
    bg_tma_copy<a_along_k, b_along_k>(map, m, a_plane, n, b_plane, steps);
  }
  __syncthreads();
  if (threadIdx.x == 0)
    ring->end();
}
#else
enum { BG_TMA_THREADS = BG_TMA_CREW, BG_TMA_BLOCKS = 1 }; // nobody copies

BG_FN const bg_tensor_map *bg_tma_maps(const bg_tensor_map *map) {
  return map;
}
template <bool a_along_k, bool b_along_k>
BG_FN void bg_tma_tile(unsigned long long mapped, const bg_tensor_map *map, int m, int a_plane,
                       int n, int b_plane, const unsigned short *a, long long am, long long ak,
                       const unsigned short *b, long long bn, long long bk, long long M,
                       long long N, long long K) {
  (void)mapped, (void)map, (void)m, (void)a_plane, (void)n, (void)b_plane;
  bg_wgmma_tile<a_along_k, b_along_k>(a, am, ak, b, bn, bk, M, N, K);
}
#endif
