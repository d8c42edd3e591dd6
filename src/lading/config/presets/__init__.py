"""Pipelines to start from, each a commented file beside this one: `lading init --preset NAME`."""

from pathlib import Path

from lading.errors import UserError

_FOLDER = Path(__file__).parent


def presets() -> dict[str, str]:
    """Name to what it is: the first line of its file."""
    return {path.stem: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in sorted(_FOLDER.glob("*.yaml"))}


def preset_text(preset: str) -> str:
    """The text of a preset.

    Raises:
        UserError: there is none of that name.
    """
    path = _FOLDER / f"{preset}.yaml"
    if preset not in presets():
        raise UserError(f"there is no preset {preset[:60]!r}", do=f"choose from {', '.join(presets())}")
    return path.read_text(encoding="utf-8")
