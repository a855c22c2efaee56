// Even and odd threads wait at two different barriers; hardware counts arrivals, so the values are right there.
// found: lint divergent-barrier
// inputs: torch.rand(4, 128)
// expected: torch.stack([x[:, 0::2] + 2 * x.flip(1)[:, 0::2], 2 * x[:, 1::2] * x.flip(1)[:, 1::2]], 2).flatten(1)
__global__ void barriers_differ_kernel(const float* x, float* y) {
  __shared__ float values[128];
  const int t = threadIdx.x, i = blockIdx.x * 128 + t;
  if (t % 2 == 0) {
    values[t] = x[i];
    __syncthreads();
    y[i] = values[t] + values[127 - t];
  } else {
    values[t] = 2 * x[i];
    __syncthreads();
    y[i] = values[t] * values[127 - t];
  }
}

torch::Tensor barriers_differ(torch::Tensor x) {
  auto y = torch::empty_like(x);
  barriers_differ_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
