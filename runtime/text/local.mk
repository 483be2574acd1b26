# Text to ids: needs runtime/files only.
text_sources = \
	%D%/forms.c \
	%D%/forms.h \
	%D%/tok_internal.h \
	%D%/tok_wordpiece.c \
	%D%/tok_wordpiece_folder.c \
	%D%/tokenizer.c \
	%D%/tokenizer.h \
	%D%/trie.c \
	%D%/trie.h \
	%D%/unicode.c \
	%D%/unicode.h \
	%D%/unicode_tables.h \
	%D%/words.c \
	%D%/words.h
