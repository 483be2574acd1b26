# Text to ids: needs runtime/files only.
text_sources = \
	%D%/forms.c \
	%D%/forms.h \
	%D%/pattern.c \
	%D%/pattern.h \
	%D%/tok_added.c \
	%D%/tok_bpe.c \
	%D%/tok_class.c \
	%D%/tok_file.c \
	%D%/tok_file.h \
	%D%/tok_internal.h \
	%D%/tok_merges.c \
	%D%/tok_normal.c \
	%D%/tok_open.c \
	%D%/tok_parts.def \
	%D%/tok_pieces.c \
	%D%/tok_read.c \
	%D%/tok_specials.c \
	%D%/tok_split.c \
	%D%/tok_unigram.c \
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
