"""Device `cpu`: a CUDA runtime in software, so that a candidate's real library runs where no GPU is."""
