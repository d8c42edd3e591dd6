"""The calibrate stage: a temperature for the logits, and honest figures of what it does."""

from dataclasses import asdict

import numpy as np

from lading.config.settings.calibrate import CalibrateSettings
from lading.ml.calibration import compare, cross_fitted, curves, fit_temperature
from lading.ml.data import Array, read_split
from lading.ml.models import load_model
from lading.ml.predict import predict
from lading.stages.context import StageContext

MAX_ROWS = 8_000
"""Of texts, at most so many positions are used, in whole windows: beyond them a temperature does not move."""


def run(context: StageContext[CalibrateSettings]) -> None:
    """Writes `calibration.json`: the temperature, fitted on the whole split, and figures cross-fitted on it; beside it `reliability.json`.

    Every 'after' is of samples that the temperature behind it was fitted without, so it is what new data of the same sort will see.
    """
    settings = context.settings
    module, spec = load_model(context.need("model").folder)
    split = read_split(context.need("data").folder, settings.split, length=spec.primary_length)
    found = predict(module, spec, split, batch_size=settings.batch_size)
    context.progress(30)
    assert found.logits is not None
    rows, groups = _rows(split.ids, len(found.labels), settings.seed)
    logits, labels = found.logits[rows], found.labels[rows]
    temperature = fit_temperature(logits, labels)
    if (logits.argmax(axis=1) == labels).all():
        context.warn(f"the model is right on all of split {settings.split}: how sure it may be when it is wrong is only guessed")
    temperatures = cross_fitted(logits, labels, groups, folds=settings.folds, seed=settings.seed)
    context.progress(60)
    figures = compare(logits, labels, groups, temperatures, bins=settings.bins, resamplings=settings.bootstrap, seed=settings.seed)
    for name, intervals in figures.items():
        context.measure(**{f"{name}_{when}": interval.value for when, interval in intervals.items()})
        context.measure(**{f"{name}_change_low": intervals["change"].low, f"{name}_change_high": intervals["change"].high})
    if figures["nll"]["change"].low > 0:
        context.warn("the temperature makes the likelihood worse on samples that it was not fitted on: do not use it")
    context.measure(temperature=temperature, samples=len(labels))
    context.seed(folds=settings.seed)
    calibration = {
        "schema": "lading/calibration/v1",
        "method": settings.method,
        "temperature": temperature,
        "use": "divide the logits by the temperature, then softmax",
        "fitted_on": {"split": settings.split, "samples": len(labels)},
        "figures": {name: {when: asdict(one) for when, one in intervals.items()} for name, intervals in figures.items()},
        "figures_are": f"cross-fitted in {settings.folds} folds, 95 % intervals of {settings.bootstrap} resamplings",
        "bins": settings.bins,
    }
    context.write_json("calibration.json", calibration)
    context.write_json("reliability.json", curves(logits, labels, temperatures, settings.bins), handed_on=False)
    context.progress(100)


def _rows(ids: Array, decisions: int, seed: int) -> tuple[Array, Array]:
    """Which decisions are used, and the group of each: of a text's window all or none, and all windows of a text together."""
    each = decisions // len(ids)
    texts = np.array([str(name).rsplit("@", 1)[0] for name in ids])
    if each == 1:
        return np.arange(decisions), texts
    windows = np.sort(np.random.default_rng(seed).permutation(len(ids))[: max(1, MAX_ROWS // each)])
    rows = (windows[:, None] * each + np.arange(each)).ravel()
    return rows, np.repeat(texts[windows], each)
