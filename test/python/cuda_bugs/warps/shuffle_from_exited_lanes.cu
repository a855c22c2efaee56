// Lanes beyond the end have returned; the sum of the last warp shuffles values out of them.
// found: lint absent-lanes or mismatch or runtime-error
// inputs: torch.rand(300) + 1
// expected: x.sum().reshape(1)
__global__ void shuffle_from_exited_lanes_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i >= n) return;
  float sum = x[i];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset);
  if (threadIdx.x % 32 == 0) atomicAdd(y, sum);
}

torch::Tensor shuffle_from_exited_lanes(torch::Tensor x) {
  auto y = torch::zeros({1}, x.options());
  const int n = x.numel();
  shuffle_from_exited_lanes_kernel<<<(n + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
