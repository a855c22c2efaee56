"""The floor under every time: bandwidths, bytes, and inputs that need not be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kval_harness.physics import Traffic, floor_ms, needed_share, peak_bandwidth, why_impossible

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process


def test_no_kernel_beats_bytes_over_bandwidth() -> None:
    assert floor_ms(4_800_000_000, 4.8e12) == pytest.approx(1.0)


def test_bandwidth_comes_from_the_device_or_the_table_whichever_is_more() -> None:
    assert peak_bandwidth("NVIDIA H100 80GB HBM3", 2_619_000, 5120) == pytest.approx(4.0e12)
    assert peak_bandwidth("NVIDIA A100-SXM4-80GB", 1_593_000, 5120) == pytest.approx(2.04e12, rel=0.01)
    assert peak_bandwidth("Tesla T4", None, None) == 0.32e12
    assert peak_bandwidth("NVIDIA H200", 0, 6144) == 4.9e12
    assert peak_bandwidth("A card of tomorrow", 10_000_000, 1024) == pytest.approx(2.56e12)
    assert peak_bandwidth("A card of tomorrow", None, None) is None
    assert peak_bandwidth("NVIDIA L40S", None, None) == 0.87e12
    assert peak_bandwidth("NVIDIA L4", None, None) == 0.30e12


def test_outputs_that_the_cache_can_keep_back_do_not_count() -> None:
    assert Traffic(100, 50).least_bytes == 150
    assert Traffic(100, 50, l2_bytes=40).least_bytes == 110
    assert Traffic(100, 50, l2_bytes=4000).least_bytes == 100


def test_the_evidence_names_time_bytes_and_floor() -> None:
    found = why_impossible(0.5, 2.0, Traffic(4_000_000_000, 0), 4e12)
    assert found is not None and "4000000000 bytes" in found and "0.9 ms" in found
    assert why_impossible(0.91, 2.0, Traffic(4_000_000_000, 0), 4e12) is None
    assert why_impossible(0.5, 2.0, Traffic(4_000_000_000, 0), 4e12, share=0.5) is None


def test_how_much_of_its_inputs_a_reference_needs() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.rand(64, 64, generator=generator)]

    def call(function: str) -> Callable[[Any], list[torch.Tensor]]:
        return lambda values: [eval(function, {"x": values[0], "torch": torch, "rest": values[1:]})]

    assert needed_share(call("torch.softmax(x, 1)"), inputs, generator) > 0.85
    assert needed_share(call("x.sum()"), inputs, generator) > 0.85
    assert 0.2 < needed_share(call("x[:, :32].sum(1)"), inputs, generator, probes=200) < 0.5
    assert needed_share(call("x[:, 0]"), inputs, generator) < 0.2
    table = [inputs[0], torch.tensor([3, 5])]
    assert needed_share(call("x[rest[0]]"), table, generator) < 0.2
    assert needed_share(call("x + 1"), [torch.arange(5)], generator) == 0.0
    assert bool(inputs[0].isfinite().all()), "the probes leave the inputs alone"
