# The side of training that only the command line needs.
train_sources = \
	%D%/checkpoint.c \
	%D%/checkpoint.h \
	%D%/columns.c \
	%D%/columns.def \
	%D%/columns.h \
	%D%/corpus.c \
	%D%/corpus.h \
	%D%/data.c \
	%D%/data.h \
	%D%/data_internal.h \
	%D%/data_text.c \
	%D%/data_tsv.c \
	%D%/evaluate.c \
	%D%/evaluate.h \
	%D%/feed.c \
	%D%/feed.h \
	%D%/feed_data.c \
	%D%/feed_data.h \
	%D%/fill.c \
	%D%/fill.h \
	%D%/labels.c \
	%D%/labels.h \
	%D%/log.c \
	%D%/log.h \
	%D%/metrics.c \
	%D%/metrics.def \
	%D%/metrics.h \
	%D%/train.c \
	%D%/train.h \
	%D%/unpack.c \
	%D%/unpack.h \
	%D%/vocab.c \
	%D%/vocab.h \
	%D%/vocab_internal.h \
	%D%/vocab_merge.c
