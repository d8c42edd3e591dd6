"""Workload identity: the account that launcher and stages really have, and that nothing waits for a Secret."""

from pathlib import Path

import yaml

from support.helm import CHART
from support.helm import sh as command
from support.kube import Kube, sh

ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::000000000000:role/trainer"}
ONE = {"one": sh("echo apples >$LADING_OUTPUT/a.txt")}


def accounts(kube: Kube) -> dict[str, dict[str, str]]:
    """The accounts of the launcher's and of the stages' pods, to their annotations."""
    names = {pod.spec.service_account_name for component in ("launcher", "stage") for pod in kube.pods(component)}
    found = {name: kube.core.read_namespaced_service_account(name, kube.namespace) for name in names}
    notes = {name: account.metadata.annotations or {} for name, account in found.items()}
    return {name: {key: value for key, value in each.items() if "helm.sh" not in key} for name, each in notes.items()}


def assert_no_token(kube: Kube) -> None:
    """Stages mount nothing of the account."""
    mounts = [mount.mount_path for pod in kube.pods() for mount in pod.spec.containers[0].volume_mounts]
    assert mounts
    assert not [path for path in mounts if "serviceaccount" in path]


def test_by_submit(kube: Kube) -> None:
    """Both have the annotated account; other annotations are brought up to date, and someone's account stays as it is."""
    kube.core.create_namespaced_service_account(kube.namespace, {"metadata": {"name": "someones"}})
    file = kube.pipeline(ONE, service_account="trainer", service_account_annotations={"old": "1"})
    run = kube.lading("submit", file, "--store", kube.uri, "--json").json()["run"]
    assert kube.ended(run)["state"] == "succeeded"
    assert {name: notes.get("old") for name, notes in accounts(kube).items()} == {"trainer": "1"}
    assert_no_token(kube)

    said = kube.lading("submit", kube.pipeline(ONE, service_account="trainer", service_account_annotations=ROLE), "--store", kube.uri).out
    assert "serviceaccount/trainer configured" in said
    assert ROLE.items() <= accounts(kube)["trainer"].items()
    file = kube.pipeline(ONE, service_account="someones", service_account_annotations=ROLE)
    assert "serviceaccount/someones is there, is not lading's" in kube.lading("submit", file, "--store", kube.uri).out
    assert not kube.core.read_namespaced_service_account("someones", kube.namespace).metadata.annotations


def test_by_the_chart(kube: Kube) -> None:
    """The release's account has the annotations, and the stages' pods have the release's account."""
    image = kube.images["launch"]
    values = {
        "store": {"uri": kube.uri, "secret": "store"},
        "images": {"launch": image, "train": image, "export": image},
        "serviceAccount": {"annotations": ROLE},
    }
    place = kube.folder / "values.yaml"
    place.write_text(yaml.safe_dump(values))
    line = ("helm", "install", "digits-1", str(CHART), "--namespace", kube.namespace, "--values", str(place))
    run = command(*line, "--set-file", f"pipeline={kube.pipeline(ONE)}").partition(" runs as ")[2].partition(".")[0]
    assert kube.ended(run)["state"] == "succeeded"
    assert accounts(kube) == {"digits-1": ROLE}
    assert_no_token(kube)


def test_without_a_secret(kube: Kube, tmp_path: Path) -> None:
    """No Secret is named, none is needed: the launcher's pod starts, and it is the store that asks who it is."""
    kube.core.delete_namespaced_secret("store", kube.namespace)
    file = kube.pipeline(ONE, env_from_secrets=[], service_account="trainer", service_account_annotations=ROLE)
    file.write_text(file.read_text().replace("kubernetes:", f"kubernetes:\n  env: {{AWS_ENDPOINT_URL: {kube.env['AWS_ENDPOINT_URL']}}}", 1))
    kube.lading("submit", file, "--store", kube.uri)

    def said() -> str:
        pods = [pod for pod in kube.pods("launcher") if pod.status.phase in {"Running", "Failed"}]
        return kube.core.read_namespaced_pod_log(pods[0].metadata.name, kube.namespace) if pods else ""

    assert "credentials" in kube.wait("the launcher's word", said)
