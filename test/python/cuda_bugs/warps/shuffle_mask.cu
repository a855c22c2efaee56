// All lanes shuffle, but the mask leaves half of them out.
// found: lint foreign-mask or runtime-error or mismatch
// inputs: torch.rand(4, 32)
// expected: x.sum(dim=1)
__global__ void shuffle_mask_kernel(const float* x, float* y) {
  float sum = x[blockIdx.x * 32 + threadIdx.x];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0x0000ffff, sum, offset);
  if (threadIdx.x == 31) y[blockIdx.x] = sum;
}

torch::Tensor shuffle_mask(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  shuffle_mask_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
