"""What `retrain:` may say."""

import pytest

from lading.config.retrain import parse
from lading.errors import ConfigError


def test_durations_read_as_people_write_them() -> None:
    """24h, 30m, 7d, and plain seconds."""
    found = parse({"time": {"every": "24h"}, "cooldown": 90}, {"data": None})

    assert found.time is not None
    assert (found.time.every, found.cooldown) == (86400, 90)
    assert parse({"time": {"every": "7d"}}, {"data": None}).time.every == 7 * 86400  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("retrain", "sentence"),
    [
        ({}, "needs a trigger"),
        ({"time": {"every": "soon"}}, r"retrain\.time\.every: 'soon' is not a duration"),
        ({"time": {"every": 0}}, r"retrain\.time\.every"),
        ({"volume": {}}, "grows_by"),
        ({"volume": {"grows_by": -1}}, "greater than 0"),
        ({"tyme": {"every": "24h"}}, r"retrain\.tyme"),
        ({"time": {"every": "24h", "stage": "dta"}}, r"no stage 'dta'; there is data"),
        ({"time": {"every": "24h"}, "check": "../x"}, r"retrain\.check"),
    ],
)
def test_mistakes_are_sentences(retrain: dict, sentence: str) -> None:
    """Each mistake is named by its field; nothing is a traceback."""
    with pytest.raises(ConfigError, match=sentence):
        parse(retrain, {"data": None})


def test_all_mistakes_at_once() -> None:
    """Two mistakes give two sentences."""
    with pytest.raises(ConfigError) as caught:
        parse({"time": {"every": "soon"}, "cooldown": "x"}, {"data": None})
    assert len(caught.value.problems) == 2
