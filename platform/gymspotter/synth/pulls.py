"""Lat pulldown, pull-up and T-bar row: what pulls towards the chest."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side, hip_below
from gymspotter.synth.geometry import Vectors, Y, apply, blend, lerp, unit, vec
from gymspotter.synth.props import across, box, cable, posts, rod, slab, tower
from gymspotter.synth.take import Motion, Prop, Take
from gymspotter.synth.tempo import LIFT_FIRST, Pace


def lat_pulldown(take: Take) -> Motion:
    """Seated before the cable tower with the thighs held down, a bar comes from overhead to the upper chest."""
    tempo = take.tempo(LIFT_FIRST)
    p, scale = tempo.phase, take.build.height / 1.75
    lean = lerp(take.pick(-14, 8), -take.pick(2, 42), p)
    figure, props = take.seated(lean=lean, shrug=lerp(take.pick(8, 20), -4, p))
    close = take.chance(0.25)
    apart = take.pick(0.1, 0.4) if close else take.pick(0.5, 1.1) * scale
    front = take.pick(0.0, 0.34)
    top = figure.away(figure.shoulders, unit(Y + front * np.array((0, 0, 1)))[None], apart, take.pick(8, 22))
    low = figure.on_chest((0, take.pick(-0.12, 0.18), take.pick(0.12, 0.26)))
    centre = blend(top, low, p * take.pick(0.8, 1.0))
    hands = take.grip(centre, apart, take.wander(0.8) * p, take.wander(0.8))
    for s in SIDES:
        figure.arm(s, hands[s], vec(SIGN[s] * (0.25 if close else 0.9), -0.6, 0.7 if close else -0.1))
    z = float(centre[:, 2].mean()) + 0.05
    props += [
        *_pull_bar(hands, 0.12), cable(vec(0, 2.25, z), centre),
        rod(vec(0, 2.25, z), vec(0, 2.25, 0.95), 0.04, "frame"), *tower(0, 0.95, 2.3),
    ]  # fmt: skip
    knee = (figure.at["l_knee"] + figure.at["r_knee"])[:1] / 2
    props += [
        across(knee + vec(0, 0.16, -0.1), 0.5, 0.06, "vinyl"),
        rod(knee + vec(0, 0.16, -0.1), vec(0, knee[0, 1] + 0.16, 0.95), 0.025, "frame"),
    ]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _pull_bar(hands: dict[Side, Vectors], beyond: float) -> list[Prop]:
    along = unit(hands["l"] - hands["r"])
    return [rod(hands["r"] - beyond * along, hands["l"] + beyond * along, 0.014)]


def pull_up(take: Take) -> Motion:
    """The hands hold a fixed bar; the body rises from a straight hang until the chin is over it."""
    tempo = take.tempo(Pace(out=(0.6, 1.6), hold=(0.0, 0.5), back=(0.6, 1.9), rest=(0.1, 1.0)))
    p, build, scale = tempo.phase, take.build, take.build.height / 1.75
    close = take.chance(0.3)
    half = (take.pick(0.1, 0.24) if close else take.pick(0.26, 0.5)) * scale
    length = build.lengths
    arm = min(length[f"{s}_upper_arm"] + length[f"{s}_forearm"] + length[f"{s}_hand"] for s in SIDES)
    legs = length["r_thigh"] + length["r_shank"] + length["r_ankle"]
    bar = arm + length["lumbar"] + length["chest"] + legs + take.pick(0.12, 0.4)
    trunk = take.spine(
        lerp(take.pick(-6, 4), take.pick(-26, 2), p) + take.wander(1.5, (0.3, 0.8)), nod=-take.pick(0, 15) * p
    )
    hang = np.sqrt((0.985 * arm) ** 2 - (half - length["r_clavicle"]) ** 2)
    shrug = lerp(take.pick(6, 18), -2, p)
    # The shoulder joints rise with the collar bones, so the thorax hangs that much lower.
    raised = length["r_clavicle"] * np.sin(np.radians(shrug))
    below = lerp(hang, take.pick(0.07, 0.2) * scale, p)
    behind = lerp(take.pick(-0.02, 0.03), take.pick(0.16, 0.26), p) + take.wander(0.006)
    thorax = vec(take.wander(0.008), bar - below - raised, -behind)
    figure = Figure(build, hip_below(build, thorax, trunk), trunk, shrug=shrug)
    for s in SIDES:
        figure.arm(s, vec(SIGN[s] * half, bar, 0), vec(SIGN[s] * (0.3 if close else 1.0), -0.4, 0.9 if close else 0.2))
    folded, forward = take.pick(0, 1) ** 2 * 100 + 5, take.pick(-10, 18) + take.pick(0, 1) ** 4 * 60
    for s in SIDES:
        swing = np.radians(forward + take.wander(2.5, (0.2, 0.8)) + take.pick(0, 12) * p)
        fold = swing - np.radians(folded + take.wander(2.0) + 3)
        figure.leg_along(
            s, vec(SIGN[s] * 0.01, -np.cos(swing), np.sin(swing)), vec(-SIGN[s] * 0.06, -np.cos(fold), np.sin(fold))
        )
        figure.foot_on_shank(s, take.pick(25, 60))
    props: list[Prop] = [across(vec(0, bar, 0), 1.3), *posts(0.65, 0, bar)]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def t_bar_row(take: Take) -> Motion:
    """Bent over a bar hinged to the floor behind (or with the chest on a pad), the handle comes to the belly."""
    tempo = take.tempo(Pace(out=(0.5, 1.3), hold=(0.0, 0.5), back=(0.6, 1.8), rest=(0.05, 0.5)))
    p, build = tempo.phase, take.build
    supported = take.chance(0.3)
    bowed = take.pick(28, 62) if supported else take.pick(20, 72)
    jerk = 0.0 if supported else take.pick(0, 12)
    trunk = take.spine(bowed - jerk * p, bend=take.pick(-4, 8), nod=-take.pick(5, 35), sway=0.4 if supported else 1.0)
    length = build.lengths["lumbar"] + build.lengths["chest"]
    feet = take.feet(apart=take.pick(0.34, 0.6), toe_out=(5, 25))
    knee = take.pick(6, 28) if supported else take.pick(8, 58)
    z = take.pick(0.06, 0.14) - take.pick(0.6, 0.8) * length * np.sin(np.radians(bowed)) + take.wander(0.004)
    figure = Figure(build, take.hip_over(feet, trunk, knee, z), trunk, protract=lerp(take.pick(5, 18), -8, p))
    take.stand(figure, feet)
    wide = supported or take.chance(0.35)
    apart = take.pick(0.4, 0.65) if wide else take.pick(0.08, 0.2)
    down = unit(-Y + take.pick(-0.05, 0.15) * np.array((0, 0, 1)))[None]
    hang = figure.away(figure.shoulders, down, apart, take.pick(8, 22))
    close = figure.on_chest((0, take.pick(-0.3, -0.14), take.pick(0.22, 0.28)))
    centre = blend(hang, close, p * take.pick(0.85, 1.0))
    hands = take.grip(centre, apart)
    flare = take.pick(0.2, 0.5) + (0.4 if wide else 0)
    for s in SIDES:
        figure.arm(s, hands[s], vec(SIGN[s] * flare, 0.5, -1))
    hinge = vec(0, 0.06, float(centre[:, 2].mean()) - take.pick(1.5, 1.8))
    reach = centre - vec(0, 0.05, 0) - hinge
    end = hinge + unit(reach) * 1.35 * np.linalg.norm(reach, axis=-1).mean()
    plate = rod(end - 0.2 * unit(reach), end - 0.12 * unit(reach), take.pick(0.12, 0.2), "iron", flat=True)
    props: list[Prop] = [rod(hinge, end, 0.018), plate, *_pull_bar(hands, 0.06)]
    if supported:
        on = figure.at["thorax"].mean(axis=0, keepdims=True)
        turned = figure.trunk.chest.mean(axis=0, keepdims=True)
        front, up = unit(apply(turned, (0, 0, 1))), unit(apply(turned, (0, 1, 0)))
        top, tail = on + 0.14 * front - 0.03 * up, on + 0.14 * front - 0.38 * up
        props += [
            slab(top, tail, 0.24, 0.07, "vinyl", up=-front),
            rod((top + tail) / 2 + 0.08 * front, vec(0, 0.04, top[0, 2] + 0.25), 0.03, "frame"),
        ]
    else:
        props += [box(hinge * (1, 0, 1) + vec(0, 0.03, 0), (0.2, 0.06, 0.2), "frame")]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)
