// c10::TensorOptions: what a factory such as torch::empty is asked for.
#pragma once
#include <kval/check.h>

namespace c10 {
inline Layout layout_or_default(std::optional<Layout> layout) {
  return layout.value_or(kStrided);
}
inline Device device_or_default(std::optional<Device> device) {
  return device.value_or(Device(kCPU));
}

struct TensorOptions {
  TensorOptions() {}
  TensorOptions(Layout layout) : layout_(layout) {}
  template <typename T, typename = std::enable_if_t<std::is_same_v<std::decay_t<T>, Device>>>
  TensorOptions(T&& device) : device_(std::forward<T>(device)) {}
  template <typename... Args, typename = std::enable_if_t<std::is_constructible_v<Device, Args&&...>>>
  TensorOptions(Args&&... args) : TensorOptions(Device(std::forward<Args>(args)...)) {}
  TensorOptions(caffe2::TypeMeta dtype) : dtype_(dtype) {}
  TensorOptions(ScalarType dtype) : dtype_(scalarTypeToTypeMeta(dtype)) {}
  TensorOptions(MemoryFormat memory_format) : memory_format_(memory_format) {}

  [[nodiscard]] TensorOptions device(std::optional<Device> device) const noexcept {
    TensorOptions r = *this;
    r.device_ = device;
    return r;
  }
  template <typename... Args>
  [[nodiscard]] TensorOptions device(Args&&... args) const noexcept {
    return device(std::optional<Device>(std::in_place, std::forward<Args>(args)...));
  }
  [[nodiscard]] TensorOptions device_index(DeviceIndex index) const noexcept {
    return device(Device::Type::CUDA, index);
  }
  [[nodiscard]] TensorOptions dtype(std::optional<caffe2::TypeMeta> dtype) const noexcept {
    TensorOptions r = *this;
    r.dtype_ = dtype;
    return r;
  }
  [[nodiscard]] TensorOptions dtype(std::optional<ScalarType> dtype) const noexcept {
    TensorOptions r = *this;
    if (dtype) {
      r.dtype_ = scalarTypeToTypeMeta(*dtype);
    } else {
      r.dtype_ = std::nullopt;
    }
    return r;
  }
  template <typename T>
  TensorOptions& dtype() {
    dtype_ = caffe2::TypeMeta::Make<T>();
    return *this;
  }
  [[nodiscard]] TensorOptions layout(std::optional<Layout> layout) const noexcept {
    TensorOptions r = *this;
    r.layout_ = layout;
    return r;
  }
  [[nodiscard]] TensorOptions requires_grad(std::optional<bool> requires_grad) const noexcept {
    TensorOptions r = *this;
    r.requires_grad_ = requires_grad;
    return r;
  }
  [[nodiscard]] TensorOptions pinned_memory(std::optional<bool> pinned_memory) const noexcept {
    TensorOptions r = *this;
    r.pinned_memory_ = pinned_memory;
    return r;
  }
  [[nodiscard]] TensorOptions memory_format(std::optional<MemoryFormat> memory_format) const noexcept {
    TensorOptions r = *this;
    r.memory_format_ = memory_format;
    return r;
  }

  Device device() const noexcept {
    return device_or_default(device_);
  }
  bool has_device() const noexcept {
    return device_.has_value();
  }
  std::optional<Device> device_opt() const noexcept {
    return device_;
  }
  DeviceIndex device_index() const noexcept {
    return device().index();
  }
  caffe2::TypeMeta dtype() const noexcept {
    return dtype_.has_value() ? *dtype_ : get_default_dtype();
  }
  bool has_dtype() const noexcept {
    return dtype_.has_value();
  }
  std::optional<caffe2::TypeMeta> dtype_opt() const noexcept {
    return dtype_;
  }
  Layout layout() const noexcept {
    return layout_or_default(layout_);
  }
  bool has_layout() const noexcept {
    return layout_.has_value();
  }
  std::optional<Layout> layout_opt() const noexcept {
    return layout_;
  }
  bool requires_grad() const noexcept {
    return requires_grad_.value_or(false);
  }
  bool has_requires_grad() const noexcept {
    return requires_grad_.has_value();
  }
  std::optional<bool> requires_grad_opt() const noexcept {
    return requires_grad_;
  }
  bool pinned_memory() const noexcept {
    return pinned_memory_.value_or(false);
  }
  bool has_pinned_memory() const noexcept {
    return pinned_memory_.has_value();
  }
  std::optional<bool> pinned_memory_opt() const noexcept {
    return pinned_memory_;
  }
  bool has_memory_format() const noexcept {
    return memory_format_.has_value();
  }
  std::optional<MemoryFormat> memory_format_opt() const noexcept {
    return memory_format_;
  }

 private:
  std::optional<Device> device_;
  std::optional<caffe2::TypeMeta> dtype_;
  std::optional<Layout> layout_;
  std::optional<MemoryFormat> memory_format_;
  std::optional<bool> requires_grad_;
  std::optional<bool> pinned_memory_;
};

inline TensorOptions dtype(caffe2::TypeMeta dtype) {
  return TensorOptions().dtype(dtype);
}
inline TensorOptions dtype(ScalarType dtype) {
  return TensorOptions().dtype(scalarTypeToTypeMeta(dtype));
}
template <typename T>
inline TensorOptions dtype() {
  return dtype(caffe2::TypeMeta::Make<T>());
}
inline TensorOptions layout(Layout layout) {
  return TensorOptions().layout(layout);
}
inline TensorOptions device(Device device) {
  return TensorOptions().device(device);
}
inline TensorOptions device_index(DeviceIndex device_index) {
  return TensorOptions().device_index(device_index);
}
inline TensorOptions requires_grad(bool requires_grad = true) {
  return TensorOptions().requires_grad(requires_grad);
}
inline TensorOptions memory_format(MemoryFormat memory_format) {
  return TensorOptions().memory_format(memory_format);
}

namespace impl {
inline std::optional<MemoryFormat> check_tensor_options_and_extract_memory_format(
    const TensorOptions& options,
    std::optional<MemoryFormat> memory_format) {
  TORCH_CHECK(
      options.requires_grad_opt() == std::nullopt || options.requires_grad_opt().value() == false,
      "Operators taking TensorOptions cannot take a TensorOptions with options.requires_grad set as true. This isn't implemented yet.");
  TORCH_CHECK(
      !(options.has_memory_format() && memory_format.has_value()),
      "Cannot set memory_format both in TensorOptions and explicit argument; please delete the redundant setter.");
  if (memory_format.has_value()) {
    return memory_format;
  }
  return options.memory_format_opt();
}
} // namespace impl
} // namespace c10
