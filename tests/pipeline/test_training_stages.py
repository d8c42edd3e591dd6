"""Training and what follows it, stage functions called directly."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lading.codes import Code
from lading.config.settings.calibrate import CalibrateSettings
from lading.config.settings.check import CheckSettings
from lading.config.settings.evaluate import EvaluateSettings
from lading.errors import LadingError, StoppedError, WrongInputError
from lading.ml.data import read_arrays
from lading.ml.models import load_model
from lading.ml.states import newest_state
from lading.report.evidence import DOCUMENTS, blocks
from lading.stages import calibrate, check, evaluate, train
from support.exports import exported
from support.training_runs import context_for, digits_folder, digits_model, pydoc_folder, train_with

CNN: dict[str, Any] = {
    "model": {"name": "cnn", "width": 4, "dropout": 0.2},
    "max_steps": 40,
    "global_batch_size": 32,
    "validate_every": 15,
    "checkpoint_every": 7,
}
LM: dict[str, Any] = {
    "model": {"name": "lm", "dim": 16, "depth": 1, "heads": 2, "dropout": 0.1},
    "max_steps": 12,
    "global_batch_size": 16,
    "validate_every": 5,
    "checkpoint_every": 5,
}


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Does something after a step, from within the training."""
    original = train.Task

    def task(**fields: Any) -> Any:
        return original(**fields, on_step=lambda now: act() if now == step else None)

    monkeypatch.setattr(train, "Task", task)


@pytest.mark.parametrize(("folder", "settings", "stops"), [(digits_folder, CNN, (3, 17)), (pydoc_folder, LM, (7,))])
def test_a_stopped_training_ends_with_the_same_bits(
    folder: Any, settings: dict[str, Any], stops: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM at some steps, resumed each time: model file and history are those of a training that never stopped."""
    whole = train_with(folder(), **settings)
    for step in stops:
        with monkeypatch.context() as patch:
            stop_at(patch, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
            with pytest.raises(StoppedError) as stopped:
                train_with(folder(), base=tmp_path, **settings)
        assert stopped.value.code == Code.STOPPED
        state = newest_state(tmp_path / "checkpoints")
        assert state is not None
        assert step == state.step
    resumed = train_with(folder(), base=tmp_path, **settings)
    histories = [json.loads((one.output / "history.json").read_text()) for one in (whole, resumed)]

    assert (whole.output / "model.safetensors").read_bytes() == (resumed.output / "model.safetensors").read_bytes()
    assert histories[0]["history"] == histories[1]["history"]
    assert stops[-1] == histories[1]["resumed_from"]


class KilledError(Exception):
    """Stands for a kill: nothing is saved on the way out."""


def test_a_killed_training_goes_on_from_its_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two states, it repeats the steps since the last one, and ends with the same bits."""

    def die() -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        stop_at(patch, 26, die)
        with pytest.raises(KilledError):
            train_with(digits_folder(), base=tmp_path, **CNN)
    whole, resumed = train_with(digits_folder(), **CNN), train_with(digits_folder(), base=tmp_path, **CNN)

    assert json.loads((resumed.output / "history.json").read_text())["resumed_from"] == 21
    assert (whole.output / "model.safetensors").read_bytes() == (resumed.output / "model.safetensors").read_bytes()


def test_the_best_step_is_handed_on() -> None:
    """The weights are those whose validation figure is the best of the history, not the last."""
    context = train_with(
        digits_folder(), model={"name": "mlp"}, max_steps=60, validate_every=10, learning_rate=0.3, monitor="loss", clip=None
    )
    history = json.loads((context.output / "history.json").read_text())
    best = min(history["history"], key=lambda entry: entry["loss"])
    evaluation = context_for(EvaluateSettings(split="validation"), {"data": digits_folder(), "model": context.output})
    evaluate.run(evaluation)

    assert best == history["best"]
    assert pytest.approx(best["loss"], rel=1e-5) == evaluation.result()["measurements"]["loss"]
    assert best["step"] != 60


def test_a_training_that_diverges_says_so() -> None:
    """Not a model full of NaN, but an error with the step and what to change."""
    with pytest.raises(LadingError, match="no finite number any more at step"):
        train_with(digits_folder(), model={"name": "mlp"}, max_steps=60, learning_rate=10, optimizer="sgd", weight_decay=1)


def test_an_unknown_monitor_is_a_users_error() -> None:
    """It lists what there is."""
    with pytest.raises(WrongInputError, match="there are accuracy, loss"):
        train_with(digits_folder(), model={"name": "mlp"}, max_steps=2, monitor="f1")


def test_an_fp64_model_stays_fp64() -> None:
    """In the file and in its spec."""
    context = train_with(digits_folder(), model={"name": "mlp", "width": 8}, max_steps=3, precision="fp64")
    _, spec = load_model(context.output)

    assert {"float64"} == {one.dtype for one in (*spec.inputs, *spec.outputs)}
    assert {torch.float64} == {value.dtype for value in load_file(str(context.output / "model.safetensors")).values()}


def test_progress_ends_at_a_hundred_with_the_figures() -> None:
    """What the heartbeat shows at the end of a training."""
    context = train_with(digits_folder(), model={"name": "mlp"}, max_steps=3)
    said = json.loads(context.progress_file.read_text())

    assert (said["percent"], said["step"]) == (100, 3)
    assert {"loss", "accuracy", "train_loss"} <= set(said["metrics"])


def test_a_training_says_how_it_goes(capfd: pytest.CaptureFixture[str]) -> None:
    """Its log has a line for each look at the validation split, with the figures, and says which was the best."""
    context = train_with(digits_folder(), model={"name": "mlp"}, max_steps=30, validate_every=10)
    history = json.loads((context.output / "history.json").read_text())
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("step ")]

    assert [int(line.split()[1]) for line in lines] == [entry["step"] for entry in history["history"]]
    assert f"validation_accuracy {history['history'][0]['accuracy']:.4g}" in lines[0]
    assert history["best"]["step"] == max(int(line.split()[1]) for line in lines if line.endswith("best so far"))


def test_a_digits_model_is_evaluated() -> None:
    """Accuracy is that of the predictions that are kept beside; the confusion matrix counts every sample."""
    context = context_for(EvaluateSettings(worst=3), {"data": digits_folder(), "model": digits_model()})
    evaluate.run(context)
    result = context.result()
    report = json.loads((context.output / "report.json").read_text())
    kept = read_arrays(context.output / "predictions.npz")

    assert 0.9 < result["measurements"]["accuracy"] == (kept["chosen"] == kept["labels"]).mean()
    assert result["kept"] == ["predictions.npz", "report.json"]
    assert len(kept["ids"]) == np.sum(report["confusion"]) == sum(one["count"] for one in report["reliability"])
    assert len(report["worst"]) == 3
    assert len(report["worst"][0]["image"]) == 8


def test_a_language_model_is_trained_evaluated_and_calibrated() -> None:
    """Bits per byte are the loss in bits; the halt output has its AUROC; the temperature is handed on."""
    model = train_with(pydoc_folder(), **LM | {"max_steps": 30, "learning_rate": 1e-2, "validate_every": 30}).output
    evaluation = context_for(EvaluateSettings(), {"data": pydoc_folder(), "model": model})
    evaluate.run(evaluation)
    found = evaluation.result()["measurements"]
    calibration = context_for(CalibrateSettings(bootstrap=50), {"data": pydoc_folder(), "model": model})
    calibrate.run(calibration)

    assert pytest.approx(found["loss"] / np.log(2)) == found["bits_per_byte"] < 6
    assert 0 <= found["halt_auroc"] <= 1
    assert json.loads((calibration.output / "calibration.json").read_text())["temperature"] > 0


def test_calibration_says_what_it_did() -> None:
    """Figures before, after and of the change, each within its interval; the file is what is handed on."""
    context = context_for(CalibrateSettings(bootstrap=100), {"data": digits_folder(), "model": digits_model()})
    calibrate.run(context)
    figures = json.loads((context.output / "calibration.json").read_text())["figures"]

    for name in ("nll", "brier", "ece"):
        assert figures[name]["after"]["value"] == pytest.approx(context.result()["measurements"][f"{name}_after"])
    assert figures["nll"]["before"]["low"] <= figures["nll"]["before"]["value"] <= figures["nll"]["before"]["high"]
    assert context.result()["kept"] == ["reliability.json"]
    curves = json.loads((context.output / "reliability.json").read_text())
    assert {when: sum(one["count"] for one in bins) for when, bins in curves.items()} == {"before": 179, "after": 179}


def test_the_page_draws_what_the_stages_keep() -> None:
    """Documents as train, evaluate, calibrate and check write them, not as a test would: each chart of the page is there."""
    evaluated = context_for(EvaluateSettings(), {"data": digits_folder(), "model": digits_model()})
    evaluate.run(evaluated)
    calibrated = context_for(CalibrateSettings(bootstrap=50), {"data": digits_folder(), "model": digits_model()})
    calibrate.run(calibrated)
    checked = context_for(CheckSettings(random_inputs=1, latency_runs=2), {"data": digits_folder(), "export": exported("cnn")})
    check.run(checked)

    def charts(folder: Path) -> list[str]:
        documents = {file.name: json.loads(file.read_text()) for file in sorted(folder.glob("*.json")) if file.name in DOCUMENTS}
        return [block.title for block in blocks(documents) if block.chart is not None or block.examples]

    assert charts(digits_model()) == ["Loss", "Metrics"]
    assert charts(evaluated.output) == ["Confusion matrix", "Reliability", "Worst examples"]
    assert charts(calibrated.output) == ["Reliability"]
    assert charts(checked.output) == ["Latency"]
