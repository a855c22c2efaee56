// What torch gives here, the shim gives in kval/cuda_guard.h.
#pragma once
#include <kval/cuda_guard.h>
