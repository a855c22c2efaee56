// c10::cuda::CUDAStream and the functions of torch's c10_cuda library that kernels call.
#pragma once
#include <kval/cuda_check.h>

namespace c10 {
using StreamId = int64_t;
class Stream final {
 public:
  enum Unsafe { UNSAFE };
  enum Default { DEFAULT };
  explicit Stream(Unsafe, Device device, StreamId id) : device_(device), id_(id) {}
  explicit Stream(Default, Device device) : device_(device), id_(0) {}
  bool operator==(const Stream& other) const noexcept {
    return device_ == other.device_ && id_ == other.id_;
  }
  bool operator!=(const Stream& other) const noexcept {
    return !(*this == other);
  }
  Device device() const noexcept {
    return device_;
  }
  DeviceType device_type() const noexcept {
    return device_.type();
  }
  DeviceIndex device_index() const noexcept {
    return device_.index();
  }
  StreamId id() const noexcept {
    return id_;
  }
  bool query() const;
  void synchronize() const;

 private:
  Device device_;
  StreamId id_;
};
static_assert(sizeof(Stream) == 16);
} // namespace c10

namespace c10::cuda {
class CUDAStream {
 public:
  enum Unchecked { UNCHECKED };
  explicit CUDAStream(Stream stream) : stream_(stream) {
    TORCH_CHECK(stream_.device_type() == DeviceType::CUDA);
  }
  explicit CUDAStream(Unchecked, Stream stream) : stream_(stream) {}
  bool operator==(const CUDAStream& other) const noexcept {
    return unwrap() == other.unwrap();
  }
  bool operator!=(const CUDAStream& other) const noexcept {
    return unwrap() != other.unwrap();
  }
  operator cudaStream_t() const {
    return stream();
  }
  operator Stream() const {
    return unwrap();
  }
  DeviceType device_type() const {
    return DeviceType::CUDA;
  }
  DeviceIndex device_index() const {
    return stream_.device_index();
  }
  Device device() const {
    return Device(DeviceType::CUDA, device_index());
  }
  StreamId id() const {
    return stream_.id();
  }
  bool query() const {
    return unwrap().query();
  }
  void synchronize() const {
    unwrap().synchronize();
  }
  cudaStream_t stream() const;
  Stream unwrap() const {
    return stream_;
  }

 private:
  Stream stream_;
};

CUDAStream getStreamFromPool(const bool isHighPriority = false, DeviceIndex device = -1);
CUDAStream getStreamFromPool(const int priority, DeviceIndex device = -1);
CUDAStream getStreamFromExternal(cudaStream_t ext_stream, DeviceIndex device_index);
CUDAStream getDefaultCUDAStream(DeviceIndex device_index = -1);
CUDAStream getCurrentCUDAStream(DeviceIndex device_index = -1);
void setCurrentCUDAStream(CUDAStream stream);
DeviceIndex device_count() noexcept;
DeviceIndex current_device();
void set_device(DeviceIndex device, const bool force = false);
void device_synchronize();
} // namespace c10::cuda
