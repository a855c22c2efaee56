// The kernel is compiled for blocks of at most 128 threads and launched with 256.
// found: runtime-error or mismatch
// inputs: torch.rand(1024)
// expected: x + 1
__global__ void __launch_bounds__(128) more_threads_than_promised_kernel(const float* x, float* y) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i] + 1;
}

torch::Tensor more_threads_than_promised(torch::Tensor x) {
  auto y = torch::empty_like(x);
  more_threads_than_promised_kernel<<<x.numel() / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
