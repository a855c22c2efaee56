// The third dimension of a grid ends at 65535.
// found: runtime-error or mismatch
// inputs: torch.rand(70000)
// expected: x + 1
__global__ void grid_too_deep_kernel(const float* x, float* y) {
  if (threadIdx.x == 0) y[blockIdx.z] = x[blockIdx.z] + 1;
}

torch::Tensor grid_too_deep(torch::Tensor x) {
  auto y = torch::empty_like(x);
  grid_too_deep_kernel<<<dim3(1, 1, x.numel()), 32>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
