"""Bench press on three bench angles, shoulder press, push-up, dips and chest fly: what pushes away from the chest."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, hip_below
from gymspotter.synth.geometry import X, Y, Z, apply, bent_length, blend, lerp, unit, vec
from gymspotter.synth.props import across, backrest, barbell, bench, box, dumbbell, posts, rod, seat
from gymspotter.synth.take import Motion, Prop, Take
from gymspotter.synth.tempo import LOWER_FIRST, Pace


def bench_press(take: Take) -> Motion:
    """On a level bench."""
    return _bench_press(take, take.pick(-2, 3), touch=take.pick(-0.19, -0.1))


def incline_bench_press(take: Take) -> Motion:
    """On a bench whose head end is raised by 24 to 58 degrees: the bar comes down higher on the chest."""
    return _bench_press(take, take.pick(24, 58), touch=take.pick(-0.14, 0.0))


def decline_bench_press(take: Take) -> Motion:
    """On a bench whose head end is lowered by 12 to 36 degrees, the shins hooked under rollers."""
    return _bench_press(take, take.pick(-36, -12), touch=take.pick(-0.22, -0.12))


def _bench_press(take: Take, angle: float, *, touch: float) -> Motion:
    """Lying on a bench at ``angle`` degrees; the bar touches the chest ``touch`` metres above (below) the thorax."""
    tempo = take.tempo(LOWER_FIRST)
    p, build = tempo.phase, take.build
    seat_height = take.pick(0.42, 0.5) + (0.2 if angle < -5 else 0.0)
    thick = 0.11 * build.chest
    trunk = take.spine(angle - 90, bend=take.pick(-3, 3), nod=take.pick(0, 10), sway=0.5)
    hip = vec(take.wander(0.003), seat_height + thick, take.wander(0.003))
    figure = Figure(build, hip, trunk, shrug=-4.0, protract=take.pick(-8, 0) + 6 * (1 - p))
    props: list[Prop] = []
    if angle < -5:
        props += _hooked_legs(take, figure, angle)
    else:
        feet = take.feet(apart=take.pick(0.3, 0.85), toe_out=(4, 40), z=take.pick(0.22, 0.58) * build.height / 1.75)
        take.stand_lying(figure, feet)

    along = apply(trunk.chest, (0, 1, 0)).mean(axis=0, keepdims=True)
    # A flat bench is one board; an inclined one has a level seat and a raised back.
    start = vec(0, seat_height, 0.0)
    if angle > 5:
        props += [
            *seat(vec(0, seat_height, 0.16), vec(0, seat_height, -0.12)),
            backrest(hip[:1], 90 - angle, depth=thick),
        ]
    else:
        props += bench(start + 0.85 * along, start - 0.25 * along)

    dumbbells = take.chance(0.25)
    apart = take.pick(0.36, 0.9) * build.height / 1.75
    lean = unit(Y + take.pick(-0.12, 0.16) * Z)[None]
    top_apart = take.pick(0.3, 0.5) if dumbbells else apart
    top = figure.away(figure.shoulders, lean, top_apart, take.pick(10, 24))
    low_gap = thick + take.pick(0.03, 0.09)
    share = take.pick(0.72, 1.0)
    flare = take.pick(0.0, 1.1)
    offset = vec(take.wander(0.006), take.wander(0.004), take.wander(0.006)) * 0.5
    if dumbbells:
        low_apart = apart + take.pick(0.05, 0.15)
        for s in SIDES:
            low = figure.on_chest((SIGN[s] * low_apart / 2, touch + 0.06, low_gap))
            phase = np.clip(share * p + take.wander(0.012), 0, 1)
            hand = blend(top + vec(SIGN[s] * top_apart / 2, 0, 0), low, phase)
            figure.arm(s, hand, vec(SIGN[s], -0.6, flare))
            props += dumbbell(hand, X + 0.2 * SIGN[s] * Z)
    else:
        low = figure.on_chest((0, touch, low_gap))
        hands = take.grip(blend(top, low, share * p) + offset * (0.1 + p[:, None]), apart, take.wander(0.6) * p)
        for s in SIDES:
            figure.arm(s, hands[s], vec(SIGN[s], -0.6, flare))
        props += barbell(hands, length=2.1, plate=take.pick(0.14, 0.225))
        if take.chance(0.6):
            behind = figure.at["head"][0, 2] - 0.12
            props += posts(0.58, float(behind), float(top[0, 1]) - 0.05)
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _hooked_legs(take: Take, figure: Figure, angle: float) -> list[Prop]:
    """Knees over one roller and ankles behind another, as a decline bench holds them."""
    up, bent = np.radians(take.pick(-5, 12) - angle * 0.6), np.radians(take.pick(78, 105))
    spread = take.pick(0.0, 0.12)
    for s in SIDES:
        thigh = vec(SIGN[s] * spread, np.sin(up), np.cos(up))
        figure.leg_along(s, thigh, vec(0, np.sin(up - bent), np.cos(up - bent)))
        figure.foot_on_shank(s, take.pick(5, 30))
    knee = (figure.at["l_knee"] + figure.at["r_knee"])[:1] / 2
    ankle = (figure.at["l_ankle"] + figure.at["r_ankle"])[:1] / 2
    shin = unit(ankle - knee)
    back = unit(np.cross(X, shin))
    rollers = [knee + 0.12 * shin + 0.12 * back, ankle - 0.06 * shin - 0.1 * back]
    post = figure.at["hip"][:1] + vec(0, -0.2, 0.16)
    return [
        *(across(r, 0.5, 0.055, "vinyl") for r in rollers), rod(post, rollers[0], 0.025, "frame"),
        rod(rollers[0], rollers[0] * (1, 0, 1), 0.03, "frame"),
    ]  # fmt: skip


def shoulder_press(take: Take) -> Motion:
    """From beside the chin to straight arms overhead, standing or seated, with a bar or dumbbells."""
    tempo = take.tempo(Pace(out=(0.6, 1.5), hold=(0.0, 0.5), back=(0.7, 1.8), rest=(0.05, 0.6)))
    p, scale = tempo.phase, take.build.height / 1.75
    props: list[Prop] = []
    if take.chance(0.5):
        figure, props = take.seated(lean=-take.pick(0, 24), support=True)
    else:
        figure = take.upright(lean=-take.pick(0, 10) * np.sin(np.pi * p), knee=take.pick(4, 12), shrug=9 * p)
    up = unit(Y + take.pick(-0.12, 0.06) * Z)[None]
    out = take.pick(0.1, 0.6)
    pole = {s: vec(SIGN[s] * (0.5 + out), -1, 0.7 - out) for s in SIDES}
    straight = take.pick(8, 24)
    if take.chance(0.5):
        apart = take.pick(0.36, 0.85) * scale
        top = figure.away(figure.shoulders, up, apart, straight)
        low = figure.on_chest((0, take.pick(-0.06, 0.16), take.pick(0.15, 0.24)))
        # The bar goes around the face.
        centre = blend(low, top, p) + vec(0, 0, 0.06 * np.sin(np.pi * p) + take.wander(0.004))
        hands = take.grip(centre, apart, take.wander(0.7) * p)
        for s in SIDES:
            figure.arm(s, hands[s], pole[s])
        props += barbell(hands, length=take.pick(1.5, 2.1), plate=take.pick(0.1, 0.225))
    else:
        top_apart, low_apart = take.pick(0.16, 0.6), take.pick(0.45, 0.9) * scale
        top = figure.away(figure.shoulders, up, top_apart, straight)
        height, front = take.pick(0.0, 0.2), take.pick(-0.04, 0.2)
        for s in SIDES:
            low = figure.on_chest((SIGN[s] * low_apart / 2, height, front))
            phase = np.clip(p + take.wander(0.015) * np.sin(np.pi * p), 0, 1)
            hand = blend(low, top + vec(SIGN[s] * top_apart / 2, 0, 0), phase)
            figure.arm(s, hand + vec(SIGN[s] * 0.04 * np.sin(np.pi * phase), 0, 0), pole[s])
            props += dumbbell(hand + vec(SIGN[s] * 0.04 * np.sin(np.pi * phase), 0, 0), X)
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def chest_fly_machine(take: Take) -> Motion:
    """Seated, the arms swing level from the sides until the hands (or the forearm pads) meet before the chest."""
    tempo = take.tempo(Pace(out=(0.6, 1.6), hold=(0.0, 0.7), back=(0.8, 2.2), rest=(0.05, 0.5)))
    p = tempo.phase
    figure, props = take.seated(lean=-take.pick(0, 24), support=True)
    pads = take.chance(0.25)
    elbow = take.pick(75, 95) if pads else take.pick(6, 55)
    drop, opened = take.pick(-0.12, 0.38), take.pick(-24, 24)
    closed = take.pick(72, 88) if pads else _azimuth_to_meet(figure, elbow, take.pick(0.02, 0.1))
    for s in SIDES:
        phase = p + take.wander(0.012)
        azimuth = np.radians(lerp(opened, closed, phase))
        upper = vec(SIGN[s] * np.cos(azimuth), -drop, np.sin(azimuth))
        if pads:
            fore = np.cos(np.radians(elbow)) * unit(upper) + np.sin(np.radians(elbow)) * Y
        else:
            bent = azimuth + np.radians(elbow)
            fore = vec(SIGN[s] * np.cos(bent), -drop * 0.6, np.sin(bent))
        figure.arm_along(s, apply(figure.trunk.chest, upper), apply(figure.trunk.chest, fore))
        pivot = figure.at[f"{s}_shoulder"].mean(axis=0, keepdims=True) + vec(SIGN[s] * 0.06, 0.42, -0.12)
        grip = (
            figure.at[f"{s}_elbow"] + 0.5 * (figure.at[f"{s}_wrist"] - figure.at[f"{s}_elbow"])
            if pads
            else figure.at[f"{s}_hand"]
        )
        corner = grip * (1, 0, 1) + vec(0, pivot[:, 1], 0)
        props += [rod(pivot, corner, 0.025, "frame"), rod(corner, grip - vec(0, 0.07, 0), 0.02, "frame")]
    back = figure.at["thorax"].mean(axis=0) + vec(0, 0, -0.42)
    props += [box(back * (1, 0, 1) + vec(0, 0.95, 0), (0.5, 1.9, 0.2), "frame")]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _azimuth_to_meet(figure: Figure, elbow: float, gap: float) -> float:
    """How far forward (degrees from straight out) arms bent by ``elbow`` swing until the hands are ``gap`` apart."""
    angles = np.arange(40.0, 110.0)
    hand = figure.length("r_forearm") + figure.length("r_hand")
    x = figure.length("r_upper_arm") * np.cos(np.radians(angles)) + hand * np.cos(np.radians(angles + elbow))
    return float(angles[np.argmin(abs(figure.length("r_clavicle") + x - gap / 2))])


def tricep_dips(take: Take) -> Motion:
    """The body sinks between two bars (or before a bench) and is pushed up until the arms are straight."""
    return _bench_dips(take) if take.chance(0.35) else _bar_dips(take)


def _bar_dips(take: Take) -> Motion:
    tempo = take.tempo(LOWER_FIRST)
    p, build = tempo.phase, take.build
    height, half = take.pick(1.15, 1.4) * build.height / 1.75, take.pick(0.24, 0.33)
    lean = lerp(take.pick(-2, 16), take.pick(6, 46), p)
    trunk = take.spine(lean, nod=-0.5 * lean)
    reach = _push_reach(take, lerp(take.pick(6, 18), take.pick(72, 112), p))
    forward = lerp(take.pick(-0.02, 0.04), take.pick(0.04, 0.13), p) + take.wander(0.008)
    apart = half - build.lengths["r_clavicle"]
    thorax = vec(take.wander(0.005), height + np.sqrt(reach**2 - forward**2 - apart**2), forward)
    figure = Figure(build, hip_below(build, thorax, trunk), trunk, shrug=4 * p)
    flare = take.pick(0.1, 1.6)
    bent, thigh, astride = take.pick(5, 108), take.pick(-15, 45), take.pick(0, 1) ** 2 * 0.4
    for s in SIDES:
        swing = np.radians(thigh + 0.3 * lean + take.wander(2.0))
        fold = swing - np.radians(bent + take.wander(2.5))
        thigh_along = vec(SIGN[s] * (0.02 + astride), -np.cos(swing), np.sin(swing))
        figure.leg_along(s, thigh_along, vec(-SIGN[s] * 0.08, -np.cos(fold), np.sin(fold)))
        figure.foot_on_shank(s, take.pick(20, 50))
        figure.arm(s, vec(SIGN[s] * half, height, 0.0), vec(SIGN[s] * flare, 0, -1))
    props: list[Prop] = [rod(vec(k * half, height, -0.4), vec(k * half, height, 0.35), 0.022) for k in (-1, 1)]
    props += posts(half, -0.4, height)
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _push_reach(take: Take, elbow: np.ndarray) -> np.ndarray:
    """From shoulder to hand when both arms push with elbows bent so; the shorter arm decides."""
    length = take.build.lengths
    arms = [bent_length(length[f"{s}_upper_arm"], length[f"{s}_forearm"] + length[f"{s}_hand"], elbow) for s in SIDES]
    return np.minimum(*arms) - 0.002


def _bench_dips(take: Take) -> Motion:
    tempo = take.tempo(LOWER_FIRST)
    p, build = tempo.phase, take.build
    height, half = take.pick(0.42, 0.52), take.pick(0.22, 0.3)
    trunk = take.spine(lerp(take.pick(-8, 1), take.pick(-6, 5), p), bend=take.pick(0, 8))
    reach = _push_reach(take, lerp(take.pick(6, 18), take.pick(65, 98), p))
    forward = lerp(take.pick(0.12, 0.15), take.pick(0.15, 0.2), p) + take.wander(0.004)
    apart = half - build.lengths["r_clavicle"]
    thorax = vec(take.wander(0.004), height + np.sqrt(reach**2 - forward**2 - apart**2), forward)
    hip = hip_below(build, thorax, trunk)
    hip[:, 1] = np.maximum(hip[:, 1], 0.12)
    figure = Figure(build, hip, trunk, shrug=10 * p)
    knee = take.pick(5, 88)
    leg = bent_length(build.lengths["r_thigh"], build.lengths["r_shank"], knee)
    flare = take.pick(0.1, 1.2)
    highest = hip[np.argmin(p)]
    ankle_z = highest[2] + np.sqrt(leg**2 - (highest[1] - 0.1) ** 2) - 0.02
    feet = take.feet(apart=take.pick(0.12, 0.35), toe_out=(2, 18), z=float(ankle_z))
    for s in SIDES:
        toes = vec(SIGN[s] * 0.15, 0.0 if knee > 40 else 1.2, 1.0)
        figure.leg(s, feet.ankle[s], vec(SIGN[s] * 0.1, 1, 0.3))
        figure.foot(s, toes, vec(0, 1, -1.2 if knee <= 40 else 0))
        figure.arm(s, vec(SIGN[s] * half, height + 0.02, 0.0), vec(SIGN[s] * flare, 0, -1))
    props: list[Prop] = [box(vec(0, height - 0.05, -0.14), (1.2, 0.1, 0.3), "vinyl")]
    props += [box(vec(x, (height - 0.1) / 2, -0.14), (0.08, height - 0.1, 0.26), "frame") for x in (-0.45, 0.45)]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)
