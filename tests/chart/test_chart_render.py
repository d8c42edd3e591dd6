"""The chart as `helm template` renders it."""

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from lading.backends.kubernetes import launcher as plain
from lading.backends.kubernetes import render
from lading.config.cluster import Cluster, Images
from lading.config.loader import from_data, load
from support.helm import BASE, CASES, CHART, TINY, launcher, needs_helm, one, pods, sh, template

pytestmark = needs_helm
Object = dict[str, Any]
FULL = CHART / "ci/full-values.yaml"


@cache
def base() -> list[Object]:
    """The least that is needed, rendered."""
    return template(BASE)


@cache
def full() -> list[Object]:
    """Everything at once, rendered."""
    return template(FULL)


def name_of(values: Object, *more: str, release: str = "digits-1") -> str:
    """The launcher Job's name."""
    return str(launcher(template(values, *more, release=release))["metadata"]["name"])


def overrides(command: list[str]) -> list[str]:
    """What a command is told by --set."""
    return [word for before, word in pairwise(command) if before == "--set"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lint_is_content_with_every_case(case: Path) -> None:
    """`helm lint --strict` finds nothing to say against any of the chart's cases."""
    assert "0 chart(s) failed" in sh("helm", "lint", "--strict", str(CHART), "--values", str(case), "--kube-version", "1.33.0")


def test_the_role_holds_the_rules_that_the_code_needs() -> None:
    """The chart's Role and the one that `lading render` prints are the same."""
    assert list(plain.RULES) == one(base(), "Role")["rules"]


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_pod_meets_the_restricted_standard(case: Path) -> None:
    """No pod of the chart, the test's included, runs as root, writes its root, or keeps a capability."""
    found = pods(template(case))
    assert len(found) >= 2
    for name, spec in found.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            assert render.container_security() == container["securityContext"], name
            assert container["resources"]["limits"]["memory"], name


def test_gc_has_no_token() -> None:
    """What needs no API gets no token to it."""
    assert pods(full())["CronJob/digits-1-gc"]["automountServiceAccountToken"] is False


def test_the_retraining_check_fires_once_at_a_time() -> None:
    """Forbid, a starting deadline, bounded histories, and the tick from the Job's own name; the schedule is the pipeline's."""
    cron = one(full(), "CronJob", "-retrain")
    spec = cron["spec"]
    assert (spec["concurrencyPolicy"], spec["startingDeadlineSeconds"], spec["schedule"]) == ("Forbid", 3600, "17 3 * * *")
    assert spec["successfulJobsHistoryLimit"] == spec["failedJobsHistoryLimit"] == 3
    container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    tick = next(each for each in container["env"] if each["name"] == "LADING_TICK")
    assert tick["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"
    assert container["command"][:4] == ["lading", "retrain", "check", "/etc/lading/pipeline.yaml"]


@pytest.mark.parametrize("release", ["a", "a.b", "1st", "x" * 53, "y" * 40 + "-" + "z" * 12])
def test_names_fit(release: str) -> None:
    """However long the release's name: Jobs and Services within 63 characters, CronJobs within 52, Services begin with a letter."""
    objects = template(FULL, release=release)
    for each in objects:
        name = each["metadata"]["name"]
        assert len(name) <= {"CronJob": 52}.get(each["kind"], 63), (each["kind"], name)
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name), name
    assert one(objects, "Service")["metadata"]["name"][0].isalpha()


def test_long_releases_do_not_share_a_cronjob() -> None:
    """Two long names that begin alike give two CronJobs."""
    first, second = (one(template(FULL, release="r" * 50 + end), "CronJob", "-retrain")["metadata"]["name"] for end in ("a", "b"))
    assert first != second


def test_the_same_values_name_the_same_job() -> None:
    """What changes nothing starts nothing, at an upgrade and at another version of the chart."""
    assert name_of(BASE) == name_of(BASE, "--is-upgrade") == launcher(base())["metadata"]["name"]


@pytest.mark.parametrize(
    "change",
    [
        {"pipeline": TINY + "# another\n"},
        {"again": "2"},
        {"store": {"uri": "s3://bucket/other"}},
        {"store": {"uri": "s3://bucket/prefix", "secret": "s"}},
        {"images": {"train": "other:1"}},
        {"images": {"launch": "other:1"}},
        {"kubernetes": {"queue": "q"}},
        {"launcher": {"env": {"A": "b"}}},
        {"launcher": {"resources": {"limits": {"memory": "1Gi"}}}},
    ],
    ids=str,
)
def test_whatever_changes_the_job_starts_another(change: Object) -> None:
    """A Job can't be changed, so each of these gives a Job, and a run, of another name."""
    objects = template({**BASE, **change})
    job = launcher(objects)
    assert job["metadata"]["name"] != launcher(base())["metadata"]["name"]
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--run") + 1] == job["metadata"]["name"]


@pytest.mark.parametrize("change", [{"gc": {"enabled": True}}, {"networkPolicy": {"enabled": True}}], ids=str)
def test_what_is_beside_the_job_starts_none(change: Object) -> None:
    """Switching on a CronJob or a policy starts no run."""
    assert name_of({**BASE, **change}) == launcher(base())["metadata"]["name"]


def test_the_chart_version_starts_no_run(tmp_path: Path) -> None:
    """The chart's own version is nowhere in what the Job is made of."""
    sh("cp", "-r", str(CHART), str(tmp_path / "lading"))
    file = tmp_path / "lading/Chart.yaml"
    file.write_text(file.read_text().replace("version: 0.1.0", "version: 0.2.0").replace('appVersion: "0.1.0"', 'appVersion: "0.2.0"'))
    line = ("helm", "template", "digits-1", str(tmp_path / "lading"), "--kube-version", "1.33.0", "--namespace", "ml", "--values", "-")
    job = launcher([each for each in yaml.safe_load_all(sh(*line, stdin=yaml.safe_dump(BASE))) if each])
    assert job["metadata"]["name"] == launcher(base())["metadata"]["name"]
    assert job["spec"] == launcher(base())["spec"]


def test_a_launcher_reads_its_own_pipeline_alone() -> None:
    """The ConfigMap's entry is named by its text, so a launcher that is being replaced never reads its successor's."""
    other = template({**BASE, "pipeline": TINY + "# another\n"})
    entries = [list(one(objects, "ConfigMap")["data"]) for objects in (base(), other)]
    assert entries[0] != entries[1]
    assert one(base(), "ConfigMap")["data"][entries[0][0]] == TINY
    volume = launcher(base())["spec"]["template"]["spec"]["volumes"][0]["configMap"]
    assert volume == {"name": "digits-1", "items": [{"key": entries[0][0], "path": "pipeline.yaml"}]}


def test_owner_of_the_stages_is_the_config_map() -> None:
    """The launcher is told the ConfigMap's name, and may read it: uninstalling removes what it started."""
    env = launcher(base())["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LADING_OWNER", "value": one(base(), "ConfigMap")["metadata"]["name"]} in env


def test_secrets_are_named_and_never_held() -> None:
    """No Secret is rendered, and the store's keys come by reference."""
    assert not [each for each in full() if each["kind"] == "Secret"]
    assert pods(full())["CronJob/digits-1-gc"]["containers"][0]["envFrom"] == [
        {"secretRef": {"name": "proxy"}},
        {"secretRef": {"name": "store"}},
    ]
    assert "secret-value" not in json.dumps(full())


def test_policies_say_who_talks_to_whom() -> None:
    """Stages reach each other, DNS and the store, the launcher also the API server; nobody reaches the launcher."""
    stages, launchers = (one(full(), "NetworkPolicy", suffix)["spec"] for suffix in ("-stages", "-launchers"))
    ports = [{rule["port"] for rule in egress["ports"]} for egress in stages["egress"] if "ports" in egress]
    assert ports == [{53}, {9000}]
    assert [{rule["port"] for rule in egress["ports"]} for egress in launchers["egress"]] == [{53}, {9000, 443, 6443}]
    assert launchers["ingress"] == []
    assert set(stages["podSelector"]["matchLabels"].items()) <= set(
        {"app.kubernetes.io/managed-by": "lading", "app.kubernetes.io/component": "stage"}.items()
    )
