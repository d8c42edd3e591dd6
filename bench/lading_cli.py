"""The command line as a user starts it, and pipelines for it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

PROGRAM = [sys.executable, "-c", "from lading.cli.app import main; main()"]


def lading(*arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """What one command prints; anything but success is an error with what it said."""
    done = subprocess.run([*PROGRAM, *arguments], check=False, capture_output=True, text=True, env={**compiled(), **(environ or {})})
    if done.returncode:
        raise RuntimeError(f"lading {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def compiled() -> dict[str, str]:
    """The environment, but bytecode is kept, as that of an installed package is: compiling is no part of what is measured."""
    place = Path(tempfile.gettempdir()) / f"lading-bench-bytecode-{os.getuid()}"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(place)} if len(kept) < len(os.environ) else kept


def there(*modules: str) -> str:
    """Why the command line can't be measured here; nothing if it can."""
    done = subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one benchmark."""
    with tempfile.TemporaryDirectory(prefix="lading-bench-") as name:
        yield Path(name)


def empty_stages(where: Path, count: int, *, chain: bool) -> Path:
    """A pipeline of stages that do nothing, one after another or side by side."""
    stages = {
        f"s{index:04}": {
            "kind": "script",
            "settings": {"command": ["true"], "env": {"NUMBER": str(index)}},
            **({"needs": [f"s{index - 1:04}"]} if chain and index else {}),
        }
        for index in range(count)
    }
    path = where / f"empty-{count}.yaml"
    path.write_text(yaml.safe_dump({"pipeline": f"empty-{count}", "stages": stages}, sort_keys=False))
    return path


def last_json(text: str) -> dict:
    """The one document that `--json` prints."""
    return json.loads(text)
