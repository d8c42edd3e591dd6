"""Keys and fingerprints: what changes them, and what does not."""

import ast
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from lading.config.loader import from_data
from lading.plan import fingerprint as module
from lading.plan.fingerprint import _imports, _walk, code_digest, fingerprint, with_versions
from lading.plan.gates import judge, state
from lading.plan.key import key_of, outside_of, semantic

NAMES = st.text("abcxyz", min_size=1, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES
JSON = st.recursive(SCALARS, st.lists, max_leaves=5)
MAPS = st.dictionaries(NAMES, JSON, max_size=4)
DIGESTS = st.dictionaries(NAMES, st.text("0123456789abcdef", min_size=4, max_size=4), max_size=3)


def backwards(value: dict) -> dict:
    """The same map, put together in the other order."""
    return dict(reversed(list(value.items())))


@given(MAPS, DIGESTS, DIGESTS)
def test_a_key_knows_no_order(settings, inputs, outside):
    """Equal ingredients give equal keys, however they were put together."""
    assert key_of("k", settings, "f", inputs, outside) == key_of("k", backwards(settings), "f", backwards(inputs), backwards(outside))


@given(MAPS, DIGESTS, DIGESTS, MAPS, DIGESTS)
def test_a_key_feels_every_ingredient(settings, inputs, outside, other, others):
    """Whatever can change a result changes the key, and no ingredient passes for another."""
    key = key_of("k", settings, "f", inputs, outside)

    assert key != key_of("l", settings, "f", inputs, outside)
    assert key != key_of("k", settings, "g", inputs, outside)
    assert (key == key_of("k", other, "f", inputs, outside)) == (repr(sorted(other.items())) == repr(sorted(settings.items())))
    assert (key == key_of("k", settings, "f", others, outside)) == (others == inputs)
    assert (key == key_of("k", settings, "f", inputs, others)) == (others == outside)


def stage(**body):
    """The one stage of a pipeline."""
    return from_data({"pipeline": "x", "stages": {"s": {"kind": "data", **body}}}, folder=".").stages["s"]


def test_where_a_stage_runs_is_in_no_key():
    """Resources and gates are left out; an image of the user's own counts by its digest."""
    plain, moved = stage(), stage(cpu=8, memory="8Gi", gates={"x": "> 1"}, retries=3, image="mine:1")

    assert semantic(plain) == semantic(moved)
    assert outside_of(plain) == outside_of(moved) == {}
    assert outside_of(stage(image="mine@sha256:" + "a" * 64)) == {"image": "sha256:" + "a" * 64}


def test_a_default_that_is_written_out_is_the_same_key():
    """`seed: 7` and nothing at all are the same settings."""
    assert semantic(stage(settings={"seed": 7})) == semantic(stage())


def digest_of(text: str) -> str:
    """A source's place in a fingerprint."""
    return repr(_walk(ast.parse(text)))


def test_words_for_people_are_in_no_fingerprint():
    """Comments, docstrings, types of quotes and line breaks change nothing; code does."""
    one = 'def f(a):\n    """Does."""\n    # why\n    return g("x", a)\n'
    two = "def f(a):\n    return g('x',\n             a)\n"

    assert digest_of(one) == digest_of(two)
    assert digest_of(one) != digest_of(two.replace("'x'", "'y'"))
    assert digest_of("x = 1") != digest_of("x = True")
    assert digest_of("x = None") != digest_of("x = 0")


def test_a_syntax_tree_has_no_positions_or_fields_of_one_python_only():
    """What differs between versions of Python is left out, so that they share results."""
    assert "type_params" not in digest_of("def f(): pass")
    assert "lineno" not in digest_of("def f(): pass")


def test_imports_are_found_without_importing():
    """Imports inside of functions, relative ones, and tables of dotted paths all count."""
    tree = ast.parse('import a.b\ndef f():\n    from . import c\n    from ..x import d\nT = {"m": "lading.ml.models.cnn:build"}')

    assert {"a.b", "lading.ml.c", "lading.x.d", "lading.ml.models.cnn"} <= set(_imports(tree, "lading.ml"))


def test_the_closure_of_a_kind_holds_what_its_stage_imports():
    """A change in a module that a stage uses changes its fingerprint; one that it does not use doesn't."""
    assert code_digest("data") != code_digest("script")
    kept = module._sources()._kept
    assert {"lading.stages.data", "lading.ml.data", "lading.config.settings.data"} <= set(kept)
    assert not any(name.startswith(("lading.store", "lading.plan", "lading.launch")) for name in kept)


def test_versions_count_without_build_tags_and_absence_counts():
    """+cpu and +cu130 share results; another version, or none, does not."""
    cpu, cuda = with_versions("train", {"torch": "2.13.0+cpu"}), with_versions("train", {"torch": "2.13.0+cu130"})

    assert cpu.digest == cuda.digest
    assert cpu.libraries["torch"] == "2.13.0"
    assert cpu.libraries["lightning"] == "absent"
    assert with_versions("train", {"torch": "2.14.0"}).digest != cpu.digest
    assert with_versions("train", {}).digest != cpu.digest


def test_a_fingerprint_imports_nothing_of_the_stage():
    """A launcher without torch makes the same fingerprints, and other processes agree."""
    program = (
        "import sys; from lading.plan.fingerprint import fingerprint; print(fingerprint('train'));"
        "assert not [m for m in sys.modules if m.startswith(('lading.ml', 'lading.stages', 'torch'))]"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == fingerprint("train")


def test_gates_are_judged_by_level():
    """Only a `must` fails; a `should` warns; a measurement that is missing or no number holds no bound."""
    gates = stage(gates={"a": {"must": ">= 1", "should": ">= 2", "nice": ">= 3"}, "b": "< 5"}).gates

    assert state(judge(gates, {"a": 3, "b": 4})) == "pass"
    assert state(judge(gates, {"a": 2, "b": 4})) == "pass"
    assert state(judge(gates, {"a": 1, "b": 4})) == "warn"
    assert state(judge(gates, {"a": 3, "b": 5})) == "fail"
    assert state(judge(gates, {"a": 3})) == "fail"
    assert state(judge(gates, {"a": 3, "b": None})) == "fail"
    assert [one.ok for one in judge(gates, {"a": 2, "b": 4})] == [True, True, False, True]
