// The warp's sum is shuffled in segments of sixteen lanes: half of it is never added.
// found: mismatch
// inputs: torch.rand(4, 32)
// expected: x.sum(dim=1)
__global__ void shuffle_width_kernel(const float* x, float* y) {
  float sum = x[blockIdx.x * 32 + threadIdx.x];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset, 16);
  if (threadIdx.x == 0) y[blockIdx.x] = sum;
}

torch::Tensor shuffle_width(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  shuffle_width_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
