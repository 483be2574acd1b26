// See foreign_bed.h.
#include "tests/unit/foreign_bed.h"
#include <check.h>
#include <string.h>

const float made_floats[12] = {1, -2, 3, 4.5f, 5, 6, 7, 8, 9, 10, 11, 12};
const uint16_t made_halves[4] = {0x3c00, 0xc000, 0x3555, 0x7bff},
               made_bf16s[3] = {0x3f80, 0xc040, 0x4228};
const int64_t made_longs[3] = {1, -5, INT64_MAX};
const double made_doubles[2] = {0.1, -1e300};
const char *const made_names[MADE_TENSORS] = {"a.weight", "t",    "part",  "half", "bf",
                                              "double",   "long", "empty", "one",  "wide"};
// Several tensors look at storage 0.
const MadeTensor made_tensors[MADE_TENSORS] = {
    {"FloatStorage", "0", 12, 0, 2, {3, 4}, {4, 1}},
    {"FloatStorage", "0", 12, 0, 2, {4, 3}, {1, 4}},
    {"FloatStorage", "0", 12, 5, 2, {2, 2}, {4, 1}},
    {"HalfStorage", "1", 4, 0, 1, {4}, {1}},
    {"BFloat16Storage", "2", 3, 0, 1, {3}, {1}},
    {"DoubleStorage", "3", 2, 0, 1, {2}, {1}},
    {"LongStorage", "4", 3, 0, 1, {3}, {1}},
    {"FloatStorage", "0", 12, 0, 2, {0, 7}, {7, 1}},
    {"FloatStorage", "0", 12, 3, 0, {0}, {0}},
    {"FloatStorage", "0", 12, 2, 3, {2, 3, 1}, {0, 1, 9}}};
enum { STORAGES = 5 };
static const struct {
  const char *name;
  const void *p;
  size_t elements, bytes;
} storages[STORAGES] = {{"x/data/0", made_floats, 12, 48},
                        {"x/data/1", made_halves, 4, 8},
                        {"x/data/2", made_bf16s, 3, 6},
                        {"x/data/3", made_doubles, 2, 16},
                        {"x/data/4", made_longs, 3, 24}};

MadeFile made_archive_of(const MadeFile *pickle, bool deflate, bool far) {
  MadeZip z = {.deflate = deflate, .far = far};
  zip_put(&z, "x/data.pkl", pickle->p, pickle->n);
  zip_put(&z, "x/byteorder", "little", 6);
  for (int i = 0; i < STORAGES; i++)
    zip_put(&z, storages[i].name, storages[i].p, storages[i].bytes);
  zip_put(&z, "x/version", "3\n", 2);
  zip_finish(&z);
  return z.file;
}

MadeFile made_pickle(void) {
  MadeFile pickle = {0};
  pickle_start(&pickle);
  pickle_state_dict(&pickle, made_names, made_tensors, MADE_TENSORS);
  grow_text(&pickle, ".");
  return pickle;
}

MadeFile made_archive(bool deflate, bool far) {
  MadeFile pickle = made_pickle(), out = made_archive_of(&pickle, deflate, far);
  grow_free(&pickle);
  return out;
}

void made_front(MadeFile *f, bool little) {
  grow_put(f, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}q\1(",
           27);
  pickle_text(f, "little_endian");
  grow_text(f, little ? "\x88u." : "\x89u.");
}

// The order of files of before torch 1.6; storages need not come in that of the tensors.
MadeFile made_row(void) {
  MadeFile f = {0}, pickle = made_pickle();
  made_front(&f, true);
  grow_put(&f, pickle.p, pickle.n);
  grow_put(&f, "\x80\2](", 4);
  for (int i = STORAGES; i-- > 0;)
    pickle_text(&f, (char[]){(char)('0' + i), 0});
  grow_text(&f, "e.");
  for (int i = STORAGES; i-- > 0;) {
    grow_number(&f, storages[i].elements, 8);
    grow_put(&f, storages[i].p, storages[i].bytes);
  }
  grow_free(&pickle);
  return f;
}

MadeFile made_flax(void) {
  MadeFile f = {0};
  msg_map(&f, 3);
  msg_text(&f, "bert");
  msg_map(&f, 2);
  msg_text(&f, "kernel");
  msg_array(&f, "float32", 2, (int64_t[]){3, 4}, made_floats, sizeof made_floats);
  msg_text(&f, "0");
  msg_map(&f, 1);
  msg_text(&f, "bias");
  msg_array(&f, "bfloat16", 1, (int64_t[]){3}, made_bf16s, sizeof made_bf16s);
  msg_text(&f, "step");
  grow_text(&f, "\7");
  msg_text(&f, "big");
  msg_map(&f, 3);
  msg_text(&f, "__msgpack_chunked_array__");
  grow_text(&f, "\xc3");
  msg_text(&f, "shape");
  msg_map(&f, 2);
  msg_text(&f, "0");
  grow_text(&f, "\2");
  msg_text(&f, "1");
  grow_text(&f, "\2");
  msg_text(&f, "chunks");
  msg_map(&f, 2);
  msg_text(&f, "0");
  msg_array(&f, "float16", 1, (int64_t[]){3}, made_halves, 6);
  msg_text(&f, "1");
  msg_array(&f, "float16", 1, (int64_t[]){1}, made_halves + 3, 2);
  return f;
}

void hub_holds(const Hub *h, const char *name, const char *what, const float *want) {
  BigsError e = {0};
  for (int i = 0; i < hub_count(h); i++) {
    const StTensor *t = hub_at(h, i);
    char text[64];
    float x[16];
    if (strcmp(t->name, name) != 0)
      continue;
    ck_assert_str_eq(st_describe(t, text, sizeof text), what);
    ck_assert_msg(st_copy(t, ST_F32, x, &e) == 0, "%s", e.text);
    ck_assert_msg(!memcmp(x, want, sizeof *x * (size_t)t->elements), "%s: %g ...", name, x[0]);
    return;
  }
  ck_abort_msg("no tensor %s", name);
}

Hub *hub_opened(const char *path) {
  BigsError e = {0};
  Hub *h;
  ck_assert_msg(hub_open(path, &foreign_readers, &h, &e) == 0, "%s", e.text);
  return h;
}

void hub_refuses(const char *path, const MadeFile *f, const char *why) {
  BigsError e = {0};
  Hub *h;
  grow_write(f, path);
  ck_assert_msg(hub_open(path, &foreign_readers, &h, &e) == BIGS_EFILE, "opens, though: %s", why);
  ck_assert_ptr_null(h);
  ck_assert_msg(strstr(e.text, why) && strstr(e.text, path), "%s: %s", why, e.text);
}
