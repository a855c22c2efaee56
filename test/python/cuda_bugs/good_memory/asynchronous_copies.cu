// Tiles come in by cp.async, waited for by groups.
// found: correct
// inputs: torch.rand(4, 512)
// expected: x.flip(1)
#include <cuda_pipeline.h>

__global__ void asynchronous_copies_kernel(const float* x, float* y) {
  __shared__ __align__(16) float row[512];
  const int t = threadIdx.x;
  __pipeline_memcpy_async(&row[t * 4], &x[blockIdx.x * 512 + t * 4], 16);
  __pipeline_commit();
  __pipeline_wait_prior(0);
  __syncthreads();
  for (int i = t; i < 512; i += 128) y[blockIdx.x * 512 + i] = row[511 - i];
}

torch::Tensor asynchronous_copies(torch::Tensor x) {
  auto y = torch::empty_like(x);
  asynchronous_copies_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
