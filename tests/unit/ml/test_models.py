"""Models: saved and loaded equal, and honest about weights that are not theirs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lading.config.modelfile import refusals
from lading.config.settings.imported import ImportSettings
from lading.config.settings.models import CnnModel, LmModel, MlpModel, VitModel
from lading.errors import WrongInputError
from lading.ml.facts import DataFacts, describe
from lading.ml.models import build, example, load_model, load_weights, outputs_by_name, save_model
from lading.ml.models.userfile import Source, build_from_files
from lading.stages import imported
from support.training_runs import context_for

IMAGES = DataFacts(source="t", task="classification", counts={}, input="image", shape=(1, 8, 8), low=0, high=1, classes=("a", "b", "c"))
TEXTS = DataFacts(source="t", task="language-model", counts={}, input="tokens", low=0, high=255, lengths=(8, 16), primary_length=8)
ALL: list[tuple[Any, DataFacts]] = [
    (CnnModel(width=4), IMAGES),
    (CnnModel(width=4, norm="batch"), IMAGES),
    (MlpModel(width=8), IMAGES),
    (VitModel(dim=8, depth=1, heads=2), IMAGES),
    (LmModel(dim=8, depth=1, heads=2), TEXTS),
    (LmModel(dim=8, depth=1, heads=2, halt=False), TEXTS),
]


@pytest.mark.parametrize(("settings", "facts"), ALL)
def test_what_is_saved_is_loaded(settings: Any, facts: DataFacts, tmp_path: Path) -> None:
    """The same outputs, bit for bit, of the shapes that the spec says; saving twice gives the same bytes."""
    spec = describe(*settings.chosen(), facts)
    module = build(spec).eval()
    save_model(tmp_path / "a", module, spec)
    loaded, found = load_model(tmp_path / "a")
    save_model(tmp_path / "b", loaded, found)
    inputs = tuple(example(spec, batch=3).values())
    ours, theirs = outputs_by_name(spec, module(*inputs)), outputs_by_name(spec, loaded(*inputs))

    assert spec == found
    sizes = {"batch": 3, "length": 8}
    for one in spec.outputs:
        assert tuple(sizes.get(str(axis), axis) for axis in one.shape) == tuple(ours[one.name].shape)
        assert torch.equal(ours[one.name], theirs[one.name])
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_language_model_does_not_see_what_comes() -> None:
    """Another last byte changes no logits before it; the longest text works."""
    spec = describe(*LmModel(dim=8, depth=2, heads=2).chosen(), TEXTS)
    module = build(spec).eval()
    tokens = example(spec, batch=2, length=16)["tokens"]
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % 256

    assert torch.equal(module(tokens)[0][:, :-1], module(other)[0][:, :-1])
    assert not torch.equal(module(tokens)[0][:, -1], module(other)[0][:, -1])


def test_weights_of_another_model_are_named() -> None:
    """Missing, unknown and of another shape."""
    module = torch.nn.Linear(2, 3)

    with pytest.raises(WrongInputError, match="missing bias; unknown head; weight is"):
        load_weights(module, {"weight": torch.zeros(1, 1), "head": torch.zeros(1)}, where="x")


def test_a_model_that_does_not_fit_the_data_is_a_users_error() -> None:
    """An image model on text."""
    with pytest.raises(WrongInputError, match="does not fit text"):
        describe(*CnnModel().chosen(), TEXTS)


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess",
        "from os import system",
        "eval('1')",
        "x.__globals__",
        "torch.hub",
        "import torch.hub",
        "import torch.hub as t",
        "from torch.hub import anything",
        "from torch import hub",
        "from torch import nn, load as l",
        "from numpy import fromfile",
        "from pathlib import Path",
        "here.write_text('x')",
        "def f():\n    from urllib.request import urlopen",
    ],
)
def test_a_model_file_that_does_more_is_refused(line: str) -> None:
    """With its line number, however it is written in plain words."""
    assert refusals(f"import torch\n{line}\n")[0].startswith(f"line {2 + line.count(chr(10))}: ")


def test_what_a_model_file_is_made_of_passes() -> None:
    """Imports of libraries and of the user's own modules, also where one of those has a function of such a name."""
    text = "import math\nfrom torch import nn\nimport torch.nn.functional as F\nfrom .parts import load, hub\nfrom . import write_text\n"
    assert refusals(text) == []


def test_a_users_model_gets_what_it_asks_for(tmp_path: Path) -> None:
    """The factory takes the user's arguments and those facts of the data that it names."""
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef build(classes, width):\n    return nn.Linear(width, classes)\n")
    source = Source("net.py", {"net.py": tmp_path / "net.py"})
    module = build_from_files(source, {"factory": "build", "arguments": {"width": 5}, "data": {"classes": 3, "shape": [5]}, "trust": False})

    assert tuple(module.weight.shape) == (3, 5)  # type: ignore[union-attr]


def test_a_users_forward_names_the_inputs(tmp_path: Path) -> None:
    """Said when the training begins, not by torch.export when it is over: formats are called by name. What it may leave out is its own."""
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n"
        "class Net(nn.Linear):\n    def forward(self, image, scale=1.0, *, bias=0):\n"
        "        return super().forward(image.flatten(1)) * scale\n\n"
        "def good():\n    return Net(64, 3)\n\ndef bare():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    source = Source("net.py", {"net.py": tmp_path / "net.py"})
    spec = describe(*MlpModel().chosen(), IMAGES)

    def built(factory: str) -> object:
        arguments = {"factory": factory, "arguments": {}, "data": {}, "trust": False}
        return build(spec.but(name="file", arguments=arguments), source=source)

    assert built("good")
    with pytest.raises(WrongInputError, match=r"bare returns takes \(input\), and the data's inputs are \(image\)"):
        built("bare")


def test_a_checkpoint_from_outside_is_handed_on(tmp_path: Path) -> None:
    """Imported weights give the outputs of the model that they were saved from; a truncated file is the user's error."""
    spec = describe(*MlpModel(width=8).chosen(), IMAGES)
    save_model(tmp_path / "from", build(spec), spec)
    settings = ImportSettings(checkpoint="w.safetensors", model={"name": "mlp", "width": 8}, shape=(1, 8, 8), classes=("a", "b", "c"))
    context = context_for(settings)
    (context.files / "w.safetensors").write_bytes((tmp_path / "from/model.safetensors").read_bytes())
    imported.run(context)
    ours, theirs = load_model(tmp_path / "from")[0], load_model(context.output)[0]
    image = example(spec, batch=2)["image"]

    assert torch.equal(ours(image), theirs(image))
    (context.files / "w.safetensors").write_bytes(b"torn")
    with pytest.raises(WrongInputError, match="no whole safetensors"):
        imported.run(context)
