# Text to ids: needs runtime/files only.
text_sources = \
	%D%/tok_internal.h \
	%D%/tok_wordpiece.c \
	%D%/tok_wordpiece_folder.c \
	%D%/tokenizer.c \
	%D%/tokenizer.h \
	%D%/words.c \
	%D%/words.h
