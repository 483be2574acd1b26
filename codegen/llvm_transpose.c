#include "codegen/emit.h"
void emit_transpose(Emit *e, const LStmt *s) { (void)e; (void)s; BUG("transpose"); }
