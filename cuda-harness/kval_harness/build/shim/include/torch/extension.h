// What torch gives here, the shim gives in kval/extension.h. No `#pragma once`: this file is also precompiled.
#ifndef KVAL_TORCH_EXTENSION_H
#define KVAL_TORCH_EXTENSION_H
#include <kval/extension.h>
#endif
