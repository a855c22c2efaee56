// One shared slot carries the maximum and then the sum; the sum is written before all have read the maximum.
// found: mismatch
// inputs: torch.randn(4, 128)
// expected: torch.log_softmax(x, dim=1)
__global__ void broadcast_overwritten_kernel(const float* x, float* y) {
  __shared__ float shared[128];
  const int t = threadIdx.x;
  const float value = x[blockIdx.x * 128 + t];
  shared[t] = value;
  __syncthreads();
  for (int half = 64; half > 0; half /= 2) {
    if (t < half) shared[t] = fmaxf(shared[t], shared[t + half]);
    __syncthreads();
  }
  const float top = shared[0];
  shared[t] = expf(value - top);
  __syncthreads();
  for (int half = 64; half > 0; half /= 2) {
    if (t < half) shared[t] += shared[t + half];
    __syncthreads();
  }
  y[blockIdx.x * 128 + t] = value - top - logf(shared[0]);
}

torch::Tensor broadcast_overwritten(torch::Tensor x) {
  auto y = torch::empty_like(x);
  broadcast_overwritten_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
