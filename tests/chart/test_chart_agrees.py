"""The chart renders what `lading` itself renders: the launcher, its accounts, and what the stages are told."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lading.backends.kubernetes import launcher as plain
from lading.backends.kubernetes import render
from lading.config.cluster import Cluster, Images
from lading.config.loader import from_data, load
from support.helm import BASE, FULL, TINY, base, full, launcher, needs_helm, one, overrides, pods, template

pytestmark = needs_helm
Object = dict[str, Any]


MAP: Object = {
    "images": {"launch": "reg/launch:1"},
    "image_pull_policy": "Always",
    "image_pull_secrets": ["reg"],
    "ca_bundle": "ca",
    "user_id": 1000,
    "queue": "team-a",
    "env_from_secrets": ["store"],
    "env": {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"},
    "labels": {"team": "t", "cost": "1", "app.kubernetes.io/component": "mine"},
    "annotations": {"note": "of all"},
    "node_selector": {"zone": "a"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    "affinity": {"podAntiAffinity": {}},
    "priority_class": "low",
    "runtime_class": "nvidia",
    "network_interface": "eth1",
    "service_account": "trainer",
    "service_account_annotations": {"role": "r"},
    "volumes": {"corpus": {"claim": "corpus", "path": "/data"}},
    "stages": {"train": {"node_selector": {"gpu": "h100"}, "labels": {"gpu": "yes"}}},
}
OWN: Object = {
    "env": {"NO_PROXY": "none"},
    "labels": {"team": "launchers"},
    "annotations": {"safe": "true"},
    "node_selector": {"pool": "cpu"},
    "tolerations": [],
    "affinity": {"nodeAffinity": {}},
    "priority_class": "high",
    "runtime_class": "gvisor",
    "service_account": "other",
    "env_from_secrets": ["lesser"],
}
MAPS = {"nothing": {}, "a map": MAP, "a launcher's own": {**MAP, "stages": {"launcher": OWN}}, "alone": {"stages": {"launcher": OWN}}}


def both(kubernetes: Object, values: Object | None = None) -> tuple[dict[str, Object], dict[str, Object]]:
    """The launcher's Job and the ServiceAccounts, by kind and name, of the chart and of `lading render`."""
    data = {**yaml.safe_load(TINY), "kubernetes": kubernetes}
    pipeline = from_data(data, folder="").but(folder="")
    cluster = Cluster.model_validate(kubernetes)
    theirs = plain.objects(pipeline, cluster, run="R", store="s3://bucket/prefix", namespace="ml")
    mine = template({**BASE, "pipeline": yaml.safe_dump(data), **(values or {})}, release="lading-launcher")

    def found(objects: list[Object]) -> dict[str, Object]:
        accounts = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ServiceAccount"}
        return {**accounts, "Job": launcher(objects)}

    return found(mine), found(theirs)


@pytest.mark.parametrize("which", MAPS)
def test_the_launcher_of_the_chart_is_the_one_that_lading_renders(which: str) -> None:
    """Whatever the pipeline's `kubernetes:` says: the same pod, field by field, but for the names that follow from a release."""
    mine, theirs = both(MAPS[which])
    job, made = mine["Job"]["spec"], theirs["Job"]["spec"]
    assert (made["backoffLimit"], made["podFailurePolicy"]) == (job["backoffLimit"], job["podFailurePolicy"])
    pod, other = job["template"]["spec"], made["template"]["spec"]
    assert set(pod) == set(other)
    for field in set(pod) - {"containers", "volumes"}:
        assert pod[field] == other[field], field
    (container,), (twin,) = pod["containers"], other["containers"]
    assert set(container) | {"envFrom"} == set(twin) | {"envFrom"}
    for field in set(container) - {"command", "env", "envFrom"}:
        assert container[field] == twin[field], field
    assert container.get("envFrom", []) == twin["envFrom"]
    env, theirs_env = ({one["name"]: one["value"] for one in each["env"]} for each in (container, twin))
    assert (env | {"LADING_OWNER": ""}) == (theirs_env | {"LADING_OWNER": ""})
    assert container["command"][:7] == [*twin["command"][:2], "/etc/lading/pipeline.yaml", *twin["command"][3:7]]
    for volume, same in zip(pod["volumes"], other["volumes"], strict=True):
        assert volume["name"] == same["name"]
        assert volume["name"] == "pipeline" or volume == same
    chart_alone = {"app.kubernetes.io/instance", "app.kubernetes.io/version", "helm.sh/chart"}
    for level in (mine["Job"], theirs["Job"]), (job["template"], made["template"]):
        labels, same = (each["metadata"]["labels"] for each in level)
        apart = {*chart_alone, "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by", "lading/run"}
        assert {k: v for k, v in labels.items() if k not in apart} == {k: v for k, v in same.items() if k not in apart}
    assert job["template"]["metadata"].get("annotations") == made["template"]["metadata"].get("annotations")
    accounts = [{name: each["metadata"].get("annotations", {}) for name, each in side.items() if name != "Job"} for side in (mine, theirs)]
    assert accounts[0] == accounts[1]


def test_what_is_there_for_gpus_is_not_the_launchers() -> None:
    """No runtime class, GPU, queue or data volume of the stages reaches the launcher's Job; its own runtime class does."""
    for job in (side["Job"] for side in both(MAP)):
        command = job["spec"]["template"]["spec"]["containers"][0].pop("command")
        assert command[:2] == ["lading", "run"]
        text = json.dumps(job)
        assert not [word for word in ("nvidia", "eth1", "/data", "h100", "team-a") if word in text]
        assert "runtimeClassName" not in job["spec"]["template"]["spec"]
        assert "suspend" not in job["spec"]
        assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]
        assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "launcher"
    for job in (side["Job"] for side in both({"stages": {"launcher": OWN}})):
        assert job["spec"]["template"]["spec"]["runtimeClassName"] == "gvisor"


def test_the_values_come_over_the_map() -> None:
    """`launcher` of the values: over `stages.launcher`, over the values' `kubernetes`, over the pipeline's; for CronJobs too."""
    values = {
        "kubernetes": {"node_selector": {"zone": "b"}, "priority_class": "middle"},
        "launcher": {"env": {"NO_PROXY": "all"}, "nodeSelector": {"os": "linux"}, "tolerations": [{"key": "mine", "operator": "Exists"}]},
        "gc": {"enabled": True},
    }
    data = {**yaml.safe_load(TINY), "kubernetes": {**MAP, "stages": {"launcher": {"node_selector": {"pool": "cpu"}}}}}
    found = pods(template({**BASE, "pipeline": yaml.safe_dump(data), **values}))
    assert len(found) == 3
    for spec in found.values():
        assert spec["nodeSelector"] == {"zone": "b", "pool": "cpu", "os": "linux"}
        assert spec["priorityClassName"] == "middle"
        assert spec["tolerations"] == [{"key": "mine", "operator": "Exists"}]
        env = {one["name"]: one["value"] for one in spec["containers"][0]["env"]}
        assert (env["NO_PROXY"], env["HTTPS_PROXY"]) == ("all", "http://proxy:3128")


def account_of_stages(objects: list[Object], file: Path) -> str | None:
    """The service account of a stage's pod, as the launcher would make it."""
    command = launcher(objects)["spec"]["template"]["spec"]["containers"][0]["command"]
    file.write_text(next(iter(one(objects, "ConfigMap")["data"].values())))
    cluster = Cluster.model_validate(load(file, overrides=overrides(command)).kubernetes)
    return cluster.pod("data").service_account


ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::000000000000:role/lading"}


@pytest.mark.parametrize(
    ("values", "own", "launchers", "stages", "made"),
    [
        ({}, {}, "digits-1", None, {"digits-1": None}),
        ({"annotations": ROLE}, {}, "digits-1", "digits-1", {"digits-1": ROLE}),
        ({"annotations": ROLE, "name": "mine"}, {}, "mine", "mine", {"mine": ROLE}),
        ({"create": False, "name": "theirs"}, {}, "theirs", "theirs", {}),
        ({}, {"service_account": "theirs"}, "theirs", "theirs", {}),
        ({}, {"service_account": "ours", "service_account_annotations": ROLE}, "ours", "ours", {"ours": ROLE}),
        ({"name": "mine"}, {"service_account": "theirs"}, "mine", "theirs", {"mine": None}),
    ],
    ids=str,
)
def test_the_identity_reaches_the_stages(
    tmp_path: Path, values: Object, own: Object, launchers: str, stages: str | None, made: Object
) -> None:
    """Stages talk to the store: their pods have the account that is annotated, or that someone else made, as the launcher has."""
    text = yaml.safe_dump({**yaml.safe_load(TINY), "kubernetes": own})
    objects = template({**BASE, "pipeline": text, "serviceAccount": values})
    assert launcher(objects)["spec"]["template"]["spec"]["serviceAccountName"] == launchers
    assert account_of_stages(objects, tmp_path / "p.yaml") == stages
    assert {each["metadata"]["name"]: each["metadata"].get("annotations") for each in objects if each["kind"] == "ServiceAccount"} == made
    assert "envFrom" not in launcher(objects)["spec"]["template"]["spec"]["containers"][0]
    for binding in (each for each in objects if each["kind"] == "RoleBinding"):
        assert binding["subjects"][0]["name"] == launchers


def test_the_service_is_the_one_that_the_code_would_make() -> None:
    """The chart's headless Service is the backend's, under the name that the launcher is told."""
    service = one(base(), "Service")
    assert render.service("lading-digits-1", "ml")["spec"] == service["spec"]
    assert 'kubernetes.service="lading-digits-1"' in launcher(base())["spec"]["template"]["spec"]["containers"][0]["command"]


def test_no_ttl_takes_the_launcher_away() -> None:
    """The launcher Job stays, or an upgrade that changes nothing would make it again."""
    assert "ttlSecondsAfterFinished" not in launcher(full())["spec"]


def test_the_overrides_load_over_the_pipeline(tmp_path: Path) -> None:
    """What the launcher is told by --set loads, and says what the values say."""
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_load(FULL.read_text())["pipeline"])
    command = launcher(full())["spec"]["template"]["spec"]["containers"][0]["command"]
    found = Cluster.model_validate(load(file, overrides=overrides(command)).kubernetes)

    assert found.env_from_secrets == ("proxy", "store")
    assert found.images.launch.endswith("d" * 64)
    assert (found.namespace, found.queue, found.user_id, found.store) == ("ml", "team-a", 1000, None)
    assert found.node_selector == {"topology.kubernetes.io/zone": "a"}
    assert found.pod("train").runtime_class == "nvidia"
    assert (found.ca_bundle, found.image_pull_secrets, found.image_pull_policy) == ("ca", ("registry",), "Always")


def test_the_pipelines_own_images_count_where_the_values_name_none(tmp_path: Path) -> None:
    """What a pipeline names for `lading submit` needs no second word here: its images and pull policy, the launcher's too."""
    text = TINY + "kubernetes: {image_pull_policy: Always, images: {launch: 'reg/launch:1', train: 'reg/train:1'}}\n"
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    container = launcher(template({**BASE, "pipeline": text, "images": {"train": "reg/train:2"}}))["spec"]["template"]["spec"][
        "containers"
    ][0]
    found = Cluster.model_validate(load(file, overrides=overrides(container["command"])).kubernetes)

    assert (container["image"], container["imagePullPolicy"]) == ("reg/launch:1", "Always")
    assert (found.images.launch, found.images.train, found.images.export) == ("reg/launch:1", "reg/train:2", Images().export)
    assert found.image_pull_policy == "Always"


def test_numbers_in_the_environment_are_written_out() -> None:
    """A number of many digits is not shown as a power of ten, as Go would."""
    env = launcher(template({**BASE, "launcher": {"env": {"MANY": 12345678, "HALF": 0.5, "SURE": True}}}))["spec"]["template"]["spec"]
    found = {each["name"]: each.get("value") for each in env["containers"][0]["env"]}
    assert (found["MANY"], found["HALF"], found["SURE"]) == ("12345678", "0.5", "true")
