// A structure with arrays as kernel parameter, read with an index from the data; and the launch bounds of a kernel.
// found: correct
// inputs: torch.rand(6, 50)
// expected: x.view(3, 2, 50).permute(1, 2, 0).contiguous() + torch.tensor([0.0, 10.0, 20.0])
struct ParameterStructuresLayout {
  const float* base;
  int sizes[3];
  int strides[3];
  float shifts[3];
};

__global__ void __launch_bounds__(64, 2) parameter_structures_kernel(ParameterStructuresLayout layout, float* y, int n) {
  int rest = blockIdx.x * 64 + threadIdx.x;
  if (rest >= n) return;
  const int i = rest;
  int offset = 0, last = 0;
  for (int d = 2; d >= 0; --d) {
    const int place = rest % layout.sizes[d];
    if (d == 2) last = place;
    offset += place * layout.strides[d];
    rest /= layout.sizes[d];
  }
  y[i] = layout.base[offset] + layout.shifts[last];
}

torch::Tensor parameter_structures(torch::Tensor x) {
  auto view = x.view({3, 2, 50}).permute({1, 2, 0});
  ParameterStructuresLayout layout;
  layout.base = view.data_ptr<float>();
  for (int d = 0; d < 3; ++d) {
    layout.sizes[d] = view.size(d);
    layout.strides[d] = view.stride(d);
    layout.shifts[d] = 10.0f * d;
  }
  auto y = torch::empty({2, 50, 3}, x.options());
  parameter_structures_kernel<<<5, 64>>>(layout, y.data_ptr<float>(), 300);
  return y;
}
