// c10::Half and c10::BFloat16 are torch's own: their headers are light.
#pragma once
#include <kval/scalar.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

namespace c10 {
inline Scalar::Scalar(Half value) : Scalar(static_cast<float>(value)) {}
inline Scalar::Scalar(BFloat16 value) : Scalar(static_cast<float>(value)) {}
} // namespace c10
namespace at {
using c10::BFloat16;
using c10::Half;
} // namespace at
