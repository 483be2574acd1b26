// Device functions for what CUDA C++ has no name for: tensor cores and asynchronous copies.  The text goes in front of
// printed kernels, so it includes nothing (NVRTC has no headers).  Each function stands here twice, side by side: as
// PTX, and as what tests/cuda/shim.h, which defines BG_SHIM, does for it on the CPU.
#ifndef BG_CUDA_DEVICE_H
#define BG_CUDA_DEVICE_H
#define BG_DEVICE __device__ __forceinline__
#ifdef BG_SHIM
#define BG_DO(shim, ...) shim
#define BG_ALONE const char *file = __builtin_FILE(), int line = __builtin_LINE() // of the call
#define BG_AT , BG_ALONE
#else
#define BG_DO(shim, ...) asm volatile(__VA_ARGS__)
#define BG_ALONE
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
// ---- barriers in shared memory that also count bytes of copies (sm_90); each is 8 bytes at a multiple of 8
// A phase of the barrier ends when `count` arrivals and all expected bytes have come.  After it is initialised: the fence,
// then __syncthreads.
BG_DEVICE void bg_mbarrier_init(unsigned long long *bar, int count BG_AT) {
  BG_DO(shim::mbarrier_init({"bg_mbarrier_init", file, line}, bar, count),
        "mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bg_shared_address(bar)),
        "r"(count) : "memory");
}
BG_DEVICE void bg_mbarrier_fence() {
  BG_DO((void)0, "fence.mbarrier_init.release.cluster;" :: : "memory");
}
BG_DEVICE void bg_mbarrier_arrive(unsigned long long *bar BG_AT) {
  BG_DO(shim::mbarrier_arrive({"bg_mbarrier_arrive", file, line}, bar, 0),
        "mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(
            bg_shared_address(bar)) : "memory");
}
// Arrives, and `bytes` more are to come in this phase.
BG_DEVICE void bg_mbarrier_expect(unsigned long long *bar, int bytes BG_AT) {
  BG_DO(shim::mbarrier_arrive({"bg_mbarrier_expect", file, line}, bar, bytes),
        "mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(
            bg_shared_address(bar)),
        "r"(bytes) : "memory");
}
// It is no barrier any more; none of its phases is under way.
BG_DEVICE void bg_mbarrier_end(unsigned long long *bar BG_AT) {
  BG_DO(shim::mbarrier_end({"bg_mbarrier_end", file, line}, bar),
        "mbarrier.inval.shared::cta.b64 [%0];" ::"r"(bg_shared_address(bar)) : "memory");
}
// Waits for the end of the phase of that parity: phase 0 has 0, and before its end phase 1 counts as ended.
BG_DEVICE void bg_mbarrier_wait(unsigned long long *bar, unsigned parity BG_AT) {
  unsigned done;
  do
    BG_DO((shim::mbarrier_wait({"bg_mbarrier_wait", file, line}, bar, parity), done = 1),
          "{\n.reg .pred p;\n"
          "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;\n"
          "selp.u32 %0, 1, 0, p;\n}" : "=r"(done) : "r"(bg_shared_address(bar)),
          "r"(parity) : "memory");
  while (!done);
}

// ---- copies of boxes of a matrix to shared memory by one thread (TMA, sm_90)
// Made by the host (cuTensorMapEncodeTiled): tensor, box, and how 16-byte pieces are swizzled.  A kernel's struct has it at a
// multiple of 128 bytes; the shim's structs as a whole lie at multiples of 8.
#ifndef BG_SHIM
#define BG_MAP_ALIGN __align__(128)
#else
#define BG_MAP_ALIGN
#endif
struct BG_MAP_ALIGN bg_tensor_map {
  unsigned char opaque[128];
};
// Before the thread copies by a map that lies in global memory, where the host has put it.
BG_DEVICE void bg_map_acquire(const bg_tensor_map *map) {
  BG_DO((void)map, "fence.proxy.tensormap::generic.acquire.sys [%0], 128;" ::"l"(map) : "memory");
}
// The box at column x, row y comes to `to`, at a multiple of 128 bytes; what lies outside of the matrix is 0.  The bytes of
// the whole box are counted by `bar`; until its phase has ended `to` has no value.
BG_DEVICE void bg_tma_load(void *to, const bg_tensor_map *map, int x, int y,
                           unsigned long long *bar BG_AT) {
  BG_DO(shim::tma_load({"bg_tma_load", file, line}, to, map, x, y, 0, bar),
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%2, %3}], [%4];" ::"r"(bg_shared_address(to)),
        "l"(map), "r"(x), "r"(y), "r"(bg_shared_address(bar)) : "memory");
}
// The same of plane z of a tensor of three dimensions.
BG_DEVICE void bg_tma_load_3(void *to, const bg_tensor_map *map, int x, int y, int z,
                             unsigned long long *bar BG_AT) {
  BG_DO(shim::tma_load({"bg_tma_load_3", file, line}, to, map, x, y, z, bar),
        "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(bg_shared_address(to)),
        "l"(map), "r"(x), "r"(y), "r"(z), "r"(bg_shared_address(bar)) : "memory");
}

// ---- products by the four warps of a group, from shared memory (sm_90a)
// Names a matrix of bf16 to bg_wgmma: rows of 64 along k (128 bytes), swizzled by 128 bytes, eight rows each 1024 bytes.
// p lies at a multiple of 1024 bytes, and 32 bytes on for each step of 16 along k.
BG_DEVICE unsigned long long bg_wgmma_matrix(const void *p) {
#ifdef BG_SHIM
  unsigned long long address = (unsigned long long)((const unsigned char *)p - shim_shared);
#else
  unsigned long long address = bg_shared_address(p);
#endif
  return (address & 0x3ffff) >> 4 | 1ull << 16 | (1024ull >> 4) << 32 | 1ull << 62;
}
// The same where rows lie along the matrix's rows (or columns): 64 of them for each k, the next 64 `next` bytes on; p lies 2048
// bytes on for each step of 16 along k.
BG_DEVICE unsigned long long bg_wgmma_matrix_across(const void *p, int next) {
  return (bg_wgmma_matrix(p) & ~(0x3fffull << 16)) | (unsigned long long)(next >> 4) << 16;
}
// Between what a thread, or a copy of its that it has waited for, has stored, and products that read it; then a barrier.
BG_DEVICE void bg_wgmma_stored() {
  BG_DO((void)0, "fence.proxy.async.shared::cta;" :: : "memory");
}
// Before the first product, and after registers of d were written.
BG_DEVICE void bg_wgmma_fence() {
  BG_DO((void)0, "wgmma.fence.sync.aligned;" :: : "memory");
}
// The products since the last group become one.
BG_DEVICE void bg_wgmma_commit(BG_ALONE) {
  BG_DO(shim::wgmma_commit({"bg_wgmma_commit", file, line}),
        "wgmma.commit_group.sync.aligned;" :: : "memory");
}
// Waits until no more than the latest `groups` are under way; until then d has no value.
template <int groups> BG_DEVICE void bg_wgmma_wait(BG_ALONE) {
  BG_DO(shim::wgmma_wait({"bg_wgmma_wait", file, line}, groups),
        "wgmma.wait_group.sync.aligned %0;" ::"n"(groups) : "memory");
}

// d += a b of m = 64, k = 16: a is 64 x 16, b is N x 16 (its columns by k).  Warp w of the group has rows 16 w.., and of each 8
// columns c[4 i ..] as bg_mma_16816 has them.  a_across, b_across: the matrix is one of bg_wgmma_matrix_across.
#define BG_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define BG_16(d, i) BG_4(d, i), BG_4(d, i + 4), BG_4(d, i + 8), BG_4(d, i + 12)
#define BG_32(d, i) BG_16(d, i), BG_16(d, i + 16)
#define BG_64(d, i) BG_32(d, i), BG_32(d, i + 32)
#define BG_128(d, i) BG_64(d, i), BG_64(d, i + 64)
#define BG_WGMMA(N, HALF, registers, matrices)                                                     \
  template <int a_across = 0, int b_across = 0>                                                    \
  BG_DEVICE void bg_wgmma_##N(float(&d)[HALF], unsigned long long a, unsigned long long b BG_AT) { \
    BG_DO((shim::wgmma<N>({"bg_wgmma_" #N, file, line}, d, a, b, a_across, b_across)),             \
          "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" registers                   \
          "}, " matrices : BG_##HALF(d, 0) : "l"(a),                                               \
          "l"(b), "n"(a_across), "n"(b_across) : "memory");                                        \
  }
// clang-format off
#define BG_R32 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define BG_R64 BG_R32 ", " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define BG_R128 BG_R64 ", " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
// clang-format on
BG_WGMMA(64, 32, BG_R32, "%32, %33, 1, 1, 1, %34, %35;")
BG_WGMMA(128, 64, BG_R64, "%64, %65, 1, 1, 1, %66, %67;")
BG_WGMMA(256, 128, BG_R128, "%128, %129, 1, 1, 1, %130, %131;")
#endif
