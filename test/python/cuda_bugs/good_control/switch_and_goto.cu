// A switch over many cases, a loop left in the middle, and a goto.
// found: correct
// inputs: torch.randint(0, 12, (512,), dtype=torch.int32)
// expected: torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, -1, -1], dtype=torch.int32)[x.long()]
__global__ void switch_and_goto_kernel(const int* x, int* y, int n) {
  for (int i = threadIdx.x;; i += blockDim.x) {
    if (i >= n) break;
    int figure = 0;
    switch (x[i]) {
      case 0: figure = 3; break;
      case 1:
      case 3: figure = 1; break;
      case 2: figure = 4; break;
      case 4:
      case 8: figure = 5; break;
      case 5: figure = 9; break;
      case 6: figure = 2; break;
      case 7: figure = 6; break;
      case 9: figure = 3; break;
      default: goto unknown;
    }
    y[i] = figure;
    continue;
  unknown:
    y[i] = -1;
  }
}

torch::Tensor switch_and_goto(torch::Tensor x) {
  auto y = torch::empty_like(x);
  switch_and_goto_kernel<<<1, 96>>>(x.data_ptr<int>(), y.data_ptr<int>(), x.numel());
  return y;
}
