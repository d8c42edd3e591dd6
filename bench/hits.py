"""The same pipeline again, all hits: ten stages and a thousand, in a folder and in S3, with and without the cache on disk."""

import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.lading_cli import empty_stages, folder, lading, last_json, there
from bench.row import Row, seconds

ROUNDS = 5
PAGE_S = 60


def run() -> list[Row]:
    """Results are written by hand, as an attempt would leave them; then the command line is timed as a user starts it."""
    cases = [("10 stages, folder", 10, False, 0.35), ("1000 stages, folder", 1000, False, 2.0)]
    remote = [("1000 stages, S3, cached", 1000, True, 2.0), ("1000 stages, S3, no cache", 1000, False, 5.0)]
    if problem := there("lading.plan.build", "lading.launch.run", "lading.cli.cmd_run"):
        return [Row(f"all hits: {what}", bound, left_out=problem) for what, _, _, bound in cases + remote]
    rows = []
    with folder() as where:
        for what, count, _, bound in cases:
            store = str(where / f"store-{count}")
            _make(empty_stages(where, count, chain=False), store)
            rows.append(Row(f"all hits: {what}", bound, _times(where, count, store, cached=True)))
        if not os.environ.get("AWS_ENDPOINT_URL"):
            return rows + [Row(f"all hits: {what}", bound, left_out="AWS_ENDPOINT_URL names no S3 server") for what, _, _, bound in remote]
        rows += _in_bucket(
            lambda uri: [
                Row(f"all hits: {what}", bound, _times(where, count, uri, cached=cached)) for what, count, cached, bound in remote
            ],
            where,
        )
    return rows


def _times(where: Path, count: int, store: str, *, cached: bool) -> tuple[float, ...]:
    """Wall times of `lading run`; without a cache, each round has a fresh folder for it."""
    pipeline = str(where / f"empty-{count}.yaml")
    times = []
    for number in range(ROUNDS + 1):
        environ = {"LADING_CACHE": str(where / ("cache" if cached else f"cache-{secrets.token_hex(4)}"))}
        said: list[str] = []
        took = seconds(lambda environ=environ, said=said: said.append(lading("run", pipeline, "--json", "--store", store, environ=environ)))
        _wait_for_page(store, str(last_json(said[0])["run"]))
        if number:  # the first one warms the disk and the cache
            times.append(took)
    return tuple(times)


def _wait_for_page(uri: str, run: str) -> None:
    """A run of hits leaves its page to a process behind it, which must not slow down the next round."""
    from lading.names import RunPlaces
    from lading.store.opening import open_store

    store, place = open_store(uri), RunPlaces(run).report
    until = time.monotonic() + PAGE_S
    while not any(store.list(place)):
        if time.monotonic() > until:
            raise RuntimeError(f"{uri} has no {place} after {PAGE_S} s")
        time.sleep(0.05)


def _make(pipeline_file: Path, uri: str) -> None:
    """A result for every stage of a pipeline without needs, as an attempt leaves it: one artifact and a manifest."""
    from lading.canonical import sha256_of
    from lading.config.loader import load
    from lading.manifest.handoff import commit
    from lading.manifest.model import Artifact, Manifest, result_of
    from lading.names import AttemptId
    from lading.plan.build import build
    from lading.plan.resolve import resolve
    from lading.store.opening import ensure_honest, open_store

    store = open_store(uri)
    ensure_honest(store)
    plan = build(resolve(load(pipeline_file), store), store)

    def one(stage: object) -> None:
        kind, key = stage.kind, stage.key  # type: ignore[attr-defined]
        artifacts = {"out": Artifact(path="out", size=1, sha256=sha256_of(key))}
        store.write(AttemptId(kind, key, 1).artifacts + "out", b"x")
        commit(store, Manifest(kind=kind, key=key, attempt=1, nonce=key, artifacts=artifacts, result=result_of(artifacts)), after=0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, plan.stages.values()))


def _in_bucket(measure: Callable[[str], list[Row]], where: Path) -> list[Row]:
    """In a bucket of its own, made and deleted."""
    import boto3

    client, bucket = boto3.client("s3"), f"lading-bench-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=bucket)
    try:
        _make(where / "empty-1000.yaml", f"s3://{bucket}/store")
        return measure(f"s3://{bucket}/store")
    finally:
        from lading.store.opening import open_store

        store = open_store(f"s3://{bucket}")
        store.delete(stat.key for stat in store.list(""))
        client.delete_bucket(Bucket=bucket)
