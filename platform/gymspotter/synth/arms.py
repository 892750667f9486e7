"""Barbell curl, hammer curl, lateral raise and triceps pushdown: what the arms do beside a standing body."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side
from gymspotter.synth.geometry import Angle, Vectors, X, Y, Z, apply, lerp, unit, vec
from gymspotter.synth.props import barbell, cable, dumbbell, rod, slab, tower
from gymspotter.synth.take import Motion, Prop, Take
from gymspotter.synth.tempo import LIFT_FIRST, Pace, Signal


def barbell_biceps_curl(take: Take) -> Motion:
    """Palms forward on one bar: both hands move as one, at a constant distance, about as wide as the shoulders.

    Standing, or seated with the upper arms on a preacher's bench.
    """
    tempo = take.tempo(LIFT_FIRST)
    p, cheat = tempo.phase, take.pick(0, 1) ** 2 * 14
    props: list[Prop] = []
    preacher = take.chance(0.12)
    if preacher:
        figure, props = take.seated(lean=take.pick(2, 18))
        props += [_preacher_pad(figure)]
        swing = take.pick(32, 58) + lerp(0, take.pick(0, 6), p)
    else:
        figure = take.upright(lean=take.pick(-6, 8) - cheat * np.sin(np.pi * p / 1.6), knee=take.pick(4, 16))
        swing = lerp(take.pick(-2, 12), take.pick(3, 36), p)
    apart = take.pick(0.2, 0.62) * take.build.height / 1.75
    hands = _bar_in_plane(take, figure, swing, lerp(take.pick(8, 32), take.pick(105, 145), p), apart)
    props += barbell(hands, length=take.pick(1.2, 1.9), plate=take.pick(0.08, 0.2))
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _preacher_pad(figure: Figure) -> Prop:
    """A slanted pad before the chest, for the upper arms."""
    top = figure.on_chest((0, -0.14, 0.14)).mean(axis=0, keepdims=True)
    return slab(top, top + vec(0, -0.22, 0.24), 0.5, 0.07, "vinyl", up=vec(0, 0.7, 0.7))


def _bar_in_plane(take: Take, figure: Figure, swing: Angle, elbow: Angle, apart: float) -> dict[Side, Vectors]:
    """Both hands on a level bar, with the upper arms ``swing`` degrees forward and the elbows bent by ``elbow``."""
    a, b = np.radians(swing), np.radians(np.add(swing, elbow))
    upper = vec(0, -np.cos(a), np.sin(a)) * figure.length("r_upper_arm")
    hand = upper + vec(0, -np.cos(b), np.sin(b)) * (figure.length("r_forearm") + figure.length("r_hand"))
    centre = figure.away(figure.shoulders, hand, apart, elbow)
    hands = take.grip(centre + vec(0, 0, take.wander(0.003)), apart, 0, take.wander(0.5))
    towards = unit(hand)
    pole = unit(upper - (upper * towards).sum(axis=-1, keepdims=True) * towards)
    flare = take.pick(0.0, 0.3)
    for s in SIDES:
        figure.arm(s, hands[s], pole + flare * SIGN[s] * X)
    return hands


def hammer_curl(take: Take) -> Motion:
    """Palms facing each other: each dumbbell moves in its own plane, straight up or a little inwards, often in turn.

    Some train one arm only, some lay the upper arms on a preacher's bench.
    """
    style = take.one_of({"both": 0.46, "turns": 0.34, "one": 0.2})
    alternating = style == "turns"
    pace = (
        Pace(out=(0.5, 1.1), hold=(0.0, 0.3), back=(0.5, 1.3), rest=(0.0, 0.3), full_return=True)
        if alternating
        else LIFT_FIRST
    )
    tempo = take.tempo(pace)
    preacher = style != "turns" and take.chance(0.18)
    seated = preacher or take.chance(0.2)
    props: list[Prop] = []
    cheat = take.pick(0, 1) ** 2 * 10
    lean: Signal = take.pick(-2, 5) - cheat * np.sin(np.pi * tempo.phase / 1.6)
    if seated:
        figure, props = take.seated(lean=lean + take.pick(4, 22) if preacher else lean - 5, feet_apart=(0.22, 0.5))
    else:
        figure = take.upright(lean=lean + take.pick(-4, 4), knee=take.pick(4, 14), apart=(0.12, 0.45))
    if preacher:
        props += [_preacher_pad(figure)]
    out, inward = take.pick(6, 14) + (8 if seated else 0), take.pick(-4, 20) if take.chance(0.8) else take.pick(20, 45)
    low, high = take.pick(8, 30), take.pick(100, 142)
    hang, forward = (take.pick(30, 55), take.pick(30, 60)) if preacher else (take.pick(-5, 8), take.pick(0, 32))
    turns = tempo.turns(2) if alternating else [tempo.phase, tempo.phase]
    if style == "one":
        turns[int(take.chance(0.5))] = 0 * tempo.phase
    for s, phase in zip(SIDES, turns, strict=True):
        p = phase if alternating else phase * (1 + take.rng.normal(0, 0.02)) + take.wander(0.012)
        a = np.radians(lerp(hang + take.pick(-3, 3), forward, p))
        b = a + np.radians(lerp(low, high, p) + take.wander(1.0))
        aside = np.radians(lerp(0, inward, p))
        upper = vec(SIGN[s] * np.tan(np.radians(out)), -np.cos(a), np.sin(a))
        fore = vec(-SIGN[s] * np.sin(aside), -np.cos(b) * np.cos(aside), np.sin(b) * np.cos(aside))
        figure.arm_along(s, apply(figure.trunk.chest, upper), apply(figure.trunk.chest, fore))
        props += dumbbell(figure.at[f"{s}_hand"], np.cross(apply(figure.trunk.chest, fore), X))
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def lateral_raise(take: Take) -> Motion:
    """Nearly straight arms rise sideways, a little before the body, to about shoulder height."""
    tempo = take.tempo(Pace(out=(0.5, 1.3), hold=(0.0, 0.4), back=(0.6, 1.8), rest=(0.05, 0.6)))
    p = tempo.phase
    props: list[Prop] = []
    lean: Signal = take.pick(0, 1) ** 1.5 * 24 - take.pick(0, 6) * p
    shrug = take.pick(2, 18) * p
    if take.chance(0.2):
        figure, props = take.seated(lean=lean, shrug=shrug, feet_apart=(0.2, 0.4))
    else:
        figure = take.upright(lean=lean, knee=take.pick(4, 22), apart=(0.12, 0.85), shrug=shrug)
    low, high, front = take.pick(5, 20), take.pick(62, 112), np.radians(take.pick(-4, 34))
    elbow = np.radians(lerp(take.pick(6, 40), take.pick(6, 60), p))
    resting = take.one_of({"none": 0.9, "l": 0.05, "r": 0.05})
    for s in SIDES:
        up = np.radians(lerp(low, high, (s != resting) * p * (1 + take.rng.normal(0, 0.025))) + take.wander(1.2))
        upper = vec(SIGN[s] * np.sin(up) * np.cos(front), -np.cos(up), np.sin(up) * np.sin(front))
        ahead = unit(Z - 0.25 * Y - ((Z - 0.25 * Y) * upper).sum(axis=-1, keepdims=True) * upper)
        fore = np.cos(elbow)[:, None] * upper + np.sin(elbow)[:, None] * ahead
        figure.arm_along(s, upper, fore)
        props += dumbbell(figure.at[f"{s}_hand"], np.cross(np.cross(fore, Z), fore) + 1e-6, size=0.05)
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def tricep_pushdown(take: Take) -> Motion:
    """Before a cable tower, the upper arms stay by the ribs and the elbows straighten: hands from chest to thighs."""
    tempo = take.tempo(Pace(out=(0.5, 1.2), hold=(0.0, 0.6), back=(0.6, 1.7), rest=(0.05, 0.5)))
    p = tempo.phase
    lean = take.pick(0, 38)
    figure = take.upright(lean=lean + take.pick(-2, 8) * p, knee=take.pick(5, 26))
    swing = lerp(take.pick(0, 38), take.pick(-8, 18), p) + lean * 0.3
    elbow = lerp(take.pick(82, 135), take.pick(6, 32), p)
    rope = take.chance(0.4)
    apart = take.pick(0.08, 0.16) if rope else take.pick(0.14, 0.46)
    hands = _bar_in_plane(take, figure, swing, elbow, apart)
    middle = (hands["l"] + hands["r"]) / 2
    pulley = vec(0, take.pick(1.95, 2.2), float(middle[:, 2].max()) + take.pick(0.12, 0.3))
    props: list[Prop] = [*tower(0, float(pulley[0, 2]) + 0.12, 2.25)]
    if rope:
        knot = middle + 0.14 * unit(pulley - middle)
        props += [cable(pulley, knot), *(rod(knot, hands[s], 0.014, "rubber") for s in SIDES)]
    else:
        along: Vectors = unit(hands["l"] - hands["r"])
        props += [cable(pulley, middle), rod(hands["r"] - 0.06 * along, hands["l"] + 0.06 * along, 0.014)]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)
