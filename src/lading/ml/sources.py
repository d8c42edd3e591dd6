"""Where samples come from: each source gives the whole, split without leaks. A new source is a function and a line in the table."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lading.errors import WrongInputError
from lading.ml.data import END, SPLITS, Array
from lading.ml.facts import DataFacts

MOST = 1 / 3
"""Share of a held-out split that one group of texts takes, where there are smaller ones."""
Arrays = dict[str, Array]
MIN_SHARED = 60
"""Texts that share a paragraph of so many characters are one group: what is held out must not be in the training text."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a source is asked for."""

    path: Path | None
    files: Sequence[tuple[str, Path]]
    """What lies there, by relative name: what the key was made of, and no more."""
    fractions: Mapping[str, float]
    """Of validation, calibration and test."""
    seed: int
    lengths: tuple[int, ...]
    primary_length: int


Source = Callable[[Request], tuple[dict[str, Arrays], DataFacts]]


def digits(request: Request) -> tuple[dict[str, Arrays], DataFacts]:
    """scikit-learn's 1,797 handwritten digits, 1 x 8 x 8, values 0 to 1; identical images stay in one split."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = (raw.images / 16.0).astype(np.float32)[:, None]
    ids = np.array([f"digits/{i:04d}" for i in range(len(images))], dtype=np.str_)
    return labelled("digits", images, raw.target.astype(np.int64), ids, tuple(str(n) for n in raw.target_names), request)


def npz(request: Request) -> tuple[dict[str, Arrays], DataFacts]:
    """The user's arrays `inputs` and `labels`; rows of one `groups` value stay in one split."""
    from lading.ml.data import read_arrays

    assert request.path is not None
    arrays = read_arrays(request.path)
    if missing := {"inputs", "labels"} - set(arrays):
        raise WrongInputError(f"{request.path.name} has no array {' and no '.join(sorted(missing))}; it has {', '.join(sorted(arrays))}")
    inputs, labels = arrays["inputs"].astype(np.float32), arrays["labels"]
    if len(inputs) != len(labels) or labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise WrongInputError(f"{request.path.name}: labels must be one whole number for each of the {len(inputs)} inputs")
    if not len(inputs):
        raise WrongInputError(f"{request.path.name} holds no rows", do="check what wrote it")
    groups = arrays.get("groups")
    if groups is not None and (groups.size != len(inputs) or groups.shape[:1] != (len(inputs),)):
        there = groups.size if groups.ndim == 1 else f"an array of {' x '.join(map(str, groups.shape))}"
        raise WrongInputError(
            f"{request.path.name}: groups must be one value for each of the {len(inputs)} inputs, and there are {there}",
            do="give each row the number of its group, or leave `groups` out",
        )
    if not np.isfinite(inputs).all():
        raise WrongInputError(f"{request.path.name}: inputs hold NaN or infinities", do="mend or drop those rows")
    classes = tuple(str(c) for c in arrays["classes"]) if "classes" in arrays else tuple(str(c) for c in range(int(labels.max()) + 1))
    if labels.min() < 0 or labels.max() >= len(classes):
        raise WrongInputError(f"{request.path.name}: labels go from {labels.min()} to {labels.max()}, and there are {len(classes)} classes")
    ids = np.array([f"row/{i:08d}" for i in range(len(inputs))], dtype=np.str_)
    return labelled("npz", inputs, labels.astype(np.int64), ids, classes, request, groups=groups)


def labelled(
    source: str, inputs: Array, labels: Array, ids: Array, classes: tuple[str, ...], request: Request, groups: Array | None = None
) -> tuple[dict[str, Arrays], DataFacts]:
    """Splits labelled samples class by class, groups and identical inputs kept whole."""
    if groups is None:
        _, groups = np.unique(inputs.reshape(len(inputs), -1), axis=0, return_inverse=True)
    rows = stratified(labels, np.asarray(groups).ravel(), request.fractions, request.seed)
    splits = {name: {"inputs": inputs[index], "labels": labels[index], "ids": ids[index]} for name, index in rows.items()}
    for name in SPLITS:
        if not len(rows[name]) and (name == "train" or request.fractions.get(name, 0) > 0):
            raise WrongInputError(f"split {name} is empty: {len(labels)} samples are too few", do="ask for larger shares")
    facts = DataFacts(
        source=source,
        task="classification",
        counts={name: len(index) for name, index in rows.items()},
        input="image" if inputs.ndim == 4 else "features",
        shape=tuple(inputs.shape[1:]),
        low=float(splits["train"]["inputs"].min()),
        high=float(splits["train"]["inputs"].max()),
        classes=classes,
    )
    return splits, facts


def stratified(labels: Array, groups: Array, fractions: Mapping[str, float], seed: int) -> dict[str, Array]:
    """Rows of each split, sorted: in every class the same shares, no group in two splits.

    A group's class is that of its first row. Within a class the order is random, and the shares are cut at group borders.
    """
    random = np.random.default_rng(seed)
    members: dict[object, list[int]] = defaultdict(list)
    for row, group in enumerate(groups.tolist()):
        members[group].append(row)
    by_class: dict[int, list[list[int]]] = defaultdict(list)
    for rows in members.values():
        by_class[int(labels[rows[0]])].append(rows)
    chosen: dict[str, list[int]] = {name: [] for name in SPLITS}
    for label in sorted(by_class):
        order = [by_class[label][i] for i in random.permutation(len(by_class[label]))]
        total, position = sum(map(len, order)), 0
        for name in ("validation", "calibration", "test"):
            wanted, taken = round(fractions.get(name, 0.0) * total), 0
            while taken < wanted and position < len(order):
                chosen[name] += order[position]
                taken += len(order[position])
                position += 1
        for rows in order[position:]:
            chosen["train"] += rows
    return {name: np.array(sorted(rows), dtype=np.int64) for name, rows in chosen.items()}


def pydoc(request: Request) -> tuple[dict[str, Arrays], DataFacts]:
    """The text of Python's own documentation topics, byte by byte; whole topics, with all that share text with them, are held out."""
    from pydoc_data.topics import topics

    return texts("pydoc", {f"pydoc/{name}": text.encode() for name, text in topics.items()}, request)


def text(request: Request) -> tuple[dict[str, Arrays], DataFacts]:
    """The .txt files below a folder, byte by byte; whole files are held out."""
    found = {name: file.read_bytes() for name, file in request.files if name.endswith(".txt")}
    if not found:
        raise WrongInputError(f"there are no .txt files below {request.path}", do="check `path`")
    return texts("text", found, request)


def texts(source: str, found: Mapping[str, bytes], request: Request) -> tuple[dict[str, Arrays], DataFacts]:
    """Splits texts by groups that share no long paragraph; an end byte follows each text."""
    names = sorted(found)
    groups = sharing({name: found[name] for name in names})
    random = np.random.default_rng(request.seed)
    chosen = shared_out([groups[i] for i in random.permutation(len(groups))], found, request.fractions)
    splits: dict[str, Arrays] = {}
    for split, members in chosen.items():
        members.sort()
        if request.fractions.get(split, 1.0) > 0 and sum(len(found[m]) + 1 for m in members) <= max(request.lengths):
            raise WrongInputError(f"split {split} has less text than one sample of {max(request.lengths)}", do="ask for larger shares")
        joined = [np.frombuffer(found[m].replace(b"\0", b" ") + bytes([END]), dtype=np.uint8) for m in members]
        starts = np.cumsum([0, *map(len, joined)])[:-1].astype(np.int64)
        body: Array = np.concatenate(joined) if joined else np.zeros(0, dtype=np.uint8)
        splits[split] = {"text": body, "starts": starts, "names": np.array(members, dtype=np.str_)}
    facts = DataFacts(
        source=source,
        task="language-model",
        counts={name: len(arrays["text"]) for name, arrays in splits.items()},
        input="tokens",
        low=0.0,
        high=255.0,
        lengths=request.lengths,
        primary_length=request.primary_length,
        groups={name: tuple(members) for name, members in chosen.items()},
    )
    return splits, facts


def shared_out(groups: Sequence[Sequence[str]], found: Mapping[str, bytes], fractions: Mapping[str, float]) -> dict[str, list[str]]:
    """Texts of each split: groups in their order, as they fit.

    What is held out takes groups of at most `MOST` of it first, and larger ones only into what is left: a figure over one long text tells
    of that text, and changes with the seed.
    """
    sizes = [sum(len(found[name]) for name in group) for group in groups]
    wanted = {name: fractions.get(name, 0.0) * sum(sizes) for name in ("validation", "calibration", "test")}
    free, placed = dict(wanted), {}
    for most in (MOST, 1.0):
        for i, size in enumerate(sizes):
            split = next((name for name in wanted if size <= free[name] and size <= most * wanted[name]), None)
            if i not in placed and split is not None:
                placed[i] = split
                free[split] -= size
    chosen: dict[str, list[str]] = {name: [] for name in SPLITS}
    for i, group in enumerate(groups):
        chosen[placed.get(i, "train")] += group
    return chosen


def paragraphs(content: bytes) -> set[bytes]:
    """The paragraphs of a text that are long enough to be recognised elsewhere, white space evened out."""
    parts = (b" ".join(part.split()) for part in content.split(b"\n\n"))
    return {part for part in parts if len(part) >= MIN_SHARED}


def sharing(found: Mapping[str, bytes]) -> list[list[str]]:
    """Groups of names: two texts that share a long paragraph are in one group, sorted by first name."""
    leader = {name: name for name in found}

    def lead(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    seen: dict[bytes, str] = {}
    for name, content in found.items():
        for part in sorted(paragraphs(content)):
            first, second = sorted((lead(seen.setdefault(part, name)), lead(name)))
            leader[second] = first
    groups: dict[str, list[str]] = defaultdict(list)
    for name in found:
        groups[lead(name)].append(name)
    return [groups[name] for name in sorted(groups)]


SOURCES: dict[str, Source] = {"digits": digits, "pydoc": pydoc, "npz": npz, "text": text}
