// Hub folders: see hub.h.
#include "runtime/files/hub.h"
#include "base/recipe.h"
#include "runtime/files/file.h"
#include "base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct Hub {
  const HubReaders *readers;
  char *path, *vocab;
  JsonDoc *config;
  StFile **shard;
  int nshard;
};

static int exists(const char *path, bool *yes, BigsError *e) {
  struct stat st;
  *yes = stat(path, &st) == 0;
  return *yes || errno == ENOENT ? 0 : bigs_fail_errno(e, "open", path);
}

// ---- forms
static const struct {
  const char *what, *file, *index;
} hub_forms[HUB_FORMS] = {
#define FORM(ID, what, file, index) {what, file, index},
#include "runtime/files/forms.def"
#undef FORM
};

enum { HUB_HEAD = 9 }; // bytes that tell a form

static bool is_header_length(const unsigned char *head, size_t n) {
  return n >= 9 && !head[5] && !head[6] && !head[7] && head[8] == '{';
}

// A zip archive; or a pickle of protocol 2 or above.  A msgpack'd map that is not empty, of some size.
HubForm hub_form(const unsigned char *head, size_t n) {
  if (n < 4 || is_header_length(head, n))
    return FORM_SAFETENSORS;
  if (!memcmp(head, "PK\3\4", 4) || (head[0] == 0x80 && head[1] >= 2 && head[1] <= 5))
    return FORM_PICKLE;
  bool map = (head[0] > 0x80 && head[0] <= 0x8f) || head[0] == 0xde || head[0] == 0xdf;
  return map ? FORM_MSGPACK : FORM_SAFETENSORS;
}

// What cannot be read is left to what opens it.
static HubForm form_of(const char *path) {
  unsigned char head[HUB_HEAD];
  int fd = file_open(path, O_RDONLY | O_NONBLOCK);
  ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof head);
  if (fd >= 0)
    close(fd);
  return hub_form(head, n < 0 ? 0 : (size_t)n);
}

static int open_form(const Hub *h, const char *path, StFile **out, BigsError *e) {
  HubForm form = form_of(path);
  if (form == FORM_SAFETENSORS)
    return st_open(path, out, e);
  if (h->readers && h->readers->open[form])
    return h->readers->open[form](path, out, e);
  return bigs_fail(e, BIGS_EFILE, "%s is %s: `bigsc convert` makes safetensors of it", path,
                   hub_forms[form].what);
}

static int add_shard(Hub *h, const char *path, BigsError *e) {
  StFile **grown = REALLOC_N(StFile *, h->shard, h->nshard + 1);
  if (!grown)
    return bigs_fail_memory(e, path);
  h->shard = grown;
  int status = open_form(h, path, &h->shard[h->nshard], e);
  h->nshard += !status;
  return status;
}

static int shard_of(const Hub *h, const char *file) {
  for (int i = 0; i < h->nshard; i++) {
    const char *path = st_path(h->shard[i]), *slash = strrchr(path, '/');
    if (!strcmp(slash ? slash + 1 : path, file))
      return i;
  }
  return -1;
}

// One row of the weight map.  A shard is a file beside the index, never a path to elsewhere.
static int map_row(Hub *h, const char *index, const char *folder, const JsonValue *row,
                   BigsError *e) {
  if (row->kind != JSON_STRING)
    return bigs_fail(e, BIGS_EFILE, "%s: byte %zu: the shard of \"%.100s\" is %s, not a string",
                     index, row->offset, row->key, json_kind_name(row->kind));
  const char *file = row->text;
  if (!*file || strchr(file, '/') || *file == '.' || strlen(file) != row->size)
    return bigs_fail(e, BIGS_EFILE,
                     "%s: byte %zu: \"%.100s\" is not the name of a file beside the index", index,
                     row->offset, file);
  int status = 0;
  if (shard_of(h, file) < 0) {
    char *path = file_join(folder, file, e);
    status = path ? add_shard(h, path, e) : BIGS_EMODEL;
    free(path);
  }
  if (status)
    return status;
  if (!st_find(h->shard[shard_of(h, file)], row->key))
    return bigs_fail(e, BIGS_EFILE, "%s: byte %zu: tensor \"%.100s\" is not in %.100s", index,
                     row->offset, row->key, file);
  return 0;
}

// Every tensor of every shard must be in the map, once: then no name is in two shards.
static int open_index(Hub *h, const char *index, const char *folder, BigsError *e) {
  JsonDoc *doc = json_read_python(index, e);
  if (!doc)
    return bigs_status(e, BIGS_EFILE);
  const JsonValue *map = json_get(json_root(doc), "weight_map");
  int status = 0, tensors = 0;
  if (!map || map->kind != JSON_OBJECT)
    status = bigs_fail(e, BIGS_EFILE, "%s: no object \"weight_map\"", index);
  for (const JsonValue *row = status ? NULL : map->child; row && !status; row = row->next)
    status = map_row(h, index, folder, row, e);
  for (int i = 0; i < h->nshard; i++)
    tensors += st_count(h->shard[i]);
  if (!status && tensors != map->count)
    status = bigs_fail(e, BIGS_EFILE, "%s: maps %d tensors, its %d shards hold %d", index,
                       map->count, h->nshard, tensors);
  json_free(doc);
  return status;
}

typedef int (*Opener)(Hub *h, const char *path, const char *folder, BigsError *e);

static int open_single(Hub *h, const char *path, const char *folder, BigsError *e) {
  (void)folder;
  return add_shard(h, path, e);
}
static int open_config(Hub *h, const char *path, const char *folder, BigsError *e) {
  (void)folder;
  h->config = json_read_python(path, e);
  if (h->config && json_root(h->config)->kind != JSON_OBJECT)
    return bigs_fail(e, BIGS_EFILE, "%s: %s, not an object", path,
                     json_kind_name(json_root(h->config)->kind));
  return h->config ? 0 : bigs_status(e, BIGS_EFILE);
}
static int open_vocab(Hub *h, const char *path, const char *folder, BigsError *e) {
  (void)folder;
  h->vocab = strdup(path);
  return h->vocab ? 0 : bigs_fail_memory(e, path);
}

// A training run writes its dims into config.json: without it the weights would seem to be of
// another model.
static int need_config(Hub *h, const char *path, const char *folder, BigsError *e) {
  (void)path;
  char *config = h->config ? NULL : file_join(folder, "config.json", e);
  errno = ENOENT;
  int status = h->config ? 0 : config ? bigs_fail_errno(e, "open", config) : BIGS_EMODEL;
  free(config);
  return status;
}

// Calls `open` on folder/name if there is such a file.
static int when_there(Hub *h, const char *folder, const char *name, Opener open, BigsError *e) {
  char *path = file_join(folder, name, e);
  bool yes = false;
  int status = path ? exists(path, &yes, e) : BIGS_EMODEL;
  if (!status && yes)
    status = open(h, path, folder, e);
  free(path);
  return status;
}

static int open_folder(Hub *h, const char *path, BigsError *e) {
  int status = when_there(h, path, "config.json", open_config, e);
  status = status ? status : when_there(h, path, "state.json", need_config, e);
  // A tokenizer.json, the last of the table, says more than a vocab.txt.
  for (int i = TOKENIZER_COUNT - 1; i >= 0 && !status && !h->vocab; i--)
    status = when_there(h, path, tokenizer_files[i], open_vocab, e);
  for (int i = 0; i < HUB_FORMS && !status && !h->nshard; i++) {
    status = when_there(h, path, hub_forms[i].file, open_single, e);
    if (!status && !h->nshard)
      status = when_there(h, path, hub_forms[i].index, open_index, e);
  }
  return status;
}

static int open_any(Hub *h, const char *path, BigsError *e) {
  struct stat st;
  if (stat(path, &st) != 0)
    return bigs_fail_errno(e, "open", path);
  if (S_ISDIR(st.st_mode))
    return open_folder(h, path, e);
  if (!file_has_suffix(path, ".index.json"))
    return add_shard(h, path, e);
  char *folder = file_folder(path, e);
  int status = folder ? open_index(h, path, folder, e) : BIGS_EMODEL;
  free(folder);
  return status;
}

int hub_open(const char *path, const HubReaders *readers, Hub **out, BigsError *e) {
  *out = NULL;
  Hub *h = ALLOC(Hub);
  if (!h || !(h->path = strdup(path))) {
    free(h);
    return bigs_fail_memory(e, path);
  }
  h->readers = readers;
  int status = open_any(h, path, e);
  if (status)
    hub_close(h);
  else
    *out = h;
  return status;
}

void hub_close(Hub *h) {
  if (!h)
    return;
  for (int i = 0; i < h->nshard; i++)
    st_close(h->shard[i]);
  free(h->shard);
  json_free(h->config);
  free(h->vocab);
  free(h->path);
  free(h);
}

const char *hub_path(const Hub *h) {
  return h->path;
}
const JsonValue *hub_config(const Hub *h) {
  return h->config ? json_root(h->config) : NULL;
}
const JsonValue *hub_config_value(const JsonValue *config, const char *key, HubNumber *room) {
  const JsonValue *v = json_get(config, key);
  const JsonValue *labels = strcmp(key, "num_labels") ? NULL : json_get(config, "id2label");
  if (!labels || labels->kind != JSON_OBJECT || !labels->count)
    return v;
  int n = snprintf(room->text, sizeof room->text, "%d", labels->count);
  room->value = *labels;
  room->value.kind = JSON_NUMBER;
  room->value.text = room->text;
  room->value.size = (size_t)n;
  return &room->value;
}
bool hub_is_foreign(const Hub *h) {
  return hub_config(h) && !json_get(hub_config(h), "bigsc");
}

const char *hub_vocab(const Hub *h) {
  return h->vocab;
}

int hub_count(const Hub *h) {
  int n = 0;
  for (int i = 0; i < h->nshard; i++)
    n += st_count(h->shard[i]);
  return n;
}

const StTensor *hub_at(const Hub *h, int i) {
  int s = 0;
  for (; i >= st_count(h->shard[s]); s++)
    i -= st_count(h->shard[s]);
  return st_at(h->shard[s], i);
}

const StFile *hub_file(const Hub *h, const StTensor *t) {
  for (int i = 0; i < h->nshard; i++)
    if (st_find(h->shard[i], t->name) == t)
      return h->shard[i];
  return NULL;
}
