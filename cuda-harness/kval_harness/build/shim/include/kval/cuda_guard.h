// c10::cuda::CUDAGuard and OptionalCUDAGuard: the device is exchanged by torch's c10_cuda and put back at the end.
#pragma once
#include <kval/cuda_stream.h>

namespace c10::cuda {
struct CUDAGuard {
  explicit CUDAGuard() = delete;
  explicit CUDAGuard(DeviceIndex index) : CUDAGuard(Device(DeviceType::CUDA, index)) {}
  explicit CUDAGuard(Device device) : original_(kval_original(device)), current_(kval_current(device)) {}
  CUDAGuard(const CUDAGuard&) = delete;
  CUDAGuard& operator=(const CUDAGuard&) = delete;
  CUDAGuard(CUDAGuard&&) = delete;
  CUDAGuard& operator=(CUDAGuard&&) = delete;
  ~CUDAGuard() {
    kval_set_cuda_device(original_.index());
  }
  void set_device(Device device) {
    TORCH_CHECK(device.is_cuda(), "Expected a CUDA device, but got ", device);
    const DeviceIndex index = device.has_index() ? device.index() : original_.index();
    if (current_.index() != index) {
      set_index(index);
    }
  }
  void reset_device(Device device) {
    set_device(device);
  }
  void set_index(DeviceIndex index) {
    kval_exchange_cuda_device(index);
    current_ = Device(DeviceType::CUDA, index);
  }
  Device original_device() const {
    return original_;
  }
  Device current_device() const {
    return current_;
  }

 private:
  static Device kval_original(Device device) {
    TORCH_CHECK(device.is_cuda(), "Expected a CUDA device, but got ", device);
    return Device(
        DeviceType::CUDA,
        device.has_index() ? kval_exchange_cuda_device(device.index()) : c10::cuda::current_device());
  }
  Device kval_current(Device device) const {
    return device.has_index() ? device : original_;
  }
  Device original_;
  Device current_;
};

struct OptionalCUDAGuard {
  explicit OptionalCUDAGuard() = default;
  explicit OptionalCUDAGuard(std::optional<Device> device) {
    if (device.has_value()) {
      guard_.emplace(*device);
    }
  }
  explicit OptionalCUDAGuard(std::optional<DeviceIndex> index) {
    if (index.has_value()) {
      guard_.emplace(*index);
    }
  }
  OptionalCUDAGuard(const OptionalCUDAGuard&) = delete;
  OptionalCUDAGuard& operator=(const OptionalCUDAGuard&) = delete;
  OptionalCUDAGuard(OptionalCUDAGuard&&) = delete;
  OptionalCUDAGuard& operator=(OptionalCUDAGuard&&) = delete;
  ~OptionalCUDAGuard() = default;
  void set_device(Device device) {
    if (guard_.has_value()) {
      guard_->set_device(device);
    } else {
      guard_.emplace(device);
    }
  }
  void set_index(DeviceIndex index) {
    if (guard_.has_value()) {
      guard_->set_index(index);
    } else {
      guard_.emplace(index);
    }
  }
  std::optional<Device> original_device() const {
    return guard_.has_value() ? std::make_optional(guard_->original_device()) : std::nullopt;
  }
  std::optional<Device> current_device() const {
    return guard_.has_value() ? std::make_optional(guard_->current_device()) : std::nullopt;
  }
  void reset() {
    guard_.reset();
  }

 private:
  std::optional<CUDAGuard> guard_;
};
} // namespace c10::cuda
