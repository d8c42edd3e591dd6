"""The transformer block that the image and the language model share. Plain operations only, so that every format can hold it."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention; with a mask it is added to the scores, with angles queries and keys are rotated (RoPE)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, dim // heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None = None, cos: Tensor | None = None, sin: Tensor | None = None) -> Tensor:
        """Mixes positions: (batch, length, dim) to the same."""
        batch, length, dim = x.shape
        q, k, v = self.qkv(x).split(dim, dim=-1)
        q = q.reshape(batch, length, self.heads, self.width).transpose(1, 2)
        k = k.reshape(batch, length, self.heads, self.width).transpose(1, 2)
        v = v.reshape(batch, length, self.heads, self.width).transpose(1, 2)
        if cos is not None and sin is not None:
            q = rotate(q, cos, sin)
            k = rotate(k, cos, sin)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, dim))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns pairs (i, i + half) of the last axis by the angle of their position."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Block(nn.Module):
    """Attention, then a two-layer net, each on the normed stream and added to it."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, cos: Tensor | None = None, sin: Tensor | None = None) -> Tensor:
        """The stream after this block."""
        x = x + self.drop(self.attention(self.norm1(x), mask, cos, sin))
        return x + self.drop(self.down(functional.gelu(self.up(self.norm2(x)))))
