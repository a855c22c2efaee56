// TORCH_CHECK and its relatives. Messages are put together by the runtime, so no stream header is needed for them.
#pragma once
#include <kval/types.h>
#include <torch/headeronly/macros/Macros.h>

namespace c10::detail {
class Message {
 public:
  Message() : text_(kval_text_new()) {}
  Message(Message&& other) noexcept : text_(other.text_) {
    other.text_ = nullptr;
  }
  Message(const Message&) = delete;
  ~Message() {
    if (text_ != nullptr) {
      kval_text_end(text_);
    }
  }
  operator const char*() const {
    return kval_text_chars(text_);
  }
  void* text() const {
    return text_;
  }

 private:
  void* text_;
};

inline void kval_add(Message& text, const char* chars) {
  kval_text_add(text.text(), chars, __builtin_strlen(chars));
}
inline void kval_add(Message& text, bool value) {
  kval_text_add_unsigned(text.text(), value ? 1 : 0);
}
inline void kval_add(Message& text, char value) {
  kval_text_add(text.text(), &value, 1);
}
inline void kval_add(Message& text, signed char value) {
  kval_add(text, static_cast<char>(value));
}
inline void kval_add(Message& text, unsigned char value) {
  kval_add(text, static_cast<char>(value));
}
#define KVAL_ADD(type, call) \
  inline void kval_add(Message& text, type value) { \
    call(text.text(), value); \
  }
KVAL_ADD(short, kval_text_add_signed)
KVAL_ADD(unsigned short, kval_text_add_unsigned)
KVAL_ADD(int, kval_text_add_signed)
KVAL_ADD(unsigned int, kval_text_add_unsigned)
KVAL_ADD(long, kval_text_add_signed)
KVAL_ADD(unsigned long, kval_text_add_unsigned)
KVAL_ADD(long long, kval_text_add_signed)
KVAL_ADD(unsigned long long, kval_text_add_unsigned)
KVAL_ADD(float, kval_text_add_double)
KVAL_ADD(double, kval_text_add_double)
KVAL_ADD(const void*, kval_text_add_pointer)
#undef KVAL_ADD
#ifdef KVAL_STRING
inline void kval_add(Message& text, const std::string& value) {
  kval_text_add(text.text(), value.data(), value.size());
}
inline void kval_add(Message& text, std::string_view value) {
  kval_text_add(text.text(), value.data(), value.size());
}
#endif
inline void kval_add(Message& text, ScalarType value) {
  size_t length = 0;
  const char* name = kval_dtype_name(static_cast<uint16_t>(0x8000u | static_cast<uint16_t>(value)), &length);
  kval_text_add(text.text(), name, length);
}
inline void kval_add(Message& text, caffe2::TypeMeta value) {
  size_t length = 0;
  const char* name = kval_dtype_name(value.kval_index(), &length);
  kval_text_add(text.text(), name, length);
}
inline void kval_add(Message& text, const Device& value) {
  kval_text_add_device(text.text(), static_cast<int8_t>(value.type()), value.index());
}
inline void kval_add(Message& text, DeviceType value) {
  kval_text_add_device_type(text.text(), static_cast<int8_t>(value));
}
inline void kval_add(Message& text, Layout value) {
  kval_text_add_layout(text.text(), static_cast<int8_t>(value));
}
inline void kval_add(Message& text, MemoryFormat value) {
  kval_text_add_memory_format(text.text(), static_cast<int8_t>(value));
}
template <typename T>
void kval_add(Message& text, ArrayRef<T> items);
template <typename T>
struct kval_is_tensor : std::false_type {};
template <typename T, typename = std::enable_if_t<kval_is_tensor<T>::value>>
void kval_add(Message& text, const T& tensor) {
  kval_text_add_tensor(text.text(), tensor.unsafeGetTensorImpl());
}

template <typename... Args>
Message torchCheckMsgImpl(const char*, const Args&... args) {
  Message text;
  (kval_add(text, args), ...);
  return text;
}
inline const char* torchCheckMsgImpl(const char* message) {
  return message;
}
inline const char* torchCheckMsgImpl(const char*, const char* message) {
  return message;
}
[[noreturn]] void torchCheckFail(const char* function, const char* file, uint32_t line, const char* message);
[[noreturn]] void torchInternalAssertFail(
    const char* function,
    const char* file,
    uint32_t line,
    const char* condition,
    const char* message);
} // namespace c10::detail

#if defined(__CUDACC__)
#define C10_UNLIKELY_OR_CONST(e) e
#else
#define C10_UNLIKELY_OR_CONST(e) C10_UNLIKELY(e)
#endif

#define STD_TORCH_CHECK(cond, ...) \
  if (C10_UNLIKELY_OR_CONST(!(cond))) { \
    kval_throw(6, __func__, __FILE__, static_cast<uint32_t>(__LINE__), TORCH_CHECK_MSG(cond, "", ##__VA_ARGS__)); \
  }
#define TORCH_CHECK_MSG(cond, type, ...) \
  (::c10::detail::torchCheckMsgImpl( \
      "Expected " #cond " to be true, but got false.  " \
      "(Could this error message be improved?  If so, " \
      "please report an enhancement request to PyTorch.)", \
      ##__VA_ARGS__))
#define TORCH_CHECK(cond, ...) \
  if (C10_UNLIKELY_OR_CONST(!(cond))) { \
    ::c10::detail::torchCheckFail( \
        __func__, __FILE__, static_cast<uint32_t>(__LINE__), TORCH_CHECK_MSG(cond, "", ##__VA_ARGS__)); \
  }
#define KVAL_CHECK_KIND(kind, cond, type, ...) \
  if (C10_UNLIKELY_OR_CONST(!(cond))) { \
    kval_throw(kind, __func__, __FILE__, static_cast<uint32_t>(__LINE__), TORCH_CHECK_MSG(cond, type, __VA_ARGS__)); \
  }
#define TORCH_CHECK_INDEX(cond, ...) KVAL_CHECK_KIND(1, cond, "INDEX", __VA_ARGS__)
#define TORCH_CHECK_VALUE(cond, ...) KVAL_CHECK_KIND(2, cond, "VALUE", __VA_ARGS__)
#define TORCH_CHECK_TYPE(cond, ...) KVAL_CHECK_KIND(3, cond, "TYPE", __VA_ARGS__)
#define TORCH_CHECK_NOT_IMPLEMENTED(cond, ...) KVAL_CHECK_KIND(4, cond, "TYPE", __VA_ARGS__)
#define TORCH_CHECK_LINALG(cond, ...) KVAL_CHECK_KIND(5, cond, "LINALG", __VA_ARGS__)
#define TORCH_INTERNAL_ASSERT(cond, ...) \
  if (C10_UNLIKELY_OR_CONST(!(cond))) { \
    ::c10::detail::torchInternalAssertFail( \
        __func__, \
        __FILE__, \
        static_cast<uint32_t>(__LINE__), \
        #cond " INTERNAL ASSERT FAILED at " C10_STRINGIZE(__FILE__) ":" C10_STRINGIZE( \
            __LINE__) ", please report a bug to PyTorch. ", \
        ::c10::detail::torchCheckMsgImpl("", "", ##__VA_ARGS__)); \
  }
#define AT_ERROR(...) \
  do { \
    TORCH_CHECK(false, ::c10::detail::torchCheckMsgImpl("", "", ##__VA_ARGS__)); \
  } while (false)
#define AT_ASSERT(...) \
  do { \
    TORCH_INTERNAL_ASSERT(__VA_ARGS__); \
  } while (false)
#define AT_ASSERTM(cond, ...) \
  do { \
    TORCH_INTERNAL_ASSERT(cond, __VA_ARGS__); \
  } while (false)
#define TORCH_WARN(...) \
  kval_warn(__func__, __FILE__, static_cast<uint32_t>(__LINE__), ::c10::detail::torchCheckMsgImpl("", "", ##__VA_ARGS__));
