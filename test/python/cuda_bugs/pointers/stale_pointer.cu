// The first call's workspace is remembered for ever, but it went with its tensor.
// found: runtime-error or mismatch
// inputs: torch.rand(512)
// expected: 2 * x + 1
__global__ void stale_pointer_fill(const float* x, float* w) {
  w[blockIdx.x * 128 + threadIdx.x] = 2 * x[blockIdx.x * 128 + threadIdx.x];
}

__global__ void stale_pointer_kernel(const float* w, float* y) {
  y[blockIdx.x * 128 + threadIdx.x] = w[blockIdx.x * 128 + threadIdx.x] + 1;
}

torch::Tensor stale_pointer(torch::Tensor x) {
  static float* workspace = nullptr;
  auto y = torch::empty_like(x);
  auto room = torch::empty_like(x);
  if (workspace == nullptr) workspace = room.data_ptr<float>();
  stale_pointer_fill<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), workspace);
  stale_pointer_kernel<<<x.numel() / 128, 128>>>(workspace, y.data_ptr<float>());
  return y;
}
