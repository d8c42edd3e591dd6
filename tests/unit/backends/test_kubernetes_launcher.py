"""The objects of a launcher in the cluster, as they are rendered."""

import json
import re
from typing import Any

import pytest

from lading.backends.kubernetes import launcher, render, words
from lading.config.cluster import Cluster
from lading.config.loader import from_data
from support.rendered import Object, container, env, job, pod, rendered


def launched(run: str = "r1", **settings: Any) -> dict[str, Object]:
    """The objects of a launcher, by kind."""
    pipeline = from_data({"pipeline": "p", "stages": {"s": {"kind": "script", "settings": {"command": ["true"]}}}}, folder="")
    objects = launcher.objects(pipeline.but(folder=""), Cluster.model_validate(settings), run=run, store="s3://b/p", namespace="ml")
    return {each["kind"]: each for each in objects}


def test_a_launcher_is_restarted_until_its_run_has_an_end() -> None:
    """An end of the run is final, a disruption counts for nothing, and anything else is tried again."""
    spec = launched()["Job"]["spec"]
    assert spec["backoffLimit"] == 100
    final, ignored = spec["podFailurePolicy"]["rules"]
    assert (final["action"], final["onExitCodes"]["values"]) == ("FailJob", [1, 2, 3, 130])
    assert (ignored["action"], ignored["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")


def test_a_launchers_name_follows_from_what_it_runs() -> None:
    """The same run, pipeline and image: the same Job; another of them: another Job. However long the run's id, it fits."""
    name = launched()["Job"]["metadata"]["name"]
    assert name == launched()["Job"]["metadata"]["name"] == launched()["ConfigMap"]["metadata"]["name"]
    assert name != launched(images={"launch": "other:1"})["Job"]["metadata"]["name"]
    assert name != launched("r2")["Job"]["metadata"]["name"]
    assert len(launched("R" * 60)["Job"]["metadata"]["name"]) <= 63


def test_a_launcher_is_placed_as_a_stage_of_its_name() -> None:
    """The pipeline's map counts for it too, with `stages.launcher` over it; what is there for GPUs does not."""
    settings: Object = {
        "labels": {"team": "t", words.COMPONENT: "mine"},
        "annotations": {"note": "of all"},
        "node_selector": {"zone": "a"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "affinity": {"podAffinity": {}},
        "priority_class": "low",
        "runtime_class": "nvidia",
        "network_interface": "eth1",
        "queue": "q",
        "image_pull_secrets": ["reg"],
        "stages": {"launcher": {"priority_class": "high", "node_selector": {"pool": "cpu"}}, "train": {"node_selector": {"gpu": "1"}}},
    }
    made = launched(**settings)["Job"]
    spec, metadata = pod(made), made["spec"]["template"]["metadata"]
    assert spec["nodeSelector"] == {"zone": "a", "pool": "cpu"}
    assert (spec["priorityClassName"], spec["affinity"]) == ("high", {"podAffinity": {}})
    assert (spec["tolerations"], spec["imagePullSecrets"]) == ([{"key": "x", "operator": "Exists"}], [{"name": "reg"}])
    for labels in (metadata["labels"], made["metadata"]["labels"]):
        assert (labels["team"], labels[words.COMPONENT]) == ("t", "launcher")
        assert words.QUEUE not in labels
    assert metadata["annotations"] == {"note": "of all"}
    assert not {"runtimeClassName", "suspend"} & {*spec, *made["spec"]}
    assert "eth1" not in env(made).values()
    assert set(container(made)["resources"]["limits"]) == {"cpu", "memory"}


def accounts(**settings: Any) -> dict[str, Any]:
    """The service accounts that are made for a launcher, to their annotations; with its own and its stages' beside them."""
    pipeline = from_data({"pipeline": "p", "stages": {"s": {"kind": "script", "settings": {"command": ["true"]}}}}, folder="")
    cluster = Cluster.model_validate(settings)
    objects = launcher.objects(pipeline.but(folder=""), cluster, run="r1", store="s3://b/p", namespace="ml")
    by_kind = {each["kind"]: each for each in objects}
    (subject,) = by_kind["RoleBinding"]["subjects"]
    assert subject["name"] == pod(by_kind["Job"])["serviceAccountName"]
    assert by_kind["Role"]["metadata"]["name"] == by_kind["RoleBinding"]["roleRef"]["name"] == "lading-launcher", "never someone's own Role"
    stage = pod(render.stage_job(job(), cluster, namespace="ml"))
    assert stage["automountServiceAccountToken"] is False
    made = {each["metadata"]["name"]: each["metadata"].get("annotations") for each in objects if each["kind"] == "ServiceAccount"}
    return {"made": made, "launcher": subject["name"], "stage": stage.get("serviceAccountName")}


def test_an_identity_is_the_launchers_and_the_stages() -> None:
    """An account that is named is both's, and made only where it gets annotations: any other is someone's, and is left as it is."""
    role = {"eks.amazonaws.com/role-arn": "arn"}
    assert accounts() == {"made": {"lading-launcher": None}, "launcher": "lading-launcher", "stage": None}
    assert accounts(service_account="theirs") == {"made": {}, "launcher": "theirs", "stage": "theirs"}
    found = accounts(service_account="ours", service_account_annotations=role)
    assert found == {"made": {"ours": role}, "launcher": "ours", "stage": "ours"}
    apart = accounts(service_account="ours", service_account_annotations=role, stages={"launcher": {"service_account": "lading-launcher"}})
    assert apart == {"made": {"lading-launcher": None, "ours": role}, "launcher": "lading-launcher", "stage": "ours"}


def test_no_secret_is_needed() -> None:
    """With an identity there is none: nothing of one is in launcher or stage."""
    for made in (launched(service_account="ours")["Job"], rendered(service_account="ours")):
        assert not container(made)["envFrom"]
        assert "secret" not in json.dumps(made).lower()


@pytest.mark.parametrize("store", ["s3://b/p", "/store/models"])
def test_a_launcher_mounts_what_its_store_lies_in(store: str) -> None:
    """A store in a volume is mounted into the launcher's pod as into those of the stages; beside an S3 store, data is not."""
    cluster = Cluster.model_validate({"volumes": {"s": {"claim": "models", "path": "/store", "read_only": False}}})
    made = launcher.launcher_job(cluster, name="n", run="r1", pipeline="p", store=store, namespace="ml", account="a")
    claims = [each["persistentVolumeClaim"]["claimName"] for each in pod(made)["volumes"] if "persistentVolumeClaim" in each]
    mounts = [(each["mountPath"], each["readOnly"]) for each in container(made)["volumeMounts"] if each["name"] == "data-s"]
    assert (claims, mounts) == (([], []) if "://" in store else (["models"], [("/store", False)]))


@pytest.mark.parametrize("run", ["r" * 64, "r" * 99 + "x", "ends-", "a._"])
def test_what_is_no_labels_value_becomes_one(run: str) -> None:
    """A run's id or a name that Kubernetes takes for no label still gives objects that it takes, and two give two."""
    for made in (rendered(job(run=run)), *launched(run).values()):
        found = made["metadata"]["labels"]
        if words.RUN in found:
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", found[words.RUN]), found
    assert words.value(run) != words.value(run + "2")
    assert words.value("20260101T000000Z-0abc") == "20260101T000000Z-0abc"


def test_two_long_run_ids_give_two_launchers() -> None:
    """The hash is not cut off by a long run id."""
    assert launched("r" * 60 + "a")["Job"]["metadata"]["name"] != launched("r" * 60 + "b")["Job"]["metadata"]["name"]
    assert launched("Mine_1.2")["Job"]["metadata"]["name"].startswith("lading-mine-1-2-")


def test_only_the_launcher_has_a_token() -> None:
    """Its ServiceAccount mounts none by itself; the launcher's pod asks for it, with a Role of its namespace alone."""
    objects = launched()
    assert objects["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod(objects["Job"])["automountServiceAccountToken"] is True
    assert objects["RoleBinding"]["roleRef"]["kind"] == objects["Role"]["kind"] == "Role"
    for rule in objects["Role"]["rules"]:
        assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
        assert "secrets" not in rule["resources"]


def test_what_launchers_share_is_no_runs_own() -> None:
    """Objects that every run of a namespace uses are the same for all of them; what is a run's own says whose."""
    first, second = launched("r1"), launched("r2")
    for kind in ("ServiceAccount", "Role", "RoleBinding", "Service"):
        assert first[kind] == second[kind]
        assert words.RUN not in first[kind]["metadata"]["labels"]
    for kind in ("ConfigMap", "Job"):
        assert first[kind]["metadata"]["labels"][words.RUN] == "r1"
