// at::Tensor: one pointer to torch's TensorImpl, counted by torch. What torch's libraries export is declared here and
// called there; what torch inlines is asked of the runtime.
#pragma once
#include <kval/options.h>
#include <kval/scalar.h>
#ifdef KVAL_ACCESSOR
#include <kval/accessor.h>
#endif
#ifdef KVAL_DISPATCH
#include <kval/dispatch.h>
#elif defined(KVAL_HALF)
#include <kval/half.h>
#endif

namespace c10 {
class Symbol {
 public:
  struct unique_t {};
  constexpr Symbol() : value_(0) {}
  explicit constexpr Symbol(unique_t value) : value_(0) {}

 private:
  uint32_t value_;
};
} // namespace c10

namespace at {
class Tensor;
class OptionalTensorRef;
using TensorList = ArrayRef<Tensor>;
using ITensorListRef = c10::IListRef<Tensor>;
using IOptTensorListRef = c10::IListRef<OptionalTensorRef>;
using IntArrayRef = c10::ArrayRef<int64_t>;
using OptionalIntArrayRef = c10::OptionalArrayRef<int64_t>;
using OptionalSymIntArrayRef = c10::OptionalArrayRef<c10::SymInt>;
using c10::Scalar;
using c10::Storage;
using c10::Stream;
using c10::SymInt;
using c10::TensorOptions;
using c10::QScheme;

enum class NameType : uint8_t { BASIC, WILDCARD };
struct Dimname {
  NameType type() const {
    return type_;
  }

 private:
  Dimname(c10::Symbol name) : name_(name), type_(NameType::BASIC) {}
  Dimname(c10::Symbol name, NameType type) : name_(name), type_(type) {}
  c10::Symbol name_;
  NameType type_;
};
using DimnameList = c10::ArrayRef<Dimname>;

struct Generator {
  Generator() : impl_(nullptr) {}
  Generator(const Generator& other) : impl_(other.impl_) {}
  Generator& operator=(const Generator&) = delete;
  ~Generator() {}

 private:
  void* impl_;
};

namespace indexing {
struct TensorIndex;
}

class TensorBase {
 public:
  TensorBase() : impl_(kval_undefined()) {}
  TensorBase(const TensorBase& other) : impl_(other.impl_) {
    kval_incref(impl_);
  }
  TensorBase(TensorBase&& other) noexcept : impl_(other.impl_) {
    other.impl_ = kval_undefined();
  }
  ~TensorBase() noexcept {
    kval_decref(impl_);
  }
  TensorBase& operator=(const TensorBase& other) & {
    kval_assign(other);
    return *this;
  }
  TensorBase& operator=(TensorBase&& other) & noexcept {
    kval_swap(other);
    return *this;
  }
  TensorBase& operator=(const TensorBase&) && = delete;
  TensorBase& operator=(TensorBase&&) && noexcept = delete;

  int64_t dim() const {
    return kval_dim(impl_);
  }
  int64_t ndimension() const {
    return dim();
  }
  int64_t storage_offset() const {
    return kval_storage_offset(impl_);
  }
  TensorBase contiguous(MemoryFormat memory_format = MemoryFormat::Contiguous) const {
    return is_contiguous(memory_format) ? *this : __dispatch_contiguous(memory_format);
  }
  const TensorBase& fill_(const c10::Scalar& scalar) const;
  const TensorBase& zero_() const;
  bool is_complex() const {
    return at::isComplexType(scalar_type());
  }
  bool is_floating_point() const {
    return at::isFloatingType(scalar_type());
  }
  int64_t size(int64_t dim) const {
    return kval_size(impl_, dim);
  }
  int64_t stride(int64_t dim) const {
    return kval_stride(impl_, dim);
  }
  c10::TensorImpl* unsafeGetTensorImpl() const {
    return static_cast<c10::TensorImpl*>(impl_);
  }
  bool defined() const {
    return impl_ != kval_undefined();
  }
  void reset() {
    kval_assign(TensorBase());
  }
  bool is_same(const TensorBase& other) const noexcept {
    return impl_ == other.impl_;
  }
  size_t use_count() const noexcept {
    return kval_use_count(impl_);
  }
  IntArrayRef sizes() const {
    size_t length = 0;
    const int64_t* items = kval_sizes(impl_, &length);
    return IntArrayRef(items, length);
  }
  IntArrayRef strides() const {
    size_t length = 0;
    const int64_t* items = kval_strides(impl_, &length);
    return IntArrayRef(items, length);
  }
  bool is_contiguous(MemoryFormat memory_format = MemoryFormat::Contiguous) const {
    return kval_is_contiguous(impl_, static_cast<int8_t>(memory_format)) != 0;
  }
  bool is_non_overlapping_and_dense() const {
    return kval_is(impl_, 0) != 0;
  }
  MemoryFormat suggest_memory_format(bool channels_last_strides_exact_match = false) const {
    return static_cast<MemoryFormat>(kval_suggest_memory_format(impl_, channels_last_strides_exact_match ? 1 : 0));
  }
  size_t nbytes() const {
    return kval_nbytes(impl_);
  }
  int64_t numel() const {
    return kval_numel(impl_);
  }
  size_t itemsize() const {
    return kval_itemsize(impl_);
  }
  int64_t element_size() const {
    return static_cast<int64_t>(kval_itemsize(impl_));
  }
  ScalarType scalar_type() const {
    return dtype().toScalarType();
  }
  bool has_storage() const {
    return defined() && kval_is(impl_, 1) != 0;
  }
  bool is_conj() const {
    return kval_is(impl_, 2) != 0;
  }
  bool is_neg() const {
    return kval_is(impl_, 3) != 0;
  }
  Layout layout() const {
    return static_cast<Layout>(kval_layout(impl_));
  }
  caffe2::TypeMeta dtype() const {
    return caffe2::TypeMeta::kval_from(kval_dtype(impl_));
  }
  Device device() const {
    int8_t type = 0;
    int8_t index = 0;
    kval_device(impl_, &type, &index);
    return Device(static_cast<DeviceType>(type), index);
  }
  DeviceIndex get_device() const {
    return static_cast<DeviceIndex>(kval_is(impl_, 4));
  }
  bool is_cpu() const {
    return kval_is(impl_, 5) != 0;
  }
  bool is_cuda() const {
    return kval_is(impl_, 6) != 0;
  }
  bool is_sparse() const {
    return kval_is(impl_, 7) != 0;
  }
  bool is_quantized() const {
    return kval_is(impl_, 8) != 0;
  }
  bool is_meta() const {
    return kval_is(impl_, 9) != 0;
  }
  bool is_inference() const {
    return kval_is(impl_, 10) != 0;
  }
  bool is_nested() const {
    return kval_is(impl_, 11) != 0;
  }
  TensorOptions options() const {
    return TensorOptions().dtype(dtype()).device(device()).layout(layout());
  }
  const void* const_data_ptr() const {
    return kval_data(impl_);
  }
  void* mutable_data_ptr() const {
    return kval_mutable_data(impl_);
  }
  void* data_ptr() const {
    return mutable_data_ptr();
  }
  template <typename T, std::enable_if_t<!std::is_const_v<T>, int> = 0>
  const T* const_data_ptr() const;
  template <typename T, std::enable_if_t<std::is_const_v<T>, int> = 0>
  const std::remove_const_t<T>* const_data_ptr() const;
  template <typename T>
  T* mutable_data_ptr() const;
  template <typename T>
  T* data_ptr() const;
  void print() const;
#ifdef KVAL_ACCESSOR
  template <typename T, size_t N>
  TensorAccessor<T, N> accessor() const& {
    static_assert(N > 0, "accessor is used for indexing tensor, for scalars use *data_ptr<T>()");
    TORCH_CHECK(dim() == N, "TensorAccessor expected ", N, " dims but tensor has ", dim());
    return TensorAccessor<T, N>(kval_pointer<T>(), sizes().data(), strides().data());
  }
  template <typename T, size_t N>
  TensorAccessor<T, N> accessor() && = delete;
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits, typename index_t = int64_t>
  GenericPackedTensorAccessor<T, N, PtrTraits, index_t> generic_packed_accessor() const& {
    static_assert(N > 0, "accessor is used for indexing tensor, for scalars use *data_ptr<T>()");
    TORCH_CHECK(dim() == N, "TensorAccessor expected ", N, " dims but tensor has ", dim());
    return GenericPackedTensorAccessor<T, N, PtrTraits, index_t>(
        static_cast<typename PtrTraits<T>::PtrType>(kval_pointer<T>()), sizes().data(), strides().data());
  }
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits, typename index_t = int64_t>
  GenericPackedTensorAccessor<T, N> generic_packed_accessor() && = delete;
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits>
  PackedTensorAccessor32<T, N, PtrTraits> packed_accessor32() const& {
    TORCH_CHECK(
        numel() <= static_cast<int64_t>(INT32_MAX),
        "numel needs to be smaller than int32_t max; otherwise, please use packed_accessor64");
    return generic_packed_accessor<T, N, PtrTraits, int32_t>();
  }
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits>
  PackedTensorAccessor32<T, N, PtrTraits> packed_accessor32() && = delete;
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits>
  PackedTensorAccessor64<T, N, PtrTraits> packed_accessor64() const& {
    return generic_packed_accessor<T, N, PtrTraits, int64_t>();
  }
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits>
  PackedTensorAccessor64<T, N, PtrTraits> packed_accessor64() && = delete;
#endif
  const TensorBase& set_requires_grad(bool requires_grad) const {
    kval_set_requires_grad(impl_, requires_grad ? 1 : 0);
    return *this;
  }
  bool requires_grad() const {
    return kval_requires_grad(impl_) != 0;
  }
  TensorBase tensor_data() const;
  TensorBase variable_data() const;
  bool is_leaf() const;
  TensorBase data() const;
  int64_t _version() const;
  const TensorBase& requires_grad_(bool _requires_grad = true) const;
  bool is_view() const;

 protected:
  void kval_assign(const TensorBase& other) {
    void* before = impl_;
    impl_ = other.impl_;
    kval_incref(impl_);
    kval_decref(before);
  }
  void kval_swap(TensorBase& other) {
    if (this != &other) {
      void* before = impl_;
      impl_ = other.impl_;
      other.impl_ = kval_undefined();
      kval_decref(before);
    }
  }
#ifdef KVAL_ACCESSOR
  template <typename T>
  T* kval_pointer() const {
    if constexpr (std::is_const_v<T>) {
      return const_data_ptr<T>();
    } else {
      return mutable_data_ptr<T>();
    }
  }
#endif
  void* impl_;

 private:
  TensorBase __dispatch_contiguous(c10::MemoryFormat) const;
};

class Tensor : public TensorBase {
 public:
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) = default;
  explicit Tensor(const TensorBase& base) : TensorBase(base) {}
  Tensor(TensorBase&& base) : TensorBase(std::move(base)) {}
  static Tensor kval_adopt(void* impl) {
    Tensor tensor;
    tensor.impl_ = impl;
    return tensor;
  }

  Tensor contiguous(MemoryFormat memory_format = MemoryFormat::Contiguous) const {
    return TensorBase::contiguous(memory_format);
  }
  using TensorBase::size;
  using TensorBase::stride;

  Tensor& operator=(const TensorBase& other) & noexcept {
    kval_assign(other);
    return *this;
  }
  Tensor& operator=(TensorBase&& other) & noexcept {
    kval_swap(other);
    return *this;
  }
  Tensor& operator=(const Tensor& other) & noexcept {
    kval_assign(other);
    return *this;
  }
  Tensor& operator=(Tensor&& other) & noexcept {
    kval_swap(other);
    return *this;
  }
  Tensor& operator=(const Scalar& value) && {
    return fill_(value);
  }
  Tensor& operator=(const Tensor& other) && {
    return copy_(other);
  }
  Tensor& operator=(Tensor&& other) && {
    return copy_(other);
  }
  Tensor toType(ScalarType t) const {
    return to(options().dtype(t), false, false);
  }
  template <typename T>
  [[deprecated("Tensor.data<T>() is deprecated. Please use Tensor.data_ptr<T>() instead.")]] T* data() const {
    return data_ptr<T>();
  }
  template <typename T>
  T item() const;
#ifdef KVAL_ACCESSOR
  template <typename T, size_t N, template <typename U> class PtrTraits = DefaultPtrTraits, typename index_t = int64_t>
  GenericPackedTensorAccessor<T, N, PtrTraits, index_t> packed_accessor() const& {
    return generic_packed_accessor<T, N, PtrTraits, index_t>();
  }
#endif
  Tensor cpu() const {
    return to(options().device(c10::DeviceType::CPU), false, false);
  }
  Tensor cuda() const {
    return to(options().device(c10::DeviceType::CUDA), false, false);
  }
  Tensor operator~() const;
  Tensor operator-() const;
  Tensor& operator+=(const Tensor& other);
  Tensor& operator+=(const Scalar& other);
  Tensor& operator-=(const Tensor& other);
  Tensor& operator-=(const Scalar& other);
  Tensor& operator*=(const Tensor& other);
  Tensor& operator*=(const Scalar& other);
  Tensor& operator/=(const Tensor& other);
  Tensor& operator/=(const Scalar& other);
  Tensor& operator&=(const Tensor& other);
  Tensor& operator|=(const Tensor& other);
  Tensor& operator^=(const Tensor& other);
  Tensor operator[](const Scalar& index) const;
  Tensor operator[](const Tensor& index) const;
  Tensor operator[](int64_t index) const;
  const Tensor& set_requires_grad(bool requires_grad) const {
    TensorBase::set_requires_grad(requires_grad);
    return *this;
  }
  Tensor data() const {
    return TensorBase::data();
  }
  Tensor tensor_data() const {
    return TensorBase::tensor_data();
  }
  Tensor variable_data() const {
    return TensorBase::variable_data();
  }
  const Tensor& requires_grad_(bool _requires_grad = true) const {
    TensorBase::requires_grad_(_requires_grad);
    return *this;
  }

#include <kval/methods.inc>
};
static_assert(sizeof(Tensor) == 8);
} // namespace at

namespace c10 {
template <>
struct detail::kval_is_tensor<at::Tensor> : std::true_type {};
template <>
struct detail::kval_is_tensor<at::TensorBase> : std::true_type {};

// A tagged reference to a list of tensors; a kernel only ever passes an unboxed one.
template <typename T>
class IListRef {
 public:
  using unboxed_type = ArrayRef<T>;
  IListRef(const unboxed_type& items) : payload_(items), tag_(kUnboxed) {}
  IListRef(const std::initializer_list<T>& items) : payload_(ArrayRef<T>(items)), tag_(kUnboxed) {}
  template <
      typename... Args,
      typename = std::enable_if_t<std::is_constructible_v<unboxed_type, Args...>>>
  IListRef(Args&&... args) : payload_(unboxed_type(std::forward<Args>(args)...)), tag_(kUnboxed) {}

  bool kval_empty() const {
    return payload_.empty();
  }
  const T& kval_front() const {
    return payload_[0];
  }

 private:
  static constexpr int kUnboxed = 0;
  unboxed_type payload_;
  int tag_;
};
} // namespace c10

namespace at {
class AutoDispatchBelowADInplaceOrView {
 public:
  AutoDispatchBelowADInplaceOrView() : guard_(kval_guard_below_autograd()) {}
  AutoDispatchBelowADInplaceOrView(const AutoDispatchBelowADInplaceOrView&) = delete;
  ~AutoDispatchBelowADInplaceOrView() {
    kval_guard_below_autograd_end(guard_);
  }

 private:
  void* guard_;
};
} // namespace at
namespace at {
inline std::optional<Device> device_of(const Tensor& t) {
  return t.defined() ? std::make_optional(t.device()) : std::nullopt;
}
inline std::optional<Device> device_of(const std::optional<Tensor>& t) {
  return t.has_value() ? device_of(t.value()) : std::nullopt;
}
inline std::optional<Device> device_of(c10::IListRef<Tensor> t) {
  return t.kval_empty() ? std::nullopt : device_of(t.kval_front());
}
} // namespace at
namespace torch::detail {
struct TensorDataContainer;
}
namespace torch::autograd {
using Variable = at::Tensor;
inline at::Tensor make_variable(at::Tensor data, bool requires_grad = false, bool = true) {
  return at::Tensor::kval_adopt(kval_make_variable(data.unsafeGetTensorImpl(), requires_grad ? 1 : 0));
}
} // namespace torch::autograd

#include <kval/functions.inc>

namespace at {
inline Tensor Tensor::operator~() const {
  return bitwise_not();
}
inline Tensor Tensor::operator-() const {
  return neg();
}
#define KVAL_ASSIGN(op, method, type) \
  inline Tensor& Tensor::operator op(const type & other) { \
    return method(other); \
  }
KVAL_ASSIGN(+=, add_, Tensor)
KVAL_ASSIGN(+=, add_, Scalar)
KVAL_ASSIGN(-=, sub_, Tensor)
KVAL_ASSIGN(-=, sub_, Scalar)
KVAL_ASSIGN(*=, mul_, Tensor)
KVAL_ASSIGN(*=, mul_, Scalar)
KVAL_ASSIGN(/=, div_, Tensor)
KVAL_ASSIGN(/=, div_, Scalar)
KVAL_ASSIGN(&=, bitwise_and_, Tensor)
KVAL_ASSIGN(|=, bitwise_or_, Tensor)
KVAL_ASSIGN(^=, bitwise_xor_, Tensor)
#undef KVAL_ASSIGN
inline Tensor Tensor::operator[](int64_t index) const {
  return select(0, index);
}
inline Tensor Tensor::operator[](const Scalar& index) const {
  TORCH_CHECK_INDEX(index.isIntegral(false), "Can only index tensors with integral scalars");
  return select(0, index.toLong());
}
inline Tensor Tensor::operator[](const Tensor& index) const {
  TORCH_CHECK_INDEX(index.defined(), "Can only index with tensors that are defined");
  TORCH_CHECK_INDEX(index.dim() == 0, "Can only index with tensors that are scalars (zero-dim)");
  return this->operator[](index.item());
}
#define KVAL_BINARY(op, method, reverse) \
  inline Tensor operator op(const Tensor& x, const Tensor& y) { \
    return x.method(y); \
  } \
  inline Tensor operator op(const Tensor& x, const Scalar& y) { \
    return x.method(y); \
  } \
  inline Tensor operator op(const Scalar& x, const Tensor& y) { \
    return reverse; \
  }
#ifdef KVAL_OPERATORS
KVAL_BINARY(+, add, y.add(x))
KVAL_BINARY(*, mul, y.mul(x))
KVAL_BINARY(-, sub, ::at::empty_like(y, at::MemoryFormat::Preserve).fill_(x).sub_(y))
KVAL_BINARY(/, div, ::at::empty_like(y, at::MemoryFormat::Preserve).fill_(x).div_(y))
KVAL_BINARY(%, remainder, ::at::empty_like(y, at::MemoryFormat::Preserve).fill_(x).remainder_(y))
KVAL_BINARY(&, bitwise_and, y.bitwise_and(x))
KVAL_BINARY(|, bitwise_or, y.bitwise_or(x))
KVAL_BINARY(^, bitwise_xor, y.bitwise_xor(x))
KVAL_BINARY(<, lt, y.gt(x))
KVAL_BINARY(<=, le, y.ge(x))
KVAL_BINARY(>, gt, y.lt(x))
KVAL_BINARY(>=, ge, y.le(x))
KVAL_BINARY(==, eq, y.eq(x))
KVAL_BINARY(!=, ne, y.ne(x))
#endif
#undef KVAL_BINARY
} // namespace at
