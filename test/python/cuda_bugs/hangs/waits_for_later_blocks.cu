// Every block but the last waits for a flag that the last one sets: more blocks than fit on a device never end.
// found: timeout or runtime-error
// limit: 6
// inputs: torch.rand(512)
// expected: x + 1
__global__ void waits_for_later_blocks_kernel(const float* x, float* y, volatile int* flag) {
  if (threadIdx.x == 0) {
    if (blockIdx.x == gridDim.x - 1) {
      flag[0] = 1;
    } else {
      while (flag[0] == 0) {
      }
    }
    y[blockIdx.x] = x[blockIdx.x] + 1;
  }
  __syncthreads();
}

torch::Tensor waits_for_later_blocks(torch::Tensor x) {
  auto y = torch::empty_like(x);
  auto flag = torch::zeros({1}, x.options().dtype(torch::kInt32));
  waits_for_later_blocks_kernel<<<x.numel(), 1024>>>(x.data_ptr<float>(), y.data_ptr<float>(), flag.data_ptr<int>());
  return y;
}
