// Neither side of the block is too long, but together they are 6400 threads.
// found: runtime-error or mismatch
// inputs: torch.rand(80, 80)
// expected: x.t().contiguous()
__global__ void block_of_80_by_80_kernel(const float* x, float* y) {
  y[threadIdx.x * 80 + threadIdx.y] = x[threadIdx.y * 80 + threadIdx.x];
}

torch::Tensor block_of_80_by_80(torch::Tensor x) {
  auto y = torch::empty_like(x);
  block_of_80_by_80_kernel<<<1, dim3(80, 80)>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
