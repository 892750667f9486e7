"""Record what MediaPipe Pose itself says of the two figures beside this file, as golden values for test_blazepose.py.

It needs an environment of its own, since MediaPipe 0.10.21 wants numpy 1 and protobuf 4:

    python3.11 -m venv /tmp/mp && /tmp/mp/bin/pip install mediapipe==0.10.21
    /tmp/mp/bin/python tests/data/record_blazepose_golden.py

"static" detects the person; "tracked" is the second of two equal frames, whose square comes from the first's landmarks.
"""

import json
from pathlib import Path

import cv2
import mediapipe
import numpy as np

HERE = Path(__file__).parent


def record(picture: Path, static: bool) -> dict[str, list[list[float]]]:
    """World landmarks in metres and picture positions as a share of width and height, 33 of each."""
    frame = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    with mediapipe.solutions.pose.Pose(static_image_mode=static, smooth_landmarks=False) as pose:
        for _ in range(1 if static else 2):
            found = pose.process(frame)
    world = np.array([[p.x, p.y, p.z] for p in found.pose_world_landmarks.landmark])
    image = np.array([[p.x, p.y] for p in found.pose_landmarks.landmark])
    return {"world": world.round(4).tolist(), "image": image.round(4).tolist()}


if __name__ == "__main__":
    golden = {
        picture.stem: {"static": record(picture, True), "tracked": record(picture, False)}
        for picture in sorted(HERE.glob("figure_*.png"))
    }
    text = json.dumps({"mediapipe": mediapipe.__version__, "pictures": golden}, indent=None, separators=(",", ":"))
    (HERE / "blazepose_golden.json").write_text(text + "\n")
