"""How many threads a stage's process may use, and the environment that it gets: an allow-list and what was declared."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from lading.config.resources import Resources
from lading.stages.secrets import passed_names

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_MAX_THREADS",
)
_ALLOWED = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|PYTHONPATH|PYTHONHASHSEED|VIRTUAL_ENV|CONDA_PREFIX|LD_LIBRARY_PATH|DYLD_\w+|SSL_CERT_(FILE|DIR)"
    r"|CUDA_\w+|NVIDIA_VISIBLE_DEVICES|NVIDIA_DRIVER_CAPABILITIES|NCCL_\w+|GLOO_SOCKET_IFNAME|HF_HOME|HF_HUB_OFFLINE|TRANSFORMERS_OFFLINE|TORCH_HOME|XDG_CACHE_HOME"
    r"|MPLCONFIGDIR|JOB_COMPLETION_INDEX|SYSTEMROOT|COLUMNS)$"
)


def thread_count(resources: Resources) -> int:
    """Threads of one process: the stage's cores over its local processes; never the machine's."""
    return max(1, int(resources.cpu // resources.devices))


def child_environment(environ: Mapping[str, str], resources: Resources, *, scratch: Path) -> dict[str, str]:
    """The environment of the stage's process."""
    env = {name: value for name, value in environ.items() if _ALLOWED.match(name)}
    env |= {name: environ[name] for name in passed_names(environ) if name in environ}
    env |= dict.fromkeys(THREAD_VARIABLES, str(thread_count(resources)))
    # `python` in a script is the one that runs lading; output appears when it is printed.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    env |= {"PYTHONUNBUFFERED": "1", "TMPDIR": str(scratch), "TOKENIZERS_PARALLELISM": "false"}
    return env | resources.env
