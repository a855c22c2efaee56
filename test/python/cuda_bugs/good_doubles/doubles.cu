// Double precision all the way, with functions.
// found: correct
// inputs: torch.rand(512) + 0.1
// expected: (x.double().sin() * x.double().exp() + x.double().log() / x.double().sqrt() + x.double() ** 1.5).float()
__global__ void doubles_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  const double value = x[i];
  y[i] = sin(value) * exp(value) + log(value) / sqrt(value) + pow(value, 1.5);
}

torch::Tensor doubles(torch::Tensor x) {
  auto y = torch::empty_like(x);
  doubles_kernel<<<4, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
