"""A retraining check from outside starts a launcher Job inside, and a runner outside pulls a stage of a run inside."""

import yaml

from support.kube import Kube, sh


def test_a_check_from_outside_starts_one_launcher_job(kube: Kube) -> None:
    """Fired three times, the tick decides once and has one launcher; each firing tells CI the same, and history shows the end."""
    file = kube.pipeline({"make": sh("echo $LADING_TICK >$LADING_OUTPUT/tick")}, name="again")
    file.write_text(file.read_text() + yaml.safe_dump({"retrain": {"time": {"every": "24h", "stage": "make"}}}))
    line = ("retrain", "check", file, "--store", kube.uri, "--backend", "kubernetes", "--tick", "t1", "--json", "--exit-code")

    first, second = kube.lading(*line, code=10).json(), kube.lading(*line, code=10).json()

    assert first == second
    assert len(kube.jobs("launcher")) == 1
    assert kube.ended(first["run"])["state"] == "succeeded"
    assert kube.lading(*line, code=10).json() == first
    assert len(kube.jobs("launcher")) == 1
    assert [kube.store.read(key) for key in kube.everything("attempts/") if key.endswith("/artifacts/tick")] == [b"t1\n"]
    shown = kube.lading("retrain", "history", "--store", kube.uri, "--json").json()
    assert [(one["tick"], one["state"]) for one in shown] == [("t1", "succeeded")]


def test_a_runner_outside_pulls_a_stage_of_a_run_inside(kube: Kube) -> None:
    """The launcher in the cluster offers `runner: any`; it becomes no Job, and what it makes is handed on to a stage that is one."""
    stages = {
        "one": sh("echo apples >$LADING_OUTPUT/a.txt"),
        "two": sh("cat $LADING_INPUTS/one/a.txt >$LADING_OUTPUT/b.txt", needs=["one"], runner="any"),
        "three": sh("cat $LADING_INPUTS/two/b.txt", needs=["two"]),
    }
    run = kube.lading("submit", kube.pipeline(stages), "--store", kube.uri, "--json").json()["run"]
    kube.wait("a ticket", lambda: kube.everything("tickets/"), within_s=120)
    assert kube.lading("runners", "--store", kube.uri, "--json").json()["waiting"][0]["stage"] == "two"
    kube.start("runner", "--store", kube.uri, "--platform", "any", "--allow-script", "--poll", "0.5")

    record = kube.ended(run)

    assert record["state"] == "succeeded"
    assert "apples" in kube.logs()
    assert sorted(job.metadata.labels["lading/stage"] for job in kube.jobs()) == ["one", "three"]
    assert not kube.everything("tickets/")
