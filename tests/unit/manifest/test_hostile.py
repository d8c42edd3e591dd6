"""Every hostile sample is refused with a sentence that a person can read; the sound one is not."""

import ast
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading import names
from lading.errors import ManifestError
from lading.manifest.handoff import read_record, standing
from lading.manifest.model import MAX_BYTES, Manifest, Void
from lading.manifest.reading import parse
from support.memory_store import MemoryStore
from unit.manifest.make_hostile import KEY, samples, sound

HERE = Path(__file__).parent / "hostile"
SENTENCES = {
    name: ast.literal_eval(sentence)
    for name, _, sentence in (line.partition(": ") for line in (HERE / "sentences.txt").read_text().splitlines())
}


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_refused_with_a_sentence(name: str) -> None:
    """Each sample breaks one promise; the refusal says which, where, and what to do, without a traceback's words."""
    store = MemoryStore()
    store.write(names.manifest("data", KEY, 1), (HERE / f"{name}.json").read_bytes())

    with pytest.raises(ManifestError, match=SENTENCES[name]) as caught:
        standing(store, "data", KEY)

    assert f"manifests/data/{KEY}/1.json in memory:// is refused: " in caught.value.message
    assert caught.value.do
    assert len(caught.value.message) < 400
    assert "pydantic" not in str(caught.value)


def test_samples_are_what_the_generator_makes() -> None:
    """The files in hostile/ are those of make_hostile.py: none is forgotten, none is stale."""
    made = samples()

    assert {f"{name}.json" for name in made} | {"sentences.txt"} == {path.name for path in HERE.iterdir()}
    for name, (data, sentence) in made.items():
        assert (HERE / f"{name}.json").read_bytes() == data
        assert SENTENCES[name] == sentence


def test_the_sound_one_is_accepted() -> None:
    """What the samples were made from is read, so each is refused for its own reason alone."""
    store = MemoryStore()
    store.write(names.manifest("data", KEY, 1), json.dumps(sound()).encode())

    assert isinstance(read_record(store, "data", KEY, 1), Manifest)


def test_reading_is_bounded() -> None:
    """A document that is too large is refused after MAX_BYTES and one more."""
    store, asked = MemoryStore(), []
    store.write(names.manifest("data", KEY, 1), b" " * (MAX_BYTES + 100))
    read = store.read
    store.read = lambda key, *, start=0, limit=None: asked.append(limit) or read(key, start=start, limit=limit)  # type: ignore[method-assign]

    with pytest.raises(ManifestError, match="larger than"):
        standing(store, "data", KEY)
    assert asked == [MAX_BYTES + 1]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but ManifestError comes out, whatever lies there."""
    with contextlib.suppress(ManifestError):
        parse(data, Manifest, Void, where="here")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.sampled_from(sorted(sound())), JSON)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: object) -> None:
    """A field with a foreign value never gives anything but a manifest or a refusal."""
    data = json.dumps({**sound(), field: value}).encode()
    with contextlib.suppress(ManifestError):
        parse(data, Manifest, Void, where="here")
