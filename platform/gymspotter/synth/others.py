"""Movements that are none of the 22 exercises, by name: what a classifier should not take for one of them.

A function a movement, from a take to a motion, as in exercises.py; `perform` knows both.
"""

from collections.abc import Callable

from gymspotter.synth import daily, drills, stretches
from gymspotter.synth.take import Motion, Take

# New ones go to the end: which performance a seed gives depends on a movement's place.
OTHER_MOTIONS: dict[str, Callable[[Take], Motion]] = {
    "arm circles": stretches.arm_circles,
    "boxing": drills.boxing,
    "calf raises": drills.calf_raises,
    "cat cow": stretches.cat_cow,
    "drinking": daily.drinking,
    "fidgeting": daily.fidgeting,
    "forward fold": stretches.forward_fold,
    "front raise": drills.front_raise,
    "high knees": drills.high_knees,
    "hopping": drills.hopping,
    "jumping jacks": drills.jumping_jacks,
    "kettlebell swing": drills.kettlebell_swing,
    "kneeling": daily.kneeling,
    "loading plates": daily.loading_plates,
    "lunges": drills.lunges,
    "lying rest": daily.lying_rest,
    "one leg": stretches.one_leg,
    "picking up": daily.picking_up,
    "side bends": stretches.side_bends,
    "sit-ups": drills.sit_ups,
    "sitting down": daily.sitting_down,
    "sitting rest": daily.sitting_rest,
    "standing rest": daily.standing_rest,
    "stretching arms": stretches.stretching_arms,
    "talking": daily.talking,
    "using phone": daily.using_phone,
    "walking": daily.walking,
    "waving": daily.waving,
}
OTHERS: tuple[str, ...] = tuple(OTHER_MOTIONS)
