// Whole files of other programs, with the same tensors in each form, and what is to be found in them.
#ifndef BIGSC_TESTS_FOREIGN_BED_H
#define BIGSC_TESTS_FOREIGN_BED_H
#include "runtime/foreign/foreign.h"
#include "tests/unit/foreign_files.h"

// Bytes of a literal, and how many there are.
#define MADE_BYTES(s) s, sizeof s - 1

// Storages "0", "1", ..., and tensors that look at them.
enum { MADE_TENSORS = 10 };
extern const float made_floats[12];
extern const uint16_t made_halves[4], made_bf16s[3];
extern const double made_doubles[2];
extern const int64_t made_longs[3];
extern const char *const made_names[MADE_TENSORS];
extern const MadeTensor made_tensors[MADE_TENSORS];

// Each makes a file that the caller frees by grow_free.
MadeFile made_pickle(void); // of all tensors, without their storages
// As torch.save writes it: the pickle, and all storages.
MadeFile made_archive_of(const MadeFile *pickle, bool deflate, bool far);
MadeFile made_archive(bool deflate, bool far);
MadeFile made_row(void);  // as torch.save did before 1.6
MadeFile made_flax(void); // 3 arrays: two in maps, and one in pieces
// What begins a file of before torch 1.6.
void made_front(MadeFile *f, bool little);

Hub *hub_opened(const char *path);
// The tensor `name` is `what` (type and shape), and as f32 has the values `want`.
void hub_holds(const Hub *h, const char *name, const char *what, const float *want);
// The file, written to path, is refused with a message that has the path and `why`.
void hub_refuses(const char *path, const MadeFile *f, const char *why);
#endif
