"""How a language model is fine-tuned: a YAML file of `models/recipes`, with what the command line changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from kval_models.refused import Refused


class RecipeError(Refused):
    """The recipe, or what was to be changed of it, is not what it should be."""


@dataclass(frozen=True)
class Recipe:
    """`training` goes to TRL's `SFTConfig` and `lora` to peft's `LoraConfig` as they are."""

    method: Literal["full", "lora"]
    base: str
    max_length: int
    global_batch_size: int
    early_stopping_patience: int
    lora: dict[str, Any]
    training: dict[str, Any]


def read_recipe(path: Path, *, base: str | None = None, changes: Sequence[str] = ()) -> Recipe:
    """`changes` are NAME=VALUE of `training`, or of the recipe's own numbers. Raises `RecipeError`."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe = Recipe(
            method=content["method"],
            base=base or content["base"],
            max_length=int(content["max_length"]),
            global_batch_size=int(content["global_batch_size"]),
            early_stopping_patience=int(content["early_stopping_patience"]),
            lora=dict(content.get("lora", {})),
            training=dict(content["training"]),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{path} is not a recipe: {error!r}") from error
    if recipe.method not in ("full", "lora"):
        raise RecipeError(f"{path}: the method is full or lora, not {recipe.method!r}")
    return _changed(recipe, changes)


def _changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    own: dict[str, int] = {
        "max_length": recipe.max_length,
        "global_batch_size": recipe.global_batch_size,
        "early_stopping_patience": recipe.early_stopping_patience,
    }
    training = dict(recipe.training)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name:
            raise RecipeError(f"{change!r} is not NAME=VALUE")
        value = _value(text)
        if name not in own:
            training[name] = value
        elif isinstance(value, int) and value > 0:
            own[name] = value
        else:
            raise RecipeError(f"{name} is a whole number above zero, not {text}")
    return Recipe(method=recipe.method, base=recipe.base, lora=recipe.lora, training=training, **own)


def _value(text: str) -> Any:  # noqa: ANN401
    """A number, true, false or null as JSON writes them (YAML reads 1e-5 as text); anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
