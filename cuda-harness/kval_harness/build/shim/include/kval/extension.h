// torch/extension.h: everything of torch/types.h, and the bindings where the source names them.
#pragma once
#include <kval/tensor.h>
#ifdef KVAL_BIND
#include <kval/bind.h>
#endif
