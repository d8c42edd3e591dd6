"""What a page calls the parts of a stage's documents: words, where the documents have names of fields."""

import re

FACTS = {
    "calibration.json": "How it was calibrated",
    "check.json": "How the formats were compared",
    "convert.json": "How it was converted",
    "latency.json": "How it was timed",
    "verify.json": "How it was verified",
}
"""Documents whose single values are told, and under which heading."""
_TITLES = {
    ("calibration.json", "figures"): "Before and after",
    ("calibration.json", "fitted_on"): "Fitted on",
    ("check.json", "formats"): "Parity by format",
    ("check.json", "rows"): "Every comparison",
    ("convert.json", "files"): "Files of the package (sha256)",
    ("convert.json", "weights"): "Made from (sha256)",
    ("latency.json", "formats"): "Latency by format",
    ("verify.json", "operations"): "Operations of the package",
    ("verify.json", "rows"): "Every comparison",
    ("verify.json", "weights"): "Weights found again",
}
_NAMES = {"ece": "calibration error (ECE)", "nll": "negative log-likelihood", "brier": "Brier score"}
_AS_THEY_ARE = {"files", "operations", "weights"}
"""Tables whose names are those of files and operations."""
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+")


def spoken(name: str) -> str:
    """A field's name as words; what is no identifier stays as it is."""
    return name.replace("_", " ") if _IDENTIFIER.fullmatch(name) else name


def heading_of(document: str, path: tuple[str, ...]) -> str:
    """The heading of the part of a document that lies at a path of fields."""
    first = _TITLES.get((document, path[0])) or spoken(path[0])
    return " · ".join([first, *(_NAMES.get(name) or spoken(name) for name in path[1:])])


def row_name(path: tuple[str, ...], name: str) -> str:
    """The name of a row of a part."""
    return name if path[-1] in _AS_THEY_ARE else spoken(name)


def apart(titles: list[tuple[str, str]]) -> list[str]:
    """Headings of (document, heading), so that no two of a stage are the same: those that would be name their document."""
    words = [heading for _, heading in titles]
    return [
        f"{heading} · {spoken(document.removesuffix('.json'))}" if words.count(heading) > 1 else heading for document, heading in titles
    ]
