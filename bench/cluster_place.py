"""A namespace and a bucket for one benchmark on the cluster that KUBECONFIG names, both gone afterwards."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lading.store.base import Store

STORE_SECRET = "store"


@dataclass(frozen=True)
class Place:
    """Where a benchmark works."""

    namespace: str
    store: "Store"
    core: Any
    batch: Any

    @property
    def uri(self) -> str:
        return self.store.uri


def missing() -> str:
    """Why there is nowhere to work; nothing if there is."""
    absent = [name for name in ("KUBECONFIG", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not os.environ.get(name)]
    return f"no cluster with an S3 server to measure with: {', '.join(absent)} not set" if absent else ""


@contextmanager
def place(standard: str = "restricted") -> Iterator[Place]:
    """A namespace under a standard of pod security, with the store's credentials as a Secret, and a bucket."""
    import botocore.session
    from kubernetes import client, config

    from lading.store.opening import open_store

    api = config.new_client_from_config()
    core, name, s3 = client.CoreV1Api(api), f"lading-bench-{secrets.token_hex(4)}", botocore.session.get_session().create_client("s3")
    core.create_namespace({"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": standard}}})
    s3.create_bucket(Bucket=name)
    store = open_store(f"s3://{name}/store")
    try:
        env = {key: value for key, value in os.environ.items() if key.startswith("AWS_") and key != "AWS_CA_BUNDLE"}
        core.create_namespaced_secret(name, {"metadata": {"name": STORE_SECRET}, "stringData": env})
        yield Place(name, store, core, client.BatchV1Api(api))
    finally:
        core.delete_namespace(name, propagation_policy="Background")
        rest = open_store(f"s3://{name}")
        rest.delete(stat.key for stat in rest.list(""))
        s3.delete_bucket(Bucket=name)
