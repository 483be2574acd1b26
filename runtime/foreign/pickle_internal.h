// Pickles, read without running anything: plain data, and the few names that a table allows, which functions of this folder
// stand for.
#ifndef BIGSC_RUNTIME_PICKLE_INTERNAL_H
#define BIGSC_RUNTIME_PICKLE_INTERNAL_H
#include "runtime/foreign/foreign_internal.h"

typedef enum PyKind {
  PY_MARK,
  PY_NONE,
  PY_BOOL,
  PY_INT,   // of 64 bits
  PY_LONG,  // a longer one: its bytes, little-endian
  PY_FLOAT, // its value is not kept
  PY_TEXT,
  PY_BYTES,
  PY_TUPLE,
  PY_LIST,
  PY_DICT,
  PY_GLOBAL,
  PY_STORAGE,
  PY_TENSOR
} PyKind;
typedef struct PyValue PyValue;
typedef struct Pickle Pickle;
// A name that a pickle may ask for.
typedef struct PyGlobal {
  const char *name; // "module.name"
  // What calling it with these arguments gives, or NULL with the error set; NULL: it is not called.
  const PyValue *(*call)(Pickle *p, const PyValue *args);
  StDType dtype; // of a type of storage
} PyGlobal;
struct PyValue {
  PyKind kind;
  size_t n;                // of text and bytes
  VEC(const PyValue *) at; // items of a tuple or a list; keys and values of a dictionary, in turn
  union {
    int64_t whole;
    const char *text; // in the pickle, not terminated
    const PyGlobal *global;
    const void *object; // a storage, a tensor
  } is;
};
struct Pickle {
  Foreign *x;
  const char *what; // for messages: "archive/data.pkl"
  const unsigned char *bytes;
  size_t n, at;
  size_t op; // where the opcode under way stands
  const PyGlobal *globals;
  int nglobals;
  const PyValue *(*persistent)(Pickle *p, const PyValue *id);
  VEC(PyValue *) stack;
  VEC(int) marks; // places of marks in the stack
  VEC(PyValue *) memo;
};
// Reads one pickle from p->at on, and leaves p->at behind it.  NULL with the error set.
const PyValue *pickle_read(Pickle *p);
// "PATH: WHAT byte N: TEXT"; NULL.
void *pickle_fail(const Pickle *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *pickle_kind(const PyValue *v); // "a dictionary", for messages
PyValue *pickle_value(const Pickle *p, PyKind kind);
bool pickle_is_text(const PyValue *v, const char *text);
const PyValue *pickle_item(const PyValue *v, const char *key); // of a dictionary; NULL: none
#endif
