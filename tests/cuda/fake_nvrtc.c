// A compiler library of CUDA for the tests: g++ and the shim make a library of the text, and that is
// the "cubin", which fake_cuda.c loads.
//   cc -I TOP -DSHIM='"TOP/tests/cuda/shim.h"' -shared -fPIC tests/cuda/fake_nvrtc.c -o libnvrtc.so
// The environment says FAKE_NVRTC_LOG, a file that gets a line for each compilation: its options;
// FAKE_NVRTC_MAJOR, its version (13); FAKE_NVRTC_SPOIL, a word of the text that it does not know.
#include "codegen/cuda/nvrtc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
enum { COMPILATION = 6, ARCHS = 3, WORD = 64 };

struct _nvrtcProgram {
  char *source, *name, log[4096], *cubin;
  size_t size;
};

API NvrtcResult nvrtcVersion(int *major, int *minor) {
  const char *said = getenv("FAKE_NVRTC_MAJOR");
  *major = said ? atoi(said) : 13;
  *minor = 0;
  return 0;
}
API NvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  *count = ARCHS;
  return 0;
}
API NvrtcResult nvrtcGetSupportedArchs(int *archs) {
  memcpy(archs, (int[ARCHS]){80, 90, 100}, ARCHS * sizeof *archs);
  return 0;
}

API NvrtcResult nvrtcCreateProgram(NvrtcProgram *p, const char *source, const char *name,
                                   int headers, const char *const *header,
                                   const char *const *header_name) {
  if (headers || header || header_name || !(*p = calloc(1, sizeof **p)))
    abort();
  (*p)->source = strdup(source);
  (*p)->name = strdup(name);
  return 0;
}
API NvrtcResult nvrtcDestroyProgram(NvrtcProgram *p) {
  free((*p)->source);
  free((*p)->name);
  free((*p)->cubin);
  free(*p);
  *p = NULL;
  return 0;
}

static void note_options(int options, const char *const *option) {
  const char *path = getenv("FAKE_NVRTC_LOG");
  FILE *f = path ? fopen(path, "a") : NULL;
  for (int i = 0; f && i < options; i++)
    fprintf(f, "%s%c", option[i], i + 1 < options ? ' ' : '\n');
  if (f)
    fclose(f);
}

// The line that has the word, as NVRTC would say it.
static NvrtcResult spoilt(NvrtcProgram p, const char *word) {
  const char *at = strstr(p->source, word);
  int line = 1;
  if (!at)
    return 0;
  for (const char *s = p->source; s < at; s++)
    line += *s == '\n';
  snprintf(p->log, sizeof p->log,
           "%s(1): warning #177-D: nothing\n\n%s(%d): error: identifier \"%s\" is undefined\n\n1 "
           "error detected\n",
           p->name, p->name, line, word);
  return COMPILATION;
}

// How many words each kernel's parameter has, for who launches it: its frame, or what points to frames.
static void put_words(FILE *f, const char *source) {
  char name[WORD], group[WORD + 16];
  for (const char *s = source; (s = strstr(s, "\nstruct ")); s += 8)
    if (sscanf(s, "\nstruct %63[a-z0-9_] {", name) == 1 && strstr(name, "_frame")) {
      int n = (int)(strlen(name) - 6);
      snprintf(group, sizeof group, "struct %.*s_group {", n, name);
      fprintf(
          f,
          "\nextern \"C\" { extern const int %.*s_words; const int %.*s_words = sizeof(%.*s_%s) "
          "/ 8; }\n",
          n, name, n, name, n, name, strstr(source, group) ? "group" : "frame");
    }
}

static void read_cubin(NvrtcProgram p, const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f || fseek(f, 0, SEEK_END))
    abort();
  p->size = (size_t)ftell(f);
  p->cubin = malloc(p->size);
  rewind(f);
  if (!p->cubin || fread(p->cubin, 1, p->size, f) != p->size)
    abort();
  fclose(f);
}

static int run_compiler(NvrtcProgram p, const char *folder) {
  char path[256], command[2048];
  snprintf(path, sizeof path, "%s/x.cu", folder);
  FILE *f = fopen(path, "w");
  if (!f)
    abort();
  fputs(p->source, f);
  put_words(f, p->source);
  fclose(f);
  snprintf(command, sizeof command,
           "g++ -std=c++17 %s -w -ffp-contract=off -include '%s' -x c++ '%s' -shared -fPIC -o "
           "'%s/x.so' >&2",
           getenv("BIGSC_FULL") ? "-O1" : "-O0", SHIM, path, folder);
  int wrong = system(command);
  snprintf(path, sizeof path, "%s/x.so", folder);
  if (!wrong)
    read_cubin(p, path);
  return wrong;
}

API NvrtcResult nvrtcCompileProgram(NvrtcProgram p, int options, const char *const *option) {
  char folder[] = "/tmp/fake_nvrtc.XXXXXX", remove[64];
  const char *word = getenv("FAKE_NVRTC_SPOIL");
  note_options(options, option);
  if (word && spoilt(p, word))
    return COMPILATION;
  if (!mkdtemp(folder))
    abort();
  int wrong = run_compiler(p, folder);
  snprintf(remove, sizeof remove, "rm -r '%s'", folder);
  return system(remove) || wrong ? COMPILATION : 0;
}
API NvrtcResult nvrtcGetProgramLogSize(NvrtcProgram p, size_t *size) {
  *size = strlen(p->log) + 1;
  return 0;
}
API NvrtcResult nvrtcGetProgramLog(NvrtcProgram p, char *log) {
  strcpy(log, p->log);
  return 0;
}
API NvrtcResult nvrtcGetCUBINSize(NvrtcProgram p, size_t *size) {
  *size = p->size;
  return p->size ? 0 : COMPILATION;
}
API NvrtcResult nvrtcGetCUBIN(NvrtcProgram p, char *cubin) {
  memcpy(cubin, p->cubin, p->size);
  return 0;
}
