"""A small stand-in for torch's C++ headers that talks to torch's own libraries; see `include/kval`."""
