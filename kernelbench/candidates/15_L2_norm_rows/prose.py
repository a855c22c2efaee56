# expected: invalid not-python
# an answer in words, without any code
To speed this model up, I would fuse the squared sum and the division into one CUDA kernel: one warp for each row,
a butterfly reduction with shuffles, and a second pass over the row, which is still in the cache. Since the rows have
256 elements, every lane handles eight of them. The kernel would be compiled with load_inline and called from forward.

Would you like me to write it out?
