// A stencil in place: some threads read what their neighbours have already replaced.
// found: mismatch
// inputs: torch.rand(1024)
// expected: x + x.roll(1)
__global__ void neighbours_in_place_kernel(float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i < n) y[i] += y[(i + n - 1) % n];
}

torch::Tensor neighbours_in_place(torch::Tensor x) {
  auto y = x.clone();
  neighbours_in_place_kernel<<<(x.numel() + 127) / 128, 128>>>(y.data_ptr<float>(), x.numel());
  return y;
}
