# The unit tests are one program; tests/cli tests the commands from outside.
TESTS =
if HAVE_LLVM
TESTS += %D%/cli/run.sh
endif
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = srcdir=$(abs_srcdir) builddir=$(abs_builddir); export srcdir builddir;
if HAVE_CHECK
check_PROGRAMS = %D%/runner
TESTS += %D%/runner
tests_runner_SOURCES = $(test_sources) $(llvm_test_sources)
tests_runner_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(UTF8PROC_CFLAGS) $(FFTW_DOUBLE_CFLAGS)
tests_runner_LDADD = $(all_libs) $(CHECK_LIBS) $(UTF8PROC_LIBS) $(FFTW_DOUBLE_LIBS)
tests_runner_LDFLAGS = $(AM_LDFLAGS) $(wrapped:%=-Wl,--wrap=%)
endif
# Suites of suites.def that need LLVM are not run without it; these are not even compiled.
if HAVE_LLVM
llvm_test_sources = %D%/unit/test_vecmath.c
endif
# Calls that tests/unit/faults.c lets fail.
wrapped = malloc calloc realloc aligned_alloc strdup strndup free open_memstream mmap open write fsync rename linkat fchmod ftruncate mkdir
test_sources = \
	%D%/cuda/fake_cuda.h \
	%D%/cuda/fake_queue.h \
	%D%/cuda/frame.h \
	%D%/cuda/tensor_map.h \
	%D%/fuzz/fuzz_graph.c \
	%D%/fuzz/fuzz_graph.h \
	%D%/unit/command.c \
	%D%/unit/command.h \
	%D%/unit/repl_bed.c \
	%D%/unit/repl_bed.h \
	%D%/unit/compiled.c \
	%D%/unit/compiled.h \
	%D%/unit/cuda_bed.c \
	%D%/unit/cuda_bed.h \
	%D%/unit/cuda_kernels.c \
	%D%/unit/cuda_kernels.h \
	%D%/unit/fault_bed.c \
	%D%/unit/fault_bed.h \
	%D%/unit/faults.c \
	%D%/unit/faults.h \
	%D%/unit/foreign_bed.c \
	%D%/unit/foreign_bed.h \
	%D%/unit/foreign_files.c \
	%D%/unit/foreign_files.h \
	%D%/unit/graph_test.c \
	%D%/unit/graph_test.h \
	%D%/unit/kernels.c \
	%D%/unit/kernels.h \
	%D%/unit/op_cases.c \
	%D%/unit/op_cases.h \
	%D%/unit/op_code.c \
	%D%/unit/op_code.h \
	%D%/unit/op_reference.c \
	%D%/unit/op_reference.h \
	%D%/unit/far_device.c \
	%D%/unit/far_device.h \
	%D%/unit/gpu_bed.c \
	%D%/unit/gpu_bed.h \
	%D%/unit/plan_bed.c \
	%D%/unit/plan_bed.h \
	%D%/unit/plan_nodes.h \
	%D%/unit/rows_bed.c \
	%D%/unit/rows_bed.h \
	%D%/unit/runner.c \
	%D%/unit/sema_test.h \
	%D%/unit/small_bert.c \
	%D%/unit/small_bert.h \
	%D%/unit/suites.def \
	%D%/unit/suites.h \
	%D%/unit/syntax_test.c \
	%D%/unit/syntax_test.h \
	%D%/unit/test_aot.c \
	%D%/unit/test_attention.c \
	%D%/unit/test_autodiff.c \
	%D%/unit/test_base.c \
	%D%/unit/test_blocks.c \
	%D%/unit/test_builtin.c \
	%D%/unit/test_cases.c \
	%D%/unit/test_chart.c \
	%D%/unit/test_code.c \
	%D%/unit/test_conv.c \
	%D%/unit/test_corpus.c \
	%D%/unit/test_cuda.c \
	%D%/unit/test_cuda_attention.c \
	%D%/unit/test_cuda_conv.c \
	%D%/unit/test_cuda_driver.c \
	%D%/unit/test_cuda_graph.c \
	%D%/unit/test_cuda_group.c \
	%D%/unit/test_cuda_mma.c \
	%D%/unit/test_cuda_models.c \
	%D%/unit/test_cuda_scatter.c \
	%D%/unit/test_data.c \
	%D%/unit/test_diag.c \
	%D%/unit/test_docs.c \
	%D%/unit/test_exec.c \
	%D%/unit/test_explain.c \
	%D%/unit/test_faults.c \
	%D%/unit/test_faults_files.c \
	%D%/unit/test_faults_models.c \
	%D%/unit/test_fft.c \
	%D%/unit/test_fill.c \
	%D%/unit/test_flax.c \
	%D%/unit/test_fmt.c \
	%D%/unit/test_foreign.c \
	%D%/unit/test_frame.c \
	%D%/unit/test_graph.c \
	%D%/unit/test_habits.c \
	%D%/unit/test_handles.c \
	%D%/unit/test_int8_fit.c \
	%D%/unit/test_json.c \
	%D%/unit/test_layers.c \
	%D%/unit/test_choice.c \
	%D%/unit/test_lengths.c \
	%D%/unit/test_lex.c \
	%D%/unit/test_limits.c \
	%D%/unit/test_llvm.c \
	%D%/unit/test_loop.c \
	%D%/unit/test_metrics.c \
	%D%/unit/test_mix.c \
	%D%/unit/test_npy.c \
	%D%/unit/test_lsp.c \
	%D%/unit/test_models.c \
	%D%/unit/test_ops.c \
	%D%/unit/test_optim.c \
	%D%/unit/test_optimizers.c \
	%D%/unit/test_oracle.c \
	%D%/unit/test_parse.c \
	%D%/unit/test_place.c \
	%D%/unit/test_packs.c \
	%D%/unit/test_pairs.c \
	%D%/unit/test_quads.c \
	%D%/unit/test_plan.c \
	%D%/unit/test_plan_gpu.c \
	%D%/unit/test_pool.c \
	%D%/unit/test_precision.c \
	%D%/unit/test_precision_models.c \
	%D%/unit/test_repl.c \
	%D%/unit/test_repl_tools.c \
	%D%/unit/test_resume.c \
	%D%/unit/test_rng.c \
	%D%/unit/test_rows.c \
	%D%/unit/test_rules.c \
	%D%/unit/test_safetensors.c \
	%D%/unit/test_scans.c \
	%D%/unit/test_sights.c \
	%D%/unit/test_scatter.c \
	%D%/unit/test_sema.c \
	%D%/unit/test_sentences.c \
	%D%/unit/test_shim.c \
	%D%/unit/test_team.c \
	%D%/unit/test_pieces.c \
	%D%/unit/test_team_train.c \
	%D%/unit/test_tile.c \
	%D%/unit/test_tokenizer.c \
	%D%/unit/test_tokenizer_file.c \
	%D%/unit/test_train.c \
	%D%/unit/test_torch.c \
	%D%/unit/test_tsv.c \
	%D%/unit/test_unicode.c \
	%D%/unit/test_uses.c \
	%D%/unit/test_values.c \
	%D%/unit/test_vocab.c \
	%D%/unit/test_weights.c \
	%D%/unit/test_zoo.c \
	%D%/unit/thread_team.c \
	%D%/unit/thread_team.h \
	%D%/unit/tmpdir.h \
	%D%/unit/toy_bed.c \
	%D%/unit/toy_bed.h \
	%D%/unit/toy_module.c \
	%D%/unit/toy_module.h \
	%D%/unit/train_bed.c \
	%D%/unit/train_bed.h \
	%D%/unit/watched_feed.c \
	%D%/unit/watched_feed.h \
	%D%/unit/zoo_bed.c \
	%D%/unit/zoo_bed.h

# `make fuzz` builds the libFuzzer targets: configure with CC=clang, --enable-sanitizers and CFLAGS="-O1 -g -fsanitize=fuzzer-no-link".
fuzz_targets = %D%/fuzz/fuzz_data %D%/fuzz/fuzz_flax %D%/fuzz/fuzz_folder %D%/fuzz/fuzz_json %D%/fuzz/fuzz_model %D%/fuzz/fuzz_parse %D%/fuzz/fuzz_plan %D%/fuzz/fuzz_safetensors %D%/fuzz/fuzz_tokenizer %D%/fuzz/fuzz_tokenizer_file %D%/fuzz/fuzz_torch
EXTRA_PROGRAMS = $(fuzz_targets) %D%/bench_costs
%C%_bench_costs_SOURCES = %D%/bench_costs.c
%C%_bench_costs_LDADD = $(all_libs)
fuzz_flags = $(AM_LDFLAGS) -fsanitize=fuzzer
%C%_fuzz_fuzz_data_SOURCES = %D%/fuzz/fuzz_data.c %D%/fuzz/fuzz.h
%C%_fuzz_fuzz_flax_SOURCES = %D%/fuzz/fuzz_flax.c %D%/fuzz/fuzz_foreign.h %D%/fuzz/fuzz.h
%C%_fuzz_fuzz_folder_SOURCES = %D%/fuzz/fuzz_folder.c %D%/fuzz/fuzz.h
%C%_fuzz_fuzz_json_SOURCES = %D%/fuzz/fuzz_json.c %D%/fuzz/fuzz.h
%C%_fuzz_fuzz_model_SOURCES = %D%/fuzz/fuzz_model.c
%C%_fuzz_fuzz_parse_SOURCES = %D%/fuzz/fuzz_parse.c
%C%_fuzz_fuzz_plan_SOURCES = %D%/fuzz/fuzz_plan.c %D%/fuzz/fuzz.h
%C%_fuzz_fuzz_safetensors_SOURCES = %D%/fuzz/fuzz_safetensors.c
%C%_fuzz_fuzz_tokenizer_SOURCES = %D%/fuzz/fuzz_tokenizer.c
%C%_fuzz_fuzz_tokenizer_file_SOURCES = %D%/fuzz/fuzz_tokenizer_file.c
%C%_fuzz_fuzz_torch_SOURCES = %D%/fuzz/fuzz_torch.c %D%/fuzz/fuzz_foreign.h %D%/fuzz/fuzz.h %D%/unit/foreign_files.c
%C%_fuzz_fuzz_data_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_flax_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_folder_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_json_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_model_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_parse_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_plan_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_safetensors_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_tokenizer_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_tokenizer_file_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_torch_LDFLAGS = $(fuzz_flags)
%C%_fuzz_fuzz_data_LDADD = $(all_libs)
%C%_fuzz_fuzz_flax_LDADD = $(all_libs)
%C%_fuzz_fuzz_folder_LDADD = $(all_libs)
%C%_fuzz_fuzz_json_LDADD = $(all_libs)
%C%_fuzz_fuzz_model_LDADD = $(all_libs)
%C%_fuzz_fuzz_parse_LDADD = $(all_libs)
%C%_fuzz_fuzz_plan_LDADD = $(all_libs)
%C%_fuzz_fuzz_safetensors_LDADD = $(all_libs)
%C%_fuzz_fuzz_tokenizer_LDADD = $(all_libs)
%C%_fuzz_fuzz_tokenizer_file_LDADD = $(all_libs)
%C%_fuzz_fuzz_torch_LDADD = $(all_libs)
CLEANFILES += $(fuzz_targets) %D%/bench_costs
.PHONY: fuzz fuzz-objects
fuzz: $(fuzz_targets)
# Whatever the compiler: they follow what they call.
fuzz-objects: $(%C%_fuzz_fuzz_data_OBJECTS) $(%C%_fuzz_fuzz_folder_OBJECTS) $(%C%_fuzz_fuzz_json_OBJECTS) $(%C%_fuzz_fuzz_model_OBJECTS) $(%C%_fuzz_fuzz_parse_OBJECTS) $(%C%_fuzz_fuzz_plan_OBJECTS) $(%C%_fuzz_fuzz_safetensors_OBJECTS) $(%C%_fuzz_fuzz_tokenizer_OBJECTS) $(%C%_fuzz_fuzz_tokenizer_file_OBJECTS) $(%C%_fuzz_fuzz_flax_OBJECTS) $(%C%_fuzz_fuzz_torch_OBJECTS)
check-am: fuzz-objects

# The totals, which automake keeps in logs.
check-local:
	@for log in %D%/runner.log %D%/cli/run.log; do if test -f $$log; then echo "$$log: `sed -n '/^[0-9]* passed, [0-9]* failed$$/p' $$log | tail -n 1`"; fi; done

# The folder of the tests is also one that is built in: what was built is no part of a tarball.
dist-hook:
	cd $(distdir) && rm -f tests/runner tests/bench_costs $(fuzz_targets) && find tests -name .deps -prune -exec rm -rf {} + && \
	  find tests \( -name .dirstamp -o -name '*.o' -o -name '*.log' -o -name '*.trs' \) -exec rm -f {} +
