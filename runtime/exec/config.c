// config.json of a folder: checked against what was compiled in, and written.
#include "runtime/exec/extend.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool holds(const BigsConfig *c, const JsonValue *v) {
  double number;
  if (c->text)
    return json_equals(v, c->text);
  if (c->is_bool)
    return v->kind == (c->number != 0 ? JSON_TRUE : JSON_FALSE);
  return json_double(v, &number) && number == c->number;
}

// What the file says, for messages: its text as far as it goes on one line.
static const char *said(const JsonValue *v, char *buf, size_t size) {
  if (v->kind == JSON_STRING)
    snprintf(buf, size, "\"%.60s\"", v->text);
  else if (v->kind == JSON_NUMBER)
    snprintf(buf, size, "%.60s", v->text);
  else
    snprintf(buf, size, "%s",
             v->kind == JSON_TRUE    ? "true"
             : v->kind == JSON_FALSE ? "false"
                                     : json_kind_name(v->kind));
  return buf;
}

// The parameter that may have as many rows as the key says, and more than the file does; extend NULL: any, but only one.  -1: none.
static int longer_table(const BigsModule *m, const BigsConfig *c, const JsonValue *v,
                        const uint8_t *extend) {
  double rows;
  int found = -1;
  bool fewer = c->name && json_double(v, &rows) && rows >= 1 && rows < c->number;
  for (int i = 0; i < m->nparam && fewer; i++) {
    const BigsParam *p = &m->param[i];
    if (!p->rank || (double)p->extent[0] != c->number || (extend && !extend[i]))
      continue;
    if (!extend && found >= 0)
      return -1;
    found = i;
  }
  return found;
}

// Where a longer table would do.
static const char *config_hint(const BigsModule *m, const BigsConfig *c, const JsonValue *v,
                               char *buf, size_t size) {
  int param = longer_table(m, c, v, NULL);
  return param < 0 ? "" : extend_hint(m, param, buf, size);
}

static int contradiction(const BigsModule *m, const BigsConfig *c, const JsonValue *v,
                         const char *path, BigsError *e) {
  char has[80], number[64], hint[256];
  said(v, has, sizeof has);
  json_double_text(c->number, number, sizeof number);
  if (c->name)
    return bigs_fail(e, BIGS_EFILE, "%s: %s is %s, but the model was compiled with %s = %s%s", path,
                     c->key, has, c->name, number, config_hint(m, c, v, hint, sizeof hint));
  if (c->text)
    return bigs_fail(e, BIGS_EFILE, "%s: %s is %s, but the model can only follow \"%s\"", path,
                     c->key, has, c->text);
  if (c->is_bool)
    return bigs_fail(e, BIGS_EFILE, "%s: %s is %s, but the model can only follow %s", path, c->key,
                     has, c->number != 0 ? "true" : "false");
  return bigs_fail(e, BIGS_EFILE, "%s: %s is %s, but the model can only follow %s", path, c->key,
                   has, number);
}

// The number of labels is told by the head, where there is one: a file may say it of a head that it lacks, or that starts fresh.
static bool is_of_head(const BigsConfig *c) {
  return c->name && !strcmp(c->key, "num_labels");
}

int config_check(const BigsModule *module, int block, const JsonValue *config, const char *path,
                 const uint8_t *extend, BigsError *e) {
  if (block < 0 || !config)
    return 0;
  const BigsCheckpoint *b = &module->checkpoint[block];
  for (int i = 0; i < b->nconfig; i++) {
    const JsonValue *v = json_get(config, b->config[i].key);
    bool unsaid =
        !v || (v->kind == JSON_NULL && b->config[i].name); // as where dims are set from it
    if (unsaid || is_of_head(&b->config[i]) || holds(&b->config[i], v))
      continue;
    if (!extend || longer_table(module, &b->config[i], v, extend) < 0)
      return contradiction(module, &b->config[i], v, path, e);
  }
  return 0;
}

static void put_key(JsonText *t, const char *indent, const char *key) {
  json_raw(t, indent);
  json_put_string(t, key, strlen(key));
  json_raw(t, ": ");
}

static bool written_before(const BigsModule *m, int block, int entry) {
  for (int b = 0; b <= block; b++)
    for (int i = 0; i < (b == block ? entry : m->checkpoint[b].nconfig); i++)
      if (!strcmp(m->checkpoint[b].config[i].key, m->checkpoint[block].config[entry].key))
        return true;
  return false;
}

static void put_block(JsonText *t, const BigsModule *m, int block) {
  const BigsCheckpoint *b = &m->checkpoint[block];
  for (int i = 0; i < b->nconfig; i++) {
    const BigsConfig *c = &b->config[i];
    if (written_before(m, block, i))
      continue;
    put_key(t, "  ", c->key);
    if (c->text)
      json_put_string(t, c->text, strlen(c->text));
    else if (c->is_bool)
      json_raw(t, c->number != 0 ? "true" : "false");
    else
      json_put_double(t, c->number);
    json_raw(t, ",\n");
  }
}

// [["y", "recur"]]: what a run that goes on takes again.
static void put_forms(JsonText *t, const BigsModule *m) {
  if (!m->nform)
    return;
  put_key(t, "    ", "forms");
  for (int i = 0; i < m->nform; i++) {
    json_raw(t, i ? ", [" : "[[");
    json_put_string(t, m->form[i].value, strlen(m->form[i].value));
    json_raw(t, ", ");
    json_put_string(t, m->form[i].member, strlen(m->form[i].member));
    json_raw(t, "]");
  }
  json_raw(t, "],\n");
}

char *config_text(const BigsModule *m, const char *members) {
  JsonText t = {0};
  json_raw(&t, "{\n");
  for (int b = 0; b < m->ncheckpoint; b++)
    put_block(&t, m, b);
  json_raw(&t, members);
  json_raw(&t, "  \"bigsc\": {\n");
  put_key(&t, "    ", "version");
  json_put_string(&t, m->version, strlen(m->version));
  json_raw(&t, ",\n");
  put_key(&t, "    ", "model");
  json_put_string(&t, m->model, strlen(m->model));
  json_raw(&t, ",\n");
  put_forms(&t, m);
  put_key(&t, "    ", "constants");
  json_raw(&t, "{");
  for (int i = 0; i < m->nconst; i++) {
    put_key(&t, i ? ",\n      " : "\n      ", m->constant[i].name);
    json_put_double(&t, m->constant[i].value);
  }
  json_raw(&t, "\n    }\n  }\n}\n");
  if (t.failed) {
    free(t.s);
    return NULL;
  }
  return t.s;
}
