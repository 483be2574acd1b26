// A hub folder: config.json, the weights (model.safetensors, or shards named by model.safetensors.index.json, or
// those of another row of forms.def, the first that is there), a vocabulary, each looked at when it is there.  A
// single file of weights or an index is a hub, too.
#ifndef BIGSC_RUNTIME_HUB_H
#define BIGSC_RUNTIME_HUB_H
#include "base/error.h"
#include "runtime/files/json.h"
#include "runtime/files/safetensors.h"

typedef enum HubForm {
#define FORM(ID, what, file, index) FORM_##ID,
#include "runtime/files/forms.def"
#undef FORM
  HUB_FORMS
} HubForm;
// The form of a file that begins with head[n], whatever its name; FORM_SAFETENSORS where it is none of the others.
HubForm hub_form(const unsigned char *head, size_t n);
// What opens a form, as st_open does; NULL: nothing here.  runtime/foreign has those of all.
typedef struct HubReaders {
  int (*open[HUB_FORMS])(const char *path, StFile **out, BigsError *e);
} HubReaders;

typedef struct Hub Hub;
// Opens all weights and reads config.json.  A folder without any weights opens with hub_count 0.  readers NULL: only
// safetensors are read, and a file of another form is an error that says what makes one of it.
int hub_open(const char *path, const HubReaders *readers, Hub **out, BigsError *e);
void hub_close(Hub *h); // NULL is allowed
const char *hub_path(const Hub *h);
const JsonValue *hub_config(const Hub *h); // an object, or NULL: no config.json
// What a config.json says under a key, NULL: nothing.  "num_labels" of one that lists the labels (id2label), as transformers
// writes it, is their number, made in *room, whatever else it says: so transformers read it.
typedef struct HubNumber {
  JsonValue value;
  char text[16];
} HubNumber;
const JsonValue *hub_config_value(const JsonValue *config, const char *key, HubNumber *room);
bool hub_is_foreign(const Hub *h);                       // has one of another program than bigsc
const char *hub_vocab(const Hub *h);                     // path of its vocabulary, or NULL
int hub_count(const Hub *h);                             // tensors of all shards
const StTensor *hub_at(const Hub *h, int i);             // 0 <= i < count, shard by shard
const StFile *hub_file(const Hub *h, const StTensor *t); // the file that holds t
#endif
