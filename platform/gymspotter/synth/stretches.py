"""Warming up and stretching, on the spot: circling arms, bends, folds, stretches that are held."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side
from gymspotter.synth.geometry import Y, apply, blend, lerp, unit, vec
from gymspotter.synth.idle import STANDING_ARMS, hang, rest_arms, standing, stops
from gymspotter.synth.take import Feet, Motion, Take
from gymspotter.synth.tempo import Pace

_HELD = Pace(out=(1.0, 2.0), hold=(4.0, 15.0), back=(1.0, 2.0), rest=(0.3, 2.0))


def arm_circles(take: Take) -> Motion:
    """Straight arms circle at the sides, small circles or whole ones, together or one arm alone."""
    rate, forward = take.pick(0.3, 1.1), take.rng.choice((-1, 1))
    phase = forward * 2 * np.pi * rate * take.t + take.pick(0, 6) + take.wander(0.2)
    wide = take.pick(25, 60) if take.chance(0.5) else take.pick(100, 178)
    figure = standing(take, lean=take.pick(-3, 5), knee=take.pick(3, 12), apart=(0.15, 0.5))
    alone = take.one_of({"both": 0.7, "l": 0.15, "r": 0.15})
    for s in SIDES:
        if alone not in ("both", s):
            hang(take, figure, s, take.wander(2.0))
        elif wide > 90:  # past the ear and past the hip
            upper = vec(SIGN[s] * take.pick(0.15, 0.5), -np.cos(phase), np.sin(phase))
            figure.arm_along(s, upper, upper)
        else:
            cone = np.tan(np.radians(wide / 2))
            upper = vec(SIGN[s], cone * np.cos(phase) + take.pick(-0.2, 0.2), cone * np.sin(phase))
            figure.arm_along(s, upper, upper)
    return Motion(figure=figure, props=[], repetitions=())


def side_bends(take: Take) -> Motion:
    """The trunk bends to one side and the other, or turns, with the arms wherever they are kept."""
    tempo = take.tempo(Pace(out=(0.6, 1.6), hold=(0.0, 1.0), back=(0.6, 1.6), rest=(0.0, 1.0)))
    sway = (2 * tempo.phase - 1) * take.rng.choice((-1, 1))
    bends, turns = (take.pick(12, 30), 4.0) if take.chance(0.5) else (3.0, take.pick(25, 60))
    figure = standing(take, side=bends * sway, twist=turns * sway, shift=0.03 * sway, apart=(0.25, 0.6))
    style = take.one_of({"on the hips": 0.3, "behind the head": 0.2, "crossed": 0.15, "wide": 0.2, "one over": 0.15})
    if style in STANDING_ARMS:
        rest_arms(take, figure, style)
    elif style == "wide":
        for s in SIDES:
            out = apply(figure.trunk.chest, (SIGN[s], take.pick(-0.3, 0.1), 0.1))
            figure.arm_along(s, out, out)
    else:
        over: Side = "l" if take.chance(0.5) else "r"
        for s in SIDES:
            if s == over:
                hand = figure.at["head"] + apply(figure.trunk.chest, (-SIGN[s] * 0.2, 0.3, 0.0))
                figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], 0.3, 0)))
            else:
                hang(take, figure, s)
    return Motion(figure=figure, props=[], repetitions=tempo.repetitions)


def stretching_arms(take: Take) -> Motion:
    """One arm is pulled across the chest or behind the head by the other, held, and then perhaps the other one."""
    held = take.tempo(_HELD).phase
    figure = standing(take, lean=take.pick(-2, 5), twist=take.pick(-12, 12) * held, side=take.pick(-8, 8) * held)
    pulled: Side = "l" if take.chance(0.5) else "r"
    sign = SIGN[pulled]
    other: Side = "r" if pulled == "l" else "l"
    if take.chance(0.5):
        near = figure.on_chest((sign * 0.25, -0.45, 0.1))
        far = figure.on_chest((-sign * take.pick(0.25, 0.4), take.pick(-0.08, 0.08), take.pick(0.2, 0.3)))
        figure.arm(pulled, blend(near, far, held), apply(figure.trunk.chest, (sign * 0.5, -0.7, 0.5)))
    else:  # up past the face, and down behind the head
        hang(take, figure, pulled, take.pick(155, 175) * held, lerp(12, take.pick(125, 145), held))
    free = figure.on_chest((-sign * 0.25, -0.45, 0.1))
    holding = blend(free, figure.at[f"{pulled}_elbow"], held)
    figure.arm(other, holding, apply(figure.trunk.chest, (-sign, -0.3, 0.4)))
    return Motion(figure=figure, props=[], repetitions=())


def forward_fold(take: Take) -> Motion:
    """A bow with nearly straight legs, the hands to the toes, held or bouncing, and up again."""
    p = take.tempo(_HELD).phase
    bounce = take.pick(0, 4) * np.sin(2 * np.pi * take.pick(0.4, 1.0) * take.t)
    figure = standing(
        take, lean=lerp(0, take.pick(70, 105), p) + bounce * p, bend=take.pick(10, 45) * p,
        knee=lerp(6, take.pick(5, 25), p), nod=take.pick(-20, 20) * p, apart=(0.08, 0.9),
    )  # fmt: skip
    aim = vec(take.pick(-0.2, 0.2), take.pick(0.05, 0.4), take.pick(0.05, 0.25))
    for s in SIDES:
        figure.arm(
            s,
            blend(figure.on_chest((SIGN[s] * 0.25, -0.5, 0.05)), aim + vec(SIGN[s] * 0.1, 0, 0), p),
            vec(SIGN[s], 0, -1),
        )
    return Motion(figure=figure, props=[], repetitions=())


def cat_cow(take: Take) -> Motion:
    """On hands and knees the back is rounded and hollowed, or simply held."""
    tempo = take.tempo(Pace(out=(1.0, 2.5), hold=(0.2, 1.5), back=(1.0, 2.5), rest=(0.2, 1.5)))
    moves = (2 * tempo.phase - 1) * (take.pick(8, 26) if take.chance(0.8) else 0.0)
    trunk = take.spine(take.pick(70, 84) - 0.4 * moves, bend=moves, nod=-20 + 1.2 * moves, sway=0.6)
    thigh = take.build.lengths["r_thigh"]
    figure = Figure(take.build, vec(take.wander(0.004), 0.065 + 0.99 * thigh, take.wander(0.01)), trunk)
    z = float(figure.shoulders[:, 2].mean()) + take.pick(-0.06, 0.06)
    for s in SIDES:
        figure.leg_along(s, vec(SIGN[s] * take.pick(0.0, 0.12), -1, take.pick(-0.12, 0.1)), vec(0, -0.03, -1))
        figure.foot_on_shank(s, take.pick(60, 80))
        wrist = vec(SIGN[s] * take.pick(0.17, 0.25), 0.05, z)
        palm = vec(0, -0.3, 1)
        figure.arm(s, wrist + figure.length(f"{s}_hand") * unit(palm), vec(SIGN[s] * 0.5, 0, -1), palm=palm)
    return Motion(figure=figure, props=[], repetitions=tempo.repetitions)


def one_leg(take: Take) -> Motion:
    """Standing on one leg, the other drawn up behind and held by the hand (a thigh stretch), or swinging to and fro."""
    swings = take.chance(0.5)
    up: Side = "l" if take.chance(0.5) else "r"
    down: Side = "r" if up == "l" else "l"
    trunk = take.spine(take.pick(-2, 10), side=SIGN[up] * 3)
    feet: Feet = take.feet(apart=0.06)
    hip = take.hip_over(feet, trunk, 6.0, 0.02 + take.wander(0.012), -SIGN[up] * 0.06 + take.wander(0.012))
    figure = Figure(take.build, hip, trunk)
    take.stand(figure, feet)
    if swings:
        bent = take.pick(0.4, 0.8)
        a = np.radians(take.pick(15, 45) * np.sin(2 * np.pi * take.pick(0.4, 0.9) * take.t) + 5)
        figure.leg_along(up, vec(SIGN[up] * 0.1, -np.cos(a), np.sin(a)), vec(0, -np.cos(a - bent), np.sin(a - bent)))
    else:
        figure.leg_along(up, vec(SIGN[up] * 0.05, -1, take.pick(-0.3, 0.1)), vec(0, take.pick(0.3, 0.9), -1))
    figure.foot_on_shank(up, take.pick(0, 15) if swings else take.pick(10, 60))
    for s in SIDES:
        if s == up and not swings:
            figure.arm(s, figure.at[f"{s}_ankle"] + 0.04 * Y, vec(SIGN[s], 0.3, -1))
        elif s == down and take.chance(0.6):  # a hand on the rack
            figure.arm(s, figure.on_chest((SIGN[s] * 0.45, -0.1, 0.3)), vec(SIGN[s], -1, -0.2))
        else:
            hang(take, figure, s, stops(take, -10, 15), take.pick(5, 40))
    return Motion(figure=figure, props=[], repetitions=())
