"""Who is followed when several people are in the picture: by rules on painted frames, and by BlazePose on films."""

from dataclasses import replace

import numpy as np
import pytest

from gymspotter.pose import Frame, Poses, estimate
from gymspotter.pose.athlete import RESTART, Box, Candidate, Follower
from gymspotter.pose.blazepose import BlazePose
from gymspotter.pose.gaps import bridge
from gymspotter.skeleton import BLAZEPOSE33, Floats, to_canonical
from gymspotter.synth.body import sample_build
from gymspotter.synth.camera import Camera, sample_camera
from gymspotter.synth.look import Look, sample_look
from gymspotter.synth.passerby import walk
from gymspotter.synth.perform import perform
from gymspotter.synth.render import render
from gymspotter.synth.scene import Performance

WIDTH, HEIGHT = 640, 480
SECONDS, FPS = 6.0, 5.0
FRAMES = round(SECONDS * FPS)
RED, BLUE = (200, 30, 30), (30, 30, 200)
ATHLETE, PASSER = (280, 100, 380, 400), (480, 100, 580, 400)


def painted(*people: tuple[Box, tuple[int, int, int]]) -> tuple[list[Candidate], Frame]:
    """A grey picture with a box of one colour a person, the later in front of the earlier."""
    frame = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for (left, top, right, bottom), colour in people:
        frame[int(top) : int(bottom), max(int(left), 0) : int(right)] = colour
    return [Candidate(box=box, score=0.9) for box, _ in people], frame


def moved(box: Box, dx: float) -> Box:
    return box[0] + dx, box[1], box[2] + dx, box[3]


def following(*people: tuple[Box, tuple[int, int, int]]) -> Follower:
    """A follower that has seen the first of ``people`` as the athlete."""
    follower = Follower()
    candidates, frame = painted(*people)
    assert follower.pick(candidates, frame) is candidates[0]
    return follower


@pytest.mark.parametrize(
    ("athlete", "other"),
    [
        ((270, 90, 370, 390), (20, 90, 120, 390)),  # as large, but at the side
        ((200, 40, 340, 440), (320, 150, 390, 350)),  # larger, and nearly as central
        ((270, 90, 370, 390), (480, 20, 620, 440)),  # smaller, but in the middle
    ],
)
def test_the_first_athlete_is_large_and_central(athlete: Box, other: Box) -> None:
    following((athlete, RED), (other, RED))
    candidates, frame = painted((other, RED), (athlete, RED))
    assert Follower().pick(candidates, frame) is candidates[1]


def test_of_two_in_like_clothes_it_is_the_one_who_is_where_the_athlete_was() -> None:
    follower = following((ATHLETE, RED), (PASSER, RED))
    candidates, frame = painted((moved(PASSER, -60), RED), (moved(ATHLETE, 15), RED))
    assert follower.pick(candidates, frame) is candidates[1]


def test_of_two_in_the_same_place_it_is_the_one_who_wears_what_the_athlete_wore() -> None:
    follower = following((ATHLETE, RED))
    candidates, frame = painted((moved(ATHLETE, 20), BLUE), (moved(ATHLETE, -60), RED))
    assert follower.pick(candidates, frame) is candidates[1]


def test_a_passer_by_who_hides_the_athlete_is_nobody() -> None:
    follower = following((ATHLETE, RED))
    for dx in (-40, 20, 80):
        assert follower.pick(*painted((moved(ATHLETE, dx), BLUE))) is None
    candidates, frame = painted((moved(ATHLETE, 140), BLUE), (ATHLETE, RED))
    assert follower.pick(candidates, frame) is candidates[1]


def test_who_does_not_move_may_be_in_another_light() -> None:
    follower = following((ATHLETE, RED))
    candidates, frame = painted((moved(ATHLETE, 3), (255, 160, 120)))
    assert follower.pick(candidates, frame) is candidates[0]


def test_after_a_moment_the_athlete_is_known_by_the_clothes_anywhere_in_the_picture() -> None:
    follower = following((ATHLETE, RED))
    candidates, frame = painted(((20, 20, 120, 320), RED))
    picks = [follower.pick(candidates, frame) for _ in range(5)]
    assert picks[0] is None
    assert picks[-1] is candidates[0]


def test_somebody_known_as_another_is_not_the_athlete_even_in_the_same_clothes() -> None:
    mirror = ((20, 120, 100, 340), RED)
    follower = following((ATHLETE, RED), mirror)
    assert follower.pick(*painted((ATHLETE, RED), mirror)) is not None
    assert [follower.pick(*painted(mirror)) for _ in range(RESTART)] == [None] * RESTART


def test_two_seconds_after_the_athlete_left_another_may_be_one() -> None:
    follower = following((ATHLETE, RED))
    candidates, frame = painted((PASSER, BLUE))
    picks = [follower.pick(candidates, frame) for _ in range(RESTART + 2)]
    assert picks == [None] * RESTART + candidates * 2


def test_nobody_in_the_picture_is_nobody() -> None:
    follower = Follower()
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert follower.pick([], frame) is None
    assert follower.pick([Candidate(box=(-50, -50, -10, -10), score=0.9)], frame) is not None


class Gym:
    """An athlete and a camera; others are placed by metres to the camera's right and away from it."""

    def __init__(self, exercise: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.athlete = perform(exercise, self.rng, seconds=SECONDS, fps=FPS)
        self.camera: Camera = sample_camera(self.athlete, self.rng)
        self.look: Look = sample_look(self.rng)
        self.others: list[tuple[Performance, Look]] = []
        self.middle = self.athlete.joints[:, 0].mean(axis=0)[[0, 2]]
        right, _, away = self.camera.rotation[:, [0, 2]]
        self.right, self.away = right, away / np.linalg.norm(away)

    def at(self, right: float, away: float) -> tuple[float, float]:
        x, z = self.middle + right * self.right + away * self.away
        return float(x), float(z)

    def walker(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Somebody in other clothes walks from one place (right, away) to another."""
        build, look = sample_build(self.rng), sample_look(self.rng)
        self.others.append((walk(build, self.at(*start), self.at(*end), seconds=SECONDS, fps=FPS), look))

    def film(self) -> list[Frame]:
        return list(render(self.athlete, self.camera, self.look, WIDTH, HEIGHT, self.others))

    def on(self, poses: Poses) -> Floats:
        """[P, T] how far the skeleton is from the athlete's and from each other's, in pictures' heights."""
        found, _ = to_canonical(poses.image_xy, poses.scores, BLAZEPOSE33)
        people = [self.athlete, *(other for other, _ in self.others)]
        truth = [self.camera.project(p.joints[:, :17], WIDTH, HEIGHT)[0] for p in people]
        return np.stack([np.linalg.norm(found * (WIDTH, HEIGHT) - t, axis=-1).mean(axis=1) for t in truth]) / HEIGHT


@pytest.fixture(scope="module")
def estimator() -> BlazePose:
    return BlazePose.load()


@pytest.mark.parametrize(
    ("exercise", "seed"),
    [("barbell biceps curl", 100), ("lateral raise", 309), ("barbell biceps curl", 300), ("russian twist", 316)],
)
def test_the_skeleton_stays_on_the_athlete_while_two_people_cross(
    estimator: BlazePose, exercise: str, seed: int
) -> None:
    """One walks through the picture in front of the athlete, who is hidden for a moment, the other behind."""
    gym = Gym(exercise, seed)
    gym.walker((-3.6, -0.9), (3.6, -0.9))
    gym.walker((3.6, 0.9), (-3.6, 0.9))
    poses = estimate(estimator, gym.film())
    off = gym.on(poses)
    seen = poses.seen
    assert seen.mean() > 0.8
    assert (off[0, seen] < off[1:, seen].min(axis=0)).all()
    assert (off[0, seen] < 0.1).all()
    # The crossing is bridged, and the bridge lies over the athlete.
    bridged = bridge(poses, FPS)
    assert bridged.seen.all()
    assert (gym.on(bridged)[0] < 0.12).all()
    assert (bridged.scores[~seen] == 0).all()


@pytest.mark.parametrize(("exercise", "seed"), [("squat", 9), ("hammer curl", 10)])
def test_somebody_larger_who_comes_later_is_not_taken_for_the_athlete(
    estimator: BlazePose, exercise: str, seed: int
) -> None:
    gym = Gym(exercise, seed)
    gym.walker((3.0, -0.35 * gym.camera.distance), (0.6, -0.35 * gym.camera.distance))
    poses = estimate(estimator, gym.film())
    off = gym.on(poses)
    assert poses.seen.all()
    assert (off[0] < off[1]).all()


@pytest.mark.parametrize(("exercise", "seed"), [("squat", 13), ("t bar row", 12)])
def test_a_mirror_at_the_side_is_not_taken_for_the_athlete(estimator: BlazePose, exercise: str, seed: int) -> None:
    gym = Gym(exercise, seed)
    shift = np.subtract(gym.at(1.5, 2.0), gym.at(0, 0))
    image = gym.athlete.joints + np.array((shift[0], 0, shift[1]), np.float32)
    gym.others.append((replace(gym.athlete, joints=image, props=()), gym.look))
    poses = estimate(estimator, gym.film())
    off = gym.on(poses)
    assert poses.seen.all()
    assert (off[0] < off[1]).all()


def test_two_seconds_after_the_athlete_has_gone_who_is_left_is_followed(estimator: BlazePose) -> None:
    gym = Gym("squat", 9)
    gym.walker((1.0, 0.4), (1.0, 0.4))
    gone = 8
    joints = gym.athlete.joints.copy()
    joints[gone:, :, 1] += 100
    gym.athlete = replace(gym.athlete, joints=joints, props=())
    poses = estimate(estimator, gym.film())
    off = gym.on(poses)
    assert (off[0, :gone] < 0.1).all()
    assert not poses.seen[gone : gone + RESTART].any()
    assert poses.seen[gone + RESTART :].all()
    assert (off[1, gone + RESTART :] < 0.1).all()
