"""Core ML's operations as PyTorch kernels: layers, norms, pools, reductions, compressed weights."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lading.ml.mil_ops import Arguments, Kernel, ints, number


def paddings(a: Arguments, size: list[int], kernel: list[int], stride: list[int], dilation: list[int]) -> list[int]:
    """What is added before and after each spatial axis, from the first axis to the last."""
    mode = a.get("pad_type", "valid")
    if mode == "valid":
        return [0] * (2 * len(kernel))
    if mode == "custom":
        return ints(a["pad"])
    found = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max(0, (math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n)
        low = total // 2
        found += [total - low, low] if mode == "same_lower" else [low, total - low]
    return found


def padded(x: Tensor, pad: list[int], value: float = 0.0) -> Tensor:
    """Pads the last axes; `pad` goes from the first spatial axis to the last."""
    pairs = [pad[i : i + 2] for i in range(0, len(pad), 2)]
    return F.pad(x, [size for pair in reversed(pairs) for size in pair], value=value) if any(pad) else x


def _conv(a: Arguments) -> Tensor:
    x, weight = a["x"], a["weight"]
    spatial = x.ndim - 2
    stride = ints(a["strides"]) if a.get("strides") is not None else [1] * spatial
    dilation = ints(a["dilations"]) if a.get("dilations") is not None else [1] * spatial
    pad = paddings(a, list(x.shape[2:]), list(weight.shape[2:]), stride, dilation)
    function: Callable[..., Tensor] = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]
    return function(padded(x, pad), weight, a.get("bias"), stride=stride, dilation=dilation, groups=number(a.get("groups", 1)))


def _conv_transpose(a: Arguments) -> Tensor:
    x, weight = a["x"], a["weight"]
    spatial = x.ndim - 2
    stride = ints(a["strides"]) if a.get("strides") is not None else [1] * spatial
    dilation = ints(a["dilations"]) if a.get("dilations") is not None else [1] * spatial
    function: Callable[..., Tensor] = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[spatial - 1]
    whole = function(x, weight, a.get("bias"), stride=stride, dilation=dilation, groups=number(a.get("groups", 1)))
    mode = a.get("pad_type", "valid")
    cut = ints(a["pad"]) if mode == "custom" and a.get("pad") is not None else [0] * (2 * spatial)
    wanted = ints(a["output_shape"])[2:] if a.get("output_shape") is not None else None
    if mode.startswith("same"):
        wanted = wanted or [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
        over = [max(0, have - want) for have, want in zip(whole.shape[2:], wanted, strict=True)]
        cut = [part for size in over for part in (size // 2, size - size // 2)]
    for axis in range(spatial):
        size = wanted[axis] if wanted else whole.shape[axis + 2] - cut[2 * axis] - cut[2 * axis + 1]
        missing = max(0, cut[2 * axis] + size - whole.shape[axis + 2])
        whole = padded(whole, [0] * (2 * axis) + [0, missing] + [0] * (2 * (spatial - axis - 1))).narrow(axis + 2, cut[2 * axis], size)
    return whole


def _pool(a: Arguments, *, largest: bool) -> Tensor:
    x, kernel = a["x"], ints(a["kernel_sizes"])
    spatial = len(kernel)
    stride = ints(a["strides"]) if a.get("strides") is not None else [1] * spatial
    pad = paddings(a, list(x.shape[2:]), kernel, stride, [1] * spatial)
    if a.get("ceil_mode"):
        for i, (n, k, s) in enumerate(zip(x.shape[2:], kernel, stride, strict=True)):
            whole = n + pad[2 * i] + pad[2 * i + 1] - k
            extra = -whole % s
            starts_inside = whole + extra < n + pad[2 * i]
            pad[2 * i + 1] += extra if starts_inside else 0
    if largest:
        pooled: Callable[..., Tensor] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[spatial - 1]
        return pooled(padded(x, pad, -math.inf), kernel, stride)
    mean: Callable[..., Tensor] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[spatial - 1]
    total = mean(padded(x, pad), kernel, stride)
    if a.get("exclude_padding_from_average") and any(pad):
        return total / mean(padded(torch.ones_like(x), pad), kernel, stride)
    return total


def _batch_norm(a: Arguments) -> Tensor:
    return F.batch_norm(a["x"], a["mean"], a["variance"], a.get("gamma"), a.get("beta"), eps=number(a.get("epsilon", 1e-5)))


def _instance_norm(a: Arguments) -> Tensor:
    return F.instance_norm(a["x"], weight=a.get("gamma"), bias=a.get("beta"), eps=number(a.get("epsilon", 1e-5)))


def _layer_norm(a: Arguments) -> Tensor:
    x = a["x"]
    axes = [axis % x.ndim for axis in ints(a["axes"])] if a.get("axes") is not None else list(range(x.ndim))
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    value = centred * torch.rsqrt((centred * centred).mean(axes, keepdim=True) + number(a.get("epsilon", 1e-5)))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    value = value * a["gamma"].reshape(shape) if a.get("gamma") is not None else value
    return value + a["beta"].reshape(shape) if a.get("beta") is not None else value


def _l2_norm(a: Arguments) -> Tensor:
    x = a["x"]
    axes = list(range(-min(3, x.ndim), 0))
    return x * torch.rsqrt((x * x).sum(axes, keepdim=True) + number(a.get("epsilon", 1e-6)))


def _matmul(a: Arguments) -> Tensor:
    x, y = a["x"], a["y"]
    x = x.transpose(-1, -2) if a.get("transpose_x") else x
    y = y.transpose(-1, -2) if a.get("transpose_y") else y
    return x @ y


def _attention(a: Arguments) -> Tensor:
    mask = a.get("attn_mask")
    return F.scaled_dot_product_attention(a["query"], a["key"], a["value"], attn_mask=mask)


def _reduce(function: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[[Arguments], Tensor]:
    def kernel(a: Arguments) -> Tensor:
        x = a["x"]
        axes = ints(a["axes"]) if a.get("axes") is not None else list(range(x.ndim))
        return function(x, axes, bool(a.get("keep_dims", False)))

    return kernel


def _prod(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _arg(function: Callable[..., Tensor]) -> Callable[[Arguments], Tensor]:
    return lambda a: function(a["x"], dim=number(a.get("axis", -1)), keepdim=bool(a.get("keep_dims", False))).to(torch.int32)


def _resize(a: Arguments, mode: str) -> Tensor:
    return F.interpolate(a["x"], size=[number(a["target_size_height"]), number(a["target_size_width"])], mode=mode)


def _upsample(a: Arguments, mode: str) -> Tensor:
    factors = [float(number(a.get("scale_factor_height", 1))), float(number(a.get("scale_factor_width", 1)))]
    size = [math.floor(n * factor) for n, factor in zip(a["x"].shape[-2:], factors, strict=True)]
    if mode == "nearest":
        return F.interpolate(a["x"], size=size, mode=mode)
    return F.interpolate(a["x"], size=size, mode=mode, align_corners=bool(a.get("align_corners", True)))


def _crop(a: Arguments) -> Tensor:
    x, height, width = a["x"], ints(a["crop_height"]), ints(a["crop_width"])
    return x[..., height[0] : x.shape[-2] - height[1], width[0] : x.shape[-1] - width[1]]


def einsum(a: Arguments) -> Any:
    """Einsum of two tensors."""
    return torch.einsum(a["equation"], *a["values"])


LAYERS: dict[str, Kernel] = {
    "avg_pool": lambda a: _pool(a, largest=False),
    "batch_norm": _batch_norm,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "crop": _crop,
    "einsum": einsum,
    "instance_norm": _instance_norm,
    "l2_norm": _l2_norm,
    "layer_norm": _layer_norm,
    "linear": lambda a: F.linear(a["x"], a["weight"], a.get("bias")),
    "matmul": _matmul,
    "max_pool": lambda a: _pool(a, largest=True),
    "pixel_shuffle": lambda a: F.pixel_shuffle(a["x"], number(a["upscale_factor"])),
    "reduce_argmax": _arg(torch.argmax),
    "reduce_argmin": _arg(torch.argmin),
    "reduce_l1_norm": _reduce(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "reduce_l2_norm": _reduce(lambda x, axes, keep: (x * x).sum(axes, keepdim=keep).sqrt()),
    "reduce_log_sum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep).log()),
    "reduce_log_sum_exp": _reduce(lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep)),
    "reduce_max": _reduce(lambda x, axes, keep: torch.amax(x, axes, keepdim=keep)),
    "reduce_mean": _reduce(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "reduce_min": _reduce(lambda x, axes, keep: torch.amin(x, axes, keepdim=keep)),
    "reduce_prod": _reduce(_prod),
    "reduce_sum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep, dtype=x.dtype)),
    "reduce_sum_square": _reduce(lambda x, axes, keep: (x * x).sum(axes, keepdim=keep)),
    "scaled_dot_product_attention": _attention,
    "upsample_bilinear": lambda a: _upsample(a, "bilinear"),
    "upsample_nearest_neighbor": lambda a: _upsample(a, "nearest"),
    "resize_nearest_neighbor": lambda a: _resize(a, "nearest"),
}
"""Operation to kernel."""
