// Which entries take text: those whose inputs are tokens, and whose output has a row a text.
#ifndef BIGSC_TEXT_ENTRY_H
#define BIGSC_TEXT_ENTRY_H
#include "runtime/abi.h"
#include <stdbool.h>

typedef struct TextEntry {
  int ids, types, mask; // arguments of the program; -1: it has none
  int batch, length;    // dims of the module
} TextEntry;
// Is program p such an entry?  ids : i32[B, L], and perhaps types : i32[B, L] and mask : bool[B, L], by these names, give f32[B, ..],
// where only B and L are known at run time, and L is not an axis of the output.
bool text_entry(const BigsModule *m, const BigsProgram *p, TextEntry *out);
#endif
