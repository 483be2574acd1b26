// The names of a task's classes: as its data says them, and as config.json keeps them.
#ifndef BIGSC_RUNTIME_LABELS_H
#define BIGSC_RUNTIME_LABELS_H
#include "base/error.h"
#include "base/map.h"
#include "runtime/files/json.h"
#include <stdint.h>

typedef struct Labels {
  int n;       // 0: classes are numbers
  char **name; // by class; malloc'd, as are the names
} Labels;
void labels_free(Labels *l);
// What `id2label` of folder/config.json says.  None where there is no such file, it has no such member, or its names are the
// LABEL_0, LABEL_1, ... that other programs make up.  Status BIGS_EFILE: it is there and names no classes 0, 1, ...
int labels_of_folder(const char *folder, Labels *out, BigsError *e);
int labels_copy(const Labels *from, Labels *out, BigsError *e);
// Members `id2label` and `label2id` of an object, each with a comma behind it; nothing where there are no names.
void labels_put(JsonText *t, const Labels *l);

// ---- of data, in two steps: words are numbered as they come, and become classes once all are known
typedef struct LabelWord {
  char *text;
  const char *path; // where it came first; the reader's
  size_t line;
} LabelWord;
typedef struct LabelWords {
  LabelWord *v;
  int n, cap;
  Map map;
} LabelWords;
void label_words_free(LabelWords *w);
int label_words_add(LabelWords *w, const char *s, size_t n, LabelWord at, int32_t *number,
                    BigsError *e);
typedef struct LabelRules {
  const Labels *known; // names of the model's classes; NULL: none
  bool fixed;          // no other than the known ones, nor words where none are known
  int64_t classes;     // of the model; 0: unknown
  const char *dim;     // that has as many, where it is known, for messages; NULL: none
} LabelRules;
// The class of each word.  Known names are taken where all words are among them; else words that are whole numbers are the classes
// themselves, and others get theirs in the order of their bytes, as *names: as many as the model has classes.  Status BIGS_EMODEL names the word and its line.
int label_words_classes(const LabelWords *w, const LabelRules *r, int32_t *class_of, Labels *names,
                        BigsError *e);
#endif
