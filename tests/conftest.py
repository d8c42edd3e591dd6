"""What all tests share: properties are searched without a clock, since a busy machine is no counterexample; and a bucket."""

import os
import secrets
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("lading", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lading")


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
