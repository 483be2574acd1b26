# What everyone may include; compiled models carry it.
base_sources = \
	%D%/alloc.h \
	%D%/arena.c \
	%D%/arena.h \
	%D%/asan.h \
	%D%/atomic.h \
	%D%/bug.c \
	%D%/bug.h \
	%D%/clock.h \
	%D%/dtype.c \
	%D%/dtype.def \
	%D%/dtype.h \
	%D%/edit.c \
	%D%/edit.h \
	%D%/error.c \
	%D%/error.h \
	%D%/hash.c \
	%D%/hash.h \
	%D%/intern.c \
	%D%/intern.h \
	%D%/map.c \
	%D%/map.h \
	%D%/optimizers.def \
	%D%/poly.c \
	%D%/poly.h \
	%D%/recipe.c \
	%D%/recipe.h \
	%D%/rng.c \
	%D%/rng.h \
	%D%/scalar.def \
	%D%/schedules.def \
	%D%/source.c \
	%D%/source.h \
	%D%/sources.def \
	%D%/tokenizers.def \
	%D%/vec.c \
	%D%/vec.h
