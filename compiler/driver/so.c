// Opening a compiled model: see so.h.  Its dynamic symbols are read from the file first, so that no
// code of a library that is no model runs; one that a program linked from an archive has NAME_info
// alone.
#include "compiler/driver/so.h"
#include "runtime/bigs.h"
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef const bigs_info *InfoFunction(void);

static bool in_file(const Elf64_Shdr *s, size_t size) {
  return s->sh_offset <= size && s->sh_size <= size - s->sh_offset;
}

// The name that ends in _info among the defined dynamic functions; NULL when there is none.
static const char *find_info(const char *file, size_t size) {
  const Elf64_Ehdr *h = (const void *)file;
  if (size < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
      h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_shoff > size ||
      h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shnum > (size - h->e_shoff) / sizeof(Elf64_Shdr))
    return NULL;
  const Elf64_Shdr *sections = (const void *)(file + h->e_shoff);
  for (int i = 0; i < h->e_shnum; i++) {
    const Elf64_Shdr *s = &sections[i];
    if (s->sh_type != SHT_DYNSYM || s->sh_link >= h->e_shnum || !in_file(s, size) ||
        !in_file(&sections[s->sh_link], size))
      continue;
    const Elf64_Shdr *strings = &sections[s->sh_link];
    const Elf64_Sym *sym = (const void *)(file + s->sh_offset);
    for (size_t k = 0; k < s->sh_size / sizeof *sym; k++) {
      if (sym[k].st_shndx == SHN_UNDEF || sym[k].st_name >= strings->sh_size)
        continue;
      const char *name = file + strings->sh_offset + sym[k].st_name;
      size_t n = strnlen(name, strings->sh_size - sym[k].st_name);
      if (n > 5 && n < strings->sh_size - sym[k].st_name && !strcmp(name + n - 5, "_info"))
        return name;
    }
  }
  return NULL;
}

static int info_name(Arena *a, const char *path, const char **name, BigsError *e) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st)) {
    if (fd >= 0)
      close(fd);
    return bigs_fail_errno(e, "open", path);
  }
  size_t size = (size_t)st.st_size;
  char *file = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  close(fd);
  const char *found = file == MAP_FAILED ? NULL : find_info(file, size);
  *name = found ? arena_strdup(a, found) : NULL;
  if (file != MAP_FAILED)
    munmap(file, size);
  return found ? 0 : bigs_fail(e, BIGS_EFILE, "%s is no model compiled by bigsc", path);
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
