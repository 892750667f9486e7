"""Training-only augmentation of normalised segments, on whole batches and any device.

Everything is drawn per segment. Time is resampled once (crop and warp together); what a lost joint becomes is what
`gymspotter.transform` makes of NaN when the model serves.

Shapes: B batch, T frames, J joints, C = 3 coordinates (x right, y down, z away), K classes. Lengths are in torsos.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gymspotter.errors import InputError
from gymspotter.skeleton import CANONICAL, Layout
from gymspotter.transform import fill_missing, parts_of, turn_upright

_DRIFT_FRAMES = 8  # an estimator's slow error wanders over about so many frames (1.6 s)
_DEPTH_NOISE = 2.0  # depth is seen worst: estimators err about twice as far along z


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How strongly training segments are varied; 0 turns a variation off."""

    mirror: float = 0.5
    """Probability of a mirror image, left and right swapped; 0 where a label says which side (not in the gym)."""
    turn: float = 30.0
    """Largest turn about the vertical, in degrees either way."""
    tilt: float = 0.0
    """Largest lean to the side and towards the camera, in degrees either way: no camera is quite level."""
    scale: float = 0.1
    """Largest relative change of size."""
    stretch: float = 0.0
    """Largest relative change of width, height and depth on their own: other bodies, pictures out of shape."""
    short: float = 0.0
    """Probability that only a short part is kept and played to and fro, as `windows.fit_length` plays short videos."""
    crop: float = 0.2
    """Largest part of the time that is cut away; the rest is stretched over the segment."""
    warp: float = 0.3
    """Largest relative change of pace within the segment; its ends stay."""
    lose: float = 0.03
    """Probability that a joint is lost for a stretch of the segment."""
    noise: float = 0.02
    """Standard deviation of the estimator's error across the picture, in torsos; along the depth it is twice that."""

    def __post_init__(self) -> None:
        for name, top in (("mirror", 1), ("turn", 180), ("tilt", 90), ("short", 1), ("lose", 1)):
            if not 0 <= getattr(self, name) <= top:
                raise InputError(f"{name} is {getattr(self, name):g}: use 0 to {top}.")
        for name in ("scale", "stretch", "crop", "warp"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name):g}: use 0 or more and less than 1.")
        if not 0 <= self.noise < float("inf"):
            raise InputError(f"noise is {self.noise:g}: use 0 or more.")


class Augment:
    """Normalised poses (B, T, J, 3) to varied ones of the same shape; the hip stays the origin."""

    def __init__(self, config: AugmentConfig, layout: Layout = CANONICAL) -> None:
        self.config, self.swapped, self.hip = config, layout.mirror, parts_of(layout, "hip")

    def __call__(self, poses: Tensor, generator: Generator | None = None) -> Tensor:
        """Every random choice is drawn from ``generator``, which lives on the poses' device."""
        c = self.config
        draw = _Draw(poses, generator)
        if c.mirror:
            poses = torch.where(draw.chance(c.mirror, 1, 1, 1), mirror(poses, self.swapped), poses)
        if c.crop or c.warp:
            poses = resample(poses, draw.times(c.crop, c.warp))
        if c.short:
            poses = torch.where(draw.chance(c.short, 1, 1, 1), resample(poses, draw.to_and_fro()), poses)
        if c.turn:
            angle = draw.either_way(math.radians(c.turn))
            poses = turn_upright(poses, angle.cos(), angle.sin())
        if c.tilt:
            poses = poses @ tilts(draw.either_way(math.radians(c.tilt)), draw.either_way(math.radians(c.tilt)))
        if c.scale:
            poses = poses * (1 + draw.either_way(c.scale, 1, 1, 1))
        if c.stretch:
            poses = poses * (1 + draw.either_way(c.stretch, 1, 1, 3))
        if c.lose:
            poses = fill_missing(torch.where(draw.stretches(c.lose), torch.nan, poses))
        if c.noise:
            poses = poses + draw.estimator_error(c.noise)
        return poses - poses[:, :, self.hip].mean(dim=2, keepdim=True)


def mirror(poses: Tensor, swapped: list[int]) -> Tensor:
    """The mirror image: x changes its sign, and each joint is where its other side was (``swapped``: Layout.mirror)."""
    return poses[:, :, swapped] * poses.new_tensor([-1.0, 1.0, 1.0])


def resample(poses: Tensor, times_BT: Tensor) -> Tensor:
    """Poses at ``times_BT``, in frames from 0 to T - 1, interpolated linearly."""
    before = times_BT.long().clamp(max=poses.shape[1] - 2)
    weight = (times_BT - before)[..., None, None]
    index = before[..., None, None].expand_as(poses)
    return poses.gather(1, index) * (1 - weight) + poses.gather(1, index + 1) * weight


def tilts(aside_B: Tensor, towards_B: Tensor) -> Tensor:
    """Rotations [B, 1, 3, 3], multiplied from the right: about z by ``aside_B``, then about x by ``towards_B``."""
    (ca, sa), (ct, st) = ((angle.cos(), angle.sin()) for angle in (aside_B, towards_B))
    rows = [ca, -sa * ct, sa * st, sa, ca * ct, -ca * st, torch.zeros_like(ca), st, ct]
    return torch.stack(rows, dim=-1).view(-1, 1, 3, 3)


def mix(
    poses: Tensor, targets_B: Tensor, classes: int, strength: float, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Each segment mixed with another of the batch (mixup; Zhang et al. 2018), and the soft targets [B, K].

    The other's weight is uniform between 0 and ``strength`` (Zhang et al. draw it from a Beta distribution; with 0.5
    this is their alpha = 1).
    """
    if not 0 <= strength <= 0.5:
        raise InputError(f"mix is {strength:g}: use 0 to 0.5.")
    one_hot_BK = F.one_hot(targets_B, classes).to(poses.dtype)
    other = torch.randperm(len(poses), generator=generator, device=poses.device)
    weight = strength * torch.rand(len(poses), generator=generator, device=poses.device)
    mixed = torch.lerp(poses, poses[other], weight.view(-1, 1, 1, 1))
    return mixed, torch.lerp(one_hot_BK, one_hot_BK[other], weight.view(-1, 1))


class _Draw:
    """The random choices for one batch."""

    def __init__(self, poses: Tensor, generator: Generator | None) -> None:
        self.b, self.t, self.j, self.c = poses.shape
        self.device, self.generator = poses.device, generator

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(self.b, *shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.b, *shape, generator=self.generator, device=self.device)

    def either_way(self, most: float, *shape: int) -> Tensor:
        return most * (2 * self.uniform(*shape) - 1)

    def chance(self, probability: float, *shape: int) -> Tensor:
        return self.uniform(*shape) < probability

    def times(self, crop: float, warp: float) -> Tensor:
        """[B, T] rising times in frames: a part of the segment, played at a changing pace."""
        u = torch.linspace(0, 1, self.t, device=self.device)
        # d/du is 1 + a cos(pi u) + b cos(2 pi u) with |a| + |b| <= warp < 1: time never runs backwards.
        a, b = self.either_way(warp / 2, 1), self.either_way(warp / 2, 1)
        warped = u + a * torch.sin(math.pi * u) / math.pi + b * torch.sin(2 * math.pi * u) / (2 * math.pi)
        cut = crop * self.uniform(1)
        return ((cut * self.uniform(1) + (1 - cut) * warped) * (self.t - 1)).clamp(0, self.t - 1)

    def to_and_fro(self) -> Tensor:
        """[B, T] times in frames: a part (a sixth to all of it, mostly little), forth and back until T is full."""
        last = self.t - 1
        length = last * (1 / 6 + 5 / 6 * self.uniform(1) ** 2)
        start = self.uniform(1) * (last - length)
        gone = torch.arange(self.t, device=self.device) % (2 * length)
        return start + torch.where(gone > length, 2 * length - gone, gone)

    def stretches(self, probability: float) -> Tensor:
        """[B, T, J, 1]: in which frames a joint is lost, if it is; a stretch may reach over the segment's ends."""
        ends = self.t * (2 * self.uniform(2, self.j, 1) - 0.5)
        frame = torch.arange(self.t, device=self.device).view(1, -1, 1, 1)
        inside = (frame >= ends.amin(dim=1, keepdim=True)) & (frame < ends.amax(dim=1, keepdim=True))
        return inside & self.chance(probability, 1, self.j, 1)

    def estimator_error(self, deviation: float) -> Tensor:
        """[B, T, J, C] of that deviation: half its variance jitters from frame to frame, half drifts slowly."""
        knots = self.t // _DRIFT_FRAMES + 2
        drift = F.interpolate(
            self.normal(self.j * self.c, knots), size=self.t, mode="linear", align_corners=True
        ).unflatten(1, (self.j, self.c))
        # Between two knots a line has on average 2/3 of their variance.
        error = (self.normal(self.t, self.j, self.c) + math.sqrt(1.5) * drift.movedim(-1, 1)) / math.sqrt(2)
        return error * deviation * torch.tensor([1.0, 1.0, _DEPTH_NOISE], device=self.device)
