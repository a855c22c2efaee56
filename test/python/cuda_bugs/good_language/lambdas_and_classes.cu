// Lambdas inside a kernel, a class with a constructor, and a virtual call on an object made there.
// found: correct
// inputs: torch.rand(512)
// expected: torch.where(torch.arange(512) % 2 == 0, (x + 0.5) * 3, (x + 0.5) ** 2)
class LambdasShape {
 public:
  __device__ explicit LambdasShape(float side) : side_(side) {}
  __device__ virtual float area() const = 0;

 protected:
  float side_;
};

class LambdasSquare : public LambdasShape {
 public:
  using LambdasShape::LambdasShape;
  __device__ float area() const override { return side_ * side_; }
};

class LambdasStripe : public LambdasShape {
 public:
  using LambdasShape::LambdasShape;
  __device__ float area() const override { return side_ * 3; }
};

__device__ __noinline__ float lambdas_area(const LambdasShape& shape) { return shape.area(); }

__global__ void lambdas_and_classes_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  const auto wider = [&](float more) { return x[i] + more; };
  const LambdasSquare square(wider(0.5f));
  const LambdasStripe stripe(wider(0.5f));
  const LambdasShape& chosen = i % 2 == 0 ? static_cast<const LambdasShape&>(stripe) : square;
  y[i] = lambdas_area(chosen);
}

torch::Tensor lambdas_and_classes(torch::Tensor x) {
  auto y = torch::empty_like(x);
  lambdas_and_classes_kernel<<<4, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
