// See meet.h.  Rank k writes DIR/team.k and nobody else does: a number that it drew, and what it has to say to it.
//   team.0   "DRAWN",          then  "DRAWN DATA DRAWN.1 DRAWN.2 ..." when all have answered
//   team.k   "DRAWN DRAWN.0"   an answer to the rank 0 that drew this
// An old file cannot answer a number that was drawn now.  Rank k ends, and takes its file away, when team.0 has its number; rank 0
// when all those files are gone.
#include "runtime/files/meet.h"
#include "runtime/files/file.h"
#include "base/alloc.h"
#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

typedef struct Meeting {
  const char *dir;
  int rank, ranks;
  uint64_t drawn;
  uint64_t *answer; // of rank 0: what each other rank drew; 0: not known yet
  char *text;       // room for a file
  size_t room;
  double until;
  BigsError *e;
} Meeting;

// ---- files
static char *meet_path(const Meeting *m, int rank) {
  char name[32];
  snprintf(name, sizeof name, "team.%d", rank);
  return file_join(m->dir, name, m->e);
}

static int say_text(const Meeting *m) {
  char *path = meet_path(m, m->rank);
  int status =
      path ? file_put(path, m->text, strlen(m->text), m->e) : bigs_status(m->e, BIGS_EFILE);
  free(path);
  return status;
}

// What that rank says, malloc'd; NULL: nothing so far.
static char *said_by(const Meeting *m, int rank) {
  char *path = meet_path(m, rank);
  size_t n;
  char *text = path && !access(path, R_OK) ? file_read(path, m->room, &n, NULL) : NULL;
  free(path);
  return text;
}

static void take_away(const Meeting *m, int rank) {
  char *path = meet_path(m, rank);
  if (path)
    unlink(path);
  free(path);
}

// ---- time
static bool patience_ends(const Meeting *m) {
  const struct timespec pause = {.tv_nsec = 10000000};
  if (clock_seconds() > m->until)
    return true;
  nanosleep(&pause, NULL);
  return false;
}

static int nobody_came(const Meeting *m, int rank) {
  return bigs_fail(m->e, BIGS_EFILE,
                   "%s: rank %d of %d has not come here: are all ranks started, with the same "
                   "folder, and did none of them end "
                   "with an error?",
                   m->dir, rank, m->ranks);
}

// ---- rank 0
static bool has_answered(Meeting *m, int rank) {
  char *text = m->answer[rank] ? NULL : said_by(m, rank);
  uint64_t drawn, to;
  if (text && sscanf(text, "%" SCNx64 " %" SCNx64, &drawn, &to) == 2 && to == m->drawn)
    m->answer[rank] = drawn;
  free(text);
  return m->answer[rank] != 0;
}

static bool has_gone(Meeting *m, int rank) {
  char *text = said_by(m, rank);
  free(text);
  return !text;
}

static int wait_for_ranks(Meeting *m, bool (*done)(Meeting *m, int rank)) {
  for (int k = 1; k < m->ranks; k++)
    while (!done(m, k))
      if (patience_ends(m))
        return nobody_came(m, k);
  return 0;
}

static void put_hex(char **at, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    *at += sprintf(*at, "%02x", ((const unsigned char *)data)[i]);
}

static int tell(Meeting *m, const void *data, size_t bytes) {
  char *at = m->text + sprintf(m->text, "%" PRIx64, m->drawn);
  int err = say_text(m);
  err = err ? err : wait_for_ranks(m, has_answered);
  *at++ = ' ';
  put_hex(&at, data, bytes);
  for (int k = 1; k < m->ranks; k++)
    at += sprintf(at, " %" PRIx64, m->answer[k]);
  err = err ? err : say_text(m);
  err = err ? err : wait_for_ranks(m, has_gone);
  take_away(m, 0);
  return err;
}

// ---- the others
static bool get_hex(const char *s, void *data, size_t bytes) {
  unsigned v;
  for (size_t i = 0; i < bytes; i++)
    if (sscanf(s + 2 * i, "%2x", &v) == 1)
      ((unsigned char *)data)[i] = (unsigned char)v;
    else
      return false;
  return s[2 * bytes] == ' ';
}

// Number `rank` behind the data is ours.
static bool is_told(const Meeting *m, const char *text, void *data, size_t bytes) {
  const char *at = strchr(text, ' ');
  if (!at || !get_hex(at + 1, data, bytes))
    return false;
  at += 1 + 2 * bytes;
  for (int k = 1; at && k < m->rank; k++)
    at = strchr(at + 1, ' ');
  return at && strtoull(at, NULL, 16) == m->drawn;
}

// *to: of the rank 0 that was answered.
static int answer(Meeting *m, const char *text, uint64_t *to) {
  uint64_t drawn;
  if (sscanf(text, "%" SCNx64, &drawn) != 1 || drawn == *to)
    return 0;
  *to = drawn;
  sprintf(m->text, "%" PRIx64 " %" PRIx64, m->drawn, drawn);
  return say_text(m);
}

static int listen_to_first(Meeting *m, void *data, size_t bytes) {
  uint64_t to = 0;
  int err = 0;
  for (bool told = false; !told && !err;) {
    char *text = said_by(m, 0);
    told = text && is_told(m, text, data, bytes);
    if (text && !told)
      err = answer(m, text, &to);
    free(text);
    if (!told && !err && patience_ends(m))
      err = nobody_came(m, 0);
  }
  take_away(m, m->rank);
  return err;
}

// ----
static int draw_number(Meeting *m) {
  if (getrandom(&m->drawn, sizeof m->drawn, 0) != sizeof m->drawn)
    return bigs_fail_errno(m->e, "draw a number for", m->dir);
  m->drawn |= 1;
  return 0;
}

int meet(const char *dir, int rank, int ranks, void *data, size_t bytes, double seconds,
         BigsError *e) {
  BigsError own = {0};
  Meeting m = {.dir = dir,
               .rank = rank,
               .ranks = ranks,
               .until = clock_seconds() + seconds,
               .e = e ? e : &own};
  m.room = 64 + 2 * bytes + 20 * (size_t)ranks;
  m.text = ALLOC_N(char, m.room);
  m.answer = ALLOC_N(uint64_t, ranks);
  int err = m.text && m.answer ? file_make_folders(dir, m.e)
                               : bigs_fail_memory(m.e, "the ranks that meet");
  err = err ? err : draw_number(&m);
  if (!err)
    err = rank ? listen_to_first(&m, data, bytes) : tell(&m, data, bytes);
  free(m.text);
  free(m.answer);
  return err;
}
