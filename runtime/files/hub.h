// A hub folder: config.json, model.safetensors (or shards named by model.safetensors.index.json),
// a vocabulary, each looked at when it is there.  A single safetensors file or an index is a hub, too.
#ifndef BIGSC_RUNTIME_HUB_H
#define BIGSC_RUNTIME_HUB_H
#include "base/error.h"
#include "runtime/files/json.h"
#include "runtime/files/safetensors.h"

typedef struct Hub Hub;
// Opens all weights and reads config.json.  A folder without any weights opens with hub_count 0.
int hub_open(const char *path, Hub **out, BigsError *e);
void hub_close(Hub *h); // NULL is allowed
const char *hub_path(const Hub *h);
const JsonValue *hub_config(const Hub *h);               // an object, or NULL: no config.json
bool hub_is_foreign(const Hub *h);                       // has one of another program than bigsc
const char *hub_vocab(const Hub *h);                     // path of its vocabulary, or NULL
int hub_count(const Hub *h);                             // tensors of all shards
const StTensor *hub_at(const Hub *h, int i);             // 0 <= i < count, shard by shard
const StFile *hub_file(const Hub *h, const StTensor *t); // the file that holds t
#endif
