"""The S3 policy of a Mac's key: a whole runner works under it, and the rest is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import tiny_s3
from tiny_s3 import Handler, TinyS3

from entry_jobs import result, script
from lading.attempt import tickets
from lading.attempt.tickets import Ticket
from lading.errors import StoreDeniedError
from lading.manifest.handoff import standing
from lading.names import RunPlaces
from lading.store.base import Store
from lading.store.opening import open_store

POLICY = Path(__file__).parents[2] / "images" / "macos" / "s3-policy.json"
MAC, LAUNCHER = "AKIDOFTHEMAC", "AKIDOFTHELAUNCHER"
URI = "s3://bucket/lading"


class Policy:
    """Judges the requests of the Mac's key, as S3 does; with `script` for the kind `convert`, which needs no model."""

    def __init__(self) -> None:
        text = POLICY.read_text().replace("BUCKET", "bucket").replace("PREFIX", "lading").replace("/convert/", "/script/")
        self.statements: list[dict[str, Any]] = json.loads(text)["Statement"]
        self.denied: list[tuple[str, str]] = []

    def allows(self, action: str, resource: str, prefix: str | None = None) -> bool:
        """Whether some statement does."""
        for one in self.statements:
            assert one["Effect"] == "Allow"
            prefixes = one.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
            if (
                action in one["Action"]
                and any(fnmatchcase(resource, pattern) for pattern in one["Resource"])
                and (prefixes is None or any(fnmatchcase(prefix or "", pattern) for pattern in prefixes))
            ):
                return True
        return False

    def __call__(self, handler: Handler, method: str, body: bytes) -> bool:
        """The server's fault: refuses what is not allowed, and a missing object where its place may not be listed."""
        if MAC not in handler.headers.get("Authorization", ""):
            return False
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        key = unquote(parts.path).removeprefix("/bucket").lstrip("/")
        keys = [key]
        if method == "POST" and "delete" in query:
            action = "s3:DeleteObject"
            keys = [name.partition("</Key>")[0] for name in body.decode().split("<Key>")[1:]]
        elif not key:
            action = "s3:ListBucket"
        elif method == "DELETE":
            action = "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
        else:
            action = "s3:PutObject" if method in {"PUT", "POST"} else "s3:GetObject"
        resources = ["arn:aws:s3:::bucket" if action == "s3:ListBucket" else f"arn:aws:s3:::bucket/{one}" for one in keys]
        allowed = all(self.allows(action, one, query.get("prefix")) for one in resources)
        hidden = (
            action == "s3:GetObject" and key not in handler.server.objects and not self.allows("s3:ListBucket", "arn:aws:s3:::bucket", key)
        )
        if allowed and not hidden:
            return False
        if not allowed:
            self.denied.append((action, key or query.get("prefix", "")))
        handler.refuse(403, "AccessDenied")
        return True


@pytest.fixture
def policy() -> Policy:
    """The shipped one."""
    return Policy()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, policy: Policy) -> Iterator[TinyS3]:
    """A server that judges by the policy; this process is the launcher."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with tiny_s3.serving() as server:
        server.fault = policy
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", LAUNCHER)
        yield server


def test_a_whole_runner_works_under_its_policy(tiny: TinyS3, policy: Policy, tmp_path: Path) -> None:
    """With an input, a large artifact and a void ticket: everything that it asks for is allowed, and the result stands."""
    launcher = open_store(URI)
    ref = result(launcher, tmp_path, {"a.txt": b"a"}, kind="data")
    code = "import os; open(os.environ['LADING_INPUTS'] + '/n/a.txt'); open(os.environ['LADING_OUTPUT'] + '/big', 'wb').write(b'0' * SIZE)"
    code = code.replace("SIZE", str(20 << 20))
    job = script(tmp_path, code, inputs={"n": ref}).but(store=URI)
    void = script(tmp_path, "pass", run="over").but(store=URI)
    launcher.write(RunPlaces("over").end, b"{}")
    for one in (job, void):
        tickets.offer(launcher, Ticket(platform="any", kind="script", key=one.key, attempt=1, job=one.to_data()))

    line = [sys.executable, "-c", "from lading.cli.app import main; main()", "runner", "--store", URI, "--platform", "any"]
    env = os.environ | {"AWS_ACCESS_KEY_ID": MAC, "LADING_HEARTBEAT_S": "0.2", "LADING_WORK": str(tmp_path)}
    said = subprocess.run([*line, "--kinds", "verify", "--allow-script", "--once"], env=env, capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stdout + said.stderr
    assert policy.denied == []
    made = standing(launcher, "script", job.key).manifest
    assert made is not None, said.stdout + said.stderr
    assert made.artifacts["big"].size == 20 << 20
    assert [stat.key for prefix in ("tickets/", "runners/") for stat in launcher.list(prefix)] == []
    assert tickets.taken(launcher, void.id) is None


WRITES = [
    "manifests/train/k/1.json",
    "attempts/train/k/1/artifacts/model.safetensors",
    "attempts/train/k/1/taken.json",
    "files/abc",
    "runs/r/plan.json",
    "runs/r/run.json",
    "champions/m/production/1.json",
    "tickets/macos/x.json",
    "retrain/c/t.json",
    "probe.json",
]


def test_the_rest_is_refused(tiny: TinyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other kinds, runs, champions, user files, tickets of its own making; and nothing that was made is deleted."""
    launcher = open_store(URI)
    for key in WRITES:
        launcher.write(key, b"{}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", MAC)
    mac: Store = open_store(URI)

    for key in WRITES:
        with pytest.raises(StoreDeniedError):
            mac.write(key, b"changed")
    for key in (
        "manifests/verify/k/1.json",
        "attempts/verify/k/1/claim.json",
        "files/abc",
        "runs/r/run.json",
        "champions/m/production/1.json",
    ):
        with pytest.raises(StoreDeniedError):
            mac.delete([key])
    for key in ("runs/r/plan.json", "champions/m/production/1.json", "retrain/c/t.json"):
        with pytest.raises(StoreDeniedError):
            mac.read(key)
    for prefix in ("", "runs/", "champions/", "retrain/"):
        with pytest.raises(StoreDeniedError):
            list(mac.list(prefix))
    assert mac.read("runs/r/run.json") == b"{}"
    assert all(launcher.read(key) == b"{}" for key in WRITES)
