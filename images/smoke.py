"""Runs inside an image, as its user, with a read-only root: what the image is for imports, and what it must not have is not there.

`python /opt/lading/smoke.py launch|train|export`
"""

import importlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

NEEDS = {
    "launch": ("lading.cli.app", "lading.launch.run", "kubernetes", "boto3"),
    "train": ("lading.stages.train", "lading.stages.evaluate", "lading.stages.calibrate", "lading.stages.data", "peft"),
    "export": ("lading.stages.export", "lading.stages.check", "lading.stages.convert", "lading.stages.verify", "lading.stages.bundle"),
}
LACKS = {"launch": ("torch", "numpy"), "train": ("coremltools",), "export": ("lightning",)}


def problems(name: str) -> list[str]:
    """All that is wrong, a sentence each."""
    found = []
    for module in NEEDS[name]:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001
            found.append(f"{module} does not import: {error!r}")
    found += [f"{module} is here, and should not be" for module in LACKS[name] if importlib.util.find_spec(module)]
    if os.getuid() == 0:
        found.append("it runs as root")
    try:
        Path("/opt/lading/written").write_text("x")
        found.append("its root is writable")
    except OSError:
        pass
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x").write_text("scratch works")
    compilers = [tool for tool in ("g++", "gcc", "cc", "clang") if shutil.which(tool)]
    if name == "train" and "g++" not in compilers:
        found.append("no C++ compiler: torch.compile needs one")
    elif name != "train" and compilers:
        found.append(f"a compiler is here, and should not be: {', '.join(compilers)}")
    return found


if __name__ == "__main__":
    which = sys.argv[1]
    wrong = problems(which)
    sys.stdout.write(json.dumps({"image": which, "ok": not wrong, "problems": wrong}) + "\n")
    sys.exit(1 if wrong else 0)
