// libFuzzer: a folder of weights.  The input is config.json, vocab.txt, model.safetensors.index.json and
// the header of model.safetensors, separated by lines `----`; an empty one is no file.  A model takes what
// it can of it, and what it took it writes and reads again.
#include "compiler/driver/session.h"
#include "codegen/llvm/jit.h"
#include "runtime/files/hub.h"
#include "tests/fuzz/fuzz.h"
#include <sys/stat.h>
#include <unistd.h>

static const char model[] =
    "dim V = 6, H = 4, Depth = 2\n"
    "dim B\n"
    "let width = 1\n"
    "module Layer(x : [.., H]) -> [.., H] {\n"
    "  up, down : Linear[H -> H]\n"
    "  x + width * (x |> up |> relu |> down)\n"
    "}\n"
    "model M(ids : i32[B]) {\n"
    "  word   : Embedding[V, H]\n"
    "  layer  : repeat Depth Layer\n"
    "  scores : Linear[H -> V]\n"
    "  entry out : [B, V] = word(ids) |> layer |> scores\n"
    "}\n"
    "checkpoint hf {\n"
    "  layout torch\n"
    "  config \"config.json\" {\n"
    "    V = vocab_size; H = hidden_size; Depth = num_layers; width = width\n"
    "    act == \"relu\"; tied == true; size == 4\n"
    "  }\n"
    "  word      <-> \"m.word\"\n"
    "  layer.{i} <-> \"m.layer.{i}\" { (up, down) <-> \"ffn_*\" }\n"
    "  scores <-> \"classifier\" or init\n"
    "  alias \"gamma\" = \"weight\", \"\" = \"m\"\n"
    "  ignore \"*.position_ids\"\n"
    "}\n";
static const char *const files[] = {"config.json", "vocab.txt", "model.safetensors.index.json",
                                    "model.safetensors"};
static char folder[64], model_path[64], copy[64];

// The module, compiled once: a session that is never closed.
static const BigsModule *module(void) {
  static Session s;
  static Options o = {.opt = 1, .seed = 1};
  BuildWant want = {.nentries = -1, .init = true};
  if (!s.module)
    must(session_load(&s, &o, model_path, true) == 0 && session_compile(&s, &want) == 0);
  return s.module;
}

// The end of the data that the header promises, 0 to 1 MiB.
static size_t data_size(const char *header, size_t n) {
  JsonDoc *d = json_parse(header, n, "header", 0, NULL);
  int64_t most = 0, end;
  for (const JsonValue *t = d ? json_root(d)->child : NULL; t; t = t->next) {
    const JsonValue *at = json_get(t, "data_offsets");
    if (at && at->count == 2 && json_int(at->child->next, &end) && end > most && end <= 1 << 20)
      most = end;
  }
  json_free(d);
  return (size_t)most;
}

static void write_weights(const char *path, const char *header, size_t n) {
  size_t room = data_size(header, n), size = n;
  char *all = calloc(1, 8 + n + room);
  must(all != NULL);
  for (int i = 0; i < 8; i++, size >>= 8)
    all[i] = (char)(size & 255);
  memcpy(all + 8, header, n);
  for (size_t i = 0; i < room; i++)
    all[8 + n + i] = (char)(i % 4 == 3 ? 0x3d : i * 37); // small floats
  fuzz_write(path, all, 8 + n + room);
  free(all);
}

static void write_folder(const char *s, size_t n) {
  static const char line[] = "\n----\n";
  for (int i = 0; i < 4; i++) {
    char path[128];
    const char *end = i < 3 && n ? memmem(s, n, line, sizeof line - 1) : NULL;
    size_t own = end ? (size_t)(end - s) : n, skip = own + (end ? sizeof line - 1 : 0);
    snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    unlink(path);
    if (own && i < 3)
      fuzz_write(path, s, own);
    else if (own)
      write_weights(path, s, own);
    s += skip;
    n -= skip;
  }
}

static void look(void) {
  BigsError e = {{0}, 0};
  Hub *h;
  if (hub_open(folder, NULL, &h, &e)) {
    must_explain(&e);
    return;
  }
  for (int i = 0; i < hub_count(h); i++)
    must(hub_at(h, i)->name && hub_file(h, hub_at(h, i)) == hub_at(h, i)->file);
  must(!hub_config(h) || hub_config(h)->kind == JSON_OBJECT);
  hub_close(h);
}

// Sizes from config.json: right, or refused with a status.
static void load_with_config(void) {
  Options o = {.opt = 2, .weights = folder};
  Session s;
  int status = session_load(&s, &o, model_path, true);
  must(status == 0 || status == EXIT_MODEL || status == EXIT_FILE);
  session_close(&s);
}

static void same_weights(bigs_model *a, bigs_model *b) {
  static float x[1024], y[1024];
  for (int i = 0; i < module()->nparam; i++) {
    must(bigs_model_get(a, BIGS_THE_WEIGHT, i, x) == 0 &&
         bigs_model_get(b, BIGS_THE_WEIGHT, i, y) == 0);
    must(!memcmp(x, y, sizeof x));
  }
}

static void open_weights(void) {
  char error[512] = "";
  int status = 0;
  bigs_options o = {.size = sizeof(bigs_options), .status = &status, .threads = 1};
  bigs_model *m = bigs_model_open_with(module(), folder, &o, error, sizeof error);
  must((m != NULL) == (status == 0) && (m != NULL) == !error[0]);
  must(status != BIGS_EBUG);
  if (m && (status = bigs_model_save(m, copy, "hf")) == 0) {
    bigs_model *again = bigs_model_open_with(module(), copy, &o, error, sizeof error);
    if (!again)
      fuzz_failed(error, __FILE__, __LINE__);
    same_weights(m, again);
    bigs_model_close(again);
  }
  must(status != BIGS_EBUG && status != BIGS_EUSAGE);
  bigs_model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!folder[0]) {
    stderr = fopen("/dev/null", "w"); // what sessions say; the sanitizers write elsewhere
    fuzz_path(folder, "folder");
    must(stderr && mkdir(folder, 0700) == 0);
    fuzz_write(fuzz_path(model_path, "m.mdl"), model, sizeof model - 1);
    fuzz_path(copy, "copy.safetensors");
  }
  write_folder((const char *)data, size);
  look();
  load_with_config();
  open_weights();
  return 0;
}
