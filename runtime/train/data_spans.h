// Questions whose answers are parts of a text: as files have them, and as rows of batches.
#ifndef BIGSC_RUNTIME_DATA_SPANS_H
#define BIGSC_RUNTIME_DATA_SPANS_H
#include "runtime/train/data_internal.h"
#include "runtime/train/list.h"

// Texts are cut at white space, and before and behind each symbol and ideograph, into units: what is predicted begins and ends with one.
typedef struct SpanUnit {
  int32_t from, to; // bytes of its context
  int64_t token;    // its first in the stream, of n
  int32_t n;
} SpanUnit;
typedef struct SpanContext {
  int64_t text, size; // in Spans.text
  int64_t unit, units;
  int64_t token, tokens; // in the stream
} SpanContext;
typedef struct SpanText {
  int64_t text, size; // in Spans.text
} SpanText;
typedef struct SpanQuestion {
  int64_t context;
  DataText words;
  SpanText id;             // of JSON; size 0: none
  int64_t answer, answers; // right ones; none, and `known`: there is no answer
  bool known;
  int64_t start, end; // the first right one's tokens, the last included; start -1: none
} SpanQuestion;
typedef struct SpanRow {
  int64_t question;
  DataText words; // of its context
} SpanRow;
typedef struct Spans {
  LIST(char) text;
  LIST(SpanUnit) unit;
  LIST(SpanContext) context;
  LIST(SpanQuestion) question;
  LIST(SpanText) answer;
  LIST(SpanRow) row;
  LIST(int32_t) note;
  bool may_lack;  // some of these questions may have no answer
  int64_t longer; // questions of more than one row
} Spans;

// Reads files of SQuAD's JSON or with a header of columns.
int spans_read(Data *d, Spans *s, const char *const *paths, int n, BigsError *e);
#endif
