// A countdown goes in twos, and its last correction steps over the end for ever.
// found: timeout
// limit: 6
// inputs: torch.rand(64)
// expected: 2 * x
__global__ void endless_loop_kernel(const float* x, float* y, int n) {
  const int i = threadIdx.x;
  int left = n;
  float sum = 0;
  while (left != 1) {
    sum += x[i] / n;
    y[i] = sum;
    left = left > 3 ? left - 2 : left ^ 1;
  }
  y[i] = x[i] + sum;
}

torch::Tensor endless_loop(torch::Tensor x) {
  auto y = torch::empty_like(x);
  endless_loop_kernel<<<1, x.numel()>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
  return y;
}
