"""Variants keep what a kernel may rely on, and change the rest."""

from __future__ import annotations

import pytest
import torch
from kval_harness.compare import Expected
from kval_harness.vary import KINDS, Kind, freshen, generator_for, is_sound, vary

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def varied(tensor: torch.Tensor, kind: Kind) -> torch.Tensor:
    found = vary([tensor], kind, drawn())
    assert isinstance(found, list), "nothing was varied"
    changed = found[0]
    assert changed.shape == tensor.shape and changed.dtype == tensor.dtype
    return changed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_no_value_leaves_the_range_and_the_original_stays(kind: Kind, dtype: torch.dtype) -> None:
    for tensor in (torch.rand(50, 60), torch.randn(50, 60), torch.rand(3000) * 3 + 2, -torch.rand(40, 40) - 1):
        source = tensor.to(dtype)
        before = source.clone()
        changed = varied(source, kind)
        assert source.min() <= changed.min() and changed.max() <= source.max()
        assert torch.equal(source, before) and not torch.equal(changed, source)
        if float(source.min()) >= 0:
            assert float(changed.min()) >= 0


def test_each_kind_changes_what_it_says() -> None:
    values = torch.randn(4000, generator=drawn())
    assert float(varied(values, "scaled").std()) == pytest.approx(float(values.std()) / 8, rel=1e-3)
    assert float(varied(values, "clustered").std()) == pytest.approx(float(values.std()) / 4, rel=1e-2)
    assert float((varied(values, "sparse") == 0).double().mean()) == pytest.approx(15 / 16, abs=0.02)
    assert torch.allclose(varied(values, "mirrored"), values.min() + values.max() - values, atol=1e-6)
    assert float(varied(values.abs() + 5, "scaled").std()) == pytest.approx(float(values.abs().std()) / 2, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_structure_stays(kind: Kind) -> None:
    lower = torch.tril(torch.randn(30, 30))
    assert bool((varied(lower, kind).triu(1) == 0).all())
    half = torch.randn(30, 30)
    symmetric = half + half.T
    assert torch.equal(varied(symmetric, kind), varied(symmetric, kind).T)
    rows = torch.softmax(torch.randn(20, 30), -1)
    assert torch.allclose(varied(rows, kind).sum(-1), torch.ones(20), atol=1e-5)
    assert float(varied(rows, kind).min()) >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_are_names_and_not_measurements_stays(kind: Kind) -> None:
    left_alone = [
        torch.randint(0, 10, (100,)),
        torch.rand(100) > 0.5,
        torch.randint(0, 2, (100,)).float() * 2 - 1,
        (torch.rand(100) > 0.5).float() * 0.3,
        torch.rand(100).sort().values,
        torch.log_softmax(torch.randn(10, 20), -1),
        torch.tensor(0.7),
        torch.zeros(0),
        torch.tensor([1.0, float("inf"), 0.3]),
    ]
    assert vary([*left_alone, 3, "text"], kind, drawn()) is None
    mixed = vary({"x": torch.randn(30), "labels": left_alone[0], "n": 3}, kind, drawn())
    assert isinstance(mixed, dict)
    assert torch.equal(mixed["labels"], left_alone[0]) and mixed["n"] == 3


def test_the_generator_decides() -> None:
    tensor = torch.randn(500)
    for kind in ("sparse", "clustered"):
        same, other = vary([tensor], kind, drawn(7)), vary([tensor], kind, drawn(8))
        again = vary([tensor], kind, drawn(7))
        assert isinstance(same, list) and isinstance(other, list) and isinstance(again, list)
        assert torch.equal(same[0], again[0]) and not torch.equal(same[0], other[0])


def test_a_timed_call_gets_values_that_no_cache_has_seen() -> None:
    inputs = [torch.randn(100, generator=drawn()), torch.arange(5), torch.tril(torch.randn(9, 9))]
    seen = {tuple(one[0].tolist()) for key in range(50) if isinstance(one := freshen(inputs, key), list)}
    assert len(seen) == 50
    fresh = freshen(inputs, 123_456_789)
    assert isinstance(fresh, list)
    assert torch.equal(fresh[1], inputs[1]) and bool((fresh[2].triu(1) == 0).all())
    assert torch.allclose(fresh[0], inputs[0], rtol=1 / 31, atol=0) and torch.equal(fresh[0].sign(), inputs[0].sign())
    assert torch.equal(fresh[0].argsort(), inputs[0].argsort())
    assert freshen(inputs, 5) is not inputs and fresh[0].data_ptr() != inputs[0].data_ptr()


def test_a_variant_counts_only_where_the_reference_is_sound() -> None:
    exact = torch.randn(100, dtype=torch.float64)
    assert is_sound(Expected(exact.float(), exact))
    assert is_sound(Expected(exact.half(), exact.half().double()))
    assert not is_sound(Expected((exact * 1.01).float(), exact)), "drowned in rounding"
    assert not is_sound(Expected(torch.zeros(100), torch.zeros(100, dtype=torch.float64))), "nothing left"
    assert not is_sound(Expected(exact.float(), None))
    spoilt = exact.clone()
    spoilt[3] = float("nan")
    assert not is_sound(Expected(spoilt.float(), exact)) and not is_sound(Expected(exact.float(), spoilt))
    assert is_sound(Expected(torch.arange(4), None))


def test_which_values_a_variant_keeps_has_nothing_to_do_with_what_they_are() -> None:
    torch.manual_seed(7)
    uniform = torch.rand(16, 4096)
    found = vary([uniform], "sparse", generator_for(7))
    assert isinstance(found, list)
    kept = found[0][found[0] != uniform.min()]
    assert kept.numel() / uniform.numel() == pytest.approx(1 / 16, rel=0.1)
    assert kept.mean().item() == pytest.approx(0.5, abs=0.05)
