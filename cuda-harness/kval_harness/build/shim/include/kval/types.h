// Element types, devices, layouts and memory formats: the same names, values and sizes as torch's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <ATen/core/Reduction.h>
#include <kval/demand.h>
#include <kval/runtime.h>
#ifdef KVAL_STRING
#include <string>
#include <string_view>
#endif

namespace c10 {}
namespace c10::cuda {}
namespace at {
using namespace c10;
}
namespace at::cuda {
using namespace c10::cuda;
}

namespace c10 {
#ifdef KVAL_STRING
using std::string_view;
#endif
struct Half;
struct BFloat16;
template <typename T>
struct complex;

enum class ScalarType : int8_t {
  Byte, Char, Short, Int, Long, Half, Float, Double, ComplexHalf, ComplexFloat, ComplexDouble, Bool,
  QInt8, QUInt8, QInt32, BFloat16, QUInt4x2, QUInt2x4, Bits1x8, Bits2x4, Bits4x2, Bits8, Bits16,
  Float8_e5m2, Float8_e4m3fn, Float8_e5m2fnuz, Float8_e4m3fnuz, UInt16, UInt32, UInt64,
  UInt1, UInt2, UInt3, UInt4, UInt5, UInt6, UInt7, Int1, Int2, Int3, Int4, Int5, Int6, Int7,
  Float8_e8m0fnu, Float4_e2m1fn_x2, Undefined, NumOptions
};

#define KVAL_SCALAR_CONSTANT(name) constexpr ScalarType k##name = ScalarType::name;
KVAL_SCALAR_CONSTANT(Byte) KVAL_SCALAR_CONSTANT(Char) KVAL_SCALAR_CONSTANT(Short) KVAL_SCALAR_CONSTANT(Int)
KVAL_SCALAR_CONSTANT(Long) KVAL_SCALAR_CONSTANT(Half) KVAL_SCALAR_CONSTANT(Float) KVAL_SCALAR_CONSTANT(Double)
KVAL_SCALAR_CONSTANT(ComplexHalf) KVAL_SCALAR_CONSTANT(ComplexFloat) KVAL_SCALAR_CONSTANT(ComplexDouble)
KVAL_SCALAR_CONSTANT(Bool) KVAL_SCALAR_CONSTANT(BFloat16) KVAL_SCALAR_CONSTANT(UInt16) KVAL_SCALAR_CONSTANT(UInt32)
KVAL_SCALAR_CONSTANT(UInt64) KVAL_SCALAR_CONSTANT(QInt8) KVAL_SCALAR_CONSTANT(QUInt8) KVAL_SCALAR_CONSTANT(QInt32)
KVAL_SCALAR_CONSTANT(Float8_e5m2) KVAL_SCALAR_CONSTANT(Float8_e4m3fn)
#undef KVAL_SCALAR_CONSTANT

inline bool isFloatingType(ScalarType t) {
  return t == ScalarType::Double || t == ScalarType::Float || t == ScalarType::Half || t == ScalarType::BFloat16 ||
      t == ScalarType::Float8_e5m2 || t == ScalarType::Float8_e4m3fn || t == ScalarType::Float8_e5m2fnuz ||
      t == ScalarType::Float8_e4m3fnuz || t == ScalarType::Float8_e8m0fnu || t == ScalarType::Float4_e2m1fn_x2;
}
inline bool isComplexType(ScalarType t) {
  return t == ScalarType::ComplexHalf || t == ScalarType::ComplexFloat || t == ScalarType::ComplexDouble;
}
inline size_t elementSize(ScalarType t) {
  return kval_dtype_size(static_cast<uint16_t>(t));
}

template <typename T>
struct CppTypeToScalarType;
namespace impl {
template <ScalarType N>
struct ScalarTypeToCPPType;
template <ScalarType N>
using ScalarTypeToCPPTypeT = typename ScalarTypeToCPPType<N>::type;
} // namespace impl
#define KVAL_CPP_TYPE(cpp, name) \
  template <> \
  struct impl::ScalarTypeToCPPType<ScalarType::name> { using type = cpp; }; \
  template <> \
  struct CppTypeToScalarType<cpp> : std::integral_constant<ScalarType, ScalarType::name> {};
KVAL_CPP_TYPE(uint8_t, Byte)
KVAL_CPP_TYPE(int8_t, Char)
KVAL_CPP_TYPE(int16_t, Short)
KVAL_CPP_TYPE(int, Int)
KVAL_CPP_TYPE(int64_t, Long)
KVAL_CPP_TYPE(Half, Half)
KVAL_CPP_TYPE(float, Float)
KVAL_CPP_TYPE(double, Double)
KVAL_CPP_TYPE(bool, Bool)
KVAL_CPP_TYPE(BFloat16, BFloat16)
KVAL_CPP_TYPE(uint16_t, UInt16)
KVAL_CPP_TYPE(uint32_t, UInt32)
KVAL_CPP_TYPE(uint64_t, UInt64)
#undef KVAL_CPP_TYPE

enum class DeviceType : int8_t {
  CPU = 0, CUDA = 1, MKLDNN = 2, OPENGL = 3, OPENCL = 4, IDEEP = 5, HIP = 6, FPGA = 7, MAIA = 8, XLA = 9,
  Vulkan = 10, Metal = 11, XPU = 12, MPS = 13, Meta = 14, HPU = 15, VE = 16, Lazy = 17, IPU = 18, MTIA = 19,
  PrivateUse1 = 20, COMPILE_TIME_MAX_DEVICE_TYPES = 21,
};
constexpr DeviceType kCPU = DeviceType::CPU;
constexpr DeviceType kCUDA = DeviceType::CUDA;
constexpr DeviceType kHIP = DeviceType::HIP;
constexpr DeviceType kFPGA = DeviceType::FPGA;
constexpr DeviceType kMAIA = DeviceType::MAIA;
constexpr DeviceType kXLA = DeviceType::XLA;
constexpr DeviceType kMPS = DeviceType::MPS;
constexpr DeviceType kMeta = DeviceType::Meta;
constexpr DeviceType kVulkan = DeviceType::Vulkan;
constexpr DeviceType kMetal = DeviceType::Metal;
constexpr DeviceType kXPU = DeviceType::XPU;
constexpr DeviceType kHPU = DeviceType::HPU;
constexpr DeviceType kVE = DeviceType::VE;
constexpr DeviceType kLazy = DeviceType::Lazy;
constexpr DeviceType kIPU = DeviceType::IPU;
constexpr DeviceType kMTIA = DeviceType::MTIA;
constexpr DeviceType kPrivateUse1 = DeviceType::PrivateUse1;

using DeviceIndex = int8_t;

struct Device final {
  using Type = DeviceType;
  Device(DeviceType type, DeviceIndex index = -1) : type_(type), index_(index) {}
#ifdef KVAL_STRING
  Device(const std::string& text) : type_(DeviceType::CPU) {
    int8_t type = 0;
    kval_parse_device(text.data(), text.size(), &type, &index_);
    type_ = static_cast<DeviceType>(type);
  }
#endif
  bool operator==(const Device& other) const noexcept {
    return type_ == other.type_ && index_ == other.index_;
  }
  bool operator!=(const Device& other) const noexcept {
    return !(*this == other);
  }
  void set_index(DeviceIndex index) {
    index_ = index;
  }
  DeviceType type() const noexcept {
    return type_;
  }
  DeviceIndex index() const noexcept {
    return index_;
  }
  bool has_index() const noexcept {
    return index_ != -1;
  }
  bool is_cuda() const noexcept {
    return type_ == DeviceType::CUDA;
  }
  bool is_cpu() const noexcept {
    return type_ == DeviceType::CPU;
  }
  bool is_meta() const noexcept {
    return type_ == DeviceType::Meta;
  }
#ifdef KVAL_STRING
  std::string str() const;
#endif

 private:
  DeviceType type_;
  DeviceIndex index_ = -1;
};

enum class Layout : int8_t { Strided, Sparse, SparseCsr, Mkldnn, SparseCsc, SparseBsr, SparseBsc, Jagged, NumOptions };
constexpr auto kStrided = Layout::Strided;
constexpr auto kSparse = Layout::Sparse;
constexpr auto kSparseCsr = Layout::SparseCsr;
constexpr auto kMkldnn = Layout::Mkldnn;
constexpr auto kSparseCsc = Layout::SparseCsc;
constexpr auto kSparseBsr = Layout::SparseBsr;
constexpr auto kSparseBsc = Layout::SparseBsc;
constexpr auto kJagged = Layout::Jagged;

enum class MemoryFormat : int8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d, NumOptions };

enum class QScheme : uint8_t;

class SymInt;
class SymBool;
class Scalar;
class Stream;
struct Storage;
struct TensorOptions;
struct GeneratorImpl;
struct TensorImpl;
template <typename T>
class ArrayRef;
template <typename T>
class OptionalArrayRef;
template <typename T>
class List;
template <typename T>
class IListRef;
struct Storage;
} // namespace c10

namespace caffe2 {
class TypeMeta final {
 public:
  TypeMeta() noexcept : index_(static_cast<uint16_t>(c10::ScalarType::Undefined)) {}
  TypeMeta(const TypeMeta&) noexcept = default;
  TypeMeta& operator=(const TypeMeta&) noexcept = default;
  TypeMeta& operator=(c10::ScalarType type) noexcept {
    index_ = static_cast<uint16_t>(type);
    return *this;
  }
  bool isScalarType() const noexcept {
    return index_ < static_cast<uint16_t>(c10::ScalarType::NumOptions);
  }
  bool isScalarType(c10::ScalarType type) const noexcept {
    return index_ == static_cast<uint16_t>(type);
  }
  size_t itemsize() const noexcept {
    return kval_dtype_size(index_);
  }
  c10::ScalarType toScalarType() const {
    return static_cast<c10::ScalarType>(kval_scalar_type_of_dtype(index_));
  }
  static TypeMeta fromScalarType(c10::ScalarType type) {
    return TypeMeta(static_cast<uint16_t>(type));
  }
  template <typename T>
  static TypeMeta Make() {
    return fromScalarType(c10::CppTypeToScalarType<T>::value);
  }
  friend bool operator==(const TypeMeta& a, const TypeMeta& b) noexcept {
    return a.index_ == b.index_;
  }
  friend bool operator!=(const TypeMeta& a, const TypeMeta& b) noexcept {
    return a.index_ != b.index_;
  }
  uint16_t kval_index() const {
    return index_;
  }
  static TypeMeta kval_from(uint16_t index) {
    return TypeMeta(index);
  }

 private:
  explicit TypeMeta(uint16_t index) noexcept : index_(index) {}
  uint16_t index_;
};
} // namespace caffe2

namespace c10 {
inline caffe2::TypeMeta scalarTypeToTypeMeta(ScalarType type) {
  return caffe2::TypeMeta::fromScalarType(type);
}
inline ScalarType typeMetaToScalarType(caffe2::TypeMeta dtype) {
  return dtype.toScalarType();
}
inline std::optional<ScalarType> optTypeMetaToScalarType(std::optional<caffe2::TypeMeta> dtype) {
  if (!dtype.has_value()) {
    return std::nullopt;
  }
  return dtype->toScalarType();
}
inline bool operator==(ScalarType t, caffe2::TypeMeta m) {
  return m.isScalarType(t);
}
inline bool operator==(caffe2::TypeMeta m, ScalarType t) {
  return t == m;
}
inline bool operator!=(ScalarType t, caffe2::TypeMeta m) {
  return !(t == m);
}
inline bool operator!=(caffe2::TypeMeta m, ScalarType t) {
  return !(t == m);
}
inline caffe2::TypeMeta get_default_dtype() {
  return caffe2::TypeMeta::kval_from(kval_default_dtype());
}
using std::bad_optional_access;
using std::make_optional;
using std::nullopt;
using std::nullopt_t;
using std::optional;
} // namespace c10

namespace c10 {
inline const char* toString(ScalarType type) {
  size_t length = 0;
  return kval_dtype_name(static_cast<uint16_t>(0x8000u | static_cast<uint16_t>(type)), &length);
}
} // namespace c10
namespace torch::headeronly {
using c10::ScalarType;
using c10::toString;
namespace impl {
using c10::impl::ScalarTypeToCPPTypeT;
}
} // namespace torch::headeronly

namespace torch {
using namespace at;
using std::nullopt;
using std::optional;
using Dtype = at::ScalarType;
constexpr auto kUInt8 = at::kByte;
constexpr auto kInt8 = at::kChar;
constexpr auto kInt16 = at::kShort;
constexpr auto kInt32 = at::kInt;
constexpr auto kInt64 = at::kLong;
constexpr auto kUInt16 = at::kUInt16;
constexpr auto kUInt32 = at::kUInt32;
constexpr auto kUInt64 = at::kUInt64;
constexpr auto kFloat16 = at::kHalf;
constexpr auto kFloat32 = at::kFloat;
constexpr auto kFloat64 = at::kDouble;
constexpr auto kU8 = kUInt8;
constexpr auto kU16 = kUInt16;
constexpr auto kU32 = kUInt32;
constexpr auto kU64 = kUInt64;
constexpr auto kI8 = kInt8;
constexpr auto kI16 = kInt16;
constexpr auto kI32 = kInt32;
constexpr auto kI64 = kInt64;
constexpr auto kF16 = kFloat16;
constexpr auto kF32 = kFloat32;
constexpr auto kF64 = kFloat64;
} // namespace torch
