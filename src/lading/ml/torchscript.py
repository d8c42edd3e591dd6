"""TorchScript, for consumers that still load it: traced, and without the debug records that hold paths of this machine."""

import warnings
from pathlib import Path

import torch
from torch import nn

from lading.ml.exported import example_inputs
from lading.ml.spec import ModelSpec

_OWN = ("version", ".data/serialization_id")
"""Records that the writer makes itself."""


def export_torchscript(module: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Traces the model and writes it; the same model gives the same bytes in every fresh process, wherever lading is installed."""
    inputs = tuple(example_inputs(spec).values())
    raw = path.with_suffix(".raw")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, inputs, check_trace=False)
        torch.jit.save(traced, str(raw))
    strip(raw, path)
    raw.unlink()


def strip(source: Path, target: Path) -> None:
    """Copies an archive record by record, leaving out `.debug_pkl`."""
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in reader.get_all_records():
        if name.endswith(".debug_pkl") or name in _OWN:
            continue
        data = reader.get_record(name)
        writer.write_record(name, data, len(data))
    writer.write_end_of_file()


def load_torchscript(path: Path) -> nn.Module:
    """The module of a TorchScript file whose digest was checked: loading one can run code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: nn.Module = torch.jit.load(str(path), map_location="cpu")
    return module
