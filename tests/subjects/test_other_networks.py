"""Networks as other people build them: each unit's right value, or one sentence that names the way.

The oracle is the network itself, hooked by hand and given one image at a time.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from invariscope import FunctionSubject, NetworkSubject
from invariscope.errors import InputError, SubjectError
from invariscope.subjects.trust import check_repeatable, probe_images
from invariscope.units import parse_target

SIDE = 16


class Network(nn.Module):
    """Convolution, rectifier, mean, readout; what differs is told in `forward` or by a part."""

    def __init__(self, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(6, 4)
        for name, part in parts.items():
            setattr(self, name, part)

    def mean(self, x):
        return self.act(self.conv(x)).mean((2, 3))

    def forward(self, x):
        return self.fc(self.mean(x))


class ChangesItsInput(Network):
    def forward(self, x):
        return super().forward(x.mul_(0.5))


class WritesPastTheCount(Network):
    def forward(self, x):
        y = self.conv(x)
        y.data.clamp_(min=0)  # torch's own count of writes does not see it
        return self.fc(y.mean((2, 3)))


class AddsInPlace(Network):
    def forward(self, x):
        y = self.conv(x)
        y += 1
        return self.fc(y.mean((2, 3)))


class Keeps(nn.Module):
    """Gives the same memory at every pass."""

    kept = None

    def forward(self, x):
        if self.kept is None or self.kept.shape != x.shape:
            self.kept = torch.empty_like(x)
        return self.kept.copy_(x)


class KeepsItsOutput(Network):
    def __init__(self):
        super().__init__(keeps=Keeps())

    def forward(self, x):
        return self.keeps(super().forward(x))


class FlattensByView(Network):
    def __init__(self):
        super().__init__(pool=nn.MaxPool2d(4), fc=nn.Linear(6 * (SIDE // 4) ** 2, 4))

    def forward(self, x):
        y = self.pool(self.act(self.conv(x)))
        return self.fc(y.view(y.size(0), -1))


class OverTime(Network):
    def __init__(self):
        super().__init__(conv=nn.Conv3d(3, 6, (1, 3, 3)))

    def forward(self, x):
        return self.fc(self.act(self.conv(x.unsqueeze(2).repeat(1, 1, 2, 1, 1))).mean((2, 3, 4)))


class WithoutGradients(Network):
    def forward(self, x):
        with torch.inference_mode():
            return super().forward(x)


class LowersItself(Network):
    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


class Gives(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


class With(Network):
    """A part whose output is unusual stands beside the readout."""

    def __init__(self, answer):
        super().__init__(part=Gives(answer))

    def forward(self, x):
        y = self.mean(x)
        self.part(y)
        return self.fc(y)


class Recurrent(Network):
    def __init__(self, tokens, *, batch_first):
        super().__init__(rnn=nn.LSTM(6, 4, batch_first=batch_first))
        self.tokens, self.batch_first = tokens, batch_first

    def forward(self, x):
        tokens = self.act(self.conv(x)).flatten(2).transpose(1, 2)[:, : self.tokens]
        return self.rnn(tokens if self.batch_first else tokens.transpose(0, 1))[0]


class TwoInputs(Network):
    def forward(self, x, y):
        return super().forward(x) + y


class WantsADict(Network):
    def forward(self, x):
        return super().forward(x["image"])


class TakesChannelsLast(Network):
    def forward(self, x):
        return super().forward(x.permute(0, 3, 1, 2))


class DecidesByTheBatch(Network):
    def forward(self, x):
        y = self.conv(x)
        return self.fc((self.act(y) if x.mean() > 0 else y).mean((2, 3)))


class FailsLater(Network):
    passes = 0

    def forward(self, x):
        self.passes += 1
        if self.passes > 6:
            raise KeyError("lost")
        return super().forward(x)


def subject_of(model):
    return NetworkSubject(model.eval(), image_size=SIDE)


def one_by_one(model, subject, images, site):
    """What the network's own module gives, image for image."""
    found = []

    def hook(_module, _inputs, output):
        while not isinstance(output, torch.Tensor):
            output = next(iter(output.values())) if isinstance(output, dict) else output[0]
        found.append(output.clone())

    handle = model.get_submodule(site).register_forward_hook(hook)
    with torch.no_grad():
        for image in images:
            model(subject._prepare(image[None]))
    handle.remove()
    return torch.cat(found)


RIGHT = {
    "changes its input in place": (ChangesItsInput, "conv"),
    "overwrites an output in place": (AddsInPlace, "conv"),
    "overwrites an output past torch's count": (WritesPastTheCount, "conv"),
    "gives the same memory at every pass": (KeepsItsOutput, "keeps"),
    "flattens by view": (FlattensByView, "fc"),
    "convolves over time": (OverTime, "conv"),
    "runs in inference mode": (WithoutGradients, "act"),
    "lowers its own precision": (LowersItself, "fc"),
    "gives a mapping": (lambda: With(lambda x: {"b": x * 2, "a": x}), "part"),
    "gives a tuple": (lambda: With(lambda x: (x * 2, None)), "part"),
    "gives whole numbers": (lambda: With(lambda x: x.argmax(1, keepdim=True)), "part"),
    "gives true and false": (lambda: With(lambda x: x > 0), "part"),
    "gives float64": (lambda: With(lambda x: x.double()), "part"),
    "has tokens behind the batch": (lambda: Recurrent(5, batch_first=True), "rnn"),
}


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.reliability("networks as other people build them", "right")
def test_the_value_is_what_the_network_answers(kind):
    make, site = RIGHT[kind]
    model = make()
    subject = subject_of(model)
    images = probe_images(SIDE)
    shown = images.clone()
    check_repeatable(subject, [site])
    answers = subject.respond(images, [site, "pixels"])
    before = answers[site].clone()
    subject.respond(images.flip(0), [site])
    assert torch.equal(answers[site], before)
    assert torch.equal(images, shown)
    assert torch.equal(answers["pixels"], shown)
    truth = one_by_one(model, subject, images, site)
    assert answers[site].dtype == truth.dtype
    assert torch.allclose(answers[site].double(), truth.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (torch.view_as_complex, "complex"),
        (lambda x: x.to_sparse(), "sparse"),
        (lambda x: x.t(), "first dimension is the images"),
        (lambda x: x[:2], "first dimension is the images"),
        (lambda x: x.mean(), "first dimension is the images"),
        (lambda x: x.mean(1), "no units"),
        (lambda x: x[:, :0], "no units"),
        (lambda x: None, "no tensor"),
        (lambda x: (None, x), "no tensor"),
        (lambda x: {}, "no tensor"),
        (lambda x: [3, x], "no tensor"),
    ],
)
@pytest.mark.reliability("networks as other people build them", "refused")
def test_an_output_that_holds_no_units_is_named_with_its_reason(answer, words):
    pairs = answer is torch.view_as_complex
    subject = subject_of(With(lambda x: answer(x.view(-1, 3, 2)) if pairs else answer(x)))
    assert "part" not in subject.sites()
    with pytest.raises(InputError, match=f"'part' is no site: it gives .*{words}"):
        parse_target("part:0", subject.sites())
    with pytest.raises(InputError, match=words):
        subject.respond(probe_images(SIDE), ["part"])


@pytest.mark.parametrize("tokens", [2, 3, 5])
@pytest.mark.reliability("networks as other people build them", "refused")
def test_tokens_before_the_batch_are_no_images(tokens):
    with pytest.raises(InputError, match="first dimension is the images"):
        parse_target("rnn:0,0", subject_of(Recurrent(tokens, batch_first=False)).sites())


def quantized():
    return torch.ao.quantization.quantize_dynamic(Network().eval(), {nn.Linear}, torch.qint8)


UNUSABLE = {
    "one of two inputs": (TwoInputs, "other arguments"),
    "a mapping of inputs": (WantsADict, "one tensor of images"),
    "channels last": (TakesChannelsLast, "channels come first"),
    "a script": (lambda: torch.jit.script(Network()), "torch.jit"),
    "a script inside": (lambda: Network(act=torch.jit.script(nn.ReLU())), "'act' is a torch.jit"),
    "compiled": (lambda: torch.compile(Network()), "torch.compile"),
    "compiled inside": (lambda: Network(act=torch.compile(nn.ReLU())), "'act' was compiled"),
    "on many devices": (lambda: nn.DataParallel(Network()), r"give its \.module"),
    "weights without a shape": (lambda: Network(fc=nn.LazyLinear(4)), "lazy"),
    "meta weights": (lambda: Network(fc=nn.Linear(6, 4, device="meta")), "meta"),
    "float64 weights": (lambda: Network().double(), r"call model\.float"),
    "half weights": (lambda: Network().half(), r"call model\.float"),
    "one float64 weight": (lambda: Network(fc=nn.Linear(6, 4).double()), "fc.weight"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.reliability("networks as other people build them", "refused")
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_network_that_cannot_be_used_is_refused(kind):
    make, words = UNUSABLE[kind]
    with pytest.raises(InputError, match=words) as refused:
        subject_of(make()).sites()
    assert "\n" not in str(refused.value)


@pytest.mark.reliability("networks as other people build them", "refused")
@pytest.mark.filterwarnings("ignore:.*quant:DeprecationWarning", "ignore::UserWarning")
def test_a_quantized_network_is_refused():
    with pytest.raises(InputError, match="quantized"):
        subject_of(quantized())


@pytest.mark.reliability("networks as other people build them", "refused")
def test_part_of_a_network_in_training_mode_is_refused():
    model = Network(norm=nn.BatchNorm2d(6)).eval()
    model.norm.train()
    with pytest.raises(InputError, match=r"call model\.eval"):
        NetworkSubject(model, image_size=SIDE)


@pytest.mark.reliability("networks as other people build them", "refused")
def test_a_decision_by_the_whole_batch_is_refused():
    with pytest.raises(SubjectError, match="beside other images"):
        check_repeatable(subject_of(DecidesByTheBatch()), ["fc"])


@pytest.mark.reliability("networks as other people build them", "refused")
def test_a_forward_that_fails_later_is_one_sentence():
    subject = subject_of(FailsLater())
    assert "fc" in subject.sites()
    with pytest.raises(InputError, match="fails on images of 16"):
        check_repeatable(subject, ["fc"])


def function(answer, **options):
    return FunctionSubject(answer, name="f", image_size=SIDE, **options)


@pytest.mark.reliability("networks as other people build them", "right")
def test_a_function_may_work_on_its_images_and_its_answers_in_place():
    kept = torch.empty(8)

    def answer(images):
        images.mul_(0.5)
        return kept[: len(images)].copy_(images.mean((1, 2, 3)))

    subject, images = function(answer), probe_images(SIDE)
    shown, truth = images.clone(), images.mean((1, 2, 3)) / 2
    first = subject.respond(images, ["output", "pixels"])
    subject.respond(images.flip(0), ["output"])
    assert torch.equal(images, shown)
    assert torch.equal(first["pixels"], shown)
    assert torch.allclose(first["output"][:, 0], truth)


@pytest.mark.reliability("networks as other people build them", "right")
def test_masked_answers_are_missing_ones():
    answer = np.ma.MaskedArray([1.0, 2.0], mask=[False, True])
    found = function(lambda images: answer, numpy=True).respond(probe_images(SIDE)[:2], ["output"])
    assert found["output"][0, 0] == 1
    assert found["output"][1, 0].isnan()


def fails(images):
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda images: torch.zeros(len(images), dtype=torch.complex64), "complex"),
        (lambda images: ["a"] * len(images), "no number"),
        (lambda images: None, "no number"),
        (lambda images: {"a": 1}, "no number"),
        (lambda images: images.mean(), "shape"),
        (lambda images: images[:1].mean((1, 2, 3)), "shape"),
        (fails, "ZeroDivisionError: by zero"),
    ],
)
@pytest.mark.reliability("networks as other people build them", "refused")
def test_a_function_that_gives_no_numbers_is_refused(answer, words):
    with pytest.raises(SubjectError, match=words):
        function(answer).respond(probe_images(SIDE), ["output"])


@pytest.mark.reliability("networks as other people build them", "right")
def test_dropout_in_eval_mode_answers_by_the_image():
    model = Network(act=nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))
    subject, images = subject_of(model), probe_images(SIDE)
    check_repeatable(subject, ["fc"])
    x = F.conv2d(subject._prepare(images), model.conv.weight, model.conv.bias, padding=1)
    truth = F.linear(x.relu().mean((2, 3)), model.fc.weight, model.fc.bias)
    assert torch.allclose(subject.respond(images, ["fc"])["fc"], truth, atol=1e-6)
