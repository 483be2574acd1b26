// What a folder of sentence-transformers says of how vectors are made.
#ifndef BIGSC_SENTENCE_H
#define BIGSC_SENTENCE_H
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum Pooling { POOL_AUTO, POOL_MEAN, POOL_CLS } Pooling;
typedef struct SentenceRules {
  bool chosen;     // given: the caller has its own pooling, whatever the folder says
  bool said;       // the folder has a modules.json
  Pooling pool;    // POOL_AUTO: the folder says nothing
  bool normalize;  // to length 1
  int64_t longest; // tokens of a text; 0: it says nothing
  bool lower;      // the text itself is lowered, before the tokenizer gets it
} SentenceRules;
// Reads modules.json, the folders that it names and sentence_bert_config.json, those that are there.  Status BIGS_EFILE: they ask
// for what `embed` does not do, by name.
int sentence_rules(const char *folder, SentenceRules *out, BigsError *e);
#endif
