"""What people do between two sets: they rest, walk, talk, drink, pick things up, sit down, lie about."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, Figure, Side
from gymspotter.synth.geometry import apply, blend, lerp, vec
from gymspotter.synth.idle import STANDING_ARMS, gesture, hang, rest_arms, standing, stepping, stops, turn_about
from gymspotter.synth.props import bench, rod, seat
from gymspotter.synth.take import Motion, Prop, Take
from gymspotter.synth.tempo import Pace

# Once or twice in a recording of twelve seconds.
_NOW_AND_THEN = Pace(out=(0.6, 1.4), hold=(0.3, 2.5), back=(0.6, 1.4), rest=(1.5, 6.0))


def standing_rest(take: Take) -> Motion:
    """The weight goes from one leg to the other, the head and the trunk look about, the arms do nothing."""
    shift = stops(take, -0.07, 0.07, move=(0.6, 1.6), stay=(1.0, 6.0))
    bowed = take.pick(20, 55) if take.chance(0.15) else take.pick(-3, 8)  # out of breath, hands on the knees
    figure = standing(
        take, lean=bowed + take.wander(2.0), knee=take.pick(3, 14), shift=shift, side=60 * shift,
        twist=stops(take, -20, 20, stay=(1.0, 5.0)), nod=take.pick(-10, 15),
    )  # fmt: skip
    if bowed > 15:
        _hands_on_thighs(take, figure)
    else:
        rest_arms(take, figure, take.one_of(STANDING_ARMS))
    return Motion(figure=figure, props=[], repetitions=())


def _hands_on_thighs(take: Take, figure: Figure) -> None:
    along = take.pick(0.6, 0.98)
    for s in SIDES:
        hand = blend(figure.at[f"{s}_hip"], figure.at[f"{s}_knee"], np.full(len(take.t), along))
        hand = hand + apply(figure.trunk.pelvis, (0, 0.02, 0.09))
        figure.arm(s, hand, vec(SIGN[s], 0.1, -0.6))


def walking(take: Take) -> Motion:
    """On the spot, as on a treadmill, or to and fro; arms swing, or hold something."""
    rate, stride = take.pick(0.6, 1.05), take.pick(0.9, 1.5) * take.build.height / 1.75
    # A phase of its own for every frame: nobody walks at quite an even pace.
    phase = 2 * np.pi * (rate * take.t + take.pick(0, 1)) + take.wander(0.3, (0.05, 0.3))
    lift, swing, elbow = take.pick(0.06, 0.13), take.pick(8, 34), take.pick(8, 50)
    wave: dict[Side, np.ndarray] = {s: SIGN[s] * np.sin(phase) for s in SIDES}
    feet = stepping(
        take,
        take.pick(0.05, 0.11),
        rise={s: lift * np.maximum(SIGN[s] * np.cos(phase), 0) for s in SIDES},
        z={s: stride / 4 * wave[s] for s in SIDES},
    )
    figure = standing(
        take, lean=take.pick(0, 7), knee=take.pick(3, 10), twist=-take.pick(2, 9) * np.sin(phase), feet=feet
    )
    free = take.one_of({"both": 0.7, "l": 0.15, "r": 0.15})
    for s in SIDES:
        if free in ("both", s):
            hang(take, figure, s, -swing * wave[s], elbow + 10 * np.maximum(-wave[s], 0))
        else:
            hold = figure.on_chest((SIGN[s] * 0.12, take.pick(-0.4, -0.15), take.pick(0.2, 0.35)))
            figure.arm(s, hold, apply(figure.trunk.chest, (SIGN[s] * 0.6, -1, -0.3)))
    # He who walks to and fro turns round now and then.
    heading = stops(take, -180, 180, move=(1.0, 2.0), stay=(2.0, 5.0)) if take.chance(0.5) else take.wander(4.0)
    turn_about(figure, heading)
    return Motion(figure=figure, props=[], repetitions=())


def talking(take: Take) -> Motion:
    """Standing or sitting, one hand or both speak along."""
    props: list[Prop] = []
    if take.chance(0.35):
        figure, props = take.seated(lean=take.pick(-8, 22) + take.wander(3.0))
    else:
        figure = standing(
            take, lean=take.pick(-2, 6), shift=stops(take, -0.05, 0.05, stay=(1, 5)), twist=stops(take, -18, 18),
            nod=stops(take, -8, 12, move=(0.2, 0.5)),
        )  # fmt: skip
    hands = take.one_of({"both": 0.6, "l": 0.2, "r": 0.2})
    for s in SIDES:
        if hands in ("both", s):
            gesture(take, figure, s, lively=take.pick(0.4, 1.4))
        else:
            hang(take, figure, s, take.wander(3.0), take.pick(5, 60))
    return Motion(figure=figure, props=props, repetitions=())


def drinking(take: Take) -> Motion:
    """A bottle goes to the mouth and down again, once or a few times; the head tips back."""
    sip = take.tempo(_NOW_AND_THEN).phase
    props: list[Prop] = []
    if take.chance(0.35):
        figure, props = take.seated(lean=lerp(take.pick(0, 15), take.pick(-8, 0), sip))
    else:
        figure = standing(take, lean=lerp(2, -4, sip), nod=lerp(5, -take.pick(5, 25), sip), twist=take.wander(4.0))
    holds = take.one_of({"l": 0.3, "r": 0.6, "both": 0.1})
    low = (take.pick(0.08, 0.25), take.pick(-0.45, -0.2), take.pick(0.15, 0.3))
    for s in SIDES:
        if holds in ("both", s):
            mouth = figure.at["neck"] + apply(figure.trunk.chest, (SIGN[s] * 0.03, 0.0, 0.1))
            hand = blend(figure.on_chest((SIGN[s] * low[0], low[1], low[2])), mouth, sip)
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s] * take.pick(0.3, 1), -1, 0)))
            props.append(rod(hand, hand + apply(figure.trunk.chest, (0, 0.16, 0.02)), 0.035, "rubber"))
        else:
            hang(take, figure, s, take.wander(3.0), take.pick(5, 30))
    return Motion(figure=figure, props=props, repetitions=())


def picking_up(take: Take) -> Motion:
    """With one hand or both, something is picked up from the floor: a bow or a crouch, mostly to one side."""
    p = take.tempo(Pace(out=(0.6, 1.5), hold=(0.1, 1.2), back=(0.6, 1.5), rest=(0.8, 5.0))).phase
    crouch = take.pick(0, 1)
    aside = take.pick(-0.35, 0.35)
    figure = standing(
        take, lean=lerp(2, 88 - 40 * crouch, p), bend=take.pick(5, 35) * p, twist=np.degrees(aside) * p,
        knee=lerp(7, 15 + 105 * crouch, p), back=0.2 * crouch * p, nod=-take.pick(0, 30) * p,
    )  # fmt: skip
    hands = take.one_of({"both": 0.4, "l": 0.25, "r": 0.35})
    floor = vec(aside, take.pick(0.1, 0.4), take.pick(0.25, 0.45))
    carried = take.pick(-0.5, -0.2)
    for s in SIDES:
        if hands in ("both", s):
            high = figure.on_chest((SIGN[s] * 0.16, carried, 0.24))
            figure.arm(s, blend(high, floor + vec(SIGN[s] * 0.1, 0, 0), p), vec(SIGN[s], -0.3, -1))
        elif crouch > 0.5 and take.chance(0.5):
            hand = blend(figure.at[f"{s}_hip"], figure.at[f"{s}_knee"], 0.9 * p)
            figure.arm(s, hand + apply(figure.trunk.pelvis, (SIGN[s] * 0.05, 0.0, 0.1)), vec(SIGN[s], 0, -1))
        else:
            hang(take, figure, s, take.pick(-10, 20) * p)
    return Motion(figure=figure, props=[], repetitions=())


def using_phone(take: Take) -> Motion:
    """The head is bowed over a phone in one hand or both; hardly anything moves but the thumbs."""
    props: list[Prop] = []
    nod = take.pick(15, 40)
    if take.chance(0.45):
        figure, props = take.seated(lean=take.pick(0, 40))
    else:
        figure = standing(take, lean=take.pick(-3, 6), nod=nod, shift=stops(take, -0.05, 0.05, stay=(2, 7)))
    hands = take.one_of({"both": 0.5, "l": 0.2, "r": 0.3})
    up, ahead = take.pick(-0.32, -0.12), take.pick(0.22, 0.34)
    for s in SIDES:
        if hands in ("both", s):
            hand = figure.on_chest(vec(SIGN[s] * 0.04 + take.wander(0.01), up + take.wander(0.015), ahead))
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s] * 0.6, -1, -0.2)))
        else:
            hang(take, figure, s, take.wander(2.0), take.pick(5, 30))
    return Motion(figure=figure, props=props, repetitions=())


def sitting_rest(take: Take) -> Motion:
    """On a bench: upright, leaning forward with the hands or elbows on the thighs, or back; looking about."""
    lean = stops(take, *((25, 55) if take.chance(0.4) else (-12, 20)), move=(0.8, 1.8), stay=(2.0, 8.0))
    figure, props = take.seated(lean=lean)
    where = take.one_of({"thighs": 0.55, "hanging": 0.1, "crossed": 0.12, "clasped": 0.23})
    if where == "thighs":
        _hands_on_thighs(take, figure)
    else:
        rest_arms(take, figure, where)
    return Motion(figure=figure, props=props, repetitions=())


def sitting_down(take: Take) -> Motion:
    """From standing to a seat and up again, now and then: the trunk bows on the way."""
    p = take.tempo(Pace(out=(0.8, 1.8), hold=(0.8, 4.0), back=(0.8, 1.8), rest=(0.8, 4.0))).phase
    if take.chance(0.5):
        p = 1 - p  # who sits at first gets up
    length = take.build.lengths
    high = take.pick(0.4, 0.5) * take.build.height / 1.75
    feet = take.feet(apart=take.pick(0.2, 0.45))
    trunk = take.spine(take.pick(0, 8) + take.pick(25, 48) * np.sin(np.pi * np.clip(p, 0, 1)))
    up = take.hip_over(feet, trunk, 8.0, 0.02 + 0 * take.t)
    down = vec(0, high + 0.1, -length["r_thigh"] * take.pick(0.85, 1.0))
    figure = Figure(take.build, blend(up, down, p), trunk)
    take.stand(figure, feet)
    where = take.one_of({"thighs": 0.4, "hanging": 0.4, "crossed": 0.1, "ahead": 0.1})
    if where == "thighs":
        _hands_on_thighs(take, figure)
    elif where == "ahead":
        for s in SIDES:
            figure.arm_along(s, vec(SIGN[s] * 0.1, -0.1 - 0.9 * (1 - p), 1), vec(0, -0.1 - 0.9 * (1 - p), 1))
    else:
        rest_arms(take, figure, where)
    props: list[Prop] = [*seat(down - vec(0, 0.1, -length["r_thigh"] * 0.6), down - vec(0, 0.1, 0.14))]
    return Motion(figure=figure, props=props, repetitions=())


def lying_rest(take: Take) -> Motion:
    """On the back, on a bench or the floor, with straight or drawn-up legs; the arms lie somewhere."""
    on_bench = take.chance(0.4)
    base = take.pick(0.42, 0.48) if on_bench else 0.0
    trunk = take.spine(-90 + take.wander(0.8), nod=take.pick(0, 25), sway=0.4)
    hip = vec(take.wander(0.003), base + 0.105 * take.build.waist**0.5, take.wander(0.003))
    figure = Figure(take.build, hip, trunk)
    if on_bench or take.chance(0.5):
        take.stand_lying(figure, take.feet(apart=take.pick(0.15, 0.6), z=take.pick(0.4, 0.62)))
    else:
        for s in SIDES:
            out = SIGN[s] * take.pick(0.02, 0.25)
            figure.leg_along(s, vec(out, 0.01, 1), vec(out, -0.08, 1))
            figure.foot_on_shank(s, take.pick(10, 45))
    where = take.one_of({"belly": 0.4, "sides": 0.35, "head": 0.25})
    for s in SIDES:
        if where == "belly":
            hand = figure.on_chest((SIGN[s] * take.pick(0.02, 0.12), take.pick(-0.35, -0.05), 0.15))
            figure.arm(s, hand + vec(0, take.wander(0.006), 0), vec(SIGN[s], 0.0, 0.2))
        elif where == "sides":
            out = SIGN[s] * take.pick(0.28, 0.5)
            figure.arm(s, vec(out, base + 0.04, take.pick(-0.15, 0.1)), vec(SIGN[s], 0.1, 0))
        else:
            figure.arm(s, figure.at["head"] + vec(SIGN[s] * 0.1, -0.02, -0.1), vec(SIGN[s], 0.5, -0.3))
    props: list[Prop] = [*bench(vec(0, base, -0.85), vec(0, base, 0.3))] if on_bench else []
    return Motion(figure=figure, props=props, repetitions=())


def kneeling(take: Take) -> Motion:
    """On the knees, upright or sitting on the heels, doing this and that with the hands before the body."""
    sit = take.pick(0.0, 1.0)
    trunk = take.spine(stops(take, -2, 35, stay=(1, 4)), twist=stops(take, -20, 20), nod=take.pick(0, 20))
    thigh = take.build.lengths["r_thigh"]
    angle = np.radians(lerp(2, 62, sit))
    figure = Figure(take.build, vec(take.wander(0.005), 0.07 + thigh * np.cos(angle), take.wander(0.005)), trunk)
    for s in SIDES:
        figure.leg_along(s, vec(SIGN[s] * take.pick(0.02, 0.25), -np.cos(angle), np.sin(angle)), vec(0, -0.02, -1))
        figure.foot_on_shank(s, take.pick(50, 75))
        if take.chance(0.6):
            gesture(take, figure, s, lively=take.pick(0.5, 1.5))
        else:
            hang(take, figure, s, take.wander(4.0) + take.pick(0, 20), take.pick(10, 60))
    return Motion(figure=figure, props=[], repetitions=())


def loading_plates(take: Take) -> Motion:
    """Both hands carry something from one place to the next: to the side, low, high, ahead; the trunk goes along."""
    across = stops(take, -0.5, 0.5, move=(0.7, 1.6), stay=(0.4, 2.0))
    low = stops(take, 0, 1, move=(0.7, 1.6), stay=(0.4, 2.0))
    figure = standing(
        take, lean=lerp(2, take.pick(20, 60), low), bend=10 * low, twist=60 * across,
        knee=lerp(6, take.pick(15, 60), low), shift=0.1 * across, nod=take.pick(0, 15),
    )  # fmt: skip
    reach = stops(take, 0.22, 0.5)
    gap = take.pick(0.03, 0.2)
    for s in SIDES:
        hand = figure.on_chest(vec(SIGN[s] * gap, lerp(-0.15, -0.4, low), reach))
        figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], -1, -0.3)))
    return Motion(figure=figure, props=[], repetitions=())


def waving(take: Take) -> Motion:
    """One hand waves beside the head, or both clap before the chest or overhead."""
    beat = np.sin(2 * np.pi * take.pick(1.0, 2.2) * take.t + take.pick(0, 6))
    figure = standing(take, lean=take.pick(-3, 6), shift=stops(take, -0.04, 0.04), twist=stops(take, -10, 10))
    style, height = take.one_of({"l": 0.25, "r": 0.4, "clap": 0.35}), take.pick(-0.2, 0.3)
    for s in SIDES:
        if style == "clap":
            hand = figure.on_chest(vec(SIGN[s] * (0.12 + 0.1 * beat), height, 0.3))
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], -0.8, -0.2)))
        elif style == s:
            hand = figure.on_chest(vec(SIGN[s] * (0.35 + 0.1 * beat), take.pick(0.15, 0.4), 0.2))
            figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], -0.8, -0.2)))
        else:
            hang(take, figure, s, take.wander(3.0))
    return Motion(figure=figure, props=[], repetitions=())


def fidgeting(take: Take) -> Motion:
    """No purpose at all: hands anywhere within reach, the trunk bows and turns, standing, sitting or lying."""
    where = take.one_of({"standing": 0.5, "sitting": 0.25, "lying": 0.25})
    props: list[Prop] = []
    if where == "standing":
        deep = stops(take, 0, take.pick(0.1, 1.0))
        figure = standing(
            take, lean=stops(take, -10, take.pick(10, 70)), twist=stops(take, -40, 40), side=stops(take, -20, 20),
            knee=lerp(5, 95, deep), back=0.2 * deep, shift=stops(take, -0.1, 0.1), apart=(0.1, 0.8),
        )  # fmt: skip
    elif where == "sitting":
        figure, props = take.seated(lean=stops(take, -25, take.pick(0, 50)))
    else:
        trunk = take.spine(-90 + stops(take, 0, take.pick(5, 60)), twist=stops(take, -15, 15))
        figure = Figure(take.build, vec(0, 0.11, 0) + 0 * take.t[:, None], trunk)
        take.stand_lying(figure, take.feet(apart=take.pick(0.1, 0.6), z=take.pick(0.45, 0.7)))
    for s in SIDES:
        lively = take.pick(0.2, 1.0)
        quick = (take.pick(0.3, 0.6), take.pick(0.7, 1.5))
        hand = figure.on_chest(
            vec(
                SIGN[s] * (take.pick(0.1, 0.4) + lively * stops(take, -0.3, 0.35, move=quick)),
                take.pick(-0.3, 0.3) + lively * stops(take, -0.45, 0.5, move=quick),
                take.pick(0.15, 0.4) + lively * stops(take, -0.15, 0.3, move=quick),
            )
        )
        hand[:, 1] = np.maximum(hand[:, 1], 0.06)
        # The elbows of those who lie do not go through the floor.
        figure.arm(s, hand, apply(figure.trunk.chest, (SIGN[s], -0.8, 0.3 if where == "lying" else -0.5)))
    return Motion(figure=figure, props=props, repetitions=())
