// The last warp adds through volatile shared memory in the hope that its lanes run in step: right on most GPUs, a race all the same.
// found: lint race
// inputs: torch.rand(4, 64)
// expected: x.sum(dim=1)
__global__ void volatile_warp_sum_kernel(const float* x, float* y) {
  __shared__ float sums[64];
  const int t = threadIdx.x;
  sums[t] = x[blockIdx.x * 64 + t];
  __syncthreads();
  if (t < 32) {
    volatile float* lane = sums + t;
    lane[0] += lane[32];
    lane[0] += lane[16];
    lane[0] += lane[8];
    lane[0] += lane[4];
    lane[0] += lane[2];
    lane[0] += lane[1];
  }
  if (t == 0) y[blockIdx.x] = sums[0];
}

torch::Tensor volatile_warp_sum(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  volatile_warp_sum_kernel<<<x.size(0), 64>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
