"""The chart as `helm template` renders it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lading.backends.kubernetes import launcher as plain
from lading.backends.kubernetes import render
from support.helm import BASE, CASES, CHART, FULL, TINY, base, full, launcher, needs_helm, one, pods, sh, template

pytestmark = needs_helm
Object = dict[str, Any]


def name_of(values: Object, *more: str, release: str = "digits-1") -> str:
    """The launcher Job's name."""
    return str(launcher(template(values, *more, release=release))["metadata"]["name"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lint_is_content_with_every_case(case: Path) -> None:
    """`helm lint --strict` finds nothing to say against any of the chart's cases."""
    assert "0 chart(s) failed" in sh("helm", "lint", "--strict", str(CHART), "--values", str(case), "--kube-version", "1.33.0")


def test_the_role_holds_the_rules_that_the_code_needs() -> None:
    """The chart's Role and the one that `lading render` prints are the same."""
    assert list(plain.RULES) == one(base(), "Role")["rules"]


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
