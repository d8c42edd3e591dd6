"""The stores that the contract is held against: a folder, and S3 where AWS_ENDPOINT_URL names a server."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.store.base import Store
from lading.store.opening import open_store


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket for this session alone, emptied and deleted at its end."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("AWS_ENDPOINT_URL names no S3 server")
    import botocore.session

    client = botocore.session.get_session().create_client("s3")
    name = f"lading-test-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=name)
    yield name
    for upload in client.list_multipart_uploads(Bucket=name).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)


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
