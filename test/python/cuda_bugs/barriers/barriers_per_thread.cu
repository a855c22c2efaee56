// The barrier is in a loop whose count depends on the thread.
// found: lint divergent-barrier or lint exited-at-barrier or mismatch or runtime-error
// inputs: torch.rand(4, 96)
// expected: x.cumsum(dim=1)
__global__ void barriers_per_thread_kernel(const float* x, float* y) {
  __shared__ float total;
  const int t = threadIdx.x;
  if (t == 0) total = 0;
  __syncthreads();
  for (int turn = 0; turn <= t; ++turn) {
    if (turn == t) {
      total += x[blockIdx.x * 96 + t];
      y[blockIdx.x * 96 + t] = total;
    }
    __syncthreads();
  }
}

torch::Tensor barriers_per_thread(torch::Tensor x) {
  auto y = torch::empty_like(x);
  barriers_per_thread_kernel<<<x.size(0), 96>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
