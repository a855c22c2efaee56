// What torch gives here, the shim gives in kval/check.h.
#pragma once
#include <kval/check.h>
