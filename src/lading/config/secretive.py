"""Secrets that someone wrote down: variables that are named, or filled, as secrets are. A pipeline is read by many, and kept for ever."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

NAMED = r"SECRET|PASSW|PASSPHRASE|TOKEN(_|$)|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY"
"""Names of secrets, in capitals; `TOKENIZERS_PARALLELISM` is none. The chart has the same line."""
ELSEWHERE = r"_(FILE|PATH|DIR|URL|URI|NAME|ARN)$"
"""Names that say where a secret is."""
IN_URL = r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/@:]*:[^/@]+@"
"""A value that holds a password: `http://user:password@proxy`."""
SHORTEST = 6
"""Shorter values (`<pad>`, `false`, none at all) are no secrets; the masks of what stages print begin there too."""
BY_REFERENCE = (
    "it looks like a secret, and whoever may read this file, the Job or the run would read it; write it into a Secret instead "
    "(kubectl create secret generic NAME --from-literal={name}=...) and name that: env_from_secrets: [NAME]"
)
"""For what pods get."""
BY_ENVIRONMENT = (
    "it looks like a secret, and whoever may read this file or the run would read it; leave it in the environment of `lading run` (in a "
    "cluster: of a Secret, by kubernetes.env_from_secrets), and let it through by name: LADING_PASS_ENV={name}"
)
"""For what a stage's own process gets."""
Path = tuple[str | int, ...]


def looks_secret(name: str, value: Any) -> bool:
    """Whether a variable holds what should not be written down."""
    if not isinstance(value, str) or len(value) < SHORTEST:
        return False
    named = re.search(NAMED, name.upper()) is not None and re.search(ELSEWHERE, name.upper()) is None
    return named or re.search(IN_URL, value) is not None


def written_down(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Every secret in a pipeline's data: where it is, and what to do instead; never its value."""
    for path, sentence in _places(data):
        env: Any = data
        for part in path:
            env = env.get(part) if isinstance(env, Mapping) else None
        for name, value in env.items() if isinstance(env, Mapping) else ():
            if looks_secret(str(name), value):
                yield (*path, name), sentence.format(name=name)


def _places(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The maps of variables that a pipeline may have."""
    kubernetes = data.get("kubernetes")
    yield ("kubernetes", "env"), BY_REFERENCE
    for stage in _names(kubernetes.get("stages") if isinstance(kubernetes, Mapping) else None):
        yield ("kubernetes", "stages", stage, "env"), BY_REFERENCE
    yield ("defaults", "env"), BY_ENVIRONMENT
    for stage in _names(data.get("stages")):
        yield ("stages", stage, "env"), BY_ENVIRONMENT
        yield ("stages", stage, "settings", "env"), BY_ENVIRONMENT


def _names(found: Any) -> list[str]:
    return list(found) if isinstance(found, Mapping) else []
