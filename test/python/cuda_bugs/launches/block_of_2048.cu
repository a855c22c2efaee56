// A block has at most 1024 threads; nobody looks at the launch's error.
// found: runtime-error or mismatch
// inputs: torch.rand(2, 2048)
// expected: x + 1
__global__ void block_of_2048_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 2048 + threadIdx.x;
  y[i] = x[i] + 1;
}

torch::Tensor block_of_2048(torch::Tensor x) {
  auto y = torch::empty_like(x);
  block_of_2048_kernel<<<x.size(0), 2048>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
