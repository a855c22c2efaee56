// A cooperative launch whose blocks wait for one another in the middle.
// found: correct
// inputs: torch.rand(8, 64)
// expected: x / x.sum()
#include <cooperative_groups.h>

__global__ void grid_barrier_kernel(const float* x, float* sum, float* y) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  atomicAdd(sum, x[i]);
  const auto grid = cooperative_groups::this_grid();
  grid.barrier_wait(grid.barrier_arrive());
  y[i] = x[i] / ((volatile float*)sum)[0];
}

torch::Tensor grid_barrier(torch::Tensor x) {
  auto y = torch::empty_like(x);
  auto sum = torch::zeros({1}, x.options());
  const float* from = x.data_ptr<float>();
  float *total = sum.data_ptr<float>(), *to = y.data_ptr<float>();
  void* arguments[] = {&from, &total, &to};
  const auto error = cudaLaunchCooperativeKernel((const void*)grid_barrier_kernel, dim3(8), dim3(64), arguments, 0, 0);
  TORCH_CHECK(error == cudaSuccess, cudaGetErrorString(error));
  return y;
}
