import pytest
import torch
from torch import nn

from invariscope.errors import InputError
from invariscope.subjects import NetworkSubject


def test_the_network_goes_on_from_the_edited_output(conv_subject, picture):
    images = torch.stack([picture, picture.flip(2)])
    model, seen = conv_subject.model, (images - 0.5) / 0.25
    with conv_subject.edited("relu", lambda output: output * 0.5):
        edited = conv_subject.respond(images, ["relu", "fc"])
    first = torch.relu(model.conv1(seen)) * 0.5
    assert torch.allclose(edited["relu"], first, atol=1e-6)
    hidden = torch.relu(model.conv2(first))
    assert torch.allclose(edited["fc"], model.fc(hidden.flatten(1)), atol=1e-5)


def test_only_the_named_call_of_a_module_is_edited(conv_subject, picture):
    images = torch.stack([picture, picture.flip(2)])
    plain = conv_subject.respond(images, ["relu", "relu@2", "fc"])
    with conv_subject.edited("relu@2", torch.zeros_like):
        for _ in range(2):  # calls are counted anew in every pass
            edited = conv_subject.respond(images, ["relu", "relu@2", "fc"])
    assert torch.equal(edited["relu"], plain["relu"])
    assert not edited["relu@2"].any()
    assert torch.allclose(edited["fc"], conv_subject.model.fc.bias.expand(2, -1))


def test_afterwards_the_network_is_as_before_even_after_an_error(conv_subject, picture):
    images = torch.stack([picture])
    plain = conv_subject.respond(images, ["fc"])["fc"]
    with pytest.raises(ZeroDivisionError), conv_subject.edited("relu", torch.zeros_like):
        raise ZeroDivisionError
    assert torch.equal(conv_subject.respond(images, ["fc"])["fc"], plain)


def test_the_first_of_several_outputs_is_edited(picture):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = Pair()

        def forward(self, x):
            left, right = self.pair(x)
            return left.flatten(1) + right.flatten(1)

    class Pair(nn.Module):
        def forward(self, x):
            return x, 2 * x

    subject = NetworkSubject(Two().eval(), image_size=8, mean=(0,) * 3, std=(1,) * 3)
    wrapped = NetworkSubject(
        nn.Sequential(subject.model).eval(), image_size=8, mean=(0,) * 3, std=(1,) * 3
    )
    with wrapped.edited("0.pair", torch.zeros_like):
        answer = wrapped.respond(picture[None], ["0"])["0"]
    assert torch.allclose(answer, 2 * picture.flatten()[None])


def test_sites_without_a_module_and_compiled_subjects_are_refused(conv_subject):
    with pytest.raises(InputError, match="'pixels'"), conv_subject.edited("pixels", torch.relu):
        pass
    with pytest.raises(InputError, match="did you mean 'relu"):
        conv_subject.module("rellu")
    conv_subject.compiled = True
    with pytest.raises(InputError, match="compiled"), conv_subject.edited("relu", torch.relu):
        pass
