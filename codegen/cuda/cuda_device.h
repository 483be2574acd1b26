// Device functions for what CUDA C++ has no name for: tensor cores and asynchronous copies.  The text goes in front of
// printed kernels, so it includes nothing (NVRTC has no headers).  Each function stands here twice, side by side: as
// PTX, and as what tests/cuda/shim.h, which defines BG_SHIM, does for it on the CPU.
#ifndef BG_CUDA_DEVICE_H
#define BG_CUDA_DEVICE_H
#define BG_DEVICE static __device__ __forceinline__
#ifdef BG_SHIM
#define BG_DO(shim, ...) shim
#define BG_AT , const char *file = __builtin_FILE(), int line = __builtin_LINE() // of the call
#else
#define BG_DO(shim, ...) asm volatile(__VA_ARGS__)
#define BG_AT
BG_DEVICE unsigned bg_shared_address(const void *p) {
  return (unsigned)__cvta_generic_to_shared(p);
}
#endif

// ---- barriers
// Waits until `threads` threads (whole warps) are at barrier `id`, 1 to 15; __syncthreads is barrier 0.
BG_DEVICE void bg_barrier(int id, int threads BG_AT) {
  BG_DO(shim::meet_block({"bg_barrier", file, line}, id, threads), "bar.sync %0, %1;" ::"r"(id),
        "r"(threads) : "memory");
}

// ---- copies from global to shared memory (sm_80)
// 16 bytes, of which `bytes` (0 to 16) are read and the others are 0; both places at multiples of 16.  `to` has no value
// until the thread has waited for the copy's group, for other threads until a barrier after that.
BG_DEVICE void bg_cp_async_16(void *to, const void *from, int bytes BG_AT) {
  BG_DO(shim::copy_16({"bg_cp_async_16", file, line}, to, from, bytes),
        "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(bg_shared_address(to)), "l"(from),
        "r"(bytes) : "memory");
}
// The thread's copies since the last group become one.
BG_DEVICE void bg_cp_async_commit() {
  BG_DO(shim::copy_commit(), "cp.async.commit_group;" :: : "memory");
}
// Waits until no more than the latest `groups` of the thread are under way.
template <int groups> BG_DEVICE void bg_cp_async_wait() {
  BG_DO(shim::copy_wait(groups), "cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

// ---- matrices of 8 x 8 numbers of 16 bits, from shared memory to the registers of a warp (sm_75)
// Lane i names row i % 8 of matrix i / 8: 16 bytes at a multiple of 16.  r[q] of lane i holds elements 2 (i % 4) and the next,
// the first in the low half, of row i / 4 of matrix q; with _trans, of its column i / 4.
BG_DEVICE void bg_ldmatrix_x4(unsigned (&r)[4], const void *row BG_AT) {
  BG_DO(shim::ldmatrix<false>({"bg_ldmatrix_x4", file, line}, r, row),
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]),
        "=r"(r[2]), "=r"(r[3]) : "r"(bg_shared_address(row)) : "memory");
}
BG_DEVICE void bg_ldmatrix_x4_trans(unsigned (&r)[4], const void *row BG_AT) {
  BG_DO(shim::ldmatrix<true>({"bg_ldmatrix_x4_trans", file, line}, r, row),
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]),
        "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(bg_shared_address(row)) : "memory");
}

// ---- c += a b by a warp (sm_80); g = lane / 4, t = lane % 4
// c is 16 x 8 in float32: c[0], c[1] are row g, columns 2t and 2t + 1; c[2], c[3] the same of row g + 8.
// bf16: a is 16 x 16, two of a row in a register: a[0] row g, columns 2t and next; a[1] row g + 8; a[2], a[3] 8 columns on.
// b is 16 x 8, two of a column in a register: b[0] rows 2t and next of column g, b[1] 8 rows on.
BG_DEVICE void bg_mma_16816(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1 BG_AT) {
  BG_DO(shim::mma<16>({"bg_mma_16816", file, line}, c, a, b0, b1),
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};" : "+f"(c[0]),
        "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0),
        "r"(b1));
}
// tf32, numbers from bg_tf32: a is 16 x 8: a[0] row g, column t; a[1] row g + 8; a[2], a[3] 4 columns on.
// b is 8 x 8: b0 is row t of column g, b1 row t + 4.
BG_DEVICE void bg_mma_1688(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1 BG_AT) {
  BG_DO(shim::mma<8>({"bg_mma_1688", file, line}, c, a, b0, b1),
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};" : "+f"(c[0]),
        "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0),
        "r"(b1));
}
// To the nearest number of 10 bits of fraction, ties away from 0; without it tensor cores cut.
BG_DEVICE unsigned bg_tf32(float x) {
  unsigned r;
  BG_DO(r = shim::to_tf32(x), "cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
  return r;
}
#endif
