"""What lies in an image: how many bytes above its base, and what a build should not have left behind. Fails by naming it.

Any Python of the image reads it on standard input, as root, so that a base without lading can be measured too:
`AS=0 images/inside.sh IMAGE python - [BASE_BYTES LIMIT_MB] <images/contents.py`
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

MB = 1_000_000
NOT_OF_THE_IMAGE = ("proc", "sys", "dev", "run", "tmp", "scratch")
LEFT = ("root/.cache/*", "var/cache/apt/archives/*.deb", "scratch/*")
PACKAGES = ("site-packages", "dist-packages")


def files(root: Path) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every file's way from the root, and its size; one with several names counts once."""
    seen = set()
    for folder, below, names in os.walk(root):
        if Path(folder) == root:
            below[:] = [name for name in below if name not in NOT_OF_THE_IMAGE]
        for name in names:
            place = Path(folder, name)
            found = place.lstat()
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                yield place.relative_to(root).parts, found.st_size


def groups(found: Iterable[tuple[tuple[str, ...], int]]) -> "Counter[str]":
    """Bytes by names that people know: a package of Python, or the first two folders."""
    sums: Counter[str] = Counter()
    for parts, size in found:
        at = next((index for index, part in enumerate(parts) if part in PACKAGES), None)
        sums["/".join(parts[at + 1 :][:1] if at is not None else parts[:-1][:2])] += size
    return sums


def problems(root: Path, base: int, limit_mb: int) -> tuple[int, list[str]]:
    """Bytes in all, and a sentence for each thing that is wrong."""
    found = groups(files(root))
    total = sum(found.values())
    wrong = [f"{place} was left behind" for pattern in LEFT for place in sorted(root.glob(pattern))] if base else []
    if limit_mb and total - base > limit_mb * MB:
        biggest = "".join(f"\n  {size / MB:7.1f} MB  {name}" for name, size in found.most_common(15))
        wrong.append(f"{(total - base) / MB:.1f} MB above its base, where {limit_mb} are allowed; the biggest are{biggest}")
    return total, wrong


def main() -> int:
    """The exit code."""
    base, limit_mb = (int(word) for word in [*sys.argv[1:], "0", "0"][:2])
    total, wrong = problems(Path("/"), base, limit_mb)
    sys.stdout.write(f"{total}\n")
    sys.stderr.writelines(f"{one}\n" for one in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
