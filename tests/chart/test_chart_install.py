"""The chart in the cluster that KUBECONFIG names, in a namespace that admits restricted pods alone.

What its pods do is tested elsewhere: here the launcher's image is one that can't be pulled, so that objects alone are looked at.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helm import BASE, CASES, CHART, ROOT, TINY, RefusedError, names, namespace, needs_cluster, needs_helm, sh

pytestmark = [needs_helm, needs_cluster, pytest.mark.cluster]
Object = dict[str, Any]
ABSENT = {"images": {"launch": "registry.invalid/lading-launch:absent"}}
KINDS = "configmaps,serviceaccounts,roles,rolebindings,services,jobs,cronjobs,networkpolicies,pods,secrets"


@pytest.fixture
def where() -> Iterator[str]:
    """The test's own namespace, with its default service account and CA ConfigMap already there."""
    with namespace() as name:
        deadline = time.monotonic() + 30
        while not {"serviceaccount/default", "configmap/kube-root-ca.crt"} <= names("serviceaccounts,configmaps", name):
            assert time.monotonic() < deadline, "the namespace got no default service account"
            time.sleep(0.2)
        yield name


def helm(verb: str, where: str, values: Object, *more: str) -> str:
    """`helm install` or `helm upgrade`: what it prints."""
    line = ("helm", verb, "digits-1", str(CHART), "--namespace", where, "--values", "-", *more)
    return sh(*line, stdin=yaml.safe_dump({**ABSENT, **values}))


def jobs(where: str) -> dict[str, str]:
    """Launcher Jobs that are there, and not being deleted: name to uid."""
    found = json.loads(sh("kubectl", "get", "jobs", "-n", where, "-o", "json"))["items"]
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found if "deletionTimestamp" not in each["metadata"]}


def test_upgrade_rollback_uninstall(where: str) -> None:
    """An upgrade without a change starts nothing, a new pipeline one Job; rollback gives the first again, uninstall leaves nothing."""
    before = names(KINDS, where)
    notes = helm("install", where, BASE).partition("NOTES:")[2]
    first = jobs(where)
    (run,) = first
    assert re.search(rf"^tiny runs as {run}\.$", notes, re.MULTILINE), notes
    for words in (f"lading status {run} --store s3://bucket/prefix", f"logs -f job/{run}", "upgrade digits-1", "uninstall digits-1"):
        assert words in notes

    helm("upgrade", where, {**BASE, "gc": {"enabled": True}})
    assert first == jobs(where)

    helm("upgrade", where, {**BASE, "pipeline": TINY + "# another\n"})
    second = jobs(where)
    assert len(second) == 1
    assert set(second).isdisjoint(first)

    sh("helm", "rollback", "digits-1", "1", "--namespace", where)
    assert set(first) == set(jobs(where))

    # A stage's Job that a launcher would have made: it goes with its owner.
    owner = json.loads(sh("kubectl", "get", "configmap", "digits-1", "-n", where, "-o", "json"))["metadata"]
    job = next(yaml.safe_load_all((ROOT / "k8s/rendered/stage-single.yaml").read_text()))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["name"], "uid": owner["uid"]}
    job["metadata"] |= {"namespace": where, "ownerReferences": [reference]}
    sh("kubectl", "create", "-f", "-", stdin=json.dumps(job))

    sh("helm", "uninstall", "digits-1", "--namespace", where, "--wait")
    deadline = time.monotonic() + 60
    while left := names(KINDS, where) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def test_a_job_that_is_gone_comes_back_as_the_same_run(where: str) -> None:
    """Where the launcher Job was deleted, an upgrade without a change makes it again for the same run, so nothing runs twice."""
    helm("install", where, BASE)
    first = jobs(where)
    sh("kubectl", "delete", "job", *first, "-n", where, "--wait")
    helm("upgrade", where, BASE)
    second = jobs(where)
    assert set(first) == set(second)
    line = "jsonpath={.items[0].spec.template.spec.containers[0].command}"
    command = json.loads(sh("kubectl", "get", "jobs", "-n", where, "-o", line))
    assert command[command.index("--run") + 1] in first


def test_an_upgrade_from_another_machine(where: str, tmp_path: Path) -> None:
    """All that helm knows of a release is in the cluster: with another home, kubeconfig and place of the chart, and nothing but the lines
    of NOTES, the release is upgraded, also where its launcher's Job is gone."""
    helm("install", where, {**BASE, "launcher": {"env": {"A": "b"}}})
    first = jobs(where)
    sh("kubectl", "delete", "job", *first, "-n", where, "--wait")
    chart, config = tmp_path / "lading", tmp_path / "kubeconfig"
    sh("cp", "-r", str(CHART), str(chart))
    config.write_text(sh("kubectl", "config", "view", "--raw", "--flatten", "--minify"))
    other = ("env", "-i", f"PATH={os.environ['PATH']}", f"HOME={tmp_path}", f"KUBECONFIG={config}")
    upgrade = (*other, "helm", "upgrade", "digits-1", str(chart), "--namespace", where, "--reuse-values")

    sh(*upgrade)
    assert set(jobs(where)) == set(first)

    sh(*upgrade, "--set", "again=2")
    second = jobs(where)
    assert len(second) == 1
    assert set(second).isdisjoint(first)
    (tmp_path / "new.yaml").write_text(TINY + "# another\n")
    sh(*upgrade, "--set-file", f"pipeline={tmp_path / 'new.yaml'}")
    third = jobs(where)
    assert set(third).isdisjoint({*first, *second})
    env = json.loads(sh("kubectl", "get", "job", *third, "-n", where, "-o", "jsonpath={.spec.template.spec.containers[0].env}"))
    assert {"name": "A", "value": "b"} in env

    sh(*other, "helm", "rollback", "digits-1", "1", "--namespace", where)
    assert set(jobs(where)) == set(first)
    sh(*other, "helm", "uninstall", "digits-1", "--namespace", where)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_installs(where: str, case: Path) -> None:
    """Each of the chart's cases is taken by the API server, and its launcher's pod by the restricted standard."""
    values = yaml.safe_load(case.read_text())
    if not values.get("serviceAccount", {}).get("create", True):
        sh("kubectl", "create", "serviceaccount", values["serviceAccount"]["name"], "-n", where)
    helm("install", where, {**values, "images": {**values.get("images", {}), **ABSENT["images"]}})
    deadline = time.monotonic() + 30
    while not [name for name in names("pods", where) if name.startswith("pod/digits-1-")]:
        events = sh("kubectl", "get", "events", "-n", where)
        assert "violates PodSecurity" not in events
        assert time.monotonic() < deadline, events
        time.sleep(0.3)
    assert not [line for line in sh("kubectl", "get", "events", "-n", where).splitlines() if "would violate" in line]
    sh("helm", "uninstall", "digits-1", "--namespace", where)


def test_the_launchers_token_may_do_what_it_must_and_nothing_else(where: str) -> None:
    """The release's ServiceAccount may handle Jobs and look at pods of its namespace; Secrets, exec and other namespaces are closed."""
    helm("install", where, BASE)
    account = f"system:serviceaccount:{where}:digits-1"

    def may(verb: str, what: str, *more: str) -> bool:
        try:
            return sh("kubectl", "auth", "can-i", verb, what, "--as", account, *more).strip() == "yes"
        except RefusedError:
            return False

    here = ("-n", where)
    for verb, what in [("create", "jobs"), ("delete", "jobs"), ("watch", "pods"), ("create", "services"), ("get", "configmaps")]:
        assert may(verb, what, *here), (verb, what)
    for verb, what in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("patch", "jobs"),
        ("create", "roles"),
        ("create", "rolebindings"),
        ("delete", "configmaps"),
        ("create", "serviceaccounts/token"),
    ]:
        assert not may(verb, what, *here), (verb, what)
    for verb, what in [("create", "jobs"), ("list", "pods"), ("get", "configmaps")]:
        assert not may(verb, what, "-n", "default"), (verb, what)


def test_the_check_is_fired_by_hand(where: str) -> None:
    """`kubectl create job --from=cronjob/RELEASE-retrain` makes a Job whose name is its pod's tick."""
    helm(
        "install",
        where,
        {**BASE, "pipeline": TINY + "retrain: {time: {every: 24h}, schedule: '17 3 * * *'}\n", "retrain": {"enabled": True}},
    )
    sh("kubectl", "create", "job", "--from=cronjob/digits-1-retrain", "now", "-n", where)
    deadline = time.monotonic() + 30
    while not (
        found := json.loads(sh("kubectl", "get", "pods", "-n", where, "-l", "batch.kubernetes.io/job-name=now", "-o", "json"))["items"]
    ):
        assert time.monotonic() < deadline, sh("kubectl", "get", "events", "-n", where)
        time.sleep(0.3)
    assert found[0]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "now"


def test_the_submitters_role_is_enough_for_the_chart(where: str) -> None:
    """Someone who holds nothing but k8s/role.yaml's lading-submitter installs, upgrades and uninstalls; without it he may not."""
    someone = ("--kube-as-user", "someone", "--kube-as-group", "lading-users", "--kube-as-group", "system:authenticated")
    values = yaml.safe_load((CHART / "ci/full-values.yaml").read_text())
    values["images"] |= ABSENT["images"]
    with pytest.raises(RefusedError, match="forbidden"):
        helm("install", where, values, *someone)
    sh("kubectl", "apply", "-n", where, "-f", str(ROOT / "k8s/role.yaml"))
    helm("upgrade", where, values, "--install", *someone)
    helm("upgrade", where, {**values, "again": 3}, *someone)
    sh("helm", "uninstall", "digits-1", "--namespace", where, *someone)
    assert not jobs(where)
