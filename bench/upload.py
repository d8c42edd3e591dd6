"""Uploading and digesting a 1 GB artifact, against the same bytes by boto3's own upload_file; and back."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.row import Row, side_by_side

SIZE_MB = int(os.environ.get("BENCH_UPLOAD_MB", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "4"))
WARM = 2
"""Rounds that do not count: a virtual machine pays for memory not used before, and a file that is replaced needs its own twice."""


def run() -> list[Row]:
    """In a bucket of its own, made and deleted."""
    what = f"upload + sha256 of {SIZE_MB} MB"
    if not os.environ.get("AWS_ENDPOINT_URL"):
        return [Row(what, 1.25, against="boto3 upload_file", left_out="AWS_ENDPOINT_URL names no S3 server")]
    import boto3

    from lading.store.opening import open_store

    client, bucket = boto3.client("s3"), f"lading-bench-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=bucket)
    store = open_store(f"s3://{bucket}/ours")
    try:
        with tempfile.TemporaryDirectory(prefix="lading-bench-") as folder:
            path, back, theirs = (Path(folder, name) for name in ("artifact", "back", "theirs"))
            with path.open("wb") as file:
                for _ in range(SIZE_MB):
                    file.write(os.urandom(1 << 20))
            up = _warm(lambda: store.upload("artifact", path), lambda: client.upload_file(str(path), bucket, "theirs/artifact"))
            down = _warm(lambda: store.download("artifact", back), lambda: client.download_file(bucket, "theirs/artifact", str(theirs)))
    finally:
        for key in ("ours/artifact", "theirs/artifact"):
            client.delete_object(Bucket=bucket, Key=key)
        client.delete_bucket(Bucket=bucket)
    return [
        Row(what, 1.25, up[0], "boto3 upload_file", up[1]),
        Row(f"download + sha256 of {SIZE_MB} MB", 1.25, down[0], "boto3 download_file", down[1]),
    ]


def _warm(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[tuple[float, ...], ...]:
    """Wall times of both, without those of the first rounds."""
    return tuple(times[WARM:] for times in side_by_side(ours, theirs, WARM + ROUNDS))
