#include "codegen/emit.h"
void emit_tile(Emit *e, const LTile *s) { (void)e; (void)s; BUG("tile"); }
