"""Writes images/<name>/requirements.lock: every distribution with its version and the sha256 of its file, for this platform.

`make locks` runs it; versions are those of constraints.txt, files those that pip chooses here. For CUDA, run it where pip finds CUDA
builds of torch, with --suffix .cuda.lock, and build with LOCK=requirements.cuda.lock.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def lock(name: str, suffix: str) -> None:
    """One image's lock."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--prefer-binary"]
        command += [
            "--report",
            report.name,
            "-r",
            str(HERE / name / "requirements.in"),
            "-c",
            str(HERE.parent / "src" / "lading" / "constraints.txt"),
        ]
        subprocess.run(command, check=True)
        found = json.loads(Path(report.name).read_text())["install"]
    lines = []
    for item in sorted(found, key=lambda one: one["metadata"]["name"].lower()):
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        version = item["metadata"]["version"].partition("+")[0]
        lines.append(f"{item['metadata']['name'].lower()}=={version} --hash=sha256:{digest}")
    target = HERE / name / f"requirements{suffix}"
    target.write_text("# written by `make locks`: don't edit\n" + "\n".join(lines) + "\n")
    sys.stdout.write(f"{target}: {len(lines)} distributions\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["launch", "train", "export"])
    parser.add_argument("--suffix", default=".lock")
    options = parser.parse_args()
    for image in options.names:
        lock(image, options.suffix)
