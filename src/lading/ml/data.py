"""Splits on disk: written once by a data stage as npz without pickle, read by name by every other stage."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lading.errors import WrongInputError
from lading.ml.facts import DataFacts

Array = NDArray[Any]
SPLITS = ("train", "validation", "calibration", "test")
FACTS = "data.json"
END = 0
"""The byte that ends a text."""


@dataclass(frozen=True, slots=True)
class Split:
    """Samples: each array's first axis counts them, in the order of `ids`."""

    inputs: dict[str, Array]
    """By the model's input names, in its precision (float32) or int64."""
    targets: dict[str, Array]
    """`label` (class numbers), or `next` (the byte that follows) and `halt` (1 where the text ends after this byte)."""
    ids: Array
    """One name a sample, the same at every world size."""

    def __len__(self) -> int:
        return len(self.ids)


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Writes an npz whose bytes depend on nothing but the arrays: sorted names, a fixed time, no pickle."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an npz; an array of Python objects is refused, because reading one runs code.

    Raises:
        WrongInputError: it is not there, no npz, or holds objects.
    """
    help_ = "write it with numpy.savez"
    if path.is_file() and not zipfile.is_zipfile(path):  # or numpy takes it for a pickle, and advises to trust it
        raise WrongInputError(f"{path.name} is no npz: a zip of arrays", do=help_)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WrongInputError(f"{path.name} can't be read as an npz of plain arrays: {error}", do=help_) from error


def read_facts(folder: Path) -> DataFacts:
    """`data.json`."""
    return DataFacts.model_validate_json((folder / FACTS).read_bytes())


def read_split(folder: Path, split: str, *, length: int | None = None) -> Split:
    """One split of a data stage's result.

    Args:
        folder: of the data stage's artifacts.
        split: train, validation, calibration or test.
        length: texts: of each sample, by default the primary length; images and rows have none.

    Raises:
        WrongInputError: there is no such split, or nothing in it.
    """
    if split not in SPLITS:
        raise WrongInputError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
    facts = read_facts(folder)
    arrays = read_arrays(folder / f"{split}.npz")
    if facts.task == "language-model":
        found = windows(arrays, length or facts.primary_length or max(facts.lengths))
    else:
        found = Split({facts.input: arrays["inputs"]}, {"label": arrays["labels"]}, arrays["ids"])
    if not len(found):
        raise WrongInputError(f"split {split} is empty", do=f"give the data stage `split: {{{split}: 0.1}}`")
    return found


def windows(arrays: Mapping[str, Array], length: int) -> Split:
    """Texts joined, each with its end byte, and cut into windows that don't overlap; what is left at the end is dropped.

    Args:
        arrays: `text` (bytes of all texts with their end bytes), `starts` (where each begins) and `names`.
        length: of a window.
    """
    text, starts, names = arrays["text"].astype(np.int64), arrays["starts"], arrays["names"]
    count = max(0, (len(text) - 1) // length)
    inputs = text[: count * length].reshape(count, length)
    following = text[1 : count * length + 1].reshape(count, length)
    offsets = np.arange(count) * length
    which = np.searchsorted(starts, offsets, side="right") - 1
    ids = np.array([f"{names[w]}@{o - starts[w]}" for w, o in zip(which, offsets, strict=True)], dtype=np.str_)
    return Split({"tokens": inputs}, {"next": following, "halt": (following == END).astype(np.int64)}, ids)
