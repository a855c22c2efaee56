// Two streams with an event between them, an asynchronous copy and fill, and a time that is not negative.
// found: correct
// inputs: torch.rand(512)
// expected: (x + 1) * 2
__global__ void streams_and_events_add(const float* x, float* w) {
  w[blockIdx.x * 128 + threadIdx.x] += x[blockIdx.x * 128 + threadIdx.x] + 1;
}

__global__ void streams_and_events_double(const float* w, float* y) {
  y[blockIdx.x * 128 + threadIdx.x] = 2 * w[blockIdx.x * 128 + threadIdx.x];
}

torch::Tensor streams_and_events(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const size_t bytes = x.numel() * sizeof(float);
  cudaStream_t first, second;
  cudaEvent_t begin, end;
  cudaStreamCreate(&first);
  cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking);
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  cudaDeviceSynchronize();
  float *workspace = nullptr, milliseconds = -1;
  cudaMallocAsync(&workspace, bytes, first);
  cudaMemsetAsync(workspace, 0, bytes, first);
  cudaEventRecord(begin, first);
  streams_and_events_add<<<4, 128, 0, first>>>(x.data_ptr<float>(), workspace);
  cudaEventRecord(end, first);
  cudaStreamWaitEvent(second, end, 0);
  streams_and_events_double<<<4, 128, 0, second>>>(workspace, y.data_ptr<float>());
  cudaStreamSynchronize(second);
  cudaEventElapsedTime(&milliseconds, begin, end);
  cudaFreeAsync(workspace, first);
  cudaStreamSynchronize(first);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
  TORCH_CHECK(milliseconds >= 0, "the time between two events is ", milliseconds);
  TORCH_CHECK(cudaGetLastError() == cudaSuccess, "an error is left");
  return y;
}
