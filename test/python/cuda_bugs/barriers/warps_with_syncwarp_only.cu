// Several warps share data, but only the threads of each warp wait for one another.
// found: mismatch
// inputs: torch.rand(4, 128)
// expected: x.flip(1)
__global__ void warps_with_syncwarp_only_kernel(const float* x, float* y) {
  __shared__ float values[128];
  const int t = threadIdx.x;
  values[t] = x[blockIdx.x * 128 + t];
  __syncwarp();
  y[blockIdx.x * 128 + t] = values[127 - t];
}

torch::Tensor warps_with_syncwarp_only(torch::Tensor x) {
  auto y = torch::empty_like(x);
  warps_with_syncwarp_only_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
