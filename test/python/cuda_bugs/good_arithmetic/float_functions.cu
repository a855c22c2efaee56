// The mathematical functions that activations and losses are made of.
// found: correct
// inputs: torch.randn(1024)
// expected: torch.erf(x) + x.tanh() + torch.expm1(x) + torch.log1p(x.abs()) + x.atan() + x.sinh() + x.abs() ** 0.3 + x.sin() + x.round() + x.floor() + x.ceil() + x.trunc() + torch.fmod(x, 0.7) + torch.hypot(x, x + 1) + torch.lgamma(x.abs() + 1)
__global__ void float_functions_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  const float v = x[i];
  float sum = erff(v) + tanhf(v) + expm1f(v) + log1pf(fabsf(v)) + atanf(v) + sinhf(v) + powf(fabsf(v), 0.3f);
  sum += sinf(v) + rintf(v) + floorf(v) + ceilf(v) + truncf(v) + fmodf(v, 0.7f) + hypotf(v, v + 1);
  y[i] = sum + lgammaf(fabsf(v) + 1);
}

torch::Tensor float_functions(torch::Tensor x) {
  auto y = torch::empty_like(x);
  float_functions_kernel<<<8, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
