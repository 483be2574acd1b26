// Opening a compiled model: see so.h.  Its dynamic symbols are read from the file first, so that no
// code of a library that is no model runs; one that a program linked from an archive has NAME_info
// alone.
#include "compiler/driver/so.h"
#include "runtime/bigs.h"
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef const bigs_info *InfoFunction(void);

// A library being read, and where what is read of it goes.
typedef struct Library {
  Arena *arena;
  int fd;
  size_t size;
} Library;

// Bytes [at, at + n) of the file; NULL where it has no such bytes, any more.
static const void *bytes(const Library *l, size_t at, size_t n) {
  if (at > l->size || n > l->size - at || n > INT_MAX)
    return NULL;
  char *p = arena_alloc(l->arena, n + 1);
  for (size_t have = 0; have < n;) {
    ssize_t got = pread(l->fd, p + have, n - have, (off_t)(at + have));
    if (got == 0 || (got < 0 && errno != EINTR))
      return NULL;
    have += got < 0 ? 0 : (size_t)got;
  }
  return p;
}

// The name that ends in _info among the defined ones; NULL when there is none.
static const char *info_among(const Elf64_Sym *sym, size_t n, const char *strings, size_t size) {
  for (size_t k = 0; k < n; k++) {
    if (sym[k].st_shndx == SHN_UNDEF || sym[k].st_name >= size)
      continue;
    const char *name = strings + sym[k].st_name;
    size_t length = strnlen(name, size - sym[k].st_name);
    if (length > 5 && length < size - sym[k].st_name && !strcmp(name + length - 5, "_info"))
      return name;
  }
  return NULL;
}

static const char *find_info(const Library *l, int *machine) {
  const Elf64_Ehdr *h = bytes(l, 0, sizeof *h);
  if (!h || memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
      h->e_shentsize != sizeof(Elf64_Shdr))
    return NULL;
  *machine = h->e_machine;
  const Elf64_Shdr *s = bytes(l, h->e_shoff, h->e_shnum * sizeof *s);
  const char *found = NULL;
  for (int i = 0; s && i < h->e_shnum && !found; i++) {
    if (s[i].sh_type != SHT_DYNSYM || s[i].sh_link >= h->e_shnum)
      continue;
    const Elf64_Shdr *strings = &s[s[i].sh_link];
    const Elf64_Sym *sym = bytes(l, s[i].sh_offset, s[i].sh_size);
    const char *text = bytes(l, strings->sh_offset, strings->sh_size);
    if (sym && text)
      found = info_among(sym, s[i].sh_size / sizeof *sym, text, strings->sh_size);
  }
  return found;
}

// Of another architecture the loader says only that there is no such file.
static const char *elsewhere(int machine) {
#if defined(__x86_64__)
  return machine == EM_AARCH64 ? "aarch64" : NULL;
#elif defined(__aarch64__)
  return machine == EM_X86_64 ? "x86_64" : NULL;
#else
  (void)machine;
  return NULL;
#endif
}

static int info_name(Arena *a, const char *path, const char **name, BigsError *e) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st)) {
    if (fd >= 0)
      close(fd);
    return bigs_fail_errno(e, "open", path);
  }
  int machine = EM_NONE;
  *name = find_info(&(Library){a, fd, (size_t)st.st_size}, &machine);
  close(fd);
  if (*name && elsewhere(machine))
    return bigs_fail(e, BIGS_EFILE, "%s is code for %s, which does not run on this machine", path,
                     elsewhere(machine));
  return *name ? 0 : bigs_fail(e, BIGS_EFILE, "%s is no model compiled by bigsc", path);
}

int so_open(Arena *a, const char *path, void **so, const BigsModule **module, BigsError *e) {
  const char *name = NULL;
  if (info_name(a, path, &name, e))
    return e->status;
  // Without a slash dlopen would search the library path.
  const char *place = strchr(path, '/') ? path : arena_printf(a, "./%s", path);
  *so = dlopen(place, RTLD_NOW | RTLD_LOCAL);
  if (!*so)
    return bigs_fail(e, BIGS_EFILE, "cannot load %s: %s", path, dlerror());
  InfoFunction *info;
  void *symbol = dlsym(*so, name);
  memcpy(&info, &symbol, sizeof info);
  const bigs_info *i = symbol ? info() : NULL;
  const BigsModule *m = i ? i->module : NULL;
  if (m && m->abi == BIGS_ABI_VERSION) {
    *module = m;
    return 0;
  }
  dlclose(*so);
  *so = NULL;
  return bigs_fail(e, BIGS_EFILE,
                   m ? "%s was compiled by another version of bigsc: compile it again"
                     : "%s is no model compiled by bigsc",
                   path);
}

void so_close(void *so) {
  dlclose(so);
}
