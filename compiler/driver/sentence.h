// What a folder of sentence-transformers says of how vectors are made.
#ifndef BIGSC_SENTENCE_H
#define BIGSC_SENTENCE_H
#include "base/arena.h"
#include "base/error.h"
#include "runtime/files/hub.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum Pooling { POOL_AUTO, POOL_MEAN, POOL_CLS } Pooling;
typedef struct SentenceRules {
  bool chosen;        // given: the caller has its own pooling, whatever the folder says
  const char *choice; // given: how one is chosen, for messages: "--pool mean or --pool cls"
  bool said;          // the folder has a modules.json
  Pooling pool;       // POOL_AUTO: the folder says nothing
  bool normalize;     // to length 1
  int64_t longest;    // tokens of a text; 0: it says nothing
  HubNumber number;   // `longest` as a value of a file, once sentence_value was asked
  bool lower;         // the text itself is lowered, before the tokenizer gets it
  const char *prompt; // what goes in front of every text, in the arena; or ""
} SentenceRules;
// Reads modules.json, the folders that it names (where there is none 1_Pooling), sentence_bert_config.json and
// config_sentence_transformers.json, those that are there.  Status BIGS_EFILE: they ask for what is not done, by name.
int sentence_rules(Arena *a, const char *folder, SentenceRules *r, BigsError *e);

// What a `config` line of a model has of it: the rows "pooling_mode_cls_token" of "1_Pooling/config.json", "Normalize" of
// "modules.json", which is no key there but the name of a module, and "max_seq_length" of "sentence_bert_config.json".
bool sentence_has_key(const char *file, const char *key);
const JsonValue *sentence_value(SentenceRules *r, const char *key); // NULL: nothing was said
#endif
