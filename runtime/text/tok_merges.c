// GPT-2's and RoBERTa's older form: a vocab.json of tokens and ids, and beside it a merges.txt.  They are put together as the tokenizer.json
// that the `tokenizers` library makes of them.
#include "base/alloc.h"
#include "runtime/files/file.h"
#include "runtime/text/tok_file.h"
#include <string.h>

enum { MERGES_MAX = 256 << 20 };

static char *read_beside(const char *path, const char *name, size_t *n, BigsError *e) {
  char *folder = file_folder(path, e);
  char *other = folder ? file_join(folder, name, e) : NULL;
  char *text = other ? file_read(other, MERGES_MAX, n, e) : NULL;
  free(folder);
  free(other);
  return text;
}

// Lines of two tokens; the first may tell a version.
static void put_merges(JsonText *out, const char *p, const char *end) {
  bool any = false;
  json_raw(out, "\"merges\":[");
  while (p < end) {
    const char *eol = (const char *)memchr(p, '\n', (size_t)(end - p)), *stop = eol ? eol : end;
    size_t n = (size_t)(stop - p) - (stop > p && stop[-1] == '\r');
    if (n && strncmp(p, "#version", 8)) {
      json_raw(out, any ? "," : "");
      json_put_string(out, p, n);
      any = true;
    }
    p = eol ? eol + 1 : end;
  }
  json_raw(out, "]}");
}

// The special tokens of such a vocabulary: RoBERTa's, whose [MASK] takes the blanks before it, or GPT-2's.
static void put_added(JsonText *out, const JsonValue *vocab) {
  static const char *const names[] = {"<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"};
  bool any = false;
  json_raw(out, ",\"added_tokens\":[");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    int64_t id;
    if (!json_get(vocab, names[i]) || !json_int(json_get(vocab, names[i]), &id))
      continue;
    json_raw(out, any ? ",{\"id\":" : "{\"id\":");
    json_put_int(out, id);
    json_raw(out, ",\"content\":");
    json_put_string(out, names[i], strlen(names[i]));
    json_raw(out, i == 4 ? ",\"special\":true,\"lstrip\":true}" : ",\"special\":true}");
    any = true;
  }
  json_raw(out, "]");
}

static void put_around(JsonText *out, const JsonValue *vocab) {
  static const char *const keys[] = {"<s>", "</s>"};
  int64_t id[2];
  for (int i = 0; i < 2; i++)
    if (!json_get(vocab, keys[i]) || !json_int(json_get(vocab, keys[i]), &id[i]))
      return;
  json_raw(out, ",\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",");
  json_put_int(out, id[0]);
  json_raw(out, "],\"sep\":[\"</s>\",");
  json_put_int(out, id[1]);
  json_raw(out, "]}");
}

int tok_merges_join(const JsonValue *vocab, const char *text, size_t n, const char *path,
                    JsonText *out, BigsError *e) {
  size_t size = 0;
  char *merges = read_beside(path, "merges.txt", &size, e);
  if (!merges)
    return bigs_status(e, BIGS_EFILE);
  json_raw(out, "{\"model\":{\"type\":\"BPE\",\"vocab\":");
  char *copy = strndup(text, n);
  json_raw(out, copy ? copy : "");
  json_raw(out, ",");
  put_merges(out, merges, merges + size);
  json_raw(out, ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}");
  put_added(out, vocab);
  put_around(out, vocab);
  json_raw(out, "}");
  free(merges);
  bool failed = out->failed || !copy;
  free(copy);
  return failed ? bigs_fail_memory(e, path) : 0;
}
