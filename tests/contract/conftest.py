"""The stores that the contract is held against: a folder, S3 where AWS_ENDPOINT_URL names a server, and the one in memory that stands
under the simulation and most unit tests."""

import secrets
import time
from pathlib import Path

import pytest

from lading.store.base import Store
from lading.store.opening import open_store
from support.memory_store import MemoryStore

SHARED = ["folder", pytest.param("s3", marks=pytest.mark.s3)]


def made(request: pytest.FixtureRequest, folder: Path) -> Store:
    """A store of the test's own, of the sort that is asked for."""
    if request.param == "memory":
        return MemoryStore(clock=time.time)
    if request.param == "folder":
        return open_store(str(folder / "store"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/{secrets.token_hex(6)}")


@pytest.fixture(params=[*SHARED, "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of any sort."""
    return made(request, tmp_path)


@pytest.fixture(params=SHARED)
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store that several processes reach by its address."""
    return made(request, tmp_path)


@pytest.fixture
def s3_store(bucket: str) -> Store:
    """A store of the test's own on the S3 server."""
    return open_store(f"s3://{bucket}/{secrets.token_hex(6)}")
