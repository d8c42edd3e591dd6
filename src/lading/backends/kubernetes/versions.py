"""Fingerprints of stages that run in lading's images: the versions there are those that the images were locked to."""

from functools import cache
from importlib.resources import files

from lading.plan.fingerprint import Fingerprint, normalised, with_versions


@cache
def locked() -> dict[str, str]:
    """Distribution to version, as every image of this release holds it."""
    lines = files("lading").joinpath("constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {normalised(name.strip()): version.strip() for name, _, version in pairs}


def in_images(kind: str) -> Fingerprint:
    """A kind's fingerprint in the images, whatever is installed here."""
    return with_versions(kind, locked())
