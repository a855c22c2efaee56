// The kernel works in place on the tensor that it was given.
// found: mismatch
// inputs: torch.rand(512)
// expected: torch.relu(x - 0.5)
__global__ void writes_its_input_kernel(float* x) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  x[i] = fmaxf(x[i] - 0.5f, 0.0f);
}

torch::Tensor writes_its_input(torch::Tensor x) {
  writes_its_input_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>());
  return x.clone();
}
