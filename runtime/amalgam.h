// The runtime as text, for what is compiled together with it: base/, runtime/files/, runtime/exec/ and runtime/cuda/
// as the one source that `tools/amalgamate.sh cuda` prints, which says how to compile it.
#ifndef BIGSC_AMALGAM_H
#define BIGSC_AMALGAM_H

const char *runtime_text(void); // constant
#endif
