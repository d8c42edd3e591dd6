"""From an address to a store; boto3 is imported only for one that needs it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lading.errors import UserError
from lading.store.base import Store
from lading.store.directory import DirectoryStore
from lading.store.probe import ensure_honest, refuse_dishonest

if TYPE_CHECKING:
    from lading.config.pipeline import Pipeline

__all__ = ["ensure_honest", "open_chosen", "open_store", "refuse_dishonest"]

_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_FORMS = "a store is a folder, file:///folder, or s3://bucket/prefix"


def open_chosen(pipeline: "Pipeline | None", option: str | None, environ: Mapping[str, str]) -> Store:
    """The store that a person chose: by option, by environment, in the pipeline, or by saying nothing.

    Raises:
        UserError: the address is none that lading knows, or a folder can't be there because a file is.
    """
    from lading.config.location import store_uri  # a stage's supervisor opens by address, and needs no pipelines

    store = open_store(store_uri(pipeline, option, environ))
    if "://" not in store.uri:
        there = next((place for place in (Path(store.uri), *Path(store.uri).parents) if os.path.lexists(place)), Path("/"))
        if not os.path.isdir(there):  # noqa: PTH112 - Path.is_dir raises where a folder above may not be looked into
            what = "is" if str(there) == store.uri else f"can't be there: {there} is"
            raise UserError(
                f"{store.uri} {what} a file, and a store is a folder",
                do="name another: --store, LADING_STORE, or `store:` in the pipeline",
            )
    return store


def open_store(uri: str) -> Store:
    """The store at an address; touches neither disk nor network.

    Raises:
        UserError: the address is none that lading knows.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        if not uri.strip() or not uri.isprintable():
            raise UserError("the store's address is empty or not printable", do=_FORMS)
        return DirectoryStore(Path(uri))
    if scheme == "s3":
        return _open_s3(rest)
    if scheme == "file":
        parts = urlsplit(uri)
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise UserError("a file:// address names an absolute folder of this machine", do=_FORMS)
        return DirectoryStore(Path(unquote(parts.path)))
    raise UserError(f"no store speaks {scheme[:20]!r}", do=_FORMS)


def _open_s3(rest: str) -> Store:
    """A bucket and a prefix, checked; what looks like credentials is refused and not repeated."""
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or ":" in bucket:
        raise UserError(
            "the store's address holds more than a bucket's name before the first '/'",
            do="put credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, and another server in AWS_ENDPOINT_URL",
        )
    if not _BUCKET.match(bucket):
        raise UserError(f"{bucket[:70]!r} is no bucket's name (3 to 63 of a-z, 0-9, '.' and '-')", do=_FORMS)
    from lading.store.s3 import S3Store

    return S3Store(bucket, prefix)
