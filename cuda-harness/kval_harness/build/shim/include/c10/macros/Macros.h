// What torch gives here, the shim gives in torch/headeronly/macros/Macros.h.
#pragma once
#include <torch/headeronly/macros/Macros.h>
