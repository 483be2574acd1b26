// What the files of a folder say of its tokenizer, against what a model is told to do.
#ifndef BIGSC_RUNTIME_TOK_FOLDER_H
#define BIGSC_RUNTIME_TOK_FOLDER_H
#include "base/error.h"
#include <stdbool.h>

// Fails, with status BIGS_EFILE, the file and its key, where the folder's text was cut in another
// way than that of a tokenizer with this `lower`: by the first that speaks of case of
// tokenizer_config.json, tokenizer.json and config.json.  What they do not say changes nothing.
int tok_folder_check(const char *folder, bool lower, BigsError *e);
#endif
