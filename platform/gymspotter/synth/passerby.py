"""Somebody who walks through the picture while the athlete exercises."""

import numpy as np

from gymspotter.synth.body import SIDES, SIGN, SOLE, Figure, spine
from gymspotter.synth.geometry import Y, Z, turn, vec
from gymspotter.synth.scene import Build, Performance

# Metres of a double step, and how high the swinging foot is lifted, for 1.75 m of stature.
_STRIDE, _LIFT = 1.35, 0.09
# Swing of the arms in degrees; the legs' follows from the stride.
_ARMS = 22.0


def walk(
    build: Build, start: tuple[float, float], end: tuple[float, float], *, seconds: float, fps: float
) -> Performance:
    """Walk from ``start`` to ``end`` (x, z on the floor, metres) at an even speed; the same place twice is standing."""
    frames = max(round(seconds * fps), 1)
    path = np.subtract(end, start)
    way = float(np.hypot(*path))
    gone = np.linspace(0, way, frames)
    scale = build.height / 1.75
    swing = min(way, 1.0)  # who stands, stands still
    phase = 2 * np.pi * gone / (_STRIDE * scale)
    legs = [build.lengths[f"{s}_thigh"] + build.lengths[f"{s}_shank"] for s in SIDES]
    ankle = build.lengths["l_ankle"] + SOLE
    figure = Figure(build, vec(0, 0.95 * min(legs) + ankle, 0), spine(3.0 * swing, twist=-6 * swing * np.sin(phase)))
    for s in SIDES:
        step = SIGN[s] * np.sin(phase) * swing
        lifted = np.maximum(SIGN[s] * np.cos(phase), 0) * swing
        sole = vec(SIGN[s] * 0.09 * scale, ankle + _LIFT * scale * lifted, _STRIDE * scale / 4 * step)
        figure.leg(s, sole, vec(0, 0, 1))
        figure.foot(s, Z, Y)
        arm = np.radians(-_ARMS * step)
        down = vec(SIGN[s] * 0.12, -np.cos(arm), np.sin(arm))
        figure.arm_along(s, down, down + vec(0, 0, 0.25))
    heading = turn(float(np.degrees(np.arctan2(path[0], path[1]))) if way else 0.0)[0]
    at = np.asarray(start) + (gone / way if way else gone)[:, None] * path
    joints = figure.joints(frames) @ heading.T.astype(np.float32)
    joints += vec(at[:, 0], 0, at[:, 1])[:, None].astype(np.float32)
    return Performance(exercise="walk", fps=fps, joints=joints, repetitions=(), build=build)
