// k0  <prelude>:37
struct k0_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[2];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k0(const k0_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  const float *const mix_weight_0 = (const float *)f.arg[0];
  unsigned short *const shadow_1 = (unsigned short *)f.arg[1];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, 24); i1++) {
      __syncwarp();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        float r0 = mix_weight_0[(i1 * 24) + i2];
        shadow_1[(i1 * 24) + i2] = bg_to_bf16(bg_bf16(r0));
      }
      __syncwarp();
    }
  }
}

// k1  small.mdl:8
struct k1_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[5];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k1(const k1_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  const int *const ids_0 = (const int *)f.arg[0];
  const float *const word_weight_1 = (const float *)f.arg[1];
  const float *const norm_weight_2 = (const float *)f.arg[2];
  const float *const norm_bias_3 = (const float *)f.arg[3];
  unsigned short *const LayerNorm_4 = (unsigned short *)f.arg[4];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, f.sym[0] * f.sym[1]); i1++) {
      float r0 = 0.0f;
      int r1 = ids_0[i1];
      __syncwarp();
      float r0_lane = 0.0f;
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        float r2 = word_weight_1[i2 + (bg_most(bg_least((long long)r1, 10), 0) * 24)];
        r0_lane = r2 + r0_lane;
      }
      r0 = bg_warp_sum(r0_lane) + r0;
      __syncwarp();
      float r3 = 0.0f;
      float r5 = r0 / 24.0f;
      __syncwarp();
      float r3_lane = 0.0f;
      for (long long i3 = lane; i3 < 24; i3 += 32) {
        float r4 = word_weight_1[i3 + (bg_most(bg_least((long long)r1, 10), 0) * 24)];
        float r6 = r4 - r5;
        r3_lane = __fmaf_rn(r6, r6, r3_lane);
      }
      r3 = bg_warp_sum(r3_lane) + r3;
      __syncwarp();
      float r9 = r3 / 24.0f;
      float r10 = 9.99999996e-13f + r9;
      float r11 = bg_sqrt(r10);
      float r12 = 1.0f / r11;
      __syncwarp();
      for (long long i4 = lane; i4 < 24; i4 += 32) {
        float r7 = word_weight_1[i4 + (bg_most(bg_least((long long)r1, 10), 0) * 24)];
        float r8 = r7 - r5;
        float r13 = bg_bf16(__fmaf_rn(r8 * r12, norm_weight_2[i4], norm_bias_3[i4]));
        LayerNorm_4[(i1 * 24) + i4] = bg_to_bf16(r13);
      }
      __syncwarp();
    }
  }
}

// k2  small.mdl:8
struct k2_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[4];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k2(const k2_frame f) {
  const unsigned short *const LayerNorm_0 = (const unsigned short *)f.arg[0];
  const unsigned short *const shadow_1 = (const unsigned short *)f.arg[1];
  const float *const mix_bias_2 = (const float *)f.arg[2];
  float *const rows_3 = (float *)f.arg[3];
  for (long long task = blockIdx.x; task < f.tasks; task += gridDim.x) {
    const long long i1 = task % ((63 + f.sym[0] * f.sym[1]) / 64);
    const long long i0 = task / ((63 + f.sym[0] * f.sym[1]) / 64);
    const long long n1 = i0 * 64;
    bg_mma_tile<64, 64, true, false>(LayerNorm_0 + (i1 * 1536), 24, 1, shadow_1 + n1, 1, 24, bg_least(64, (f.sym[0] * f.sym[1]) - (i1 * 64)), bg_least(64, 24 - n1), 24);
    const long long i3 = threadIdx.x % 64, rows = i3 < bg_least(64, 24 - (i0 * 64)) ? bg_least(64, (f.sym[0] * f.sym[1]) - (i1 * 64)) : 0;
    for (long long i2 = threadIdx.x / 64; i2 < rows; i2 += 4) {
      const float acc = bg_shared[i2 * 72 + i3];
      float r0 = acc + mix_bias_2[(i0 * 64) + i3];
      rows_3[(((i0 * 64) + (i1 * 1536)) + (i2 * 24)) + i3] = (0.5f * r0) * (1.0f + bg_erf(0.707106769f * r0));
    }
  }
}

// k3  small.mdl:9
struct k3_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[3];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k3(const k3_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  const int *const ids_0 = (const int *)f.arg[0];
  const float *const word_weight_1 = (const float *)f.arg[1];
  float *const rmax_2 = (float *)f.arg[2];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, f.sym[0] * f.sym[1]); i1++) {
      float r0 = -bg_infinity();
      int r1 = ids_0[i1];
      __syncwarp();
      float r0_lane = -bg_infinity();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        r0_lane = bg_max(word_weight_1[i2 + (bg_most(bg_least((long long)r1, 10), 0) * 24)], r0_lane);
      }
      r0 = bg_max(bg_warp_max(r0_lane), r0);
      __syncwarp();
      if (lane == 0) rmax_2[i1] = r0;
      __syncwarp();
    }
  }
}

// k4  small.mdl:9
struct k4_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[2];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k4(const k4_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  const float *const rmax_0 = (const float *)f.arg[0];
  float *const best_1 = (float *)f.arg[1];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 4;
    for (long long i1 = n1; i1 < bg_least(n1 + 4, f.sym[0]); i1++) {
      float r0 = -bg_infinity();
      __syncwarp();
      float r0_lane = -bg_infinity();
      const long long m2 = f.sym[1];
      const float *const p2 = rmax_0 + (i1 * f.sym[1]);
      for (long long j2 = 4 * lane; j2 < m2; j2 += 256) {
        float v2[8];
        bg_take<32, 4, 2>(v2, p2, j2, m2);
        BG_UNROLL for (int e = 0; e < 8; e++) {
          const bool within = j2 + bg_at<32, 4>(e) < m2;
          float r1 = v2[e];
          r0_lane = within ? bg_max(r1, r0_lane) : r0_lane;
        }
      }
      r0 = bg_max(bg_warp_max(r0_lane), r0);
      __syncwarp();
      double r2 = 0.0;
      float r5 = r0;
      for (long long i3 = 0; i3 < (8191 + f.sym[1]) / 8192; i3++) {
        float r3 = 0.0f;
        const long long n3 = i3 * 8192;
        __syncwarp();
        float r3_lane = 0.0f;
        const int m4 = (int)(bg_least(n3 + 8192, f.sym[1]) - n3);
        const float *const p4 = rmax_0 + ((i1 * f.sym[1]) + (i3 * 8192));
        for (int j4 = 4 * lane; j4 < m4; j4 += 256) {
          float v4[8];
          bg_take<32, 4, 2>(v4, p4, j4, m4);
          BG_UNROLL for (int e = 0; e < 8; e++) {
            const bool within = j4 + bg_at<32, 4>(e) < m4;
            float r4 = v4[e];
            float r6 = bg_exp(r4 - r5);
            r3_lane = within ? (r6 + r3_lane) : r3_lane;
          }
        }
        r3 = bg_warp_sum(r3_lane) + r3;
        __syncwarp();
        r2 = (double)r3 + r2;
      }
      __syncwarp();
      const long long m5 = f.sym[1];
      const long long n7 = i1 * f.sym[1];
      const float *const p5 = rmax_0 + n7;
      float *const p6 = best_1 + n7;
      for (long long j5 = 4 * lane; j5 < m5; j5 += 256) {
        float v5[8];
        bg_take<32, 4, 2>(v5, p5, j5, m5);
        float v6[8] = {};
        BG_UNROLL for (int e = 0; e < 8; e++) {
          float r7 = v5[e];
          float r8 = bg_exp(r7 - r5);
          float r9 = r8 / (float)r2;
          v6[e] = r9;
        }
        bg_give<32, 4, 2>(p6, v6, j5, m5);
      }
      __syncwarp();
    }
  }
}

// k5  <prelude>:58
struct k5_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[1];
  long long sym[2];
  unsigned long long scalar[2];
};
extern "C" __global__ void __launch_bounds__(256, 2) k5(const k5_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  float *const word_weight_0 = (float *)f.arg[0];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, 11); i1++) {
      __syncwarp();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        const long long n2 = (i1 * 24) + i2;
        float r0 = 0.0199999996f * (bg_sqrt((-2.0f) * bg_log(bg_random(f.scalar[0], n2))) * bg_cos(6.28318548f * bg_random(f.scalar[1], n2)));
        word_weight_0[(i1 * 24) + i2] = r0;
      }
      __syncwarp();
    }
  }
}

// k6
struct k6_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[1];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k6(const k6_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  float *const const_0 = (float *)f.arg[0];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, 1); i1++) {
      __syncwarp();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        const_0[i2] = 1.0f;
      }
      __syncwarp();
    }
  }
}

// k7
struct k7_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[1];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k7(const k7_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  float *const const_0 = (float *)f.arg[0];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, 1); i1++) {
      __syncwarp();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        const_0[i2] = 0.0f;
      }
      __syncwarp();
    }
  }
}

// k8  <prelude>:37
struct k8_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[1];
  long long sym[2];
  unsigned long long scalar[2];
};
extern "C" __global__ void __launch_bounds__(256, 2) k8(const k8_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  float *const mix_weight_0 = (float *)f.arg[0];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, 24); i1++) {
      __syncwarp();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        const long long n2 = (i1 * 24) + i2;
        float r0 = 0.0199999996f * (bg_sqrt((-2.0f) * bg_log(bg_random(f.scalar[0], n2))) * bg_cos(6.28318548f * bg_random(f.scalar[1], n2)));
        mix_weight_0[(i1 * 24) + i2] = r0;
      }
      __syncwarp();
    }
  }
}

// k9
struct k9_frame {
  long long tasks, stride;
  char *scratch;
  void *arg[2];
  long long sym[2];
  unsigned long long scalar[1];
};
extern "C" __global__ void __launch_bounds__(256, 2) k9(const k9_frame f) {
  const int lane = (int)(threadIdx.x % 32);
  const long long warp = bg_warp(), warps = bg_warps();
  const float *const const_0 = (const float *)f.arg[0];
  float *const norm_weight_1 = (float *)f.arg[1];
  for (long long task = warp; task < f.tasks; task += warps) {
    const long long i0 = task;
    const long long n1 = i0 * 10;
    for (long long i1 = n1; i1 < bg_least(n1 + 10, 1); i1++) {
      __syncwarp();
      for (long long i2 = lane; i2 < 24; i2 += 32) {
        float r0 = const_0[i2];
        norm_weight_1[i2] = r0;
      }
      __syncwarp();
    }
  }
}
