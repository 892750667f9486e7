"""MMPose on real models: built from the configs it ships, with random weights that are saved, checked and loaded."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gymspotter.errors import InputError
from gymspotter.pose import Frame, MMPoseOptions, check_estimator, estimate, load_estimator
from gymspotter.pose.blazepose import BlazePose
from gymspotter.pose.lifter import LIFTER_CHANGES, TRUNK_M, Lifter, _starts, as_trained, from_coco
from gymspotter.pose.mmpose import MMPose, Watched, boxes_until, crop, crop_window
from gymspotter.pose.mmpose_imports import COMMANDS, import_mmpose
from gymspotter.pose.mmpose_models import Loaded, Source, build, load_model, read_config
from gymspotter.pose.rtmpose import RTMPose, decode
from gymspotter.skeleton import H36M17
from gymspotter.video import frames_at, grid_times
from tests.mmpose_weights import MOTIONBERT, NET, VIDEOPOSE, random_weights, small_options

import_mmpose()
from mmengine.structures import InstanceData  # noqa: E402
from mmpose.apis import inference_pose_lifter_model, inference_topdown  # noqa: E402
from mmpose.apis.inference import dataset_meta_from_config  # noqa: E402
from mmpose.apis.inference_3d import convert_keypoint_definition, extract_pose_sequence  # noqa: E402
from mmpose.structures import PoseDataSample  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads wait for each other where other tests run beside these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return random_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def options(weights: dict[str, Path]) -> MMPoseOptions:
    return small_options(weights)


@pytest.fixture(scope="module")
def estimator(options: MMPoseOptions) -> MMPose:
    return MMPose.load(options)


@pytest.fixture(scope="module")
def frames(squat_video: Path) -> list[Frame]:
    return list(frames_at(squat_video, grid_times(0, 3, 5)))


def _loaded(config: str, weights: dict[str, Path], changes: dict[str, object] | None = None) -> Loaded:
    """A model as the estimator has it, with what MMPose's own functions look for in it."""
    source = Source(config=config, weights=str(weights[config]), sha256=None, option="mmpose.config")
    loaded = load_model(source, CPU, changes)
    loaded.model.cfg, loaded.model.dataset_meta = loaded.config, dataset_meta_from_config(loaded.config, "val")
    if loaded.model.test_cfg:
        loaded.model.test_cfg["flip_test"] = False
    return loaded


# ---- the 2D net


def test_many_crops_in_one_pass_are_as_one_by_one(estimator: MMPose, frames: list[Frame]) -> None:
    watched = estimator.watch(frames)
    crops = np.concatenate([watched.crops, watched.crops[::-1, :, ::-1]])
    xy, scores = estimator._net.find(crops)
    singly = [estimator._net.find(one[None]) for one in crops]
    assert xy.shape == (len(crops), 17, 2)
    np.testing.assert_allclose(xy, np.concatenate([xy for xy, _ in singly]), atol=1e-4)
    np.testing.assert_allclose(scores, np.concatenate([scores for _, scores in singly]), atol=1e-4)
    # The weights are random, but the answers are not all the same.
    assert (np.ptp(xy[:, :, 0], axis=0) > 5).sum() > 8
    assert 0.2 < scores.min() < scores.max() < 1


def test_half_precision_on_a_cpu_changes_little(options: MMPoseOptions, estimator: MMPose, frames: list[Frame]) -> None:
    crops = estimator.watch(frames).crops
    xy, scores = estimator._net.find(crops)
    half_xy, half_scores = MMPose.load(replace(options, precision="half"))._net.find(crops)
    assert 0 < np.abs(half_scores - scores).max() < 0.05
    assert (np.abs(half_xy - xy).max(axis=-1) <= 1).mean() > 0.8  # random weights have many peaks of the same height


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_says_what_the_cpu_says(options: MMPoseOptions, estimator: MMPose, frames: list[Frame]) -> None:
    watched = [estimator.watch(frames)]
    on_gpu = MMPose.load(replace(options, device="cuda", precision="full")).poses(watched)[0]
    np.testing.assert_allclose(on_gpu.joints, estimator.poses(watched)[0].joints, atol=0.01)
    half = MMPose.load(replace(options, device="cuda")).poses(watched)[0]
    np.testing.assert_allclose(half.scores, on_gpu.scores, atol=0.05)


def test_joints_and_scores_are_those_of_mmpose_in_the_same_box(
    estimator: MMPose, weights: dict[str, Path], frames: list[Frame]
) -> None:
    model = _loaded(NET, weights).model
    box = (200.0, 60.0, 430.5, 440.25)
    left, top, right, bottom = window = crop_window(box, 192 / 256)
    # MMPose adds a quarter to the box it is given.
    x, y, dx, dy = (left + right) / 2, (top + bottom) / 2, (right - left) / 2.5, (bottom - top) / 2.5
    for frame in frames[::5]:
        bgr = np.ascontiguousarray(frame[..., ::-1])
        theirs = inference_topdown(model, bgr, np.array([[x - dx, y - dy, x + dx, y + dy]]))[0].pred_instances
        ours, scores = estimator._net.find(crop(frame, window, 192, 256)[None])
        pixels = np.array([left, top]) + ours[0] / [192, 256] * [right - left, bottom - top]
        np.testing.assert_allclose(pixels, theirs.keypoints[0], atol=0.01)
        np.testing.assert_allclose(scores[0], theirs.keypoint_scores[0].clip(0, 1), atol=1e-3)


def test_decoding_is_that_of_the_codec(weights: dict[str, Path]) -> None:
    codec = _loaded(NET, weights).model.head.decoder
    columns, rows = torch.rand(5, 17, 384), torch.rand(5, 17, 512)
    xy, scores = decode(columns, rows, codec.simcc_split_ratio)
    expected_xy, expected_scores = codec.decode(columns.numpy(), rows.numpy())
    np.testing.assert_array_equal(xy.numpy(), expected_xy)
    np.testing.assert_array_equal(scores.numpy(), expected_scores)


# ---- from the picture to 3D


def test_human36m_joints_are_those_that_mmpose_makes_of_coco() -> None:
    xy, scores = np.random.default_rng(1).random((2, 6, 17, 2), np.float32)
    expected = convert_keypoint_definition(xy, "coco", "h36m")
    ours, lowest = from_coco(xy, scores[..., 0])
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    hips = scores[..., 0][:, [11, 12]]
    np.testing.assert_array_equal(lowest[:, H36M17.index("hip")], hips.min(axis=1))


def test_people_are_brought_to_the_size_and_place_that_mmpose_brings_them_to(weights: dict[str, Path]) -> None:
    stats = _loaded(VIDEOPOSE, weights).model.dataset_meta["stats_info"]
    xy = np.random.default_rng(2).uniform(100, 300, (3, 17, 2)).astype(np.float32)
    boxes = np.array([[50, 20, 150, 340]] * 3, np.float32) + np.arange(3, dtype=np.float32)[:, None] * 7
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    pixels = (xy - middle) / 320 * stats["bbox_scale"] + stats["bbox_center"]
    np.testing.assert_allclose(as_trained(xy, boxes), (pixels - 500) / 500, atol=1e-5)


def _theirs(model: torch.nn.Module, pixels: np.ndarray, frame: int, window: int) -> np.ndarray:
    """What MMPose's own function makes of one frame of a sequence, in pictures of 1000 x 1000."""
    samples = []
    for joints in pixels:
        sample = PoseDataSample()
        sample.pred_instances = InstanceData(keypoints=joints[None], bboxes=np.zeros((1, 4)))
        sample.gt_instances, sample.track_id = InstanceData(), 0
        samples.append([sample])
    sequence = extract_pose_sequence(samples, frame, causal=False, seq_len=window)
    result = inference_pose_lifter_model(model, sequence, image_size=(1000, 1000))[0]
    joints = np.squeeze(result.pred_instances.keypoints).reshape(17, 3)
    return joints - joints[:1]


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    """[T, J, 2] joints that move smoothly, as the lifters know them."""
    rng, t = np.random.default_rng(3), np.linspace(0, 3, 12)[:, None, None]
    return (0.3 * np.sin(t + rng.uniform(0, 6, (1, 17, 2)))).astype(np.float32)


def test_videopose_lifts_a_span_at_once_as_mmpose_frame_by_frame(weights: dict[str, Path], walk: np.ndarray) -> None:
    ours = Lifter(_loaded(VIDEOPOSE, weights, LIFTER_CHANGES)).lift(walk)
    model = _loaded(VIDEOPOSE, weights).model
    theirs = [_theirs(model, (walk + 1) * 500, frame, window=27) for frame in range(len(walk))]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(ours).max() > 1e-3


def test_motionbert_lifts_as_mmpose_does_up_to_scale(weights: dict[str, Path], walk: np.ndarray) -> None:
    loaded = _loaded(MOTIONBERT, weights)
    lifter, thorax = Lifter(loaded), H36M17.index("thorax")
    # MMPose's function takes one frame only; of more, its codec and its nets can be asked.
    one = _theirs(loaded.model, (walk[:1] + 1) * 500, 0, window=1)
    np.testing.assert_allclose(lifter.lift(walk[:1])[0], one * TRUNK_M / np.linalg.norm(one[thorax]), atol=1e-5)

    codec = loaded.model.head.decoder
    target = np.zeros((len(walk), 17, 3), np.float32)
    encoded = codec.encode((walk + 1) * 500, lifting_target=target, camera_param={"w": 1000, "h": 1000})
    with torch.no_grad():
        out = loaded.model.head(loaded.model.backbone(torch.from_numpy(encoded["keypoint_labels"]).float()[None]))
    side, factor = np.full((1, 1), 1000.0), np.full((1, 1), 4.0)
    metres = codec.decode(out.numpy(), w=side, h=side, factor=factor)[0][0]
    joints = lifter.lift(walk)
    trunk = np.linalg.norm(joints[:, thorax], axis=-1)
    assert np.sort(trunk)[5] == pytest.approx(TRUNK_M)  # torch's median of 12 is the 6th
    np.testing.assert_allclose(
        joints, metres * (TRUNK_M / np.sort(np.linalg.norm(metres[:, thorax], axis=-1))[5]), atol=1e-4
    )


@pytest.mark.parametrize(("frames", "window"), [(1, 243), (243, 243), (244, 243), (300, 243), (1500, 243), (20, 9)])
def test_windows_cover_a_span_and_overlap(frames: int, window: int) -> None:
    starts = _starts(frames, window)
    ends = [min(start + window, frames) for start in starts]
    assert starts[0] == 0
    assert ends[-1] == frames
    assert all(end - start >= min(60, window // 2) for start, end in zip(starts[1:], ends, strict=False))


def test_motionbert_takes_spans_longer_than_its_window(walk: np.ndarray) -> None:
    config = read_config(MOTIONBERT, "mmpose.lifter")
    config.model.backbone.update(depth=1, feat_size=32, seq_len=9)  # the real one, small
    config.model.head.update(in_channels=32, embedding_size=32)
    torch.manual_seed(0)
    lifter = Lifter(Loaded(model=build(config), config=config, version="small"))
    long = np.concatenate([walk, walk[::-1]])
    joints = lifter.lift(long)
    assert joints.shape == (24, 17, 3)
    # The first frames lie in the first window only, and the last ones in the last.
    for part, alone in ((joints[:3], lifter.lift(long[:9])[:3]), (joints[-3:], lifter.lift(long[-9:])[-3:])):
        ratio = np.linalg.norm(part) / np.linalg.norm(alone)
        np.testing.assert_allclose(part, alone * ratio, atol=1e-5)


# ---- the estimator


def test_spans_watched_one_by_one_are_estimated_together(estimator: MMPose, frames: list[Frame]) -> None:
    nobody = [np.zeros((48, 64, 3), np.uint8)] * 3
    watched = [estimator.watch(iter(span)) for span in (frames[:7], nobody, frames[7:], [])]
    together = estimator.poses(watched)
    for span, poses in zip(watched, together, strict=True):
        alone = estimator.poses([span])[0]
        for what in ("joints", "scores", "image_xy"):
            np.testing.assert_allclose(getattr(poses, what), getattr(alone, what), atol=1e-4)
    first, empty, _, none = together
    assert first.layout == "h36m17"
    assert [poses.joints.shape for poses in together] == [(7, 17, 3), (3, 17, 3), (8, 17, 3), (0, 17, 3)]
    assert first.seen.all()
    assert np.abs(first.joints[:, 0]).max() == 0
    assert ((first.scores >= 0) & (first.scores <= 1)).all()
    assert not empty.seen.any()
    assert not empty.scores.any()
    assert none.seen.shape == (0,)
    assert estimator.poses([]) == []


def test_joints_are_where_the_net_says_in_the_picture(estimator: MMPose, frames: list[Frame]) -> None:
    watched = estimator.watch(frames[:1])
    poses = estimator.poses([watched])[0]
    xy, _ = estimator._net.find(watched.crops)
    left, top, right, bottom = watched.cropped[0]
    wrist = np.array([left, top]) + xy[0, 10] / [192, 256] * [right - left, bottom - top]
    height, width = frames[0].shape[:2]
    np.testing.assert_allclose(poses.image_xy[0, H36M17.index("r_wrist")], wrist / [width, height], atol=1e-5)


def test_the_athlete_is_in_the_crop(estimator: MMPose, frames: list[Frame], squat_video: Path) -> None:
    body = estimate(BlazePose.load(), frames)
    watched = estimator.watch(frames)
    assert watched.numbers.tolist() == list(range(len(frames)))
    pixels = body.image_xy * watched.sizes[:, None]
    inside = (pixels >= watched.cropped[:, None, :2]) & (pixels <= watched.cropped[:, None, 2:])
    assert inside.all(axis=-1).mean() > 0.99


def test_only_every_few_frames_are_searched_and_no_more_are_held(estimator: MMPose, frames: list[Frame]) -> None:
    searched, shown = [], 0

    class Counting(type(estimator._detector)):  # type: ignore[misc]
        def people(self, frame: Frame) -> list[object]:
            searched.append(shown - 1)
            return super().people(frame)

    def counted() -> object:
        nonlocal shown
        for frame in frames[:9]:
            shown += 1
            yield frame

    detector = estimator._detector
    counting = MMPose(
        Counting(detector._detector, detector._landmarker), estimator._net, estimator._lifter, "v", detect_every=5
    )
    assert len(counting.watch(counted()).numbers) == 9
    assert searched == [0, 5, 8]


def test_boxes_move_between_two_sights_and_stay_between_a_sight_and_a_miss() -> None:
    a, b = (0.0, 0.0, 10.0, 20.0), (3.0, 6.0, 13.0, 26.0)
    assert boxes_until(3, a, b) == [pytest.approx(box) for box in ((1, 2, 11, 22), (2, 4, 12, 24), b)]
    assert boxes_until(3, a, None) == [a, a, None]
    assert boxes_until(3, None, b) == [b, b, b]
    assert boxes_until(2, None, None) == [None, None]
    assert boxes_until(1, None, a) == [a]


def test_a_lost_moment_is_bridged_for_the_lifter_and_not_seen_in_the_poses(
    estimator: MMPose, frames: list[Frame]
) -> None:
    whole = estimator.watch(frames[:9])
    kept = np.array([0, 1, 2, 5, 6, 7, 8])
    fields = {name: getattr(whole, name)[kept] for name in ("numbers", "crops", "boxes", "cropped", "sizes")}
    poses = estimator.poses([Watched(frames=9, **fields)])[0]
    assert np.flatnonzero(poses.seen).tolist() == kept.tolist()
    assert np.isfinite(poses.joints[kept]).all()
    assert np.isnan(poses.image_xy[3]).all()


def test_an_unsure_frame_counts_as_not_seen(
    weights: dict[str, Path], options: MMPoseOptions, frames: list[Frame], tmp_path: Path
) -> None:
    state = torch.load(weights[NET], weights_only=True)
    state["state_dict"]["head.cls_x.weight"] *= 1e-3
    torch.save(state, tmp_path / "unsure.pth")
    poses = estimate(MMPose.load(replace(options, pose2d_weights=str(tmp_path / "unsure.pth"))), frames[:3])
    assert not poses.seen.any()
    assert not poses.scores.any()


def test_a_frame_of_another_kind_is_named(estimator: MMPose) -> None:
    with pytest.raises(InputError, match="give RGB pixels"):
        estimator.watch([np.zeros((48, 64), np.uint8)])


def test_the_version_names_configs_and_weights(estimator: MMPose, weights: dict[str, Path]) -> None:
    short = {name: hashlib.sha256(path.read_bytes()).hexdigest()[:8] for name, path in weights.items()}
    assert estimator.version == f"{NET}@{short[NET]}+{VIDEOPOSE}@{short[VIDEOPOSE]}"


# ---- what goes wrong


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pose2d": "rtmpose-xxl"}, r"mmpose\.pose2d is 'rtmpose-xxl', a config that MMPose does not ship"),
        ({"pose2d": "no.py"}, r"mmpose\.pose2d 'no\.py' cannot be read"),
        ({"pose2d": "/no/rtmpose"}, r"mmpose\.pose2d '/no/rtmpose' cannot be read"),
        ({"pose2d": "rtmpose-s_8xb256-420e_body8-256x192"}, r"mmpose\.pose2d-weights do not fit"),
        ({"pose2d_weights": "no.pth"}, r"mmpose\.pose2d-weights is 'no\.pth'"),
        ({"pose2d_sha256": "0" * 64}, r"mmpose\.pose2d-weights .*has SHA-256 .* but 0{64} is expected"),
        ({"lifter_sha256": "0" * 64}, r"mmpose\.lifter-weights .* is expected"),
        ({"device": "cuda:99"}, r"mmpose\.device is 'cuda:99'"),
        ({"device": "gpu"}, r"mmpose\.device is 'gpu'"),
    ],
)
def test_a_wrong_option_is_named(options: MMPoseOptions, change: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        MMPose.load(replace(options, **change))
    assert "\n" not in str(caught.value)


def test_configs_of_another_kind_are_refused() -> None:
    for config, said in [
        ("rtmpose-m_8xb64-210e_crowdpose-256x192", "joints of crowdpose"),
        ("td-hm_res50_8xb64-210e_coco-256x192", "no RTMPose"),
    ]:
        read = read_config(config, "mmpose.pose2d")
        with pytest.raises(InputError, match=said):
            RTMPose(Loaded(model=build(read), config=read, version=""), batch=1, half=False)
    read = read_config("image-pose-lift_tcn_8xb64-200e_h36m", "mmpose.lifter")
    with pytest.raises(InputError, match="MotionBERT or VideoPose3D"):
        Lifter(Loaded(model=build(read), config=read, version=""))


def test_options_are_checked_where_they_are_made() -> None:
    check_estimator("mmpose")
    with pytest.raises(InputError, match=r"mmpose\.detect-every is 0"):
        MMPoseOptions(detect_every=0)
    with pytest.raises(InputError, match=r"mmpose\.batch is 0"):
        MMPoseOptions(batch=0)


def test_without_a_network_the_published_weights_are_named(
    options: MMPoseOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GYMSPOTTER_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        InputError, match=r"openmmlab\.com/.*rtmpose-t_.*026a1439.*give mmpose\.pose2d-weights as a path"
    ):
        load_estimator("mmpose", replace(options, pose2d_weights=None))


@pytest.mark.parametrize("missing", ["mmpose", "mmcv", "mmengine", "addict"])
def test_where_it_is_not_installed_the_commands_are_said(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from gymspotter.pose import load_estimator\n"
        "from gymspotter.errors import InputError\n"
        "try: load_estimator('mmpose')\n"
        "except InputError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert missing in said
    assert all(command in said for command in COMMANDS)
    assert "gymspotter[mmpose]" in COMMANDS[0]


def test_stand_ins_are_gone_after_the_import() -> None:
    code = (
        "import sys; sys.modules['torchvision'] = sys.modules['mmdet'] = None\n"
        "from gymspotter.pose.mmpose_imports import import_mmpose, _StandIn\n"
        "import_mmpose()\n"
        "assert not [m for m in sys.modules.values() if isinstance(m, _StandIn)]\n"
        "from mmpose.visualization.simcc_vis import ToPILImage\n"
        "ToPILImage()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "NotImplementedError: torchvision.transforms.ToPILImage is not part of this installation" in done.stderr


def test_crops_beyond_the_picture_are_black() -> None:
    frame = np.full((40, 30, 3), 200, np.uint8)
    part = crop(frame, (-30.0, -40.0, 30.0, 40.0), 60, 80)
    assert part.shape == (80, 60, 3)
    assert not part[:39, :29].any()
    assert (part[41:79, 31:59] == 200).all()
    assert cv2.countNonZero(part[..., 0]) < 0.3 * 60 * 80
