"""What `retrain:` may say."""

import jsonschema
import pytest

from lading.config.loader import from_data
from lading.config.retrain import parse
from lading.config.schema import pipeline_schema
from lading.errors import ConfigError


def test_durations_read_as_people_write_them() -> None:
    """24h, 30m, 7d, 2w, and plain seconds."""
    found = parse({"time": {"every": "24h"}, "cooldown": 90})

    assert found.time is not None
    assert (found.time.every, found.cooldown) == (86400, 90)
    assert parse({"time": {"every": "7d"}}).time.every == 7 * 86400  # type: ignore[union-attr]
    assert parse({"time": {"every": "2w"}}).time.every == 14 * 86400  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("retrain", "sentence"),
    [
        ({}, "needs a trigger"),
        ({"time": {"every": "soon"}}, r"retrain\.time\.every: 'soon' is not a duration"),
        ({"time": {"every": 0}}, r"retrain\.time\.every"),
        ({"volume": {}}, "grows_by"),
        ({"volume": {"grows_by": -1}}, "greater than 0"),
        ({"tyme": {"every": "24h"}}, r"retrain\.tyme"),
        ({"time": {"every": "24h"}, "check": "../x"}, r"retrain\.check"),
    ],
)
def test_mistakes_are_sentences(retrain: dict, sentence: str) -> None:
    """Each mistake is named by its field; nothing is a traceback."""
    with pytest.raises(ConfigError, match=sentence):
        parse(retrain)


def test_all_mistakes_at_once() -> None:
    """Two mistakes give two sentences."""
    with pytest.raises(ConfigError) as caught:
        parse({"time": {"every": "soon"}, "cooldown": "x"})
    assert len(caught.value.problems) == 2


def test_a_trigger_of_no_stage_is_found_when_the_file_is_read() -> None:
    """Not by the first CronJob a day later; with the line, and the nearest name."""
    text = {"pipeline": "x", "stages": {"data": {}}, "retrain": {"time": {"every": "24h"}, "volume": {"stage": "dta", "grows_by": 1}}}

    with pytest.raises(ConfigError, match=r"retrain\.volume\.stage: there is no stage 'dta'; did you mean 'data'\?"):
        from_data(text, folder=".")


def test_the_schema_knows_what_retrain_may_say() -> None:
    """An editor takes what the loader takes, and underlines what it refuses."""
    check = jsonschema.Draft202012Validator(pipeline_schema())

    def wrong(retrain: dict) -> list:
        return list(check.iter_errors({"pipeline": "x", "stages": {"data": {}}, "retrain": retrain}))

    assert not wrong({"time": {"every": "24h"}, "cooldown": 90, "champion": {"model": "m"}, "schedule": "17 * * * *"})
    for bad in ({"time": {"every": "soon"}}, {"tyme": {"every": "24h"}}, {"time": {"every": "1h"}, "champion": "m"}):
        assert wrong(bad)
