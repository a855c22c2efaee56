// The lanes of the tail find out who is there by a ballot and shuffle among themselves.
// found: correct
// inputs: torch.rand(300)
// expected: x.sum().reshape(1)
__global__ void partial_masks_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x, lane = threadIdx.x % 32;
  const unsigned mask = __ballot_sync(0xffffffff, i < n);
  if (i < n) {
    float sum = x[i];
    for (int offset = 16; offset > 0; offset /= 2) {
      const float other = __shfl_down_sync(mask, sum, offset);
      if (lane + offset < 32 && (mask >> (lane + offset) & 1)) sum += other;
    }
    if (lane == 0) atomicAdd(y, sum);
  }
}

torch::Tensor partial_masks(torch::Tensor x) {
  auto y = torch::zeros({1}, x.options());
  const int n = x.numel();
  partial_masks_kernel<<<(n + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
