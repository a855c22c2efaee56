// c10::SymInt and c10::Scalar: torch's layout, torch's conversions. Symbolic values cannot reach a compiled kernel.
#pragma once
#include <kval/array_ref.h>

namespace c10 {
class SymInt {
 public:
  SymInt(int64_t value) : data_(value) {}
  SymInt() : data_(0) {}
  SymInt(const SymInt& other) : data_(other.data_) {}
  SymInt(SymInt&& other) noexcept : data_(other.data_) {}
  SymInt& operator=(const SymInt& other) {
    data_ = other.data_;
    return *this;
  }
  SymInt& operator=(SymInt&& other) noexcept {
    data_ = other.data_;
    return *this;
  }
  ~SymInt() {}

 private:
  int64_t data_;
};
static_assert(sizeof(SymInt) == 8);
using SymIntArrayRef = ArrayRef<SymInt>;
inline SymIntArrayRef fromIntArrayRefSlow(IntArrayRef items) {
  return SymIntArrayRef(reinterpret_cast<const SymInt*>(items.data()), items.size());
}

class Scalar {
 public:
  Scalar() : Scalar(int64_t(0)) {}
  ~Scalar() {}
#define KVAL_FROM_INTEGER(type) \
  Scalar(type value) : tag(Tag::HAS_i) { \
    v.i = static_cast<int64_t>(value); \
  }
  KVAL_FROM_INTEGER(uint8_t)
  KVAL_FROM_INTEGER(int8_t)
  KVAL_FROM_INTEGER(int16_t)
  KVAL_FROM_INTEGER(int)
  KVAL_FROM_INTEGER(int64_t)
  KVAL_FROM_INTEGER(long long)
  KVAL_FROM_INTEGER(uint16_t)
  KVAL_FROM_INTEGER(uint32_t)
#undef KVAL_FROM_INTEGER
  Scalar(float value) : tag(Tag::HAS_d) {
    v.d = value;
  }
  Scalar(double value) : tag(Tag::HAS_d) {
    v.d = value;
  }
  Scalar(Half value);
  Scalar(BFloat16 value);
  Scalar(uint64_t value) {
    if (value > static_cast<uint64_t>(INT64_MAX)) {
      tag = Tag::HAS_u;
      v.u = value;
    } else {
      tag = Tag::HAS_i;
      v.i = static_cast<int64_t>(value);
    }
  }
  template <typename T, typename std::enable_if_t<std::is_same_v<T, bool>, bool>* = nullptr>
  Scalar(T value) : tag(Tag::HAS_b) {
    v.i = value ? 1 : 0;
  }
  Scalar(const Scalar& other) : tag(other.tag), v(other.v) {}
  Scalar(Scalar&& other) noexcept : tag(other.tag), v(other.v) {}
  Scalar& operator=(const Scalar& other) {
    tag = other.tag;
    v = other.v;
    return *this;
  }
  Scalar& operator=(Scalar&& other) noexcept {
    tag = other.tag;
    v = other.v;
    return *this;
  }

#define KVAL_TO(type, name) \
  type to##name() const { \
    type value; \
    kval_scalar_to(this, static_cast<int8_t>(ScalarType::name), &value); \
    return value; \
  }
  KVAL_TO(uint8_t, Byte)
  KVAL_TO(int8_t, Char)
  KVAL_TO(int16_t, Short)
  KVAL_TO(int, Int)
  KVAL_TO(int64_t, Long)
  KVAL_TO(float, Float)
  KVAL_TO(double, Double)
  KVAL_TO(bool, Bool)
  KVAL_TO(uint16_t, UInt16)
  KVAL_TO(uint32_t, UInt32)
  KVAL_TO(uint64_t, UInt64)
#undef KVAL_TO
  template <typename T>
  T to() const = delete;

  bool isFloatingPoint() const {
    return tag == Tag::HAS_d;
  }
  bool isIntegral(bool includeBool) const {
    return tag == Tag::HAS_i || tag == Tag::HAS_u || (includeBool && isBoolean());
  }
  bool isComplex() const {
    return tag == Tag::HAS_z;
  }
  bool isBoolean() const {
    return tag == Tag::HAS_b;
  }

 private:
  enum class Tag { HAS_d, HAS_i, HAS_u, HAS_z, HAS_b, HAS_sd, HAS_si, HAS_sb };

  Tag tag;
  union Value {
    double d;
    int64_t i;
    uint64_t u;
    struct alignas(16) {
      double re, im;
    } z;
    void* p;
    Value() : z{0, 0} {}
  } v;
};
static_assert(sizeof(Scalar) == 32 && alignof(Scalar) == 16);
#define KVAL_TO(type, name) \
  template <> \
  inline type Scalar::to<type>() const { \
    return to##name(); \
  }
KVAL_TO(uint8_t, Byte)
KVAL_TO(int8_t, Char)
KVAL_TO(int16_t, Short)
KVAL_TO(int, Int)
KVAL_TO(int64_t, Long)
KVAL_TO(float, Float)
KVAL_TO(double, Double)
KVAL_TO(bool, Bool)
KVAL_TO(uint16_t, UInt16)
KVAL_TO(uint32_t, UInt32)
KVAL_TO(uint64_t, UInt64)
#undef KVAL_TO
} // namespace c10
