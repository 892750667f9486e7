"""Exercises that are none of the 22: jumping jacks, lunges, swings, sit-ups and others."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side
from gymspotter.synth.geometry import Angle, Z, apply, blend, lerp, unit, vec
from gymspotter.synth.idle import STANDING_ARMS, hang, rest_arms, standing, stepping
from gymspotter.synth.props import dumbbell, rod
from gymspotter.synth.take import Motion, Prop, Take
from gymspotter.synth.tempo import Pace, Signal


def jumping_jacks(take: Take) -> Motion:
    """Legs apart and arms overhead, and back, with a little hop each time."""
    tempo = take.tempo(Pace(out=(0.55, 0.85), hold=(0.0, 0.1), back=(0.55, 0.85), rest=(0.0, 0.1)))
    p = tempo.phase
    wide, hop = take.pick(0.28, 0.5), take.pick(0.02, 0.1) * np.sin(np.pi * np.clip(p, 0, 1))
    feet = stepping(take, lerp(take.pick(0.05, 0.1), wide, p), rise=hop)
    figure = standing(take, lean=take.pick(0, 6), knee=take.pick(8, 22), feet=feet)
    _arms_sideways(take, figure, lerp(take.pick(8, 20), take.pick(130, 172), p))
    return Motion(figure=figure, props=[], repetitions=tempo.repetitions)


def _arms_sideways(take: Take, figure: Figure, up: Signal) -> None:
    """Nearly straight arms, raised sideways by ``up`` degrees [T] from hanging."""
    front, angle = take.pick(0.02, 0.3), np.radians(up)
    for s in SIDES:
        upper = vec(SIGN[s] * np.sin(angle), -np.cos(angle), front)
        figure.arm_along(s, upper, upper + vec(-SIGN[s] * 0.15 * np.sin(angle / 2), 0.1, take.pick(0.0, 0.25)))


def high_knees(take: Take) -> Motion:
    """Running or marching on the spot: one knee rises to the hip, then the other."""
    rate, high = take.pick(0.6, 1.5), take.pick(0.2, 0.5)
    phase = 2 * np.pi * rate * take.t + take.wander(0.3, (0.05, 0.3))
    lifted: dict[Side, Signal] = {s: np.maximum(SIGN[s] * np.sin(phase), 0) ** 0.8 for s in SIDES}
    feet = stepping(
        take,
        take.pick(0.06, 0.11),
        rise={s: high * lifted[s] for s in SIDES},
        z={s: take.pick(-0.02, 0.1) * lifted[s] for s in SIDES},
    )
    figure = standing(take, lean=take.pick(-2, 8), knee=take.pick(4, 14), feet=feet)
    style = take.one_of({"swing": 0.7, "on the hips": 0.15, "ahead": 0.15})
    elbow, swing = take.pick(70, 110), take.pick(15, 45)
    if style == "on the hips":
        rest_arms(take, figure, style)
    for s in SIDES:
        if style == "swing":
            hang(take, figure, s, -swing * SIGN[s] * np.sin(phase), elbow)
        elif style == "ahead":  # hands that the knees are to reach
            figure.arm_along(s, vec(SIGN[s] * 0.1, -1, 0.1), vec(0, -0.1, 1))
    return Motion(figure=figure, props=[], repetitions=())


def kettlebell_swing(take: Take) -> Motion:
    """The hips drive a weight on straight arms from between the legs to the height of the chest."""
    tempo = take.tempo(Pace(out=(0.5, 0.8), hold=(0.0, 0.08), back=(0.55, 0.9), rest=(0.0, 0.08)))
    p = tempo.phase
    low = take.pick(48, 72)
    figure = standing(
        take, lean=lerp(low, take.pick(-6, 2), p), knee=lerp(take.pick(25, 50), 5, p), back=0.06 * (1 - p),
        nod=lerp(-25, 0, p), apart=(0.35, 0.65),
    )  # fmt: skip
    swing = np.radians(lerp(take.pick(-35, -10), take.pick(65, 100), p))
    middle = figure.shoulders + 0.96 * _arm(take) * vec(0, -np.cos(swing), np.sin(swing))
    for s in SIDES:
        figure.arm(s, middle + vec(SIGN[s] * 0.05, 0, 0), vec(SIGN[s], -0.5, -0.5))
    towards = unit(middle - figure.shoulders)
    props: list[Prop] = [rod(middle + 0.1 * towards, middle + 0.14 * towards, 0.09, "iron")]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _arm(take: Take) -> float:
    return min(take.build.lengths[f"{s}_upper_arm"] + take.build.lengths[f"{s}_forearm"] for s in SIDES)


def lunges(take: Take) -> Motion:
    """A long step forward or back until both knees are bent, and back; the legs take turns, or one goes on."""
    pace = Pace(out=(0.8, 1.5), hold=(0.0, 0.5), back=(0.8, 1.5), rest=(0.05, 0.6), full_return=True)
    tempo = take.tempo(pace)
    alternating = take.chance(0.6)
    turns = tempo.turns(2) if alternating else [tempo.phase, 0 * tempo.phase]
    moved = dict(zip(SIDES if take.chance(0.5) else SIDES[::-1], turns, strict=True))
    far = take.pick(0.55, 0.85) * take.build.height / 1.75 * take.rng.choice((-1, 1))
    split = not alternating and take.chance(0.5)  # feet that stay where they are: a split squat
    step: dict[Side, Angle] = {s: far * (float(moved[s].any()) if split else moved[s]) for s in SIDES}
    p, middle = np.maximum(*turns), 0.5 * np.add(step["l"], step["r"])
    lift = 0.0 if split else 0.05
    feet = stepping(
        take,
        take.pick(0.06, 0.14),
        # The hind foot stands on its toes.
        rise={s: 0.1 * p * (step[s] <= middle) + lift * np.sin(np.pi * moved[s]) for s in SIDES},
        z=step,
    )
    figure = standing(take, lean=take.pick(0, 12) * p, knee=lerp(6, take.pick(75, 100), p), back=-middle, feet=feet)
    _free_arms(take, figure)
    return Motion(figure=figure, props=[], repetitions=tempo.repetitions)


def _free_arms(take: Take, figure: Figure) -> None:
    rest_arms(take, figure, take.one_of(STANDING_ARMS))


def boxing(take: Take) -> Motion:
    """From a guard before the face one fist strikes, then the other; the trunk turns with it."""
    tempo = take.tempo(Pace(out=(0.18, 0.35), hold=(0.0, 0.05), back=(0.2, 0.45), rest=(0.05, 0.7), full_return=True))
    strikes = dict(zip(SIDES, tempo.turns(2), strict=True))
    ahead = take.pick(0.1, 0.3) * take.rng.choice((-1, 1))
    feet = stepping(take, take.pick(0.12, 0.2), z={s: SIGN[s] * ahead for s in SIDES})
    figure = standing(
        take, lean=take.pick(0, 12), knee=take.pick(10, 30) + take.wander(3.0), feet=feet,
        twist=-20 * strikes["l"] + 20 * strikes["r"], shift=take.wander(0.02),
    )  # fmt: skip
    height = take.pick(-0.1, 0.15)
    for s in SIDES:
        guard = figure.on_chest((SIGN[s] * 0.12, take.pick(0.0, 0.12), 0.22))
        blow = figure.on_chest((0.0, height, take.pick(0.52, 0.62)))
        figure.arm(s, blend(guard, blow, strikes[s]), apply(figure.trunk.chest, (SIGN[s] * 0.6, -1, -0.2)))
    return Motion(figure=figure, props=[], repetitions=())


def calf_raises(take: Take) -> Motion:
    """On the toes and down again, with straight legs; the arms hang with weights, or are kept somewhere."""
    tempo = take.tempo(Pace(out=(0.4, 0.9), hold=(0.0, 1.0), back=(0.5, 1.2), rest=(0.0, 0.6)))
    rise = take.pick(0.06, 0.1) * tempo.phase
    feet = stepping(take, take.pick(0.06, 0.18), rise=rise, z=0.5 * rise)
    figure = standing(take, lean=take.pick(-2, 4), knee=take.pick(3, 8), back=-0.03 * tempo.phase, feet=feet)
    props: list[Prop] = []
    if take.chance(0.5):
        for s in SIDES:
            hang(take, figure, s, take.wander(2.0), take.pick(3, 12))
            props += dumbbell(figure.at[f"{s}_hand"], Z)
    else:
        _free_arms(take, figure)
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def sit_ups(take: Take) -> Motion:
    """On the back with planted feet, the trunk rolls up a little (a crunch) or wholly, and down."""
    tempo = take.tempo(Pace(out=(0.5, 1.3), hold=(0.0, 0.5), back=(0.6, 1.5), rest=(0.0, 0.5)))
    p, whole = tempo.phase, take.chance(0.5)
    up, curl = (take.pick(50, 80), take.pick(5, 25)) if whole else (take.pick(3, 12), take.pick(18, 40))
    trunk = take.spine(-90 + up * p, bend=curl * np.sin(np.pi * p / (1.6 if whole else 2)), nod=take.pick(10, 35))
    figure = Figure(take.build, vec(0, 0.11, take.wander(0.004)), trunk)
    take.stand_lying(figure, take.feet(apart=take.pick(0.1, 0.4), z=take.pick(0.4, 0.6)))
    style = take.one_of({"head": 0.45, "crossed": 0.3, "ahead": 0.25})
    for s in SIDES:
        if style == "head":
            hand = figure.at["head"] + apply(figure.trunk.chest, (SIGN[s] * 0.1, 0.02, -0.06))
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], 0.3, 0.1)))
        elif style == "crossed":
            hand = figure.on_chest((-SIGN[s] * 0.12, -0.04, 0.14 + 0.02 * SIGN[s]))
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], -0.8, 0.3)))
        else:
            hand = figure.on_chest((SIGN[s] * 0.14, take.pick(-0.35, -0.1), 0.42))
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], -1, 0.1)))
    return Motion(figure=figure, props=[], repetitions=tempo.repetitions)


def front_raise(take: Take) -> Motion:
    """Nearly straight arms rise before the body to the height of the shoulders or over it, together or in turn."""
    pace = Pace(out=(0.5, 1.3), hold=(0.0, 0.4), back=(0.6, 1.6), rest=(0.0, 0.5), full_return=True)
    tempo = take.tempo(pace)
    turns = tempo.turns(2) if take.chance(0.4) else [tempo.phase, tempo.phase]
    figure = standing(take, lean=take.pick(-4, 4), knee=take.pick(4, 14))
    top, elbow = take.pick(75, 170), np.radians(take.pick(3, 18))
    props: list[Prop] = []
    for s, p in zip(SIDES, turns, strict=True):
        up = np.radians(lerp(take.pick(3, 12), top, p))
        figure.arm_along(
            s, vec(SIGN[s] * 0.1, -np.cos(up), np.sin(up)), vec(0, -np.cos(up + elbow), np.sin(up + elbow))
        )
        props += dumbbell(figure.at[f"{s}_hand"], vec(1, 0, 0))
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def hopping(take: Take) -> Motion:
    """Small jumps on the spot, the hands at the sides: skipping a rope."""
    rate, high = take.pick(1.2, 2.2), take.pick(0.04, 0.14)
    air = np.asarray(high * abs(np.sin(np.pi * rate * take.t + take.pick(0, 3))) ** 1.3)
    feet = stepping(take, take.pick(0.05, 0.12), rise=air)
    figure = standing(take, lean=take.pick(0, 6), knee=take.pick(10, 25), feet=feet)
    circle = 2 * np.pi * rate * take.t
    for s in SIDES:
        hand = figure.on_chest(
            vec(SIGN[s] * take.pick(0.35, 0.45), -0.4 + 0.04 * np.sin(circle), 0.15 + 0.04 * np.cos(circle))
        )
        figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s] * 0.4, -0.5, -1)))
    return Motion(figure=figure, props=[], repetitions=())
