// Memory that AddressSanitizer is told about by hand; nothing without it.
#ifndef BIGSC_ASAN_H
#define BIGSC_ASAN_H

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define BIGSC_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define BIGSC_ASAN 1
#endif

#ifdef BIGSC_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#endif
