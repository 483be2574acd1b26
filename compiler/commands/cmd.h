// The commands: one function each, from parsed options to an exit status.
#ifndef BIGSC_CMD_H
#define BIGSC_CMD_H
#include "compiler/driver/options.h"

#define VERB(id, name, args, help) int cmd_##id(const Options *o);
#include "compiler/driver/verbs.def"
#undef VERB
#endif
