"""What the fine-tuning starts from: trained weights, or a new model of the architecture and a tokenizer for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from kval_models.refused import Refused

CONFIG = "config:"
"""Before the path of a model config: start from random weights."""

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# Qwen2's own rules for where a token may end, so that `true` and `false` are whole tokens here as there.
SPLITS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class BaseError(Refused):
    """The base cannot be opened, or is no model that can be fine-tuned so."""


def load_tokenizer(base: str, texts: Iterable[str]) -> Any:  # noqa: ANN401
    """The base's own; for a config, byte-level BPE trained on `texts`."""
    if not base.startswith(CONFIG):
        try:
            return AutoTokenizer.from_pretrained(base)
        except (OSError, ValueError) as error:
            raise BaseError(f"the tokenizer of {base} cannot be loaded: {error}") from error
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLITS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=int(_config(base)["vocab_size"]),
        special_tokens=[END, START, STOP],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=STOP, pad_token=END)
    made.chat_template = CHAT_TEMPLATE
    return made


def load_model(base: str, tokenizer: Any) -> Any:  # noqa: ANN401
    """In float32: the optimizer needs its precision; the arithmetic of a GPU is bfloat16 all the same."""
    if not base.startswith(CONFIG):
        try:
            return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise BaseError(f"{base} cannot be loaded: {error}") from error
    wanted = _config(base)
    wanted |= {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
    }
    config = AutoConfig.for_model(wanted.pop("model_type"), **wanted)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def _config(base: str) -> dict[str, Any]:
    path = Path(base.removeprefix(CONFIG))
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"model_type": content["model_type"], "vocab_size": content["vocab_size"], **content}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseError(f"{path} is not a model config: {error!r}") from error
