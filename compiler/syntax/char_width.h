// Columns that a character takes in a terminal: 0, 1 or 2.
#ifndef BIGSC_CHAR_WIDTH_H
#define BIGSC_CHAR_WIDTH_H
#include <stdint.h>

int char_width(int32_t c);
#endif
