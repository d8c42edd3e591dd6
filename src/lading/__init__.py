"""lading: a PyTorch model's way from data to a phone, as batch jobs that hand each other checked manifests."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lading.api import Pipeline, Run, load

__version__ = "0.1.0"
__all__ = ["Pipeline", "Run", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """The library's names, imported when they are asked for: `import lading` alone costs nothing."""
    if name in {"Pipeline", "Run", "load"}:
        from lading import api

        return getattr(api, name)
    raise AttributeError(f"module 'lading' has no attribute {name!r}")
