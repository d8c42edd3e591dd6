"""What the chart refuses, and what it says then."""

import re
from typing import Any

import pytest
import yaml

from lading.config import secretive
from lading.config.cluster import Cluster
from support.helm import BASE, CHART, TINY, RefusedError, needs_helm, template

pytestmark = needs_helm
PLANTED = "planted-7f3a9c51d2e8"
RESOLVED = '{path: count.py, sha256: "' + "a" * 64 + '"}'


def script(files: str) -> str:
    """A pipeline with a script stage."""
    return f"pipeline: mine\nstages:\n  count: {{kind: script, settings: {{command: [python, count.py], files: [{files}]}}}}\n"


def model(file: str) -> str:
    """A pipeline with a model of the user's own."""
    return f"pipeline: mine\nstages:\n  train: {{needs: [], settings: {{model: {{name: file, file: {file}}}, epochs: 1}}}}\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pipeline": ""}, ["pipeline: there is none", "--set-file pipeline=FILE"]),
        ({"pipeline": "jobs/digits.yaml"}, ['pipeline: "jobs/digits.yaml" is the text of none', "--set-file pipeline=FILE"]),
        ({"pipeline": "{pipeline: p}"}, ["it has no `stages`", "--set-file pipeline=FILE"]),
        ({"pipeline": "a: [b"}, ["pipeline: it is not YAML", "lading plan FILE"]),
        ({"pipeline": script("count.py")}, ["stage count names the file count.py", "lading resolve FILE --store s3://bucket/prefix"]),
        ({"pipeline": script("{path: count.py}")}, ["stage count names the file count.py", "lading resolve"]),
        ({"pipeline": script(RESOLVED + ", late.py")}, ["stage count names the file late.py", "lading resolve"]),
        ({"pipeline": model("net.py")}, ["stage train names the file net.py", "lading resolve"]),
        ({"store": {"uri": ""}}, ["store.uri: there is none", "--set store.uri=s3://"]),
        ({"store": {"uri": "/data/store"}}, ["/store/uri", "does not match pattern '^(s3://"]),
        ({"stor": {}}, ["additional properties 'stor' not allowed"]),
        ({"store": {"uri": "s3://b/p", "key": "x"}}, ["/store", "additional properties 'key' not allowed"]),
        ({"kubernetes": {"quue": "a"}}, ["/kubernetes", "additional properties 'quue' not allowed"]),
        ({"kubernetes": {"images": {"train": "a"}}}, ["/kubernetes", "additional properties 'images' not allowed"]),
        ({"kubernetes": {"stages": {"train": {"gpu": 1}}}}, ["/kubernetes/stages/train", "'gpu'"]),
        ({"kubernetes": {"user_id": 0}}, ["/kubernetes/user_id", "minimum"]),
        ({"images": {"train": "UPPER:1"}}, ["/images/train", "does not match pattern"]),
        ({"images": {"pullPolicy": "Sometimes"}}, ["/images/pullPolicy", "'IfNotPresent'"]),
        ({"gc": {"olderThan": "a month"}}, ["/gc/olderThan", "does not match pattern"]),
        ({"retrain": {"enabled": True}}, ["the pipeline has no `retrain:`", "retrain: {time: {every: 24h}}"]),
        (
            {"retrain": {"enabled": True}, "pipeline": TINY + "retrain: {time: {every: 24h}}\n"},
            ["retrain.schedule: there is none", "--set retrain.schedule="],
        ),
        ({"launcher": {"env": {"HF_TOKEN": PLANTED}}}, ["launcher.env.HF_TOKEN: it looks like a secret", "--from-literal=HF_TOKEN=..."]),
        ({"kubernetes": {"env": {"hf_token": PLANTED}}}, ["kubernetes.env.hf_token: it looks like a secret", "env_from_secrets: [NAME]"]),
        ({"kubernetes": {"stages": {"train": {"env": {"A_SECRET": PLANTED}}}}}, ["kubernetes.stages.train.env.A_SECRET: it looks like"]),
        ({"launcher": {"env": {"HTTPS_PROXY": f"http://me:{PLANTED}@proxy"}}}, ["launcher.env.HTTPS_PROXY: it looks like a secret"]),
        (
            {"pipeline": TINY + f"kubernetes: {{env: {{API_KEY: {PLANTED}}}, stages: {{data: }}}}\n"},
            ["pipeline: kubernetes.env.API_KEY: it looks like a secret"],
        ),
        (
            {"pipeline": TINY + f"kubernetes: {{stages: {{data: {{env: {{API_KEY: {PLANTED}}}}}}}}}\n"},
            ["pipeline: kubernetes.stages.data.env.API_KEY: it looks like a secret"],
        ),
        ({"networkPolicy": {"storePorts": [0]}}, ["/networkPolicy/storePorts/0", "minimum"]),
    ],
    ids=str,
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(change: dict[str, Any], said: list[str]) -> None:
    """Wrong values are refused before anything is installed, by name, with what would be right."""
    with pytest.raises(RefusedError) as refused:
        template({**BASE, **change})
    for words in said:
        assert words in str(refused.value)
    assert PLANTED not in str(refused.value)


@pytest.mark.parametrize("text", [script(RESOLVED), model(RESOLVED), TINY, '{"stages": {"data": null}, "pipeline": "p"}'])
def test_what_is_resolved_is_taken(text: str) -> None:
    """A pipeline whose files have digests, or that names none, is not refused; JSON is as good as YAML."""
    assert template({**BASE, "pipeline": text})


@pytest.mark.parametrize("where", ["defaults.env", "stages.s.env", "stages.s.settings.env"])
def test_a_secret_in_any_environment_of_the_pipeline_is_refused(where: str) -> None:
    """The text of the pipeline is kept in a ConfigMap and in the release: whoever may read those would read the secret."""
    data: dict[str, Any] = {"pipeline": "p", "stages": {"s": {"kind": "script", "settings": {"command": ["true"]}}}}
    at = data
    for name in where.split("."):
        at = at.setdefault(name, {})
    at["HF_TOKEN"] = "hf_abcdefgh"
    with pytest.raises(RefusedError, match=re.escape(f"pipeline: {where}.HF_TOKEN: it looks like a secret")):
        template({**BASE, "pipeline": yaml.safe_dump(data)})


def test_what_looks_secret_is_the_same_everywhere() -> None:
    """The chart knows secrets by the lines that the loader has; what is none to it is none here."""
    text = (CHART / "templates/_refusals.tpl").read_text()
    for line in (secretive.NAMED, secretive.ELSEWHERE, secretive.IN_URL):
        assert f'regexMatch "{line}"' in text
    assert f"(ge (len $value) {secretive.SHORTEST})" in text
    env = {"TOKENIZERS_PARALLELISM": "something", "A_TOKEN_FILE": "/var/run/token", "HTTPS_PROXY": "http://proxy:3128", "TOKEN": ""}
    assert template({**BASE, "launcher": {"env": {**env, "MY_TOKEN": 12345678}}, "kubernetes": {"env": env}})


def test_the_schema_knows_every_setting_of_the_kubernetes_map() -> None:
    """The chart takes all of the `kubernetes:` map but what its own values say, so nothing can be set only by hand."""
    import json

    known = json.loads((CHART / "values.schema.json").read_text())["properties"]["kubernetes"]["properties"]
    own = {"namespace", "context", "images", "image_pull_policy", "image_pull_secrets", "service", "store", "ca_bundle"}
    own |= {"service_account_annotations"}
    assert set(Cluster.model_fields) - own == set(known)
