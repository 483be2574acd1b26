// The parts of `bigsc inspect`: each describes one kind of thing on standard output, as text or as
// one JSON object, and returns an exit status.
#ifndef BIGSC_INSPECT_H
#define BIGSC_INSPECT_H
#include "compiler/driver/session.h"
#include "runtime/files/json.h"
#include "runtime/train/log.h"

// What -D of every run-time dim allows: FLOPs and memory of each entry and train block whose dims
// are all known.
void inspect_costs(Session *s, const BigsModule *m, JsonText *json);
int inspect_model(Session *s, const char *path);  // a loaded .mdl
int inspect_module(Session *s, const char *path); // a loaded .so
// A safetensors file or the index of its shards; `name` is what it is called.
int inspect_weights(Session *s, const char *path, const char *name);
int inspect_folder(Session *s, const char *path); // a training folder or a hub folder

// "1,234,567"
const char *inspect_grouped(Session *s, int64_t n);
const char *inspect_bytes(Session *s, int64_t n); // "1.5 MiB"
// Text of a file as a terminal may see it: control characters become "\x1b".
const char *inspect_shown(Session *s, const char *text);
// Ends the object, prints it on one line and frees it; EXIT_FILE when memory ran out.
int inspect_json(Session *s, JsonText *t);
// Members whose value is an object, or an array of items; the text is taken over and freed.
void inspect_member(JsonText *t, const char *key, JsonText *value);
void inspect_list(JsonText *t, const char *key, JsonText *items);
void inspect_item(JsonText *items, JsonText *value);
#endif
