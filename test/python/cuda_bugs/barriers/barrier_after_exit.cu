// The threads of the tail return early, and the rest of their block waits at a barrier without them.
// found: lint exited-at-barrier
// inputs: torch.rand(300)
// expected: torch.cat([x[:256].reshape(2, 128).flip(1).reshape(-1), x[256:].flip(0)])
__global__ void barrier_after_exit_kernel(const float* x, float* y, int n) {
  __shared__ float values[128];
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i >= n) return;
  values[threadIdx.x] = x[i];
  __syncthreads();
  const int last = min(128, n - (int)blockIdx.x * 128) - 1;
  y[i] = values[last - threadIdx.x];
}

torch::Tensor barrier_after_exit(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  barrier_after_exit_kernel<<<(n + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
