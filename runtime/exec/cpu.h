// Instruction sets of the CPU that runs this.
#ifndef BIGSC_RUNTIME_CPU_H
#define BIGSC_RUNTIME_CPU_H
#include <stdbool.h>
#include <stddef.h>

// features: as LLVM names them, comma separated, each with a sign ("+avx2,+fma,-sse4a"); NULL:
// none; "+sve256" is SVE of at least 256 bits.  True when this CPU has every one with a plus; else false, and `missing` gets the first
// that it lacks.  Features that no code generator uses on its own (of which this file has no test)
// are taken as present.
bool cpu_has(const char *features, char *missing, size_t size);
#endif
