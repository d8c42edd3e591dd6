"""What an image's bill of materials says, from what is installed here and from made-up listings."""

import json
from email.message import Message
from importlib import metadata

from support.image_tools import load

sbom = load("sbom")
LISTING = "libc6\t2.36-9+deb12u13\tamd64\nlibstdc++6\t12.2.0-14\tamd64\ntzdata\t1:2025b-0\tall\n"


def test_debian_packages() -> None:
    """Names, versions and architectures of dpkg become package URLs, with what an URL reserves written as it must be."""
    found = list(sbom.packages(LISTING, "debian-12"))
    assert [part["purl"] for part in found] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=debian-12",
        "pkg:deb/debian/tzdata@1%3A2025b-0?arch=all&distro=debian-12",
    ]
    assert (found[0]["name"], found[0]["version"], found[0]["type"]) == ("libc6", "2.36-9+deb12u13", "library")


def test_distributions_of_this_python() -> None:
    """Each installed distribution is there once by its normal name, with the lock's sha256 where the lock names one file."""
    lock = f"# a comment\npyyaml==6 --hash=sha256:{'a' * 64}\npluggy==1 --hash=sha256:{'b' * 64} --hash=sha256:{'c' * 64}\n"
    found = {part["name"]: part for part in sbom.distributions(metadata.distributions(), sbom.hashes(lock))}
    assert found["pyyaml"]["version"] == metadata.version("pyyaml")
    assert found["pyyaml"]["purl"] == f"pkg:pypi/pyyaml@{metadata.version('pyyaml')}"
    assert found["pyyaml"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert "hashes" not in found["pluggy"]


def test_licences() -> None:
    """An SPDX expression goes first, then classifiers, then a short line; a licence's whole text is no name."""

    def said(**fields: str) -> list[dict[str, object]]:
        about = Message()
        for name, value in fields.items():
            about[name.replace("_", "-")] = value
        return list(sbom.licences(about))

    assert said(License_Expression="MIT OR Apache-2.0", License="MIT") == [{"expression": "MIT OR Apache-2.0"}]
    assert said(Classifier="License :: OSI Approved :: BSD License", License="x") == [{"license": {"name": "BSD License"}}]
    assert said(License="BSD-3-Clause") == [{"license": {"name": "BSD-3-Clause"}}]
    assert said(License="Copyright\nall of it") == said() == []


def test_the_same_image_gives_the_same_bytes() -> None:
    """Order does not matter, nothing is twice, and another content has another serial number."""
    parts = list(sbom.packages(LISTING, "debian-12"))
    one, same = (json.dumps(sbom.document("train", "1", found)) for found in (parts, [*reversed(parts), parts[0]]))
    assert one == same
    document, other = json.loads(one), sbom.document("train", "1", parts[1:])
    assert document["serialNumber"] != other["serialNumber"]
    assert (document["bomFormat"], document["specVersion"], len(document["components"])) == ("CycloneDX", "1.6", 3)
    assert document["metadata"]["component"]["name"] == "lading-train"
