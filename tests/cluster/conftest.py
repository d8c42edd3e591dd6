"""Images once a session, and for each test a namespace under the restricted standard and a bucket, both gone afterwards."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.images import Images, NoBuilderError
from support.kube import STORE_SECRET, Kube, token

NEEDED = ("KUBECONFIG", "CLUSTER_REGISTRY", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a cluster; what takes longest begins first, so that nobody waits for it alone at the end."""
    here = {item for item in items if Path(item.path).is_relative_to(Path(__file__).parent)}
    items.sort(key=lambda item: not (item in here and item.get_closest_marker("slow")))
    absent = [name for name in NEEDED if not os.environ.get(name)]
    for item in here:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(900))  # waits are bounded one by one, and explain themselves
        if absent:
            item.add_marker(pytest.mark.skip(reason=f"no cluster to test with: {', '.join(absent)} not set"))


@pytest.fixture(scope="session")
def image() -> Images:
    """Gives an image by its name, built and pushed if this tree's was not yet."""
    return Images()


@pytest.fixture(scope="session")
def launch_image(image: Images) -> dict[str, str]:
    """The small image alone."""
    try:
        return image("launch")
    except NoBuilderError as error:
        pytest.skip(str(error))


@pytest.fixture
def kube(launch_image: dict[str, str], tmp_path: Path) -> Iterator[Kube]:
    """A namespace and a bucket of the test's own."""
    import botocore.session
    from kubernetes import client, config

    api = config.new_client_from_config()
    core, name = client.CoreV1Api(api), f"lading-test-{token()}"
    s3 = botocore.session.get_session().create_client("s3")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    s3.create_bucket(Bucket=name)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LADING_")}
    env |= {"LADING_CACHE": str(tmp_path / "cache"), "COLUMNS": "200", "NO_COLOR": "1"}
    made = Kube(name, name, tmp_path, dict(launch_image), core, client.BatchV1Api(api), client.RbacAuthorizationV1Api(api), env)
    try:
        made.secret(STORE_SECRET, {key: os.environ[key] for key in os.environ if key.startswith("AWS_") and key != "AWS_CA_BUNDLE"})
        yield made
    finally:
        for process in made.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        core.delete_namespace(name, propagation_policy="Background")
        _forget(s3, name)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)


def _forget(s3: object, bucket: str) -> None:
    """Empties and deletes the bucket; a stage that is still ending may write once more."""
    for _ in range(5):
        with contextlib.suppress(Exception):
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):  # type: ignore[attr-defined]
                for found in page.get("Contents", ()):
                    s3.delete_object(Bucket=bucket, Key=found["Key"])  # type: ignore[attr-defined]
            s3.delete_bucket(Bucket=bucket)  # type: ignore[attr-defined]
            return
