// Tables that have more rows than the weights give: bigs_options.extend, "NAME=HOW,...".  NAME is a parameter, or what a parameter's
// name begins with, up to a dot; its first axis may be longer than in the file, by HOW:
//   tile         row i is row i mod n of the n that the file has
//   interpolate  row i of N lies at i (n - 1) / (N - 1) among those of the file, on a line between its neighbours: ends stay ends
//   fresh        the file's rows come first, the others have fresh values
#ifndef BIGSC_RUNTIME_EXTEND_H
#define BIGSC_RUNTIME_EXTEND_H
#include "runtime/exec/weights.h"

typedef enum ExtendHow { EXTEND_NOT, EXTEND_TILE, EXTEND_INTERPOLATE, EXTEND_FRESH } ExtendHow;
// What `text` asks for each of the module's parameters: how[nparam], an ExtendHow each, all EXTEND_NOT before.  Names of no
// parameter, and other words for HOW, are of status BIGS_EUSAGE.
int extend_read(const BigsModule *module, const char *text, uint8_t *how, BigsError *e);

// Is the tensor what a file holds of the parameter, stored as `s`, but for fewer rows?
bool extend_fits(const BigsParam *p, const StoredShape *s, const StTensor *t, TableGrowth *out);
// All rows, `to`, from those of the file; elem: bytes of an element, 4 (f32) or 8 (f64).  EXTEND_FRESH: the others are there already.
void extend_fill(const TableGrowth *g, ExtendHow how, int elem, const void *from, void *to);
// What to do about a file that has fewer rows of a parameter, behind a message that says so.  Returns buf.
const char *extend_hint(const BigsModule *module, int param, char *buf, size_t size);
#endif
