// What torch gives here, the shim gives in kval/half.h.
#pragma once
#include <kval/half.h>
