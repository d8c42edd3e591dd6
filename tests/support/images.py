"""The images of this very tree, for the cluster at hand: `python -m support.images launch train export` builds what is not there yet."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "src/**/*.py",
    "src/**/*.txt",
    "src/**/*.css",
    "src/**/*.j2",
    "src/**/*.yaml",
    "images/*/requirements.lock",
    "images/s*.py",
    "Dockerfile.*",
)


class NoBuilderError(Exception):
    """Nothing on this machine builds images."""


class Images:
    """The images of this very tree, by digest; tagged by a hash of all that goes into them, so that nothing is built twice."""

    def __init__(self) -> None:
        digest = hashlib.sha256()
        for pattern in SOURCES:
            for place in sorted(ROOT.glob(pattern)):
                digest.update(f"{place.relative_to(ROOT)}\n".encode() + place.read_bytes())
        self.tag, self.registry = f"test-{digest.hexdigest()[:16]}", os.environ["CLUSTER_REGISTRY"]

    def __call__(self, *names: str) -> dict[str, str]:
        """Name to reference."""
        return {name: self._one(name) for name in names}

    def _one(self, name: str) -> str:
        out = self._out
        out.mkdir(parents=True, exist_ok=True)
        with (out.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process builds, the others wait for it
            place = out / f"{name}.image"
            if not (place.is_file() and self._there(place.read_text().strip())):
                env = {**os.environ, "REGISTRY": self.registry, "TAG": self.tag, "OUT": str(out), "SBOM": str(out)}
                if "CONTAINER_TOOL" not in env and (tool := self._run("tool.sh", env=env)).returncode:
                    raise NoBuilderError(tool.stderr.strip())
                done = self._run("build.sh", name, env=env)
                assert done.returncode == 0, f"images/build.sh {name} ended with {done.returncode}\n{done.stderr[-4000:]}"
            return place.read_text().strip()

    def sbom(self, name: str) -> dict[str, Any]:
        """The bill of materials that the build of this image wrote."""
        return dict(json.loads((self._out / f"lading-{name}.cdx.json").read_text()))

    @property
    def _out(self) -> Path:
        return Path(tempfile.gettempdir()) / f"lading-images-{os.getuid()}" / self.tag

    @staticmethod
    def _run(program: str, *words: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([ROOT / "images" / program, *words], env=env, capture_output=True, text=True, check=False)

    def _there(self, reference: str) -> bool:
        path, _, digest = reference.removeprefix(f"{self.registry}/").partition("@")
        request = urllib.request.Request(f"http://{self.registry}/v2/{path}/manifests/{digest}", method="HEAD")
        request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
        try:
            with urllib.request.urlopen(request, timeout=10):
                return True
        except urllib.error.HTTPError as error:
            return error.code != 404
        except OSError:
            return True  # not a registry that speaks http to us: believed


if __name__ == "__main__":
    for line in Images()(*sys.argv[1:]).items():
        print(*line, flush=True)
