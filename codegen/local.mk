# The planner (no target), loop IR, and the backends.
codegen_sources = \
	%D%/cache.c \
	%D%/cache.h \
	%D%/made.c \
	%D%/made.h \
	%D%/target.h \
	%D%/api/api.h \
	%D%/api/embed.c \
	%D%/api/embed.h \
	%D%/api/header.c \
	%D%/api/interface.c \
	%D%/api/names.c \
	%D%/api/tables.c \
	%D%/api/tables.h \
	%D%/cuda/cuda.h \
	%D%/cuda/cuda_attention.c \
	%D%/cuda/cuda_attention.h \
	%D%/cuda/cuda_attention_mma.h \
	%D%/cuda/cuda_device.h \
	%D%/cuda/cuda_expr.c \
	%D%/cuda/cuda_file.c \
	%D%/cuda/cuda_form.c \
	%D%/cuda/cuda_group.c \
	%D%/cuda/cuda_internal.h \
	%D%/cuda/cuda_kernel.c \
	%D%/cuda/cuda_costs.def \
	%D%/cuda/cuda_maps.c \
	%D%/cuda/cuda_micro_mma.c \
	%D%/cuda/cuda_micro_tma.c \
	%D%/cuda/cuda_micro_wgmma.c \
	%D%/cuda/cuda_mma.h \
	%D%/cuda/cuda_wgmma.h \
	%D%/cuda/cuda_prelude.h \
	%D%/cuda/cuda_scalar.c \
	%D%/cuda/cuda_stmt.c \
	%D%/cuda/cuda_tables.c \
	%D%/cuda/cuda_tma.h \
	%D%/cuda/cuda_tile.c \
	%D%/cuda/cuda_wide.c \
	%D%/cuda/nvcc.c \
	%D%/cuda/nvcc.h \
	%D%/cuda/nvrtc.c \
	%D%/cuda/nvrtc.def \
	%D%/cuda/nvrtc.h \
	%D%/llvm/aot.h \
	%D%/llvm/aot_kind.c \
	%D%/llvm/isa.c \
	%D%/llvm/isa.h \
	%D%/llvm/jit.h \
	%D%/loop/loop.c \
	%D%/loop/loop.h \
	%D%/loop/loop_attention.def \
	%D%/loop/loop_lanes.c \
	%D%/loop/loop_lanes.h \
	%D%/loop/loop_ops.def \
	%D%/loop/loop_print.c \
	%D%/loop/loop_verify.c \
	%D%/plan/attention.c \
	%D%/plan/attention.h \
	%D%/plan/attention_backward.c \
	%D%/plan/attention_build.h \
	%D%/plan/attention_keys.c \
	%D%/plan/attention_tiles.c \
	%D%/plan/attention_block.c \
	%D%/plan/canon.c \
	%D%/plan/contract.h \
	%D%/plan/reach.c \
	%D%/plan/sight.c \
	%D%/plan/contract_plan.c \
	%D%/plan/deps.c \
	%D%/plan/facts.c \
	%D%/plan/fuse.c \
	%D%/plan/lags.c \
	%D%/plan/layout.c \
	%D%/plan/layout_pairs.c \
	%D%/plan/layout_params.c \
	%D%/plan/light.c \
	%D%/plan/limits.c \
	%D%/plan/lower.c \
	%D%/plan/lower_attention.c \
	%D%/plan/lower_builtin.c \
	%D%/plan/lower_columns.c \
	%D%/plan/lower_contract.c \
	%D%/plan/lower_conv.c \
	%D%/plan/lower_index.c \
	%D%/plan/loop_axes.c \
	%D%/plan/loop_mixed.c \
	%D%/plan/loop_pieces.c \
	%D%/plan/loop_rows.c \
	%D%/plan/loop_shared.c \
	%D%/plan/loop_sums.c \
	%D%/plan/loop_values.c \
	%D%/plan/lower_lanes.c \
	%D%/plan/lower_loop.c \
	%D%/plan/lower_loop.h \
	%D%/plan/lower_reduce.c \
	%D%/plan/lower_row.c \
	%D%/plan/lower_cumsum.c \
	%D%/plan/lower_sort.c \
	%D%/plan/lower_scatter.c \
	%D%/plan/lower_util.h \
	%D%/plan/materialise.c \
	%D%/plan/library.c \
	%D%/plan/memplan.c \
	%D%/plan/module.c \
	%D%/plan/plan.c \
	%D%/plan/plan.h \
	%D%/plan/plan_internal.h \
	%D%/plan/pairs.c \
	%D%/plan/quads.c \
	%D%/plan/precision.c \
	%D%/plan/plan_target.c \
	%D%/plan/plan_targets.def \
	%D%/plan/recompute.c \
	%D%/plan/toeplitz.c \
	%D%/plan/windows.c \
	%D%/plan/traffic.c \
	%D%/plan/work.c \
	%D%/plan/work.h \
	%D%/plan/costs.def

# Machine code for processors, by LLVM or not at all.
if HAVE_LLVM
llvm_sources = \
	%D%/llvm/aot.c \
	%D%/llvm/aot_api.c \
	%D%/llvm/aot_internal.h \
	%D%/llvm/aot_link.c \
	%D%/llvm/aot_tables.c \
	%D%/llvm/jit.c \
	%D%/llvm/llvm.c \
	%D%/llvm/llvm.h \
	%D%/llvm/llvm_block.c \
	%D%/llvm/llvm_expr.c \
	%D%/llvm/llvm_int.c \
	%D%/llvm/llvm_internal.h \
	%D%/llvm/llvm_mem.c \
	%D%/llvm/llvm_amx.c \
	%D%/llvm/llvm_micro.c \
	%D%/llvm/llvm_pairs.c \
	%D%/llvm/llvm_pair_tile.c \
	%D%/llvm/llvm_quads.c \
	%D%/llvm/llvm_quad_tile.c \
	%D%/llvm/llvm_scalar.c \
	%D%/llvm/llvm_stmt.c \
	%D%/llvm/llvm_tile.c \
	%D%/llvm/llvm_transpose.c \
	%D%/llvm/llvm_turned.c \
	%D%/llvm/micro.h \
	%D%/llvm/objects.c \
	%D%/llvm/objects.h \
	%D%/llvm/start.c \
	%D%/llvm/target.c \
	%D%/llvm/target_cpus.def \
	%D%/llvm/tile.h \
	%D%/llvm/vecmath.c \
	%D%/llvm/vecmath.h \
	%D%/llvm/vecmath_coeffs.h \
	%D%/llvm/vecmath_internal.h \
	%D%/llvm/vecmath_pow.c \
	%D%/llvm/vecmath_trig.c
else
llvm_sources = %D%/llvm/without.c
endif

# The public structs stand in every header that is made beside a model.
nodist_llvm_sources = %D%/api/info_text.c %D%/api/options_text.c
%D%/api/info_text.c: runtime/info.h tools/embed.sh
	$(AM_V_GEN)$(MKDIR_P) %D%/api && sh $(srcdir)/tools/embed.sh info_text $(srcdir)/runtime/info.h > $@.tmp && mv $@.tmp $@
%D%/api/options_text.c: runtime/options.h tools/embed.sh
	$(AM_V_GEN)$(MKDIR_P) %D%/api && sh $(srcdir)/tools/embed.sh options_text $(srcdir)/runtime/options.h > $@.tmp && mv $@.tmp $@

# The device functions stand in front of every printed kernel.
nodist_cuda_sources = %D%/cuda/cuda_text.c
cuda_device_text = %D%/cuda/cuda_prelude.h %D%/cuda/cuda_device.h %D%/cuda/cuda_mma.h %D%/cuda/cuda_wgmma.h %D%/cuda/cuda_tma.h \
	%D%/cuda/cuda_attention.h \
	%D%/cuda/cuda_attention_mma.h
%D%/cuda/cuda_text.c: $(cuda_device_text) tools/embed.sh
	$(AM_V_GEN)$(MKDIR_P) %D%/cuda && sh $(srcdir)/tools/embed.sh cuda_text $(cuda_device_text:%=$(srcdir)/%) > $@.tmp && mv $@.tmp $@
