// Random numbers of compiled modules: compiler/rng.h, which the interpreter includes as well.
#ifndef BIGSC_RUNTIME_RNG_H
#define BIGSC_RUNTIME_RNG_H
#include "compiler/rng.h"
#endif
