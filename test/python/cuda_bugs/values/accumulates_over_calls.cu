// A counter in device memory is never reset: the second call begins where the first one ended.
// found: mismatch
// inputs: torch.rand(512)
// expected: x.sum().reshape(1)
__device__ float accumulates_over_calls_total;

__global__ void accumulates_over_calls_kernel(const float* x) {
  atomicAdd(&accumulates_over_calls_total, x[blockIdx.x * 128 + threadIdx.x]);
}

__global__ void accumulates_over_calls_read(float* y) { y[0] = accumulates_over_calls_total; }

torch::Tensor accumulates_over_calls(torch::Tensor x) {
  auto y = torch::empty({1}, x.options());
  accumulates_over_calls_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>());
  accumulates_over_calls_read<<<1, 1>>>(y.data_ptr<float>());
  return y;
}
