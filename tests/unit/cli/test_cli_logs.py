"""What `lading logs -f` reads where attempts follow each other."""

from pathlib import Path

import pytest

from lading.cli.cmd_logs import Reader, since
from lading.names import AttemptId
from lading.store.opening import open_store

KEY = "a" * 64


def attempt(number: int, key: str = KEY) -> AttemptId:
    """An attempt at one key."""
    return AttemptId("script", key, number)


def test_the_last_words_of_an_attempt_are_read_before_the_next(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Between two looks an attempt fails and two more follow: its end, all of the one between and the newest are printed, in this order."""
    store = open_store(str(tmp_path))
    reader = Reader(store)

    def look(last: AttemptId | None, now: AttemptId) -> None:
        for each in since(last, now):
            reader.more(each.log())

    store.write(attempt(1).log() + "000000.log", b"begins\n")
    look(None, attempt(1))
    for number, chunk, text in ((1, 1, b"fails\n"), (2, 0, b"fails too\n"), (3, 0, b"succeeds\n")):
        store.write(f"{attempt(number).log()}{chunk:06}.log", text)
    look(attempt(1), attempt(3))
    look(attempt(3), attempt(3))
    assert capfdbinary.readouterr().out == b"begins\nfails\nfails too\nsucceeds\n"


def test_what_is_read_at_a_look() -> None:
    """The first look begins with the newest attempt; a stage that is made again under another key is another story."""
    assert since(None, None) == []
    assert since(attempt(1), None) == []
    assert since(None, attempt(3)) == [attempt(3)]
    assert since(attempt(1), attempt(1, "b" * 64)) == [attempt(1), attempt(1, "b" * 64)]
