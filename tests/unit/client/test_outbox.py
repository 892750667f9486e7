import numpy as np
import pytest

from gymspotter.client.frames import Sent, message
from gymspotter.client.outbox import Outbox, Pace
from gymspotter.skeleton import H36M17
from gymspotter.stream.protocol import read_message
from tests.stream_stub import LIMITS

JOINTS = np.zeros((17, 3), np.float32)


def frame(t, **fields):
    return Sent(**({"t": float(t), "joints": JOINTS} | fields))


def filled(times, **options):
    box = Outbox(**options)
    for t in times:
        box.put(frame(t), now=0)
    return box


def times(frames):
    return [one.t for one in frames]


def test_frames_are_taken_in_order_and_no_more_than_fit():
    box = filled(range(10))
    assert times(box.take(4, 10**6)) == [0, 1, 2, 3]
    assert times(box.take(10, 3 * frame(0).size + 4)) == [4, 5, 6]
    assert times(box.take(10, 1)) == [7]
    assert len(box) == 2


def test_a_message_holds_frames_of_one_kind():
    box = Outbox()
    for one in (frame(0), frame(1, scores=np.ones(17, np.float32)), frame(2, scores=np.ones(17, np.float32))):
        box.put(one, 0)
    box.put(Sent(t=3, jpeg=b"j"), 0)
    box.put(Sent(t=4, jpeg=b"j"), 0)
    taken = []
    while frames := box.take(9, 10**6):
        taken.append(times(frames))
    assert taken == [[0], [1, 2], [3], [4]]


def test_only_what_is_not_saved_is_kept():
    box = filled(range(10))
    box.take(8, 10**6)
    box.saved(4)
    assert box.kept == 3
    assert box.resume(None) == 0
    assert times(box.take(99, 10**6)) == [5, 6, 7, 8, 9]


def test_after_a_loss_what_the_service_does_not_hold_is_sent_first_and_in_order():
    box = filled(range(6))
    box.take(5, 10**6)
    box.saved(1)
    box.resume(2)
    box.put(frame(6), 0)
    assert times(box.take(99, 10**6)) == [3, 4, 5, 6]
    # What the service held, but had not saved, may still be asked for when it is lost once more.
    box.resume(1)
    assert times(box.take(99, 10**6)) == [2, 3, 4, 5, 6]


def test_frames_older_than_is_kept_are_given_up_and_counted():
    box = filled(range(100), frames=200, keep_seconds=60)
    box.take(100, 10**6)
    assert box.kept == 61
    assert box.resume(10) == 28
    assert box.resume(None) == 0  # they were counted already


def test_what_was_given_up_but_is_saved_is_not_lost():
    box = filled(range(100), frames=200, keep_seconds=60)
    box.take(100, 10**6)
    box.saved(35)
    assert box.resume(35) == 3


def test_pictures_are_kept_up_to_so_many_bytes():
    box = Outbox(pictures=100)
    for t in range(40):
        box.put(Sent(t=t, jpeg=bytes(4 * 2**20)), 0)
        box.take(1, 1)
    assert 0 < box.kept <= 16


def test_skeletons_wait_for_others_and_pictures_do_not():
    box = Outbox(frames=10)
    assert box.due_in(0, 1, 5) is None
    box.put(frame(0), now=100)
    assert box.due_in(100.25, 1, 5) == pytest.approx(0.75)
    assert box.due_in(200, 1, 5) == 0
    box.put(frame(0.5), now=100.1)
    assert box.due_in(100.25, 1, 5) == pytest.approx(0.75)
    assert box.due_in(100.25, 1, 2) == 0
    assert box.due_in(100.25, 0.5, 5) == 0
    pictures = Outbox()
    pictures.put(Sent(t=0, jpeg=b""), now=100)
    assert pictures.due_in(100, 1, 5) == 0


def test_a_full_queue_is_due_whatever_its_frames_wait_for():
    box = filled([0, 0, 0], frames=3)
    assert box.full
    assert box.due_in(0, 60, 100) == 0


def test_frames_sent_again_do_not_fill_the_queue():
    box = filled(range(3), frames=3)
    box.take(3, 10**6)
    box.resume(None)
    assert not box.full
    assert box.due_in(0, 60, 100) == 0


def test_the_oldest_new_picture_is_dropped_and_none_that_is_sent_again():
    box = Outbox(pictures=2)
    box.put(Sent(t=0, jpeg=b""), 0)
    box.take(1, 1)
    box.resume(None)
    for t in range(1, 5):
        box.put(Sent(t=t, jpeg=b""), 0)
    assert box.dropped == 2
    taken = [box.take(1, 1)[0].t for _ in range(3)]
    assert taken == [0, 3, 4]


def test_messages_are_those_of_the_protocol():
    joints = np.arange(51, dtype=np.float32).reshape(17, 3)
    scores = np.linspace(0, 1, 17, dtype=np.float32)
    frames = read_message(message([frame(1, joints=joints, scores=scores)] * 2), H36M17, LIMITS)
    assert frames.times_N.tolist() == [1, 1]
    np.testing.assert_array_equal(frames.joints_NJC[1], joints)
    np.testing.assert_array_equal(frames.scores_NJ[1], scores)
    picture = read_message(message([Sent(t=2.5, jpeg=b"picture")]), None, LIMITS)
    assert (picture.t, picture.jpeg) == (2.5, b"picture")


def test_the_pace_allows_a_second_s_burst_and_then_its_rate():
    pace = Pace(10)
    assert pace.allowed(0) == 10
    pace.count(10)
    assert pace.allowed(0) == 0
    assert pace.wait() == pytest.approx(0.1)
    assert pace.allowed(0.35) == 3
    pace.count(3)
    assert pace.allowed(100) == 10
