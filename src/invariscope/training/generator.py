"""Train the embedded generator against critics of its random images.

Encoder and decoder bring photos back, in pixels, in the features of several networks and in their
readouts. Random codes, drawn with the mean and covariance of natural ones and beyond their shell,
make images that critics of those features and of pixel patches hold against photos (Sauer et al.
2021, arXiv 2111.01007), whose features, as sets, and mean spectrum have to be the photos', and
whose codes the encoder has to find again. After `free` of the training the encoder is frozen and
its codes are whitened once and for all; the decoder goes on. An average of the weights is kept.
"""

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invariscope import seeds
from invariscope.errors import StoreError
from invariscope.training import checkpoint
from invariscope.training.captured import Captured
from invariscope.training.critics import Eyes, ProjectedCritics, augmented, draw_augmentation
from invariscope.training.data import cut_windows, draw_windows, shifted_crops
from invariscope.training.epochs import plain_recipe
from invariscope.training.inversion import Figures, InversionLosses
from invariscope.training.kernel_distance import (
    described,
    kernel_distance,
    mean_spectrum,
    spectrum_weights,
)
from invariscope.training.recipes import GeneratorRecipe
from invariscope.training.whitening import Whitening, correlation, drawn_codes
from invariscope.zoo.smooth import ColourEncoder, SmoothDecoder

SIDE = 96
WEIGHED, WHITENED, BOUNDED = 16, 50, 4  # steps between two of these
COARSEST = 16  # pixels of the decoder's first grid
LARGEST = 50.0  # weight of a loss


class GeneratorTraining:
    """Encoder, decoder and critics on their way.

    Args:
        reader: gives the layer that the encoder reads, alone.
        eyes: frozen networks; the feature maps of all of them are compared and judged, and the
            readout, where their last output is one.
        photos: uint8 `(n, 3, side, side)`, on the device.
    """

    def __init__(
        self, reader: Eyes, eyes: Sequence[Eyes], photos: Tensor, recipe: GeneratorRecipe
    ) -> None:
        self.reader, self.photos, self.recipe = reader, photos, recipe
        self.device, self.step, self.progress = photos.device, 0, 0.0
        middle = (photos.shape[-1] - SIDE) // 2
        self.centres = photos[..., middle : middle + SIDE, middle : middle + SIDE]
        some = self.centres[:: max(1, len(photos) // 512)][:512].float() / 255
        self.inversion = InversionLosses(eyes, some)
        maps = self.inversion.usual_maps
        with torch.no_grad():
            words = described(self.inversion.by_network(maps), some)
            self.usual = [(w.mean(0), w.std(0) + 1e-4) for w in words]
            self.spectrum = mean_spectrum(some)
        self.frequencies = spectrum_weights(SIDE, COARSEST).to(self.device)
        scales = [(m.float().square().mean((0, 2, 3)).sqrt(), m.shape[-1]) for m in maps]
        with torch.random.fork_rng([]):
            torch.manual_seed(seeds.integer("generator", recipe.seed))
            encoder, decoder = ColourEncoder(recipe.code_dim), SmoothDecoder(recipe.code_dim)
            critics = ProjectedCritics(scales)
        self.modules = nn.ModuleDict(
            {
                "encoder": encoder,
                "decoder": decoder,
                "critics": critics,
                "average_encoder": copy.deepcopy(encoder),
                "average_decoder": copy.deepcopy(decoder),
                "whitening": Whitening(recipe.code_dim),
            }
        ).to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.encoder, self.decoder = self.modules["encoder"], self.modules["decoder"]
        self.critics, self.whitening = critics, self.modules["whitening"]
        self.frozen = False
        own = [*self.encoder.parameters(), *self.decoder.parameters()]
        judging = [p for p in critics.parameters() if p.requires_grad]
        self.rates = [torch.zeros((), device=self.device) for _ in range(2)]
        cuda = self.device.type == "cuda"
        self.adam, self.critic_adam = (
            torch.optim.Adam(group, lr=rate, betas=(0.0, 0.99), fused=True, capturable=cuda)
            for group, rate in zip((own, judging), self.rates, strict=True)
        )
        self.balance, self.share = torch.zeros(4, device=self.device), self.rates[0].clone()
        self.captured = Captured(self.device)
        self._begin_white()

    @torch.no_grad()
    def _begin_white(self) -> None:
        """Whiten the codes of both encoders before the first step."""
        self._fit_whitening(self.encoder)
        for part in ("encoder", "average_encoder"):
            folded = self.whitening.folded_into(self.modules[part])
            self.modules[part].load_state_dict(folded.state_dict())
        self._fit_whitening(self.encoder)

    def _codes_of(self, images: Tensor, encoder: nn.Module) -> Tensor:
        """Compute the raw codes of images in [0, 1]."""
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            return encoder(self.reader(images)[-1], images).float()

    @torch.no_grad()
    def _fit_whitening(self, encoder: nn.Module) -> None:
        """Whiten by the codes of all photos' centre crops."""
        parts = (self._codes_of(part.float() / 255, encoder) for part in self.centres.split(512))
        self.whitening.fit(torch.cat(list(parts)))

    def state(self) -> dict[str, Any]:
        """Collect the tensors and numbers of a checkpoint."""
        return {
            "recipe": plain_recipe(self.recipe),
            "step": self.step,
            "progress": self.progress,
            "frozen": self.frozen,
            "balance": self.balance,
            "modules": self.modules.state_dict(),
            "adam": self.adam.state_dict(),
            "critic_adam": self.critic_adam.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.modules.load_state_dict(state["modules"])
        self.adam.load_state_dict(state["adam"])
        self.critic_adam.load_state_dict(state["critic_adam"])
        for adam, rate in zip((self.adam, self.critic_adam), self.rates, strict=True):
            adam.param_groups[0]["lr"] = rate
            for parameter, moments in adam.state.items():
                # Fused steps pair numbers by their place in memory, whatever the strides.
                for name in ("exp_avg", "exp_avg_sq"):
                    moments[name] = torch.empty_like(parameter).copy_(moments[name])
        self.step, self.progress = state["step"], state["progress"]
        self.balance.copy_(state["balance"])
        self.frozen = state["frozen"]
        self.encoder.requires_grad_(requires_grad=not self.frozen)

    def about(self) -> dict[str, Any]:
        """Tell the recipe, the number of steps and the device."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return {"recipe": plain_recipe(self.recipe), "steps": self.step, "device": name}

    def halves(self) -> tuple[ColourEncoder, SmoothDecoder]:
        """Copy the averaged encoder, whitened exactly on the training photos, and the decoder."""
        encoder, decoder = self.modules["average_encoder"], self.modules["average_decoder"]
        assert isinstance(encoder, ColourEncoder)
        assert isinstance(decoder, SmoothDecoder)
        whitening = self.whitening
        if not self.frozen:
            whitening = Whitening(self.recipe.code_dim).to(self.device)
            with torch.no_grad():
                parts = [self._codes_of(p.float() / 255, encoder) for p in self.centres.split(512)]
            whitening.fit(torch.cat(parts))
        return whitening.folded_into(encoder).eval(), copy.deepcopy(decoder).eval()

    def advance(self, progress: float) -> Figures:
        """Take one step of everything.

        Args:
            progress: how much of the training is done, in [0, 1].

        Returns:
            Figures of the step, on the device.
        """
        self.progress, recipe = progress, self.recipe
        if not self.frozen and progress >= recipe.free:
            self._freeze()
        rising = min(1.0, (self.step + 1) / 200)
        falling = min(1.0, max(0.02, (1 - progress) / 0.3))
        for rate, highest in zip(self.rates, (recipe.rate, recipe.critic_rate), strict=True):
            rate.fill_(highest * rising * falling)
        self.share.fill_(min(1.0, max(0.0, progress / recipe.warm - 0.25)))
        torch.manual_seed(seeds.integer("generator", recipe.seed, self.step))  # a graph's, too
        weighed = self.step % WEIGHED == 0
        figures = self.captured((self.frozen, weighed), lambda: self._step(weighed=weighed))
        self._average()
        if self.step % BOUNDED == 0:
            self.critics.bound()
        if not self.frozen and self.step % WHITENED == 0:
            self.whitening.update()
        self.step += 1
        return figures

    @torch.no_grad()
    def _freeze(self) -> None:
        """Settle the codes: the averaged encoder, whitened exactly, learns no more."""
        self.encoder.load_state_dict(self.modules["average_encoder"].state_dict())
        self.encoder.requires_grad_(requires_grad=False)
        self._fit_whitening(self.encoder)
        self.frozen = True

    def _batch(self) -> tuple[Tensor, int]:
        """Draw the photos of a step; the first so many are not resized."""
        recipe = self.recipe
        rows = torch.randint(0, len(self.photos), (recipe.batch,), device=self.device)
        exact = recipe.batch - int(recipe.batch * recipe.resized)
        images = self.photos[rows]
        here = self.device.index or 0
        cuda = self.device.type == "cuda"
        stream = torch.cuda.default_generators[here] if cuda else torch.default_generator
        windows = draw_windows(recipe.batch - exact, stream, smallest=recipe.smallest_crop)
        resized = cut_windows(images[exact:], windows, SIDE)
        return torch.cat([shifted_crops(images[:exact], SIDE), resized]), exact

    def _step(self, *, weighed: bool) -> Figures:
        recipe = self.recipe
        photos, exact = self._batch()
        n = len(photos)
        raw = self._codes_of(photos, self.encoder)
        if not self.frozen:
            self.whitening.see(raw)
        codes = self.whitening(raw)
        codes = codes + recipe.code_noise * torch.randn_like(codes)
        drawn = drawn_codes(n, recipe.code_dim, recipe.beyond, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            made = self.decoder(torch.cat([codes, drawn])).float()
        changes = draw_augmentation(2 * n, SIDE, photos)
        with torch.no_grad():
            real = augmented(photos, changes.taken(0, n))
            aim = self.inversion.seen(real)
        seen = made.detach().requires_grad_()  # the losses' gradients meet here
        fake = augmented(seen, changes)
        maps, readouts = self.inversion.seen(fake)
        got = [m[:n] for m in maps], [r[:n] for r in readouts]
        inversion = self.inversion.losses(seen[:n], photos, got, aim, recipe)
        loss = sum(inversion.values())
        judged = self._judged(seen, fake, real, maps, aim[0])
        if weighed:
            self._weigh(seen, torch.as_tensor(loss), list(judged.values()))
        weights = self.share * self.balance
        for weight, value in zip(weights, judged.values(), strict=True):
            loss = loss + weight * value
        (gradient,) = torch.autograd.grad(torch.as_tensor(loss), seen)
        lost = self._lost(made[n:], drawn)
        others = recipe.recovery_weight * lost
        if not self.frozen:
            others = others + recipe.white_weight * correlation(raw)
        self.adam.zero_grad(set_to_none=True)
        torch.autograd.backward([made, others], [gradient, None])  # pyright: ignore[reportArgumentType]
        nn.utils.clip_grad_norm_([*self.decoder.parameters(), *self.encoder.parameters()], 1.0)
        self.adam.step()
        rows = torch.cat(
            [torch.arange(exact, device=self.device), torch.arange(n, 2 * n, device=self.device)]
        )
        wrong = self._critic_step(real[:exact], [m[:exact] for m in aim[0]], fake, maps, rows)
        told = {**inversion, **judged, "lost": lost, "wrong": wrong}
        return {name: value.detach() for name, value in told.items()}

    def _verdicts(self, images: Tensor, maps: Sequence[Tensor], *, learning: bool) -> list[Tensor]:
        self.critics.train(learning)
        for parameter in self.critic_adam.param_groups[0]["params"]:
            parameter.requires_grad_(learning)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            return self.critics(images, maps)

    def _judged(
        self, seen: Tensor, fake: Tensor, real: Tensor, maps: list[Tensor], aim: list[Tensor]
    ) -> Figures:
        """Measure random images, and photos brought back: by critics, kernels and spectra."""
        n = len(real)
        verdicts = self._verdicts(fake, maps, learning=False)
        words = described(self.inversion.by_network([m[n:] for m in maps]), fake[n:])
        wanted = described(self.inversion.by_network(aim), real)
        kernel = seen.new_zeros(())
        for own, other, (mean, sd) in zip(words, wanted, self.usual, strict=True):
            kernel = kernel + kernel_distance((own - mean) / sd, (other - mean) / sd)
        return {
            "random": -torch.stack([v[n:].float().mean() for v in verdicts]).mean(),
            "back": -torch.stack([v[:n].float().mean() for v in verdicts]).mean(),
            "kernel": kernel / len(words),
            "spectrum": (
                self.frequencies * (mean_spectrum(seen[n:]) - self.spectrum).square()
            ).mean(),
        }

    def _weigh(self, seen: Tensor, inversion: Tensor, judged: list[Tensor]) -> None:
        """Set the weights of the judged losses, from the lengths of gradients on images."""
        recipe = self.recipe
        ratios = (
            recipe.random_ratio,
            recipe.photo_ratio,
            recipe.kernel_ratio,
            recipe.spectrum_ratio,
        )
        aim = torch.autograd.grad(inversion, seen, retain_graph=True)[0].norm()
        wanted = [
            ratio * aim / (torch.autograd.grad(loss, seen, retain_graph=True)[0].norm() + 1e-8)
            for ratio, loss in zip(ratios, judged, strict=True)
        ]
        target = torch.stack(wanted).clamp(max=LARGEST)
        self.balance.copy_(
            torch.where(self.balance == 0, target, self.balance.lerp(target, 0.1)).detach()
        )

    def _lost(self, made: Tensor, drawn: Tensor) -> Tensor:
        """Measure the cosine distance of random codes from the codes of the made images."""
        few = max(1, len(made) // 2)
        found = self.whitening(self._codes_of(made[:few], self.encoder))
        return (1 - F.cosine_similarity(found, drawn[:few])).mean()

    def _critic_step(
        self, real: Tensor, aim: list[Tensor], fake: Tensor, maps: list[Tensor], rows: Tensor
    ) -> Tensor:
        """Take a hinge step of the critics on photos and on the images of `rows`; mean loss."""
        cut, few = fake.detach()[rows], len(real)
        both = [torch.cat([a, m.detach()[rows]]) for a, m in zip(aim, maps, strict=True)]
        verdicts = self._verdicts(torch.cat([real, cut]), both, learning=True)
        wrong = torch.stack(
            [
                F.relu(1 - v[:few].float()).mean() + F.relu(1 + v[few:].float()).mean()
                for v in verdicts
            ]
        )
        self.critic_adam.zero_grad(set_to_none=True)
        wrong.sum().backward()
        self.critic_adam.step()
        return wrong.detach().mean()

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        for part in ("decoder",) if self.frozen else ("encoder", "decoder"):
            mean = list(self.modules[f"average_{part}"].parameters())
            torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
                mean, list(self.modules[part].parameters()), 1 - keep
            )


def train_generator(
    reader: Eyes,
    eyes: Sequence[Eyes],
    photos: Tensor,
    recipe: GeneratorRecipe,
    path: Path,
    *,
    seconds: float | None = None,
    every: float = 60.0,
    on_step: Callable[[GeneratorTraining, Figures], None] = lambda run, figures: None,
) -> GeneratorTraining:
    """Train both halves, or go on from the checkpoint at `path`.

    Args:
        reader, eyes, photos: as `GeneratorTraining` takes them.
        seconds: the training ends after so long where that is earlier than the recipe's steps,
            and its schedule follows the clock.
        every: seconds between two checkpoints.
        on_step: called after each step with its figures.

    Raises:
        StoreError: the checkpoint is of another recipe.
    """
    training = GeneratorTraining(reader, eyes, photos, recipe)
    if state := checkpoint.load(path):
        if state["recipe"] != plain_recipe(recipe):
            raise StoreError(f"{str(path)!r} is of another recipe; move it away")
        training.load(state)
    begun, saved, before = time.monotonic(), time.monotonic(), training.progress
    while True:
        now = time.monotonic()
        by_clock = before if seconds is None else before + (1 - before) * (now - begun) / seconds
        progress = max(by_clock, training.step / recipe.steps)
        if progress >= 1:
            break
        on_step(training, training.advance(progress))
        if now - saved > every:
            checkpoint.save(path, training.state())
            saved = time.monotonic()
    training.progress = 1.0
    checkpoint.save(path, training.state())
    return training
