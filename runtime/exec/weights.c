// Parameters from and to safetensors files.
#include "runtime/exec/extend.h"
#include "runtime/exec/match.h"
#include "base/dtype.h"
#include "base/alloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static StDType file_dtype(const BigsParam *p) {
  return param_elem(p) == 8 ? ST_F64 : ST_F32;
}

// Room for the largest parameter.
static char *dense_buffer(bigs_model *m) {
  size_t most = 8;
  for (int i = 0; i < m->module->nparam; i++) {
    size_t bytes =
        (size_t)param_count(&m->module->param[i]) * (size_t)param_elem(&m->module->param[i]);
    most = bytes > most ? bytes : most;
  }
  return MODEL_ALLOC(m, char, most, "a copy of a parameter");
}

// ---- reading
// A table that has more rows than the file.
static int read_longer(bigs_model *m, const NameMap *map, int i, const char *arena, char *dense) {
  const BigsParam *p = &m->module->param[i];
  const TableGrowth *g = &map->growth[i];
  StoredShape s = stored_shape(m->module, map->block, i);
  char *from = MODEL_ALLOC(m, char, (size_t)(g->outer * g->old * g->inner * param_elem(p)),
                           "a shorter table");
  int err = from ? st_copy(map->tensor[i], file_dtype(p), from, &m->error) : m->error.status;
  if (!err) {
    param_get_strided(p, arena, dense, s.stride);
    extend_fill(g, (ExtendHow)m->extend[i], param_elem(p), from, dense);
  }
  free(from);
  return err;
}

static int read_all(bigs_model *m, const NameMap *map) {
  char *dense = region_own(m, &m->param, "parameters") ? NULL : dense_buffer(m),
       *arena = dense ? region_look(m, &m->param) : NULL;
  int err = arena ? 0 : m->error.status;
  for (int i = 0; i < m->module->nparam && !err; i++) {
    const BigsParam *p = &m->module->param[i];
    if (!map->tensor[i])
      continue;
    StoredShape s = stored_shape(m->module, map->block, i);
    err = map->growth[i].old ? read_longer(m, map, i, arena, dense)
                             : st_copy(map->tensor[i], file_dtype(p), dense, &m->error);
    if (!err)
      param_set_strided(p, arena, dense, s.stride);
  }
  free(dense);
  return err ? err : region_put(m, &m->param);
}

int weights_take(bigs_model *m, const char *from) {
  char *dense = dense_buffer(m), *arena = dense ? region_look(m, &m->param) : NULL;
  for (int i = 0; arena && i < m->module->nparam; i++)
    if (!m->unread || !m->unread[i]) {
      param_get(&m->module->param[i], from, dense);
      param_set(&m->module->param[i], arena, dense);
    }
  free(dense);
  return arena ? region_put(m, &m->param) : m->error.status;
}

static bool noted_before(const NameSet *set, const NameMap *map, int param) {
  for (int k = 0; k < param; k++)
    if (!map->tensor[k] && name_same_rule(set, k, param))
      return true;
  return false;
}

static int count_lacking(const NameSet *set, const NameMap *map, int param) {
  int n = 0;
  for (int k = 0; k < set->n; k++)
    n += !map->tensor[k] && name_same_rule(set, k, param);
  return n;
}

// "head.bias and 4 more: not in FILE", or of another size there, a line for each rule
static void note_fresh(bigs_model *m, const NameMap *map, const char *path) {
  NameSet set = name_set(m->module, map->block);
  JsonText t = {0};
  for (int i = 0; i < set.n; i++) {
    if (map->tensor[i] || noted_before(&set, map, i))
      continue;
    char more[32] = "";
    int n = count_lacking(&set, map, i);
    if (n > 1)
      snprintf(more, sizeof more, " and %d more", n - 1);
    json_raw(&t, m->module->param[i].name);
    json_raw(&t, more);
    json_raw(&t, map->resized && map->resized[i] ? ": of another size in " : ": not in ");
    json_raw(&t, path);
    json_raw(&t, "\n");
  }
  free(m->notes);
  m->notes = t.s; // cut when memory is short; it is only for reading
}

// Which parameters the file lacks; *out is NULL when it has all.
static int list_lacking(bigs_model *m, const NameMap *map, uint8_t **out) {
  *out = NULL;
  if (!map->fresh)
    return 0;
  *out = MODEL_ALLOC(m, uint8_t, m->module->nparam, "names of parameters");
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
  char *config = MODEL_ALLOC(m, char, n, "a path");
  if (!config)
    return m->error.status;
  snprintf(config, n, "%s/config.json", path);
  int err = config_check(m->module, block, hub_config(hub), config, m->extend, &m->error);
  free(config);
  return err;
}

// The configuration first: where it says another size, that is what is wrong, not every tensor.
static int match_hub(bigs_model *m, const Hub *hub, const char *path, NameMap *map) {
  int block = -1, err = name_choose(m->module, hub, &block, &m->error);
  err = err ? err : check_config(m, hub, block, path);
  NameAsk ask = {.fresh_heads = m->asked.fresh_head != 0, .extend = m->extend};
  return err ? err : name_map(m->module, hub, block, ask, map, &m->error);
}

// Entries may use what is lacking, where fresh values are wanted.
static void keep_unread(bigs_model *m, uint8_t *lacking) {
  free(m->unread);
  m->unread = m->fresh ? NULL : lacking;
  if (m->fresh)
    free(lacking);
}

static bool has_fresh_rows(const bigs_model *m, const NameMap *map, int param) {
  return map->growth[param].old && m->extend[param] == EXTEND_FRESH;
}

// First values of what lacks, which a handle that gets its weights later needs not, and of the rows that tables lack.
static int draw_fresh(bigs_model *m, const NameMap *map, const uint8_t *lacking) {
  uint8_t *wanted = MODEL_ALLOC(m, uint8_t, m->module->nparam + 1, "names of parameters");
  bool any = false, rows = false;
  for (int i = 0; wanted && i < m->module->nparam; i++) {
    rows |= has_fresh_rows(m, map, i);
    wanted[i] = (lacking && lacking[i] && !m->asked.unset) || has_fresh_rows(m, map, i);
    any |= wanted[i];
  }
  int err = !wanted ? m->error.status : 0;
  if (rows && module_program(m->module, BIGS_INIT, NULL) < 0)
    err = bigs_fail(&m->error, BIGS_EMODEL,
                    "the model was compiled without its first values, of which "
                    "--extend wants fresh rows: extend by tile or interpolate");
  err = err || !any ? err : exec_init(m, wanted);
  free(wanted);
  return err;
}

static int load_hub(bigs_model *m, const Hub *hub, const char *path) {
  NameMap map;
  uint8_t *lacking = NULL;
  int err = match_hub(m, hub, path, &map);
  if (err)
    return err;
  err = list_lacking(m, &map, &lacking);
  err = err ? err : draw_fresh(m, &map, lacking);
  err = err ? err : read_all(m, &map);
  m->weights_version++;
  keep_unread(m, lacking);
  if (!err)
    note_fresh(m, &map, path);
  name_map_free(&map);
  return err;
}

int weights_load(bigs_model *m, const char *path) {
  Hub *hub;
  int err = hub_open(path, m->asked.readers, &hub, &m->error);
  if (err)
    return err;
  err = hub_count(hub)
            ? load_hub(m, hub, path)
            : bigs_fail(&m->error, BIGS_EFILE, "%s: holds no weights (model.safetensors)", path);
  hub_close(hub);
  return err;
}

// ---- writing
static int declare(const BigsModule *module, StWriter *w, int block, int param, const char *suffix,
                   BigsError *e) {
  StoredShape s = stored_shape(module, block, param);
  size_t n = strlen(s.name) + strlen(suffix) + 1;
  char *name = MALLOC_N(char, n);
  if (!name)
    return bigs_fail_memory(e, "names of tensors");
  snprintf(name, n, "%s%s", s.name, suffix);
  int err = st_declare(w, name, file_dtype(&module->param[param]), s.rank, s.shape, e);
  free(name);
  return err;
}

int weights_declare(const BigsModule *module, StWriter *w, int block, const char *suffix,
                    const uint8_t *skip, BigsError *e) {
  int err = 0;
  for (int i = 0; i < module->nparam && !err; i++)
    if (!skip || !skip[i])
      err = declare(module, w, block, i, suffix, e);
  return err;
}

int weights_write(bigs_model *m, StWriter *w, int block, const uint8_t *skip, Region *r) {
  char *dense = dense_buffer(m), *arena = dense ? region_look(m, r) : NULL;
  int err = arena ? 0 : m->error.status;
  for (int i = 0; i < m->module->nparam && !err; i++) {
    const BigsParam *p = &m->module->param[i];
    StoredShape s = stored_shape(m->module, block, i);
    if (skip && skip[i])
      continue;
    param_get_strided(p, arena, dense, s.stride);
    if (first_not_finite(dense, param_elem(p) == 8 ? DT_F64 : DT_F32, param_count(p)) >= 0)
      err = exec_check_finite(m, r);
    err = err ? err : st_write(w, dense, (size_t)param_count(p) * (size_t)param_elem(p), &m->error);
  }
  free(dense);
  return err;
}

static int cannot_lack(bigs_model *m, int block, int param) {
  return bigs_fail(&m->error, BIGS_EFILE,
                   "the weights lack the parameter %s, and a file in the names of `%s` must have "
                   "it: train it first, or write "
                   "the names that the weights are in",
                   m->module->param[param].name, m->module->checkpoint[block].name);
}

// Of a rule of which a part is known, all is written: no file may hold a part of it.
static int skip_lacking(bigs_model *m, int block, uint8_t *skip, NameLack *lack) {
  NameSet set = name_set(m->module, block);
  int err = name_lacks(&set, skip, lack, &m->error);
  for (int i = 0; i < set.n && !err; i++)
    if (lack[i] == LACK_MUST)
      err = cannot_lack(m, block, i);
    else
      skip[i] = lack[i] == LACK_FRESH;
  return err;
}

int weights_skip(bigs_model *m, int block, int train, uint8_t **skip) {
  *skip = NULL;
  if (!m->unread)
    return 0;
  const uint8_t *used =
      train < 0 ? NULL : m->module->program[m->module->train[train].program].param_used;
  size_t n = (size_t)m->module->nparam + 1;
  uint8_t *out = MODEL_ALLOC(m, uint8_t, n, "names of parameters");
  NameLack *lack = out ? MODEL_ALLOC(m, NameLack, n, "names of parameters") : NULL;
  for (int i = 0; lack && i < m->module->nparam; i++)
    out[i] = m->unread[i] && !(train >= 0 && (!used || used[i]));
  int err = lack ? skip_lacking(m, block, out, lack) : m->error.status;
  free(lack);
  if (err)
    free(out);
  else
    *skip = out;
  return err;
}

static int save_to(bigs_model *m, StWriter *w, int block, const uint8_t *skip) {
  int err = weights_declare(m->module, w, block, "", skip, &m->error);
  err = err ? err : weights_write(m, w, block, skip, &m->param);
  if (!err)
    return st_finish(w, &m->error);
  st_cancel(w);
  return err;
}

int weights_save(bigs_model *m, const char *path, const char *names) {
  uint8_t *skip;
  int block = name_block(m->module, names, &m->error);
  if (block < -1 || weights_skip(m, block, -1, &skip))
    return m->error.status;
  StWriter *w = st_create(path, &m->error);
  int err = w ? save_to(m, w, block, skip) : m->error.status;
  free(skip);
  return err;
}

// ---- a set of native tensors
static int read_native(bigs_model *m, const StFile *f, const StTensor *t, const char *name,
                       int param, char *dense, char *arena) {
  const BigsParam *p = &m->module->param[param];
  StoredShape s = stored_shape(m->module, -1, param);
  if (!t || t->rank != s.rank || memcmp(t->shape, s.shape, (size_t)s.rank * sizeof *s.shape))
    return bigs_fail(&m->error, BIGS_EFILE, "%s: tensor %s is %s", st_path(f), name,
                     t ? "misshapen" : "missing");
  int err = st_copy(t, file_dtype(p), dense, &m->error);
  if (!err)
    param_set_strided(p, arena, dense, s.stride);
  return err;
}

// Which parameters the file lacks, as native names may: m->unread.
static int take_lacks(bigs_model *m, const StFile *f) {
  NameSet set = name_set(m->module, -1);
  size_t n = (size_t)set.n + 1, lacking = 0;
  uint8_t *missing = MODEL_ALLOC(m, uint8_t, n, "names of parameters");
  NameLack *lack = missing ? MODEL_ALLOC(m, NameLack, n, "names of parameters") : NULL;
  for (int i = 0; lack && i < set.n; i++)
    missing[i] = !st_find(f, set.param[i].name);
  int err = lack ? name_lacks(&set, missing, lack, &m->error) : m->error.status;
  for (int i = 0; i < set.n && !err; i++)
    lacking += missing[i] = lack[i] == LACK_FRESH;
  free(lack);
  if (err || !lacking) {
    free(missing);
    missing = NULL;
  }
  free(m->unread);
  m->unread = missing;
  return err;
}

int weights_read(bigs_model *m, const StFile *f, const char *suffix, bool lacks, Region *r) {
  char *dense = region_own(m, r, "parameters") ? NULL : dense_buffer(m),
       *arena = dense ? region_look(m, r) : NULL, name[1024];
  int err = !arena ? m->error.status : lacks ? take_lacks(m, f) : 0;
  for (int i = 0; i < m->module->nparam && !err; i++) {
    if (lacks && m->unread && m->unread[i])
      continue;
    snprintf(name, sizeof name, "%s%s", m->module->param[i].name, suffix);
    err = read_native(m, f, st_find(f, name), name, i, dense, arena);
  }
  free(dense);
  return err ? err : region_put(m, r);
}
