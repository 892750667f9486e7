"""What movements that are no exercise are made with: bodies that stand, arms that rest, paths that never recur."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side
from gymspotter.synth.geometry import Angle, apply, turn, vec
from gymspotter.synth.take import Feet, Take
from gymspotter.synth.tempo import Range, Signal

# Where the arms of somebody are who does nothing with them, and how often.
STANDING_ARMS = {
    "hanging": 0.4, "on the hips": 0.2, "crossed": 0.15, "clasped": 0.12, "behind the back": 0.08,
    "behind the head": 0.05,
}  # fmt: skip


def stops(take: Take, low: float, high: float, *, move: Range = (0.4, 1.2), stay: Range = (0.1, 2.0)) -> Signal:
    """[T]: from one random value between ``low`` and ``high`` to the next, with pauses; nothing recurs.

    ``move`` and ``stay`` are ranges in seconds. Moves are minimum-jerk curves (Flash and Hogan 1985).
    """
    out, value = np.full(len(take.t), np.nan), take.pick(low, high)
    clock = -take.pick(*move)
    while np.isnan(out[-1]):
        aim, lasts, rests = take.pick(low, high), take.pick(*move), take.pick(*stay)
        s = np.clip((take.t - clock) / lasts, 0, 1)
        now = take.t >= clock
        out[now] = (value + (aim - value) * s**3 * (10 - 15 * s + 6 * s * s))[now]
        value, clock = aim, clock + lasts + rests
        out[take.t >= clock] = np.nan
    return out


def standing(
    take: Take, *, lean: Angle = 0.0, knee: Angle = 8.0, bend: Angle = 0.0, twist: Angle = 0.0, side: Angle = 0.0,
    nod: Angle = 0.0, back: Angle = 0.0, shift: Angle = 0.0, apart: Range = (0.12, 0.45), shrug: Angle = 0.0,
    feet: Feet | None = None,
) -> Figure:  # fmt: skip
    """A figure on its feet (by default planted ones ``apart``); angles of the trunk are those of body.spine.

    Its hips go back as the trunk bows, ``back`` metres further, and ``shift`` metres to the left.
    """
    feet = feet or take.feet(apart=take.pick(*apart))
    trunk = take.spine(lean, bend=bend, twist=twist, side=side, nod=nod)
    rise = take.build.lengths["lumbar"] + take.build.lengths["chest"]
    z = 0.05 - 0.45 * rise * np.sin(np.radians(lean)) - back + take.wander(0.008)
    hip = take.hip_over(feet, trunk, knee, z, shift + take.wander(0.008))
    figure = Figure(take.build, hip, trunk, shrug=shrug)
    take.stand(figure, feet)
    return figure


def stepping(
    take: Take, half: Angle, *, rise: Angle | dict[Side, Angle] = 0.0, z: Angle | dict[Side, Angle] = 0.0
) -> Feet:
    """Feet that move: ``half`` as far aside as they are apart, ``rise`` over the floor and ``z`` ahead, in metres."""
    planted = take.feet(apart=0.0, toe_out=(0, 12))
    moved = {s: [at[s] if isinstance(at, dict) else at for at in (rise, z)] for s in SIDES}
    return Feet(ankle={s: planted.ankle[s] + vec(SIGN[s] * half, *moved[s]) for s in SIDES}, toe_out=planted.toe_out)


def hang(take: Take, figure: Figure, side: Side, swing: Angle = 0.0, elbow: Angle = 15.0) -> None:
    """An arm that hangs beside the body, ``swing`` degrees forward and bent by ``elbow``."""
    out = take.pick(0.06, 0.3)
    a, b = np.radians(swing), np.radians(np.add(swing, elbow))
    figure.arm_along(side, vec(SIGN[side] * out, -np.cos(a), np.sin(a)), vec(0.0, -np.cos(b), np.sin(b)))


def rest_arms(take: Take, figure: Figure, where: str) -> None:
    """Bring both arms to a place in which they do nothing: a key of STANDING_ARMS."""
    length, forward = take.pick(-0.3, -0.18), take.pick(0.12, 0.2)
    for s in SIDES:
        sign = SIGN[s]
        if where == "hanging":
            hang(take, figure, s, take.wander(3.0) + take.pick(-5, 8), take.pick(5, 28))
        elif where == "on the hips":
            hand = figure.at[f"{s}_hip"] + apply(figure.trunk.pelvis, (sign * 0.07, take.pick(0.08, 0.16), 0.03))
            figure.arm(s, hand, apply(figure.trunk.chest, (sign, -0.1, -take.pick(0.1, 0.8))))
        elif where == "crossed":
            hand = figure.on_chest((-sign * take.pick(0.08, 0.15), length, forward + 0.03 * sign))
            figure.arm(s, hand, apply(figure.trunk.chest, (sign, -1, 0.1)))
        elif where == "clasped":
            hand = figure.on_chest((sign * 0.03, 2 * length + 0.05, forward + 0.05))
            figure.arm(s, hand, apply(figure.trunk.chest, (sign, -0.6, -0.4)))
        elif where == "behind the back":
            hand = figure.at["hip"] + apply(figure.trunk.pelvis, (sign * 0.04, take.pick(0.0, 0.15), -0.17))
            figure.arm(s, hand, apply(figure.trunk.chest, (sign, 0.0, -1)))
        else:
            hand = figure.at["head"] + apply(figure.trunk.chest, (sign * 0.09, 0.02, -0.1))
            figure.arm(s, hand, apply(figure.trunk.chest, (sign, 0.2, -0.1)))


def gesture(take: Take, figure: Figure, side: Side, *, lively: float = 1.0) -> None:
    """A hand that moves about before the chest, wherever talk takes it; ``lively`` scales how far."""
    s = side
    across = SIGN[s] * (0.2 + lively * stops(take, -0.16, 0.18))
    up = -0.22 + lively * stops(take, -0.18, 0.2, move=(0.25, 0.8), stay=(0.05, 1.2))
    ahead = 0.28 + lively * stops(take, -0.08, 0.15)
    figure.arm(s, figure.on_chest(vec(across, up, ahead)), apply(figure.trunk.chest, (SIGN[s], -1, -0.4)))


def turn_about(figure: Figure, heading: Angle) -> None:
    """Turn the finished figure about the vertical by ``heading`` degrees to its left, a number or [T]."""
    rotation = turn(heading)
    for joint, place in figure.at.items():
        figure.at[joint] = (rotation @ place[:, :, None])[:, :, 0]
