// What torch gives here, the shim gives in kval/cuda_stream.h.
#pragma once
#include <kval/cuda_stream.h>
