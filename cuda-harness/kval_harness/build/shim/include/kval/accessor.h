// Accessors are torch's own: their headers are light.
#pragma once
#include <kval/array_ref.h>
#include <ATen/core/TensorAccessor.h>
