# Other programs' files of weights: of the compiler only, needs runtime/files and zlib.
foreign_sources = \
	%D%/foreign.c \
	%D%/foreign.h \
	%D%/foreign_internal.h \
	%D%/msgpack.c \
	%D%/pickle.c \
	%D%/pickle_internal.h \
	%D%/pickle_ops.def \
	%D%/torch.c \
	%D%/torch_internal.h \
	%D%/torch_pickle.c \
	%D%/torch_tensor.c \
	%D%/zip.c
