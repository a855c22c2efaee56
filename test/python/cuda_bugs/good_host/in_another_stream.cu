// The launch goes to torch's current stream, on the device of the tensor.
// found: correct
// inputs: torch.rand(777)
// expected: x.clamp(0.2, 0.8)
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAGuard.h>

__global__ void in_another_stream_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i < n) y[i] = fminf(fmaxf(x[i], 0.2f), 0.8f);
}

torch::Tensor in_another_stream(torch::Tensor x) {
  const at::cuda::OptionalCUDAGuard guard(device_of(x));
  auto y = torch::empty_like(x);
  const int n = x.numel();
  in_another_stream_kernel<<<(n + 127) / 128, 128, 0, at::cuda::getCurrentCUDAStream()>>>(
      x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
