"""Our forward pass against Hugging Face's, with the same weights."""

import json
from pathlib import Path

import pytest
import torch
from reference_loop import copy_decoder
from tiny_decoder import new_decoder
from tiny_encoder import TEXTS, make_bert, make_roberta
from torch.nn import functional as F

from threephase.base.errors import UserError
from threephase.data.randomness import torch_generator
from threephase.model import kernels
from threephase.model.encoder_files import TransformerConfig
from threephase.model.encoder_folder import load_pretrained, strip_prefix
from threephase.model.kernels import seed_dropout
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer

TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=[make_bert, make_roberta], ids=["bert", "roberta"])
def folder(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp("encoder"))


def load(folder: Path, texts=TEXTS) -> tuple[SentenceEncoder, torch.Tensor, torch.Tensor | None]:
    """The encoder without dropout, and one batch of ids and mask."""
    encoder = load_pretrained(folder, "mean").eval()
    tokenizer = TextTokenizer(folder, encoder.transformer.config, encoder.transformer.config.max_tokens)
    return encoder, *tokenizer.pad(tokenizer(texts), "cpu")


def test_hidden_states_equal_hugging_face(folder):
    from transformers import AutoModel

    encoder, ids, mask = load(folder)
    theirs = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    assert mask is not None and not mask.all()
    with torch.no_grad():
        ours = encoder.transformer(ids, mask)
        expected = theirs(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(ours[mask], expected[mask], atol=TOLERANCE, rtol=0)


def test_a_batch_without_padding_needs_no_mask(folder):
    encoder, ids, mask = load(folder, TEXTS[:1])
    assert mask is None
    with torch.no_grad():
        vectors = encoder(ids, None)
        masked = encoder(ids, torch.ones_like(ids, dtype=torch.bool))
        padding = torch.full((1, 3), encoder.transformer.config.pad_token_id)
        padded = encoder(torch.cat([ids, padding], 1), torch.arange(ids.shape[1] + 3)[None] < ids.shape[1])
    torch.testing.assert_close(vectors, masked, atol=1e-6, rtol=0)
    torch.testing.assert_close(vectors, padded, atol=1e-6, rtol=0)


def test_pooling_is_the_mean_of_the_tokens_or_the_first(folder):
    encoder, ids, mask = load(folder)
    with torch.no_grad():
        hidden = encoder.transformer(ids, mask)
        means = encoder(ids, mask)
        encoder.pooling = "cls"
        firsts = encoder(ids, mask)
    expected = torch.stack([row[: n.item()].mean(0) for row, n in zip(hidden, mask.sum(1), strict=True)])
    torch.testing.assert_close(means, expected, atol=1e-6, rtol=0)
    assert torch.equal(firsts, hidden[:, 0])


def test_tied_decoder_equals_hugging_face_in_logits_and_gradients(folder):
    from transformers import AutoConfig, AutoModelForCausalLM

    encoder, ids, mask = load(folder)
    decoder = new_decoder(encoder)
    config = AutoConfig.from_pretrained(folder, is_decoder=True, add_cross_attention=True)
    theirs = AutoModelForCausalLM.from_pretrained(folder, config=config).eval()
    copy_decoder(decoder, theirs)
    vectors = torch.randn(len(ids), encoder.hidden_size, generator=torch_generator(0, "memory of a test"))
    our_memory, their_memory = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()

    predicted = mask[:, 1:]
    words = encoder.transformer.embeddings.word_embeddings.weight
    logits = F.linear(decoder(encoder.transformer, ids, our_memory, predicted), words, decoder.bias)
    expected = theirs(input_ids=ids[:, :-1], encoder_hidden_states=their_memory[:, None], use_cache=False).logits
    torch.testing.assert_close(logits, expected[predicted], atol=TOLERANCE, rtol=0)

    F.cross_entropy(logits, ids[:, 1:][predicted]).backward()
    F.cross_entropy(expected[predicted], ids[:, 1:][predicted]).backward()
    # Their own parameters, by the names that both have in common.
    their_gradients = {strip_prefix(name): weight.grad for name, weight in theirs.named_parameters()}
    ours = dict(encoder.transformer.named_parameters())
    assert ours.keys() <= their_gradients.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(weight.grad, their_gradients[name], atol=TOLERANCE, rtol=0, msg=name)
    torch.testing.assert_close(our_memory.grad, their_memory.grad, atol=TOLERANCE, rtol=0)
    for cross, layer in zip(decoder.cross, theirs.base_model.encoder.layer, strict=True):
        torch.testing.assert_close(
            cross.value.weight.grad, layer.crossattention.self.value.weight.grad, atol=TOLERANCE, rtol=0
        )
        # With one key the attention weight is 1 whatever the query: what ours leaves out has no gradient.
        assert layer.crossattention.self.query.weight.grad.abs().max() < 1e-6


def test_dropout_acts_in_training_only(folder):
    encoder, ids, mask = load(folder)
    decoder = new_decoder(encoder)
    vectors = torch.ones(len(ids), encoder.hidden_size)
    predicted = mask[:, 1:]
    with torch.no_grad():
        for train, equal in ((False, True), (True, False)):
            encoder.train(train)
            decoder.train(train)
            first, second = ((encoder(ids, mask), decoder(encoder.transformer, ids, vectors, predicted)) for _ in "12")
            assert torch.equal(first[0], second[0]) == equal
            assert torch.equal(first[1], second[1]) == equal


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_attention_in_steps_is_the_kernel_s_where_nothing_is_dropped(monkeypatch, causal, probability):
    monkeypatch.setattr(kernels, "kept", lambda shape, probability, dtype: torch.ones(shape, dtype=dtype))
    generator = torch_generator(0, "attention of a test")
    parts = [torch.randn(3, 2, 5, 4, generator=generator) for _ in range(3)]
    mask = None if causal else (torch.arange(5) < torch.tensor([5, 3, 1])[:, None])[:, None, None]
    ours = kernels._attention_in_steps(*parts, mask, probability, causal)
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(*parts, mask, is_causal=causal), atol=1e-6, rtol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_a_few_rows_at_a_time_is_that_of_all_rows_with_the_same_dropout(monkeypatch, masked):
    rows, heads, tokens = 5, 4, 6
    generator = torch_generator(0, "attention of a test")
    parts = [torch.randn(rows, heads, tokens, 8, generator=generator, requires_grad=True) for _ in range(3)]
    mask = (torch.arange(tokens) < torch.tensor([6, 3, 1, 5, 2])[:, None])[:, None, None] if masked else None
    seen = []
    monkeypatch.setattr(kernels, "SCORES_AT_ONCE", 2 * heads * tokens * tokens)
    steps = kernels._attention_in_steps
    monkeypatch.setattr(kernels, "_attention_in_steps", lambda *given: seen.append(len(given[0])) or steps(*given))
    results = []
    for attend in (steps, kernels.attention):
        seed_dropout(0, "test")
        output = attend(*parts, mask, 0.5, not masked)
        results.append([output, *torch.autograd.grad(output.square().sum(), parts)])
    torch.testing.assert_close(*results, atol=1e-6, rtol=0)
    assert seen == [2, 2, 1]


def test_positions_end_where_the_checkpoint_s_do(folder):
    config = TransformerConfig.from_file(folder / "config.json")
    encoder, _, _ = load(folder)
    ids = torch.full((1, config.max_tokens), 7)
    assert encoder(ids, None).shape == (1, config.hidden_size)
    with pytest.raises(RuntimeError):
        encoder(torch.full((1, config.max_tokens + 1), 7), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "distilbert"}, "model_type: got 'distilbert', expected one of: bert, camembert, roberta"),
        ({"hidden_act": "relu"}, "only hidden_act 'gelu' and absolute position embeddings are supported"),
        ({"position_embedding_type": "relative_key"}, "only hidden_act 'gelu' and absolute position embeddings"),
        ({"num_attention_heads": ...}, "key 'num_attention_heads' is missing; expected the config.json of a BERT"),
    ],
)
def test_other_architectures_are_refused(tmp_path, change, message):
    file = make_bert(tmp_path) / "config.json"
    config = json.loads(file.read_text()) | change
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))
    with pytest.raises(UserError) as refusal:
        load_pretrained(tmp_path, "mean")
    assert str(refusal.value).startswith(f"{file}: {message}")
