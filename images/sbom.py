"""Prints what an image holds as CycloneDX 1.6 JSON: Python, its distributions with the sha256 of the lock, Debian packages.

`python /opt/lading/sbom.py launch|train|export` inside an image. The same image gives the same bytes: no time, no random number.
"""

import json
import platform
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

HOME = Path("/opt/lading")
Component = dict[str, Any]


def hashes(lock: str) -> dict[str, str]:
    """Normalised name to the sha256 that a lock names; with several, none, since which file it was is not known."""
    found = {}
    for line in lock.splitlines():
        name, _, rest = line.partition("==")
        digests = re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)
        if len(digests) == 1:
            found[normal(name)] = digests[0]
    return found


def normal(name: str) -> str:
    """A distribution's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def licences(about: Any) -> list[dict[str, Any]]:
    """What a distribution says of its licence: an SPDX expression where it gives one, else its own short words."""
    if expression := about.get("License-Expression"):
        return [{"expression": expression}]
    named = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License :: ")]
    said = about.get("License") or ""
    names = named or ([said] if said and "\n" not in said and len(said) < 80 else [])
    return [{"license": {"name": name}} for name in dict.fromkeys(names)]


def distributions(found: Iterable[metadata.Distribution], digests: dict[str, str]) -> Iterator[Component]:
    """A component for each installed distribution."""
    for one in found:
        about = one.metadata
        name, version = normal(about["Name"]), one.version
        purl = f"pkg:pypi/{name}@{quote(version)}"
        part: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        if digest := digests.get(name):
            part["hashes"] = [{"alg": "SHA-256", "content": digest}]
        if said := licences(about):
            part["licenses"] = said
        yield part


def packages(listing: str, distro: str) -> Iterator[Component]:
    """A component for each line `name TAB version TAB architecture` of dpkg-query."""
    for line in listing.splitlines():
        name, version, arch = line.split("\t")
        purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?arch={arch}&distro={quote(distro)}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def document(image: str, version: str, parts: Iterable[Component]) -> dict[str, Any]:
    """The whole document, ordered by what is in it; its serial number is made of that."""
    components = sorted({part["bom-ref"]: part for part in parts}.values(), key=lambda part: str(part["bom-ref"]))
    content = json.dumps([image, version, components], sort_keys=True)
    subject = {"type": "container", "bom-ref": f"lading-{image}", "name": f"lading-{image}", "version": version}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {"component": subject},
        "components": components,
    }


def main(image: str, version: str) -> None:
    """Prints the document of the image that this runs in."""
    lock = (HOME / "requirements.lock").read_text()
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    distro = f"{release.get('ID', 'linux')}-{release.get('VERSION_ID', '')}".replace('"', "")
    query = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n"]
    listing = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    python = f"pkg:generic/cpython@{platform.python_version()}"
    interpreter = {"type": "platform", "bom-ref": python, "name": "cpython", "version": platform.python_version(), "purl": python}
    parts = [interpreter, *distributions(metadata.distributions(), hashes(lock)), *packages(listing, distro)]
    json.dump(document(image, version, parts), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "unknown")
