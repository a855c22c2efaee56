// What torch gives here, the shim gives in kval/tensor.h.
#pragma once
#include <kval/tensor.h>
