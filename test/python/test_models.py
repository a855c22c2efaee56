"""The trainer of the embedded simulator, on feature files made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from kval_models.__main__ import main
from kval_models.columns import choose_columns
from kval_models.embedded import train_embedded
from kval_models.forest import export_forest, export_random_forest
from kval_models.head import fit_head
from kval_models.matrix import Matrix, MatrixError, read_matrix
from sklearn.ensemble import ExtraTreesClassifier

BUILT_NAMES = ["built.kernels", "built.stores"]
NAMES = ["signal", "noise", "device", "sometimes", "flaw", "flaws"]
GRAM_COLUMNS = 64


def write_matrix(
    path: Path, rows: int = 160, *, executed: bool = True, train: int | None = None, told: str = "nothing"
) -> Path:
    """`signal` decides whether a row compiles, hashed column 5 whether it is correct, `noise` how a row fails.

    `told`: what the builds of half the rows say: "nothing" where there are none, "noise", or "truth", which the hashed
    column then keeps to itself.
    """
    random = np.random.default_rng(3)
    parsed = random.normal(size=(rows, len(NAMES))).astype("<f4")
    parsed[random.random(rows) < 0.5, 3] = np.nan
    parsed[:, 4:] = 0
    compiled = (parsed[:, 0] > -0.3).astype(int)
    right = random.random(rows) < 0.5
    columns = np.where(right if told != "truth" else random.random(rows) < 0.5, 5, 6).astype("<u4")
    built = np.full((rows, len(BUILT_NAMES)), np.nan, dtype="<f4")
    if told != "nothing":
        built[::2, 0] = 1
        built[::2, 1] = (right if told == "truth" else random.random(rows) < 0.5)[::2]
    correct = [int(ok) if built else 0 for built, ok in zip(compiled, right, strict=True)]
    header = {
        "format": "kval-features",
        "featureVersion": "v",
        "dataset": "d",
        "names": NAMES,
        "builtNames": BUILT_NAMES,
        "gramColumns": GRAM_COLUMNS,
        "rows": rows,
        "nonzero": rows,
        "split": ["train" if train is None or row < train else "test" for row in range(rows)],
        "group": [row % 20 for row in range(rows)],
        "compiled": compiled.tolist(),
        "correct": correct if executed else [None if built else 0 for built in compiled],
        "invalid": [None if built or not executed else int(parsed[row, 1] > 0) for row, built in enumerate(compiled)],
        "ran": [
            int(parsed[row, 1] > 0) if executed and compiled[row] and not correct[row] else None for row in range(rows)
        ],
        "logRuntimeMs": [float(parsed[row, 1]) if executed and correct[row] else None for row in range(rows)],
        "logSpeedup": [-float(parsed[row, 1]) if executed and correct[row] else None for row in range(rows)],
        "findings": {"compiled": {"names": ["flaw"], "total": "flaws"}},
    }
    arrays = [parsed, built, np.arange(rows + 1, dtype="<u4"), columns, np.ones(rows, dtype="<f4")]
    path.write_bytes(json.dumps(header).encode() + b"\n" + b"".join(array.tobytes() for array in arrays))
    return path


def train(matrix: Matrix, out: Path) -> dict[str, object]:
    lines: list[dict[str, object]] = []
    train_embedded(matrix, out, seed=1, progress=lines.append)
    assert lines[-1]["done"] == lines[-1]["total"] == len(lines)
    model = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert isinstance(model, dict)
    return model


def test_reads_what_was_written(tmp_path: Path) -> None:
    matrix = read_matrix(write_matrix(tmp_path / "m.bin", 30, train=20))
    assert matrix.parsed.shape == (30, len(NAMES))
    assert matrix.built.shape == (30, len(BUILT_NAMES)) and np.isnan(matrix.built).all()
    assert matrix.train.sum() == 20
    assert matrix.grams.shape == (30, GRAM_COLUMNS)
    assert set(matrix.grams.indices.tolist()) == {5, 6}


@pytest.mark.parametrize("keep", [0, 20, 4000])
def test_refuses_a_damaged_file(tmp_path: Path, keep: int) -> None:
    path = write_matrix(tmp_path / "m.bin")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(MatrixError):
        read_matrix(path)


def test_trains_every_head_from_the_training_split_alone(tmp_path: Path) -> None:
    model = train(read_matrix(write_matrix(tmp_path / "m.bin", 240, train=200)), tmp_path / "out")
    heads = model["heads"]
    assert isinstance(heads, dict)
    assert 5 in model["grams"] or 6 in model["grams"]  # type: ignore[operator]
    assert all(heads[name] is not None for name in ("compiled", "correct", "invalid", "ran", "runtime", "speedup"))
    assert NAMES.index("device") not in heads["compiled"]["random"]["feature"]
    assert NAMES.index("sometimes") not in heads["compiled"]["random"]["feature"]
    assert heads["runtime"]["low"]["base"] <= 0 <= heads["runtime"]["high"]["base"]
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert max(scores["compiled"]["rows"]) < 200
    assert len(scores["compiled"]["rows"]) == 200
    assert len(scores["correct"]["rows"]) < 200
    # Each way to fail is asked of its own rows: what did not compile, and what did and is wrong.
    assert not set(scores["invalid"]["rows"]) & (set(scores["ran"]["rows"]) | set(scores["correct"]["rows"]))
    assert set(scores["ran"]["rows"]) < set(scores["correct"]["rows"])


def test_verdicts_do_not_rest_on_what_is_known_of_good_kernels_alone(tmp_path: Path) -> None:
    matrix = read_matrix(write_matrix(tmp_path / "m.bin", 300))
    parsed = matrix.parsed.copy()
    parsed[:, NAMES.index("device")] = np.where(matrix.compiled == 1, 7, np.nan)
    betrayed = Matrix(**{**vars(matrix), "parsed": parsed})
    heads = train(betrayed, tmp_path / "out")["heads"]
    assert isinstance(heads, dict)
    for name in ("compiled", "correct", "invalid", "ran"):
        for forest in (*heads[name]["boosted"], heads[name]["random"]):
            assert NAMES.index("device") not in forest["feature"], name


def test_listens_to_builds_only_where_they_tell_more(tmp_path: Path) -> None:
    told = read_matrix(write_matrix(tmp_path / "truth.bin", 400, told="truth"))
    model = train(told, tmp_path / "truth")
    heads = model["heads"]
    assert isinstance(heads, dict)
    grams = model["grams"]
    assert isinstance(grams, list)
    stores = len(NAMES) + len(grams) + 1
    assert stores in heads["correctOnceBuilt"]["random"]["feature"]
    scores = json.loads((tmp_path / "truth" / "scores.json").read_text(encoding="utf-8"))["correctOnceBuilt"]
    right = [
        (score > 0) == bool(told.correct[row]) for row, score in zip(scores["rows"], scores["scores"], strict=True)
    ]
    assert np.mean(right) > 0.95 and not np.isnan(told.built[scores["rows"]]).any()
    noisy = train(read_matrix(write_matrix(tmp_path / "noise.bin", 400, told="noise")), tmp_path / "noise")["heads"]
    assert isinstance(noisy, dict) and noisy["correctOnceBuilt"] is None and noisy["correct"] is not None


def test_leaves_out_heads_without_labels(tmp_path: Path) -> None:
    model = train(read_matrix(write_matrix(tmp_path / "m.bin", executed=False)), tmp_path / "out")
    heads = model["heads"]
    assert isinstance(heads, dict)
    assert heads["compiled"] is not None
    assert [heads[name] for name in ("correct", "correctOnceBuilt", "invalid", "ran")] == [None] * 4
    assert heads["runtime"] is None and heads["speedup"] is None


def test_answers_with_the_prior_where_one_class_is_missing(tmp_path: Path) -> None:
    matrix = read_matrix(write_matrix(tmp_path / "m.bin"))
    everything = Matrix(**{**vars(matrix), "compiled": np.ones(len(matrix.compiled))})
    heads = train(everything, tmp_path / "out")["heads"]
    assert isinstance(heads, dict)
    assert heads["compiled"]["random"] is None
    (constant,) = heads["compiled"]["boosted"]
    assert constant["roots"] == [] and constant["base"] > 4


def test_command_reports_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_matrix(tmp_path / "m.bin", 40, train=4)
    assert main(["train-embedded", "--matrix", str(path), "--out", str(tmp_path / "out")]) == 2
    line = json.loads(capsys.readouterr().out)
    assert line["type"] == "error" and "4 rows" in line["message"]
    assert not (tmp_path / "out").exists()


def test_exported_trees_predict_what_lightgbm_predicts() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(300, 3))
    values[random.random(300) < 0.3, 1] = np.nan
    truth = (np.nan_to_num(values[:, 1], nan=1.0) + values[:, 0] > 0).astype(float)
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(values, truth), 20
    )
    forest = export_forest(booster)
    assert isinstance(forest, dict)
    expected = booster.predict(values, raw_score=True)
    assert [evaluate(forest, row) for row in values.tolist()] == pytest.approx(list(expected))


def test_exported_random_trees_give_the_mean_share() -> None:
    random = np.random.default_rng(6)
    values = random.normal(size=(200, 3)).astype(np.float32)
    model = ExtraTreesClassifier(12, min_samples_leaf=2, random_state=1).fit(values, values[:, 0] > 0.2)
    wide = np.zeros((200, 9), dtype=np.float32)
    wide[:, [2, 5, 7]] = values
    forest = export_random_forest(model, np.array([2, 5, 7]))
    assert isinstance(forest, dict)
    assert [evaluate(forest, row) for row in wide.tolist()] == pytest.approx(
        list(model.predict_proba(values)[:, 1]), abs=1e-5
    )


def test_a_known_flaw_counts_though_no_row_has_it(tmp_path: Path) -> None:
    matrix = read_matrix(write_matrix(tmp_path / "m.bin"))
    rows = np.arange(len(matrix.compiled))
    columns = choose_columns(matrix, [(rows, matrix.compiled)], seed=1)
    head = fit_head(columns, rows, matrix.compiled, 1, name="compiled")
    good = columns.values[matrix.compiled == 1].copy()
    sound = head.score(good)
    good[:, 4:] = 1
    assert (sound > 0).mean() > 0.9
    assert (head.score(good) < 0).mean() > 0.9
    unaware = fit_head(columns, rows, matrix.compiled, 1, name="another")
    assert (unaware.score(good) > 0).mean() > 0.9


def evaluate(forest: Mapping[str, object], row: list[float]) -> float:
    arrays: dict[str, list[float]] = {key: value for key, value in forest.items() if isinstance(value, list)}
    total = 0.0
    for root in arrays["roots"]:
        node = int(root)
        while node >= 0:
            value, missing = row[int(arrays["feature"][node])], arrays["missing"][node]
            unknown = value != value
            left = missing == 1 if unknown and missing else (0.0 if unknown else value) <= arrays["threshold"][node]
            node = int(arrays["left"][node] if left else arrays["right"][node])
        total += arrays["leaves"][-1 - node]
    return total
