// Numbers as int8 with one scale for a row of them: x is q * scale.  Of a column of weights -127 <= q <= 127.  A row of activations
// is seldom even about 0: of it q takes up to 255 steps, from its least number, or 0, to its largest, or 0.
//
// A scale has 17 significant bits, so that every q * scale is a float exactly and quantizing those again gives the same q and
// scale: files, the interpreter, copies and stored weights hold the same numbers, whoever quantized them.  What is no number, or
// is 2^127 or beyond, makes its row's scale NaN; a row below 2^-100 is zeros.  Of a row of
// activations half of what lies between its ends counts.
#ifndef BIGSC_INT8_H
#define BIGSC_INT8_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Bits of floats: of 2^-100, 2^127, NaN; those below a scale's 17; and of 1.5 * 2^23, to which a number is added to be rounded.
#define INT8_LEAST 0x0d800000u
#define INT8_MOST 0x7f000000u
#define INT8_NAN 0x7fc00000u
#define INT8_BELOW 0x7fu
#define INT8_ROUNDER 0x4b400000u
#define INT8_LARGEST 127.0f
// A product of more numbers than this may not fit an int32.
#define INT8_SUM 65536

static inline uint32_t int8_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}

static inline float int8_float(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

// |x| as bits, which are ordered as the numbers are, with what is no number above them.
static inline uint32_t int8_magnitude(float x) {
  return int8_bits(x) & 0x7fffffffu;
}

// The magnitude that a row of activations goes by, of its ends: what is above 0 and what is below it.
static inline uint32_t int8_middle(uint32_t above, uint32_t below) {
  return int8_magnitude(int8_float(above) * 0.5f + int8_float(below) * 0.5f);
}

static inline bool int8_usable(uint32_t most) {
  return most >= INT8_LEAST && most < INT8_MOST;
}

// The scale of numbers of which `most` is the largest magnitude.
static inline float int8_scale(uint32_t most) {
  float s = int8_float(most) / INT8_LARGEST;
  if (!int8_usable(most))
    return most < INT8_LEAST ? 0 : int8_float(INT8_NAN);
  return int8_float((int8_bits(s) + INT8_BELOW) & ~INT8_BELOW);
}

// 1 / scale; 0 where all are 0.
static inline float int8_inverse(uint32_t most) {
  return int8_usable(most) ? 1 / int8_scale(most) : 0;
}

// To the nearest, ties to even.
static inline int32_t int8_steps(float x, float inverse) {
  float scaled = x * inverse;
  return inverse > 0 ? (int32_t)(int8_bits(scaled + int8_float(INT8_ROUNDER)) - INT8_ROUNDER) : 0;
}

static inline int8_t int8_round(float x, float inverse) {
  return (int8_t)int8_steps(x, inverse);
}
#endif
