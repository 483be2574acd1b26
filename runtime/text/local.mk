# Text to ids: needs runtime/files only.
text_sources = \
	%D%/tok_folder.c \
	%D%/tok_folder.h \
	%D%/tokenizer.c \
	%D%/tokenizer.h \
	%D%/words.c \
	%D%/words.h
