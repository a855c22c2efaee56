// A thread's own array has eight places, and the ninth value is stored as well.
// found: runtime-error or mismatch
// inputs: torch.rand(64, 9), torch.randint(0, 9, (64,), dtype=torch.int32)
// expected: x.gather(1, y.long()[:, None]).squeeze(1) + x.sum(dim=1)
__global__ void local_array_overflow_kernel(const float* x, const int* pick, float* y, int columns) {
  float sums[8];
  const int t = threadIdx.x;
  float total = 0;
  for (int i = 0; i < columns; ++i) {
    sums[i] = x[t * columns + i];  // here
    total += sums[i];
  }
  y[t] = sums[pick[t]] + total;
}

torch::Tensor local_array_overflow(torch::Tensor x, torch::Tensor pick) {
  auto y = torch::empty({x.size(0)}, x.options());
  local_array_overflow_kernel<<<1, x.size(0)>>>(
      x.data_ptr<float>(), pick.data_ptr<int>(), y.data_ptr<float>(), x.size(1));
  return y;
}
