"""lading schema: the JSON Schema of a pipeline file or of a manifest."""

from typing import Annotated

import typer

from lading.cli.output import print_json
from lading.errors import UserError


def command(
    what: Annotated[str, typer.Argument(metavar="[WHAT]", help="pipeline, manifest, void or champion")] = "pipeline",
) -> None:
    """Print the JSON Schema of a pipeline file (or of a manifest): editors complete and check with it."""
    from lading.cli.schemas import SCHEMAS

    if what not in SCHEMAS:
        raise UserError(f"there is no schema of {what!r}", do=f"there is one of: {', '.join(SCHEMAS)}")
    print_json(SCHEMAS[what]())
