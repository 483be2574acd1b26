// What a compiled model says of itself.
#include "codegen/api/api.h"
#include "codegen/llvm/aot.h"
#include "compiler/commands/inspect.h"
#include <string.h>

static const char *tensor_text(Session *s, const bigs_info_tensor *t) {
  const char *text = strcmp(t->dtype, "f32") || !t->rank ? t->dtype : "";
  for (int i = 0; i < t->rank; i++) {
    text = session_text(s, "%s%s%s", text, i ? ", " : "[", t->axis[i]);
    if (strcmp(t->axis[i], t->extent[i]))
      text = session_text(s, "%s = %s", text, t->extent[i]);
  }
  return t->rank ? session_text(s, "%s]", text) : text;
}

// The line of the C header that declares this function.
static const char *prototype(Session *s, const bigs_info_entry *e) {
  const char *header = api_header(s->arena, s->module, false),
             *prefix = api_prefix(s->arena, s->module);
  const char *start = session_text(s, "\nint %s_%s%s(", prefix, e->name, e->trains ? "_step" : "");
  const char *at = strstr(header, start), *end = at ? strchr(at, ';') : NULL;
  return end ? arena_strndup(s->arena, at + 1, (size_t)(end - at)) : "";
}

static void print_values(const bigs_info *info) {
  printf("  fixed when it was compiled:");
  for (int i = 0; i < info->nvalue; i++)
    printf("%s%s = %g", i ? ", " : " ", info->value[i].name, info->value[i].value);
  printf("\n");
  if (info->ndim)
    printf("  at run time:");
  for (int i = 0; i < info->ndim; i++) {
    printf("%s%s", i ? ", " : " ", info->dim[i].name);
    if (info->dim[i].bound)
      printf(" <= %lld", (long long)info->dim[i].bound);
  }
  printf("%s", info->ndim ? "\n" : "");
}

static int module_text(Session *s, const char *path, const bigs_info *info) {
  int width = 0;
  printf("model %s (%s), compiled by bigsc %s for %s\n", info->model, path, info->version,
         info->target);
  printf("  runs on %s%s%s\n", target_isa(s->arena, info->features), *info->features ? ": " : "",
         info->features);
  print_values(info);
  for (int i = 0; i < info->nentry; i++) {
    const bigs_info_entry *e = &info->entry[i];
    printf("  %s %s : %s\n      %s\n", e->trains ? "train" : "entry", e->name,
           e->trains ? "loss" : tensor_text(s, &e->output), prototype(s, e));
  }
  for (int i = 0; i < info->nparameter; i++)
    width =
        (int)strlen(info->parameter[i].name) > width ? (int)strlen(info->parameter[i].name) : width;
  for (int i = 0; i < info->nparameter; i++)
    printf("  param %-*s %s\n", width, info->parameter[i].name,
           tensor_text(s, &info->parameter[i]));
  printf("  %s numbers in %d parameters, %s\n", inspect_grouped(s, info->parameter_count),
         info->nparameter, inspect_bytes(s, info->parameter_bytes));
  inspect_costs(s, s->module, NULL);
  return 0;
}

static void json_tensor(JsonText *t, const bigs_info_tensor *x) {
  JsonText axes = {0}, extents = {0};
  record_text(t, "name", x->name);
  record_text(t, "dtype", x->dtype);
  for (int i = 0; i < x->rank; i++) {
    JsonText a = {0}, e = {0};
    json_put_string(&a, x->axis[i], strlen(x->axis[i]));
    inspect_item(&axes, &a);
    if (x->size[i])
      json_put_int(&e, x->size[i]);
    else
      json_put_string(&e, x->extent[i], strlen(x->extent[i]));
    inspect_item(&extents, &e);
  }
  inspect_list(t, "axes", &axes);
  inspect_list(t, "shape", &extents);
  if (x->optional)
    record_number(t, "default", x->fallback);
}

static void json_tensors(JsonText *t, const char *key, const bigs_info_tensor *x, int n) {
  JsonText list = {0};
  for (int i = 0; i < n; i++) {
    JsonText o = {0};
    record_begin(&o);
    json_tensor(&o, &x[i]);
    record_end(&o);
    inspect_item(&list, &o);
  }
  inspect_list(t, key, &list);
}

static void json_entries(Session *s, JsonText *t, const bigs_info *info) {
  JsonText list = {0};
  for (int i = 0; i < info->nentry; i++) {
    const bigs_info_entry *e = &info->entry[i];
    JsonText o = {0}, out = {0};
    record_begin(&o);
    record_text(&o, "name", e->name);
    record_text(&o, "kind", e->trains ? "train" : "entry");
    record_text(&o, "prototype", prototype(s, e));
    json_tensors(&o, "inputs", e->input, e->ninput);
    record_begin(&out);
    json_tensor(&out, &e->output);
    record_end(&out);
    inspect_member(&o, "output", &out);
    record_end(&o);
    inspect_item(&list, &o);
  }
  inspect_list(t, "entries", &list);
}

static int module_json(Session *s, const char *path, const bigs_info *info) {
  JsonText t = {0}, values = {0}, dims = {0};
  record_begin(&t);
  record_text(&t, "kind", "compiled");
  record_text(&t, "path", path);
  record_text(&t, "model", info->model);
  record_text(&t, "version", info->version);
  record_text(&t, "target", info->target);
  record_text(&t, "isa", target_isa(s->arena, info->features));
  record_text(&t, "features", info->features);
  record_begin(&values);
  for (int i = 0; i < info->nvalue; i++)
    record_number(&values, info->value[i].name, info->value[i].value);
  record_end(&values);
  inspect_member(&t, "fixed", &values);
  record_begin(&dims);
  for (int i = 0; i < info->ndim; i++)
    record_int(&dims, info->dim[i].name, info->dim[i].bound);
  record_end(&dims);
  inspect_member(&t, "bounds", &dims);
  json_entries(s, &t, info);
  record_int(&t, "parameter_count", info->parameter_count);
  record_int(&t, "parameter_bytes", info->parameter_bytes);
  json_tensors(&t, "parameters", info->parameter, info->nparameter);
  inspect_costs(s, s->module, &t);
  return inspect_json(s, &t);
}

int inspect_module(Session *s, const char *path) {
  bigs_info *info = bigs_info_new(s->module);
  if (!info)
    return session_error(s, EXIT_MODEL, "out of memory");
  int status = s->o->json ? module_json(s, path, info) : module_text(s, path, info);
  bigs_info_free(info);
  return status;
}
