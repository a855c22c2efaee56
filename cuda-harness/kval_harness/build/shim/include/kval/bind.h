// The part of pybind11 that kernels use, without pybind11: arguments are read and results made by the runtime, which
// asks torch's own casters; here is only what depends on the types of the bound functions.
#pragma once
#include <kval/tensor.h>

typedef struct _object PyObject;

extern "C" {
struct kval_call {
  PyObject* const* arguments;
  int convert;
  int mismatch;
};
typedef PyObject* (*kval_invoke)(void* function, kval_call* call);

PyObject* kval_module(const char* name, void (*fill)(void*));
void kval_define(
    void* module,
    const char* name,
    const char* doc,
    void* function,
    kval_invoke invoke,
    int arity,
    const char* const* types,
    const char* result,
    const char* const* names,
    PyObject* const* defaults,
    int named,
    int wrapped);

int kval_load_tensor(PyObject* object, int convert, void** impl);
int kval_load_scalar(PyObject* object, int convert, void* scalar);
int kval_load_dtype(PyObject* object, int convert, int8_t* value);
int kval_load_device(PyObject* object, int convert, int8_t* type, int8_t* index);
int kval_load_memory_format(PyObject* object, int convert, int8_t* value);
void* kval_load_integers(PyObject* object, int convert, const int64_t** items, size_t* length);
void kval_integers_end(void* list);
int kval_load_text(PyObject* object, int convert, const char** chars, size_t* length);
int kval_is_none(PyObject* object);
long kval_sequence_length(PyObject* object);
PyObject* kval_sequence_item(PyObject* object, long index);
void kval_release(PyObject* object);
#define KVAL_LOAD(name, type) int kval_load_##name(PyObject* object, int convert, type* value);
KVAL_LOAD(bool, bool)
KVAL_LOAD(short, short)
KVAL_LOAD(ushort, unsigned short)
KVAL_LOAD(int, int)
KVAL_LOAD(uint, unsigned int)
KVAL_LOAD(long, long)
KVAL_LOAD(ulong, unsigned long)
KVAL_LOAD(longlong, long long)
KVAL_LOAD(ulonglong, unsigned long long)
KVAL_LOAD(schar, signed char)
KVAL_LOAD(uchar, unsigned char)
KVAL_LOAD(float, float)
KVAL_LOAD(double, double)
#undef KVAL_LOAD

PyObject* kval_none();
PyObject* kval_make_tensor(void* impl);
PyObject* kval_make_bool(int value);
PyObject* kval_make_signed(long long value);
PyObject* kval_make_unsigned(unsigned long long value);
PyObject* kval_make_double(double value);
PyObject* kval_make_text(const char* chars, size_t length);
PyObject* kval_make_sequence(int tuple, PyObject* const* items, size_t length);
}

namespace pybind11 {
namespace detail {
// kval_caster<T>: `load` reads an argument, `get` passes it on, `make` turns a result into an object, `kName` names it.
template <typename T>
struct kval_caster;

#define KVAL_NUMBER(type, loader, maker, name) \
  template <> \
  struct kval_caster<type> { \
    static constexpr const char* kName = name; \
    type value{}; \
    bool load(PyObject* object, bool convert) { \
      return kval_load_##loader(object, convert, &value) != 0; \
    } \
    type& get() { \
      return value; \
    } \
    static PyObject* make(type result) { \
      return maker(result); \
    } \
  };
KVAL_NUMBER(bool, bool, kval_make_bool, "bool")
KVAL_NUMBER(signed char, schar, kval_make_signed, "typing.SupportsInt")
KVAL_NUMBER(unsigned char, uchar, kval_make_unsigned, "typing.SupportsInt")
KVAL_NUMBER(short, short, kval_make_signed, "typing.SupportsInt")
KVAL_NUMBER(unsigned short, ushort, kval_make_unsigned, "typing.SupportsInt")
KVAL_NUMBER(int, int, kval_make_signed, "typing.SupportsInt")
KVAL_NUMBER(unsigned int, uint, kval_make_unsigned, "typing.SupportsInt")
KVAL_NUMBER(long, long, kval_make_signed, "typing.SupportsInt")
KVAL_NUMBER(unsigned long, ulong, kval_make_unsigned, "typing.SupportsInt")
KVAL_NUMBER(long long, longlong, kval_make_signed, "typing.SupportsInt")
KVAL_NUMBER(unsigned long long, ulonglong, kval_make_unsigned, "typing.SupportsInt")
KVAL_NUMBER(float, float, kval_make_double, "typing.SupportsFloat")
KVAL_NUMBER(double, double, kval_make_double, "typing.SupportsFloat")
#undef KVAL_NUMBER

template <>
struct kval_caster<at::Tensor> {
  static constexpr const char* kName = "torch.Tensor";
  at::Tensor value;
  bool load(PyObject* object, bool convert) {
    void* impl = nullptr;
    if (kval_load_tensor(object, convert, &impl) == 0) {
      return false;
    }
    value = at::Tensor::kval_adopt(impl);
    return true;
  }
  at::Tensor& get() {
    return value;
  }
  static PyObject* make(const at::Tensor& result) {
    return kval_make_tensor(result.unsafeGetTensorImpl());
  }
};

template <>
struct kval_caster<at::Scalar> {
  static constexpr const char* kName = "Union[Number, torch.SymInt, torch.SymFloat, torch.SymBool]";
  at::Scalar value;
  bool load(PyObject* object, bool convert) {
    return kval_load_scalar(object, convert, &value) != 0;
  }
  at::Scalar& get() {
    return value;
  }
};

template <>
struct kval_caster<at::ScalarType> {
  static constexpr const char* kName = "torch.dtype";
  at::ScalarType value = at::kFloat;
  bool load(PyObject* object, bool convert) {
    return kval_load_dtype(object, convert, reinterpret_cast<int8_t*>(&value)) != 0;
  }
  at::ScalarType& get() {
    return value;
  }
};

template <>
struct kval_caster<at::Device> {
  static constexpr const char* kName = "torch.device";
  at::Device value = at::kCPU;
  bool load(PyObject* object, bool convert) {
    int8_t type = 0;
    int8_t index = 0;
    if (kval_load_device(object, convert, &type, &index) == 0) {
      return false;
    }
    value = at::Device(static_cast<at::DeviceType>(type), index);
    return true;
  }
  at::Device& get() {
    return value;
  }
};

template <>
struct kval_caster<at::MemoryFormat> {
  static constexpr const char* kName = "torch.memory_format";
  at::MemoryFormat value{};
  bool load(PyObject* object, bool convert) {
    return kval_load_memory_format(object, convert, reinterpret_cast<int8_t*>(&value)) != 0;
  }
  at::MemoryFormat& get() {
    return value;
  }
};

template <>
struct kval_caster<at::IntArrayRef> {
  static constexpr const char* kName = "Tuple[int, ...]";
  at::IntArrayRef value;
  void* list = nullptr;
  bool load(PyObject* object, bool convert) {
    const int64_t* items = nullptr;
    size_t length = 0;
    list = kval_load_integers(object, convert, &items, &length);
    new (&value) at::IntArrayRef(items, length);
    return list != nullptr;
  }
  ~kval_caster() {
    if (list != nullptr) {
      kval_integers_end(list);
    }
  }
  at::IntArrayRef& get() {
    return value;
  }
};

#ifdef KVAL_STRING
template <>
struct kval_caster<std::string> {
  static constexpr const char* kName = "str";
  std::string value;
  bool load(PyObject* object, bool convert) {
    const char* chars = nullptr;
    size_t length = 0;
    if (kval_load_text(object, convert, &chars, &length) == 0) {
      return false;
    }
    value.assign(chars, length);
    return true;
  }
  std::string& get() {
    return value;
  }
  static PyObject* make(const std::string& result) {
    return kval_make_text(result.data(), result.size());
  }
};
#endif

template <typename T>
struct kval_caster<std::optional<T>> {
  static constexpr const char* kName = kval_caster<T>::kName;
  std::optional<T> value;
  kval_caster<T> inner;
  bool load(PyObject* object, bool convert) {
    if (kval_is_none(object) != 0) {
      return true;
    }
    if (!inner.load(object, convert)) {
      return false;
    }
    value.emplace(inner.get());
    return true;
  }
  std::optional<T>& get() {
    return value;
  }
  static PyObject* make(const std::optional<T>& result) {
    return result.has_value() ? kval_caster<T>::make(*result) : kval_none();
  }
};

#ifdef KVAL_VECTOR
template <typename T>
struct kval_caster<std::vector<T>> {
  static constexpr const char* kName = "collections.abc.Sequence";
  std::vector<T> value;
  bool load(PyObject* object, bool convert) {
    const long length = kval_sequence_length(object);
    if (length < 0) {
      return false;
    }
    for (long i = 0; i < length; ++i) {
      PyObject* item = kval_sequence_item(object, i);
      kval_caster<T> inner;
      const bool loaded = item != nullptr && inner.load(item, convert);
      if (item != nullptr) {
        kval_release(item);
      }
      if (!loaded) {
        return false;
      }
      value.push_back(std::move(inner.get()));
    }
    return true;
  }
  std::vector<T>& get() {
    return value;
  }
  static PyObject* make(const std::vector<T>& result) {
    std::vector<PyObject*> items;
    for (const T& item : result) {
      items.push_back(kval_caster<T>::make(item));
    }
    return kval_make_sequence(0, items.data(), items.size());
  }
};
#endif

template <typename... Ts>
struct kval_caster<std::tuple<Ts...>> {
  static constexpr const char* kName = "tuple";
  static PyObject* make(const std::tuple<Ts...>& result) {
    return make_all(result, std::index_sequence_for<Ts...>{});
  }
  template <size_t... Is>
  static PyObject* make_all(const std::tuple<Ts...>& result, std::index_sequence<Is...>) {
    PyObject* items[] = {kval_caster<std::decay_t<Ts>>::make(std::get<Is>(result))...};
    return kval_make_sequence(1, items, sizeof...(Ts));
  }
};
template <typename A, typename B>
struct kval_caster<std::pair<A, B>> {
  static constexpr const char* kName = "tuple";
  static PyObject* make(const std::pair<A, B>& result) {
    PyObject* items[] = {kval_caster<A>::make(result.first), kval_caster<B>::make(result.second)};
    return kval_make_sequence(1, items, 2);
  }
};

template <typename T>
using kval_bare = std::remove_cv_t<std::remove_reference_t<T>>;

// How an argument of type A is passed on from the caster that holds it.
template <typename A>
struct kval_pass {
  static A from(kval_caster<kval_bare<A>>& caster) {
    if constexpr (std::is_lvalue_reference_v<A>) {
      static_assert(
          std::is_const_v<std::remove_reference_t<A>> || std::is_same_v<kval_bare<A>, at::Tensor>,
          "a reference to a number cannot be bound");
      return caster.get();
    } else {
      return std::move(caster.get());
    }
  }
};

template <typename R, typename... As>
struct kval_bound {
  R (*function)(As...);
  template <size_t... Is>
  static PyObject* run(void* self, kval_call* call, std::index_sequence<Is...>) {
    std::tuple<kval_caster<kval_bare<As>>...> casters;
    const bool loaded = (true && ... && std::get<Is>(casters).load(call->arguments[Is], call->convert != 0));
    if (!loaded) {
      call->mismatch = 1;
      return nullptr;
    }
    R (*function)(As...) = reinterpret_cast<R (*)(As...)>(self);
    if constexpr (std::is_void_v<R>) {
      function(kval_pass<As>::from(std::get<Is>(casters))...);
      return kval_none();
    } else {
      return kval_caster<kval_bare<R>>::make(function(kval_pass<As>::from(std::get<Is>(casters))...));
    }
  }
  static PyObject* invoke(void* self, kval_call* call) {
    return run(self, call, std::index_sequence_for<As...>{});
  }
  static const char* const* types() {
    static const char* const names[] = {kval_caster<kval_bare<As>>::kName..., nullptr};
    return names;
  }
  static const char* result() {
    if constexpr (std::is_void_v<R>) {
      return "None";
    } else {
      return kval_caster<kval_bare<R>>::kName;
    }
  }
};

template <typename R, typename... As>
kval_bound<R, As...> kval_bind(R (*function)(As...)) {
  return {function};
}
template <typename F, typename R, typename... As>
R (*kval_plain(const F& function, R (F::*)(As...) const))(As...) {
  return static_cast<R (*)(As...)>(function);
}
template <typename F, typename = decltype(&F::operator())>
auto kval_bind(const F& function) {
  return kval_bind(kval_plain(function, &F::operator()));
}
} // namespace detail

namespace detail {
template <typename R, typename... As>
struct kval_wrapped {
  kval_bound<R, As...> bound;
};
template <typename R, typename... As>
kval_wrapped<R, As...> kval_wrap(kval_bound<R, As...> bound) {
  return {bound};
}
} // namespace detail

struct arg_v;
struct arg {
  constexpr explicit arg(const char* name) : name(name) {}
  template <typename T>
  arg_v operator=(T&& value) const;
  const char* name;
};
struct arg_v : arg {
  arg_v(const arg& base, PyObject* value) : arg(base), value(value) {}
  PyObject* value;
};
namespace detail {
inline PyObject* kval_default(const char* text) {
  return kval_make_text(text, __builtin_strlen(text));
}
inline PyObject* kval_default(std::nullopt_t) {
  return kval_none();
}
template <typename T>
PyObject* kval_default(const T& value) {
  return kval_caster<T>::make(value);
}
} // namespace detail
template <typename T>
arg_v arg::operator=(T&& value) const {
  return arg_v(*this, detail::kval_default(value));
}
namespace literals {
constexpr arg operator"" _a(const char* name, size_t) {
  return arg(name);
}
} // namespace literals

class module_ {
 public:
  explicit module_(void* module) : module_object_(module) {}
  template <typename F, typename... Extra>
  module_& def(const char* name, F&& function, const Extra&... extra) {
    define(name, detail::kval_bind(function), false, extra...);
    return *this;
  }
  template <typename R, typename... As, typename... Extra>
  module_& def(const char* name, detail::kval_wrapped<R, As...> function, const Extra&... extra) {
    define(name, function.bound, true, extra...);
    return *this;
  }

 private:
  struct Details {
    const char* doc = "";
    const char* names[64];
    PyObject* defaults[64];
    int named = 0;
    void take(const char* text) {
      doc = text;
    }
    void take(const arg& one) {
      names[named] = one.name;
      defaults[named++] = nullptr;
    }
    void take(const arg_v& one) {
      names[named] = one.name;
      defaults[named++] = one.value;
    }
  };
  template <typename R, typename... As, typename... Extra>
  void define(const char* name, detail::kval_bound<R, As...> bound, bool wrapped, const Extra&... extra) {
    using Bound = detail::kval_bound<R, As...>;
    constexpr int named = (0 + ... + (std::is_base_of_v<arg, Extra> ? 1 : 0));
    static_assert(
        named == 0 || named == static_cast<int>(sizeof...(As)),
        "The number of argument annotations does not match the number of function arguments");
    static_assert(sizeof...(As) <= 64);
    Details details;
    (details.take(extra), ...);
    kval_define(
        module_object_,
        name,
        details.doc,
        reinterpret_cast<void*>(bound.function),
        &Bound::invoke,
        sizeof...(As),
        Bound::types(),
        Bound::result(),
        details.names,
        details.defaults,
        details.named,
        wrapped ? 1 : 0);
  }
  void* module_object_;
};
} // namespace pybind11
namespace py = pybind11;

namespace torch {
template <typename F>
auto wrap_pybind_function(F&& function) {
  return pybind11::detail::kval_wrap(pybind11::detail::kval_bind(function));
}
} // namespace torch

#define KVAL_JOIN_IMPL(a, b) a##b
#define KVAL_JOIN(a, b) KVAL_JOIN_IMPL(a, b)
#define PYBIND11_MODULE(name, variable) \
  static void KVAL_JOIN(pybind11_init_, name)(::pybind11::module_ & (variable)); \
  extern "C" __attribute__((visibility("default"))) PyObject* KVAL_JOIN(PyInit_, name)() { \
    return kval_module(C10_STRINGIZE(name), [](void* module) { \
      ::pybind11::module_ made(module); \
      KVAL_JOIN(pybind11_init_, name)(made); \
    }); \
  } \
  void KVAL_JOIN(pybind11_init_, name)(::pybind11::module_ & (variable))
