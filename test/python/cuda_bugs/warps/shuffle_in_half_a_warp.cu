// Half a warp shuffles under a mask that names all of its lanes, while the others wait for it at a barrier.
// found: lint absent-lanes or runtime-error
// inputs: torch.rand(4, 32)
// expected: x[:, :16].sum(dim=1, keepdim=True) * x
__global__ void shuffle_in_half_a_warp_kernel(const float* x, float* y) {
  __shared__ float total;
  const int lane = threadIdx.x;
  const float value = x[blockIdx.x * 32 + lane];
  if (lane < 16) {
    float sum = value;
    for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffff, sum, offset);
    if (lane == 0) total = sum;
  }
  __syncthreads();
  y[blockIdx.x * 32 + lane] = total * value;
}

torch::Tensor shuffle_in_half_a_warp(torch::Tensor x) {
  auto y = torch::empty_like(x);
  shuffle_in_half_a_warp_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
