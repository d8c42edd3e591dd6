"""What a bundle stage is set by."""

from lading.frozen import Frozen


class BundleSettings(Frozen):
    """Settings of a bundle stage."""

    exported_program: bool = True
    """Whether `model.pt2` goes in; who loads one runs its code."""
    torchscript: bool = False
    """Whether `model.ts.pt` goes in; TorchScript is deprecated."""
    allow_failures: bool = False
    """Bundles although the check or the verification found failures."""
    title: str = ""
    """Heading of the bundle's README."""
