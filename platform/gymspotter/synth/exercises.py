"""The 22 exercises by name, each a function from a take to a motion."""

from collections.abc import Callable

from gymspotter.synth import arms, floor, legs, presses, pulls
from gymspotter.synth.take import Motion, Take

# Keys are labels.EXERCISES.
EXERCISE_MOTIONS: dict[str, Callable[[Take], Motion]] = {
    "barbell biceps curl": arms.barbell_biceps_curl,
    "bench press": presses.bench_press,
    "chest fly machine": presses.chest_fly_machine,
    "deadlift": legs.deadlift,
    "decline bench press": presses.decline_bench_press,
    "hammer curl": arms.hammer_curl,
    "hip thrust": legs.hip_thrust,
    "incline bench press": presses.incline_bench_press,
    "lat pulldown": pulls.lat_pulldown,
    "lateral raise": arms.lateral_raise,
    "leg extension": legs.leg_extension,
    "leg raises": floor.leg_raises,
    "plank": floor.plank,
    "pull up": pulls.pull_up,
    "push-up": floor.push_up,
    "romanian deadlift": legs.romanian_deadlift,
    "russian twist": floor.russian_twist,
    "shoulder press": presses.shoulder_press,
    "squat": legs.squat,
    "t bar row": pulls.t_bar_row,
    "tricep dips": presses.tricep_dips,
    "tricep pushdown": arms.tricep_pushdown,
}
