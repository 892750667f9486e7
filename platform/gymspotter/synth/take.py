"""What every exercise is made with: one athlete, one set, its chances, and the postures that exercises share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gymspotter.synth.body import SIDES, SIGN, SOLE, Figure, Side, Spine, spine
from gymspotter.synth.geometry import Angle, Vectors, Z, apply, bent_length, turn, vec
from gymspotter.synth.props import backrest, seat
from gymspotter.synth.scene import Box, Build, Capsule
from gymspotter.synth.tempo import Pace, Range, Tempo, sample_tempo, wander

Prop = Capsule | Box


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What an exercise hands back: the posed body, the equipment and the whole repetitions in seconds."""

    figure: Figure
    props: list[Prop]
    repetitions: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Feet:
    """Two feet flat on the floor: ankles [1, 3] by side, and how far their toes point outwards, in degrees."""

    ankle: dict[Side, Vectors]
    toe_out: dict[Side, float]


@dataclass(frozen=True, kw_only=True)
class Take:
    """One recording of one athlete: times ``t`` [T] in seconds, the build, and all its chances from ``rng``.

    ``seconds`` is its duration and ``steady`` scales how much this person wanders.
    """

    t: NDArray[np.float64]
    build: Build
    rng: np.random.Generator
    seconds: float
    steady: float = 1.0

    def pick(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def one_of(self, options: dict[str, float]) -> str:
        """One of the named variants, by their weights."""
        weights = np.array([*options.values()])
        return str(self.rng.choice([*options], p=weights / weights.sum()))

    def wander(self, size: float, hertz: Range = (0.05, 0.7)) -> NDArray[np.float64]:
        """[T]: slow drift of about ``size`` (see tempo.wander)."""
        return wander(self.rng, self.t, size * self.steady, hertz=hertz)

    def tempo(self, pace: Pace) -> Tempo:
        """The set's phase and repetitions."""
        return sample_tempo(self.rng, self.t, pace, self.seconds)

    def spine(
        self, lean: Angle, *, bend: Angle = 0.0, twist: Angle = 0.0, side: Angle = 0.0, nod: Angle = 0.0,
        sway: float = 1.0,
    ) -> Spine:  # fmt: skip
        """A trunk (see body.spine) that sways by about ``sway`` degrees, on a neck that looks about a little."""
        lopsided = self.rng.normal(0, 0.7, 2) * sway
        return spine(
            lean + self.wander(0.8 * sway, (0.05, 0.4)),
            bend=bend + self.wander(0.8 * sway),
            twist=twist + self.wander(0.9 * sway) + lopsided[0],
            side=side + self.wander(0.6 * sway) + lopsided[1],
            nod=nod + self.wander(3.0) + self.pick(-6, 6),
            look=self.wander(4.0) + self.pick(-4, 4),
        )

    def feet(self, *, apart: float, toe_out: Range = (5, 25), z: float = 0.0) -> Feet:
        """Feet whose ankles are ``apart`` metres from each other, neither quite level nor quite alike."""
        middle = self.rng.normal(0, 0.008)
        ankle: dict[Side, Vectors] = {}
        out: dict[Side, float] = {}
        both = self.pick(*toe_out)
        for s in SIDES:
            height = self.build.lengths[f"{s}_ankle"] + SOLE
            ankle[s] = vec(SIGN[s] * apart / 2 + middle, height, z + float(self.rng.normal(0, 0.01)))
            out[s] = both + float(self.rng.normal(0, 2.5))
        return Feet(ankle=ankle, toe_out=out)

    def hip_over(self, feet: Feet, trunk: Spine, knee: Angle, z: Angle, x: Angle = 0.0) -> Vectors:
        """The mid-hip [T, 3] at ``x``, ``z`` from which planted feet are reached with knees bent by ``knee`` degrees.

        The side that reaches less far sets the height; the other knee bends a little more.
        """
        heights = []
        for s in SIDES:
            length = self.build.lengths
            joint = apply(trunk.pelvis, (SIGN[s] * length[f"{s}_pelvis"], 0, 0))
            reach = bent_length(length[f"{s}_thigh"], length[f"{s}_shank"], np.maximum(knee, 3.0))
            across = (joint[:, 0] + x - feet.ankle[s][:, 0]) ** 2 + (joint[:, 2] + z - feet.ankle[s][:, 2]) ** 2
            heights.append(feet.ankle[s][:, 1] - joint[:, 1] + np.sqrt(np.maximum(reach**2 - across, 0.01)))
        return vec(x, np.minimum(*heights), z)

    def stand(self, figure: Figure, feet: Feet, knees_out: Angle = 0.0) -> None:
        """Put both legs on planted feet; the knees point along the toes, ``knees_out`` degrees further outwards."""
        for s in SIDES:
            toes = apply(turn(SIGN[s] * feet.toe_out[s]), Z)
            figure.leg(s, feet.ankle[s], apply(turn(SIGN[s] * np.add(feet.toe_out[s], knees_out)), Z))
            figure.foot(s, toes, vec(0, 1, 0))

    def stand_lying(self, figure: Figure, feet: Feet) -> None:
        """Put the feet of somebody who lies, sits or leans back on the floor: the knees point up and along the toes."""
        for s in SIDES:
            toes = apply(turn(SIGN[s] * feet.toe_out[s]), Z)
            figure.leg(s, feet.ankle[s], toes + vec(0, 1, 0))
            figure.foot(s, toes, vec(0, 1, 0))

    def upright(
        self, *, lean: Angle = 0.0, knee: Angle = 8.0, apart: Range = (0.12, 0.6), shrug: Angle = 0.0
    ) -> Figure:
        """A standing figure with planted feet whose weight is over them."""
        feet = self.feet(apart=self.pick(*apart))
        trunk = self.spine(lean)
        rise = self.build.lengths["lumbar"] + self.build.lengths["chest"]
        # The hips go back as the trunk bows, so that its weight stays over the feet.
        z = 0.05 - 0.45 * rise * np.sin(np.radians(lean)) + self.wander(0.006)
        figure = Figure(self.build, self.hip_over(feet, trunk, knee, z, self.wander(0.006)), trunk, shrug=shrug)
        self.stand(figure, feet)
        return figure

    def seated(
        self, *, lean: Angle, support: bool = False, shrug: Angle = 0.0, feet_apart: Range = (0.2, 0.7)
    ) -> tuple[Figure, list[Prop]]:
        """A figure on a seat with the feet on the floor before it, and the seat, with a backrest for ``support``."""
        high = self.pick(0.42, 0.5) * self.build.height / 1.75
        trunk = self.spine(lean, sway=0.6 if support else 1.0)
        hip = vec(self.wander(0.003), high + 0.1, self.wander(0.003))
        figure = Figure(self.build, hip, trunk, shrug=shrug)
        thigh = self.build.lengths["r_thigh"]
        feet = self.feet(apart=self.pick(*feet_apart), toe_out=(0, 25), z=thigh * self.pick(0.65, 1.15))
        self.stand_lying(figure, feet)
        props: list[Prop] = [*seat(vec(0, high, thigh - 0.12), vec(0, high, -0.14))]
        if support:
            props.append(backrest(hip[:1], float(-np.mean(lean)), depth=0.12 * self.build.chest))
        return figure, props

    def grip(self, centre: Vectors, apart: float, tilt: Angle = 0.0, yaw: Angle = 0.0) -> dict[Side, Vectors]:
        """Both hands [T, 3] on a bar through ``centre``, ``apart`` metres from each other.

        ``tilt`` (left end up) and ``yaw`` (left end back) in degrees: nobody holds a bar quite level.
        """
        tilt, yaw = np.radians(np.atleast_1d(tilt)), np.radians(np.atleast_1d(yaw))
        along = vec(np.cos(tilt) * np.cos(yaw), np.sin(tilt), -np.cos(tilt) * np.sin(yaw))
        return {s: centre + SIGN[s] * apart / 2 * along for s in SIDES}
