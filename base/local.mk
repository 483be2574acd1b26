# What everyone may include; compiled models carry it.
base_sources = \
	%D%/base.c \
	%D%/base.h \
	%D%/clock.h \
	%D%/error.c \
	%D%/error.h \
	%D%/poly.c \
	%D%/rng.c \
	%D%/rng.h \
	%D%/scalar.def \
	%D%/source.c \
	%D%/source.h
