// What torch gives here, the shim gives in kval/array_ref.h.
#pragma once
#include <kval/array_ref.h>
