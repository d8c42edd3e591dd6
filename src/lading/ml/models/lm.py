"""A decoder-only language model over bytes."""

import torch
from torch import Tensor, nn

from lading.ml.models.blocks import Block

MASKED = -1e4
"""Added to the scores of positions to come: exp of it is 0, and fp16 holds it."""


class LanguageModel(nn.Module):
    """Next-byte logits at every position and, where asked, the logit of 'the text ends after this byte'.

    Its tables have a row more than the longest text, because an exported Dim may not be as large as a table.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        max_length: int,
        dim: int = 128,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        halt: bool = True,
    ) -> None:
        super().__init__()
        rows = max_length + 1
        self.embed = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList([Block(dim, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)
        self.halt = nn.Linear(dim, 1) if halt else None
        width = dim // heads
        speed = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = torch.arange(rows, dtype=torch.float64)[:, None] * speed[None, :]
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)
        self.register_buffer("mask", torch.full((rows, rows), MASKED).triu(1), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (batch, length, vocabulary), and halt logits (batch, length) where the model has them."""
        length = tokens.shape[1]
        cos, sin, mask = self.cos[:length], self.sin[:length], self.mask[:length, :length]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, mask, cos, sin)
        x = self.norm(x)
        if self.halt is None:
            return self.head(x)
        return self.head(x), self.halt(x).squeeze(-1)
