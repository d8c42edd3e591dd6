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
print("structlog" in sys.modules)
log.info("stage.ended", code=0, path=object)
"""
PREPARE = """
import sys, threading
from lading.logs import configure, prepare
configure(level="{level}")
prepare()
for thread in threading.enumerate()[1:]:
    thread.join()
print("structlog" in sys.modules)
"""


def said(program: str) -> tuple[str, str]:
    """What a process prints, and its standard error."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr.strip()


def test_containers_get_lines_of_json() -> None:
    """One line an event, with all that is bound, also of values that JSON does not know."""
    _, text = said(SAY.format(json=True))
    (line,) = text.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["stage"], found["attempt"], found["code"]) == ("stage.ended", "info", "s", 1, 0)
    assert found["timestamp"].endswith("Z")
    assert "object" in found["path"]


def test_terminals_get_text() -> None:
    """For a person to read, without colours where it is no terminal; and what is below the level costs no import."""
    imported, text = said(SAY.format(json=False))
    assert "stage.ended" in text
    assert "\x1b" not in text
    assert "not.shown" not in text
    assert imported == "False"


def test_what_will_be_said_is_prepared() -> None:
    """The import is done before the first event, where there will be one."""
    assert said(PREPARE.format(level="info"))[0] == "True"
    assert said(PREPARE.format(level="critical"))[0] == "False"
