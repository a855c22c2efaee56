// Whole blocks return before the barrier that the others meet.
// found: correct
// inputs: torch.rand(5, 128)
// expected: x.flip(1)
__global__ void whole_blocks_return_kernel(const float* x, float* y, int rows) {
  __shared__ float row[128];
  if (blockIdx.x >= rows) return;
  row[threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = row[127 - threadIdx.x];
}

torch::Tensor whole_blocks_return(torch::Tensor x) {
  auto y = torch::empty_like(x);
  whole_blocks_return_kernel<<<8, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(0));
  return y;
}
