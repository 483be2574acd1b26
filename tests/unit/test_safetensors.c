// safetensors and hub folders: round trips, every malformed header by its own message, full disks.
#include "runtime/files/file.h"
#include "runtime/files/hub.h"
#include "runtime/files/safetensors.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- safetensors

static void write_two(const char *path, float first) {
  BigsError e = {0};
  StWriter *w = st_create(path, &e);
  ck_assert_msg(w, "%s", e.text);
  int status = st_add_metadata(w, "step", "7 \"x\"", &e);
  status |= st_declare(w, "b.weight", ST_F32, 2, (int64_t[]){2, 3}, &e);
  status |= st_declare(w, "a", ST_I32, 0, NULL, &e);
  status |= st_declare(w, "empty", ST_F64, 2, (int64_t[]){0, 5}, &e);
  status |= st_declare(w, "mask", ST_BOOL, 1, (int64_t[]){3}, &e);
  float x[6] = {first, 2, 3, 4, 5, 6};
  int32_t a = -9;
  status |= st_write(w, x, 10, &e);
  status |= st_write(w, (char *)x + 10, 14, &e);
  status |= st_write(w, &a, 4, &e);
  status |= st_write(w, "\1\0\1", 3, &e);
  status |= st_finish(w, &e);
  ck_assert_msg(status == 0, "%s", e.text);
}

START_TEST(st_round_trip) {
  BigsError e = {0};
  StFile *f;
  write_two(in_dir("w"), 1);
  ck_assert_int_eq(files_in_dir(), 1);
  ck_assert_msg(st_open(in_dir("w"), &f, &e) == 0, "%s", e.text);
  ck_assert_int_eq(st_count(f), 4);
  const StTensor *t = st_find(f, "b.weight");
  ck_assert(t == st_at(f, 0) && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3);
  ck_assert_uint_eq(t->nbytes, 24);
  ck_assert_uint_eq(t->offset % 8, 0);
  float x[6];
  ck_assert_int_eq(st_copy(t, ST_F32, x, &e), 0);
  ck_assert(x[0] == 1 && x[5] == 6);
  int32_t a;
  ck_assert_int_eq(st_copy(st_find(f, "a"), ST_I32, &a, &e), 0);
  ck_assert_int_eq(a, -9);
  ck_assert_int_eq(st_find(f, "empty")->elements, 0);
  bool mask[3];
  ck_assert_int_eq(st_copy(st_find(f, "mask"), ST_BOOL, mask, &e), 0);
  ck_assert(mask[0] && !mask[1] && mask[2]);
  ck_assert(json_equals(json_get(st_metadata(f), "format"), "pt"));
  ck_assert(json_equals(json_get(st_metadata(f), "step"), "7 \"x\""));
  ck_assert_ptr_null(st_find(f, "c"));
  char text[64];
  ck_assert_str_eq(st_describe(t, text, sizeof text), "F32 [2, 3]");
  st_close(f);
}
END_TEST

static void put_header(const char *path, uint64_t length, const char *header, size_t data) {
  FILE *f = fopen(path, "w");
  for (int i = 0; i < 8; i++)
    fputc((int)(length >> (8 * i) & 255), f);
  fputs(header, f);
  for (size_t i = 0; i < data; i++)
    fputc((int)i, f);
  fclose(f);
}

#define T(dtype, shape, lo, hi)                                                                    \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" lo "," hi "]}"
static const struct {
  const char *header;
  size_t data;
  const char *error;
} bad_headers[] = {
    {"{\"a\":" T("F32", "[2]", "0", "8") "}", 7, "end past the 7 bytes of data"},
    {"{\"a\":" T("F32", "[2]", "0", "8") "}", 9, "behind the last tensor, belong to no tensor"},
    {"{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("U8", "[4]", "7", "11") "}", 11,
     "\"a\" and \"b\" overlap at byte"},
    {"{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("F32", "[2]", "0", "8") "}", 8,
     "\"a\" and \"b\" overlap"},
    {"{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("U8", "[2]", "10", "12") "}", 12,
     "before tensor \"b\", belong to no tensor"},
    {"{\"a\":" T("F32", "[2]", "1", "9") "}", 9, "before tensor \"a\", belong to no tensor"},
    {"{\"a\":" T("F32", "[3]", "0", "8") "}", 8, "F32 [3] needs 12 bytes, its data offsets span 8"},
    {"{\"a\":" T("F32", "[-2]", "0", "8") "}", 8, "an extent is negative: -2"},
    {"{\"a\":" T("F32", "[2.0]", "0", "8") "}", 8, "an extent is not an integer: 2.0"},
    {"{\"a\":" T("F32", "[2e0]", "0", "8") "}", 8, "an extent is not an integer"},
    {"{\"a\":" T("F32", "[99999999999999999999]", "0", "8") "}", 8, "an extent is too large"},
    {"{\"a\":" T("F32", "[4294967296,4294967296]", "0", "0") "}", 0,
     "product of its extents overflows"},
    {"{\"a\":" T("F32", "[0,4294967296,4294967296]", "0", "0") "}", 0,
     "product of its extents overflows"},
    {"{\"a\":" T("F32", "[4611686018427387904]", "0", "0") "}", 0,
     "product of its extents overflows"},
    {"{\"a\":" T("F32", "[\"2\"]", "0", "8") "}", 8, "an extent is a string, not a number"},
    {"{\"a\":" T("F32", "2", "0", "8") "}", 8, "\"shape\" is not an array"},
    {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "0",
                 "4") "}",
     4, "33 axes"},
    {"{\"a\":" T("F4", "[3]", "0", "2") "}", 2, "its 3 elements of 4 bits end within a byte"},
    {"{\"a\":" T("F6_E2M3", "[2,3]", "0", "5") "}", 5, "6 elements of 6 bits end within a byte"},
    {"{\"a\":" T("F4", "[4]", "0", "4") "}", 4, "F4 [4] needs 2 bytes, its data offsets span 4"},
    {"{\"a\":" T("F8_E9M9", "[2]", "0", "2") "}", 2, "unknown dtype \"F8_E9M9\""},
    {"{\"a\":" T("F33", "[2]", "0", "8") "}", 8, "unknown dtype \"F33\""},
    {"{\"a\":" T("F32", "[2]", "-8", "0") "}", 8, "a data offset is negative: -8"},
    {"{\"a\":" T("F32", "[2]", "8", "0") "}", 8, "data offsets [8, 0] run backwards"},
    {"{\"a\":" T("F32", "[2]", "0", "18446744073709551616") "}", 8, "a data offset is too large"},
    {"{\"a\":" T("F32", "[2]", "0", "8.5") "}", 8, "a data offset is not an integer"},
    {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no \"dtype\""},
    {"{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "\"dtype\" is not a string"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "no \"shape\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "no \"data_offsets\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8,
     "\"data_offsets\" is not a pair"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8,
     "unknown field \"x\""},
    {"{\"a\":7}", 0, "a number, not an object"},
    {"{\"a\":" T("U8", "[1]", "0", "1") ",\"a\":" T("U8", "[1]", "1", "2") "}", 2,
     "the name \"a\" twice"},
    {"{\"a\\u0000b\":" T("U8", "[1]", "0", "1") "}", 1, "a NUL character in its name"},
    {"{\"\xff\":" T("U8", "[1]", "0", "1") "}", 1, "not UTF-8"},
    {"{\"a\":" T("U8", "[1]", "0", "1") ",}", 1, "a member's name in quotes"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is an array, not an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ \"a\" is a number, not a string"},
    {"[]", 0, "does not start with '{'"},
    {" {}", 0, "does not start with '{'"},
    {"", 0, "does not start with '{'"},
};

START_TEST(st_refuses) {
  put_header(in_dir("bad"), strlen(bad_headers[_i].header), bad_headers[_i].header,
             bad_headers[_i].data);
  BigsError e = {0};
  StFile *f = (StFile *)dir;
  ck_assert_int_eq(st_open(in_dir("bad"), &f, &e), BIGS_EFILE);
  ck_assert_ptr_null(f);
  ck_assert_int_eq(e.status, BIGS_EFILE);
  ck_assert_msg(strstr(e.text, bad_headers[_i].error), "%s", e.text);
  ck_assert_msg(strstr(e.text, in_dir("bad")), "%s", e.text);
}
END_TEST

// All dtypes of the format; those that nothing converts are refused where numbers are wanted.
START_TEST(st_dtypes) {
  static const struct {
    const char *name;
    int bits;
  } all[] = {{"BOOL", 8},        {"U8", 8},          {"I8", 8},      {"F4", 4},      {"F6_E2M3", 6},
             {"F6_E3M2", 6},     {"F8_E4M3", 8},     {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"C64", 64},
             {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"U16", 16},    {"I16", 16},    {"F16", 16},
             {"BF16", 16},       {"U32", 32},        {"I32", 32},    {"F32", 32},    {"U64", 64},
             {"I64", 64},        {"F64", 64}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char header[200], text[64], out[64];
    snprintf(header, sizeof header,
             "{\"a\":" T("%s", "[2,2,2]", "0", "%d") ",\"__metadata__\":null}", all[i].name,
             all[i].bits);
    put_header(in_dir("t"), strlen(header), header, (size_t)all[i].bits);
    BigsError e = {0};
    StFile *f;
    ck_assert_msg(st_open(in_dir("t"), &f, &e) == 0, "%s", e.text);
    const StTensor *t = st_at(f, 0);
    ck_assert(t->elements == 8 && t->nbytes == (size_t)all[i].bits && !st_metadata(f));
    ck_assert_int_eq(st_dtype_size(t->dtype), all[i].bits / 8);
    snprintf(text, sizeof text, "%s [2, 2, 2]", all[i].name);
    ck_assert_str_eq(st_describe(t, out, sizeof out), text);
    float x[8];
    snprintf(text, sizeof text, "tensor \"a\" is %s where F32 is needed", all[i].name);
    if (!st_is_float(t->dtype)) {
      ck_assert_int_eq(st_copy(t, ST_F32, x, &e), BIGS_EFILE);
      ck_assert_ptr_nonnull(strstr(e.text, text));
    }
    st_close(f);
  }
}
END_TEST

static void expect_open_error(const char *path, const char *text) {
  BigsError e = {0};
  StFile *f;
  ck_assert_int_eq(st_open(path, &f, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, text), "%s", e.text);
}

START_TEST(st_refuses_lengths) {
  put_header(in_dir("bad"), 1000, "{}", 0);
  expect_open_error(in_dir("bad"), "header length 1000, but only 2 bytes follow");
  put_header(in_dir("bad"), UINT64_MAX, "{}", 0);
  expect_open_error(in_dir("bad"), "over the limit of 100000000");
  put_header(in_dir("bad"), ST_MAX_HEADER + 1, "{}", 0);
  expect_open_error(in_dir("bad"), "over the limit");
  FILE *f = fopen(in_dir("bad"), "w");
  fputs("1234567", f);
  fclose(f);
  expect_open_error(in_dir("bad"), "7 bytes: too short");
  expect_open_error(in_dir("none"), "No such file");
  expect_open_error(dir, "not a regular file");
}
END_TEST

// Every prefix of a good file is refused, and padding and alignment are not required of others.
START_TEST(st_truncations) {
  write_two(in_dir("w"), 1);
  size_t n;
  char *text = file_read(in_dir("w"), 10000, &n, NULL);
  for (size_t i = 0; i < n; i++) {
    FILE *f = fopen(in_dir("cut"), "w");
    fwrite(text, 1, i, f);
    fclose(f);
    expect_open_error(in_dir("cut"), "cut");
  }
  free(text);
  const char *odd = "{\"a\":" T("U8", "[1]", "0", "1") ",\"b\":" T("F32", "[1]", "1", "5") "} \n";
  put_header(in_dir("odd"), strlen(odd), odd, 5);
  StFile *f;
  BigsError e = {0};
  ck_assert_msg(st_open(in_dir("odd"), &f, &e) == 0, "%s", e.text);
  float x;
  ck_assert_int_eq(st_copy(st_find(f, "b"), ST_F32, &x, &e), 0);
  uint32_t bits;
  memcpy(&bits, &x, 4);
  ck_assert_uint_eq(bits, 0x04030201);
  st_close(f);
}
END_TEST

static StFile *held; // of the tensor below

// A tensor "t" of n elements, in a file.
static StTensor tensor(StDType t, const void *data, int64_t n, int64_t *shape) {
  BigsError e = {0};
  *shape = n;
  StWriter *w = st_create(in_dir("t"), &e);
  int status = st_declare(w, "t", t, 1, shape, &e);
  status |= st_write(w, data, (size_t)n * (size_t)st_dtype_size(t), &e);
  status |= st_finish(w, &e);
  st_close(held);
  status = status ? status : st_open(in_dir("t"), &held, &e);
  ck_assert_msg(status == 0, "%s", e.text);
  return *st_at(held, 0);
}

static bool same(const StTensor *a, const StTensor *b) {
  bool same = false;
  ck_assert_int_eq(st_same_floats(a, b, &same, NULL), 0);
  return same;
}

START_TEST(st_compares) {
  enum { N = 9000 }; // more than a piece
  static float x[N], y[N];
  uint16_t halves[N] = {0x3C00, 0x7E01}; // 1, NaN
  StFile *f;
  BigsError e = {0};
  x[0] = y[0] = 1;
  x[1] = y[1] = NAN;
  y[5] = -0.0F;
  for (int last = 0; last < 2; last++) {
    y[N - 1] = (float)last;
    StWriter *w = st_create(in_dir("same"), &e);
    int status = st_declare(w, "x", ST_F32, 1, (int64_t[]){N}, &e);
    status |= st_declare(w, "y", ST_F32, 1, (int64_t[]){N}, &e);
    status |= st_declare(w, "h", ST_F16, 1, (int64_t[]){N}, &e);
    status |= st_write(w, x, sizeof x, &e) | st_write(w, y, sizeof y, &e);
    status |= st_write(w, halves, sizeof halves, &e) | st_finish(w, &e);
    ck_assert_msg(status == 0 && st_open(in_dir("same"), &f, &e) == 0, "%s", e.text);
    ck_assert(same(st_find(f, "x"), st_find(f, "h")) && same(st_find(f, "h"), st_find(f, "x")));
    ck_assert(same(st_find(f, "x"), st_find(f, "y")) == !last);
    ck_assert(same(st_find(f, "h"), st_find(f, "y")) == !last);
    st_close(f);
  }
}
END_TEST

START_TEST(st_converts) {
  BigsError e = {0};
  int64_t shape, wide[3] = {7, -8, (int64_t)1 << 40};
  int32_t ints[3];
  StTensor t = tensor(ST_I64, wide, 2, &shape);
  ck_assert_int_eq(st_copy(&t, ST_I32, ints, &e), 0);
  ck_assert(ints[0] == 7 && ints[1] == -8);
  t = tensor(ST_I64, wide, 3, &shape);
  ck_assert_int_eq(st_copy(&t, ST_I32, ints, &e), BIGS_EFILE);
  ck_assert_ptr_nonnull(strstr(e.text, "element 2 does not fit I32"));
  uint8_t bytes[3] = {0, 1, 200};
  t = tensor(ST_U8, bytes, 3, &shape);
  ck_assert_int_eq(st_copy(&t, ST_I32, ints, &e), 0);
  ck_assert_int_eq(ints[2], 200);
  bool flags[3];
  ck_assert_int_eq(st_copy(&t, ST_BOOL, flags, &e), BIGS_EFILE);
  ck_assert_ptr_nonnull(strstr(e.text, "element 2 is 200"));
  int8_t small[2] = {-128, 127};
  t = tensor(ST_I8, small, 2, &shape);
  ck_assert_int_eq(st_copy(&t, ST_I32, ints, &e), 0);
  ck_assert(ints[0] == -128 && ints[1] == 127);
  uint16_t halves[6] = {0x3C00, 0xC000, 0x0001, 0x7BFF, 0x7C00, 0x7E00};
  float x[6];
  t = tensor(ST_F16, halves, 6, &shape);
  ck_assert_int_eq(st_copy(&t, ST_F32, x, &e), 0);
  ck_assert(x[0] == 1 && x[1] == -2 && x[2] == 0x1p-24f && x[3] == 65504 && isinf(x[4]) &&
            isnan(x[5]));
  uint16_t brain[2] = {0x3F80, 0xC040};
  t = tensor(ST_BF16, brain, 2, &shape);
  ck_assert_int_eq(st_copy(&t, ST_F32, x, &e), 0);
  ck_assert(x[0] == 1 && x[1] == -3);
  double big[2] = {0.5, 1e300}, y[2];
  t = tensor(ST_F64, big, 1, &shape);
  ck_assert(st_copy(&t, ST_F32, x, &e) == 0 && x[0] == 0.5f);
  t = tensor(ST_F64, big, 2, &shape);
  ck_assert_int_eq(st_copy(&t, ST_F32, x, &e), BIGS_EFILE);
  t = tensor(ST_F32, x, 1, &shape);
  ck_assert(st_copy(&t, ST_F64, y, &e) == 0 && y[0] == 0.5);
  ck_assert_int_eq(st_copy(&t, ST_I32, ints, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, "/t: tensor \"t\" is F32 where I32 is needed"), "%s", e.text);
  st_close(held);
  held = NULL;
}
END_TEST

// What another process does to a file between its opening and its reading.
static void cut_to_the_header(const char *path) {
  ck_assert_int_eq(truncate(path, 300), 0);
}
static void cut_inside(const char *path) {
  ck_assert_int_eq(truncate(path, 3000000), 0);
}
static void append(const char *path) {
  FILE *f = fopen(path, "a");
  fputc(0, f);
  ck_assert_int_eq(fclose(f), 0);
}
static void overwrite(const char *path) {
  FILE *f = fopen(path, "r+");
  struct timespec later[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}}; // no two ticks of a clock
  ck_assert_int_eq(fseek(f, -4, SEEK_END), 0);
  fwrite("abcd", 1, 4, f);
  ck_assert_int_eq(fclose(f), 0);
  ck_assert_int_eq(utimensat(AT_FDCWD, path, later, 0), 0);
}
static void replace(const char *path) {
  ck_assert_int_eq(unlink(path), 0);
  write_two(path, 9);
}
static const struct {
  void (*change)(const char *path);
  bool seen;
} changes[] = {
    {cut_to_the_header, true}, {cut_inside, true}, {append, true},
    {overwrite, true},         {replace, false}, // the open file is still the old one
};

START_TEST(st_changes_are_errors) {
  BigsError e = {0};
  int64_t n = 1 << 20, shape;
  float *x = calloc((size_t)n, sizeof *x);
  double *y = calloc((size_t)n, sizeof *y);
  x[n - 1] = 7;
  StTensor t = tensor(ST_F32, x, n, &shape);
  changes[_i].change(in_dir("t"));
  ck_assert_int_eq(st_copy(&t, ST_F32, x, &e), changes[_i].seen ? BIGS_EFILE : 0);
  ck_assert(!changes[_i].seen || strstr(e.text, "/t: the file changed while it was read"));
  ck_assert_int_eq(st_copy(&t, ST_F64, y, &e), changes[_i].seen ? BIGS_EFILE : 0);
  ck_assert(changes[_i].seen || (x[n - 1] == 7 && y[n - 1] == 7));
  st_close(held);
  held = NULL;
  free(x);
  free(y);
}
END_TEST

START_TEST(st_writer_checks_its_use) {
  BigsError e = {0};
  int64_t two = 2, negative = -1;
  static const char *const error[] = {"bytes were written",    "more data than",  "declared twice",
                                      "behind the first data", "impossible size", "tensor's name"};
  for (int i = 0; i < 6; i++) {
    StWriter *w = st_create(in_dir("w"), &e);
    int status = st_declare(w, "a", ST_F32, 1, &two, &e);
    if (i == 2)
      status |= st_declare(w, "a", ST_F32, 1, &two, &e);
    if (i == 4)
      status |= st_declare(w, "b", ST_F32, 1, &negative, &e);
    if (i == 5)
      status |= st_declare(w, "__metadata__", ST_F32, 1, &two, &e);
    status |= st_write(w, "1234", 4, &e);
    if (i == 3)
      status |= st_declare(w, "b", ST_F32, 1, &two, &e);
    if (i != 0)
      status |= st_write(w, "12345", 5, &e);
    status |= st_finish(w, &e);
    ck_assert_int_eq(status, BIGS_EUSAGE);
    ck_assert_msg(strstr(e.text, error[i]), "%s", e.text);
    ck_assert_int_eq(files_in_dir(), 0);
  }
  StWriter *w = st_create(in_dir("w"), &e);
  st_cancel(w);
  st_cancel(NULL);
  ck_assert_int_eq(files_in_dir(), 0);
  w = st_create(in_dir("w"), &e);
  ck_assert_int_eq(st_finish(w, &e), 0); // no tensors at all is a file, too
  StFile *f;
  ck_assert_int_eq(st_open(in_dir("w"), &f, &e), 0);
  ck_assert_int_eq(st_count(f), 0);
  st_close(f);
}
END_TEST

// The disk fills up while a checkpoint is written: the old one stays, nothing else is left.
START_TEST(st_disk_full) {
  write_two(in_dir("w"), 42);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {1 << 20, RLIM_INFINITY};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  BigsError e = {0};
  int64_t n = 1 << 19;
  float *x = calloc((size_t)n, sizeof *x);
  StWriter *w = st_create(in_dir("w"), &e);
  ck_assert_int_eq(st_declare(w, "b.weight", ST_F32, 1, &n, &e), 0);
  int status = 0;
  for (int i = 0; i < 64; i++)
    status |= st_write(w, (char *)x + i * (n / 16), (size_t)n / 16, &e);
  free(x);
  ck_assert_int_eq(status, BIGS_EFILE);
  memset(&e, 0, sizeof e);
  ck_assert_int_eq(st_finish(w, &e), BIGS_EFILE);
  ck_assert_msg(strstr(e.text, "w: cannot write: File too large"), "%s", e.text);
  limit.rlim_cur = RLIM_INFINITY;
  setrlimit(RLIMIT_FSIZE, &limit);
  ck_assert_int_eq(files_in_dir(), 1);
  StFile *f;
  ck_assert_int_eq(st_open(in_dir("w"), &f, &e), 0);
  float first;
  ck_assert_int_eq(st_read(st_find(f, "b.weight"), 0, &first, 4, &e), 0);
  ck_assert_float_eq(first, 42);
  st_close(f);
}
END_TEST

// ---- hub folders

static void put_text(const char *name, const char *text) {
  FileOut *f = file_create(in_dir(name), NULL);
  ck_assert_int_eq(file_write(f, text, strlen(text), NULL), 0);
  ck_assert_int_eq(file_commit(f, NULL), 0);
}

static void put_shard(const char *name, const char *tensor, float value) {
  BigsError e = {0};
  StWriter *w = st_create(in_dir(name), &e);
  int status = st_declare(w, tensor, ST_F32, 0, NULL, &e);
  status |= st_write(w, &value, 4, &e);
  ck_assert_int_eq(status | st_finish(w, &e), 0);
}

static const StTensor *tensor_of(const Hub *h, const char *name) {
  for (int i = 0; i < hub_count(h); i++)
    if (!strcmp(hub_at(h, i)->name, name))
      return hub_at(h, i);
  return NULL;
}

START_TEST(hub_folder) {
  BigsError e = {0};
  Hub *h;
  ck_assert_int_eq(hub_open(dir, NULL, &h, &e), 0);
  ck_assert(hub_count(h) == 0 && !hub_config(h) && !hub_vocab(h));
  hub_close(h);
  put_text("config.json", "{\"hidden_size\": 8}");
  put_text("vocab.txt", "[PAD]\n");
  put_shard("model.safetensors", "x", 3);
  ck_assert_msg(hub_open(dir, NULL, &h, &e) == 0, "%s", e.text);
  int64_t hidden;
  ck_assert(json_int(json_get(hub_config(h), "hidden_size"), &hidden) && hidden == 8);
  ck_assert_str_eq(hub_vocab(h), in_dir("vocab.txt"));
  ck_assert_str_eq(hub_path(h), dir);
  ck_assert(hub_count(h) == 1 && tensor_of(h, "x") == hub_at(h, 0) && !tensor_of(h, "y"));
  hub_close(h);
  ck_assert_int_eq(hub_open(in_dir("model.safetensors"), NULL, &h, &e), 0);
  ck_assert(tensor_of(h, "x") && !hub_config(h));
  hub_close(h);
  put_text("config.json", "[1]");
  ck_assert_int_eq(hub_open(dir, NULL, &h, &e), BIGS_EFILE);
  ck_assert_ptr_nonnull(strstr(e.text, "config.json: an array, not an object"));
  ck_assert_int_eq(hub_open(in_dir("none"), NULL, &h, &e), BIGS_EFILE);
}
END_TEST

static const char index_name[] = "model.safetensors.index.json";

START_TEST(hub_shards) {
  BigsError e = {0};
  Hub *h;
  put_shard("one.safetensors", "x", 1);
  put_shard("two.safetensors", "y", 2);
  put_text(index_name, "{\"metadata\": {}, \"weight_map\": {\"y\": \"two.safetensors\", \"x\": "
                       "\"one.safetensors\"}}");
  for (int i = 0; i < 2; i++) {
    ck_assert_msg(hub_open(i ? in_dir(index_name) : dir, NULL, &h, &e) == 0, "%s", e.text);
    ck_assert_int_eq(hub_count(h), 2);
    ck_assert_str_eq(hub_at(h, 1)->name, "x");
    float v;
    ck_assert(st_copy(tensor_of(h, "y"), ST_F32, &v, &e) == 0 && v == 2);
    ck_assert_str_eq(st_path(hub_file(h, tensor_of(h, "x"))), in_dir("one.safetensors"));
    hub_close(h);
  }
  static const char *const bad[][2] = {
      {"{}", "no object \"weight_map\""},
      {"{\"weight_map\": {\"x\": \"../one.safetensors\"}}", "not the name of a file beside"},
      {"{\"weight_map\": {\"x\": 1}}", "is a number, not a string"},
      {"{\"weight_map\": {\"x\": \"three.safetensors\"}}", "three.safetensors: cannot open"},
      {"{\"weight_map\": {\"z\": \"one.safetensors\"}}", "tensor \"z\" is not in one.safetensors"},
  };
  for (int i = 0; i < 5; i++) {
    put_text(index_name, bad[i][0]);
    ck_assert_int_eq(hub_open(dir, NULL, &h, &e), BIGS_EFILE);
    ck_assert_msg(strstr(e.text, bad[i][1]), "%s", e.text);
  }
  put_shard("two.safetensors", "x", 2); // one name in two shards
  put_text(index_name,
           "{\"weight_map\": {\"x\": \"one.safetensors\", \"y\": \"two.safetensors\"}}");
  ck_assert_int_eq(hub_open(dir, NULL, &h, &e), BIGS_EFILE);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
Suite *safetensors_suite(void) {
  Suite *s = suite_create("safetensors");
  TCase *t = tcase_create("safetensors");
  tcase_add_checked_fixture(t, make_dir, remove_dir);
  tcase_add_test(t, st_round_trip);
  tcase_add_loop_test(t, st_refuses, 0, N(bad_headers));
  tcase_add_test(t, st_refuses_lengths);
  tcase_add_test(t, st_truncations);
  tcase_add_test(t, st_dtypes);
  tcase_add_test(t, st_compares);
  tcase_add_test(t, st_converts);
  tcase_add_loop_test(t, st_changes_are_errors, 0, N(changes));
  tcase_add_test(t, st_writer_checks_its_use);
  tcase_add_test(t, st_disk_full);
  tcase_add_test(t, hub_folder);
  tcase_add_test(t, hub_shards);
  suite_add_tcase(s, t);
  return s;
}
