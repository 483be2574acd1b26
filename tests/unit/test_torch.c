// What torch.save writes, in all its forms, and every way in which it is wrong by its own message.
#include "tests/unit/foreign_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- what is read
static void check_torch(const MadeFile *f) {
  BigsError e = {0};
  grow_write(f, in_dir("w"));
  Hub *h = hub_opened(in_dir("w"));
  ck_assert_int_eq(hub_count(h), MADE_TENSORS);
  hub_holds(h, "a.weight", "F32 [3, 4]", made_floats);
  hub_holds(h, "t", "F32 [4, 3]", (float[]){1, 5, 9, -2, 6, 10, 3, 7, 11, 4.5f, 8, 12});
  hub_holds(h, "part", "F32 [2, 2]", (float[]){6, 7, 10, 11});
  hub_holds(h, "half", "F16 [4]", (float[]){1, -2, 0.333251953125f, 65504});
  hub_holds(h, "bf", "BF16 [3]", (float[]){1, -3, 42});
  hub_holds(h, "empty", "F32 [0, 7]", made_floats);
  hub_holds(h, "one", "F32 []", (float[]){4.5f});
  hub_holds(h, "wide", "F32 [2, 3, 1]", (float[]){3, 4.5f, 5, 3, 4.5f, 5});
  double d[2];
  int64_t n[3];
  ck_assert_int_eq(st_copy(hub_at(h, 5), ST_F64, d, &e) | st_copy(hub_at(h, 6), ST_I64, n, &e), 0);
  ck_assert(!memcmp(d, made_doubles, sizeof d) && !memcmp(n, made_longs, sizeof n));
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

// A compressed storage that many tensors look at is unpacked once: a small file could keep the reader busy for hours.
START_TEST(torch_storage_is_unpacked_once) {
  MadeFile f = made_archive(true, false);
  grow_write(&f, in_dir("w"));
  Hub *h = hub_opened(in_dir("w"));
  hub_holds(h, "a.weight", "F32 [3, 4]", made_floats);
  FILE *disk = fopen(in_dir("w"), "r+b"); // the bytes in it are lost
  for (size_t i = 0; i < f.n; i++)
    putc(0, disk);
  fclose(disk);
  hub_holds(h, "t", "F32 [4, 3]", (float[]){1, 5, 9, -2, 6, 10, 3, 7, 11, 4.5f, 8, 12});
  hub_holds(h, "part", "F32 [2, 2]", (float[]){6, 7, 10, 11});
  BigsError e = {0};
  float x[4]; // of another storage
  ck_assert_int_eq(st_copy(hub_at(h, 3), ST_F32, x, &e), BIGS_EFILE);
  ck_assert_int_eq(st_copy(hub_at(h, 3), ST_F32, x, &e), BIGS_EFILE);
  hub_holds(h, "empty", "F32 [0, 7]", made_floats);
  hub_close(h);
  grow_free(&f);
}
END_TEST

// The pickle, which is freed, has as many tensors, and made_floats by this name.
static void pickle_holds(MadeFile *p, int tensors, const char *name) {
  MadeFile f = made_archive_of(p, false, false);
  grow_write(&f, in_dir("w"));
  Hub *h = hub_opened(in_dir("w"));
  ck_assert_int_eq(hub_count(h), tensors);
  hub_holds(h, name, "F32 [3, 4]", made_floats);
  hub_close(h);
  grow_free(p);
  grow_free(&f);
}

// Protocol 4, as later pythons write: frames, short texts, names from the stack, a memo by count.
START_TEST(torch_protocol_4) {
  MadeFile p = {0};
  grow_put(&p, "\x80\4\x95\0\0\0\0\0\0\0\0}\x94\x8c\1w\x94", 17);
  pickle_text(&p, "torch._utils");
  pickle_text(&p, "_rebuild_parameter");
  grow_text(&p, "\x93");
  pickle_tensor(&p, &made_tensors[0]);
  grow_text(&p, "\x88");
  pickle_global(&p, "collections", "OrderedDict");
  grow_put(&p, ")R\x87Rs\x8c\1vh\1h\1\x86s.", 16);
  pickle_holds(&p, 1, "w");
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
  pickle_tensor(&p, &made_tensors[3]);
  grow_text(&p, "es");
  pickle_text(&p, under[_i]);
  pickle_state_dict(&p, made_names, made_tensors, 2);
  grow_text(&p, "u.");
  pickle_holds(&p, 2, "a.weight");
}
END_TEST

// A view of a storage, in a file of before torch 1.6: elements 4 to 10 of it, and a tensor 2 behind the first.
START_TEST(torch_view_of_a_storage) {
  MadeFile f = {0};
  made_front(&f, true);
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
  grow_put(&f, made_floats, sizeof made_floats);
  grow_write(&f, in_dir("w"));
  Hub *h = hub_opened(in_dir("w"));
  hub_holds(h, "w", "F32 [3]", (float[]){7, 8, 9});
  hub_close(h);
  grow_free(&f);
}
END_TEST

// ---- bad pickles
static const struct {
  const char *pickle;
  size_t n;
  const char *why;
} bad_pickles[] = {
    {MADE_BYTES("\x80\2cos\nsystem\nX\4\0\0\0true\x85R."),
     "byte 2: it asks for os.system, which may do anything"},
    {MADE_BYTES("\x80\4\x8c\5posix\x8c\6system\x93."), "it asks for posix.system"},
    {MADE_BYTES("\x80\2ctorch.storage\n_load_from_bytes\n."),
     "it asks for torch.storage._load_from_bytes"},
    {MADE_BYTES("\x80\2c__builtin__\neval\n."), "it asks for __builtin__.eval"},
    {MADE_BYTES("\x80\2(X\4\0\0\0truei__main__\nA\n."), "opcode 0x69"},
    {MADE_BYTES("\x80\2)\x81."), "opcode 0x81"},
    {MADE_BYTES("\x80\6}."), "protocol 6"},
    {MADE_BYTES("\x80\1}."), "protocol 1"},
    {MADE_BYTES("\x80\2}"), "without its last opcode"},
    {MADE_BYTES("\x80\2X\xff\xff\xff\xff"), "ends within a value"},
    {MADE_BYTES("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "ends within a value"},
    {MADE_BYTES("\x80\2h\1."), "place 1 of the memo is empty"},
    {MADE_BYTES("\x80\2}r\xff\xff\xff\xff."), "place 4294967295 of the memo in a pickle of"},
    {MADE_BYTES("\x80\2}}."), "ends with 2 values"},
    {MADE_BYTES("\x80\2(."), "ends with 1 values"},
    {MADE_BYTES("\x80\2s."), "takes 3 values"},
    {MADE_BYTES("\x80\2}(K\1u."), "a key without a value"},
    {MADE_BYTES("\x80\2](e](u."), "items for a list"},
    {MADE_BYTES("\x80\2(u."), "items of nothing"},
    {MADE_BYTES("\x80\2t."), "without its start"},
    {MADE_BYTES("\x80\2ccollections\nOrderedDict\nK\1\x85R."), "arguments of OrderedDict"},
    {MADE_BYTES("\x80\2ctorch\nFloatStorage\n)R."), "calls torch.FloatStorage"},
    {MADE_BYTES("\x80\2}K\1R."), "calls a dictionary with an integer"},
    {MADE_BYTES("\x80\2]}b."), "attributes to a list"},
    {MADE_BYTES("\x80\2X\1\0\0\0aQ."), "reference to something that is no storage"},
    {MADE_BYTES("\x80\2(X\7\0\0\0storageccollections\nOrderedDict\nX\1\0\0\0aX\1\0\0\0bK\1tQ."),
     "is no type of a storage"},
    {MADE_BYTES("\x80\2c"), "a name without its end"},
    {MADE_BYTES("\x80\2K\1."), "holds an integer, not a dictionary"},
    {MADE_BYTES("\x80\2}."), "holds no tensor"},
    {MADE_BYTES("\x80\2]q\0h\0a."), "holds a list, not a dictionary"},
};

START_TEST(torch_bad_pickles) {
  MadeFile pickle = {(unsigned char *)bad_pickles[_i].pickle, bad_pickles[_i].n};
  MadeFile f = made_archive_of(&pickle, false, false);
  hub_refuses(in_dir("bad"), &f, bad_pickles[_i].why);
  grow_free(&f);
}
END_TEST

// The pickle, which is freed, is refused.
static void pickle_is_refused(MadeFile *p, bool deflate, const char *why) {
  MadeFile f = made_archive_of(p, deflate, false);
  hub_refuses(in_dir("bad"), &f, why);
  grow_free(p);
  grow_free(&f);
}

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
  pickle_is_refused(&p, true, "holds no tensor");
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
  pickle_state_dict(&p, made_names, &bad_tensors[_i].t, 1);
  grow_text(&p, ".");
  pickle_is_refused(&p, false, bad_tensors[_i].why);
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
  pickle_tensor(&p, &made_tensors[0]);
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
  pickle_is_refused(&p, false, why[_i]);
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
  hub_refuses(in_dir("bad"), &f, bad_archives[_i].why);
  grow_free(&f);
}
END_TEST

// An archive of something else, one of a big-endian computer, one that says a name twice.
START_TEST(torch_other_archives) {
  static const char *const why[] = {"without data.pkl", "not little-endian",
                                    "two entries have the name x/version", "more than 8388608"};
  MadeZip z = {.deflate = true};
  MadeFile pickle = made_pickle();
  char *large = calloc(1, 9000000);
  if (_i)
    zip_put(&z, "x/data.pkl", _i == 3 ? (void *)large : pickle.p, _i == 3 ? 9000000 : pickle.n);
  zip_put(&z, "x/version", "3\n", 2);
  zip_put(&z, _i == 2 ? "x/version" : "x/byteorder", "big", 3);
  zip_finish(&z);
  hub_refuses(in_dir("bad"), &z.file, why[_i]);
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
    {MADE_BYTES("}}"), "without its last opcode", false},
    {MADE_BYTES("K\1."), "not one of torch.save", false},
    {MADE_BYTES("}."), "not one of torch.save", false},
    {MADE_BYTES("}.\x80\2}."), "its list of storages is a dictionary", true},
    {MADE_BYTES("}.\x80\2](X\1\0\0\0ae."), "a storage that no tensor uses", true},
};

START_TEST(torch_bad_rows) {
  MadeFile f = {0};
  if (bad_rows[_i].front)
    made_front(&f, true);
  grow_put(&f, "\x80\2", 2);
  grow_put(&f, bad_rows[_i].what, bad_rows[_i].n);
  hub_refuses(in_dir("bad"), &f, bad_rows[_i].why);
  grow_free(&f);
}
END_TEST

START_TEST(torch_row_of_a_big_endian_computer) {
  MadeFile f = {0};
  made_front(&f, false);
  grow_text(&f, "\x80\2}.\x80\2].");
  hub_refuses(in_dir("bad"), &f, "not little-endian");
  grow_free(&f);
}
END_TEST

START_TEST(torch_row_without_a_storage) {
  MadeFile f = {0};
  made_front(&f, true);
  grow_put(&f, "\x80\2", 2);
  pickle_state_dict(&f, made_names, made_tensors, 1);
  grow_text(&f, ".\x80\2].");
  hub_refuses(in_dir("bad"), &f, "it lacks storage 0");
  grow_free(&f);
}
END_TEST

#define ROWS(t) (int)(sizeof t / sizeof *t)
Suite *torch_suite(void) {
  Suite *s = suite_create("torch");
  TCase *c = tcase_create("torch");
  tcase_set_timeout(c, 120);
  tcase_add_checked_fixture(c, make_dir, remove_dir);
  tcase_add_loop_test(c, torch_files, 0, 5);
  tcase_add_test(c, torch_storage_is_unpacked_once);
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
  suite_add_tcase(s, c);
  return s;
}
