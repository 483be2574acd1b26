// What a command reads is not what it writes.
#ifndef BIGSC_OUTPUTS_H
#define BIGSC_OUTPUTS_H
#include "compiler/driver/session.h"

// 0, or a usage error: the file `out`, which is to be replaced, is one that the command reads, under
// whatever name.  Of a model that was loaded the files it uses count, too.
int session_check_output(Session *s, const char *out);
#endif
