# Text to ids: needs runtime/files only.
text_sources = \
	%D%/tokenizer.c \
	%D%/tokenizer.h \
	%D%/words.c \
	%D%/words.h
