// What a translated kernel is made of: its thread, its memory accesses, and the instructions that C++ has no word for.
//
// Every kernel becomes one function over a `Thread`. Loads and stores check their address against the range that the
// same instruction touched last, which costs a subtraction and a comparison; a miss asks the engine, and what lies in
// no allocation is a fault with the kernel's name and line.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace kval {

struct Site {
  const char* file;
  unsigned line;
  const char* what;
};

// An access may begin at first .. first + span.
struct Cache {
  uint64_t first;
  uint64_t span;
};

struct Worker;

struct Block {
  uint32_t ctaid[3], ntid[3], nctaid[3];
  uint8_t* shared;         // what a shared address counts from
  const uint8_t* params;
  uint8_t* shadow;         // who touched which shared word last, where races are looked for; else null
  uint32_t dynamic_first;  // where dynamic shared memory begins
  uint32_t dynamic_bytes;
  uint32_t static_bytes;
  uint64_t grid_id;
  uint64_t workspace;      // where the blocks of a cooperative grid meet; else 0
  Cache* caches;
  Worker* worker;
};

struct Thread {
  uint32_t tid[3];
  uint32_t index, lane, warp;
  Block* block;
};

enum Space : int { GENERIC, GLOBAL, SHARED, LOCAL, CONSTANT, OWN };  // OWN: local memory that has no other owner
enum Warp : int { SYNC, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BFLY, SHUFFLE_IDX, BALLOT, ANY, ALL, UNI, MATCH_ANY, MATCH_ALL,
                  RED_ADD, RED_MIN_U, RED_MAX_U, RED_MIN_S, RED_MAX_S, RED_AND, RED_OR, RED_XOR, MATRIX };

enum MatrixType : int { T_F16, T_BF16, T_TF32, T_F32, T_S8, T_U8, T_S32 };

// One lane's part of d = a x b + c. `fixed`: the registers hold what the instruction set says, else element
// (lane * elements + i) mod all.
struct Matrix {
  int m, n, k;
  int d_type, a_type, b_type, c_type;
  uint32_t d_count, a_count, b_count, c_count;
  bool fixed;
  const uint32_t *a, *b, *c;
  uint32_t* d;
};

struct Shared { const char* name; uint32_t first, bytes; };
struct Variable { const char* name; void* address; uint64_t bytes; };
struct Code {
  const char* name;
  void (*run)(Thread&);
  bool waits;                 // has barriers or warp-wide instructions: its threads need stacks of their own
  uint32_t parameters;
  const uint32_t* offsets;    // of each parameter, and the end of the last
  uint32_t parameter_bytes;
  const uint32_t* sizes;
  const Shared* shared;       // the static arrays that it may touch
  uint32_t shared_arrays;
  uint32_t static_bytes;      // what they take on a device, without our gaps
  uint32_t dynamic_first;
  uint32_t sites;
  uint32_t local_bytes;
  uint32_t frame_bytes;       // what one thread's stack must hold, at most
  bool calls;                 // functions that are not inlined: how deep they go is not known
  uint32_t max_threads;
};
struct Module {
  uint64_t hash;
  const Code* kernels;
  uint32_t kernel_count;
  const Variable* variables;
  uint32_t variable_count;
};

}  // namespace kval

extern "C" {
void kv_miss(kval::Thread&, kval::Cache&, const kval::Site&, uint64_t address, uint32_t bytes, uint32_t align, int space, bool write);
void kv_matrix(kval::Thread&, const kval::Site&, const kval::Matrix&);
bool kv_within(kval::Thread&, kval::Cache&, uint64_t address, uint32_t bytes, int space, bool write);
uint32_t kv_barrier(kval::Thread&, const kval::Site&, uint32_t id, uint32_t count, int reduce, bool value);
void kv_arrive(kval::Thread&, const kval::Site&, uint32_t id, uint32_t count);
uint64_t kv_warp(kval::Thread&, const kval::Site&, uint32_t mask, int what, uint64_t value, uint32_t b, uint32_t c, bool* valid);
void kv_race(kval::Thread&, const kval::Site&, uint32_t address, uint32_t bytes, bool write);
uint32_t kv_active(kval::Thread&, const kval::Site&);
void kv_yield(kval::Thread&);
void kv_step(kval::Thread&);
[[noreturn]] void kv_trap(kval::Thread&, const kval::Site&, const char* what);
[[noreturn]] void kv_exit(kval::Thread&);
uint32_t kv_print(const char* format, const uint8_t* arguments);
[[noreturn]] void kv_assert(kval::Thread&, const char* message, const char* file, uint32_t line, const char* function);
bool kv_in_shared(kval::Thread&, uint64_t address);
bool kv_in_stack(kval::Thread&, uint64_t address);
uint64_t kv_malloc(uint64_t bytes);
void kv_free(uint64_t address);
uint64_t kv_clock();
uint64_t kv_nanoseconds();
}

namespace kv {

using kval::Cache;
using kval::Site;
using kval::Thread;
#define KV_IN static inline __attribute__((always_inline))
#define KV_RARE(x) __builtin_expect(!!(x), 0)

template <class To, class From>
KV_IN To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "a register of another width");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

struct alignas(16) u128 { uint64_t x, y; };

// --- memory ----------------------------------------------------------------------------------------------------------

template <unsigned Bytes, unsigned Align = Bytes>
KV_IN uint8_t* reach(Thread& t, Cache& c, const Site& site, uint64_t a, int space, bool write) {
  if (KV_RARE((a - c.first > c.span) | ((a & (Align - 1)) != 0))) kv_miss(t, c, site, a, Bytes, Align, space, write);
  return reinterpret_cast<uint8_t*>(a);
}

template <unsigned Bytes, unsigned Align = Bytes>
KV_IN uint8_t* reach_shared(Thread& t, Cache& c, const Site& site, uint8_t* shared, uint32_t a, bool write) {
  reach<Bytes, Align>(t, c, site, a, kval::SHARED, write);
  if (KV_RARE(t.block->shadow != nullptr)) kv_race(t, site, a, Bytes, write);
  return shared + a;
}

template <unsigned Bytes, unsigned Align = Bytes>
KV_IN uint8_t* reach_shared_atomic(Thread& t, Cache& c, const Site& site, uint8_t* shared, uint32_t a) {
  reach<Bytes, Align>(t, c, site, a, kval::SHARED, true);
  return shared + a;
}

// Where all accesses of a straight piece of code through one register begin, if all of them are fine; else null, and
// each is looked at alone.
template <unsigned Bytes, unsigned Align>
KV_IN uint8_t* within(Thread& t, Cache& c, uint8_t* base, uint64_t a, int space, bool write) {
  if ((a & (Align - 1)) != 0) return nullptr;
  if (__builtin_expect(a - c.first <= c.span, 1)) return base + a;
  return kv_within(t, c, a, Bytes, space, write) ? base + a : nullptr;
}

// An access to the thread's own local memory; in a function that is called it may also be a caller's (`space` LOCAL).
template <unsigned Bytes, unsigned Align = Bytes>
KV_IN uint8_t* reach_local(Thread& t, Cache& c, const Site& site, uint64_t a, const uint8_t* own, uint64_t size, int space, bool write) {
  if (KV_RARE((size < Bytes) | (a - reinterpret_cast<uint64_t>(own) > size - Bytes) | ((a & (Align - 1)) != 0)))
    kv_miss(t, c, site, a, Bytes, Align, space, write);
  return reinterpret_cast<uint8_t*>(a);
}

template <class T>
KV_IN T load(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
KV_IN void store(uint8_t* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

template <class T>
KV_IN T load_volatile(Thread& t, const uint8_t* p) {
  kv_yield(t);
  return __atomic_load_n(reinterpret_cast<const T*>(p), __ATOMIC_ACQUIRE);
}

// Volatile shared memory: old code takes it that a warp's threads read together and only then write. Each lets the
// others of its warp come to the same access first.
template <class T>
KV_IN T load_together(Thread& t, const uint8_t* p) {
  kv_step(t);
  return load<T>(p);
}

template <class T>
KV_IN void store_together(Thread& t, uint8_t* p, T v) {
  kv_step(t);
  store<T>(p, v);
}

template <class T>
KV_IN void store_volatile(uint8_t* p, T v) {
  __atomic_store_n(reinterpret_cast<T*>(p), v, __ATOMIC_RELEASE);
}

// Reads, changes and writes one word as nothing comes between. `Change` takes and gives the word's bits.
template <class Word, class Change>
KV_IN Word exchange(uint8_t* p, Change change) {
  Word* w = reinterpret_cast<Word*>(p);
  Word was = __atomic_load_n(w, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(w, &was, change(was), true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
  }
  return was;
}

// The same within a block, whose threads all live on one thread of the machine.
template <class Word, class Change>
KV_IN Word exchange_shared(uint8_t* p, Change change) {
  const Word was = load<Word>(p);
  store<Word>(p, change(was));
  return was;
}

// --- matrices --------------------------------------------------------------------------------------------------------

// A wmma fragment of 32-bit registers over a matrix of elements of `Bytes`: element (lane * each + i) mod all.
template <unsigned Bytes, unsigned Rows, unsigned Columns, unsigned Registers>
struct Fragment {
  static constexpr unsigned each = Registers * 4 / Bytes, all = Rows * Columns;

  static uint8_t* place(Thread& t, Cache& c, const Site& site, uint64_t base, int space, uint32_t stride, bool by_rows, unsigned i, bool write) {
    const unsigned element = (t.lane * each + i) % all, row = element / Columns, column = element % Columns;
    const uint64_t a = base + uint64_t(by_rows ? row * stride + column : column * stride + row) * Bytes;
    if (space == kval::SHARED) return reach_shared<Bytes>(t, c, site, t.block->shared, uint32_t(a), write);
    return reach<Bytes>(t, c, site, a, space, write);
  }
  static void load(Thread& t, Cache& c, const Site& site, uint64_t base, int space, uint32_t stride, bool by_rows, uint32_t* f) {
    kv_warp(t, site, 0xffffffffu, kval::SYNC, 0, 0, 0, nullptr);
    for (unsigned i = 0; i < each; ++i)
      std::memcpy(reinterpret_cast<uint8_t*>(f) + i * Bytes, place(t, c, site, base, space, stride, by_rows, i, false), Bytes);
  }
  static void store(Thread& t, Cache& c, const Site& site, uint64_t base, int space, uint32_t stride, bool by_rows, const uint32_t* f) {
    for (unsigned i = 0; i < each && t.lane * each + i < all; ++i)
      std::memcpy(place(t, c, site, base, space, stride, by_rows, i, true), reinterpret_cast<const uint8_t*>(f) + i * Bytes, Bytes);
    kv_warp(t, site, 0xffffffffu, kval::SYNC, 0, 0, 0, nullptr);
  }
};

template <unsigned Count, bool Transposed>
KV_IN void load_matrix(Thread& t, Cache& c, const Site& site, uint8_t* shared, uint32_t row, uint32_t* f) {
  for (unsigned n = 0; n < Count; ++n) {
    uint16_t two[2];
    for (unsigned i = 0; i < 2; ++i) {
      const uint32_t across = t.lane % 4 * 2 + i, down = t.lane / 4, source = n * 8 + (Transposed ? across : down);
      const uint32_t begin = uint32_t(kv_warp(t, site, 0xffffffffu, kval::SHUFFLE_IDX, row, source, 31, nullptr));
      two[i] = load<uint16_t>(reach_shared<2>(t, c, site, shared, begin + 2 * (Transposed ? down : across), false));
    }
    f[n] = uint32_t(two[0]) | uint32_t(two[1]) << 16;
  }
}

// --- half and bfloat16, as bits --------------------------------------------------------------------------------------

KV_IN float half_to_float(uint16_t h) {
#if defined(__F16C__)
  return _cvtsh_ss(h);
#else
  const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
  if (exponent == 31) return bits<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {
    const float tiny = float(fraction) * 5.9604644775390625e-8f;
    return bits<float>(bits<uint32_t>(tiny) | sign);
  }
  return bits<float>(sign | (exponent + 112) << 23 | fraction << 13);
#endif
}

KV_IN uint16_t float_to_half(float f) {
  if (KV_RARE(f != f)) return 0x7fff;  // a device's one NaN
#if defined(__F16C__)
  return uint16_t(_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT));
#else
  const uint32_t u = bits<uint32_t>(f), sign = (u >> 16) & 0x8000, a = u & 0x7fffffff;
  if (a >= 0x477ff000) return uint16_t(sign | 0x7c00);
  if (a < 0x38800000) {
    const float scaled = bits<float>(a) + 0.5f;
    return uint16_t(sign | (bits<uint32_t>(scaled) - 0x3f000000u));
  }
  const uint32_t rounded = a + 0xfff + ((a >> 13) & 1);
  return uint16_t(sign | ((rounded - 0x38000000u) >> 13));
#endif
}

KV_IN float bfloat_to_float(uint16_t h) { return bits<float>(uint32_t(h) << 16); }

KV_IN uint16_t float_to_bfloat(float f) {
  const uint32_t u = bits<uint32_t>(f);
  if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

KV_IN uint16_t float_to_half_zero(float f) {
  const uint16_t h = float_to_half(f);
  return std::fabs(half_to_float(h)) > std::fabs(f) ? uint16_t(h - 1) : h;
}
KV_IN uint16_t float_to_bfloat_zero(float f) { return f != f ? 0x7fff : uint16_t(bits<uint32_t>(f) >> 16); }

KV_IN uint16_t low(uint32_t pair) { return uint16_t(pair); }
KV_IN uint16_t high(uint32_t pair) { return uint16_t(pair >> 16); }
KV_IN uint32_t pair(uint16_t l, uint16_t h) { return uint32_t(l) | uint32_t(h) << 16; }

template <class F> KV_IN uint16_t half1(F f, uint16_t a) { return float_to_half(f(half_to_float(a))); }
template <class F> KV_IN uint16_t half2(F f, uint16_t a, uint16_t b) { return float_to_half(f(half_to_float(a), half_to_float(b))); }
template <class F> KV_IN uint16_t half3(F f, uint16_t a, uint16_t b, uint16_t c) { return float_to_half(f(half_to_float(a), half_to_float(b), half_to_float(c))); }
template <class F> KV_IN uint16_t bfloat1(F f, uint16_t a) { return float_to_bfloat(f(bfloat_to_float(a))); }
template <class F> KV_IN uint16_t bfloat2(F f, uint16_t a, uint16_t b) { return float_to_bfloat(f(bfloat_to_float(a), bfloat_to_float(b))); }
template <class F> KV_IN uint16_t bfloat3(F f, uint16_t a, uint16_t b, uint16_t c) { return float_to_bfloat(f(bfloat_to_float(a), bfloat_to_float(b), bfloat_to_float(c))); }

// --- arithmetic ------------------------------------------------------------------------------------------------------

template <class T> KV_IN T fmin_(T a, T b) { return b != b ? a : (a < b ? a : b); }
template <class T> KV_IN T fmax_(T a, T b) { return b != b ? a : (a > b ? a : b); }
template <class T> KV_IN T fmin_nan(T a, T b) { return a != a ? a : (b != b ? b : (a < b ? a : b)); }
template <class T> KV_IN T fmax_nan(T a, T b) { return a != a ? a : (b != b ? b : (a > b ? a : b)); }
template <class T> KV_IN T imin(T a, T b) { return a < b ? a : b; }
template <class T> KV_IN T imax(T a, T b) { return a > b ? a : b; }
template <class T> KV_IN T saturate(T x) { return x > T(0) ? (x < T(1) ? x : T(1)) : T(0); }  // NaN becomes 0

enum Round { NEAREST, DOWN, UP, ZERO };

// `exact` rounded to float in a direction: the nearest one, or its neighbour.
template <int Mode>
KV_IN float round_to_float(double exact) {
  const float f = float(exact);
  if (Mode == NEAREST || f != f) return f;
  const bool down = Mode == DOWN || (Mode == ZERO && exact > 0);
  if (down ? double(f) > exact : double(f) < exact) {
    if (f == 0) return bits<float>(down ? 0x80000001u : 1u);
    const uint32_t u = bits<uint32_t>(f);
    return bits<float>((down == (f > 0)) ? u - 1 : u + 1);
  }
  return f;
}

// The neighbour of `x` towards the true value where `error` (true value - x) points beyond it.
template <int Mode>
KV_IN double round_double(double x, double error) {
  if (Mode == NEAREST || error == 0 || error != error || std::isinf(x)) return x;
  const bool down = Mode == DOWN || (Mode == ZERO && x > 0);
  if (down ? error < 0 : error > 0) return std::nextafter(x, down ? -INFINITY : INFINITY);
  return x;
}
template <int Mode> KV_IN double add_(double a, double b) {
  const double s = a + b, v = s - a;
  return round_double<Mode>(s, (a - (s - v)) + (b - v));
}
template <int Mode> KV_IN double mul_(double a, double b) { return round_double<Mode>(a * b, __builtin_fma(a, b, -(a * b))); }
template <int Mode> KV_IN double fma_(double a, double b, double c) {
  const double r = __builtin_fma(a, b, c);
  return Mode == NEAREST ? r : round_double<Mode>(r, double((long double)(a) * b + c - r));
}
template <int Mode> KV_IN double div_(double a, double b) { return round_double<Mode>(a / b, -__builtin_fma(a / b, b, -a) * (b < 0 ? -1 : 1)); }
template <int Mode> KV_IN double sqrt_(double a) { const double r = std::sqrt(a); return round_double<Mode>(r, -__builtin_fma(r, r, -a)); }

template <class T> KV_IN T divide(T a, T b) {
  if (b == 0) return T(-1);
  if (T(-1) < T(0) && b == T(-1)) return T(0) - a;
  return a / b;
}
template <class T> KV_IN T remainder(T a, T b) {
  if (b == 0) return a;
  if (T(-1) < T(0) && b == T(-1)) return 0;
  return a % b;
}
template <class T> KV_IN T shift_left(T a, uint32_t n) { return n >= 8 * sizeof(T) ? T(0) : T(a << n); }
template <class T> KV_IN T shift_right(T a, uint32_t n) { return n >= 8 * sizeof(T) ? T(a < 0 ? -1 : 0) : T(a >> n); }
template <class T> KV_IN T absolute(T a) { return a < 0 ? T(0) - a : a; }

KV_IN uint32_t funnel_left(uint32_t l, uint32_t h, uint32_t n) { return n == 0 ? h : n >= 32 ? l : (h << n) | (l >> (32 - n)); }
KV_IN uint32_t funnel_right(uint32_t l, uint32_t h, uint32_t n) { return n == 0 ? l : n >= 32 ? h : (l >> n) | (h << (32 - n)); }

template <class T> KV_IN T field(T a, uint32_t position, uint32_t length) {  // bfe; T's sign says how it is extended
  using U = typename std::conditional<sizeof(T) == 8, uint64_t, uint32_t>::type;
  const uint32_t width = 8 * sizeof(T);
  position &= 255, length &= 255;
  if (length == 0) return 0;
  U v = position < width ? U(a) >> position : 0;
  const bool negative = T(-1) < T(0) && ((U(a) >> imin(position + length - 1, width - 1)) & 1);
  if (length < width) {
    v &= (U(1) << length) - 1;
    if (negative) v |= ~((U(1) << length) - 1);
  } else if (negative && position > 0) {
    v |= position < width ? ~(~U(0) >> position) : ~U(0);
  }
  return T(v);
}
template <class U> KV_IN U insert(U a, U b, uint32_t position, uint32_t length) {
  const uint32_t width = 8 * sizeof(U);
  position &= 255, length &= 255;
  if (position >= width || length == 0) return b;
  const U ones = length >= width ? ~U(0) : (U(1) << length) - 1;
  const U mask = ones << position;
  return (b & ~mask) | ((a << position) & mask);
}
KV_IN uint32_t ones(uint32_t position, uint32_t length, bool wrap) {  // bmsk
  position = wrap ? position & 31 : imin<uint32_t>(position, 32);
  length = wrap ? length & 31 : imin<uint32_t>(length, 32);
  const uint64_t mask = ((uint64_t(1) << length) - 1) << position;
  return uint32_t(mask);
}
template <class U> KV_IN uint32_t leading(U a) {
  if (a == 0) return 8 * sizeof(U);
  return sizeof(U) == 8 ? __builtin_clzll(a) : __builtin_clz(uint32_t(a));
}
template <class T> KV_IN uint32_t find_leading(T a, bool shift_amount) {
  using U = typename std::conditional<sizeof(T) == 8, uint64_t, uint32_t>::type;
  U u = U(a);
  if (T(-1) < T(0) && a < 0) u = ~u;
  if (u == 0) return 0xffffffffu;
  const uint32_t place = 8 * sizeof(U) - 1 - leading(u);
  return shift_amount ? 8 * sizeof(U) - 1 - place : place;
}
template <class U> KV_IN U reverse(U a) {
  U r = 0;
  for (unsigned i = 0; i < 8 * sizeof(U); ++i) r |= ((a >> i) & 1) << (8 * sizeof(U) - 1 - i);
  return r;
}
KV_IN uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t both = uint64_t(b) << 32 | a;
  uint32_t r = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t s = (selector >> (4 * i)) & 15;
    uint32_t byte = uint32_t(both >> (8 * (s & 7))) & 255;
    if (s & 8) byte = byte & 128 ? 255 : 0;
    r |= byte << (8 * i);
  }
  return r;
}
template <class U> KV_IN U logic(U a, U b, U c, uint32_t table) {
  U r = 0;
  if (table & 0x01) r |= ~a & ~b & ~c;
  if (table & 0x02) r |= ~a & ~b & c;
  if (table & 0x04) r |= ~a & b & ~c;
  if (table & 0x08) r |= ~a & b & c;
  if (table & 0x10) r |= a & ~b & ~c;
  if (table & 0x20) r |= a & ~b & c;
  if (table & 0x40) r |= a & b & ~c;
  if (table & 0x80) r |= a & b & c;
  return r;
}
template <class A, class B> KV_IN uint32_t dot4(uint32_t a, uint32_t b, uint32_t c) {
  for (int i = 0; i < 4; ++i) c += uint32_t(int32_t(A(a >> (8 * i))) * int32_t(B(b >> (8 * i))));
  return c;
}
KV_IN uint64_t high_product(uint64_t a, uint64_t b) { return uint64_t(((unsigned __int128)a * b) >> 64); }
KV_IN int64_t high_product(int64_t a, int64_t b) { return int64_t(((__int128)a * b) >> 64); }
KV_IN uint32_t high_product(uint32_t a, uint32_t b) { return uint32_t((uint64_t(a) * b) >> 32); }
KV_IN int32_t high_product(int32_t a, int32_t b) { return int32_t((int64_t(a) * b) >> 32); }
KV_IN uint16_t high_product(uint16_t a, uint16_t b) { return uint16_t((uint32_t(a) * b) >> 16); }
KV_IN int16_t high_product(int16_t a, int16_t b) { return int16_t((int32_t(a) * b) >> 16); }

// A float as an integer, as a device does it: NaN becomes 0 (the largest value of 64-bit types), too large the limit.
template <class I, class F>
KV_IN I to_integer(F x) {
  constexpr bool is_signed = I(-1) < I(0);
  constexpr I most = is_signed ? I(~(uint64_t(1) << (8 * sizeof(I) - 1)) & (~uint64_t(0) >> (64 - 8 * sizeof(I)))) : I(~I(0));
  constexpr I least = is_signed ? I(-most - 1) : I(0);
  if (x != x) return sizeof(I) == 8 ? (is_signed ? least : I(uint64_t(1) << 63)) : I(0);
  if (x >= F(most)) return most;
  if (x <= F(least)) return least;
  return I(x);
}
template <class To, class From>
KV_IN To clamp_integer(From x) {
  constexpr bool is_signed = To(-1) < To(0);
  const __int128 most = is_signed ? (((__int128)1 << (8 * sizeof(To) - 1)) - 1) : (((__int128)1 << (8 * sizeof(To))) - 1);
  const __int128 least = is_signed ? -most - 1 : 0;
  const __int128 v = x;
  return To(v > most ? most : v < least ? least : v);
}
template <class F> KV_IN F to_even(F x) { return std::rint(x); }

}  // namespace kv
