// The padding round a shared tile is taken to be zero, but nobody makes it so.
// found: mismatch
// inputs: torch.rand(4, 126)
// expected: torch.nn.functional.pad(x, (0, 2))[:, :126] + torch.nn.functional.pad(x, (0, 1))[:, 1:]
__global__ void uninitialised_halo_kernel(const float* x, float* y, int columns) {
  __shared__ float row[128];
  const int t = threadIdx.x;
  if (t < columns) row[t] = x[blockIdx.x * columns + t];
  __syncthreads();
  if (t < columns) y[blockIdx.x * columns + t] = row[t] + row[t + 1];
}

torch::Tensor uninitialised_halo(torch::Tensor x) {
  auto y = torch::empty_like(x);
  uninitialised_halo_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
