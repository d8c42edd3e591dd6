"""Secrets that are written into a pipeline are refused, and are in no message about it."""

from pathlib import Path
from typing import Any

import pytest

from lading.config.loader import from_data, load
from lading.config.secretive import looks_secret
from lading.errors import ConfigError

PLANTED = "planted-7f3a9c51d2e8"
SCRIPT: dict[str, Any] = {"kind": "script", "settings": {"command": ["true"]}}


def refused(*overrides: str, **changes: Any) -> str:
    """What is said about a pipeline with these parts."""
    with pytest.raises(ConfigError) as error:
        from_data({"pipeline": "p", "stages": {"one": SCRIPT}, **changes}, folder="", overrides=overrides)
    assert PLANTED not in f"{error.value} {error.value.do}"
    return str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "HF_TOKEN",
        "hf_token",
        "WANDB_API_KEY",
        "OPENAI_APIKEY",
        "PGPASSWORD",
        "TOKEN_2",
        "MY_SECRET",
    ],
)
def test_what_is_named_as_a_secret_is_one(name: str) -> None:
    """In `kubernetes.env`, the pipeline's and a stage's: refused by its place, with the way by a Secret."""
    said = refused(kubernetes={"env": {name: PLANTED}, "stages": {"one": {"env": {name: PLANTED}}}})
    assert f"kubernetes.env.{name}: it looks like a secret" in said
    assert f"kubernetes.stages.one.env.{name}: it looks like a secret" in said
    assert f"kubectl create secret generic NAME --from-literal={name}=..." in said
    assert "env_from_secrets: [NAME]" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "something"),
        ("MAX_TOKENS", "123456789"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/credentials.json"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/etc/credentials"),
        ("PAD_TOKEN", "<pad>"),
        ("HF_TOKEN", ""),
        ("HTTPS_PROXY", "http://proxy:3128"),
        ("S3", "s3://bucket/pre:fix@2"),
        ("LADING_PASS_ENV", "HF_TOKEN"),
    ],
)
def test_what_is_none_is_taken(name: str, value: str) -> None:
    """Where a secret is, a word that only begins like one, a value too short to be one, a proxy without a password."""
    assert not looks_secret(name, value)
    from_data({"pipeline": "p", "kubernetes": {"env": {name: value}}, "stages": {"one": SCRIPT}}, folder="")


def test_a_password_in_a_url_is_one() -> None:
    """Whatever the variable is called."""
    said = refused(kubernetes={"env": {"HTTPS_PROXY": f"http://me:{PLANTED}@proxy:3128"}})
    assert "kubernetes.env.HTTPS_PROXY: it looks like a secret" in said


def test_a_stages_own_environment() -> None:
    """`defaults`, a stage's `env` and a script's settings: what LADING_PASS_ENV does is said instead."""
    env = {"HF_TOKEN": PLANTED}
    stage = {"kind": "script", "env": env, "settings": {"command": ["true"], "env": env}}
    said = refused(defaults={"env": env}, stages={"one": stage})
    for place in ("defaults.env", "stages.one.env", "stages.one.settings.env"):
        assert f"{place}.HF_TOKEN: it looks like a secret" in said
    assert "LADING_PASS_ENV=HF_TOKEN" in said


def test_by_set() -> None:
    """One that comes by --set is not repeated either."""
    assert "--set kubernetes.env.HF_TOKEN: kubernetes.env.HF_TOKEN: it looks like a secret" in refused(f"kubernetes.env.HF_TOKEN={PLANTED}")
    assert "kubernetes.env.HF_TOKEN: it looks like a secret" in refused(f'kubernetes.env={{"HF_TOKEN": "{PLANTED}"}}')


def test_the_line_is_told(tmp_path: Path) -> None:
    """A file's line, so that it is found."""
    file = tmp_path / "p.yaml"
    file.write_text(
        f"pipeline: p\nkubernetes:\n  env:\n    HF_TOKEN: {PLANTED}\nstages: {{one: {{kind: script, settings: {{command: [a]}}}}}}\n"
    )
    with pytest.raises(ConfigError, match=r"p\.yaml:4: kubernetes\.env\.HF_TOKEN: it looks like a secret"):
        load(file)
