// Rows of several whole documents, and which document a place of a row is of.
#include "tests/unit/rows_bed.h"
#include "tests/unit/suites.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { L = 24, ROOM = L - 2, DOCUMENTS = 400 };

// Words of document i: 1 to 15, but each twentieth is longer than a row, and one has just as many as there is room for.
static int words_in(int i) {
  return i == 7 ? ROOM : i % 20 == 19 ? 30 + i % 31 : 1 + (int)((unsigned)i * 40503u >> 5) % 15;
}

// Documents of lines of 4 words.
static const char *put_documents(int documents) {
  char *text = malloc((size_t)documents * 400 + 1), *p = text;
  *p = 0;
  for (int i = 0, word = 0; i < documents; i++) {
    for (int k = 0; k < words_in(i); k++)
      p += sprintf(p, "w%d%s", rows_word(word++), k % 4 == 3 ? "\n" : " ");
    p += sprintf(p, "\n\n");
  }
  const char *path = rows_put("packed", text);
  free(text);
  return path;
}

typedef struct WantedRow {
  int room, pieces, first[L], words[L]; // of each piece its first word in the text
} WantedRow;

// What packs.h says, by looking at all rows.
static int want_rows(int documents, WantedRow *row) {
  int rows = 0, word = 0;
  for (int i = 0; i < documents; i++)
    for (int left = words_in(i), n; left; left -= n, word += n) {
      int r = 0;
      n = left < ROOM ? left : ROOM;
      while (r < rows && row[r].room < n + 2)
        r++;
      if (r == rows)
        row[rows++] = (WantedRow){.room = L};
      row[r].room -= n + 2;
      row[r].first[row[r].pieces] = word;
      row[r].words[row[r].pieces++] = n;
    }
  return rows;
}

// Row b of the batch, but for what is masked, is this one.
static void check_packed(const DataBatch *b, const WantedRow *want, const int32_t *labels) {
  int at = 0;
  for (int i = 0; i < want->pieces; i++)
    for (int k = 0; k < want->words[i] + 2; k++, at++) {
      int32_t id = k == 0 ? CLS : k == want->words[i] + 1 ? SEP : rows_word(want->first[i] + k - 1);
      ck_assert_int_eq(labels[at], id);
      ck_assert(b->mask[at] && b->doc[at] == i && b->place[at] == k && b->types[at] == 0);
    }
  ck_assert_int_eq(b->tokens, at);
  for (int k = 0; at < L; k++, at++)
    ck_assert(!b->mask[at] && labels[at] == PAD && b->doc[at] == want->pieces && b->place[at] == k);
}

// The only row of a batch without its masks; the words that are masked are words.
static void unmask(const DataBatch *b, int32_t to[L]) {
  memcpy(to, b->ids, L * sizeof *to);
  for (int64_t k = 0; k < b->M; k++) {
    to[b->at[k]] = b->labels[k];
    ck_assert_int_gt(b->labels[k], MASK);
  }
}

static DataOptions packed_rows(void) {
  return (DataOptions){.kind = DATA_MLM, .length = L, .rows = DATA_ROWS_PACKED, .seed = 3};
}

START_TEST(rows_are_filled_by_first_fit) {
  static WantedRow want[DOCUMENTS * 4];
  int rows = want_rows(DOCUMENTS, want), several = 0;
  DataOptions o = packed_rows();
  o.words = _i;
  Data *d = rows_open(put_documents(DOCUMENTS), o);
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), rows);
  for (int row = 0; row < rows; row++) {
    DataBatch b;
    int32_t ids[L];
    ck_assert_int_eq(data_at(d, DATA_TRAIN, row, 1, &b, NULL), 0);
    unmask(&b, ids);
    check_packed(&b, &want[row], ids);
    several += want[row].pieces > 1;
  }
  ck_assert_int_gt(several, rows / 3);
  data_free(d);
}
END_TEST

// A resume, and a rank's part of a batch, find the same rows and masks; other rows of the same text are other data.
START_TEST(packed_rows_resume) {
  const char *path = put_documents(DOCUMENTS);
  DataOptions o = packed_rows();
  o.hold_out = true;
  Data *d = rows_open(path, o), *f = rows_open(path, o);
  DataBatch b, c;
  for (int i = 0; i < 90; i++) // over the end of an epoch
    ck_assert_int_eq(data_next(d, 4, &b, NULL), 0);
  ck_assert_int_gt(data_cursor(d), data_rows(d, DATA_TRAIN));
  data_seek(f, data_cursor(d) - 4);
  ck_assert_int_eq(data_next_part(f, 4, 1, 2, &c, NULL), 0);
  ck_assert_mem_eq(c.ids, b.ids + L, sizeof *b.ids * 2 * L);
  ck_assert_mem_eq(c.doc, b.doc + L, sizeof *b.doc * 2 * L);
  ck_assert_mem_eq(c.place, b.place + L, sizeof *b.place * 2 * L);
  ck_assert_uint_eq(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  o.rows = DATA_ROWS_STREAM;
  f = rows_open(path, o);
  ck_assert_uint_ne(data_fingerprint(d), data_fingerprint(f));
  data_free(f);
  data_free(d);
}
END_TEST

// A stream's rows begin and end in documents: of masked rows a separator ends one, of next tokens it begins the one that it predicts.
START_TEST(documents_of_a_stream) {
  Data *d = rows_open(put_documents(DOCUMENTS),
                      (DataOptions){.kind = _i ? DATA_LM : DATA_MLM, .length = L});
  int more = 0;
  for (int64_t row = 0; row < data_rows(d, DATA_TRAIN); row++) {
    DataBatch b;
    int doc = 0, place = 0;
    ck_assert_int_eq(data_at(d, DATA_TRAIN, row, 1, &b, NULL), 0);
    for (int i = 0; i < L; i++, place++) {
      if (i && b.ids[_i ? i : i - 1] == SEP) {
        doc++;
        place = 0;
      }
      ck_assert(b.doc[i] == doc && b.place[i] == place);
    }
    more += doc > 1;
  }
  ck_assert_int_gt(more, 10);
  data_free(d);
}
END_TEST

START_TEST(packs_that_cannot_be) {
  DataOptions o = packed_rows();
  rows_refused(rows_put("t", "\n \n"), o, BIGS_EMODEL, "the text is empty");
  rows_refused(rows_put("t", "what is this"), o, BIGS_EMODEL, "no words of the vocabulary");
  Data *d = rows_open(rows_put("t", "w5\n\n\n\nw6"), o); // less than a row
  ck_assert_int_eq(data_rows(d, DATA_TRAIN), 1);
  data_free(d);
}
END_TEST

Suite *packs_suite(void) {
  Suite *s = suite_create("packs");
  TCase *t = tcase_create("packs");
  tcase_add_checked_fixture(t, rows_setup, rows_teardown);
  tcase_add_loop_test(t, rows_are_filled_by_first_fit, 0, 2);
  tcase_add_test(t, packed_rows_resume);
  tcase_add_loop_test(t, documents_of_a_stream, 0, 2);
  tcase_add_test(t, packs_that_cannot_be);
  suite_add_tcase(s, t);
  return s;
}
