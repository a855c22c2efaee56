// The butterfly starts at offset 8: it never adds the two halves of the warp.
// found: mismatch
// inputs: torch.rand(4, 32)
// expected: x.sum(dim=1)
__global__ void shuffle_offset_kernel(const float* x, float* y) {
  float sum = x[blockIdx.x * 32 + threadIdx.x];
  for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffff, sum, offset);
  if (threadIdx.x == 0) y[blockIdx.x] = sum;
}

torch::Tensor shuffle_offset(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  shuffle_offset_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
