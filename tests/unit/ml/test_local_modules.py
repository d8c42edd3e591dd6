"""Modules of the user's own: they see each other as Python would have it, and nobody else sees them."""

import statistics
import sys
from pathlib import Path

import pytest

from lading.errors import WrongInputError
from lading.ml.models.localmodules import LocalModules
from lading.ml.models.userfile import Source, build_from_files

ARGUMENTS = {"factory": "build", "arguments": {}, "data": {}}


def loaded(folder: Path, main: str, files: dict[str, str]) -> dict[str, object]:
    """What a file holds after its import."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return vars(LocalModules({name: folder / name for name in files}).load(main))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("from helper import x", "beside"),
        ("import helper; x = helper.x", "beside"),
        ("import pack.deep.leaf; x = pack.deep.leaf.x", "leaf"),
        ("import pack.deep.leaf as leaf; x = leaf.x", "leaf"),
        ("from pack import x", "pack"),
        ("from pack.deep import leaf; x = leaf.x", "leaf"),
        ("from pack.deep.leaf import *", "leaf"),
        ("from pack import *; x = up.x", "top"),
        ("from . import helper; x = helper.x", "beside"),
        ("from .helper import x", "beside"),
        ("from .. import top; x = top.x", "top"),
        ("from top import x", "top"),
        ("def f():\n    import helper\n    return helper.x\nx = f()", "beside"),
        ("try:\n    import pack.gone\nexcept ModuleNotFoundError as e:\n    x = e.name", "pack.gone"),
        ("try:\n    from ... import top\nexcept ImportError as e:\n    x = 'too high'", "too high"),
        ("import statistics; x = statistics.x", "the user's"),
        ("import os.path; x = os.path.__name__", "posixpath"),
        ("from pack.round import x", "round"),
    ],
)
def test_statements_get_what_python_would_give_them(line: str, value: str, tmp_path: Path) -> None:
    """Beside the file first, then from the top of the user's folder, then what is installed."""
    files = {
        "nets/net.py": line,
        "nets/helper.py": "x = 'beside'",
        "helper.py": "x = 'not this one'",
        "nets/statistics.py": 'x = "the user\'s"',
        "top.py": "x = 'top'",
        "pack/__init__.py": "import top as up\nx = 'pack'\n__all__ = ['up', 'deep']",
        "pack/deep/leaf.py": "x = 'leaf'",
        "pack/round.py": "from pack import round as me\nx = 'round'\nfrom . import round as again\nassert me is again",
    }
    assert loaded(tmp_path, "nets/net.py", files)["x"] == value


def test_nobody_else_sees_them(tmp_path: Path) -> None:
    """A library's `import statistics` is what it was, `sys.path` too; another model's `helper` is another."""
    path, before = list(sys.path), set(sys.modules)
    for folder in ("one", "two"):
        files = {"net.py": "import helper, statistics\nx = helper.x", "helper.py": f"x = '{folder}'", "statistics.py": ""}
        assert loaded(tmp_path / folder, "net.py", files)["x"] == folder

    assert sys.modules["statistics"] is statistics
    assert sys.path == path
    assert all(name.startswith("lading_user_model.") for name in set(sys.modules) - before)
    assert not [*tmp_path.rglob("__pycache__")]
    with pytest.raises(ModuleNotFoundError, match="No module named 'helper'"):
        loaded(tmp_path / "three", "net.py", {"net.py": "import helper"})


def test_what_a_module_holds_is_looked_at_too(tmp_path: Path) -> None:
    """Where the model was handed on, nobody has planned it: every file is looked at before one of them runs."""
    (tmp_path / "net.py").write_text("from helper import build\n")
    (tmp_path / "helper.py").write_text("import subprocess\n\ndef build(): ...\n")
    source = Source("net.py", {name: tmp_path / name for name in ("net.py", "helper.py")})

    with pytest.raises(WrongInputError, match=r"helper\.py uses what a model has no need of:\n  line 1: import subprocess"):
        build_from_files(source, ARGUMENTS)
    with pytest.raises(WrongInputError, match=r"build in net\.py returned NoneType"):
        build_from_files(source, ARGUMENTS | {"trust": True})
