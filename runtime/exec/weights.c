// Parameters from and to safetensors files.
#include "runtime/exec/weights.h"
#include "base/dtype.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static StDType file_dtype(const BigsParam *p) {
  return param_elem(p) == 8 ? ST_F64 : ST_F32;
}

// Room for the largest parameter.
static void *dense_buffer(bigs_model *m) {
  size_t most = 8;
  for (int i = 0; i < m->module->nparam; i++) {
    size_t bytes =
        (size_t)param_count(&m->module->param[i]) * (size_t)param_elem(&m->module->param[i]);
    most = bytes > most ? bytes : most;
  }
  return model_alloc(m, most, 1, "a copy of a parameter");
}

// ---- reading
static int read_all(bigs_model *m, const NameMap *map) {
  char *dense = dense_buffer(m);
  int err = dense ? 0 : m->error.status;
  for (int i = 0; i < m->module->nparam && !err; i++) {
    const BigsParam *p = &m->module->param[i];
    if (!map->tensor[i])
      continue;
    StoredShape s = stored_shape(m->module, map->block, i);
    err = st_copy(map->tensor[i], file_dtype(p), dense, &m->error);
    if (!err)
      param_set_strided(p, m->param.p, dense, s.stride);
  }
  free(dense);
  return err;
}

// "head.bias and 4 more of its rule: not in FILE, fresh values"
static void note_fresh(bigs_model *m, const NameMap *map, const char *path) {
  const BigsName *name = map->block >= 0 ? m->module->checkpoint[map->block].entry : NULL;
  JsonText t = {0};
  for (int i = 0; i < m->module->nparam && name; i++) {
    int members = 0;
    bool first = true;
    for (int k = 0; k < m->module->nparam; k++)
      if (!map->tensor[k] && name[k].init_group == name[i].init_group) {
        members++;
        first = first && k >= i;
      }
    if (map->tensor[i] || !first)
      continue;
    char line[256];
    if (members > 1)
      snprintf(line, sizeof line, "%s and %d more: not in ", m->module->param[i].name, members - 1);
    else
      snprintf(line, sizeof line, "%s: not in ", m->module->param[i].name);
    json_raw(&t, line);
    json_raw(&t, path);
    json_raw(&t, ", fresh values\n");
  }
  free(m->notes);
  m->notes = t.s; // cut when memory is short; it is only for reading
}

// Which parameters no entry may use; *out is NULL when the file has all or fresh ones are wanted.
static int list_unread(bigs_model *m, const NameMap *map, uint8_t **out) {
  *out = NULL;
  if (!map->fresh || m->fresh)
    return 0;
  *out = model_alloc(m, (size_t)m->module->nparam, 1, "names of parameters");
  for (int i = 0; *out && i < m->module->nparam; i++)
    (*out)[i] = !map->tensor[i];
  return *out ? 0 : m->error.status;
}

void weights_trained(bigs_model *m, int train) {
  const uint8_t *used = m->module->program[m->module->train[train].program].param_used;
  for (int i = 0; m->unread && i < m->module->nparam; i++)
    m->unread[i] &= used && !used[i];
}

static int check_config(bigs_model *m, const Hub *hub, int block, const char *path) {
  if (!hub_config(hub))
    return 0;
  size_t n = strlen(path) + sizeof "/config.json";
  char *config = model_alloc(m, n, 1, "a path");
  if (!config)
    return m->error.status;
  snprintf(config, n, "%s/config.json", path);
  int err = config_check(m->module, block, hub_config(hub), config, &m->error);
  free(config);
  return err;
}

// The configuration first: where it says another size, that is what is wrong, not every tensor.
static int match_hub(bigs_model *m, const Hub *hub, const char *path, NameMap *map) {
  int block = -1, err = name_choose(m->module, hub, &block, &m->error);
  err = err ? err : check_config(m, hub, block, path);
  return err ? err : name_map(m->module, hub, block, map, &m->error);
}

static int load_hub(bigs_model *m, const Hub *hub, const char *path) {
  NameMap map;
  uint8_t *unread = NULL;
  int err = match_hub(m, hub, path, &map);
  if (err)
    return err;
  err = list_unread(m, &map, &unread);
  if (!err && map.fresh)
    err = exec_init(m);
  err = err ? err : read_all(m, &map);
  m->weights_version++;
  free(m->unread);
  m->unread = unread;
  if (!err)
    note_fresh(m, &map, path);
  name_map_free(&map);
  return err;
}

int weights_load(bigs_model *m, const char *path) {
  Hub *hub;
  int err = hub_open(path, &hub, &m->error);
  if (err)
    return err;
  err = hub_count(hub)
            ? load_hub(m, hub, path)
            : bigs_fail(&m->error, BIGS_EFILE, "%s: holds no weights (model.safetensors)", path);
  hub_close(hub);
  return err;
}

// ---- writing
int weights_declare(const BigsModule *module, StWriter *w, int block, const char *prefix,
                    const char *suffix, BigsError *e) {
  int err = 0;
  for (int i = 0; i < module->nparam && !err; i++) {
    StoredShape s = stored_shape(module, block, i);
    size_t n = strlen(prefix) + strlen(s.name) + strlen(suffix) + 1;
    char *name = malloc(n);
    if (!name)
      return bigs_fail_memory(e, "names of tensors");
    snprintf(name, n, "%s%s%s", prefix, s.name, suffix);
    err = st_declare(w, name, file_dtype(&module->param[i]), s.rank, s.shape, e);
    free(name);
  }
  return err;
}

int weights_write(bigs_model *m, StWriter *w, int block, const char *arena) {
  char *dense = dense_buffer(m);
  int err = dense ? 0 : m->error.status;
  for (int i = 0; i < m->module->nparam && !err; i++) {
    const BigsParam *p = &m->module->param[i];
    StoredShape s = stored_shape(m->module, block, i);
    param_get_strided(p, arena, dense, s.stride);
    if (first_not_finite(dense, param_elem(p) == 8 ? DT_F64 : DT_F32, param_count(p)) >= 0)
      err = exec_check_finite(m, arena);
    err = err ? err : st_write(w, dense, (size_t)param_count(p) * (size_t)param_elem(p), &m->error);
  }
  free(dense);
  return err;
}

int weights_save(bigs_model *m, const char *path, const char *names) {
  int block = name_block(m->module, names, &m->error);
  if (block < -1)
    return m->error.status;
  StWriter *w = st_create(path, &m->error);
  if (!w)
    return m->error.status;
  int err = weights_declare(m->module, w, block, "", "", &m->error);
  err = err ? err : weights_write(m, w, block, m->param.p);
  if (!err)
    return st_finish(w, &m->error);
  st_cancel(w);
  return err;
}

// ---- a set of native tensors
int weights_read(bigs_model *m, const StFile *f, const char *prefix, const char *suffix,
                 char *arena) {
  char *dense = dense_buffer(m), name[1024];
  int err = dense ? 0 : m->error.status;
  for (int i = 0; i < m->module->nparam && !err; i++) {
    const BigsParam *p = &m->module->param[i];
    StoredShape s = stored_shape(m->module, -1, i);
    snprintf(name, sizeof name, "%s%s%s", prefix, p->name, suffix);
    const StTensor *t = st_find(f, name);
    bool same =
        t && t->rank == s.rank && !memcmp(t->shape, s.shape, (size_t)s.rank * sizeof *s.shape);
    if (!same)
      err = bigs_fail(&m->error, BIGS_EFILE, "%s: tensor %s is %s", st_path(f), name,
                      t ? "misshapen" : "missing");
    err = err ? err : st_copy(t, file_dtype(p), dense, &m->error);
    if (!err)
      param_set_strided(p, arena, dense, s.stride);
  }
  free(dense);
  return err;
}
