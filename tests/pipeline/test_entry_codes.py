"""`python -m lading.stages` in real processes over a folder: how each ending is said."""

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from entry_jobs import eventually, gone, logs, manifest, outcome, result, run, script, start
from lading.attempt.records import Cause
from lading.canonical import sha256_file
from lading.config.resources import Resources
from lading.store.opening import open_store

WRITE = "import os, json; out = os.environ['LADING_OUTPUT']; open(out + '/a.txt', 'w').write('made'); "


def test_a_stage_hands_on_what_it_wrote_with_its_measurements_and_log(tmp_path: Path) -> None:
    """A command that ends well leaves a manifest with artifacts, measurements, provenance, a log and an outcome 0."""
    code = WRITE + "print('said'); json.dump({'accuracy': 0.5, 'bad': float('nan')}, open(out + '/measurements.json', 'w'))"
    job = script(tmp_path, code, resources={"cpu": 3})
    image = "registry.example.com/lading-train@sha256:" + "ab" * 32
    assert run(job, LADING_IMAGE=image)[:2] == (0, "said\n")
    made = manifest(job)
    assert made.attempt == 1
    assert made.provenance.image == image
    assert made.nonce == job.nonce
    assert made.artifacts["a.txt"].handed_on
    assert not made.artifacts["measurements.json"].handed_on
    assert made.measurements == {"accuracy": 0.5, "bad": None}
    assert "bad is nan" in made.warnings[0]
    assert made.provenance.hardware["threads"] == 3
    assert open_store(job.store).read(job.id.artifacts + "a.txt") == b"made"
    assert logs(job) == b"said\n"
    said = outcome(job)
    assert (said.code, said.cause) == (0, None)
    assert said.peak_memory
    assert said.peak_memory > 5_000_000


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (35, "signal 35")])
def test_a_command_that_a_signal_ended_says_which(tmp_path: Path, number: int, name: str) -> None:
    """By its name, or by its number where it has none, such as a real-time signal."""
    job = script(tmp_path, f"import os; os.kill(os.getpid(), {int(number)})")

    assert run(job)[0] == 70
    assert f"was ended by {name}" in outcome(job).message


def test_a_result_that_stands_is_not_made_again(tmp_path: Path) -> None:
    """A second attempt at a key whose manifest stands ends with 0 at once and runs nothing."""
    job = script(tmp_path, WRITE + f"open({str(tmp_path / 'ran')!r}, 'a').write('x')")
    assert run(job)[0] == 0
    again = job.but(attempt=2, nonce="other")
    assert run(again)[0] == 0
    assert "stands already" in outcome(again).message
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fingerprint": "0" * 64}, "is not the code that this script was planned with"),
        ({"settings": {"command": []}}, "the settings of stage s are wrong"),
        ({"settings": {"command": ["no-such-program"]}}, "'no-such-program' is not there"),
        ({"settings": {"files": [{"path": "a.py", "sha256": None}]}}, "names a.py by path alone"),
        ({"settings": {"files": [{"path": "a.py", "sha256": "0" * 64}]}}, "is not in the store"),
    ],
)
def test_what_the_user_must_mend_is_64(tmp_path: Path, changes: dict, says: str) -> None:
    """Wrong settings, wrong code, missing commands and files end with 64 and a sentence."""
    job = script(tmp_path, "pass", **changes)
    assert run(job)[0] == 64
    said = outcome(job)
    assert (said.code, said.cause) == (64, Cause.WRONG_INPUT)
    assert says in said.message
    assert not list(open_store(job.store).list("manifests/"))


def test_a_job_that_is_none_is_64(tmp_path: Path) -> None:
    """A job file that can't be read ends with 64 and no traceback."""
    place = tmp_path / "job.json"
    place.write_text("{}")
    ended = subprocess.run([sys.executable, "-m", "lading.stages", str(place)], capture_output=True, text=True, check=False)
    assert ended.returncode == 64
    assert "Traceback" not in ended.stderr


def test_damaged_input_is_65_and_names_need_and_artifact(tmp_path: Path) -> None:
    """An input whose bytes changed ends the attempt with 65 before the stage starts."""
    store = tmp_path / "store"
    ref = result(open_store(str(store)), tmp_path, {"x.bin": b"right", "y.bin": b"sound"})
    job = script(store, f"open({str(tmp_path / 'ran')!r}, 'w')", inputs={"count": ref})
    next(store.rglob("x.bin")).write_bytes(b"wrong")
    assert run(job)[0] == 65
    said = outcome(job)
    assert (said.cause, said.need, said.artifact) == (Cause.DAMAGED_INPUT, "count", "x.bin")
    assert not (tmp_path / "ran").exists()


def test_a_script_that_exits_64_is_70_with_the_tail_of_what_it_said(tmp_path: Path) -> None:
    """Codes come from the supervisor alone: whatever code a user's command ends with, the stage failed."""
    job = script(tmp_path, "import sys; print('why', file=sys.stderr); sys.exit(64)")
    assert run(job)[0] == 70
    said = outcome(job)
    assert said.cause is Cause.FAILED
    assert "exit code 64" in said.message
    assert "why" in said.message


def test_sigterm_is_75_and_the_command_hears_it(tmp_path: Path) -> None:
    """A stage that is asked to stop hears SIGTERM itself, and its attempt ends with 75, never 0."""
    place = tmp_path / "heard"
    code = (
        f"import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (open({str(place)!r}, 'w').write('x'), sys.exit(0)))\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    job = script(tmp_path / "s", "pass", settings={"command": ["python", "-c", code + "\nimport os; os._exit(3)"]})
    process = start(job)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    # The command ended well when it was asked to: then what it made is committed, which alone makes a 0.
    assert process.returncode == 0
    assert place.exists()
    assert manifest(job)


def test_sigterm_without_a_result_is_75(tmp_path: Path) -> None:
    """A command that SIGTERM ends leaves no manifest, and its attempt says 75."""
    job = script(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    process = start(job)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 75
    assert outcome(job).cause is Cause.STOPPED
    assert not list(open_store(job.store).list("manifests/"))


def test_a_stage_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    """SIGTERM that is ignored becomes SIGKILL within the grace."""
    code = "import signal, time, os\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    job = script(tmp_path, code, resources={"grace_s": 1})
    process = start(job)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=50)
    assert process.returncode == 75
    assert "killed" in outcome(job).message
    assert gone(pid)


def test_a_deadline_ends_a_stage_as_failed(tmp_path: Path) -> None:
    """An attempt that takes longer than its deadline is stopped and says so."""
    job = script(tmp_path, "import time; time.sleep(60)", resources={"deadline_s": 0.5})
    assert run(job)[0] == 70
    assert outcome(job).cause is Cause.DEADLINE


def test_the_death_of_the_supervisor_takes_everything_with_it(tmp_path: Path) -> None:
    """kill -9 of the supervisor leaves neither the command nor a grandchild that left its session."""
    code = (
        "import os, subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(os.getpid(), p.pid, os.getppid(), flush=True); time.sleep(60)"
    )
    process = start(script(tmp_path, code))
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert not any(map(gone, pids))
    process.kill()
    process.communicate(timeout=50)
    eventually(lambda: all(map(gone, pids)), within_s=5)


def test_what_a_stage_leaves_running_ends_with_it(tmp_path: Path) -> None:
    """A daemon that a command started does not live on, and does not keep the attempt waiting for its output."""
    code = "import subprocess, sys\n"
    code += "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); print(p.pid)"
    job = script(tmp_path, code)
    status, out, _ = run(job)
    assert status == 0
    assert gone(int(out))


def test_secrets_reach_neither_the_stage_nor_any_log(tmp_path: Path) -> None:
    """A stage that prints its environment, and a passed secret in pieces, shows no secret; AWS_* and KUBECONFIG are not there at all."""
    code = (
        "import os, sys, time, json\nfor n, v in os.environ.items(): print(n, v)\n"
        "s = os.environ['MY_OWN']\n"
        "sys.stdout.write('<' + s[:4]); sys.stdout.flush(); time.sleep(0.3); print(s[4:] + '>')\n"
        "import base64, urllib.parse\n"
        "print('Basic', base64.b64encode(b'me:' + s.encode()).decode(), urllib.parse.quote(s), urllib.parse.quote_plus(s))\n"
        "raise SystemExit(s)"
    )
    secret, passed = "wJalrXUtnFEMI-K7MDENG", "pa55 phrase of mine"
    job = script(tmp_path, code)
    env = {
        "AWS_SECRET_ACCESS_KEY": secret,
        "KUBECONFIG": "/k",
        "GITHUB_TOKEN": "ghp_abcdefgh",
        "MY_OWN": passed,
        "LADING_PASS_ENV": "MY_OWN",
    }
    status, out, err = run(job, **env)
    assert status == 70
    everything = out + err + logs(job).decode() + outcome(job).to_bytes().decode()
    encoded = base64.b64encode(f"me:{passed}".encode()).decode()[4:-4]
    for value in (secret, passed, "ghp_abcdefgh", encoded, "pa55%20phrase", "pa55+phrase"):
        assert value not in everything
    assert "<****>" in out
    assert "<****>" in logs(job).decode()
    assert "AWS_" not in out
    assert "KUBECONFIG" not in out
    for place in tmp_path.rglob("*"):
        assert not place.is_file() or passed.encode() not in place.read_bytes()


def test_a_flood_of_output_stays_in_bounded_memory(tmp_path: Path) -> None:
    """100 MB of output go through the supervisor, whole, in little memory."""
    job = script(tmp_path, "import sys\nfor _ in range(100): sys.stdout.write('0123456789abcdef' * 65536)")
    process = start(job)
    assert process.stdout is not None
    got, peak = 0, 0
    while data := process.stdout.read(1 << 20):
        got += len(data)
        peak = max(peak, int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096)
    assert process.wait(20) == 0
    assert got == 100 << 20
    assert sum(stat.size for stat in open_store(job.store).list(job.id.log())) == got
    assert peak < 100 << 20


@pytest.mark.parametrize(("cpu", "threads"), [(0.5, "1"), (1, "1"), (3.5, "3")])
def test_threads_follow_from_the_stages_cores(tmp_path: Path, cpu: float, threads: str) -> None:
    """OMP, MKL and OpenBLAS get the stage's cores, whatever the machine has."""
    code = "import os; print(*(os.environ[n + '_NUM_THREADS'] for n in ('OMP', 'MKL', 'OPENBLAS')))"
    job = script(tmp_path, code, resources={"cpu": cpu})
    assert run(job, OMP_NUM_THREADS="64")[1].split() == [threads] * 3


def test_needs_with_the_same_file_name_are_kept_apart(tmp_path: Path) -> None:
    """Each need has a folder of its own; user files lie in the working folder; writing there is warned about."""
    store = open_store(str(tmp_path / "store"))
    left = result(store, tmp_path, {"x.txt": b"L", "deep/y.txt": b"Y"}, name="left")
    right = result(store, tmp_path, {"x.txt": b"R"}, name="right")
    own = tmp_path / "tool.py"
    own.write_text("import os\ndef see(n, p): return open(os.path.join(os.environ['LADING_INPUTS'], n, p)).read()\n")
    sha = sha256_file(own)
    store.upload(f"files/{sha}", own)
    code = "import sys; sys.path.insert(0, ''); from tool import see\n"
    code += "print(see('left','x.txt'), see('right','x.txt'), see('left','deep/y.txt')); open('stray', 'w')"
    job = script(tmp_path / "store", code, inputs={"left": left, "right": right}, settings={"files": [{"path": "tool.py", "sha256": sha}]})
    status, out, err = run(job)
    assert (status, out) == (0, "L R Y\n"), err
    assert "stray" in manifest(job).warnings[0]
    assert manifest(job).inputs == {"left": left, "right": right}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        ("os.symlink('/etc/passwd', out + '/link')", "it is a link"),
        ("os.mkfifo(out + '/pipe')", "no regular file"),
        ("open(out + '/na:me', 'w')", "not a plain relative path"),
        ("open(out + '/' + 200 * 'n', 'w')", "200 characters, and 128 are the most"),
        ("open(out + '/a', 'w'), open(out + '/A', 'w')", "the same file"),
    ],
)
def test_output_that_can_not_travel_is_refused(tmp_path: Path, make: str, says: str) -> None:
    """Links, pipes, escaping names and names that collide elsewhere end the attempt with a sentence; nothing is committed."""
    job = script(tmp_path, f"import os; out = os.environ['LADING_OUTPUT']; {make}")
    assert run(job)[0] == 70
    assert says in outcome(job).message
    assert not list(open_store(job.store).list("manifests/"))


@pytest.mark.parametrize("text", ["[1]", "{", json.dumps({"accuracy": "0.9"}), json.dumps({"ok": True})])
def test_measurements_that_are_no_numbers_get_a_sentence(tmp_path: Path, text: str) -> None:
    """measurements.json holds names and numbers, or the stage fails with what is wrong."""
    job = script(tmp_path, f"import os; open(os.environ['LADING_OUTPUT'] + '/measurements.json', 'w').write({text!r})")
    assert run(job)[0] == 70
    assert "measurements.json" in outcome(job).message


def test_an_attempt_that_was_judged_stops(tmp_path: Path) -> None:
    """An attempt that sees its own verdict stops within a heartbeat, and commits nothing."""
    job = script(tmp_path, "import time; print('up', flush=True); time.sleep(60)", resources=Resources().to_data())
    process = start(job)
    assert process.stdout is not None
    process.stdout.readline()
    open_store(job.store).write(job.id.verdict, b"{}")
    process.communicate(timeout=20)
    assert process.returncode == 75
    assert "judged" in outcome(job).message
