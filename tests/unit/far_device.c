// See far_device.h.
#include "tests/unit/far_device.h"
#include "runtime/exec/exec.h"
#include <check.h>
#include <string.h>
#include <sys/mman.h>

enum { AREAS = 64, PAGE = 4096 };
static struct {
  char *p;
  size_t bytes;
} area[AREAS];

static size_t whole_pages(size_t bytes) {
  return (bytes + PAGE - 1) / PAGE * PAGE;
}

static void reach(int protection) {
  for (int i = 0; i < AREAS; i++)
    if (area[i].p)
      ck_assert_int_eq(mprotect(area[i].p, area[i].bytes, protection), 0);
}

static void begin(void) {
  reach(PROT_READ | PROT_WRITE);
}
static int done(int status) {
  reach(PROT_NONE);
  return status;
}

static int far_open(bigs_model *m, int threads) {
  return device_cpu.open(m, threads);
}
static void far_close(bigs_model *m) {
  device_cpu.close(m);
}

static int far_workers(const bigs_model *m, int64_t tasks, int64_t scratch) {
  return device_cpu.workers(m, tasks, scratch);
}

static char *far_alloc(bigs_model *m, size_t bytes) {
  (void)m;
  int i = 0;
  while (i < AREAS && area[i].p)
    i++;
  ck_assert_int_lt(i, AREAS);
  area[i].bytes = whole_pages(bytes);
  area[i].p = mmap(NULL, area[i].bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(area[i].p, MAP_FAILED);
  return area[i].p;
}

static void far_release(bigs_model *m, char *p, size_t bytes) {
  (void)m;
  for (int i = 0; i < AREAS; i++)
    if (area[i].p == p)
      area[i].p = NULL;
  ck_assert_int_eq(munmap(p, whole_pages(bytes)), 0);
}

static int far_copy(bigs_model *m, void *to, const void *from, size_t bytes) {
  (void)m;
  begin();
  memcpy(to, from, bytes);
  return done(0);
}

static int far_clear(bigs_model *m, void *p, size_t bytes) {
  begin();
  return done(device_cpu.clear(m, p, bytes));
}

static bool is_far(const char *p) {
  int i = 0;
  while (i < AREAS && !(area[i].p && p >= area[i].p && p < area[i].p + area[i].bytes))
    i++;
  return i < AREAS;
}

static int far_launch(bigs_model *m, const DeviceLaunch *l) {
  for (int i = 0; i < l->narg; i++)
    ck_assert_msg(!l->frame.arg[i] || is_far(l->frame.arg[i]),
                  "argument %d of %s is memory of the host", i, l->label ? l->label : "a step");
  begin();
  return done(device_cpu.launch(m, l));
}

static int far_wait(bigs_model *m) {
  (void)m;
  return 0;
}

const BigsDevice far_device = {.name = "far",
                               .open = far_open,
                               .close = far_close,
                               .workers = far_workers,
                               .alloc = far_alloc,
                               .release = far_release,
                               .put = far_copy,
                               .get = far_copy,
                               .clear = far_clear,
                               .launch = far_launch,
                               .wait = far_wait};
