// Files of other programs: what they hold, and every way in which they are wrong by its own message.
#include "runtime/files/file.h"
#include "runtime/foreign/foreign.h"
#include "tests/unit/faults.h"
#include "tests/unit/foreign_files.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- what torch.save writes
static const float floats[12] = {1, -2, 3, 4.5f, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint16_t halves[4] = {0x3c00, 0xc000, 0x3555, 0x7bff},
                      bf16s[3] = {0x3f80, 0xc040, 0x4228};
static const int64_t longs[3] = {1, -5, INT64_MAX};
static const double doubles[2] = {0.1, -1e300};
static const char *const names[] = {"a.weight", "t",    "part",  "half", "bf",
                                    "double",   "long", "empty", "one",  "wide"};
// Several tensors look at storage 0.
static const MadeTensor tensors[] = {{"FloatStorage", "0", 12, 0, 2, {3, 4}, {4, 1}},
                                     {"FloatStorage", "0", 12, 0, 2, {4, 3}, {1, 4}},
                                     {"FloatStorage", "0", 12, 5, 2, {2, 2}, {4, 1}},
                                     {"HalfStorage", "1", 4, 0, 1, {4}, {1}},
                                     {"BFloat16Storage", "2", 3, 0, 1, {3}, {1}},
                                     {"DoubleStorage", "3", 2, 0, 1, {2}, {1}},
                                     {"LongStorage", "4", 3, 0, 1, {3}, {1}},
                                     {"FloatStorage", "0", 12, 0, 2, {0, 7}, {7, 1}},
                                     {"FloatStorage", "0", 12, 3, 0, {0}, {0}},
                                     {"FloatStorage", "0", 12, 2, 3, {2, 3, 1}, {0, 1, 9}}};
enum { TENSORS = sizeof tensors / sizeof *tensors, STORAGES = 5 };
static const struct {
  const char *name;
  const void *p;
  size_t elements, bytes;
} storages[STORAGES] = {{"x/data/0", floats, 12, 48},
                        {"x/data/1", halves, 4, 8},
                        {"x/data/2", bf16s, 3, 6},
                        {"x/data/3", doubles, 2, 16},
                        {"x/data/4", longs, 3, 24}};

static MadeFile archive_of(const MadeFile *pickle, bool deflate, bool far) {
  MadeZip z = {.deflate = deflate, .far = far};
  zip_put(&z, "x/data.pkl", pickle->p, pickle->n);
  zip_put(&z, "x/byteorder", "little", 6);
  for (int i = 0; i < STORAGES; i++)
    zip_put(&z, storages[i].name, storages[i].p, storages[i].bytes);
  zip_put(&z, "x/version", "3\n", 2);
  zip_finish(&z);
  return z.file;
}

static MadeFile all_tensors(void) {
  MadeFile pickle = {0};
  pickle_start(&pickle);
  pickle_state_dict(&pickle, names, tensors, TENSORS);
  grow_text(&pickle, ".");
  return pickle;
}

static MadeFile made_archive(bool deflate, bool far) {
  MadeFile pickle = all_tensors(), out = archive_of(&pickle, deflate, far);
  grow_free(&pickle);
  return out;
}

static void put_front(MadeFile *f, bool little) {
  grow_put(f, "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}q\1(",
           27);
  pickle_text(f, "little_endian");
  grow_text(f, little ? "\x88u." : "\x89u.");
}

// The order of files of before torch 1.6; storages need not come in that of the tensors.
static MadeFile made_row(void) {
  MadeFile f = {0}, pickle = all_tensors();
  put_front(&f, true);
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

static void holds_floats(const Hub *h, const char *name, const char *what, const float *want) {
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

static Hub *opened(const char *path) {
  BigsError e = {0};
  Hub *h;
  ck_assert_msg(hub_open(path, &foreign_readers, &h, &e) == 0, "%s", e.text);
  return h;
}

static void check_torch(const MadeFile *f) {
  BigsError e = {0};
  grow_write(f, in_dir("w"));
  Hub *h = opened(in_dir("w"));
  ck_assert_int_eq(hub_count(h), TENSORS);
  holds_floats(h, "a.weight", "F32 [3, 4]", floats);
  holds_floats(h, "t", "F32 [4, 3]", (float[]){1, 5, 9, -2, 6, 10, 3, 7, 11, 4.5f, 8, 12});
  holds_floats(h, "part", "F32 [2, 2]", (float[]){6, 7, 10, 11});
  holds_floats(h, "half", "F16 [4]", (float[]){1, -2, 0.333251953125f, 65504});
  holds_floats(h, "bf", "BF16 [3]", (float[]){1, -3, 42});
  holds_floats(h, "empty", "F32 [0, 7]", floats);
  holds_floats(h, "one", "F32 []", (float[]){4.5f});
  holds_floats(h, "wide", "F32 [2, 3, 1]", (float[]){3, 4.5f, 5, 3, 4.5f, 5});
  double d[2];
  int64_t n[3];
  ck_assert_int_eq(st_copy(hub_at(h, 5), ST_F64, d, &e) | st_copy(hub_at(h, 6), ST_I64, n, &e), 0);
  ck_assert(!memcmp(d, doubles, sizeof d) && !memcmp(n, longs, sizeof n));
  // Pieces of a view, in any order.
  float x[2];
  ck_assert_int_eq(st_read(hub_at(h, 1), 20, x, 8, &e) | st_read(hub_at(h, 2), 12, x, 4, &e), 0);
  ck_assert(x[0] == 11 && x[1] == 3);
  hub_close(h);
}

START_TEST(torch_files) {
  MadeFile f = _i == 4 ? made_row() : made_archive(_i & 1, _i & 2);
  check_torch(&f);
  grow_free(&f);
}
END_TEST

// Protocol 4, as later pythons write: frames, short texts, names from the stack, a memo by count.
START_TEST(torch_protocol_4) {
  MadeFile p = {0};
  grow_put(&p, "\x80\4\x95\0\0\0\0\0\0\0\0}\x94\x8c\1w\x94", 17);
  pickle_text(&p, "torch._utils");
  pickle_text(&p, "_rebuild_parameter");
  grow_text(&p, "\x93");
  pickle_tensor(&p, &tensors[0]);
  grow_text(&p, "\x88");
  pickle_global(&p, "collections", "OrderedDict");
  grow_put(&p, ")R\x87Rs\x8c\1vh\1h\1\x86s.", 16);
  MadeFile f = archive_of(&p, false, false);
  grow_write(&f, in_dir("w"));
  Hub *h = opened(in_dir("w"));
  ck_assert_int_eq(hub_count(h), 1);
  holds_floats(h, "w", "F32 [3, 4]", floats);
  hub_close(h);
  grow_free(&p);
  grow_free(&f);
}
END_TEST

// What a script saved around the tensors is passed over.
START_TEST(torch_state_dict_within) {
  static const char *const under[] = {"state_dict", "model", "model_state_dict"};
  MadeFile p = {0};
  pickle_start(&p);
  grow_text(&p, "}(");
  pickle_text(&p, "epoch");
  grow_text(&p, "K\7");
  pickle_text(&p, "optimizer");
  grow_text(&p, "}");
  pickle_text(&p, "state");
  grow_text(&p, "](");
  pickle_tensor(&p, &tensors[3]);
  grow_text(&p, "es");
  pickle_text(&p, under[_i]);
  pickle_state_dict(&p, names, tensors, 2);
  grow_text(&p, "u.");
  MadeFile f = archive_of(&p, false, false);
  grow_write(&f, in_dir("w"));
  Hub *h = opened(in_dir("w"));
  ck_assert_int_eq(hub_count(h), 2);
  holds_floats(h, "a.weight", "F32 [3, 4]", floats);
  hub_close(h);
  grow_free(&p);
  grow_free(&f);
}
END_TEST

// A view of a storage, in a file of before torch 1.6: elements 4 to 10 of it, and a tensor 2 behind the first.
START_TEST(torch_view_of_a_storage) {
  MadeFile f = {0};
  put_front(&f, true);
  grow_put(&f, "\x80\2}", 3);
  pickle_text(&f, "w");
  pickle_global(&f, "torch._utils", "_rebuild_tensor");
  grow_text(&f, "((");
  pickle_text(&f, "storage");
  pickle_global(&f, "torch", "FloatStorage");
  pickle_text(&f, "s");
  pickle_text(&f, "cpu");
  pickle_int(&f, 12);
  grow_text(&f, "(");
  pickle_text(&f, "v");
  grow_put(&f, "K\4K\6ttQK\2K\3\x85K\1\x85tRs.\x80\2]", 22);
  pickle_text(&f, "s");
  grow_text(&f, "a.");
  grow_number(&f, 12, 8);
  grow_put(&f, floats, sizeof floats);
  grow_write(&f, in_dir("w"));
  Hub *h = opened(in_dir("w"));
  holds_floats(h, "w", "F32 [3]", (float[]){7, 8, 9});
  hub_close(h);
  grow_free(&f);
}
END_TEST

// ---- bad pickles
static void is_refused(const MadeFile *f, const char *why) {
  BigsError e = {0};
  Hub *h;
  grow_write(f, in_dir("bad"));
  ck_assert_msg(hub_open(in_dir("bad"), &foreign_readers, &h, &e) == BIGS_EFILE,
                "opens, though: %s", why);
  ck_assert_ptr_null(h);
  ck_assert_msg(strstr(e.text, why) && strstr(e.text, in_dir("bad")), "%s: %s", why, e.text);
}

#define P(s) s, sizeof s - 1
static const struct {
  const char *pickle;
  size_t n;
  const char *why;
} bad_pickles[] = {
    {P("\x80\2cos\nsystem\nX\4\0\0\0true\x85R."),
     "byte 2: it asks for os.system, which may do anything"},
    {P("\x80\4\x8c\5posix\x8c\6system\x93."), "it asks for posix.system"},
    {P("\x80\2ctorch.storage\n_load_from_bytes\n."), "it asks for torch.storage._load_from_bytes"},
    {P("\x80\2c__builtin__\neval\n."), "it asks for __builtin__.eval"},
    {P("\x80\2(X\4\0\0\0truei__main__\nA\n."), "opcode 0x69"},
    {P("\x80\2)\x81."), "opcode 0x81"},
    {P("\x80\6}."), "protocol 6"},
    {P("\x80\1}."), "protocol 1"},
    {P("\x80\2}"), "without its last opcode"},
    {P("\x80\2X\xff\xff\xff\xff"), "ends within a value"},
    {P("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "ends within a value"},
    {P("\x80\2h\1."), "place 1 of the memo is empty"},
    {P("\x80\2}r\xff\xff\xff\xff."), "place 4294967295 of the memo in a pickle of"},
    {P("\x80\2}}."), "ends with 2 values"},
    {P("\x80\2(."), "ends with 1 values"},
    {P("\x80\2s."), "takes 3 values"},
    {P("\x80\2}(K\1u."), "a key without a value"},
    {P("\x80\2](e](u."), "items for a list"},
    {P("\x80\2(u."), "items of nothing"},
    {P("\x80\2t."), "without its start"},
    {P("\x80\2ccollections\nOrderedDict\nK\1\x85R."), "arguments of OrderedDict"},
    {P("\x80\2ctorch\nFloatStorage\n)R."), "calls torch.FloatStorage"},
    {P("\x80\2}K\1R."), "calls a dictionary with an integer"},
    {P("\x80\2]}b."), "attributes to a list"},
    {P("\x80\2X\1\0\0\0aQ."), "reference to something that is no storage"},
    {P("\x80\2(X\7\0\0\0storageccollections\nOrderedDict\nX\1\0\0\0aX\1\0\0\0bK\1tQ."),
     "is no type of a storage"},
    {P("\x80\2c"), "a name without its end"},
    {P("\x80\2K\1."), "holds an integer, not a dictionary"},
    {P("\x80\2}."), "holds no tensor"},
    {P("\x80\2]q\0h\0a."), "holds a list, not a dictionary"},
};

START_TEST(torch_bad_pickles) {
  MadeFile pickle = {(unsigned char *)bad_pickles[_i].pickle, bad_pickles[_i].n};
  MadeFile f = archive_of(&pickle, false, false);
  is_refused(&f, bad_pickles[_i].why);
  grow_free(&f);
}
END_TEST

// Lists within lists to any depth, and a list that holds itself, are read and found to hold nothing.
START_TEST(torch_depth) {
  MadeFile p = {0};
  pickle_start(&p);
  grow_text(&p, "}");
  pickle_text(&p, "deep");
  for (int i = 0; i < 200000; i++)
    grow_text(&p, "]");
  for (int i = 0; i < 200000 - 1; i++)
    grow_text(&p, "a");
  grow_text(&p, "s.");
  MadeFile f = archive_of(&p, true, false);
  is_refused(&f, "holds no tensor");
  grow_free(&p);
  grow_free(&f);
}
END_TEST

static const struct {
  MadeTensor t;
  const char *why;
} bad_tensors[] = {
    {{"FloatStorage", "0", 12, 0, 2, {3, 5}, {4, 1}}, "ends behind its storage of 12 elements"},
    {{"FloatStorage", "0", 12, 12, 1, {1}, {1}}, "ends behind its storage"},
    {{"FloatStorage", "0", 12, 0, 2, {INT64_MAX, INT64_MAX}, {INT64_MAX, 1}},
     "ends behind its storage"},
    {{"FloatStorage", "0", 12, 0, 2, {INT64_MAX, INT64_MAX}, {0, 0}},
     "product of its extents overflows"},
    {{"FloatStorage", "0", 12, -1, 1, {1}, {1}}, "arguments of a tensor"},
    {{"FloatStorage", "0", 12, 0, 1, {-1}, {1}}, "not whole, or negative"},
    {{"FloatStorage", "0", 12, 11, 1, {2}, {-1}}, "not whole, or negative"},
    {{"FloatStorage", "9", 12, 0, 1, {1}, {1}}, "lacks storage 9"},
    {{"FloatStorage", "0", 13, 0, 1, {1}, {1}},
     "has 13 elements of F32, but x/data/0 has 48 bytes"},
    {{"FloatStorage", "0", INT64_MAX, 0, 1, {1}, {1}},
     "elements of F32, but x/data/0 has 48 bytes"},
    {{"DoubleStorage", "0", 12, 0, 1, {1}, {1}}, "has 12 elements of F64"},
    {{"QInt8Storage", "0", 12, 0, 1, {1}, {1}}, "asks for torch.QInt8Storage"},
};

START_TEST(torch_bad_tensors) {
  MadeFile p = {0};
  pickle_start(&p);
  pickle_state_dict(&p, names, &bad_tensors[_i].t, 1);
  grow_text(&p, ".");
  MadeFile f = archive_of(&p, false, false);
  is_refused(&f, bad_tensors[_i].why);
  grow_free(&p);
  grow_free(&f);
}
END_TEST

// Names that do not tell tensors apart, a storage of two types, a conjugate view, one that is no dictionary's.
START_TEST(torch_bad_dictionaries) {
  static const char *const why[] = {"two tensors have the name \"a\"", "storage 0 is of two types",
                                    "conjugate or negative view", "tensors within \"deep\"",
                                    "a tensor's name is an integer"};
  MadeFile p = {0};
  pickle_start(&p);
  grow_text(&p, "}(");
  pickle_text(&p, _i == 3 ? "deep" : "a");
  if (_i == 3)
    grow_text(&p, "]");
  pickle_tensor(&p, &tensors[0]);
  if (_i == 3)
    grow_text(&p, "a");
  if (_i == 4)
    grow_text(&p, "K\1");
  else
    pickle_text(&p, _i ? "b" : "a");
  pickle_tensor(&p,
                &(MadeTensor){_i == 1 ? "IntStorage" : "FloatStorage", "0", 12, 0, 1, {1}, {1}});
  if (_i == 2) { // the last argument of the same call: a dictionary of bits
    p.n -= 2;
    grow_text(&p, "}");
    pickle_text(&p, "conj");
    grow_text(&p, "\x88stR");
  }
  grow_text(&p, "u.");
  MadeFile f = archive_of(&p, false, false);
  is_refused(&f, why[_i]);
  grow_free(&p);
  grow_free(&f);
}
END_TEST

// ---- bad archives
static void set(MadeFile *f, const char *behind, int skip, uint64_t v, int bytes) {
  size_t n = strlen(behind);
  unsigned char *at = memmem(f->p, f->n, behind, n);
  ck_assert(at != NULL);
  for (int i = 0; i < bytes; i++, v >>= 8)
    at[skip + i] = (unsigned char)v;
}

static const struct {
  const char *behind; // the first such bytes
  int skip, bytes;    // where a number behind them starts
  uint64_t v;
  bool deflate;
  const char *why;
} bad_archives[] = {
    {"PK\1\2", 8, 2, 1, false, "x/data.pkl is encrypted"},
    {"PK\1\2", 10, 2, 12, false, "compressed by method 12"},
    {"PK\1\2", 20, 4, 0x7fffffff, false, "x/data.pkl ends behind the file"},
    {"PK\1\2", 24, 4, 0x7fffffff, true, "x/data.pkl cannot be 2147483647 bytes"},
    {"PK\1\2", 24, 4, 7, true, "x/data.pkl is damaged"},
    {"PK\1\2", 16, 4, 1, false, "x/data.pkl is damaged"},
    {"PK\1\2", 42, 4, 3, false, "x/data.pkl does not lie where"},
    {"PK\1\2", 28, 2, 60000, false, "list is damaged behind 0 entries"},
    {"PK\1\2", 0, 1, 'Q', false, "list is damaged behind 0 entries"},
    {"PK\1\2", 46, 1, 0xff, false, "a name is no UTF-8"},
    {"PK\5\6", 16, 4, 0x7fffffff, false, "list ends behind the file"},
    {"PK\5\6", 10, 2, 100, false, "list is damaged behind 8 entries"},
    {"PK\5\6", 0, 1, 'Q', false, "without its end"},
};

START_TEST(torch_bad_archives) {
  MadeFile f = made_archive(bad_archives[_i].deflate, false);
  set(&f, bad_archives[_i].behind, bad_archives[_i].skip, bad_archives[_i].v,
      bad_archives[_i].bytes);
  is_refused(&f, bad_archives[_i].why);
  grow_free(&f);
}
END_TEST

// An archive of something else, one of a big-endian computer, one that says a name twice.
START_TEST(torch_other_archives) {
  static const char *const why[] = {"without data.pkl", "not little-endian",
                                    "two entries have the name x/version", "more than 8388608"};
  MadeZip z = {.deflate = true};
  MadeFile pickle = all_tensors();
  char *large = calloc(1, 9000000);
  if (_i)
    zip_put(&z, "x/data.pkl", _i == 3 ? (void *)large : pickle.p, _i == 3 ? 9000000 : pickle.n);
  zip_put(&z, "x/version", "3\n", 2);
  zip_put(&z, _i == 2 ? "x/version" : "x/byteorder", "big", 3);
  zip_finish(&z);
  is_refused(&z.file, why[_i]);
  grow_free(&z.file);
  grow_free(&pickle);
  free(large);
}
END_TEST

static const struct {
  const char *what;
  size_t n;
  const char *why;
  bool front; // with the magic number, and what follows it
} bad_rows[] = {
    {P("}}"), "without its last opcode", false},
    {P("K\1."), "not one of torch.save", false},
    {P("}."), "not one of torch.save", false},
    {P("}.\x80\2}."), "its list of storages is a dictionary", true},
    {P("}.\x80\2](X\1\0\0\0ae."), "a storage that no tensor uses", true},
};

START_TEST(torch_bad_rows) {
  MadeFile f = {0};
  if (bad_rows[_i].front)
    put_front(&f, true);
  grow_put(&f, "\x80\2", 2);
  grow_put(&f, bad_rows[_i].what, bad_rows[_i].n);
  is_refused(&f, bad_rows[_i].why);
  grow_free(&f);
}
END_TEST

START_TEST(torch_row_of_a_big_endian_computer) {
  MadeFile f = {0};
  put_front(&f, false);
  grow_text(&f, "\x80\2}.\x80\2].");
  is_refused(&f, "not little-endian");
  grow_free(&f);
}
END_TEST

START_TEST(torch_row_without_a_storage) {
  MadeFile f = {0};
  put_front(&f, true);
  grow_put(&f, "\x80\2", 2);
  pickle_state_dict(&f, names, tensors, 1);
  grow_text(&f, ".\x80\2].");
  is_refused(&f, "it lacks storage 0");
  grow_free(&f);
}
END_TEST

// ---- flax
static MadeFile made_flax(void) {
  MadeFile f = {0};
  msg_map(&f, 3);
  msg_text(&f, "bert");
  msg_map(&f, 2);
  msg_text(&f, "kernel");
  msg_array(&f, "float32", 2, (int64_t[]){3, 4}, floats, sizeof floats);
  msg_text(&f, "0");
  msg_map(&f, 1);
  msg_text(&f, "bias");
  msg_array(&f, "bfloat16", 1, (int64_t[]){3}, bf16s, sizeof bf16s);
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
  msg_array(&f, "float16", 1, (int64_t[]){3}, halves, 6);
  msg_text(&f, "1");
  msg_array(&f, "float16", 1, (int64_t[]){1}, halves + 3, 2);
  return f;
}

START_TEST(flax_files) {
  MadeFile f = made_flax();
  grow_write(&f, in_dir("flax_model.msgpack"));
  Hub *h = opened(dir);
  ck_assert_int_eq(hub_count(h), 3);
  holds_floats(h, "bert.kernel", "F32 [3, 4]", floats);
  holds_floats(h, "bert.0.bias", "BF16 [3]", (float[]){1, -3, 42});
  holds_floats(h, "big", "F16 [2, 2]", (float[]){1, -2, 0.333251953125f, 65504});
  hub_close(h);
  grow_free(&f);
}
END_TEST

#define ARRAY "\x81\xa1w\xc7"
static const struct {
  const char *msg;
  size_t n;
  const char *why;
} bad_flax[] = {
    {P("\x81\xa1w\xc1"), "begins no value"},
    {P("\x81\xa2ww"), "ends within a value"},
    {P("\x82\xa1w\7"), "ends within a value"},
    {P("\x81\7\7\7"), "a name that is no short text"},
    {P("\x81\xa1w\7"), "holds no array"},
    {P("\x81\xa1w\7\7"), "bytes behind the last value"},
    {P("\x81\xa1w\x91\7"), "a list: only maps"},
    {P("\x81\xa1w\xc7\1\5\7"), "an extension that is no array"},
    {P(ARRAY "\1\1\7"), "not shape, dtype and bytes"},
    {P(ARRAY "\x0d\1\x93\x91\2\xa7"
             "float32\xc4\2\7\7"),
     "do not make its shape"},
    {P(ARRAY "\x0e\1\x93\x91\1\xa7"
             "float32\xc4\4\7\7\7\7"),
     "another length than it says"},
    {P(ARRAY "\x0f\1\x93\x91\xff\xa7"
             "float32\xc4\4\7\7\7\7"),
     "an extent that is no whole number"},
    {P(ARRAY "\x0f\1\x93\x91\1\xa7"
             "complex\xc4\4\7\7\7\7"),
     "w is of dtype complex"},
    {P(ARRAY
       "\x20\1\x93\x92\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xa7"
       "float32\xc4\4\7\7\7\7"),
     "do not make its shape"},
    {P("\x81\xa1w\xc6\xff\xff\xff\xff"), "ends within a value"},
    {P("\x81\xa1w\x81\xb9__msgpack_chunked_array__\xc3"), "lacks its shape or its chunks"},
    {P("\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\x81\xa1"
       "1\2"),
     "not in order"},
    {P("\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\x81\xa1"
       "0\2\xa6"
       "chunks\x80"),
     "do not make their array"},
    {P("\x81\xa1\xff\x81\xa1w\x80"), "holds no array"},
};

START_TEST(flax_bad_files) {
  MadeFile f = {(unsigned char *)bad_flax[_i].msg, bad_flax[_i].n};
  is_refused(&f, bad_flax[_i].why);
}
END_TEST

START_TEST(flax_depth) {
  MadeFile f = {0};
  for (int i = 0; i < 70; i++)
    grow_text(&f, "\x81\xa1w");
  grow_text(&f, "\x80");
  is_refused(&f, "too many levels");
  grow_free(&f);
}
END_TEST

// ---- any file
static MadeFile made_form(int form) {
  return form == 4 ? made_flax() : form == 3 ? made_row() : made_archive(form == 1, form == 2);
}
enum { MADE_FORMS = 5 };

START_TEST(cut_anywhere) {
  MadeFile f = made_form(_i);
  for (size_t n = 4; n < f.n; n += n < f.n - 200 ? 9 : 1)
    is_refused(&(MadeFile){f.p, n}, ": ");
  grow_free(&f);
}
END_TEST

// Reads all that a file that opens has: it has to be as large as it says, or an error.
static void read_everything(const Hub *h) {
  BigsError e = {0};
  for (int i = 0; i < hub_count(h); i++) {
    const StTensor *t = hub_at(h, i);
    char *p = t->nbytes < 1 << 20 ? malloc(t->nbytes + 1) : NULL;
    int status = p ? st_read(t, 0, p, t->nbytes, &e) : 0;
    ck_assert_msg(status == 0 || (status == BIGS_EFILE && e.text[0]), "%d", status);
    free(p);
  }
}

START_TEST(one_byte_differs) {
  MadeFile f = made_form(_i);
  for (size_t k = 0; k < f.n; k += 3) {
    BigsError e = {0};
    Hub *h;
    f.p[k] ^= (unsigned char)(1 << k % 8);
    grow_write(&f, in_dir("bad"));
    if (hub_open(in_dir("bad"), &foreign_readers, &h, &e))
      ck_assert_msg(e.status == BIGS_EFILE && e.text[0], "byte %zu", k);
    else
      read_everything(h);
    hub_close(h);
    f.p[k] ^= (unsigned char)(1 << k % 8);
  }
  grow_free(&f);
}
END_TEST

// Where memory is out at any allocation, it is an error and nothing is lost.
START_TEST(memory_is_out) {
  MadeFile f = made_form(_i);
  grow_write(&f, in_dir("w"));
  grow_free(&f);
  for (long n = 1;; n++) {
    BigsError e = {0};
    StFile *out;
    long before = fault_blocks();
    fault_arm(FAULT_MEMORY, n, FAULT_ONCE, ENOMEM);
    int status = (_i == 4 ? flax_open : torch_open)(in_dir("w"), &out, &e);
    float x[12];
    int read = status ? 0 : st_copy(st_at(out, 1), ST_F32, x, &e);
    bool done = fault_disarm() < n;
    st_close(out);
    ck_assert_int_eq(fault_blocks(), before);
    ck_assert_msg(done ? !status && !read
                       : (status | read) == BIGS_EMODEL && strstr(e.text, "memory"),
                  "%ld: %s", n, e.text);
    if (done)
      break;
  }
}
END_TEST

// ---- folders
START_TEST(folder_without_readers) {
  static const char *const what[] = {
      "pytorch_model.bin is a pickle: `bigsc convert` makes safetensors of it",
      "flax_model.msgpack is a msgpack file: `bigsc convert` makes"};
  BigsError e = {0};
  Hub *h;
  MadeFile f = _i ? made_flax() : made_archive(false, false);
  grow_write(&f, in_dir(_i ? "flax_model.msgpack" : "pytorch_model.bin"));
  ck_assert_int_eq(hub_open(dir, NULL, &h, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, what[_i]) != NULL, "%s", e.text);
  grow_free(&f);
}
END_TEST

START_TEST(folder_of_shards) {
  static const char index[] =
      "{\"weight_map\": {\"a.weight\": \"p-1.bin\", \"t\": \"p-1.bin\", \"part\": \"p-2.bin\"}}";
  for (int i = 0; i < 2; i++) {
    MadeFile p = {0};
    pickle_start(&p);
    pickle_state_dict(&p, names + 2 * i, tensors + 2 * i, 2 - i);
    grow_text(&p, ".");
    MadeFile f = archive_of(&p, false, false);
    grow_write(&f, in_dir(i ? "p-2.bin" : "p-1.bin"));
    grow_free(&p);
    grow_free(&f);
  }
  grow_write(&(MadeFile){(unsigned char *)index, sizeof index - 1},
             in_dir("pytorch_model.bin.index.json"));
  Hub *h = opened(dir);
  ck_assert_int_eq(hub_count(h), 3);
  holds_floats(h, "part", "F32 [2, 2]", (float[]){6, 7, 10, 11});
  hub_close(h);
}
END_TEST

// Of several forms in a folder the first of the table is read: the others need not even be whole.
START_TEST(folder_of_several_forms) {
  MadeFile f = made_flax();
  grow_write(&f, in_dir("flax_model.msgpack"));
  grow_free(&f);
  f = made_archive(false, false);
  grow_write(&f, in_dir("pytorch_model.bin"));
  grow_free(&f);
  Hub *h = opened(dir);
  ck_assert_int_eq(hub_count(h), TENSORS);
  hub_close(h);
  BigsError e = {0};
  StWriter *w = st_create(in_dir("model.safetensors"), &e);
  ck_assert_int_eq(
      st_declare(w, "x", ST_F32, 0, NULL, &e) | st_write(w, floats, 4, &e) | st_finish(w, &e), 0);
  ck_assert_int_eq(truncate(in_dir("pytorch_model.bin"), 100), 0);
  ck_assert_int_eq(hub_open(dir, NULL, &h, &e), 0);
  ck_assert_int_eq(hub_count(h), 1);
  hub_close(h);
}
END_TEST

START_TEST(forms_by_their_first_bytes) {
  static const struct {
    const char *head;
    size_t n;
    HubForm form;
  } row[] = {{P("PK\3\4..."), FORM_PICKLE},
             {P("\x80\2}."), FORM_PICKLE},
             {P("\x80\5}."), FORM_PICKLE},
             {P("\x80\6}."), FORM_SAFETENSORS},
             {P("\x81\xa1w."), FORM_MSGPACK},
             {P("\xde\0\1\xa1"), FORM_MSGPACK},
             {P("\x81\xa1\0\0\0\0\0\0{"), FORM_SAFETENSORS},
             {P("\x80\2\0\0\0\0\0\0{"), FORM_SAFETENSORS},
             {P("PK\3"), FORM_SAFETENSORS},
             {P("x"), FORM_SAFETENSORS}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    ck_assert_int_eq(hub_form((const unsigned char *)row[i].head, row[i].n), row[i].form);
}
END_TEST

#define ROWS(t) (int)(sizeof t / sizeof *t)
Suite *foreign_suite(void) {
  Suite *s = suite_create("foreign");
  TCase *c = tcase_create("foreign");
  tcase_set_timeout(c, 120);
  tcase_add_checked_fixture(c, make_dir, remove_dir);
  tcase_add_loop_test(c, torch_files, 0, 5);
  tcase_add_test(c, torch_protocol_4);
  tcase_add_loop_test(c, torch_state_dict_within, 0, 3);
  tcase_add_test(c, torch_view_of_a_storage);
  tcase_add_loop_test(c, torch_bad_pickles, 0, ROWS(bad_pickles));
  tcase_add_test(c, torch_depth);
  tcase_add_loop_test(c, torch_bad_tensors, 0, ROWS(bad_tensors));
  tcase_add_loop_test(c, torch_bad_dictionaries, 0, 5);
  tcase_add_loop_test(c, torch_bad_archives, 0, ROWS(bad_archives));
  tcase_add_loop_test(c, torch_other_archives, 0, 4);
  tcase_add_loop_test(c, torch_bad_rows, 0, ROWS(bad_rows));
  tcase_add_test(c, torch_row_of_a_big_endian_computer);
  tcase_add_test(c, torch_row_without_a_storage);
  tcase_add_test(c, flax_files);
  tcase_add_loop_test(c, flax_bad_files, 0, ROWS(bad_flax));
  tcase_add_test(c, flax_depth);
  tcase_add_loop_test(c, cut_anywhere, 0, MADE_FORMS);
  tcase_add_loop_test(c, one_byte_differs, 0, MADE_FORMS);
  tcase_add_loop_test(c, memory_is_out, 0, MADE_FORMS);
  tcase_add_loop_test(c, folder_without_readers, 0, 2);
  tcase_add_test(c, folder_of_shards);
  tcase_add_test(c, folder_of_several_forms);
  tcase_add_test(c, forms_by_their_first_bytes);
  suite_add_tcase(s, c);
  return s;
}
