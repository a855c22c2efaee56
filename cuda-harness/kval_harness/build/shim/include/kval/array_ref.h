// c10::ArrayRef and c10::OptionalArrayRef: torch's layout, torch's conversions.
#pragma once
#include <array>
#include <initializer_list>
#include <iterator>
#include <kval/check.h>
#include <kval/types.h>
#ifdef KVAL_VECTOR
#include <vector>
#endif

namespace c10 {
template <typename T>
class HeaderOnlyArrayRef {
 public:
  using iterator = const T*;
  using const_iterator = const T*;
  using size_type = size_t;
  using value_type = T;
  using reverse_iterator = std::reverse_iterator<iterator>;

 protected:
  const T* Data;
  size_type Length;

 public:
  constexpr HeaderOnlyArrayRef() : Data(nullptr), Length(0) {}
  constexpr HeaderOnlyArrayRef(const T& one) : Data(&one), Length(1) {}
  constexpr HeaderOnlyArrayRef(const T* data, size_t length) : Data(data), Length(length) {}
  constexpr HeaderOnlyArrayRef(const T* begin, const T* end) : Data(begin), Length(end - begin) {}
  template <
      typename Container,
      typename U = decltype(std::declval<Container>().data()),
      typename = std::enable_if_t<(std::is_same_v<U, T*> || std::is_same_v<U, T const*>)>>
  HeaderOnlyArrayRef(const Container& container) : Data(container.data()), Length(container.size()) {}
#ifdef KVAL_VECTOR
  template <typename A>
  HeaderOnlyArrayRef(const std::vector<T, A>& items) : Data(items.data()), Length(items.size()) {
    static_assert(!std::is_same_v<T, bool>, "an array reference cannot refer to the bits of std::vector<bool>");
  }
#endif
  template <size_t N>
  constexpr HeaderOnlyArrayRef(const std::array<T, N>& items) : Data(items.data()), Length(N) {}
  template <size_t N>
  constexpr HeaderOnlyArrayRef(const T (&items)[N]) : Data(items), Length(N) {}
  constexpr HeaderOnlyArrayRef(const std::initializer_list<T>& items)
      : Data(std::begin(items) == std::end(items) ? static_cast<T*>(nullptr) : std::begin(items)),
        Length(items.size()) {}

  constexpr iterator begin() const {
    return Data;
  }
  constexpr iterator end() const {
    return Data + Length;
  }
  constexpr const_iterator cbegin() const {
    return Data;
  }
  constexpr const_iterator cend() const {
    return Data + Length;
  }
  constexpr reverse_iterator rbegin() const {
    return reverse_iterator(end());
  }
  constexpr reverse_iterator rend() const {
    return reverse_iterator(begin());
  }
  constexpr bool empty() const {
    return Length == 0;
  }
  constexpr const T* data() const {
    return Data;
  }
  constexpr size_t size() const {
    return Length;
  }
  constexpr bool equals(HeaderOnlyArrayRef other) const {
    if (Length != other.Length) {
      return false;
    }
    for (size_t i = 0; i < Length; ++i) {
      if (!(Data[i] == other.Data[i])) {
        return false;
      }
    }
    return true;
  }
  constexpr const T& operator[](size_t index) const {
    return Data[index];
  }
  template <typename U>
  std::enable_if_t<std::is_same_v<U, T>, HeaderOnlyArrayRef<T>>& operator=(U&& temporary) = delete;
  template <typename U>
  std::enable_if_t<std::is_same_v<U, T>, HeaderOnlyArrayRef<T>>& operator=(std::initializer_list<U>) = delete;
#ifdef KVAL_VECTOR
  std::vector<T> vec() const {
    return std::vector<T>(Data, Data + Length);
  }
#endif
};

template <typename T>
class ArrayRef final : public HeaderOnlyArrayRef<T> {
 public:
  using HeaderOnlyArrayRef<T>::HeaderOnlyArrayRef;

  constexpr const T& front() const {
    TORCH_CHECK(!this->empty(), "ArrayRef: attempted to access front() of empty list");
    return this->Data[0];
  }
  constexpr const T& back() const {
    TORCH_CHECK(!this->empty(), "ArrayRef: attempted to access back() of empty list");
    return this->Data[this->Length - 1];
  }
  constexpr ArrayRef<T> slice(size_t n, size_t m) const {
    TORCH_CHECK(n + m <= this->size(), "ArrayRef: invalid slice, N = ", n, "; M = ", m, "; size = ", this->size());
    return ArrayRef<T>(this->data() + n, m);
  }
  constexpr ArrayRef<T> slice(size_t n) const {
    TORCH_CHECK(n <= this->size(), "ArrayRef: invalid slice, N = ", n, "; size = ", this->size());
    return slice(n, this->size() - n);
  }
  constexpr const T& at(size_t index) const {
    TORCH_CHECK(index < this->Length, "ArrayRef: invalid index Index = ", index, "; Length = ", this->Length);
    return this->Data[index];
  }
  template <typename U>
  std::enable_if_t<std::is_same_v<U, T>, ArrayRef<T>>& operator=(U&& temporary) = delete;
  template <typename U>
  std::enable_if_t<std::is_same_v<U, T>, ArrayRef<T>>& operator=(std::initializer_list<U>) = delete;
};

template <typename T>
ArrayRef(const T&) -> ArrayRef<T>;
template <typename T>
ArrayRef(const T*, size_t) -> ArrayRef<T>;
template <typename T>
ArrayRef(const T*, const T*) -> ArrayRef<T>;
template <typename Container>
ArrayRef(const Container&) -> ArrayRef<std::remove_pointer_t<decltype(std::declval<Container>().data())>>;
template <typename T, size_t N>
ArrayRef(const std::array<T, N>&) -> ArrayRef<T>;
template <typename T, size_t N>
ArrayRef(const T (&)[N]) -> ArrayRef<T>;
template <typename T>
ArrayRef(const std::initializer_list<T>&) -> ArrayRef<T>;

template <typename T>
bool operator==(ArrayRef<T> a, ArrayRef<T> b) {
  return a.equals(b);
}
template <typename T>
bool operator!=(ArrayRef<T> a, ArrayRef<T> b) {
  return !a.equals(b);
}
#ifdef KVAL_VECTOR
template <typename T, typename A>
ArrayRef(const std::vector<T, A>&) -> ArrayRef<T>;
template <typename T>
bool operator==(const std::vector<T>& a, ArrayRef<T> b) {
  return ArrayRef<T>(a).equals(b);
}
template <typename T>
bool operator!=(const std::vector<T>& a, ArrayRef<T> b) {
  return !ArrayRef<T>(a).equals(b);
}
template <typename T>
bool operator==(ArrayRef<T> a, const std::vector<T>& b) {
  return a.equals(ArrayRef<T>(b));
}
template <typename T>
bool operator!=(ArrayRef<T> a, const std::vector<T>& b) {
  return !a.equals(ArrayRef<T>(b));
}
#endif

using IntArrayRef = ArrayRef<int64_t>;

template <typename T>
class OptionalArrayRef final {
 public:
  constexpr OptionalArrayRef() noexcept = default;
  constexpr OptionalArrayRef(std::nullopt_t) noexcept {}
  OptionalArrayRef(const OptionalArrayRef&) = default;
  OptionalArrayRef(OptionalArrayRef&&) noexcept = default;
  constexpr OptionalArrayRef(const std::optional<ArrayRef<T>>& other) noexcept : wrapped_(other) {}
  constexpr OptionalArrayRef(std::optional<ArrayRef<T>>&& other) noexcept : wrapped_(std::move(other)) {}
  constexpr OptionalArrayRef(const T& value) noexcept : wrapped_(value) {}
  template <
      typename U = ArrayRef<T>,
      std::enable_if_t<
          !std::is_same_v<std::decay_t<U>, OptionalArrayRef> && !std::is_same_v<std::decay_t<U>, std::in_place_t> &&
              std::is_constructible_v<ArrayRef<T>, U&&> && std::is_convertible_v<U&&, ArrayRef<T>> &&
              !std::is_convertible_v<U&&, T>,
          bool> = false>
  constexpr OptionalArrayRef(U&& value) : wrapped_(std::forward<U>(value)) {}
  template <
      typename U = ArrayRef<T>,
      std::enable_if_t<
          !std::is_same_v<std::decay_t<U>, OptionalArrayRef> && !std::is_same_v<std::decay_t<U>, std::in_place_t> &&
              std::is_constructible_v<ArrayRef<T>, U&&> && !std::is_convertible_v<U&&, ArrayRef<T>>,
          bool> = false>
  constexpr explicit OptionalArrayRef(U&& value) : wrapped_(std::forward<U>(value)) {}
  constexpr OptionalArrayRef(const std::initializer_list<T>& items) : wrapped_(ArrayRef<T>(items)) {}
  ~OptionalArrayRef() = default;
  OptionalArrayRef& operator=(const OptionalArrayRef&) = default;
  OptionalArrayRef& operator=(OptionalArrayRef&&) noexcept = default;

  constexpr explicit operator bool() const noexcept {
    return wrapped_.has_value();
  }
  constexpr bool has_value() const noexcept {
    return wrapped_.has_value();
  }
  constexpr const ArrayRef<T>& value() const& {
    return wrapped_.value();
  }
  constexpr const ArrayRef<T>& operator*() const& noexcept {
    return *wrapped_;
  }
  constexpr const ArrayRef<T>* operator->() const noexcept {
    return &*wrapped_;
  }

 private:
  std::optional<ArrayRef<T>> wrapped_;
};
using OptionalIntArrayRef = OptionalArrayRef<int64_t>;
} // namespace c10

namespace torch::headeronly {
using c10::HeaderOnlyArrayRef;
using IntHeaderOnlyArrayRef = HeaderOnlyArrayRef<int64_t>;
} // namespace torch::headeronly

namespace c10::detail {
template <typename T>
void kval_add(Message& text, ArrayRef<T> items) {
  kval_add(text, "[");
  bool first = true;
  for (const T& item : items) {
    if (!first) {
      kval_add(text, ", ");
    }
    first = false;
    kval_add(text, item);
  }
  kval_add(text, "]");
}
} // namespace c10::detail
