// What flax.serialization writes, and every way in which it is wrong by its own message.
#include "tests/unit/foreign_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"

START_TEST(flax_files) {
  MadeFile f = made_flax();
  grow_write(&f, in_dir("flax_model.msgpack"));
  Hub *h = hub_opened(dir);
  ck_assert_int_eq(hub_count(h), 3);
  hub_holds(h, "bert.kernel", "F32 [3, 4]", made_floats);
  hub_holds(h, "bert.0.bias", "BF16 [3]", (float[]){1, -3, 42});
  hub_holds(h, "big", "F16 [2, 2]", (float[]){1, -2, 0.333251953125f, 65504});
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
    {MADE_BYTES("\x81\xa1w\xc1"), "begins no value"},
    {MADE_BYTES("\x81\xa2ww"), "ends within a value"},
    {MADE_BYTES("\x82\xa1w\7"), "ends within a value"},
    {MADE_BYTES("\x81\7\7\7"), "a name that is no short text"},
    {MADE_BYTES("\x81\xa1w\7"), "holds no array"},
    {MADE_BYTES("\x81\xa1w\7\7"), "bytes behind the last value"},
    {MADE_BYTES("\x81\xa1w\x91\7"), "a list: only maps"},
    {MADE_BYTES("\x81\xa1w\xc7\1\5\7"), "an extension that is no array"},
    {MADE_BYTES(ARRAY "\1\1\7"), "not shape, dtype and bytes"},
    {MADE_BYTES(ARRAY "\x0d\1\x93\x91\2\xa7"
                      "float32\xc4\2\7\7"),
     "do not make its shape"},
    {MADE_BYTES(ARRAY "\x0e\1\x93\x91\1\xa7"
                      "float32\xc4\4\7\7\7\7"),
     "another length than it says"},
    {MADE_BYTES(ARRAY "\x0f\1\x93\x91\xff\xa7"
                      "float32\xc4\4\7\7\7\7"),
     "an extent that is no whole number"},
    {MADE_BYTES(ARRAY "\x0f\1\x93\x91\1\xa7"
                      "complex\xc4\4\7\7\7\7"),
     "w is of dtype complex"},
    {MADE_BYTES(ARRAY "\x20\1\x93\x92\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xcf\x7f\xff\xff\xff\xff"
                      "\xff\xff\xff\xa7"
                      "float32\xc4\4\7\7\7\7"),
     "do not make its shape"},
    {MADE_BYTES("\x81\xa1w\xc6\xff\xff\xff\xff"), "ends within a value"},
    {MADE_BYTES("\x81\xa1w\x81\xb9__msgpack_chunked_array__\xc3"), "lacks its shape or its chunks"},
    {MADE_BYTES("\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\x81\xa1"
                "1\2"),
     "not in order"},
    {MADE_BYTES("\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\x81\xa1"
                "0\2\xa6"
                "chunks\x80"),
     "do not make their array"},
    {MADE_BYTES("\x81\xa1\xff\x81\xa1w\x80"), "holds no array"},
};

START_TEST(flax_bad_files) {
  MadeFile f = {(unsigned char *)bad_flax[_i].msg, bad_flax[_i].n};
  hub_refuses(in_dir("bad"), &f, bad_flax[_i].why);
}
END_TEST

START_TEST(flax_depth) {
  MadeFile f = {0};
  for (int i = 0; i < 70; i++)
    grow_text(&f, "\x81\xa1w");
  grow_text(&f, "\x80");
  hub_refuses(in_dir("bad"), &f, "too many levels");
  grow_free(&f);
}
END_TEST

#define ROWS(t) (int)(sizeof t / sizeof *t)
Suite *flax_suite(void) {
  Suite *s = suite_create("flax");
  TCase *c = tcase_create("flax");
  tcase_set_timeout(c, 120);
  tcase_add_checked_fixture(c, make_dir, remove_dir);
  tcase_add_test(c, flax_files);
  tcase_add_loop_test(c, flax_bad_files, 0, ROWS(bad_flax));
  tcase_add_test(c, flax_depth);
  suite_add_tcase(s, c);
  return s;
}
