// Files of other programs, whatever their form: cut, changed, in folders, and where memory is out.
#include "runtime/files/file.h"
#include "tests/unit/faults.h"
#include "tests/unit/foreign_bed.h"
#include "tests/unit/suites.h"
#include "tests/unit/tmpdir.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- any file
static MadeFile made_form(int form) {
  return form == 4 ? made_flax() : form == 3 ? made_row() : made_archive(form == 1, form == 2);
}
enum { MADE_FORMS = 5 };

START_TEST(cut_anywhere) {
  MadeFile f = made_form(_i);
  for (size_t n = 4; n < f.n; n += n < f.n - 200 ? 9 : 1)
    hub_refuses(in_dir("bad"), &(MadeFile){f.p, n}, ": ");
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
    pickle_state_dict(&p, made_names + 2 * i, made_tensors + 2 * i, 2 - i);
    grow_text(&p, ".");
    MadeFile f = made_archive_of(&p, false, false);
    grow_write(&f, in_dir(i ? "p-2.bin" : "p-1.bin"));
    grow_free(&p);
    grow_free(&f);
  }
  grow_write(&(MadeFile){(unsigned char *)index, sizeof index - 1},
             in_dir("pytorch_model.bin.index.json"));
  Hub *h = hub_opened(dir);
  ck_assert_int_eq(hub_count(h), 3);
  hub_holds(h, "part", "F32 [2, 2]", (float[]){6, 7, 10, 11});
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
  Hub *h = hub_opened(dir);
  ck_assert_int_eq(hub_count(h), MADE_TENSORS);
  hub_close(h);
  BigsError e = {0};
  StWriter *w = st_create(in_dir("model.safetensors"), &e);
  ck_assert_int_eq(st_declare(w, "x", ST_F32, 0, NULL, &e) | st_write(w, made_floats, 4, &e) |
                       st_finish(w, &e),
                   0);
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
  } row[] = {{MADE_BYTES("PK\3\4..."), FORM_PICKLE},
             {MADE_BYTES("\x80\2}."), FORM_PICKLE},
             {MADE_BYTES("\x80\5}."), FORM_PICKLE},
             {MADE_BYTES("\x80\6}."), FORM_SAFETENSORS},
             {MADE_BYTES("\x81\xa1w."), FORM_MSGPACK},
             {MADE_BYTES("\xde\0\1\xa1"), FORM_MSGPACK},
             {MADE_BYTES("\x81\xa1\0\0\0\0\0\0{"), FORM_SAFETENSORS},
             {MADE_BYTES("\x80\2\0\0\0\0\0\0{"), FORM_SAFETENSORS},
             {MADE_BYTES("PK\3"), FORM_SAFETENSORS},
             {MADE_BYTES("x"), FORM_SAFETENSORS}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    ck_assert_int_eq(hub_form((const unsigned char *)row[i].head, row[i].n), row[i].form);
}
END_TEST

Suite *foreign_suite(void) {
  Suite *s = suite_create("foreign");
  TCase *c = tcase_create("foreign");
  tcase_set_timeout(c, 120);
  tcase_add_checked_fixture(c, make_dir, remove_dir);
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
