"""Plank, push-up, leg raises and Russian twist: what is done on the floor."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side, hip_below
from gymspotter.synth.geometry import Angle, Vectors, apply, bent_length, lerp, unit, vec
from gymspotter.synth.props import across, bench, box, posts, rod
from gymspotter.synth.take import Motion, Prop, Take
from gymspotter.synth.tempo import LOWER_FIRST, Pace, Signal

# How high a wrist is whose hand lies flat on the floor.
FLAT_WRIST = 0.05


def push_up(take: Take) -> Motion:
    """A stiff body turns about the toes (or the knees) between straight arms and a chest near the floor."""
    tempo = take.tempo(LOWER_FIRST)
    p, length = tempo.phase, take.build.lengths
    half = take.pick(0.15, 0.4) * take.build.height / 1.75
    elbow = lerp(take.pick(12, 26), take.pick(62, 115), p)
    # Some put the hands on a bench or a box.
    base = take.pick(0.15, 0.4) if take.chance(0.1) else 0.0
    arms = [bent_length(length[f"{s}_upper_arm"], length[f"{s}_forearm"], elbow) for s in SIDES]
    ahead = lerp(take.pick(-0.02, 0.05), take.pick(0.02, 0.12), p)
    upright = np.sqrt(np.minimum(*arms) ** 2 - ahead**2 - (half - length["r_clavicle"]) ** 2)
    shoulder = base + FLAT_WRIST + upright - 0.006
    pike = take.rng.normal(3, 6) + take.rng.normal(0, 3) * p + take.wander(1.0)
    figure = _prone(take, shoulder, pike, knees=not base and take.chance(0.15))
    top = np.argmin(p)
    hands_z = float(figure.shoulders[top, 2] - ahead[top])
    flare = take.pick(0.3, 1.2)
    for s in SIDES:
        palm = vec(-SIGN[s] * take.pick(0.0, 0.3), -0.3, 1)
        knuckles = vec(SIGN[s] * half, base + FLAT_WRIST, hands_z) + length[f"{s}_hand"] * unit(palm)
        figure.arm(s, knuckles, vec(SIGN[s] * flare, 0.2, -1), palm=palm)
    props: list[Prop] = [box(vec(0, base / 2, hands_z + 0.12), (1.0, base, 0.36), "wood")] if base else []
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def plank(take: Take) -> Motion:
    """The body is held straight on the toes and the forearms (or the hands); it only sways and slowly sags."""
    length = take.build.lengths
    tired = np.linspace(0, take.pick(-6, 6), len(take.t))
    pike = take.rng.normal(2, 8) + tired + take.wander(1.2)
    high = take.chance(0.25)
    if high:
        arms = [bent_length(length[f"{s}_upper_arm"], length[f"{s}_forearm"], 12.0) for s in SIDES]
        shoulder = FLAT_WRIST + min(*arms) - take.pick(0.006, 0.02) + take.wander(0.002)
    else:
        shoulder = 0.045 + min(length["l_upper_arm"], length["r_upper_arm"]) - take.pick(0.002, 0.015) + 0 * take.t
    figure = _prone(take, shoulder, pike, sway=0.35)
    spread = take.rng.normal(0, 0.02)
    z = float(figure.shoulders[:, 2].mean()) + take.pick(-0.04, 0.05)
    inward = take.pick(-0.05, 0.6)
    for s in SIDES:
        shoulder_x = float(figure.at[f"{s}_shoulder"][:, 0].mean())
        if high:
            palm = vec(-SIGN[s] * 0.1, -0.3, 1)
            knuckles = vec(shoulder_x + SIGN[s] * spread, FLAT_WRIST, z) + length[f"{s}_hand"] * unit(palm)
            figure.arm(s, knuckles, vec(SIGN[s] * 0.5, 0.2, -1), palm=palm)
        else:
            elbow = vec(shoulder_x + SIGN[s] * spread, 0.045, z)
            figure.arm_along(s, elbow - figure.at[f"{s}_shoulder"], vec(-SIGN[s] * inward, -0.01, 1))
    props: list[Prop] = [_mat(figure)] if take.chance(0.5) else []
    return Motion(figure=figure, props=props, repetitions=())


def _prone(take: Take, shoulder: Angle, pike: Angle, *, knees: bool = False, sway: float = 0.5) -> Figure:
    """Face down, head towards +z, on the toes or ``knees``, with the shoulders at a height; all may be [T].

    ``pike`` degrees bend the hips: positive lifts them above the line from ankles to shoulders.
    """
    length = take.build.lengths
    trunk = length["lumbar"] + length["chest"]
    apart = take.pick(0.08, 0.36)
    if knees:
        pivot, legs = 0.06, [length[f"{s}_thigh"] for s in SIDES]
    else:
        pivot = 0.015 + float(np.mean([0.92 * length[f"{s}_foot"] + 0.38 * length[f"{s}_ankle"] for s in SIDES]))
        legs = [float(bent_length(length[f"{s}_thigh"], length[f"{s}_shank"], 5.0)) for s in SIDES]
    leg = float(np.sqrt((min(legs) - 0.002) ** 2 - (apart / 2 - length["r_pelvis"]) ** 2))
    whole = bent_length(leg, trunk, abs(np.asarray(pike) + 0 * take.t))
    protract = take.pick(0, 10)
    # Face down, shoulders that are brought forward lie below the thorax.
    thorax_height = np.asarray(shoulder) + length["r_clavicle"] * np.sin(np.radians(protract))
    rise = (thorax_height - pivot) / whole
    thorax = vec(take.wander(0.004), thorax_height, whole * np.sqrt(1 - rise**2))
    start = vec(0, pivot, 0)
    # The pole is along the chest's front for a sagging hip: `pike` through 0 must not jump.
    straight = unit(thorax - start)
    normal = unit(np.cross(straight, vec(1, 0, 0)))
    forward = (whole**2 + leg**2 - trunk**2) / (2 * whole)
    bulge = np.sign(pike) * np.sqrt(np.maximum(leg**2 - forward**2, 0))
    hip = start + forward[:, None] * straight + bulge[:, None] * normal * np.sign(normal[:, 1:2])
    line = thorax - hip
    lean = np.degrees(np.arctan2(line[:, 2], line[:, 1]))
    figure = Figure(take.build, hip, take.spine(lean, nod=take.pick(-35, 0), sway=sway), protract=protract)
    for s in SIDES:
        if knees:
            _kneel(take, figure, s, apart)
        else:
            figure.leg(s, vec(SIGN[s] * apart / 2, pivot, 0), vec(0, -1, 0))
            figure.foot(s, vec(0, -0.92, 0.38), vec(0, 0.38, 0.92))
    return figure


def _kneel(take: Take, figure: Figure, side: Side, apart: float) -> None:
    knee = vec(SIGN[side] * apart / 2, 0.06, 0)
    figure.leg_along(side, knee - figure.at[f"{side}_hip"], vec(0, take.pick(0.0, 0.6), -1))
    figure.foot_on_shank(side, take.pick(40, 70))


def _mat(figure: Figure) -> Prop:
    middle = (figure.at["head"] + figure.at["l_ankle"] + figure.at["r_ankle"])[0] / 3
    return box(vec(0, 0.004, middle[2]), (0.65, 0.008, 1.85), "vinyl")


def leg_raises(take: Take) -> Motion:
    """Lying on the back, or hanging from a bar, the legs rise from just over the floor until they point up."""
    return _hanging_leg_raises(take) if take.chance(0.22) else _lying_leg_raises(take)


def _hanging_leg_raises(take: Take) -> Motion:
    """From a straight hang the legs swing up before the body, straight or with bent knees."""
    tempo = take.tempo(Pace(out=(0.6, 1.6), hold=(0.0, 0.5), back=(0.7, 2.0), rest=(0.05, 0.8)))
    p, build, scale = tempo.phase, take.build, take.build.height / 1.75
    length = build.lengths
    highest, bent = take.pick(50, 120), take.pick(0, 1) ** 1.5 * 95
    lean = lerp(take.pick(-4, 6), -take.pick(4, 30), p) + take.wander(1.5, (0.3, 0.8))
    trunk = take.spine(lean, bend=take.pick(0, 25) * p, nod=take.pick(-10, 15))
    half, shrug = take.pick(0.2, 0.4) * scale, take.pick(4, 16)
    arm = min(length[f"{s}_upper_arm"] + length[f"{s}_forearm"] + length[f"{s}_hand"] for s in SIDES)
    legs = length["r_thigh"] + length["r_shank"] + length["r_ankle"]
    bar = arm + length["lumbar"] + length["chest"] + legs + take.pick(0.12, 0.4)
    raised = length["r_clavicle"] * np.sin(np.radians(shrug))
    hang = np.sqrt((take.pick(0.94, 0.985) * arm) ** 2 - (half - length["r_clavicle"]) ** 2)
    thorax = vec(take.wander(0.006), bar - hang - raised, -take.pick(0.0, 0.08) - take.pick(0.0, 0.15) * p)
    figure = Figure(build, hip_below(build, thorax, trunk), trunk, shrug=shrug)
    together = take.pick(-0.04, 0.06)
    for s in SIDES:
        figure.arm(s, vec(SIGN[s] * half, bar, 0), vec(SIGN[s], -0.4, 0.3))
        up = np.radians(-90 + lerp(take.pick(-6, 4), highest, p) + take.wander(1.5))
        knee = up - np.radians(lerp(take.pick(2, 12), max(bent, 4), p) + take.wander(1.0) + 3)
        figure.leg_along(
            s, vec(SIGN[s] * together, np.sin(up), np.cos(up)), vec(SIGN[s] * together, np.sin(knee), np.cos(knee))
        )
        figure.foot_on_shank(s, take.pick(15, 55))
    props: list[Prop] = [across(vec(0, bar, 0), 1.3), *posts(0.65, 0, bar)]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _lying_leg_raises(take: Take) -> Motion:
    style = take.one_of({"both": 0.82, "turns": 0.1, "one": 0.08})
    tempo = take.tempo(
        Pace(out=(0.8, 2.0), hold=(0.0, 0.5), back=(0.9, 2.4), rest=(0.0, 0.5), full_return=style == "turns")
    )
    p, on_bench = tempo.phase, take.chance(0.15)
    base = take.pick(0.42, 0.48) if on_bench else 0.0
    highest = take.pick(55, 98)
    curl = max(highest - 70, 0) * take.pick(0.0, 0.5)
    trunk = take.spine(-90 - curl * p, bend=curl * p, nod=take.pick(0, 30) * (not on_bench), sway=0.4)
    hip = vec(0.0, base + 0.105 * take.build.waist**0.5 + 0.0012 * curl * p, take.wander(0.003))
    figure = Figure(take.build, hip, trunk)
    bent_knees = take.chance(0.15)
    low, high = (take.pick(40, 70), take.pick(70, 100)) if bent_knees else (take.pick(3, 14), take.pick(3, 32))
    # Heels stay off the floor.
    lowest = 0.56 * low + take.pick(1, 13)
    together = take.pick(-0.06, 0.06)
    turns = tempo.turns(2) if style == "turns" else [p, 0 * p if style == "one" else p]
    for s, p in zip(SIDES, turns, strict=True):
        up = lerp(lowest, highest, p) + take.rng.normal(0, 1) + take.wander(0.8)
        knee = lerp(low, high, p) + take.wander(1.2) + 2
        thigh, shank = np.radians(up), np.radians(up - knee)
        figure.leg_along(
            s,
            vec(SIGN[s] * together, np.sin(thigh), np.cos(thigh)),
            vec(SIGN[s] * together, np.sin(shank), np.cos(shank)),
        )
        figure.foot_on_shank(s, take.pick(15, 55))
    _rest_arms(take, figure, "head" if on_bench else take.one_of({"sides": 0.6, "hips": 0.25, "head": 0.15}), base)
    props: list[Prop] = []
    if on_bench:
        props += bench(vec(0, base, -0.8), vec(0, base, 0.2))
    elif take.chance(0.6):
        props += [_mat(figure)]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _rest_arms(take: Take, figure: Figure, where: str, base: float) -> None:
    """Where the hands of somebody on their back are: flat beside the body, under the hips, or behind the head."""
    out, along = take.pick(0.26, 0.42), take.pick(-0.12, 0.06)
    for s in SIDES:
        if where == "head":
            hand = figure.at["head"] + vec(SIGN[s] * 0.1, -0.02, -0.12)
            pole = vec(SIGN[s], 0.5, -0.3)
        elif where == "hips":
            hand, pole = figure.at["hip"] + vec(SIGN[s] * 0.13, -0.06, 0.0), vec(SIGN[s], -0.1, 0)
        else:
            hand, pole = vec(SIGN[s] * out, base + 0.04, figure.at["hip"][:, 2].mean() + along), vec(SIGN[s], 0.1, 0)
        figure.arm(s, hand, pole)


def russian_twist(take: Take) -> Motion:
    """Seated and leaning back, the trunk turns to one side and the other with the hands before it.

    A repetition goes from one side to the other and back.
    """
    tempo = take.tempo(Pace(out=(0.5, 1.4), hold=(0.0, 0.3), back=(0.5, 1.4), rest=(0.0, 0.3)))
    side = (2 * tempo.phase - 1) * take.rng.choice((-1, 1))
    turned, swing = take.pick(16, 66), take.pick(0.03, 0.34)
    trunk = take.spine(-take.pick(20, 58), bend=take.pick(4, 22), twist=turned * side, nod=take.pick(0, 20))
    hip = vec(take.wander(0.004), 0.105, take.wander(0.004))
    figure = Figure(take.build, hip, trunk)
    lifted = take.chance(0.5)
    _drawn_up_legs(take, figure, side, take.pick(0.12, 0.4) if lifted else 0.0)
    ahead, drop = take.pick(0.22, 0.46), take.pick(-0.2, 0.0)
    centre = figure.on_chest(vec(swing * side, drop - take.pick(0.04, 0.2) * side**2, ahead - 0.06 * side**2))
    # Hands and ball stay over the floor beside the hips.
    centre[:, 1] = np.maximum(centre[:, 1], 0.13)
    load = take.one_of({"ball": 0.45, "plate": 0.25, "none": 0.3})
    apart = {"ball": 0.2, "plate": 0.24, "none": 0.05}[load]
    across = apply(trunk.chest, (1, 0, 0))
    for s in SIDES:
        figure.arm(s, centre + SIGN[s] * apart / 2 * across, apply(trunk.chest, (SIGN[s] * 0.8, -1, -0.2)))
    props: list[Prop] = []
    if load == "ball":
        props = [rod(centre, centre + 0.001 * across, 0.1, "rubber")]
    elif load == "plate":
        front = apply(trunk.chest, (0, 0, 1))
        props = [rod(centre - 0.02 * front, centre + 0.02 * front, 0.12, "iron", flat=True)]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def _drawn_up_legs(take: Take, figure: Figure, side: Signal, lift: float) -> None:
    """Knees drawn up, heels on the floor or ``lift`` metres over it; lifted legs sway against the turning trunk."""
    length, knee, apart = take.build.lengths, take.pick(35, 100), take.pick(0.04, 0.4)
    leg = bent_length(length["r_thigh"], length["r_shank"], knee)
    for s in SIDES:
        height = length[f"{s}_ankle"] + 0.02 + lift
        sway = -side * take.pick(0.01, 0.07) + take.wander(0.01) if lift else 0 * side
        dip = take.wander(0.012) if lift else 0 * side
        z = np.sqrt(leg**2 - (height - 0.105) ** 2) - 0.01
        ankle: Vectors = vec(SIGN[s] * apart / 2 + sway, height + dip, z)
        figure.leg(s, ankle, vec(SIGN[s] * 0.12, 1, 0.4))
        if lift:
            figure.foot_on_shank(s, take.pick(0, 30))
        else:
            figure.foot(s, vec(SIGN[s] * 0.1, 0.0, 1), vec(0, 1, 0))
