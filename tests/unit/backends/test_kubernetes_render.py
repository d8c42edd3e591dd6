"""Rendered Jobs: what every pod must have, what comes from settings, and what never does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.backends.kubernetes import render, words
from lading.config.cluster import Cluster
from lading.config.kinds import KINDS
from lading.plan.job import JobSpec
from support.rendered import Object, container, env, job, pod, rendered


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_meets_the_restricted_standard(kind: str) -> None:
    """Whatever the kind: not root, read-only root, no capability, seccomp, and no token of the API."""
    made = rendered(job(kind))
    spec, one = pod(made), container(made)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert one["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert not {"hostNetwork", "hostPID", "hostIPC", "privileged"} & set(spec)
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]


def test_an_attempt_is_never_retried_by_kubernetes() -> None:
    """One Job is one attempt: no backoff, and any end of a pod but 0, or a disruption, ends the Job and so its survivors."""
    spec = rendered()["spec"]
    assert (spec["backoffLimit"], spec["completionMode"], spec["template"]["spec"]["restartPolicy"]) == (0, "Indexed", "Never")
    disruption, code = spec["podFailurePolicy"]["rules"]
    assert disruption == {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert code == {
        "action": "FailJob",
        "onExitCodes": {"containerName": container(rendered())["name"], "operator": "NotIn", "values": [0]},
    }


def test_a_gang_finds_rank_0_by_name() -> None:
    """Several nodes: as many pods at once, the release's headless Service, and rank 0's name within it."""
    made = rendered(job(resources={"nodes": 3}), service="lading-digits-1")
    name = made["metadata"]["name"]
    assert (made["spec"]["completions"], made["spec"]["parallelism"]) == (3, 3)
    assert pod(made)["subdomain"] == "lading-digits-1"
    assert env(made)["LADING_MASTER"] == f"{name}-0.lading-digits-1:{words.MASTER_PORT}"
    assert render.service("lading-digits-1", "ml")["metadata"]["name"] == "lading-digits-1"


def test_one_pod_needs_no_service() -> None:
    """A stage of one pod has neither subdomain nor master."""
    assert "subdomain" not in pod(rendered())
    assert "LADING_MASTER" not in env(rendered())


def test_the_service_shows_pods_that_are_not_ready() -> None:
    """Rank 0 is found before it is ready, or nobody would ever become ready; the selector fits the pods' labels."""
    spec = render.service("s", "ml")["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"].items() <= rendered()["spec"]["template"]["metadata"]["labels"].items()


def test_selector_fits_what_watches_look_for() -> None:
    """The watches' label selector matches every rendered Job and pod."""
    wanted = dict(pair.split("=") for pair in words.SELECTOR.split(","))
    made = rendered()
    assert wanted.items() <= made["metadata"]["labels"].items()
    assert wanted.items() <= made["spec"]["template"]["metadata"]["labels"].items()


def test_the_job_reads_its_own_spec_from_an_annotation() -> None:
    """The pod gets its JobSpec as a file through the downward API, whole."""
    made = rendered()
    volume = next(each for each in pod(made)["volumes"] if each["name"] == "job")
    assert volume["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.annotations['lading/job']"
    told = made["spec"]["template"]["metadata"]["annotations"]["lading/job"]
    assert job() == JobSpec.model_validate_json(told)
    assert container(made)["command"][-1] == "/lading/job.json"


def test_amounts_are_limits_too() -> None:
    """CPU, memory and GPUs are asked for and bounded alike; /dev/shm and scratch have the sizes of the stage."""
    made = rendered(job(resources={"cpu": 2.5, "memory": "3Gi", "gpus": 2, "shm": "4Gi", "scratch": "5Gi"}), ephemeral_storage="6Gi")
    expected = {"cpu": "2.5", "memory": "3Gi", "nvidia.com/gpu": "2", "ephemeral-storage": "6Gi"}
    assert expected == container(made)["resources"]["requests"] == container(made)["resources"]["limits"]
    volumes = {each["name"]: each for each in pod(made)["volumes"]}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "4Gi"}
    assert volumes["scratch"]["emptyDir"] == {"sizeLimit": "5Gi"}
    assert {"name": "shm", "mountPath": "/dev/shm"} in container(made)["volumeMounts"]


def test_no_gpu_is_no_amount() -> None:
    """A stage without GPUs asks for none, not for zero of them."""
    assert set(container(rendered())["resources"]["limits"]) == {"cpu", "memory"}


def test_grace_leaves_time_to_store_the_last_state() -> None:
    """The pod's grace is longer than the stage's own; the deadline is longer than the supervisor's, which ends it
    first, and counts from when the pod has its node: a stage that waits for a GPU has not begun."""
    made = rendered(job(resources={"grace_s": 40, "deadline_s": 600}))
    assert pod(made)["terminationGracePeriodSeconds"] == 55
    assert "activeDeadlineSeconds" not in made["spec"]
    assert pod(made)["activeDeadlineSeconds"] >= 600 + 55 + 60


def test_a_dead_node_is_left_soon() -> None:
    """Pods leave a node that is not ready or unreachable after a minute, not after Kubernetes' five."""
    found = {each["key"]: each["tolerationSeconds"] for each in pod(rendered())["tolerations"]}
    assert found == {"node.kubernetes.io/not-ready": 60, "node.kubernetes.io/unreachable": 60}


def test_a_queue_suspends() -> None:
    """With a queue the Job starts suspended and carries Kueue's label; without one it does neither."""
    made = rendered(queue="team-a")
    assert made["spec"]["suspend"] is True
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert "suspend" not in rendered()["spec"]


def test_settings_of_a_stage_are_laid_over_the_pipelines() -> None:
    """Maps are merged, lists are replaced; another stage sees nothing of it."""
    settings: Object = {
        "node_selector": {"a": "1"},
        "env": {"HTTPS_PROXY": "http://p"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "stages": {
            "train": {
                "node_selector": {"b": "2"},
                "priority_class": "high",
                "runtime_class": "nvidia",
                "service_account": "s",
                "affinity": {"podAffinity": {}},
                "network_interface": "eth1",
                "volumes": {"d": {"claim": "c", "path": "/data"}},
                "labels": {"team": "t"},
                "annotations": {"note": "n"},
            }
        },
    }
    made = rendered(job(), **settings)
    spec = pod(made)
    assert spec["nodeSelector"] == {"a": "1", "b": "2"}
    assert (spec["priorityClassName"], spec["runtimeClassName"], spec["serviceAccountName"]) == ("high", "nvidia", "s")
    assert spec["affinity"] == {"podAffinity": {}}
    assert spec["tolerations"][-1] == {"key": "x", "operator": "Exists"}
    assert env(made)["NCCL_SOCKET_IFNAME"] == env(made)["GLOO_SOCKET_IFNAME"] == "eth1"
    assert env(made)["HTTPS_PROXY"] == "http://p"
    assert {"name": "data-d", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}} in spec["volumes"]
    assert {"name": "data-d", "mountPath": "/data", "readOnly": True} in container(made)["volumeMounts"]
    template = made["spec"]["template"]["metadata"]
    assert (template["labels"]["team"], template["annotations"]["note"]) == ("t", "n")
    other = pod(rendered(job("data"), **settings))
    assert other["nodeSelector"] == {"a": "1"}
    assert "priorityClassName" not in other


def test_own_labels_win() -> None:
    """No label of a user can hide a pod from the watches or from the Service."""
    made = rendered(labels={words.COMPONENT: "mine", words.MANAGED_BY: "me"})
    assert made["spec"]["template"]["metadata"]["labels"][words.COMPONENT] == "stage"
    assert made["metadata"]["labels"][words.MANAGED_BY] == "lading"


def test_secrets_come_by_reference_alone() -> None:
    """The store's keys are environment from a named Secret; pull secrets and the CA bundle are names too."""
    made = rendered(env_from_secrets=["store"], image_pull_secrets=["reg"], ca_bundle="ca")
    assert container(made)["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert pod(made)["imagePullSecrets"] == [{"name": "reg"}]
    assert {"name": "ca", "configMap": {"name": "ca"}} in pod(made)["volumes"]
    assert env(made)["AWS_CA_BUNDLE"] == "/etc/lading-ca/ca.crt"


def test_images_by_kind_and_by_stage() -> None:
    """The kind's image, unless the stage names its own."""
    images = {"train": "t:1", "export": "e@sha256:" + "0" * 64, "launch": "l:1"}
    assert container(rendered(images=images))["image"] == "t:1"
    assert container(rendered(job("export"), images=images))["image"].startswith("e@sha256:")
    assert container(rendered(job("data", {"image": "mine:2"}), images=images))["image"] == "mine:2"


def test_an_owner_is_named() -> None:
    """With an owner, deleting it deletes the Job; without one there is none."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "digits-1", "uid": "u"}
    made = render.stage_job(job(), Cluster(), namespace="ml", owner=owner)
    assert made["metadata"]["ownerReferences"] == [owner]
    assert "ownerReferences" not in rendered()["metadata"]


@given(key=st.text("0123456789abcdef", min_size=64, max_size=64), n=st.integers(1, 10**6), kind=st.sampled_from(sorted(KINDS)))
def test_names_fit_and_are_the_attempts_own(key: str, n: int, kind: str) -> None:
    """A Job's name with any index fits 63 characters; another store or attempt has another name, the same one the same."""
    one = job(kind, key=key, attempt=n)
    assert len(f"{render.name_of(one)}-1023") <= 63
    assert render.name_of(one) == render.name_of(one.but(run="other", nonce="1" * 32))
    assert render.name_of(one) != render.name_of(one.but(store="s3://other"))
    assert render.name_of(one) != render.name_of(one.but(attempt=n + 1))


def test_rendering_is_plain_data() -> None:
    """What is rendered is JSON as it stands, and the same each time."""
    assert json.loads(json.dumps(rendered())) == rendered() == rendered()
