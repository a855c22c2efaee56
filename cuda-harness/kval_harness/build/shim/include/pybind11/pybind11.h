// What torch gives here, the shim gives in kval/extension.h.
#pragma once
#include <kval/extension.h>
