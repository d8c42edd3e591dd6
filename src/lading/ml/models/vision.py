"""Models of images and of rows of numbers: cnn, mlp, vit. Each takes a batch and returns logits."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lading.errors import WrongInputError
from lading.ml.models.blocks import Block


class Cnn(nn.Module):
    """Convolution blocks, each after the first halving the image, and a head over all that is left."""

    def __init__(
        self,
        *,
        shape: Sequence[int],
        classes: int,
        width: int = 16,
        layers: int = 2,
        norm: Literal["group", "batch"] = "group",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, length = image_shape("cnn", shape)
        if min(height, length) < 2 ** (layers - 1):
            raise WrongInputError(f"an image of {height} x {length} can't be halved {layers - 1} times", do="use fewer `layers`")
        blocks: list[nn.Module] = []
        for layer in range(layers):
            wide = width * 2**layer
            blocks += [
                nn.Conv2d(channels, wide, 3, stride=1 if layer == 0 else 2, padding=1, bias=False),
                nn.GroupNorm(4, wide) if norm == "group" else nn.BatchNorm2d(wide),
                nn.ReLU(),
            ]
            channels = wide
            height, length = (height, length) if layer == 0 else ((height + 1) // 2, (length + 1) // 2)
        self.features = nn.Sequential(*blocks)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(channels * height * length, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.drop(self.features(image).flatten(1)))


class Mlp(nn.Module):
    """Fully connected layers; images are taken as rows of pixels."""

    def __init__(self, *, shape: Sequence[int], classes: int, width: int = 64, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        size = 1
        for axis in shape:
            size *= int(axis)
        hidden: list[nn.Module] = []
        for _ in range(layers):
            hidden += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)]
            size = width
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Linear(size, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.hidden(image.flatten(1)))


class Vit(nn.Module):
    """Patches with learnt positions, transformer blocks, an average and a head."""

    def __init__(
        self, *, shape: Sequence[int], classes: int, patch: int = 2, dim: int = 64, depth: int = 4, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        channels, height, length = image_shape("vit", shape)
        if height % patch or length % patch:
            raise WrongInputError(f"patches of {patch} do not divide an image of {height} x {length}", do="choose another `patch`")
        self.patches = nn.Conv2d(channels, dim, patch, stride=patch)
        self.positions = nn.Parameter(torch.randn(1, (height // patch) * (length // patch), dim) * 0.02)
        self.blocks = nn.ModuleList([Block(dim, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        x = self.patches(image).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(dim=1))


def image_shape(name: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width of one input.

    Raises:
        WrongInputError: the data are no images.
    """
    if len(shape) != 3:
        raise WrongInputError(
            f"model {name} takes images (channels, height, width), and the data's inputs are {tuple(shape)}", do="use mlp"
        )
    return int(shape[0]), int(shape[1]), int(shape[2])
