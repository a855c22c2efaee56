// Each warp of the block writes its own sum to the same place; they are never added up.
// found: mismatch
// inputs: torch.rand(4, 128)
// expected: x.sum(dim=1)
__global__ void warp_sums_not_combined_kernel(const float* x, float* y) {
  float sum = x[blockIdx.x * 128 + threadIdx.x];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset);
  if (threadIdx.x % 32 == 0) y[blockIdx.x] = sum;
}

torch::Tensor warp_sums_not_combined(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  warp_sums_not_combined_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
