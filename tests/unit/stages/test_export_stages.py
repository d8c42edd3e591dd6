"""Export, check and bundle on small models, and faults that must be caught."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lading.canonical import sha256_file
from lading.config.settings.bundle import BundleSettings
from lading.config.settings.check import CheckSettings
from lading.config.settings.export import ExportSettings
from lading.errors import WrongInputError
from lading.ml import parity
from lading.ml.contract import read_contract
from lading.ml.data import read_split
from lading.ml.models import build, save_model
from lading.ml.onnx import check_location
from lading.ml.parity import Row
from lading.stages import bundle, check, export
from support.exports import copied, exported
from support.small_models import CNN, run_stage, scaled
from support.training_runs import digits_folder

QUICK = CheckSettings(batch_sizes=(1, 3), random_inputs=1, latency_runs=0)


def checked(folder: Path, tmp_path: Path, settings=QUICK):
    """The context of a check stage that ran on this export."""
    return run_stage(check.run, settings, tmp_path / "check", {"export": folder})


def resealed(folder: Path, format: str) -> None:
    """Writes the digest of a changed file into the contract, as a faulty exporter would have."""
    contract = json.loads((folder / "contract.json").read_text())
    contract["formats"][format]["sha256"] = sha256_file(folder / contract["formats"][format]["file"])
    (folder / "contract.json").write_text(json.dumps(contract))


def changed_onnx(folder: Path, change) -> None:
    """Changes the ONNX file in place, and seals it again."""
    import onnx

    model = onnx.load(str(folder / "model.onnx"))
    change(model)
    onnx.save(model, str(folder / "model.onnx"))
    resealed(folder, "onnx")


@pytest.mark.parametrize("name", ["cnn", "lm"])
def test_every_format_agrees_with_pytorch(name, tmp_path):
    """A sound export has no failure in any format, at any batch size and length, and its score is 1."""
    context = checked(exported(name), tmp_path)
    measured = context.result()["measurements"]
    assert (measured["failures"], measured["score"], measured["top1_agreement"]) == (0, 1, 1)
    assert measured["max_abs_error_onnx"] < 1e-4
    report = json.loads((tmp_path / "check" / "check.json").read_text())
    rows = [Row.model_validate(row) for row in report["rows"]]
    assert {row.format for row in rows} == {"onnx", "torchscript", "exported"}
    assert {row.length for row in rows} == ({4, 8, 16} if name == "lm" else {None})
    assert {row.batch for row in rows} == {1, 3}
    assert parity.summary(rows) == report["summary"]


def test_the_score_falls_with_a_fault_and_can_be_computed_again(tmp_path):
    """A swapped weight in the ONNX file is a failure in ONNX alone; the report's score is that of its rows."""

    def swap(model):
        from onnx import numpy_helper

        tensor = next(t for t in model.graph.initializer if len(t.dims) == 2 and t.dims[0] == 4)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[::-1].copy(), tensor.name))

    folder = copied("cnn", tmp_path / "export")
    changed_onnx(folder, swap)
    measured = checked(folder, tmp_path).result()["measurements"]
    assert measured["failures_onnx"] > 0
    assert measured["failures_torchscript"] == measured["failures_exported"] == 0
    rows = [Row.model_validate(row) for row in json.loads((tmp_path / "check" / "check.json").read_text())["rows"]]
    assert measured["score"] == parity.score(rows) < 1


def test_a_batch_baked_into_onnx_is_caught(tmp_path):
    """A file that takes a batch of 1 only fails at 3, with the runtime's own words."""

    def bake(model):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    folder = copied("cnn", tmp_path / "export")
    changed_onnx(folder, bake)
    context = checked(folder, tmp_path)
    assert any("does not run" in warning for warning in context.result()["warnings"])
    assert context.result()["measurements"]["failures_onnx"] > 0


def test_a_format_of_other_weights_is_caught(tmp_path):
    """A TorchScript file that is one training behind fails."""
    from lading.ml.torchscript import export_torchscript

    folder = copied("cnn", tmp_path / "export")
    export_torchscript(scaled(CNN, seed=5), CNN, folder / "model.ts.pt")
    resealed(folder, "torchscript")
    assert checked(folder, tmp_path).result()["measurements"]["failures_torchscript"] > 0


def test_a_file_that_the_contract_does_not_name_is_refused(tmp_path):
    """Nothing is loaded whose digest is another than the contract's."""
    folder = copied("cnn", tmp_path / "export")
    with (folder / "model.pt2").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WrongInputError, match=r"model\.pt2 is not the file"):
        read_contract(folder)


def test_weights_with_nan_are_not_exported(tmp_path):
    """NaN in the weights ends the export with the tensor's name, before any format is written."""
    module = scaled(CNN)
    with torch.no_grad():
        next(module.parameters())[0] = float("nan")
    save_model(tmp_path / "train", module, CNN)
    with pytest.raises(WrongInputError, match="NaN or infinities: features"):
        run_stage(export.run, ExportSettings(), tmp_path / "export", {"model": tmp_path / "train"})


def test_a_model_without_scale_is_inconclusive(tmp_path):
    """A model whose outputs are the same for every input proves nothing, so the check fails with that sentence."""
    module = build(CNN)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    save_model(tmp_path / "train", module, CNN)
    run_stage(export.run, ExportSettings(formats=("torchscript",)), tmp_path / "export", {"model": tmp_path / "train"})
    with pytest.raises(WrongInputError, match="inconclusive"):
        checked(tmp_path / "export", tmp_path)


def test_exports_hold_no_path_and_repeat(tmp_path):
    """No file of an export holds a path of this machine, and ONNX made again from the same weights has the same bytes."""
    folder = exported("cnn")
    for path in folder.iterdir():
        data = path.read_bytes()
        assert str(Path(export.__file__).parents[2]).encode() not in data
        assert b"site-packages" not in data
    shutil.copytree(folder, tmp_path / "train")
    run_stage(export.run, ExportSettings(formats=("onnx",)), tmp_path / "again", {"model": tmp_path / "train"})
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


@pytest.mark.parametrize("location", ["../weights", "/etc/passwd", "a/b", ".hidden", "link", "gone"])
def test_external_data_elsewhere_are_refused(location, tmp_path):
    """ONNX weights outside the file are one plain, regular file beside it, or nothing is opened."""
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(WrongInputError, match="plain file beside"):
        check_location(tmp_path / "model.onnx", location)
    check_location(tmp_path / "model.onnx", "real")


def bundled(tmp_path, failures=0.0, **settings):
    """The context of a bundle stage whose check said so many failures."""
    folder = tmp_path / "checkfolder"
    folder.mkdir(exist_ok=True)
    (folder / "check.json").write_text("{}")
    inputs = {"export": exported("cnn"), "check": folder}
    return run_stage(bundle.run, BundleSettings(**settings), tmp_path / "bundle", inputs, measurements={"failures": failures})


def test_a_bundle_names_every_file_with_its_digest(tmp_path):
    """bundle.json lists all other files, and its contract names only formats that are in it."""
    bundled(tmp_path)
    folder = tmp_path / "bundle"
    listed = json.loads((folder / "bundle.json").read_text())["files"]
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == set(there) - {"bundle.json"}
    assert all(one["sha256"] == sha256_file(there[name]) for name, one in listed.items())
    contract = read_contract(folder)
    assert "torchscript" not in contract.formats
    assert "onnx" in contract.formats
    assert "`model.onnx`" in (folder / "README.md").read_text()


def test_failures_are_not_bundled_unless_asked(tmp_path):
    """A check with failures stops the bundle; `allow_failures` lets it through with a warning."""
    with pytest.raises(WrongInputError, match="2 failures"):
        bundled(tmp_path, failures=2)
    assert bundled(tmp_path, failures=2, allow_failures=True).result()["warnings"]


@pytest.mark.parametrize(("samples", "size", "real"), [(16, 32, [16]), (64, 5, [5] * 12 + [4]), (4, 2, [2, 2]), (0, 2, [])])
def test_every_real_sample_is_met(samples, size, real):
    """As many as were asked for, also where they fill no batch: the last one repeats its rows, and counts each once."""
    from lading.ml.cases import cases

    found = [case for case in cases(CNN, batch_sizes=(size,), random=1, seed=0, data=digits_folder(), samples=samples) if case.real]
    rows = [case.inputs["image"][: case.real] for case in found]

    assert [case.real for case in found] == real
    assert all(case.inputs["image"].shape == (size, 1, 8, 8) for case in found)
    assert all((case.inputs["image"] == np.resize(row, case.inputs["image"].shape)).all() for case, row in zip(found, rows, strict=True))
    if samples:
        assert (np.concatenate(rows) == read_split(digits_folder(), "calibration").inputs["image"][:samples]).all()


@pytest.mark.parametrize(("needs", "real"), [({}, 0), ({"data": digits_folder}, 4)])
def test_a_check_says_how_many_real_samples_it_met(needs, real, tmp_path):
    """What its report and its measurements claim is what was run."""
    inputs = {"export": exported("cnn"), **{role: make() for role, make in needs.items()}}
    settings = CheckSettings(batch_sizes=(1, 8), random_inputs=1, latency_runs=0, samples=4)
    context = run_stage(check.run, settings, tmp_path / "check", inputs)
    report = json.loads((tmp_path / "check" / "check.json").read_text())

    assert (report["real_samples"], context.result()["measurements"]["real_samples"]) == (real, real)
    assert any(row["case"] == "calibration 0" for row in report["rows"]) == bool(real)


def test_edges_meet_the_ends_of_the_range():
    """Token ids at both ends of the vocabulary, and the largest magnitude of an image, are among the cases."""
    from lading.ml.cases import cases
    from support.small_models import LM

    found = list(cases(LM, batch_sizes=(2,), random=1, seed=0))
    assert {case.length for case in found} == {4, 8, 16}
    values = np.concatenate([case.inputs["tokens"].ravel() for case in found if not case.ordinary])
    assert (values.min(), values.max()) == (0, 31)
