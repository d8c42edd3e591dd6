"""lading init: a pipeline file to start from."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lading.cli.output import say
from lading.errors import UserError


def command(
    destination: Annotated[Path | None, typer.Argument(metavar="[DEST]", help="Where to write.", show_default="<preset>.yaml")] = None,
    preset: Annotated[str, typer.Option("--preset", metavar="NAME", help="Which pipeline to start from.")] = "digits",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a pipeline file to start from; it runs as it is."""
    from lading.config.presets import preset_text

    text = preset_text(preset)
    path = destination or Path(f"{preset}.yaml")
    if path.is_dir():
        path = path / f"{preset}.yaml"
    if path.exists() and not force:
        raise UserError(f"{path} is there already", do="name another file, or overwrite it with --force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}", do="name a file in a folder that you may write to") from error
    say(f"wrote {path}")
    say(f"  look:  {shlex.join(['lading', 'plan', str(path)])}")
    say(f"  go:    {shlex.join(['lading', 'run', str(path)])}")
