"""The table of stage kinds: what each is set by, what it needs, what it runs and with which libraries.

A new kind is a line here, a settings model in `config/settings`, a function in `stages` and its tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

from lading.frozen import Frozen

Image = Literal["launch", "train", "export"]
MODEL_KINDS = ("train", "import")
TORCH = ("torch", "numpy", "safetensors")


@dataclass(frozen=True, slots=True)
class Role:
    """A part that a need plays: which kinds may play it, and whether it must be there."""

    kinds: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """One line of the table."""

    name: str
    settings: str
    """Dotted path of the settings model, `module:Class`."""
    function: str
    """Dotted path of the stage function, `module:function`; imported only in the stage's own process."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """What it takes. A kind with `any_needs` takes whatever is named, each role being the need's own stage name."""
    any_needs: bool = False
    libraries: tuple[str, ...] = ()
    """Distributions whose versions change results: part of the code fingerprint."""
    image: Image = "train"
    distributed: bool = False
    """Whether it may have `nodes` and `devices` above one."""

    def settings_model(self) -> type[Frozen]:
        """The settings model, imported now."""
        module, _, name = self.settings.partition(":")
        model: type[Frozen] = getattr(import_module(module), name)
        return model


def _settings(module: str, name: str) -> str:
    return f"lading.config.settings.{module}:{name}"


_DATA = Role(("data",))
_MODEL = Role(MODEL_KINDS)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("data", _settings("data", "DataSettings"), "lading.stages.data:run", libraries=("numpy", "scikit-learn"), image="train"),
        Kind("import", _settings("imported", "ImportSettings"), "lading.stages.imported:run", libraries=TORCH, image="train"),
        Kind(
            "train",
            _settings("train", "TrainSettings"),
            "lading.stages.train:run",
            roles={"data": _DATA, "start": Role(MODEL_KINDS, required=False)},
            libraries=(*TORCH, "lightning"),
            image="train",
            distributed=True,
        ),
        Kind(
            "evaluate",
            _settings("evaluate", "EvaluateSettings"),
            "lading.stages.evaluate:run",
            roles={"data": _DATA, "model": _MODEL},
            libraries=(*TORCH, "scikit-learn"),
            image="train",
        ),
        Kind(
            "calibrate",
            _settings("calibrate", "CalibrateSettings"),
            "lading.stages.calibrate:run",
            roles={"data": _DATA, "model": _MODEL},
            libraries=(*TORCH, "scikit-learn", "scipy"),
            image="train",
        ),
        Kind(
            "export",
            _settings("export", "ExportSettings"),
            "lading.stages.export:run",
            roles={"model": _MODEL},
            libraries=(*TORCH, "onnx", "onnxscript"),
            image="export",
        ),
        Kind(
            "check",
            _settings("check", "CheckSettings"),
            "lading.stages.check:run",
            roles={"export": Role(("export",)), "data": Role(("data",), required=False)},
            libraries=(*TORCH, "onnx", "onnxruntime"),
            image="export",
        ),
        Kind(
            "convert",
            _settings("convert", "ConvertSettings"),
            "lading.stages.convert:run",
            roles={"export": Role(("export",))},
            libraries=(*TORCH, "coremltools"),
            image="export",
        ),
        Kind(
            "verify",
            _settings("verify", "VerifySettings"),
            "lading.stages.verify:run",
            roles={"convert": Role(("convert",)), "export": Role(("export",)), "data": Role(("data",), required=False)},
            libraries=(*TORCH, "coremltools"),
            image="export",
        ),
        Kind(
            "bundle",
            _settings("bundle", "BundleSettings"),
            "lading.stages.bundle:run",
            roles={
                "export": Role(("export",)),
                "check": Role(("check",), required=False),
                "convert": Role(("convert",), required=False),
                "verify": Role(("verify",), required=False),
                "calibrate": Role(("calibrate",), required=False),
                "evaluate": Role(("evaluate",), required=False),
            },
            image="export",
        ),
        Kind(
            "promote",
            _settings("promote", "PromoteSettings"),
            "lading.stages.promote:run",
            roles={"bundle": Role(("bundle",))},
            image="launch",
        ),
        Kind("script", _settings("script", "ScriptSettings"), "lading.stages.script:run", any_needs=True, image="train"),
    )
}
