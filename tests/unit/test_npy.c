// NumPy's files of one array.
#include "base/bug.h"
#include "runtime/train/npy.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file of version `version` with this header, and `n` bytes 0, 1, 2, ...
static const char *put(int version, const char *header, int n) {
  const char *path = in_dir("grid.npy");
  size_t size = strlen(header);
  FILE *f = fopen(path, "wb");
  ck_assert_ptr_nonnull(f);
  fprintf(f, "\x93NUMPY%c%c", version, 0);
  for (int i = 0; i < (version == 1 ? 2 : 4); i++)
    fputc((int)(size >> 8 * i & 255), f);
  fputs(header, f);
  for (int i = 0; i < n; i++)
    fputc(i, f);
  fclose(f);
  return path;
}

// As numpy.save writes them, and as others may.
static const struct {
  int version;
  const char *header;
  StDType dtype;
  int rank;
  int64_t shape[3];
} read_npy[] = {
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4), }     \n", ST_I16, 2, {3, 4}},
    {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", ST_F32, 1, {3}},
    {3, "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 1, 5), }\n", ST_BOOL, 3, {2, 1, 5}},
    {1, "{\"shape\":(7L,),\"descr\":\"|u1\",\"fortran_order\":False}", ST_U8, 1, {7}},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", ST_F64, 0, {0}},
    {1, "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 4), }\n", ST_I64, 2, {0, 4}},
};

START_TEST(npy_reads_what_numpy_writes) {
  BigsError e = {0};
  StFile *f;
  unsigned char bytes[64];
  int64_t n = st_dtype_size(read_npy[_i].dtype);
  for (int a = 0; a < read_npy[_i].rank; a++)
    n *= read_npy[_i].shape[a];
  ck_assert_msg(!npy_open(put(read_npy[_i].version, read_npy[_i].header, (int)n), &f, &e), "%s",
                e.text);
  ck_assert_int_eq(st_count(f), 1);
  const StTensor *t = st_find(f, "grid");
  ck_assert(t && t->dtype == read_npy[_i].dtype && t->rank == read_npy[_i].rank);
  ck_assert_int_eq((int64_t)t->nbytes, n);
  for (int a = 0; a < t->rank; a++)
    ck_assert_int_eq(t->shape[a], read_npy[_i].shape[a]);
  ck_assert_int_eq(st_read(t, 0, bytes, t->nbytes, &e), 0);
  for (int i = 0; i < (int)n; i++)
    ck_assert_int_eq(bytes[i], i);
  st_close(f);
}
END_TEST

static const struct {
  int version;
  const char *header;
  int n;
  const char *error;
} bad_npy[] = {
    {1, "{'descr': '<i2', 'fortran_order': True, 'shape': (3, 4), }\n", 24, "is in Fortran order"},
    {1, "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }\n", 24, "pickled objects"},
    {1, "{'descr': '>i2', 'fortran_order': False, 'shape': (3,), }\n", 6, "it is big-endian"},
    {1, "{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }\n", 24,
     "dtype '<c8' is not read"},
    {1, "{'descr': '<U3', 'fortran_order': False, 'shape': (3,), }\n", 36,
     "dtype '<U3' is not read"},
    {1, "{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (3,), }\n", 6, "of records"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4), }\n", 23, "end behind the file"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4), }\n", 25,
     "1 bytes behind the array"},
    {1, "{'descr': '<i2', 'fortran_order': False, }\n", 2, "a key is missing"},
    {1, "{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (1,)}", 2,
     "there twice"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (-1,)}", 2, "no extent of an axis"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3 4)}", 24, "no end of its shape"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4)", 24, "no end of it"},
    {1, "{'descr': '<i2', 'fortran_order': 0, 'shape': (3,)}", 6, "no order"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3,)} x", 6, "text behind it"},
    {1, "{'descr': <i2, 'fortran_order': False, 'shape': (3,)}", 6, "no dtype"},
    {1, "{'descr': '<i2', 'fortran_order': False, 'shape': (999999999999999999, 99)}", 2,
     "overflows"},
    {1, "('descr')", 0, "no dictionary"},
    {4, "{'descr': '<i2', 'fortran_order': False, 'shape': (1,), }\n", 2, "version 4.0"},
};

START_TEST(npy_refuses) {
  BigsError e = {0};
  StFile *f = NULL;
  const char *path = put(bad_npy[_i].version, bad_npy[_i].header, bad_npy[_i].n);
  ck_assert_int_eq(npy_open(path, &f, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, bad_npy[_i].error) && !strncmp(e.text, path, strlen(path)), "%s",
                e.text);
  ck_assert_ptr_null(f);
}
END_TEST

// Whatever of a file is there, the rest is missed.
START_TEST(npy_cut_anywhere) {
  const char *header = "{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4), }\n",
             *path = put(1, header, 24);
  char all[256];
  FILE *f = fopen(path, "rb");
  size_t size = fread(all, 1, sizeof all, f);
  fclose(f);
  for (size_t n = 0; n < size; n++) {
    BigsError e = {0};
    StFile *st;
    f = fopen(path, "wb");
    fwrite(all, 1, n, f);
    fclose(f);
    ck_assert_msg(npy_open(path, &st, &e) == BIGS_EFILE, "%zu bytes", n);
  }
}
END_TEST

Suite *npy_suite(void) {
  Suite *s = suite_create("npy");
  TCase *t = tcase_create("npy");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_loop_test(t, npy_reads_what_numpy_writes, 0, COUNT(read_npy));
  tcase_add_loop_test(t, npy_refuses, 0, COUNT(bad_npy));
  tcase_add_test(t, npy_cut_anywhere);
  suite_add_tcase(s, t);
  return s;
}
