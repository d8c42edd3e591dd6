"""What lading says of itself, as programs and people read it."""

import json
import subprocess
import sys

SAY = """
import sys
from lading.logs import configure, get_logger
configure(json={json}, level="info")
log = get_logger(stage="s").bind(attempt=1)
log.debug("not.shown")
log.info("stage.ended", code=0, path=object)
print("structlog" in sys.modules)
"""


def said(as_json: bool) -> tuple[str, str]:
    """What a process prints that says one thing, and its standard error."""
    line = [sys.executable, "-c", SAY.format(json=as_json)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr.strip()


def test_containers_get_lines_of_json_and_import_no_structlog() -> None:
    """One line an event, with all that is bound, also of values that JSON does not know; without the time that structlog takes."""
    imported, text = said(True)
    (line,) = text.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["stage"], found["attempt"], found["code"]) == ("stage.ended", "info", "s", 1, 0)
    assert found["timestamp"].endswith("Z")
    assert "object" in found["path"]
    assert imported == "False"


def test_terminals_get_structlogs_own_form() -> None:
    """For a person to read."""
    imported, text = said(False)
    assert "stage.ended" in text
    assert "not.shown" not in text
    assert imported == "True"
