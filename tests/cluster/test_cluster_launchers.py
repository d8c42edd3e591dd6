"""A launcher keeps nothing: killed, evicted, cut off or doubled, the run goes on and no stage runs twice."""

import random
import signal
import time
from pathlib import Path

import pytest

from support.kube import Kube, python, sh
from support.tunnel import Tunnel

RUN = "20260101T000000Z-abc123"


def chain(length: int, seconds: float) -> dict[str, object]:
    """Stages one after another, each of which takes so long."""
    return {
        f"s{i}": sh(f"sleep {seconds}; echo {i} >$LADING_OUTPUT/n.txt", **({"needs": [f"s{i - 1}"]} if i else {})) for i in range(length)
    }


def assert_each_once(kube: Kube, stages: int) -> None:
    """Every stage had one attempt, one Job and one manifest."""
    claims = [key for key in kube.everything("attempts/") if key.endswith("/claim.json")]
    manifests = kube.everything("manifests/")
    assert len(claims) == len(manifests) == stages, kube.explain()
    assert all(key.endswith("/1.json") for key in manifests)
    assert not [key for key in kube.everything("attempts/") if key.endswith("/verdict.json")]


@pytest.mark.slow
def test_a_launcher_killed_at_random_moments(kube: Kube) -> None:
    """A launcher that is killed -9 again and again goes on each time, and no stage has a second attempt."""
    file, chance = kube.pipeline(chain(4, 2)), random.Random(7)
    kills = 0
    for _ in range(20):
        process = kube.begin(file, "--run", RUN)
        time.sleep(chance.uniform(0.5, 5))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += 1
    record = kube.run(file, "--run", RUN, "--json").json()
    assert kills >= 3
    assert (record["run"], record["state"]) == (RUN, "succeeded")
    assert_each_once(kube, 4)


@pytest.mark.slow
def test_a_launcher_pod_deleted_three_times(kube: Kube) -> None:
    """A launcher Job whose pod is evicted, deleted and killed goes on with the same run; what runs meanwhile is left alone."""
    kube.lading("submit", kube.pipeline(chain(2, 25)), "--store", kube.uri, "--run", RUN)
    seen: set[str] = set()

    def fresh() -> list[str]:
        return [pod.metadata.name for pod in kube.pods("launcher", phase="Running") if pod.metadata.name not in seen]

    for turn in range(3):
        (name,) = kube.wait(f"launcher pod {turn + 1}", fresh, within_s=120)
        if turn == 0:
            kube.running(stage="s0")
            waits = kube.start("status", RUN, "--wait", "--store", kube.uri)
            body = {"metadata": {"name": name, "namespace": kube.namespace}}
            kube.core.create_namespaced_pod_eviction(name, kube.namespace, body)
        else:
            kube.core.delete_namespaced_pod(name, kube.namespace, grace_period_seconds=0 if turn == 1 else None)
        seen.add(name)
    record = kube.ended(RUN, within_s=240)
    assert record["state"] == "succeeded"
    assert_each_once(kube, 2)
    assert waits.wait(60) == 0, "who waits for the run waits on while its Job starts another launcher"


@pytest.mark.slow
def test_a_launcher_that_does_not_come_up_again_is_told(kube: Kube) -> None:
    """Its pod is lost, and the namespace has no room for another: `status` says so and what can be done, and the stage works on."""
    kube.lading("submit", kube.pipeline(chain(1, 400)), "--store", kube.uri, "--run", RUN)
    kube.running(stage="s0")
    (pod,) = kube.pods("launcher", phase="Running")
    kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}})
    kube.wait("the quota to count", lambda: kube.core.read_namespaced_resource_quota("full", kube.namespace).status.hard)
    kube.core.delete_namespaced_pod(pod.metadata.name, kube.namespace, grace_period_seconds=0)

    def told() -> str:
        record = kube.lading("status", RUN, "--store", kube.uri, "--json").json()
        return str(record["reason"]) if record["state"] == "interrupted" and "launcher" in record else ""

    reason = kube.wait("why it does not come up", told, within_s=180, every_s=3)
    assert "its launcher does not come up again: the namespace's quota is used up: full" in reason
    assert f"lading cancel {RUN}" in reason
    assert kube.running(stage="s0")


def test_two_launchers_share_one_attempt(kube: Kube) -> None:
    """A Job that one launcher started is adopted by another; when the first is killed, the other brings it to its end."""
    file = kube.pipeline(chain(1, 25))
    first = kube.begin(file, "--run", RUN)
    kube.running(stage="s0")
    second = kube.begin(file, "--json")
    kube.wait(
        "the second run",
        lambda: len({key.split("/")[1] for key in kube.everything("runs/") if key.endswith("progress.json")}) == 2,
        within_s=120,
    )
    first.kill()
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, f"{out}\n{err}\n{kube.explain()}"
    assert kube.run(file, "--run", RUN, "--json").json()["state"] == "succeeded"
    assert len(kube.jobs()) == 1
    assert_each_once(kube, 1)


def test_sigterm_leaves_the_work_running(kube: Kube) -> None:
    """A launcher that is told to stop ends with 143 at once; its stage runs on, and the same run goes on with it."""
    file = kube.pipeline(chain(1, 12))
    process = kube.begin(file, "--run", RUN)
    (pod,) = kube.running(stage="s0")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode in {143, -signal.SIGTERM}
    assert [one.metadata.uid for one in kube.pods(phase="Running")] == [pod.metadata.uid]
    assert kube.run(file, "--run", RUN, "--json").json()["state"] == "succeeded"
    assert_each_once(kube, 1)


def test_cancel_stops_the_job(kube: Kube) -> None:
    """`lading cancel` ends the run with 130, and its Job and pods are gone soon after."""
    process = kube.begin(kube.pipeline(chain(2, 300)), "--run", RUN)
    kube.running(stage="s0")
    kube.lading("cancel", RUN, "--store", kube.uri)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, f"{out}\n{err}"
    states = {name: stage["state"] for name, stage in kube.ended(RUN)["stages"].items()}
    assert states == {"s0": "cancelled", "s1": "cancelled"}
    kube.wait("the pods to be gone", lambda: not kube.pods(phase="Running"), within_s=40)
    assert not kube.jobs()


def test_cancel_without_a_launcher_takes_the_job_away(kube: Kube, tmp_path: Path) -> None:
    """A Job that waits for room, and whose launcher was killed, goes with its run; from where no cluster is known, the command that deletes
    it is told."""
    for run, env in ((RUN, {}), (RUN + "2", {"KUBECONFIG": str(tmp_path / "none")})):
        process = kube.begin(kube.pipeline({"big": sh(f": {run}", gpus=64)}), "--run", run)
        kube.wait("the Job", kube.jobs)
        kube.wait(
            "the launcher's word",
            lambda run=run: (kube.read(f"runs/{run}/progress.json") or {}).get("stages", {}).get("big", {}).get("reason"),
        )
        process.kill()
        process.communicate()
        said = kube.lading("cancel", run, "--store", kube.uri, env=env).text
        assert f"{run} is stopped: cancelled" in said
        if not env:
            kube.wait("the Job to be gone", lambda: not kube.jobs())
    (job,) = kube.jobs()
    assert f"kubectl -n {kube.namespace} delete job {job.metadata.name}" in said


def test_a_cluster_that_is_out_of_reach_for_a_while(kube: Kube, tmp_path: Path) -> None:
    """Connections that break, and an API that is away for some time, end no run: watches come back, and nothing is made twice."""
    with Tunnel.to_cluster(kube.env["KUBECONFIG"], tmp_path) as tunnel:
        process = kube.begin(kube.pipeline(chain(3, 4)), "--run", RUN, env={"KUBECONFIG": str(tunnel.kubeconfig)})
        kube.running(stage="s0")
        tunnel.cut()
        kube.running(stage="s1")
        tunnel.away = True
        tunnel.cut()
        time.sleep(15)
        tunnel.away = False
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, f"{out}\n{err}\n{kube.explain()}"
    assert tunnel.cuts >= 2
    assert_each_once(kube, 3)


def test_more_memory_is_a_new_attempt(kube: Kube) -> None:
    """After a stage was killed for memory, the same pipeline with more of it runs as attempt 2: no Job is changed in place."""
    hungry = python("b = bytearray(200 << 20); print(len(b))")
    failed = kube.run(kube.pipeline({"eat": {**hungry, "memory": "160Mi"}}), "--json", code=1).json()["stages"]["eat"]
    assert failed["cause"] == "out_of_memory"
    assert "160Mi" in failed["message"]
    assert "memory" in failed["do"]
    shown = kube.lading("status", "last", "--store", kube.uri, code=None).text
    assert "160Mi" in shown
    passed = kube.run(kube.pipeline({"eat": {**hungry, "memory": "400Mi"}}), "--json").json()["stages"]["eat"]
    assert (passed["state"], passed["attempt"]) == ("succeeded", 2)
