# What compiled models carry: with base/ it is libbigsrt.a, which needs libc, libm and pthreads.
runtime_sources = \
	%D%/abi.def \
	%D%/abi.h \
	%D%/amalgam.h \
	%D%/bigs.h \
	%D%/builtin.def \
	%D%/work.def \
	%D%/builtin.h \
	%D%/info.h \
	%D%/options.h \
	%D%/builtin/builtin_conv.c \
	%D%/builtin/builtin_scatter.c \
	%D%/builtin/conv.c \
	%D%/builtin/conv.h \
	%D%/builtin/conv_avx2.c \
	%D%/builtin/conv_avx512.c \
	%D%/builtin/conv_generic.c \
	%D%/builtin/conv_grad.c \
	%D%/builtin/conv_internal.h \
	%D%/builtin/conv_kernels.h \
	%D%/builtin/conv_plan.c \
	%D%/builtin/conv_special.c \
	%D%/builtin/fft.c \
	%D%/builtin/fft.h \
	%D%/builtin/scatter.c \
	%D%/builtin/scatter.h \
	%D%/cuda/blas.c \
	%D%/cuda/blas.def \
	%D%/cuda/blas.h \
	%D%/cuda/blas_record.c \
	%D%/cuda/blas_record.h \
	%D%/cuda/device_cuda.c \
	%D%/cuda/device_cuda.h \
	%D%/cuda/device_graph.c \
	%D%/cuda/device_internal.h \
	%D%/cuda/device_launch.c \
	%D%/cuda/driver.c \
	%D%/cuda/driver.def \
	%D%/cuda/driver.h \
	%D%/cuda/nccl.c \
	%D%/cuda/nccl.def \
	%D%/cuda/nccl.h \
	%D%/cuda/nvtx.c \
	%D%/cuda/nvtx.h \
	%D%/exec/bind.c \
	%D%/exec/config.c \
	%D%/exec/cpu.c \
	%D%/exec/cpu.h \
	%D%/exec/cpus.c \
	%D%/exec/device.h \
	%D%/exec/device_cpu.c \
	%D%/exec/exec.c \
	%D%/exec/exec.h \
	%D%/exec/finite.c \
	%D%/exec/float_mode.h \
	%D%/exec/info.c \
	%D%/exec/match.c \
	%D%/exec/match.h \
	%D%/exec/module.c \
	%D%/exec/names.c \
	%D%/exec/open.c \
	%D%/exec/optim.c \
	%D%/exec/optim.h \
	%D%/exec/optim_far.c \
	%D%/exec/optim_internal.h \
	%D%/exec/params.c \
	%D%/exec/place.c \
	%D%/exec/place.h \
	%D%/exec/pool.c \
	%D%/exec/pool.h \
	%D%/exec/record.c \
	%D%/exec/region.c \
	%D%/exec/room.c \
	%D%/exec/team.c \
	%D%/exec/team.h \
	%D%/exec/weights.c \
	%D%/exec/weights.h \
	%D%/files/file.c \
	%D%/files/file.h \
	%D%/files/forms.def \
	%D%/files/hub.c \
	%D%/files/hub.h \
	%D%/files/json.c \
	%D%/files/json.h \
	%D%/files/json_write.c \
	%D%/files/meet.c \
	%D%/files/meet.h \
	%D%/files/safetensors.c \
	%D%/files/safetensors.h \
	%D%/files/st_copy.c \
	%D%/files/st_write.c

# Not in libbigsrt.a, which it is the text of.
nodist_runtime_sources = %D%/runtime_text.c
%D%/runtime_text.c: $(base_sources) $(runtime_sources) tools/amalgamate.sh tools/embed.sh
	$(AM_V_GEN)$(MKDIR_P) %D% && sh $(srcdir)/tools/amalgamate.sh cuda > %D%/amalgam.tmp && \
	sh $(srcdir)/tools/embed.sh runtime_text %D%/amalgam.tmp > $@.tmp && mv $@.tmp $@ && rm %D%/amalgam.tmp
