# expected: invalid not-python
# an answer that was cut off and never unwrapped from its Markdown
Here is the optimised version with a fused CUDA kernel:

```python
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

source = """
__global__ void l2_norm_kernel(const float* x, float* y, int columns) {
    // one block for each row
