"""Writes images/<name>/requirements.lock and requirements.cuda.lock: every distribution with its version and the sha256 of its file.

`make locks` runs it, on Linux with the Python of the images. Versions are those of constraints.txt. The lock without a suffix names the
files that pip chooses here, by its own configuration: a CPU build of torch where an index or a folder of those is named. The one for CUDA
asks an index alone, whose torch brings the CUDA libraries as distributions: nothing is downloaded but names, hashes and metadata.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parent / "src" / "lading" / "constraints.txt"
PIP = "pip==26.3"  # reads a distribution's metadata without downloading it, which older ones do not in a dry run
LAUNCH = "launch"  # holds no torch, so it is the same with CUDA and without
Item = dict[str, Any]


def resolve(pip: Path, requirements: Path, constraints: Path, *, cuda: bool, index: str = "") -> list[Item]:
    """What pip would install, without installing or downloading it."""
    env = dict(os.environ)
    if cuda:  # a folder or a second index with a CPU build, which counts as newer, must not be seen
        env = {name: value for name, value in env.items() if name not in {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"}}
        env["PIP_CONFIG_FILE"] = os.devnull
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [pip, "install", "-qq", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--use-feature", "fast-deps"]
        which = "--index-url" if cuda else "--extra-index-url"
        command += [*((which, index) if index else ()), "--report", report.name, "-r", requirements, "-c", constraints]
        subprocess.run(command, check=True, env=env)
        return list(json.loads(Path(report.name).read_text())["install"])


def lines(found: list[Item]) -> list[str]:
    """The lock's lines, by name; a local version such as +cpu is left out, so that a key is the same with either build."""
    written = []
    for item in sorted(found, key=lambda one: str(one["metadata"]["name"]).lower()):
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        version = item["metadata"]["version"].partition("+")[0]
        written.append(f"{item['metadata']['name'].lower()}=={version} --hash=sha256:{digest}")
    return written


def wrong_build(found: list[Item], *, cuda: bool) -> str | None:
    """Why this can't be the lock that was asked for."""
    if not any(item["metadata"]["name"] == "torch" for item in found):
        return None
    brought = [item["metadata"]["name"] for item in found if item["metadata"]["name"].startswith("nvidia-")]
    if cuda and not brought:
        return "the index gave a torch that brings no CUDA libraries: name one with CUDA builds, by CUDA_INDEX="
    if not cuda and brought:
        return "pip chose a torch with CUDA: name an index of CPU builds, by TORCH_INDEX="
    return None


def lock(pip: Path, name: str, *, cuda: bool, index: str) -> None:
    """Writes one image's lock."""
    found = resolve(pip, HERE / name / "requirements.in", CONSTRAINTS, cuda=cuda, index=index)
    if wrong := wrong_build(found, cuda=cuda):
        raise SystemExit(f"no lock of {name}{' for CUDA' if cuda else ''}: {wrong}")
    target = HERE / name / ("requirements.cuda.lock" if cuda else "requirements.lock")
    target.write_text("# written by `make locks`: don't edit\n" + "\n".join(lines(found)) + "\n")
    sys.stdout.write(f"{target.relative_to(HERE.parent)}: {len(found)} distributions\n")


def main() -> None:
    """Both locks of each image that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[LAUNCH, "shared", "train", "export"])
    parser.add_argument("--only", choices=("cpu", "cuda"), help="one of the two")
    parser.add_argument("--torch-index", default="", help="an index of CPU builds of torch, beside pip's own")
    parser.add_argument("--cuda-index", default="", help="an index with CUDA builds of torch, and all else, in the place of pip's own")
    options = parser.parse_args()
    here = (platform.system(), platform.machine(), sys.version_info[:2])
    if here != ("Linux", "x86_64", (3, 11)):
        raise SystemExit(f"locks are of the images' platform: run it with Python 3.11 on Linux, x86_64, not on {here}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = Path(folder, "bin", "pip")
        subprocess.run([pip, "install", "-qq", "--disable-pip-version-check", PIP], check=True)
        for name in options.names:
            for cuda in (False, True):
                if options.only not in {None, "cuda" if cuda else "cpu"} or (cuda and name == LAUNCH):
                    continue
                lock(pip, name, cuda=cuda, index=options.cuda_index if cuda else options.torch_index)


if __name__ == "__main__":
    main()
