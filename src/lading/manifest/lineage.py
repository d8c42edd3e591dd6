"""Two lineages never mix: what a stage is given must go back to one making of each result."""

from collections.abc import Callable, Mapping

from lading.errors import MissingObjectError, WrongInputError
from lading.manifest.model import InputRef, Manifest

SAME = ("export", "model")
"""Roles that must be the same result for a stage and for everything that it is given beside."""
MAX_ANCESTORS = 10_000
Reader = Callable[[InputRef], Manifest]


def check_lineage(kind: str, inputs: Mapping[str, InputRef], manifests: Mapping[str, Manifest], read: Reader) -> None:
    """Follows the inputs through their manifests.

    Args:
        kind: of the stage that is given them.
        inputs: role to result.
        manifests: role to manifest, already read.
        read: reads an ancestor's manifest; one that gc has taken away is not followed.

    Raises:
        WrongInputError: two inputs go back to different makings of one result, or were made from different models or exports.
    """
    if len(inputs) < 2:
        return
    if kind != "script":
        _same_roles(inputs, manifests)
    _one_making(inputs, manifests, read)


def _same_roles(inputs: Mapping[str, InputRef], manifests: Mapping[str, Manifest]) -> None:
    """A bundle's check must be the check of the bundle's export; and so on."""
    for role in SAME:
        by: dict[str, str] = {}
        if role in inputs:
            by[inputs[role].result] = "this stage"
        for name, manifest in sorted(manifests.items()):
            if role in manifest.inputs:
                by.setdefault(manifest.inputs[role].result, name)
        if len(by) > 1:
            (result, who), (other, whose) = list(by.items())[:2]
            raise WrongInputError(
                f"the needs do not belong together: {who} has {role} {result[:12]}, and {whose} was made from {role} {other[:12]}",
                do=f"let the needs of this stage follow from one {role}",
            )


def _one_making(inputs: Mapping[str, InputRef], manifests: Mapping[str, Manifest], read: Reader) -> None:
    """Each kind and key that is reached must have one result: training twice does not give the same bytes."""
    made: dict[tuple[str, str], tuple[InputRef, str]] = {}
    seen: set[InputRef] = set()
    todo = [(ref, role) for role, ref in sorted(inputs.items())]
    while todo and len(seen) < MAX_ANCESTORS:
        ref, role = todo.pop()
        other, whose = made.setdefault((ref.kind, ref.key), (ref, role))
        if other.result != ref.result:
            raise WrongInputError(
                f"the needs {whose} and {role} come from two makings of one {ref.kind} ({ref.key[:12]}): numbers {other.n} and {ref.n}, "
                "with different bytes",
                do="run the pipeline again: what was made from the older one is made anew",
            )
        if ref in seen:
            continue
        seen.add(ref)
        manifest = manifests[role] if inputs.get(role) == ref else _read(read, ref)
        todo += [(parent, role) for parent in manifest.inputs.values()] if manifest else []


def _read(read: Reader, ref: InputRef) -> Manifest | None:
    try:
        return read(ref)
    except MissingObjectError:
        return None
