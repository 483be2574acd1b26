# Texts through a model: what has a tokenizer.
serve_sources = \
	%D%/text.c \
	%D%/text_entry.c \
	%D%/text_entry.h \
	%D%/text_rows.c \
	%D%/text_rows.h
