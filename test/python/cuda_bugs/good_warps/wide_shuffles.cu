// 64-bit values and sub-warps of eight lanes in all four kinds of shuffle.
// found: correct
// inputs: torch.randint(-10**12, 10**12, (4, 4, 8)), torch.rand(4, 4, 8)
// expected: x.sum(2, keepdim=True) + x.flip(2) + (torch.cat([y[..., :1], y[..., :-1]], 2).double() > 0.5)
__global__ void wide_shuffles_kernel(const long long* x, const float* z, long long* y) {
  const int t = threadIdx.x, i = blockIdx.x * 32 + t;
  long long sum = x[i];
  for (int offset = 4; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset, 8);
  sum = __shfl_sync(0xffffffff, sum, 0, 8);
  const long long mirrored = __shfl_xor_sync(0xffffffff, x[i], 7, 8);
  const double before = __shfl_up_sync(0xffffffff, (double)z[i], 1, 8);
  y[i] = sum + mirrored + (before > 0.5);
}

torch::Tensor wide_shuffles(torch::Tensor x, torch::Tensor z) {
  auto y = torch::empty_like(x);
  wide_shuffles_kernel<<<x.size(0), 32>>>(
      (const long long*)x.data_ptr<int64_t>(), z.data_ptr<float>(), (long long*)y.data_ptr<int64_t>());
  return y;
}
