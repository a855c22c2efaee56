// What torch gives here, the shim gives in kval/cuda_context.h.
#pragma once
#include <kval/cuda_context.h>
