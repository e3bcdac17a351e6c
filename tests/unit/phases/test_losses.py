"""The losses: closed forms, and sentence-transformers as an oracle with the same weights and inputs."""

import math
from pathlib import Path

import pytest
import torch
from reference_loop import copy_decoder
from tiny_decoder import new_decoder
from tiny_encoder import TEXTS, make_bert, make_roberta, tiny_contrastive, tiny_denoising
from torch.nn import functional as F

from threephase.data.randomness import generator, torch_generator
from threephase.model.encoder_folder import export, load_pretrained
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import PairBatches, pair_loss
from threephase.phases.denoising import DenoisingBatches, reconstruction_loss
from threephase.phases.losses import CHUNK, classification_loss, contrastive_loss, denoising_loss
from threephase.phases.pairs import make_pairs
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine

TOLERANCE = 1e-4
MACHINE = Machine("cpu", "fp32", 1)


@pytest.fixture(scope="module", params=[(make_bert, "mean"), (make_roberta, "cls")], ids=["bert-mean", "roberta-cls"])
def pretrained(request, tmp_path_factory) -> tuple[Path, str]:
    make, pooling = request.param
    return make(tmp_path_factory.mktemp("encoder")), pooling


def exported(pretrained, tmp_path: Path, *layers: str):
    """An encoder of ours with added layers, and sentence-transformers' model of the folder that it exports."""
    from sentence_transformers import SentenceTransformer

    folder, pooling = pretrained
    encoder = load_pretrained(folder, pooling).eval()
    for layer in layers:
        encoder.add_layer(layer, torch_generator(0, layer))
    export(encoder, folder, encoder.transformer.config.max_tokens, tmp_path / "exported")
    oracle = SentenceTransformer(str(tmp_path / "exported"), device="cpu").eval()
    return encoder, TextTokenizer(folder, encoder.transformer.config, 64), oracle


def features(ids: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """A batch as sentence-transformers takes it."""
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids) if mask is None else mask.long()}


@pytest.mark.parametrize("shares_gradient", [False, True])
def test_denoising_loss_equals_sentence_transformers(pretrained, tmp_path, shares_gradient):
    from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss

    encoder, tokenizer, oracle = exported(pretrained, tmp_path, BOTTLENECK)
    decoder = new_decoder(encoder)
    encoder.transformer.embeddings.word_embeddings.shares_gradient = shares_gradient
    theirs = DenoisingAutoEncoderLoss(oracle, tie_encoder_decoder=True).eval()
    copy_decoder(decoder, theirs.decoder)
    settings = tiny_denoising(batch_size=2 * len(TEXTS))
    batches = DenoisingBatches(list(TEXTS), settings, tokenizer, seed=0, device="cpu")
    noised, undamaged = next(iter(batches))
    assert undamaged[1] is not None and noised[0].shape != undamaged[0].shape

    ours = reconstruction_loss(encoder, decoder, noised, undamaged, MACHINE)
    expected = theirs([features(*noised), features(*undamaged)], labels=None)
    assert ours.item() == pytest.approx(expected.item(), abs=TOLERANCE)

    ours.backward()
    expected.backward()
    # Tied weights get the gradient of both their uses; the bottleneck's shows that the memory is the same.
    words = theirs.decoder.get_input_embeddings().weight
    torch.testing.assert_close(
        encoder.transformer.embeddings.word_embeddings.weight.grad, words.grad, atol=TOLERANCE, rtol=0
    )
    torch.testing.assert_close(
        encoder.added[BOTTLENECK].weight.grad, oracle[2].linear.weight.grad, atol=TOLERANCE, rtol=0
    )


def test_contrastive_loss_equals_sentence_transformers(pretrained, tmp_path):
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    encoder, tokenizer, oracle = exported(pretrained, tmp_path, BOTTLENECK, CONTRASTIVE_LAYER)
    labels = torch.arange(len(TEXTS)).numpy()[:, None] % 2
    pairs = make_pairs(torch.arange(len(TEXTS)).numpy(), labels, 4, 2, generator(0, "pairs"))
    batches = PairBatches(list(TEXTS), pairs, tiny_contrastive(batch_size=len(pairs)), tokenizer, 0, "cpu")
    batch = next(iter(batches))
    ids, mask, left, right, similarity = batch
    assert len(left) == len(pairs) > len(ids)

    ours = pair_loss(encoder, batch, MACHINE)
    sides = [features(ids[side], None if mask is None else mask[side]) for side in (left, right)]
    expected = CosineSimilarityLoss(oracle)(sides, similarity)
    assert ours.item() == pytest.approx(expected.item(), abs=TOLERANCE)
    ours.backward()
    expected.backward()
    for number, name in enumerate((BOTTLENECK, CONTRASTIVE_LAYER), start=2):
        torch.testing.assert_close(
            encoder.added[name].weight.grad, oracle[number].linear.weight.grad, atol=TOLERANCE, rtol=0
        )


def test_denoising_loss_of_equal_logits_is_the_vocabulary_s_logarithm():
    loss = denoising_loss(torch.zeros(5, 8), torch.zeros(50, 8), torch.zeros(50), torch.arange(5))
    assert loss.item() == pytest.approx(math.log(50))


# More tokens than are turned into probabilities at once, the last of them alone.
@pytest.mark.parametrize("tokens", [1, 2 * CHUNK["cpu"] + 1])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_denoising_loss_is_torch_s_cross_entropy_of_the_logits(tokens, dtype, tolerance):
    random = torch_generator(0, "vocabulary of a test")
    inputs = [torch.randn(*shape, generator=random) for shape in ((tokens, 16), (70, 16), (70,))]
    targets = torch.randint(70, (tokens,), generator=random)
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in inputs] for _ in "12")
    loss = denoising_loss(ours[0].to(dtype), *ours[1:], targets)
    expected = F.cross_entropy(F.linear(*theirs), targets)
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(expected.item(), rel=tolerance)
    (3 * loss).backward()
    (3 * expected).backward()
    for own, other in zip(ours, theirs, strict=True):
        assert own.grad.dtype == torch.float32
        torch.testing.assert_close(own.grad, other.grad, atol=tolerance * other.grad.abs().max().item(), rtol=0)


@pytest.mark.parametrize(
    ("left", "right", "similarity", "expected"),
    [
        ([[1.0, 2.0]], [[2.0, 4.0]], [1.0], 0.0),
        ([[1.0, 0.0]], [[0.0, 3.0]], [1.0], 1.0),
        ([[1.0, 0.0]], [[-2.0, 0.0]], [0.0], 1.0),
        ([[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]], [0.5, 0.0], (math.sqrt(0.5) - 0.5) ** 2 / 2),
    ],
)
def test_contrastive_loss_is_the_squared_error_of_the_cosine(left, right, similarity, expected):
    loss = contrastive_loss(torch.tensor(left), torch.tensor(right), torch.tensor(similarity))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_classification_loss_is_the_softmax_s_cross_entropy():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    expected = (math.log(math.exp(2) + 2) - 2 + math.log(math.e + 2)) / 2
    assert classification_loss(logits, torch.tensor([0, 2])).item() == pytest.approx(expected)


def test_losses_are_computed_in_fp32_whatever_autocast_gives():
    half = torch.ones(2, 3, dtype=torch.bfloat16)
    classes = torch.tensor([0, 1])
    assert contrastive_loss(half, half, torch.ones(2)).dtype == torch.float32
    assert classification_loss(half, classes).dtype == torch.float32
