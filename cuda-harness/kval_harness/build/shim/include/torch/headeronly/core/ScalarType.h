// What torch gives here, the shim gives in kval/types.h.
#pragma once
#include <kval/types.h>
