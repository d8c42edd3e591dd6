"""Convert and verify on small models: sound packages pass at every length, and faulty ones are caught without a Mac."""

import functools
import json
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lading.config.settings.convert import ConvertSettings
from lading.config.settings.verify import VerifySettings
from lading.errors import CannotRunHereError
from lading.ml import coreml, formats, mil_lint
from lading.ml.mil_replay import Replay, Trace
from lading.ml.spec import ModelSpec, TensorSpec
from lading.stages import convert, verify
from support.exports import SPECS, exported
from support.kept import KEPT
from support.small_models import CNN, LM, run_stage, scaled
from support.training_runs import digits_folder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@functools.cache
def converted(name: str, precision: str) -> Path:
    """A sound package, made once."""
    folder = Path(mkdtemp(dir=KEPT.name)) / "convert"
    run_stage(convert.run, ConvertSettings(precision=precision), folder, {"export": exported(name)})
    return folder


def verified(name: str, package: Path, tmp_path: Path, **settings):
    """The measurements and the report of a verify stage."""
    inputs = {"export": exported(name), "convert": package}
    context = run_stage(verify.run, VerifySettings(random_inputs=1, **settings), tmp_path / "verify", inputs)
    return context.result()["measurements"], json.loads((tmp_path / "verify" / "verify.json").read_text())


def faulty(monkeypatch, name: str, tmp_path: Path, change, precision: str = "fp16") -> Path:
    """A package converted from a model that `change` has spoilt, while the export is sound."""
    module, spec = convert.load_model(exported(name))
    monkeypatch.setattr(convert, "load_model", lambda _folder: change(module, spec))
    run_stage(convert.run, ConvertSettings(precision=precision), tmp_path / "convert", {"export": exported(name)})
    return tmp_path / "convert"


@pytest.mark.parametrize(("name", "precision", "psnr"), [("cnn", "fp16", 50), ("lm", "fp16", 45), ("lm", "fp32", 100)])
def test_a_sound_package_passes_at_every_length(name, precision, psnr, tmp_path):
    """No failure, the right weights, and numbers within the precision's own rounding, at each enumerated length."""
    measured, report = verified(name, converted(name, precision), tmp_path)
    assert (measured["failures"], report["failures"]) == (0, [])
    assert measured["psnr_db"] > psnr
    assert measured["weights_matched"] >= 4
    assert {row["length"] for row in report["rows"]} == set(SPECS[name].lengths or [None])


def test_a_package_of_large_batches_meets_real_samples(tmp_path):
    """Fewer samples than the batch that is fixed in it: they are repeated to fill it, and the report says how many there were."""
    run_stage(convert.run, ConvertSettings(batch=32), tmp_path / "convert", {"export": exported("cnn")})
    inputs = {"export": exported("cnn"), "convert": tmp_path / "convert", "data": digits_folder()}
    context = run_stage(verify.run, VerifySettings(random_inputs=1), tmp_path / "verify", inputs)
    report = json.loads((tmp_path / "verify" / "verify.json").read_text())

    assert (report["real_samples"], context.result()["measurements"]["real_samples"]) == (16, 16)
    assert {"calibration 0"} == {row["case"] for row in report["rows"] if row["case"].startswith("calibration")}
    assert report["failures"] == []


def test_a_package_repeats_bit_for_bit(tmp_path):
    """The same export gives the same package, file for file, without dates, random ids and debug records."""
    first = converted("cnn", "fp16")
    run_stage(convert.run, ConvertSettings(), tmp_path / "convert", {"export": exported("cnn")})
    record = json.loads((first / "convert.json").read_text())
    assert record == json.loads((tmp_path / "convert" / "convert.json").read_text())
    assert not any("executorch" in name for name in record["files"])
    assert record["verified_on"] in {"replay", "macos"}


def test_swapped_weights_are_caught(monkeypatch, tmp_path):
    """Two rows of one matrix exchanged: the weights differ, and so do the numbers."""

    def swap(module, spec):
        with torch.no_grad():
            module.head.weight[[0, 1]] = module.head.weight[[1, 0]]
        return module, spec

    _, report = verified("lm", faulty(monkeypatch, "lm", tmp_path, swap), tmp_path)
    assert report["weights"]["differing"]
    assert any("beyond the tolerance" in one for one in report["failures"])


def test_a_dropped_bias_is_caught(monkeypatch, tmp_path):
    """A bias that the converter lost shows in the numbers."""

    def drop(module, spec):
        with torch.no_grad():
            module.head.bias.zero_()
        return module, spec

    measured, report = verified("cnn", faulty(monkeypatch, "cnn", tmp_path, drop), tmp_path)
    assert measured["failures"] > 0
    assert any("logits" in one for one in report["failures"])


def test_a_baked_length_is_caught(monkeypatch, tmp_path):
    """A package for the primary length only breaks the contract, before and after it is run."""
    package = faulty(monkeypatch, "lm", tmp_path, lambda module, spec: (module, spec.but(lengths=(8,))))
    _, report = verified("lm", package, tmp_path)
    assert any("takes the shapes [(1, 8)]" in one for one in report["failures"])
    failed = {row["length"] for row in report["rows"] if row["problem"] or row["beyond"]}
    assert failed == {4, 16}


class Sentinel(nn.Module):
    """Adds a mask of finfo.min by multiplying, as older language models do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 8)
        self.head = nn.Linear(8, 16)

    def forward(self, tokens):
        """Attention over itself with a causal mask."""
        x = self.embed(tokens)
        length = tokens.shape[1]
        place = torch.arange(length)
        seen = (place[None, :] <= place[:, None]).to(x.dtype)
        scores = x @ x.transpose(1, 2) + (1.0 - seen) * torch.finfo(torch.float32).min
        return self.head(torch.softmax(scores, -1) @ x)


SENTINEL = ModelSpec(
    task="language-model",
    name="sentinel",
    inputs=(TensorSpec(name="tokens", dtype="int64", shape=("batch", "length"), low=0, high=15),),
    outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", "length", 16)),),
    lengths=(4, 8),
    primary_length=4,
)


def package_of(module: nn.Module, spec: ModelSpec, folder: Path, precision: str) -> Replay:
    """A module of one's own, converted and ready to replay."""
    path = folder / f"{precision}.mlpackage"
    coreml.convert(module.eval(), spec, path, precision=precision, target="iOS18", batch=1, io_dtype="float32", about={})
    return Replay(coreml.load_program(path))


def test_a_sentinel_that_fp16_cannot_hold_is_caught(tmp_path):
    """finfo.min in a mask: right in fp32, NaN in fp16, and both the lint and the replay name the place."""
    torch.manual_seed(0)
    module, inputs = Sentinel().eval(), {"tokens": np.arange(4).reshape(1, 4)}
    exact = formats.module_runner(module, SENTINEL)(inputs)["logits"]
    whole = package_of(module, SENTINEL, tmp_path, "fp32")
    assert np.abs(whole(inputs)["logits"] - exact).max() < 1e-5
    half, trace = package_of(module, SENTINEL, tmp_path, "fp16"), Trace()
    assert np.isnan(half(inputs, trace)["logits"]).all()
    assert trace.first_broken
    assert any("fp16" in one for one in mil_lint.hazards(half))


def test_an_overflow_is_named(tmp_path):
    """(300 x)^2 does not fit fp16: the replay names the operation that first gave infinity."""

    class Square(nn.Module):
        def forward(self, image):
            big = image.mean((1, 2, 3))[:, None] * 300
            return torch.sqrt(big * big + 1).repeat(1, 4)

    spec = CNN.but(inputs=(CNN.inputs[0].but(low=1.0, high=2.0),))
    trace = Trace()
    found = package_of(Square(), spec, tmp_path, "fp16")({"image": np.full((1, 1, 8, 8), 1.5, np.float32)}, trace)
    assert not np.isfinite(found["logits"]).all()
    assert (trace.first_broken or "").startswith(("mul", "square", "pow"))


def _layers() -> dict[str, nn.Module]:
    class Of(nn.Module):
        def __init__(self, function, *parts):
            super().__init__()
            self.function, self.parts = function, nn.ModuleList(parts)

        def forward(self, image):
            return self.function(image, *self.parts)

    f = functional
    return {
        "strided": nn.Conv2d(3, 6, 3, stride=2, padding=1),
        "dilated groups": nn.Conv2d(3, 6, (3, 2), dilation=(2, 1), groups=3, padding="same"),
        "transposed": nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
        "max pool": nn.MaxPool2d(3, stride=2, padding=1),
        "max pool ceil": nn.MaxPool2d(3, stride=2, ceil_mode=True),
        "average pool": nn.AvgPool2d(3, stride=2, padding=1),
        "average pool without padding": nn.AvgPool2d(2, padding=1, count_include_pad=False),
        "batch norm": nn.Sequential(nn.BatchNorm2d(3), nn.Hardswish()),
        "instance norm": nn.InstanceNorm2d(3, affine=True),
        "activations": Of(lambda x: torch.stack([f.silu(x), f.gelu(x), f.elu(x), f.leaky_relu(x, 0.1), f.softplus(x)])),
        "more activations": Of(lambda x: torch.cat([f.relu6(x), f.hardsigmoid(x), f.mish(x), x.clamp(-0.3, 0.4), f.softsign(x)], 1)),
        "arithmetic": Of(lambda x: torch.where(x > 0, x.exp(), x.abs().sqrt()) * x.sin() + (x.abs() + 1).log() / (x.square() + 2).rsqrt()),
        "reductions": Of(lambda x: torch.cat([x.amax((2, 3)), x.amin((2, 3)), x.mean((2, 3)), x.var((2, 3)), x.sum((1, 2))], 1)),
        "slices": Of(lambda x: torch.cat([x[:, :, 1:-1:2, ::3], x[:, :, 2:5, 5:8]], 1).flip(2)),
        "pads": Of(lambda x: f.pad(f.pad(x, (1, 2, 3, 0)), (1, 1, 2, 2), mode="reflect")),
        "cumsum": Of(lambda x: x.cumsum(2)),
        "topk": Of(lambda x: x.topk(2, dim=-1)[0]),
        "argmax": Of(lambda x: x.argmax(-1).to(x.dtype)),
        "shuffle": Of(lambda x: f.pixel_shuffle(torch.cat([x, x, x, x], 1), 2)),
        "upsample": nn.Upsample(scale_factor=2, mode="nearest"),
        "bilinear": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        "tile": Of(lambda x: x.repeat(1, 2, 1, 1).transpose(1, 3).flatten(1)),
        "einsum": Of(lambda x: torch.einsum("bchw,bdhw->bcd", x, x)),
        "gather": Of(lambda x: torch.gather(x, 3, x.argsort(-1)) + x[:, :, [1, 0, 3, 2, 4, 5, 6, 7]]),
        "attention": Of(lambda x: f.scaled_dot_product_attention(x, x.flip(2), x * 2)),
        "layer norm": nn.LayerNorm([8, 8]),
    }


@pytest.mark.parametrize("layer", sorted(_layers()))
def test_replay_computes_what_torch_computes(layer, tmp_path):
    """Every layer, converted and replayed in fp32 on random inputs, gives PyTorch's numbers."""
    torch.manual_seed(0)
    module = _layers()[layer].eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    image = torch.randn(1, 3, 8, 8)

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, image):
            return self.inner(image) * 1.0

    expected = Named()(image).detach().numpy()
    spec = ModelSpec(
        task="classification",
        name="layer",
        inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 3, 8, 8)),),
        outputs=(TensorSpec(name="out", dtype="float32", shape=("batch", *expected.shape[1:])),),
    )
    found = package_of(Named(), spec, tmp_path, "fp32")({"image": image.numpy()})["out"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


def test_predicting_needs_a_mac(monkeypatch):
    """Elsewhere the attempt ends with a sentence and code 78."""
    monkeypatch.setattr(coreml, "can_predict", lambda: False)
    with pytest.raises(CannotRunHereError, match="macOS"):
        coreml.predictor(Path("model.mlpackage"))


def test_an_operation_outside_the_list_is_a_failure(tmp_path):
    """`allowed_ops` names what the target can run; the rest is a failure by name."""
    measured, report = verified("cnn", converted("cnn", "fp16"), tmp_path, allowed_ops=("conv", "add"))
    assert measured["failures"] > 0
    assert "the operation linear is not allowed" in report["failures"]


def test_the_contract_sees_names_and_dtypes():
    """Another output name, another dtype and another default length are each told."""
    description = coreml.read_package(converted("lm", "fp16") / coreml.PACKAGE)[0].description
    assert mil_lint.contract_problems(description, LM, batch=1, io_dtype="float32") == []
    renamed = LM.but(outputs=(LM.outputs[0].but(name="scores"), LM.outputs[1]), primary_length=4)
    problems = "\n".join(mil_lint.contract_problems(description, renamed, batch=1, io_dtype="float16"))
    assert "instead of scores" in problems
    assert "FLOAT32 instead of FLOAT16" in problems
    assert "default shape (1, 8) instead of (1, 4)" in problems


def test_weights_of_another_training_are_told():
    """The weight check compares tensor by tensor with the model's own, by name."""
    replay = Replay(coreml.load_program(converted("lm", "fp16") / coreml.PACKAGE))
    other = {name: value.detach().numpy() for name, value in scaled(LM, seed=9).state_dict().items()}
    matched, wrong = mil_lint.compare_weights(replay, other, half=True)
    assert matched == len(wrong) > 10


def test_a_gelu_that_the_converter_changed_is_seen(tmp_path):
    """coremltools 9.0 turns GELU's tanh form into the exact one without a word: the fp32 numbers give it away."""

    class Tanh(nn.Module):
        def forward(self, image):
            return functional.gelu(image, approximate="tanh").mean((1, 2)) * 1.0

    spec = CNN.but(outputs=(CNN.outputs[0].but(shape=("batch", 8)),))
    image = np.linspace(-3, 3, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    replay = package_of(Tanh(), spec, tmp_path, "fp32")
    found, exact = replay({"image": image})["logits"], functional.gelu(torch.from_numpy(image)).mean((1, 2)).numpy()
    tanh = functional.gelu(torch.from_numpy(image), approximate="tanh").mean((1, 2)).numpy()
    written = next(replay.constant(op.inputs["mode"]) for op in replay.operations() if op.op_type == "gelu")
    np.testing.assert_allclose(found, exact if written == "EXACT" else tanh, atol=2e-6)
    assert np.abs(exact - tanh).max() > 2e-5
