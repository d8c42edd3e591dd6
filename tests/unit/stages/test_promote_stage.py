"""The promote stage asks; it does not reach into any store."""

import json
from pathlib import Path

import pytest

from lading.config.settings.promote import PromoteSettings
from lading.errors import WrongInputError
from lading.stages.context import Need, StageContext
from lading.stages.promote import run


def context(tmp_path: Path, listing: str | None) -> StageContext[PromoteSettings]:
    """A context with a bundle, whole or not."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    if listing is not None:
        (folder / "bundle.json").write_text(listing)
    need = Need("bundle", "bundle", folder)
    return StageContext(
        settings=PromoteSettings(model="digits"),
        inputs={"bundle": need},
        output=tmp_path / "output",
        scratch=tmp_path,
        checkpoints=tmp_path,
        threads=1,
        progress_file=tmp_path / "p.json",
    )


def test_it_writes_its_request(tmp_path: Path) -> None:
    """Model, alias and which bundle, as an artifact."""
    run(context(tmp_path, "{}"))

    request = json.loads((tmp_path / "output/promotion.json").read_text())
    assert {k: request[k] for k in ("model", "alias")} == {"model": "digits", "alias": "production"}
    assert len(request["bundle_json"]) == 64


@pytest.mark.parametrize("listing", [None, "{"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, listing: str | None) -> None:
    """A need without a readable bundle.json is the user's mistake, 64."""
    with pytest.raises(WrongInputError, match=r"bundle\.json"):
        run(context(tmp_path, listing))
