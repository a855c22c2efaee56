// Four at a time, rounded up: the last vector reaches behind both arrays.
// found: runtime-error
// inputs: torch.rand(1022)
// expected: x + 1
__global__ void vector_tail_kernel(const float4* x, float4* y, int vectors) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  if (i < vectors) {
    const float4 four = x[i];  // here
    y[i] = make_float4(four.x + 1, four.y + 1, four.z + 1, four.w + 1);
  }
}

torch::Tensor vector_tail(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int vectors = (x.numel() + 3) / 4;
  vector_tail_kernel<<<(vectors + 63) / 64, 64>>>(
      (const float4*)x.data_ptr<float>(), (float4*)y.data_ptr<float>(), vectors);
  return y;
}
