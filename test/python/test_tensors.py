"""Tensors through a file: every type, every order in memory, and one order of leaves for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from kval_harness.tensors import DTYPES, NotTensors, flatten, map_tensors, read_values, tensors_in, write_values

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process


@pytest.mark.parametrize("name", DTYPES)
def test_every_type_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    raw = torch.arange(96, dtype=torch.uint8).reshape(2, 48)
    tensor = raw.view(getattr(torch, name)) if name != "bool" else raw > 40
    write_values(tmp_path / "file", [tensor, tensor[:, :1], tensor.t(), tensor[0, 0], tensor[:0]])
    back = read_values(tmp_path / "file")
    assert isinstance(back, list)
    for was, now in zip([tensor, tensor[:, :1], tensor.t(), tensor[0, 0], tensor[:0]], back, strict=True):
        assert now.dtype == was.dtype and now.shape == was.shape
        assert torch.equal(_raw(now), _raw(was))
    assert back[2].stride() == tensor.t().stride()


def test_leaves_have_one_order_whoever_lists_them() -> None:
    """The keys of a dict are sorted, so that it does not matter in which order two models fill theirs."""
    one = {"b": torch.ones(1), "a": [torch.ones(2), {"d": 5, "c": torch.ones(3)}]}
    other = {"a": [torch.ones(2), {"c": torch.ones(3), "d": 5}], "b": torch.ones(1)}
    for tree in (one, other):
        assert [leaf.numel() for leaf in tensors_in(tree)] == [2, 3, 1]
        assert [leaf for leaf in flatten(tree) if not isinstance(leaf, torch.Tensor)] == [5]
    doubled = map_tensors(one, lambda tensor: tensor * 2)
    assert isinstance(doubled, dict) and float(doubled["b"]) == 2.0


def test_a_file_that_lies_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_values(file, [torch.ones(100)])
    whole = file.read_bytes()
    for spoilt in (b"", whole[:4], whole[:-1], whole.replace(b"[100]", b"[999]"), b"\xff" * 64):
        file.write_bytes(spoilt)
        with pytest.raises(NotTensors):
            read_values(file)
    file.write_bytes(whole)
    with pytest.raises(NotTensors, match="at most"):
        read_values(file, max_bytes=100)


def _raw(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
