"""Squat, deadlift, Romanian deadlift, hip thrust, leg extension: what the hips and knees do."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, SOLE, Figure, hip_below
from gymspotter.synth.geometry import Angle, X, Y, Z, apply, bent_length, lerp, unit, vec
from gymspotter.synth.props import across, backrest, barbell, box, dumbbell, rod, seat
from gymspotter.synth.take import Feet, Motion, Prop, Take
from gymspotter.synth.tempo import LOWER_FIRST, Pace, Signal


def squat(take: Take) -> Motion:
    """Knees and hips bend together over planted feet while the load stays above the middle of the foot."""
    tempo = take.tempo(LOWER_FIRST)
    p, build = tempo.phase, take.build
    style = take.one_of({"back": 0.52, "front": 0.1, "goblet": 0.11, "air": 0.27})
    scale = build.height / 1.75
    feet = take.feet(apart=take.pick(0.2, 0.75) * scale, toe_out=(2, 38))
    knee = lerp(take.pick(3, 14), take.pick(58, 130), p)
    deepest = take.pick(8, 36) if style in ("front", "goblet") else take.pick(14, 54)
    lean = lerp(take.pick(-2, 8), deepest, p)
    trunk = take.spine(lean, bend=take.pick(-6, 6) * p, nod=-take.pick(0.3, 0.8) * lean)
    length = build.lengths["lumbar"] + build.lengths["chest"]
    shortest = bent_length(build.lengths["r_thigh"], build.lengths["r_shank"], knee)
    z = np.maximum(take.pick(0.02, 0.07) - length * np.sin(np.radians(lean)), -0.72 * shortest) + take.wander(0.006)
    shift = take.rng.normal(0, 0.012) * p + take.wander(0.006)
    figure = Figure(build, take.hip_over(feet, trunk, knee, z, shift), trunk)
    take.stand(figure, feet, take.pick(-14, 10) * p)
    return Motion(figure=figure, props=_squat_load(take, figure, style, p), repetitions=tempo.repetitions)


def _squat_load(take: Take, figure: Figure, style: str, p: Signal) -> list[Prop]:
    """Bring the arms to the load of a squat and return it."""
    props: list[Prop] = []
    if style in ("back", "front"):
        up, front = (take.pick(-0.03, 0.05), -0.1) if style == "back" else (take.pick(0.02, 0.06), 0.12)
        half = take.pick(0.36, 0.52) if style == "back" else take.pick(0.2, 0.27)
        pole = (0.35, -1, take.pick(-0.7, 0.1)) if style == "back" else (0.25, take.pick(-0.5, 0.1), 1)
        hands = {s: figure.on_chest((SIGN[s] * half, up, front)) for s in SIDES}
        for s in SIDES:
            figure.arm(s, hands[s], apply(figure.trunk.chest, (SIGN[s] * pole[0], pole[1], pole[2])))
        props += barbell(hands, length=2.1, plate=take.pick(0.15, 0.225))
    elif style == "goblet":
        hold = figure.on_chest((0, take.pick(-0.16, -0.06), 0.24))
        for s in SIDES:
            figure.arm(s, hold + vec(SIGN[s] * 0.06, 0, 0), apply(figure.trunk.chest, (SIGN[s] * 0.5, -1, 0)))
        props += dumbbell(hold, Y, size=0.075)
    else:
        ahead = take.pick(0.0, 0.35) + take.pick(0.3, 1.0) * p
        # Where the hands go: ahead of the body, or at a place (left, up, front) on it with the elbows at a pole.
        places = {"clasped": (0.03, -0.12, 0.27), "crossed": (-0.14, -0.04, 0.12), "head": (0.1, 0.22, -0.06),
                  "hips": (0.17, -0.42, 0.06)}  # fmt: skip
        place = take.one_of({"ahead": 0.45, "clasped": 0.2, "crossed": 0.15, "head": 0.1, "hips": 0.1})
        for s in SIDES:
            if place != "ahead":
                x, up, front = places[place]
                elbows = (SIGN[s], 0.3 if place == "head" else -0.4, 0.5 if place == "crossed" else -0.1)
                figure.arm(s, figure.on_chest((SIGN[s] * x, up, front)), apply(figure.trunk.chest, elbows))
            else:
                upper = vec(SIGN[s] * 0.12, -np.cos(ahead * np.pi / 2), np.sin(ahead * np.pi / 2))
                figure.arm_along(s, upper, upper + 0.12 * vec(-SIGN[s] * ahead, 1 - ahead, ahead))
    return props


def deadlift(take: Take) -> Motion:
    """From the floor to the hips with straight arms: knees and hips extend together, the knees a little earlier."""
    tempo = take.tempo(Pace(out=(0.8, 1.9), hold=(0.05, 0.8), back=(0.7, 1.8), rest=(0.1, 0.9)))
    # A set begins with the bar on the floor, or is filmed from the top of a repetition on.
    p, scale = 1 - tempo.phase if take.chance(0.25) else tempo.phase, take.build.height / 1.75
    sumo = take.chance(0.18)
    apart = (take.pick(0.55, 0.85) if sumo else take.pick(0.2, 0.36)) * scale
    feet = take.feet(apart=apart, toe_out=(20, 42) if sumo else (0, 18))
    grip = (take.pick(0.3, 0.42) if sumo else take.pick(0.46, 0.62)) * scale
    bar_z, lead = take.pick(0.09, 0.12), take.pick(0.0, 0.05)
    low_knee = take.pick(54, 96) if sumo else take.pick(50, 90)
    low_lean = _lean_to_floor(take, feet, low_knee, bar_z + lead)
    trunk_length = take.build.lengths["lumbar"] + take.build.lengths["chest"]
    knee = lerp(low_knee, take.pick(3, 9), 1 - (1 - p) ** 1.5)
    lean = lerp(low_lean, take.pick(-7, 2), p)
    z = lerp(bar_z + lead - trunk_length * np.sin(np.radians(low_lean)), bar_z - take.pick(0.115, 0.14), p)
    return _hinge(take, tempo.repetitions, feet, knee, lean, z, bar_z, grip, 1 - p, plates="floor")


def _lean_to_floor(take: Take, feet: Feet, knee: float, shoulder_z: float) -> float:
    """The trunk's lean from which hanging hands hold a bar as high as a plate lifts it, with the knees bent so."""
    length = take.build.lengths
    leans = np.arange(20.0, 84.0, 0.5)
    trunk = length["lumbar"] + length["chest"]
    reach = bent_length(length["r_thigh"], length["r_shank"], knee)
    sideways = abs(feet.ankle["l"][0, 0] - feet.ankle["r"][0, 0]) / 2 - length["r_pelvis"]
    z = shoulder_z - trunk * np.sin(np.radians(leans))
    hip = length["r_ankle"] + SOLE + np.sqrt(np.maximum(reach**2 - z**2 - sideways**2, 0.01))
    arm = length["r_upper_arm"] + length["r_forearm"] + length["r_hand"]
    bar = hip + trunk * np.cos(np.radians(leans)) - arm
    return float(leans[np.argmin(abs(bar - 0.225))])


def romanian_deadlift(take: Take) -> Motion:
    """A bow at the hips with the knees all but still: from standing to the mid-shin and back, the bar by the legs."""
    tempo = take.tempo(Pace(out=(1.0, 2.4), hold=(0.0, 0.5), back=(0.8, 1.8), rest=(0.05, 0.6)))
    p, scale = tempo.phase, take.build.height / 1.75
    feet = take.feet(apart=take.pick(0.14, 0.44) * scale, toe_out=(0, 22))
    bar_z = take.pick(0.1, 0.16)
    knee = lerp(take.pick(3, 14), take.pick(10, 37), p)
    low_lean = take.pick(46, 90)
    lean = lerp(take.pick(-6, 8), low_lean, p)
    trunk_length = take.build.lengths["lumbar"] + take.build.lengths["chest"]
    low_z = bar_z + take.pick(-0.02, 0.05) - trunk_length * np.sin(np.radians(low_lean))
    z = lerp(bar_z - take.pick(0.115, 0.14), low_z, p)
    plates = take.one_of({"bar": 0.7, "dumbbells": 0.3})
    return _hinge(take, tempo.repetitions, feet, knee, lean, z, bar_z, take.pick(0.36, 0.7) * scale, p, plates=plates)


def _hinge(
    take: Take, repetitions: tuple[tuple[float, float], ...], feet: Feet, knee: Angle, lean: Signal, z: Signal,
    bar_z: float, grip: float, low: Signal, *, plates: str,
) -> Motion:  # fmt: skip
    """A load hangs from straight arms while the trunk bows; ``low`` [T] is 1 where it is lowest."""
    rounded = take.rng.normal(2, 6)
    trunk = take.spine(lean, bend=rounded * low, nod=-take.pick(0.1, 0.6) * lean)
    hip = take.hip_over(feet, trunk, knee, z + take.wander(0.005), take.wander(0.005))
    figure = Figure(take.build, hip, trunk, shrug=-3.0)
    take.stand(figure, feet, 0.0)
    below = figure.shoulders * (1, 1, 0) + vec(0, 0, bar_z + take.wander(0.006))
    centre = figure.away(below, -Y[None], grip, 9.0)
    hands = take.grip(centre, grip)
    props: list[Prop] = []
    for s in SIDES:
        figure.arm(s, hands[s], vec(SIGN[s] * 0.5, 0, -1))
        if plates == "dumbbells":
            props += dumbbell(hands[s], X)
    if plates != "dumbbells":
        lowest = float(centre[:, 1].min())
        # On the floor the plates carry the bar, whatever the athlete's size.
        radius = float(np.clip(lowest, 0.12, 0.26)) if plates == "floor" else min(take.pick(0.12, 0.225), lowest - 0.02)
        props += barbell(hands, length=2.1, plate=max(radius, 0.08))
    return Motion(figure=figure, props=props, repetitions=repetitions)


def hip_thrust(take: Take) -> Motion:
    """The upper back rests on a bench, the feet on the floor: the hips rise from below until the trunk is level.

    Some do it with the shoulders on the floor (a bridge).
    """
    tempo = take.tempo(Pace(out=(0.5, 1.3), hold=(0.1, 1.2), back=(0.6, 1.7), rest=(0.05, 0.6)))
    p, build = tempo.phase, take.build
    bridge = take.chance(0.2)
    height = 0.0 if bridge else take.pick(0.34, 0.46)
    lean = -90 + (
        lerp(take.pick(-4, 0), -take.pick(20, 38), p) if bridge else lerp(take.pick(18, 52), take.pick(-8, 14), p)
    )
    trunk = take.spine(
        lean, bend=lerp(take.pick(0, 12), take.pick(-6, 6), p), nod=lerp(10, take.pick(10, 50), p), sway=0.6
    )
    back = vec(take.wander(0.004), height + 0.11, take.wander(0.004))
    # The bench's edge is under the shoulder blades.
    thorax = back + take.pick(0.08, 0.16) * apply(trunk.chest, (0, 1, 0))
    figure = Figure(build, hip_below(build, thorax, trunk), trunk)
    highest = np.argmax(p)
    apart = take.pick(0.22, 0.5)
    feet = take.feet(
        apart=apart,
        toe_out=(0, 25),
        z=float(figure.at["hip"][highest, 2]) + build.lengths["r_thigh"] * take.pick(0.85, 1.08),
    )
    take.stand_lying(figure, feet)
    props: list[Prop] = []
    if not bridge:
        props += [box(vec(0, height - 0.05, -0.16), (1.1, 0.1, 0.34), "vinyl")]
        props += [box(vec(x, (height - 0.1) / 2, -0.16), (0.08, height - 0.1, 0.3), "frame") for x in (-0.4, 0.4)]
    lap = figure.at["hip"] + apply(trunk.pelvis, (0, 0.02, 0.15))
    if take.chance(0.35 if bridge else 0.85):
        hands = take.grip(lap, take.pick(0.5, 0.9))
        for s in SIDES:
            figure.arm(s, hands[s], vec(SIGN[s] * 1.0, -0.6, -0.2))
        props += barbell(hands, length=2.1, plate=float(np.clip(lap[:, 1].min() - 0.02, 0.1, 0.225)))
    else:
        for s in SIDES:
            if bridge:
                figure.arm(s, vec(SIGN[s] * take.pick(0.25, 0.45), 0.05, thorax[0, 2] + 0.42), vec(SIGN[s], 0.1, 0))
            else:
                figure.arm(s, figure.on_chest((-SIGN[s] * 0.1, -0.06, 0.15)), apply(trunk.chest, (SIGN[s], -1, 0.2)))
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)


def leg_extension(take: Take) -> Motion:
    """Seated in the machine, the shins lift the pad from under the seat until the knees are straight."""
    tempo = take.tempo(Pace(out=(0.5, 1.5), hold=(0.0, 1.0), back=(0.7, 2.0), rest=(0.05, 0.6)))
    p, build = tempo.phase, take.build
    recline, high = take.pick(0, 28), take.pick(0.54, 0.64)
    trunk = take.spine(-recline - take.pick(0, 4) * p, nod=take.pick(-5, 15), sway=0.6)
    hip = vec(take.wander(0.003), high + 0.1, take.wander(0.003))
    figure = Figure(build, hip, trunk)
    thigh_up = take.pick(-4, 14)
    folded, straight = take.pick(78, 116), take.pick(0, 34)
    apart = take.pick(0.0, 0.2)
    resting = take.one_of({"none": 0.88, "l": 0.06, "r": 0.06})
    handle = 0.7 * float(figure.shoulders[0, 2]) + take.pick(0.0, 0.1)
    for s in SIDES:
        flexion = lerp(folded, straight, (s != resting) * p) + take.rng.normal(0, 1.5) + take.wander(0.8)
        up, down = np.radians(thigh_up + take.wander(0.5)), np.radians(thigh_up - flexion)
        figure.leg_along(s, vec(SIGN[s] * apart, np.sin(up), np.cos(up)), vec(0, np.sin(down), np.cos(down)))
        figure.foot_on_shank(s, take.pick(0, 35))
        hold = vec(SIGN[s] * take.pick(0.26, 0.3), high + take.pick(0.0, 0.08), handle + take.rng.normal(0, 0.01))
        figure.arm(s, hold, vec(SIGN[s] * 0.4, 0, -1))
    knee = (figure.at["l_knee"] + figure.at["r_knee"]) / 2
    shin = (figure.at["l_ankle"] + figure.at["r_ankle"]) / 2
    front = np.cross(unit(shin - knee), X)
    pad = shin + 0.05 * unit(knee - shin) + 0.1 * front
    axis = knee.mean(axis=0, keepdims=True) + 0.26 * X
    props: list[Prop] = [
        *seat(vec(0, high, build.lengths["r_thigh"] - 0.08), vec(0, high, -0.1)),
        backrest(hip.mean(axis=0, keepdims=True), recline + 2, depth=0.12),
        across(pad, 0.46, 0.055, "vinyl"),
        rod(axis, pad + 0.26 * X, 0.025, "frame"),
        rod(axis, axis * (1, 0, 1), 0.03, "frame"),
    ]
    props += [
        rod(figure.at[f"{s}_hand"].mean(axis=0) - 0.06 * Z, figure.at[f"{s}_hand"].mean(axis=0) + 0.06 * Z)
        for s in SIDES
    ]
    return Motion(figure=figure, props=props, repetitions=tempo.repetitions)
