"""A kept classifier as ONNX, for onnxruntime: an extra, whose packages the project does not require."""

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
            f"--onnx: got “{title}”, which has no encoder, expected one that is a transformers model; type the command "
            "without --onnx"
        )
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise UserError(f"--onnx: got no package {' and '.join(missing)}; type: pip install {' '.join(PACKAGES)}")


def write_onnx(folder: Path) -> None:
    """Write ``model.onnx`` beside a kept classifier: ``input_ids`` and ``attention_mask``, (rows, tokens) int64 of any
    size, to ``logits``, (rows, classes) float32, as the transformers model of the folder gives.
    """
    from threephase.phases.modeling_sentence_classifier import SentenceClassifier

    # Two tensors, as torch takes one for one input; of sizes that differ and aren't 1, which it would take as fixed.
    example = {name: torch.ones(3, 5, dtype=torch.int64) for name in INPUTS}
    free = torch.export.Dim.DYNAMIC
    sizes = dict(zip(INPUTS, ({0: "rows", 1: "tokens"}, {0: free, 1: free}), strict=True))
    # One file, up to the two gigabytes that ONNX allows it; beyond, torch puts the weights into another one beside it.
    torch.onnx.export(
        SentenceClassifier.from_pretrained(folder), kwargs=example, f=folder / ONNX, output_names=[LOGITS],
        dynamic_shapes=sizes, external_data=False, verbose=False,
    )  # fmt: skip
