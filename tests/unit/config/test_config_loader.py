"""The loader: what it takes, and the sentence for each mistake."""

from pathlib import Path

import pytest

from lading.config.loader import from_data, load
from lading.config.pipeline import Pipeline
from lading.errors import ConfigError

GOOD = """
pipeline: demo
defaults: {cpu: 2, env: {A: "1"}}
stages:
  last:
    kind: script
    needs: [first]
    settings: {command: [python, b.py], files: [b.py]}
    gates: {total: ">= 3", size: {must: "< 9", nice: "< 2"}}
    env: {B: "2"}
  first:
    kind: script
    settings: {command: [python, a.py], env: {LEVEL: "3"}}
    cpu: 1
"""

SCRIPT = "{kind: script, settings: {command: [x]}}"


def written(tmp_path: Path, text: str) -> Path:
    """A file with a text."""
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    """The sentences that loading a text ends with."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), overrides=overrides)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def stages(text: str) -> str:
    """A pipeline with one more stage `s` beside a script `a`; `s` is in line 5."""
    return f"pipeline: demo\nstages:\n  a: {SCRIPT}\n  # here\n  s: {text}\n"


def test_stages_come_after_their_needs_with_defaults_below_their_own(tmp_path):
    """Stages are in an order that can run, and `defaults:` is merged under each."""
    pipeline = load(written(tmp_path, GOOD))

    assert list(pipeline.stages) == ["first", "last"]
    assert pipeline.stages["first"].resources.cpu == 1
    assert pipeline.stages["last"].resources.cpu == 2
    assert pipeline.stages["last"].resources.env == {"A": "1", "B": "2"}
    assert pipeline.stages["last"].needs == {"first": "first"}
    assert pipeline.folder == str(tmp_path)


def test_a_pipeline_survives_json(tmp_path):
    """What is written to plan.json is read again as the same pipeline, settings by their kind's model."""
    pipeline = load(written(tmp_path, GOOD))

    assert Pipeline.model_validate(pipeline.to_data()) == pipeline
    assert from_data(pipeline.to_data(), folder="elsewhere") == pipeline


def test_needs_find_their_roles(tmp_path):
    """A list of needs is matched to the kind's roles; a map says which."""
    text = """
pipeline: demo
stages:
  data: {}
  base: {kind: train, needs: [data], settings: {epochs: 1}}
  train: {needs: {start: base, data: data}, settings: {epochs: 1}}
  evaluate: {needs: [train, data]}
"""
    pipeline = load(written(tmp_path, text))

    assert pipeline.stages["train"].needs == {"start": "base", "data": "data"}
    assert pipeline.stages["evaluate"].needs == {"model": "train", "data": "data"}


def test_everything_wrong_is_said_at_once_in_the_order_of_lines(tmp_path):
    """One look at the messages is enough to mend the file."""
    text = "pipeline: Demo\nstages:\n  a: {kind: scrpt}\n  b: {kind: script, settings: {comand: [x]}, nodes: 2}\n"

    found = problems(tmp_path, text)

    assert [problem.split(": ")[0] for problem in found] == ["p.yaml:1", "p.yaml:3", "p.yaml:4", "p.yaml:4", "p.yaml:4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{kind: scrpt}", "p.yaml:5: stages.s.kind: value 'scrpt': there is no such kind; did you mean 'script'?"),
        ("{}", "p.yaml:5: stages.s: there is no kind 's', so say `kind:`"),
        ("{kind: script, settings: {}}", "p.yaml:5: stages.s.settings.command: it is missing"),
        ("{kind: script, settings: {command: []}}", "stages.s.settings.command: it is empty, and should have at least 1"),
        ("{kind: script, settings: {comand: [x]}}", "stages.s.settings.comand: there is no such key; did you mean 'command'?"),
        ("{kind: script, settings: {command: x}}", "stages.s.settings.command: value 'x': it should be a list, such as [a, b]"),
        ("{kind: script, settings: {command: [x], env: {A: 3}}}", "stages.s.settings.env.A: value 3: it should be text (in quotes"),
        ("{kind: script, settings: 3}", "stages.s.settings: value 3: it should be a map"),
        ("{kind: data, settings: {source: digit}}", "value 'digit': it should be one of digits, pydoc, npz, text; did you mean 'digits'?"),
        ("{kind: data, settings: {seed: yes}}", "stages.s.settings.seed: value 'yes': it should be a whole number"),
        ("{kind: data, settings: {seed: -1}}", "stages.s.settings.seed: value -1: it should be greater than or equal to 0"),
        ("{kind: data, settings: {split: {tst: 0.1}}}", "stages.s.settings.split.tst: there is no such key; did you mean 'test'?"),
        ("{kind: data, seed: 3}", "stages.s.seed: there is no such key; it is a setting: write it under `settings:`"),
        ("{kind: data, cpus: 3}", "stages.s.cpus: there is no such key; did you mean 'cpu'?"),
        ("{kind: data, cpu: 0}", "stages.s.cpu: value 0: it should be greater than 0"),
        ("{kind: data, memory: 4Gb}", "stages.s.memory: value '4Gb': '4Gb' is not an amount of memory; write one such as 4Gi"),
        ("{kind: data, nodes: 2}", "stages.s.nodes: value 2: kind data runs as one process"),
        ("{kind: data, gates: {x: 0.9}}", "stages.s.gates.x: value 0.9: a gate should be an operator and a number in quotes"),
        ("{kind: data, gates: {x: '0.9'}}", "'0.9' is not a bound"),
        ("{kind: data, gates: {x: {mst: '> 1'}}}", "stages.s.gates.x.mst: there is no such key; did you mean 'must'?"),
        ("{kind: data, needs: [a]}", "stage a is of kind script, which kind data does not take (no needs at all)"),
        ("{kind: data, needs: a}", "stages.s.needs: value 'a': it should be a list of stages, such as [data, train]"),
        ("{kind: script, settings: {command: [x]}, needs: [b]}", "stages.s.needs[0]: there is no stage 'b'; choose from a, s"),
        ("{kind: script, settings: {command: [x]}, needs: [a, a]}", "stages.s.needs[1]: stage a is named twice"),
        ("{kind: script, settings: {command: [x]}, needs: [s]}", "stages need each other in a circle: s → s"),
        ("{kind: evaluate, needs: {modl: a}}", "kind evaluate has no role 'modl'; did you mean 'model'?"),
        (
            "{kind: evaluate, needs: {model: a}}",
            "stage a is of kind script, and the model of kind evaluate is a stage of kind train or import",
        ),
        ("{kind: train, settings: {epochs: 1}}", "kind train needs a data, and none of its needs is one"),
        ("{kind: train, settings: {epochs: 1, model: {name: cnm}}}", "stages.s.settings.model: there is no 'cnm'; did you mean 'cnn'?"),
        (
            "{kind: train, settings: {epochs: 1, model: {name: cnn, wdth: 3}}}",
            "settings.model.wdth: there is no such key; did you mean 'width'?",
        ),
        ("{kind: data, from: data/123}", "stages.s.from: value 'data/123': it should be <kind>/<key>"),
        (f"{{kind: data, from: train/{'a' * 64}}}", "it pins a result of kind train, and the stage is of kind data"),
        ("{kind: data, settings: {seed: 1, seed: 2}}", "p.yaml:5: stages.s.settings.seed: the key is here twice (first in line 5)"),
        ("{kind: data, settings: !!python/object:os.system {}}", "is not for pipelines; write a plain value"),
        ("[", "p.yaml:6: this is not YAML"),
    ],
)
def test_each_mistake_has_its_sentence(tmp_path, text, message):
    """The message names the line, the path, the value, and what would be right."""
    assert message in "\n".join(problems(tmp_path, stages(text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yaml: it should be a map with `pipeline` and `stages`, and it is nothing"),
        ("- a", "it is a list"),
        ("pipeline: x", "p.yaml: stages: it is missing"),
        ("pipeline: x\nstages: {}", "p.yaml:2: stages: value a map: it should be a map of stages"),
        (f"stages: {{a: {SCRIPT}}}", "p.yaml: pipeline: it is missing"),
        (f"pipeline: x\nstages: {{a: {SCRIPT}}}\nstage: 3", "p.yaml:3: stage: there is no such key; did you mean 'stages'?"),
        (f"pipeline: x\nstages: {{A_b: {SCRIPT}}}", "stages.A_b: a stage's name has lower-case letters"),
        (f"pipeline: x\nstages: {{{'a' * 41}: {SCRIPT}}}", "at most 40 long"),
        (
            f"pipeline: x\ndefaults: {{nodes: 2}}\nstages: {{a: {SCRIPT}}}",
            "p.yaml:2: defaults.nodes: value 2: kind script runs as one process; it reaches stage a",
        ),
        (
            f"pipeline: x\ndefaults: {{memry: 2}}\nstages: {{a: {SCRIPT}}}",
            "p.yaml:2: defaults.memry: there is no such key; did you mean 'memory'?",
        ),
        ("a: &a [*a]", "an alias (*name) stands inside of what it names"),
        ("a: \x00", "this is not YAML"),
        ("pipeline: x\nstages:\n\ta: {}", "p.yaml:3: this is not YAML: a tab can't indent; use spaces"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(tmp_path, text, message):
    """Files that are hardly pipelines get a sentence, too, and none about the insides of lading."""
    said = "\n".join(problems(tmp_path, text))
    assert message in said
    assert "should match" not in said


def test_two_models_for_one_role(tmp_path):
    """Two needs that could play one role are an error that names both."""
    text = """
pipeline: demo
stages:
  data: {}
  one: {kind: train, needs: [data], settings: {epochs: 1}}
  two: {kind: train, needs: [data], settings: {epochs: 1}}
  evaluate: {needs: [data, one, two]}
"""

    assert "p.yaml:7: stages.evaluate.needs[2]: one and two would both be the model of this stage; keep one" in problems(tmp_path, text)


def test_a_circle_is_named(tmp_path):
    """A circle of needs is shown from end to end."""
    script = "kind: script, settings: {command: [x]}"
    text = f"pipeline: x\nstages:\n  a: {{{script}, needs: [c]}}\n  b: {{{script}, needs: [a]}}\n  c: {{{script}, needs: [b]}}\n"

    assert "a → c → b → a" in problems(tmp_path, text)[0]


def test_a_file_that_cannot_be_read(tmp_path):
    """A missing file, a folder and bytes that are no text end in a sentence."""
    (tmp_path / "b").write_bytes(b"\xff\xfe")

    for path, message in (
        (tmp_path / "none", "there is no such file"),
        (tmp_path, "it can't be read"),
        (tmp_path / "b", "not text in UTF-8"),
    ):
        with pytest.raises(ConfigError, match=message):
            load(path)


def test_aliases_of_aliases_are_bounded(tmp_path):
    """A small file can't fill the memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]

    assert "values once its aliases" in problems(tmp_path, "\n".join(lines))[0]


def test_merge_keys_and_words_of_yaml(tmp_path):
    """`<<` works, `no` stays a word, and `1e-3` is a number."""
    text = """
pipeline: demo
stages:
  data: &data {settings: {seed: 3}}
  more: {<<: *data, kind: data}
  say: {kind: script, settings: {command: [echo, no]}}
  train: {needs: {data: data}, settings: {epochs: 1, learning_rate: 1e-3}}
"""
    pipeline = load(written(tmp_path, text))

    assert pipeline.stages["more"].settings.seed == 3
    assert list(pipeline.stages["say"].settings.command) == ["echo", "no"]
    assert pipeline.stages["train"].settings.learning_rate == 0.001


def test_set_changes_one_field_and_is_recorded(tmp_path):
    """--set takes YAML values, reaches into lists, and is kept for the run's record."""
    asked = [
        "stages.first.settings.env.LEVEL='4'",
        "stages.first.settings.command.1=c.py",
        "defaults.cpu=3",
        'stages.last.gates.total="> 5"',
    ]
    pipeline = load(written(tmp_path, GOOD), overrides=asked)

    assert pipeline.stages["first"].settings.env == {"LEVEL": "4"}
    assert list(pipeline.stages["first"].settings.command) == ["python", "c.py"]
    assert pipeline.stages["last"].resources.cpu == 3
    assert pipeline.stages["last"].gates["total"].must == "> 5"
    assert pipeline.overrides["stages.first.settings.env.LEVEL"] == "4"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages.frst.settings.env.A=1", "--set stages.frst.settings.env.A=1: there is no stage 'frst'; did you mean 'first'?"),
        ("stages.first.settings.env.A=1", "--set stages.first.settings.env.A=1: stages.first.settings.env.A: value 1: it should be text"),
        ("stages.first.settings.comand=1", "did you mean 'command'?"),
        ("stages.first", "it has no '='"),
        ("stages.first=1", "write --set stages.STAGE.settings.FIELD=VALUE"),
        ("epochs=3", "a pipeline has no 'epochs'"),
        ("stages.first.settings.command.7=x", "the list has 2 items"),
        ("stages.first.cpu=[", "the value is not YAML"),
    ],
)
def test_set_that_is_wrong(tmp_path, override, message):
    """A mistake in --set is told as one of --set, not of the file."""
    assert message in "\n".join(problems(tmp_path, GOOD, override))


EVERY_SORT = """
pipeline: Demo
store: 3
extra: 1
stages:
  a: {kind: script, settings: {command: [x], command: [y], comand: [z]}, needs: [b]}
  b: {kind: script, settings: {command: !!python/tuple [x]}, needs: [a], cpu: 0}
  c: {kind: scrpt, needs: [d], memory: 4Gb, gates: {x: 0.9}, cpus: 2}
  d: {kind: script, settings: {command: x}, needs: [c]}
retrain: 3
"""


def test_one_sort_of_mistake_hides_no_other(tmp_path):
    """A key that is there twice, a tag, two circles, an unknown kind, wrong values and a wrong --set are all told by one loading."""
    found = problems(tmp_path, EVERY_SORT, "stages.e.cpu=1")

    expected = [
        "--set stages.e.cpu=1: there is no stage 'e'",
        "p.yaml:2: pipeline: value 'Demo'",
        "p.yaml:3: store: value 3",
        "p.yaml:4: extra: there is no such key",
        "p.yaml:6: stages.a.settings.command: the key is here twice",
        "p.yaml:6: stages.a.settings.comand: there is no such key; did you mean 'command'?",
        "p.yaml:6: stages.a.needs: stages need each other in a circle: a → b → a",
        "p.yaml:7: stages.b.settings.command: the tag",
        "p.yaml:7: stages.b.cpu: value 0",
        "p.yaml:8: stages.c.kind: value 'scrpt'",
        "p.yaml:8: stages.c.memory: value '4Gb'",
        "p.yaml:8: stages.c.gates.x: value 0.9",
        "p.yaml:8: stages.c.cpus: there is no such key; did you mean 'cpu'?",
        "p.yaml:8: stages.c.needs: stages need each other in a circle: c → d → c",
        "p.yaml:9: stages.d.settings.command: value 'x'",
        "p.yaml:10: retrain: value 3",
    ]
    missing = [text for text in expected if not any(problem.startswith(text) for problem in found)]
    assert not missing, found
    assert len(found) == len(expected), found
    assert [problem.partition(": ")[0] for problem in found] == [text.partition(": ")[0] for text in expected]


@pytest.mark.parametrize(
    ("stage", "split", "place"),
    [
        ("train: {needs: [data], settings: {epochs: 1}}", "validation", "stages.train.settings"),
        ("evaluate: {needs: [data, model]}", "test", "stages.evaluate.settings.split"),
        ("evaluate: {needs: [data, model], settings: {split: calibration}}", "calibration", "stages.evaluate.settings.split"),
        ("calibrate: {needs: [data, model]}", "calibration", "stages.calibrate.settings.split"),
        ("check: {needs: [data, made]}", "calibration", "stages.check.settings.split"),
    ],
)
def test_a_split_that_is_empty_is_found_before_anything_runs(tmp_path, stage, split, place):
    """A stage that reads a part of which its data stage keeps nothing; one that reads another part, or none, is right."""
    begin = "pipeline: demo\nstages:\n"
    model = f"  model: {{kind: import, from: import/{'a' * 64}}}\n  made: {{kind: export, needs: [model]}}\n"
    empty = f"  data: {{settings: {{split: {{{split}: 0}}}}}}\n"

    found = problems(tmp_path, f"{begin}{empty}{model}  {stage}\n")
    assert found == [
        f"p.yaml:6: {place}: split {split} is empty, for stage data keeps nothing of the data for it; "
        f"give it a share there, as settings: {{split: {{{split}: 0.1}}}}"
    ]
    other = "test" if split != "test" else "validation"
    load(written(tmp_path, f"{begin}{empty.replace(split, other)}{model}  {stage}\n"))
    load(written(tmp_path, f"{begin}  data: {{from: data/{'a' * 64}}}\n{model}  {stage}\n"))
    load(written(tmp_path, f"{begin}{empty}{model}  check: {{needs: [data, made], settings: {{samples: 0}}}}\n"))
