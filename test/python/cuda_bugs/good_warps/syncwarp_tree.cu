// A warp reduces in shared memory with __syncwarp between reading and writing.
// found: correct
// inputs: torch.rand(8, 32)
// expected: x.sum(dim=1)
__global__ void syncwarp_tree_kernel(const float* x, float* y) {
  __shared__ float sums[32];
  const int lane = threadIdx.x;
  float sum = x[blockIdx.x * 32 + lane];
  sums[lane] = sum;
  __syncwarp();
  for (int offset = 16; offset > 0; offset /= 2) {
    if (lane < offset) sum += sums[lane + offset];
    __syncwarp();
    sums[lane] = sum;
    __syncwarp();
  }
  if (lane == 0) y[blockIdx.x] = sums[0];
}

torch::Tensor syncwarp_tree(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  syncwarp_tree_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
