// What the structs of a module's tables hold, for whoever writes them out: which fields are pointers, and to what.
#ifndef BIGSC_TABLES_H
#define BIGSC_TABLES_H
#include "base/arena.h"
#include "runtime/abi.h"
#include <stddef.h>

typedef struct TableStruct TableStruct;
typedef enum TableFieldKind {
  TABLE_END,
  TABLE_BYTES,
  TABLE_TEXT,
  TABLE_ARRAY,
  TABLE_DATA,
  TABLE_KERNELS,
  TABLE_WEIGHTS,
  TABLE_BUILTINS
} TableFieldKind;
enum { TABLE_PER_PARAM = -1 }; // as many as the module has parameters
typedef struct TableField {
  TableFieldKind kind;
  size_t offset;
  // TEXT: strings in a row; ARRAY: offset of the int32 that counts them, or TABLE_PER_PARAM
  int64_t count;
  const TableStruct *(*elem)(void); // ARRAY
} TableField;
struct TableStruct {
  size_t size;
  const TableField *field; // in the struct's order, behind them TABLE_END
};

const TableStruct *table_module(void); // of a BigsModule
bool table_has_pointers(const TableStruct *t);
// How many elements the ARRAY field f of the struct at `base` points to.
int32_t table_count(const BigsModule *m, const TableField *f, const char *base);
#endif
