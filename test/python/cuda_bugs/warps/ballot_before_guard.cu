// The ballot counts the lanes beyond the end as well: their condition is true by default.
// found: mismatch
// inputs: torch.rand(300)
// expected: (x > 0.5).sum().to(torch.int32).reshape(1)
__global__ void ballot_before_guard_kernel(const float* x, int* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  const bool high = i >= n || x[i] > 0.5f;
  const unsigned votes = __ballot_sync(0xffffffff, high);
  if (threadIdx.x % 32 == 0) atomicAdd(y, __popc(votes));
}

torch::Tensor ballot_before_guard(torch::Tensor x) {
  auto y = torch::zeros({1}, x.options().dtype(torch::kInt32));
  const int n = x.numel();
  ballot_before_guard_kernel<<<(n + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<int>(), n);
  return y;
}
