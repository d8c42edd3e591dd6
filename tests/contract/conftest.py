"""The stores that the contract is held against: a folder, and S3 where AWS_ENDPOINT_URL names a server."""

import secrets
from pathlib import Path

import pytest

from lading.store.base import Store
from lading.store.opening import open_store


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of the test's own, of either sort."""
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/{secrets.token_hex(6)}")


@pytest.fixture
def s3_store(bucket: str) -> Store:
    """A store of the test's own on the S3 server."""
    return open_store(f"s3://{bucket}/{secrets.token_hex(6)}")
