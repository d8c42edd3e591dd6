"""Pipes that close: of a reader that has seen enough, and of a server."""

import subprocess
import sys

SOCKET = """
import signal, socket, sys
from lading.cli import app

def verb(*_, **__):
    near, far = socket.socketpair()
    far.close()
    try:
        near.sendall(b"x")
    except BrokenPipeError:
        print("survived")

app.app = verb
app.main(["runs"])
"""


def test_a_reader_that_has_seen_enough() -> None:
    """`lading schema | head -c 10` says nothing on stderr, and ends as a shell expects it, not with the code of a failed stage."""
    line = f"{sys.executable} -m lading schema pipeline | head -c 10; echo; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout[:1], done.stderr) == ("{", "")
    assert done.stdout.splitlines()[-1] in {"141", "0"}, "0 where all of it fitted into the pipe"


def test_a_server_that_closes_a_connection() -> None:
    """A broken connection is an error to be handled, not the end of the process."""
    done = subprocess.run([sys.executable, "-c", SOCKET], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "survived", done
