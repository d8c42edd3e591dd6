"""`k8s/`: what precedes the chart, and the rendered goldens, against an API server."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from lading.backends.kubernetes import launcher
from support.helm import ROOT, namespace, needs_cluster, sh

FOLDER = ROOT / "k8s"
FILES = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("rendered/*.yaml")])


def generate() -> ModuleType:
    """k8s/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("k8s_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_goldens_are_what_is_rendered() -> None:
    """k8s/rendered holds what render and launcher give for the same fixed jobs: read it and you know what will run."""
    rendered = generate().rendered()
    assert {f"{name}.yaml" for name in rendered} == {file.name for file in (FOLDER / "rendered").glob("*.yaml")}
    for name, objects in rendered.items():
        assert objects == list(yaml.safe_load_all((FOLDER / "rendered" / f"{name}.yaml").read_text())), f"{name}: run make verify"


def test_the_charts_schema_is_the_models() -> None:
    """The `kubernetes` part of the chart's schema is made from the settings model."""
    module = generate()
    text = json.loads(module.SCHEMA.read_text())
    assert module.schema(text) == text, "run make verify"


def test_the_runners_role_is_the_launchers() -> None:
    """A launcher outside of the cluster needs no more than one inside; k8s/role.yaml is what an error message points at."""
    roles = {each["metadata"]["name"]: each for each in yaml.safe_load_all((FOLDER / "role.yaml").read_text())}
    assert list(launcher.RULES) == roles["lading-runner"]["rules"]


def test_the_submitters_role_covers_the_launchers() -> None:
    """Nobody can grant what he does not hold: whoever installs a launcher's Role must hold all of it."""
    roles = [each for each in yaml.safe_load_all((FOLDER / "role.yaml").read_text()) if each["kind"] == "Role"]
    rules: list[dict[str, Any]] = next(each["rules"] for each in roles if each["metadata"]["name"] == "lading-submitter")
    held = {(group, what, verb) for rule in rules for group in rule["apiGroups"] for what in rule["resources"] for verb in rule["verbs"]}
    needed = {(g, what, verb) for rule in launcher.RULES for g in rule["apiGroups"] for what in rule["resources"] for verb in rule["verbs"]}
    assert needed <= held


def test_nothing_secret_is_written_down() -> None:
    """The manifests hold no Secret: README.md says how one is made."""
    assert not [file for file in FILES for each in yaml.safe_load_all(file.read_text()) if each["kind"] == "Secret"]


@needs_cluster
@pytest.mark.cluster
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_api_server_takes_it(file: Path) -> None:
    """Every manifest is valid to a real API server, strictly, and no pod in it is below the restricted standard."""
    with namespace() as where:
        objects = [each for each in yaml.safe_load_all(file.read_text()) if each]
        for each in objects:
            each["metadata"].pop("ownerReferences", None)
            if each["kind"] == "Namespace":
                each["metadata"]["name"] = f"{where}-x"
            else:
                each["metadata"]["namespace"] = where
            for subject in each.get("subjects", ()):
                if subject["kind"] == "ServiceAccount":
                    subject["namespace"] = where
        line = ("kubectl", "apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")
        sh(*line, stdin=yaml.safe_dump_all(objects))
