// What a training run tells: records of log.jsonl, and a line of progress.
#ifndef BIGSC_RUNTIME_LOG_H
#define BIGSC_RUNTIME_LOG_H
#include "base/error.h"
#include "runtime/files/json.h"
#include <stdint.h>
#include <stdio.h>

// ---- records: begin, put members, write
void record_begin(JsonText *t);
void record_text(JsonText *t, const char *key, const char *value); // NULL: null
void record_int(JsonText *t, const char *key, int64_t value);
void record_number(JsonText *t, const char *key, double value);
void record_raw(JsonText *t, const char *key, const char *json);
void record_end(JsonText *t);

// log.jsonl of a folder, opened for appending and locked: a folder has one run at a time.  A last
// line that a crash cut short is removed first.
typedef struct RunLog RunLog;
RunLog *log_open(const char *dir, BigsError *e);
// The lock alone, which close(*fd) gives back; *fd is -1 where there is no log yet.
int log_lock(const char *dir, int *fd, BigsError *e);
// Removes the records of steps after `step`, but for the first record of all: what a run that was
// killed had done since its checkpoint is done again.  The file is replaced whole, or not at all.
int log_cut(RunLog *log, int64_t step, BigsError *e);
int log_clear(RunLog *log, BigsError *e); // removes all records
// Ends the record, appends it as one line with one write, and empties it for the next.
int log_write(RunLog *log, JsonText *record, BigsError *e);
void log_close(RunLog *log); // NULL is allowed

// ---- progress.  On a terminal one line that is rewritten, at most ten times a second; elsewhere a
// line now and then.
typedef struct Progress {
  FILE *to; // NULL: silent
  bool terminal;
  const char *unit; // of speed; NULL: "tokens"
  int64_t every;    // elsewhere: steps between lines
  double next;      // internal, seconds
  int width;        // internal: of what stands on the terminal's line
} Progress;
typedef struct ProgressNow {
  int64_t step, steps;
  double loss, rate, tokens_per_second, seconds_left;
  int64_t memory; // bytes
} ProgressNow;
// Is a line due?  `now`: seconds on any steady clock.
bool progress_due(const Progress *p, int64_t step, double now);
void progress_show(Progress *p, const ProgressNow *v, double now);
// A line of its own, above the progress.
void progress_say(Progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_end(Progress *p);

int64_t process_bytes(void); // resident memory of this process; 0: not known
// "model name" of the CPU, at most size bytes; "" when not known.
void cpu_name(char *buf, size_t size);
#endif
