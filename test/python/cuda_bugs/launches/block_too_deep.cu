// The third dimension of a block ends at 64.
// found: runtime-error or mismatch
// inputs: torch.rand(4, 128)
// expected: x + 1
__global__ void block_too_deep_kernel(const float* x, float* y) {
  y[blockIdx.x * 128 + threadIdx.z] = x[blockIdx.x * 128 + threadIdx.z] + 1;
}

torch::Tensor block_too_deep(torch::Tensor x) {
  auto y = torch::empty_like(x);
  block_too_deep_kernel<<<x.size(0), dim3(1, 1, 128)>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
