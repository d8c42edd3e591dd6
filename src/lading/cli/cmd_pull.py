"""lading pull: an artifact, its checksum checked."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lading.cli import options
from lading.cli.cmd_show import result_of_stage
from lading.cli.cmd_status import view
from lading.cli.output import print_json, say, short
from lading.cli.places import find_run, find_stage, store_for
from lading.errors import UserError
from lading.report.words import size

if TYPE_CHECKING:
    from lading.manifest.model import Manifest
    from lading.store.base import Store


def command(
    run: options.Run,
    stage: options.StageName,
    artifact: Annotated[
        str, typer.Argument(metavar="ARTIFACT", help="Its name (`onnx` for `model.onnx`), or the folder of several; `all` for every one.")
    ],
    destination: Annotated[Path, typer.Argument(metavar="[DEST]", help="A file, a folder to put it in, or - for stdout.")] = Path(),
    store: options.StoreOption = None,
    as_json: options.Json = False,
) -> None:
    """Download an artifact of a stage (or a whole package) and check its sha256 against the manifest."""
    from lading.ledger.artifacts import fetch

    place = store_for(store)
    record = view(place, find_run(place, run))
    _, manifest = result_of_stage(place, record["run"], stage, find_stage(record, stage))
    if str(destination) == "-":
        _show(place, manifest, artifact)
        return
    fetched = fetch(place, manifest, artifact, destination)
    if as_json:
        print_json([{"artifact": name, "path": str(path), "size": found.size, "sha256": found.sha256} for name, path, found in fetched])
        return
    for _, path, found in fetched:
        say(f"{path}  {size(found.size)}  sha256 {short(found.sha256, 16)} as in the manifest")


def _show(store: "Store", manifest: "Manifest", name: str) -> None:
    """The bytes on stdout, once all of them are checked."""
    from lading.ledger.artifacts import fetch

    with tempfile.TemporaryDirectory(prefix="lading-pull-") as folder:
        fetched = fetch(store, manifest, name, Path(folder))
        if len(fetched) != 1:
            raise UserError(f"{name} is {len(fetched)} artifacts, and stdout takes one", do="name one, or a folder to put them in")
        with fetched[0][1].open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
