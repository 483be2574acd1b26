# Nodes, the op table, the interpreter, gradients, rewrites.
graph_sources = \
	%D%/autodiff.c \
	%D%/build.c \
	%D%/eval.c \
	%D%/ir.h \
	%D%/loop.c \
	%D%/loop_close.c \
	%D%/loop_grad.c \
	%D%/loop_hoist.c \
	%D%/make.c \
	%D%/map.c \
	%D%/op.h \
	%D%/op_attention.c \
	%D%/op_contract.c \
	%D%/op_conv.c \
	%D%/op_gather.c \
	%D%/op_index.c \
	%D%/op_leaf.c \
	%D%/op_loop.c \
	%D%/op_pointwise.c \
	%D%/op_reduce.c \
	%D%/op_scan.c \
	%D%/ops.def \
	%D%/print.c \
	%D%/rewrite.c \
	%D%/rewrite.h \
	%D%/rules.def \
	%D%/rules_attention.c \
	%D%/rules_chunk.c \
	%D%/rules_index.c \
	%D%/rules_simplify.c \
	%D%/rules_stable.c \
	%D%/rules_stack.c \
	%D%/rules_structural.c \
	%D%/sizes.c \
	%D%/verify.c
