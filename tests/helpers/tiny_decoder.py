"""A decoder for tests, on a tiny encoder."""

import torch

from threephase.data.randomness import torch_generator
from threephase.model.models import DenoisingDecoder, SentenceEncoder


def new_decoder(encoder: SentenceEncoder) -> DenoisingDecoder:
    """A decoder in evaluation mode none of whose weights has a value that hides a mistake (0 or 1)."""
    generator = torch_generator(0, "decoder of a test")
    decoder = DenoisingDecoder(encoder.transformer.config, generator).eval()
    with torch.no_grad():
        for weight in decoder.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=generator)
    return decoder
