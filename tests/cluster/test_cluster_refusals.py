"""What is wrong before anything runs: one sentence and what to do next, exit code 2, and nothing left behind."""

from pathlib import Path

from lading.backends.kubernetes.launcher import RULES
from support.kube import Kube, allow, identity, sh

ONE = {"one": sh("true")}


def test_no_kubeconfig(kube: Kube, tmp_path: Path) -> None:
    """Without a cluster, the command says which variable names one."""
    said = kube.run(kube.pipeline(ONE), code=2, env={"KUBECONFIG": str(tmp_path / "none")}).text
    assert "KUBECONFIG" in said
    assert "Traceback" not in said


def test_a_namespace_that_is_not_there(kube: Kube) -> None:
    """A namespace that is not there is named, with the command that makes it."""
    file = kube.pipeline(ONE, namespace="lading-not-there")
    for verb in (["run", file, "--backend", "kubernetes"], ["submit", file]):
        said = kube.lading(*verb, "--store", kube.uri, code=2).text
        assert "kubectl create namespace lading-not-there" in said
    assert not kube.everything("attempts/")


def test_a_folder_as_store(kube: Kube) -> None:
    """A folder of this machine is refused as a store for pods, before anything starts."""
    file = kube.pipeline(ONE)
    for verb in (["run", file, "--backend", "kubernetes"], ["submit", file], ["render", file]):
        said = kube.lading(*verb, "--store", kube.folder / "store", code=2).text
        assert "pods can't see it" in said
        assert "s3://" in said
    assert not kube.jobs()


def test_an_identity_that_may_do_too_little(kube: Kube, tmp_path: Path) -> None:
    """What is missing is named by verb, resource and Role; with the Role that lading ships, and no more, a run works."""
    env, file = identity(kube, tmp_path), kube.pipeline(ONE)
    said = kube.run(file, code=2, env=env).text
    assert "may not list jobs" in said
    assert "verbs: [list] on resources: [jobs]" in said
    assert "k8s/role.yaml" in said
    allow(kube, RULES)
    assert kube.run(file, "--json", env=env).json()["state"] == "succeeded"
    refused = kube.lading("submit", file, "--store", kube.uri, code=2, env=env).text
    assert "create configmaps" in refused, "a launcher's Role starts no launchers"
