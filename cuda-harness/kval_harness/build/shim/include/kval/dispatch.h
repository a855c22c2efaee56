// AT_DISPATCH_* are torch's own macros.
#pragma once
#include <kval/half.h>
#include <ATen/Dispatch.h>
