// The one file of the shim that is compiled against torch's own headers, once for each environment. It answers what
// torch inlines (sizes, types, counting, guards), and binds functions to Python with torch's own casters and errors.
#include <ATen/DeviceGuard.h>
#include <ATen/core/Formatting.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/ScalarTypeToTypeMeta.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/util/Exception.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/utils/pybind.h>

#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#define EXPORT __attribute__((visibility("default")))

using Impl = c10::TensorImpl;
using Counted = c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>;

// The shim lays these types out itself.
static_assert(sizeof(at::Tensor) == 8 && sizeof(at::TensorBase) == 8);
static_assert(sizeof(c10::Scalar) == 32 && alignof(c10::Scalar) == 16);
static_assert(sizeof(c10::SymInt) == 8 && !std::is_trivially_copyable_v<c10::SymInt>);
static_assert(sizeof(c10::Device) == 2 && std::is_trivially_copyable_v<c10::Device>);
static_assert(sizeof(caffe2::TypeMeta) == 2 && std::is_trivially_copyable_v<caffe2::TypeMeta>);
static_assert(sizeof(c10::IntArrayRef) == 16 && std::is_trivially_copyable_v<c10::IntArrayRef>);
static_assert(sizeof(c10::OptionalIntArrayRef) == 24 && std::is_trivially_copyable_v<c10::OptionalIntArrayRef>);
static_assert(sizeof(at::ITensorListRef) == 24 && static_cast<int>(c10::IListRefTag::Unboxed) == 0);
static_assert(sizeof(at::Dimname) == 8);
static_assert(sizeof(at::Generator) == 8 && sizeof(std::optional<at::Generator>) == 16);
static_assert(sizeof(c10::Stream) == 16 && std::is_trivially_copyable_v<c10::Stream>);
static_assert(static_cast<int>(c10::ScalarType::Undefined) == 46 && static_cast<int>(c10::ScalarType::UInt64) == 29);
static_assert(static_cast<int>(c10::ScalarType::BFloat16) == 15 && static_cast<int>(c10::ScalarType::Half) == 5);
static_assert(static_cast<int>(c10::MemoryFormat::ChannelsLast) == 2 && static_cast<int>(c10::Layout::Jagged) == 7);
static_assert(static_cast<int>(c10::DeviceType::PrivateUse1) == 20);

namespace {
Impl* of(void* impl) {
  return static_cast<Impl*>(impl);
}

at::Tensor borrow(void* impl) {
  return at::Tensor(Counted::reclaim_copy(of(impl)));
}

void* give(at::Tensor&& tensor) {
  return tensor.unsafeReleaseTensorImpl();
}

std::ostringstream& stream_of(void* text);

struct Text {
  std::ostringstream stream;
  std::string chars;
};
std::ostringstream& stream_of(void* text) {
  return static_cast<Text*>(text)->stream;
}
} // namespace

extern "C" {
EXPORT void* kval_undefined() {
  return static_cast<Impl*>(c10::UndefinedTensorImpl::singleton());
}
EXPORT void kval_incref(void* impl) {
  if (impl != kval_undefined()) {
    c10::raw::intrusive_ptr::incref(of(impl));
  }
}
EXPORT void kval_decref(void* impl) {
  if (impl != kval_undefined()) {
    c10::raw::intrusive_ptr::decref(of(impl));
  }
}
EXPORT size_t kval_use_count(void* impl) {
  return borrow(impl).use_count() - (impl == kval_undefined() ? 0 : 1);
}

EXPORT int64_t kval_dim(void* impl) {
  return of(impl)->dim();
}
EXPORT int64_t kval_numel(void* impl) {
  return of(impl)->numel();
}
EXPORT int64_t kval_size(void* impl, int64_t dim) {
  return of(impl)->size(dim);
}
EXPORT int64_t kval_stride(void* impl, int64_t dim) {
  const auto strides = of(impl)->strides();
  return strides[c10::maybe_wrap_dim(dim, static_cast<int64_t>(strides.size()), false)];
}
EXPORT const int64_t* kval_sizes(void* impl, size_t* length) {
  const auto sizes = of(impl)->sizes();
  *length = sizes.size();
  return sizes.data();
}
EXPORT const int64_t* kval_strides(void* impl, size_t* length) {
  const auto strides = of(impl)->strides();
  *length = strides.size();
  return strides.data();
}
EXPORT int64_t kval_storage_offset(void* impl) {
  return of(impl)->storage_offset();
}
EXPORT size_t kval_itemsize(void* impl) {
  return of(impl)->itemsize();
}
EXPORT size_t kval_nbytes(void* impl) {
  return borrow(impl).nbytes();
}
EXPORT uint16_t kval_dtype(void* impl) {
  const caffe2::TypeMeta dtype = of(impl)->dtype();
  uint16_t index = 0;
  static_assert(sizeof(index) == sizeof(dtype));
  memcpy(&index, &dtype, sizeof(index));
  return index;
}
EXPORT void kval_device(void* impl, int8_t* type, int8_t* index) {
  const c10::Device device = of(impl)->device();
  *type = static_cast<int8_t>(device.type());
  *index = device.index();
}
EXPORT int8_t kval_layout(void* impl) {
  return static_cast<int8_t>(of(impl)->layout());
}
EXPORT int kval_is_contiguous(void* impl, int8_t memory_format) {
  return of(impl)->is_contiguous(static_cast<c10::MemoryFormat>(memory_format)) ? 1 : 0;
}
EXPORT int8_t kval_suggest_memory_format(void* impl, int exact) {
  return static_cast<int8_t>(borrow(impl).suggest_memory_format(exact != 0));
}
EXPORT int kval_is(void* impl, int property) {
  Impl* self = of(impl);
  switch (property) {
    case 0:
      return self->is_non_overlapping_and_dense() ? 1 : 0;
    case 1:
      return self->has_storage() ? 1 : 0;
    case 2:
      return self->is_conj() ? 1 : 0;
    case 3:
      return self->is_neg() ? 1 : 0;
    case 4:
      return self->get_device();
    case 5:
      return self->is_cpu() ? 1 : 0;
    case 6:
      return self->is_cuda() ? 1 : 0;
    case 7:
      return self->is_sparse() ? 1 : 0;
    case 8:
      return self->is_quantized() ? 1 : 0;
    case 9:
      return self->is_meta() ? 1 : 0;
    case 10:
      return self->is_inference() ? 1 : 0;
    default:
      return self->is_nested() ? 1 : 0;
  }
}
EXPORT void* kval_data(void* impl) {
  return const_cast<void*>(of(impl)->data());
}
EXPORT void* kval_mutable_data(void* impl) {
  return of(impl)->mutable_data();
}
EXPORT int kval_requires_grad(void* impl) {
  return of(impl)->requires_grad() ? 1 : 0;
}
EXPORT void kval_set_requires_grad(void* impl, int value) {
  of(impl)->set_requires_grad(value != 0);
}

EXPORT void kval_scalar_to(const void* scalar, int8_t type, void* value) {
  const c10::Scalar& self = *static_cast<const c10::Scalar*>(scalar);
  switch (static_cast<c10::ScalarType>(type)) {
#define KVAL_TO(type, name) \
  case c10::ScalarType::name: { \
    const type converted = self.to##name(); \
    memcpy(value, &converted, sizeof(converted)); \
    return; \
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
    default:
      TORCH_CHECK(false, "a number of type ", static_cast<int>(type), " is not offered");
  }
}
EXPORT size_t kval_dtype_size(uint16_t index) {
  caffe2::TypeMeta dtype;
  memcpy(&dtype, &index, sizeof(index));
  return dtype.itemsize();
}
EXPORT uint16_t kval_default_dtype() {
  const caffe2::TypeMeta dtype = c10::get_default_dtype();
  uint16_t index = 0;
  memcpy(&index, &dtype, sizeof(index));
  return index;
}
// The high bit asks for a ScalarType's name (`Float`), otherwise for a TypeMeta's (`float`).
EXPORT const char* kval_dtype_name(uint16_t index, size_t* length) {
  std::string_view name;
  if ((index & 0x8000u) != 0) {
    name = c10::toString(static_cast<c10::ScalarType>(static_cast<int8_t>(index & 0xffu)));
  } else {
    caffe2::TypeMeta dtype;
    memcpy(&dtype, &index, sizeof(index));
    name = dtype.name();
  }
  *length = name.size();
  return name.data();
}
EXPORT uint16_t kval_scalar_type_of_dtype(uint16_t index) {
  caffe2::TypeMeta dtype;
  memcpy(&dtype, &index, sizeof(index));
  return static_cast<uint16_t>(dtype.toScalarType());
}
EXPORT void kval_parse_device(const char* text, size_t length, int8_t* type, int8_t* index) {
  const c10::Device device(std::string(text, length));
  *type = static_cast<int8_t>(device.type());
  *index = device.index();
}

EXPORT void* kval_guard_below_autograd() {
  return new at::AutoDispatchBelowADInplaceOrView();
}
EXPORT void kval_guard_below_autograd_end(void* guard) {
  delete static_cast<at::AutoDispatchBelowADInplaceOrView*>(guard);
}
EXPORT void* kval_make_variable(void* impl, int requires_grad) {
  // The shim's caller still holds its own reference, so torch copies the impl shallowly, as it would for a shared one.
  at::Tensor data = borrow(impl);
  return give(torch::autograd::make_variable(std::move(data), requires_grad != 0));
}
EXPORT void* kval_device_guard(int8_t type, int8_t index) {
  return new c10::OptionalDeviceGuard(c10::Device(static_cast<c10::DeviceType>(type), index));
}
EXPORT void kval_device_guard_end(void* guard) {
  delete static_cast<c10::OptionalDeviceGuard*>(guard);
}
EXPORT int8_t kval_exchange_cuda_device(int8_t index) {
  return c10::cuda::ExchangeDevice(index);
}
EXPORT void kval_set_cuda_device(int8_t index) {
  C10_CUDA_CHECK_WARN(c10::cuda::MaybeSetDevice(index));
}

EXPORT void* kval_text_new() {
  return new Text();
}
EXPORT void kval_text_end(void* text) {
  delete static_cast<Text*>(text);
}
EXPORT const char* kval_text_chars(void* text) {
  Text* self = static_cast<Text*>(text);
  self->chars = self->stream.str();
  return self->chars.c_str();
}
EXPORT size_t kval_text_length(void* text) {
  return stream_of(text).str().size();
}
EXPORT void kval_text_add(void* text, const char* chars, size_t length) {
  stream_of(text).write(chars, static_cast<std::streamsize>(length));
}
EXPORT void kval_text_add_signed(void* text, long long value) {
  stream_of(text) << value;
}
EXPORT void kval_text_add_unsigned(void* text, unsigned long long value) {
  stream_of(text) << value;
}
EXPORT void kval_text_add_double(void* text, double value) {
  stream_of(text) << value;
}
EXPORT void kval_text_add_pointer(void* text, const void* value) {
  stream_of(text) << value;
}
EXPORT void kval_text_add_device(void* text, int8_t type, int8_t index) {
  stream_of(text) << c10::Device(static_cast<c10::DeviceType>(type), index);
}
EXPORT void kval_text_add_device_type(void* text, int8_t type) {
  stream_of(text) << static_cast<c10::DeviceType>(type);
}
EXPORT void kval_text_add_layout(void* text, int8_t layout) {
  stream_of(text) << static_cast<c10::Layout>(layout);
}
EXPORT void kval_text_add_memory_format(void* text, int8_t memory_format) {
  stream_of(text) << static_cast<c10::MemoryFormat>(memory_format);
}
EXPORT void kval_text_add_tensor(void* text, void* impl) {
  stream_of(text) << borrow(impl);
}

[[noreturn]] EXPORT void kval_throw(
    int kind,
    const char* function,
    const char* file,
    uint32_t line,
    const char* message) {
  const c10::SourceLocation place{function, file, line};
  switch (kind) {
    case 1:
      throw c10::IndexError(place, message);
    case 2:
      throw c10::ValueError(place, message);
    case 3:
      throw c10::TypeError(place, message);
    case 4:
      throw c10::NotImplementedError(place, message);
    case 5:
      throw c10::LinAlgError(place, message);
    case 6:
      throw std::runtime_error(message);
    default:
      throw c10::Error(place, message);
  }
}
EXPORT void kval_warn(const char* function, const char* file, uint32_t line, const char* message) {
  c10::warn(c10::Warning(c10::UserWarning(), c10::SourceLocation{function, file, line}, std::string(message), false));
}
} // extern "C"

// ---- Binding to Python ----

extern "C" {
struct kval_call {
  PyObject* const* arguments;
  int convert;
  int mismatch;
};
typedef PyObject* (*kval_invoke)(void* function, kval_call* call);
}

namespace {
struct Overload {
  std::string name;
  std::string doc;
  void* function;
  kval_invoke invoke;
  int arity;
  std::vector<std::string> types;
  std::string result;
  std::vector<std::string> names;
  std::vector<PyObject*> defaults;
  bool wrapped;
};
struct Function {
  std::vector<Overload> overloads;
  PyMethodDef method{};
  std::string doc;
};
const char* const kCapsule = "kval.function";

std::string signature(const Overload& one) {
  std::string text = "(";
  for (int i = 0; i < one.arity; ++i) {
    const bool named = i < static_cast<int>(one.names.size());
    text += (i == 0 ? "" : ", ") + (named ? one.names[i] : "arg" + std::to_string(i)) + ": " + one.types[i];
    if (named && one.defaults[i] != nullptr) {
      PyObject* repr = PyObject_Repr(one.defaults[i]);
      text += std::string(" = ") + (repr == nullptr ? "..." : PyUnicode_AsUTF8(repr));
      Py_XDECREF(repr);
    }
  }
  return text + ") -> " + one.result;
}

// Positional arguments, then keywords, then defaults; false where they do not fit the overload.
bool arrange(const Overload& one, PyObject* args, PyObject* kwargs, std::vector<PyObject*>& arguments) {
  const Py_ssize_t given = PyTuple_GET_SIZE(args);
  if (given > one.arity) {
    return false;
  }
  Py_ssize_t used = 0;
  arguments.clear();
  for (int i = 0; i < one.arity; ++i) {
    PyObject* keyword = nullptr;
    if (kwargs != nullptr && i < static_cast<int>(one.names.size())) {
      keyword = PyDict_GetItemString(kwargs, one.names[i].c_str());
    }
    if (i < given) {
      if (keyword != nullptr) {
        return false;
      }
      arguments.push_back(PyTuple_GET_ITEM(args, i));
    } else if (keyword != nullptr) {
      arguments.push_back(keyword);
      ++used;
    } else if (i < static_cast<int>(one.defaults.size()) && one.defaults[i] != nullptr) {
      arguments.push_back(one.defaults[i]);
    } else {
      return false;
    }
  }
  return kwargs == nullptr || used == PyDict_Size(kwargs);
}

PyObject* run_wrapped(const Overload& one, kval_call* call) {
  HANDLE_TH_ERRORS
  return one.invoke(one.function, call);
  END_HANDLE_TH_ERRORS
}

// pybind11's own translation of C++ exceptions, for functions that torch does not wrap.
PyObject* run_plain(const Overload& one, kval_call* call) {
  try {
    return one.invoke(one.function, call);
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const pybind11::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
  } catch (const std::domain_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::length_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::out_of_range& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const std::range_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::overflow_error& error) {
    PyErr_SetString(PyExc_OverflowError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "Caught an unknown exception!");
  }
  return nullptr;
}

PyObject* complain(const Function& self, PyObject* args, PyObject* kwargs) {
  std::string text = self.overloads.front().name +
      "(): incompatible function arguments. The following argument types are supported:\n";
  int count = 0;
  for (const Overload& one : self.overloads) {
    text += "    " + std::to_string(++count) + ". " + signature(one) + "\n";
  }
  text += "\nInvoked with: ";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
    PyObject* repr = PyObject_Repr(PyTuple_GET_ITEM(args, i));
    if (repr == nullptr) {
      PyErr_Clear();
    }
    text += (i == 0 ? "" : ", ") + std::string(repr == nullptr ? "<repr raised Error>" : PyUnicode_AsUTF8(repr));
    Py_XDECREF(repr);
  }
  if (kwargs != nullptr && PyDict_Size(kwargs) > 0) {
    PyObject* repr = PyObject_Repr(kwargs);
    text += "; kwargs: " + std::string(repr == nullptr ? "" : PyUnicode_AsUTF8(repr));
    Py_XDECREF(repr);
  }
  PyErr_SetString(PyExc_TypeError, text.c_str());
  return nullptr;
}

PyObject* dispatch(PyObject* capsule, PyObject* args, PyObject* kwargs) {
  const Function& self = *static_cast<Function*>(PyCapsule_GetPointer(capsule, kCapsule));
  std::vector<PyObject*> arguments;
  const bool overloaded = self.overloads.size() > 1;
  for (int convert = overloaded ? 0 : 1; convert <= 1; ++convert) {
    for (const Overload& one : self.overloads) {
      if (!arrange(one, args, kwargs, arguments)) {
        continue;
      }
      kval_call call{arguments.data(), convert, 0};
      PyObject* result = one.wrapped ? run_wrapped(one, &call) : run_plain(one, &call);
      if (call.mismatch == 0) {
        return result;
      }
      PyErr_Clear();
    }
  }
  return complain(self, args, kwargs);
}

template <typename T, typename Out>
int load(PyObject* object, int convert, Out* out) {
  pybind11::detail::make_caster<T> caster;
  if (!caster.load(object, convert != 0)) {
    return 0;
  }
  *out = pybind11::detail::cast_op<T>(caster);
  return 1;
}
} // namespace

extern "C" {
EXPORT PyObject* kval_module(const char* name, void (*fill)(void*)) {
  static std::vector<std::unique_ptr<PyModuleDef>> definitions;
  definitions.push_back(std::make_unique<PyModuleDef>(PyModuleDef{PyModuleDef_HEAD_INIT, name, nullptr, -1}));
  PyObject* module = PyModule_Create(definitions.back().get());
  if (module == nullptr) {
    return nullptr;
  }
  try {
    fill(module);
  } catch (pybind11::error_already_set& error) {
    error.restore();
    Py_DECREF(module);
    return nullptr;
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ImportError, error.what());
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}

EXPORT void kval_define(
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
    int wrapped) {
  PyObject* self = static_cast<PyObject*>(module);
  Overload one{name, doc, function, invoke, arity, {}, result, {}, {}, wrapped != 0};
  for (int i = 0; i < arity; ++i) {
    one.types.emplace_back(types[i]);
  }
  for (int i = 0; i < named; ++i) {
    one.names.emplace_back(names[i]);
    one.defaults.push_back(defaults[i]);
  }
  const std::string key = std::string("__kval_") + name;
  PyObject* there = PyDict_GetItemString(PyModule_GetDict(self), key.c_str());
  Function* bound = nullptr;
  if (there != nullptr) {
    bound = static_cast<Function*>(PyCapsule_GetPointer(there, kCapsule));
    bound->overloads.push_back(std::move(one));
    return;
  }
  bound = new Function(); // lives as long as the module, which Python never unloads
  bound->doc = std::string(name) + signature(one) + "\n\n" + doc + "\n";
  bound->overloads.push_back(std::move(one));
  bound->method = {
      bound->overloads.front().name.c_str(),
      reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(dispatch)),
      METH_VARARGS | METH_KEYWORDS,
      bound->doc.c_str()};
  PyObject* capsule = PyCapsule_New(bound, kCapsule, nullptr);
  PyObject* callable = PyCFunction_NewEx(&bound->method, capsule, PyModule_GetNameObject(self));
  if (callable == nullptr || PyObject_SetAttrString(self, name, callable) != 0 ||
      PyObject_SetAttrString(self, key.c_str(), capsule) != 0) {
    throw pybind11::error_already_set();
  }
  Py_DECREF(callable);
  Py_DECREF(capsule);
}

EXPORT int kval_load_tensor(PyObject* object, int convert, void** impl) {
  pybind11::detail::make_caster<at::Tensor> caster;
  if (!caster.load(object, convert != 0)) {
    return 0;
  }
  *impl = give(std::move(pybind11::detail::cast_op<at::Tensor&>(caster)));
  return 1;
}
EXPORT int kval_load_scalar(PyObject* object, int convert, void* scalar) {
  return load<c10::Scalar>(object, convert, static_cast<c10::Scalar*>(scalar));
}
EXPORT int kval_load_dtype(PyObject* object, int convert, int8_t* value) {
  return load<at::ScalarType>(object, convert, reinterpret_cast<at::ScalarType*>(value));
}
EXPORT int kval_load_device(PyObject* object, int convert, int8_t* type, int8_t* index) {
  c10::Device device(c10::kCPU);
  if (load<at::Device>(object, convert, &device) == 0) {
    return 0;
  }
  *type = static_cast<int8_t>(device.type());
  *index = device.index();
  return 1;
}
EXPORT int kval_load_memory_format(PyObject* object, int convert, int8_t* value) {
  return load<at::MemoryFormat>(object, convert, reinterpret_cast<at::MemoryFormat*>(value));
}
EXPORT void* kval_load_integers(PyObject* object, int convert, const int64_t** items, size_t* length) {
  auto caster = std::make_unique<pybind11::detail::make_caster<at::IntArrayRef>>();
  if (!caster->load(object, convert != 0)) {
    return nullptr;
  }
  const at::IntArrayRef value = pybind11::detail::cast_op<at::IntArrayRef>(*caster);
  *items = value.data();
  *length = value.size();
  return caster.release();
}
EXPORT void kval_integers_end(void* list) {
  delete static_cast<pybind11::detail::make_caster<at::IntArrayRef>*>(list);
}
EXPORT int kval_load_text(PyObject* object, int, const char** chars, size_t* length) {
  Py_ssize_t size = 0;
  if (PyUnicode_Check(object)) {
    *chars = PyUnicode_AsUTF8AndSize(object, &size);
    if (*chars == nullptr) {
      PyErr_Clear();
      return 0;
    }
  } else if (PyBytes_Check(object)) {
    *chars = PyBytes_AS_STRING(object);
    size = PyBytes_GET_SIZE(object);
  } else {
    return 0;
  }
  *length = static_cast<size_t>(size);
  return 1;
}
EXPORT int kval_is_none(PyObject* object) {
  return object == Py_None ? 1 : 0;
}
EXPORT long kval_sequence_length(PyObject* object) {
  if (!PySequence_Check(object) || PyUnicode_Check(object) || PyBytes_Check(object)) {
    return -1;
  }
  const Py_ssize_t length = PySequence_Size(object);
  if (length < 0) {
    PyErr_Clear();
  }
  return static_cast<long>(length);
}
EXPORT PyObject* kval_sequence_item(PyObject* object, long index) {
  return PySequence_GetItem(object, index);
}
EXPORT void kval_release(PyObject* object) {
  Py_DECREF(object);
}
#define KVAL_LOAD(name, type) \
  EXPORT int kval_load_##name(PyObject* object, int convert, type* value) { \
    return load<type>(object, convert, value); \
  }
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

EXPORT PyObject* kval_none() {
  Py_RETURN_NONE;
}
EXPORT PyObject* kval_make_tensor(void* impl) {
  return THPVariable_Wrap(borrow(impl));
}
EXPORT PyObject* kval_make_bool(int value) {
  return PyBool_FromLong(value);
}
EXPORT PyObject* kval_make_signed(long long value) {
  return PyLong_FromLongLong(value);
}
EXPORT PyObject* kval_make_unsigned(unsigned long long value) {
  return PyLong_FromUnsignedLongLong(value);
}
EXPORT PyObject* kval_make_double(double value) {
  return PyFloat_FromDouble(value);
}
EXPORT PyObject* kval_make_text(const char* chars, size_t length) {
  return PyUnicode_FromStringAndSize(chars, static_cast<Py_ssize_t>(length));
}
EXPORT PyObject* kval_make_sequence(int tuple, PyObject* const* items, size_t length) {
  const Py_ssize_t size = static_cast<Py_ssize_t>(length);
  PyObject* result = tuple != 0 ? PyTuple_New(size) : PyList_New(size);
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (tuple != 0) {
      PyTuple_SET_ITEM(result, i, items[i]);
    } else {
      PyList_SET_ITEM(result, i, items[i]);
    }
  }
  return result;
}
} // extern "C"
