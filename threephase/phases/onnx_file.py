"""A kept classifier as ONNX, for programs without torch: an extra, whose packages the project does not require."""

from importlib.util import find_spec
from pathlib import Path

import torch

from threephase.base.errors import UserError

ONNX, INPUTS, LOGITS = "model.onnx", ("input_ids", "attention_mask"), "logits"
PACKAGES = ("onnx", "onnxscript")  # what torch's exporter is built on


def refuse_onnx(encoder: str, title: str) -> None:
    """Refuse, before it is trained, a classifier that can't be written: of no encoder, or without the packages."""
    if not encoder:
        raise UserError(
            f"--onnx: got “{title}”, which has no encoder, expected a transformers model; the folder without --onnx "
            "has a plain file that scikit-learn reads"
        )
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise UserError(f"--onnx: got no package {' and '.join(missing)}; type: pip install {' '.join(PACKAGES)}")


def write_onnx(folder: Path) -> None:
    """Write ``model.onnx`` beside a kept classifier: ``input_ids`` and ``attention_mask``, (rows, tokens) int64 of any
    size, to ``logits``, (rows, classes) float32, as the transformers model of the folder gives.
    """
    from threephase.phases.modeling_sentence_classifier import SentenceClassifier

    example = dict.fromkeys(INPUTS, torch.ones(2, 2, dtype=torch.int64))  # a size of 1 would be taken as fixed
    sizes = dict.fromkeys(INPUTS, {0: "rows", 1: "tokens"})
    model = SentenceClassifier.from_pretrained(folder)
    # One file, up to the two gigabytes that ONNX allows it; beyond, torch puts the weights into another one beside it.
    torch.onnx.export(
        model,
        kwargs=example,
        f=folder / ONNX,
        input_names=INPUTS,
        output_names=[LOGITS],
        dynamic_shapes=sizes,
        external_data=False,
        verbose=False,
    )
