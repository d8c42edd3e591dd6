"""Asks for a promotion: checks that the bundle is whole and writes the request, which the launcher fulfils in the store."""

import json

from lading.canonical import sha256_file
from lading.config.settings.promote import PromoteSettings
from lading.errors import WrongInputError
from lading.stages.context import StageContext


def run(context: StageContext[PromoteSettings]) -> None:
    """Writes promotion.json: model, alias and the digest of the bundle's list of contents."""
    listing = context.need("bundle").path("bundle.json")
    if not listing.is_file():
        raise WrongInputError("the bundle has no bundle.json, so it is not one", do="let `promote` need a stage of kind bundle")
    try:
        json.loads(listing.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WrongInputError(f"the bundle's bundle.json can't be read: {error}", do="make the bundle again: --force bundle") from error
    settings = context.settings
    context.write_json("promotion.json", {"model": settings.model, "alias": settings.alias, "bundle_json": sha256_file(listing)})
