"""A namespace and a bucket of a test's own, the command line against them, and waits that explain themselves when they time out."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lading.store.base import Store
from lading.store.opening import open_store

T = TypeVar("T")
Object = dict[str, Any]
STORE_SECRET = "store"
SLOW = float(os.environ.get("CLUSTER_PATIENCE", "1"))
"""Every bound is multiplied by it: for machines that are busy with other things too."""
SMALL: Object = {"cpu": 0.3, "memory": "128Mi", "grace_s": 5, "shm": "16Mi", "scratch": "64Mi"}


def sh(script: str, **more: Any) -> Object:
    """A script stage that runs a line of shell."""
    return {"kind": "script", "settings": {"command": ["sh", "-c", script]}, **more}


def python(script: str, **more: Any) -> Object:
    """A script stage that runs a line of Python."""
    return {"kind": "script", "settings": {"command": ["python", "-c", script]}, **more}


@dataclass
class Done:
    """A command of lading that ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it said, on one line, as people read it."""
        return " ".join((self.out + "\n" + self.err).split())

    def json(self) -> Any:
        """The document on its standard output."""
        return json.loads(self.out)


@dataclass
class Kube:
    """One namespace, one bucket, one folder."""

    namespace: str
    bucket: str
    folder: Path
    images: dict[str, str]
    core: Any
    batch: Any
    rbac: Any
    env: dict[str, str]
    prefix: str = "p"
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """The store's."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def store(self) -> Store:
        """The store; making a client anew for each look would take longer than the look."""
        return _opened(self.uri)

    def pipeline(
        self, stages: Object, /, *, name: str = "tiny", image: str = "launch", defaults: Object | None = None, **cluster: Any
    ) -> Path:
        """Writes a pipeline file whose script stages run in the small image, unless another is named."""
        images = {kind: self.images.get(kind, self.images[image]) for kind in ("launch", "train", "export")}
        images["train"] = self.images[image]
        kubernetes = {"namespace": self.namespace, "images": images, "env_from_secrets": [STORE_SECRET], **cluster}
        data = {"pipeline": name, "defaults": {**SMALL, **(defaults or {})}, "kubernetes": kubernetes, "stages": stages}
        place = self.folder / f"{name}.yaml"
        place.write_text(yaml.safe_dump(data, sort_keys=False))
        return place

    def lading(self, *arguments: object, code: int | None = 0, timeout_s: float = 180, env: dict[str, str] | None = None) -> Done:
        """Runs the command line to its end; fails, with what the cluster says, where it ends otherwise than with `code`."""
        process = self.start(*arguments, env=env)
        try:
            out, err = process.communicate(timeout=timeout_s * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"lading {arguments} did not end in {timeout_s} s\n{out}\n{err}\n{self.explain()}") from None
        done = Done(process.returncode, out, err)
        assert code is None or done.code == code, f"lading {arguments} ended with {done.code}\n{out}\n{err}\n{self.explain()}"
        return done

    def start(self, *arguments: object, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        """Starts the command line and leaves it running."""
        line = [sys.executable, "-m", "lading", *map(str, arguments)]
        process = subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env=self.env | (env or {}),
        )
        self.started.append(process)
        return process

    def run(self, file: Path, *more: object, code: int | None = 0, **words: Any) -> Done:
        """`lading run FILE --backend kubernetes`."""
        return self.lading("run", file, "--backend", "kubernetes", "--store", self.uri, *more, code=code, **words)

    def begin(self, file: Path, *more: object, **words: Any) -> "subprocess.Popen[str]":
        """The same, left running."""
        return self.start("run", file, "--backend", "kubernetes", "--store", self.uri, *more, **words)

    def record(self, run: str = "last") -> Any:
        """A run's record, as it is now."""
        return self.lading("status", run, "--store", self.uri, "--json", code=None).json()

    def ended(self, run: str, *, within_s: float = 180) -> Any:
        """A run's record, once it has ended."""
        return self.wait(f"the end of run {run}", lambda: self.read(f"runs/{run}/run.json"), within_s=within_s)

    def read(self, key: str) -> Any:
        """A document of the store; none where it is not there."""
        found = list(self.store.list(key))
        return json.loads(self.store.read(key)) if any(stat.key == key for stat in found) else None

    def documents(self, name: str) -> list[Any]:
        """Every document of this file name in the store, by key."""
        return [json.loads(self.store.read(key)) for key in self.everything() if key.rpartition("/")[2] == name]

    def everything(self, prefix: str = "") -> list[str]:
        """Every key of the store."""
        return sorted(stat.key for stat in self.store.list(prefix))

    def logs(self) -> str:
        """All that stages printed, as the store has it."""
        return "".join(self.store.read(key).decode(errors="replace") for key in self.everything("attempts/") if "/logs/" in key)

    def jobs(self, component: str = "stage") -> list[Any]:
        """The namespace's Jobs of a component."""
        return list(self.batch.list_namespaced_job(self.namespace, label_selector=f"app.kubernetes.io/component={component}").items)

    def pods(self, component: str = "stage", *, phase: str | None = None, stage: str | None = None) -> list[Any]:
        """Its pods."""
        selector = f"app.kubernetes.io/component={component}" + (f",lading/stage={stage}" if stage else "")
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return [pod for pod in found if phase in {None, pod.status.phase} and not (phase and pod.metadata.deletion_timestamp)]

    def wait(self, what: str, look: Callable[[], T], *, within_s: float = 60, every_s: float = 0.3) -> T:
        """What `look` gives, once it gives something; fails with what the cluster and the store say."""
        until = time.monotonic() + within_s * SLOW
        while True:
            if found := look():
                return found
            if time.monotonic() > until:
                raise AssertionError(f"{what} did not come within {within_s * SLOW:g} s\n{self.explain()}")
            time.sleep(every_s)

    def running(self, *, stage: str | None = None, count: int = 1, within_s: float = 90) -> list[Any]:
        """The stage's pods, once so many run."""

        def look() -> list[Any]:
            found = self.pods(phase="Running", stage=stage)
            return found if len(found) >= count else []

        return self.wait(f"{count} running pods of {stage or 'any stage'}", look, within_s=within_s)

    def printed(self, text: str, *, within_s: float = 90) -> None:
        """Waits until a stage has printed the text."""
        self.wait(f"{text!r} in a stage's log", lambda: text in self.logs(), within_s=within_s)

    def apply(self, *objects: Object) -> None:
        """Creates core objects of the namespace."""
        makers = {"Secret": self.core.create_namespaced_secret, "ResourceQuota": self.core.create_namespaced_resource_quota}
        for item in objects:
            makers[item["kind"]](self.namespace, item)

    def secret(self, name: str, data: dict[str, str]) -> None:
        """Makes a Secret."""
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})

    def explain(self) -> str:
        """Events, pods with their states, their last lines, and what the store holds: for the reader of a failure."""
        lines = [f"--- namespace {self.namespace}, store {self.uri}"]
        for pod in self.core.list_namespaced_pod(self.namespace).items:
            state = [(s.state.to_dict() if s.state else {}) for s in pod.status.container_statuses or ()]
            shown = [{k: v for k, v in one.items() if v} for one in state]
            lines.append(f"pod {pod.metadata.name} {pod.status.phase} {shown}")
            try:
                lines.append(self.core.read_namespaced_pod_log(pod.metadata.name, self.namespace, tail_lines=15))
            except Exception as error:
                lines.append(f"(no log: {type(error).__name__})")
        events = self.core.list_namespaced_event(self.namespace).items
        lines += [f"event {e.involved_object.kind}/{e.involved_object.name} {e.reason}: {e.message}" for e in events[-25:]]
        keys = self.everything()
        lines += [f"store {key}" for key in keys[-40:]]
        lines += [f"{key}: {self.store.read(key).decode()[:600]}" for key in keys if key.endswith(("verdict.json", "run.json"))]
        lines.append(self.logs()[-6000:])
        return "\n".join(lines)[-14000:]


def identity(kube: Kube, folder: Path) -> dict[str, str]:
    """An environment whose kubeconfig is a fresh service account's, `nobody`, that may do nothing yet."""
    kube.core.create_namespaced_service_account(kube.namespace, {"metadata": {"name": "nobody"}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = kube.core.create_namespaced_service_account_token("nobody", kube.namespace, request).status.token
    config = yaml.safe_load(Path(kube.env["KUBECONFIG"]).read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    place = folder / "nobody.kubeconfig"
    place.write_text(yaml.safe_dump(config))
    return {"KUBECONFIG": str(place)}


def allow(kube: Kube, rules: Iterable[Object]) -> None:
    """Lets that identity do what the rules say."""
    kube.rbac.create_namespaced_role(kube.namespace, {"metadata": {"name": "nobody"}, "rules": list(rules)})
    binding = {
        "metadata": {"name": "nobody"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "nobody"},
        "subjects": [{"kind": "ServiceAccount", "name": "nobody", "namespace": kube.namespace}],
    }
    kube.rbac.create_namespaced_role_binding(kube.namespace, binding)


@cache
def _opened(uri: str) -> Store:
    return open_store(uri)


def token() -> str:
    """A short random name."""
    return secrets.token_hex(4)
