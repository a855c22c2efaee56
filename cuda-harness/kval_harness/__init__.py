"""Builds, runs, compares and times CUDA kernels for KernelBench problems, each in a process of its own."""

from __future__ import annotations

__version__ = "0.1.0"
