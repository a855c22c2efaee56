// What torch gives here, the shim gives in kval/cuda_check.h.
#pragma once
#include <kval/cuda_check.h>
