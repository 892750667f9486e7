"""The 2D half of the MMPose estimator: crops of people in, joints in pixels of the crop out, many crops at a time.

RTMPose (Jiang et al. 2023, arXiv:2303.07399) gives for each joint one distribution over columns and one over rows
(SimCC, Li et al. 2022, arXiv:2107.03332); their maxima are the joint, and the lower of the two is its score. MMPose
also looks at the mirrored crop and takes the mean, which doubles the time; that is not done here.

Shapes: B crops, J = 17 joints of COCO, C = 2 coordinates.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gymspotter.errors import InputError
from gymspotter.pose.mmpose_models import Loaded
from gymspotter.skeleton import COCO17, Floats

# MMPose spells COCO's joints out.
_SIDES = {"l": "left", "r": "right"}
_COCO = [_SIDES[j[0]] + j[1:] if j[1] == "_" else j for j in COCO17.joints]


class RTMPose(nn.Module):
    """A top-down model with a SimCC head, as a function of bytes."""

    mean: Tensor
    std: Tensor

    def __init__(self, loaded: Loaded, batch: int, half: bool) -> None:
        """Take over a loaded model, to run ``batch`` crops at a time, in ``half`` precision or not.

        Raises:
            InputError: its joints do not begin with COCO's 17, or its head is of another kind.
        """
        super().__init__()
        from mmcv.cnn.utils import fuse_conv_bn

        model, self._batch, self._half = loaded.model, batch, half
        _check(loaded)
        codec = model.head.decoder
        self.width, self.height = (int(side) for side in codec.input_size)
        self._bins = float(codec.simcc_split_ratio)
        self._swap = not model.data_preprocessor._channel_conversion  # frames are RGB, and few models want BGR
        self.register_buffer("mean", model.data_preprocessor.mean.clone())
        self.register_buffer("std", model.data_preprocessor.std.clone())
        # Batch norms are folded into the convolutions before them, and pixels lie as the fastest kernels want them.
        self.backbone = fuse_conv_bn(model.backbone).to(memory_format=torch.channels_last)
        self.neck = model.neck if model.with_neck else nn.Identity()
        self.head = model.head
        self.eval()

    @torch.inference_mode()
    def find(self, crops: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """The joints [B, J, 2] in pixels of the crops [B, height, width, 3] (RGB), and their scores [B, J] in 0..1."""
        parts = [self._find(torch.from_numpy(crops[k : k + self._batch])) for k in range(0, len(crops), self._batch)]
        if not parts:
            return np.zeros((0, len(_COCO), 2), np.float32), np.zeros((0, len(_COCO)), np.float32)
        # On a GPU all passes are under way before the first is waited for.
        xy, scores = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        return xy, scores

    def _find(self, crops_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        device = self.mean.device
        pixels = crops_BHWC.to(device).permute(0, 3, 1, 2)  # which is channels_last in memory
        pixels = ((pixels.flip(1) if self._swap else pixels) - self.mean) / self.std
        kind = torch.float16 if device.type == "cuda" else torch.bfloat16
        with torch.autocast(device.type, kind, enabled=self._half):
            columns, rows = self.head(self.neck(self.backbone(pixels)))
        return decode(columns.float()[:, : len(_COCO)], rows.float()[:, : len(_COCO)], self._bins)


def decode(columns: Tensor, rows: Tensor, bins: float) -> tuple[Tensor, Tensor]:
    """Joints [B, J, 2] in pixels and scores [B, J] in 0..1 from SimCC's distributions [B, J, ``bins`` a pixel]."""
    across, column = columns.max(dim=-1)
    down, row = rows.max(dim=-1)
    return torch.stack([column, row], dim=-1) / bins, torch.minimum(across, down).clamp(0, 1)


def _check(loaded: Loaded) -> None:
    from mmpose.apis.inference import dataset_meta_from_config

    codec: Any = getattr(getattr(loaded.model, "head", None), "decoder", None)
    if type(codec).__name__ != "SimCCLabel" or codec.use_dark:
        raise InputError("mmpose.pose2d is no RTMPose (a SimCC head without DARK): name one of its configs.")
    meta = dataset_meta_from_config(loaded.config, "val") or {}
    names = [name for _, name in sorted(meta.get("keypoint_id2name", {}).items())]
    if names[: len(_COCO)] != _COCO:
        raise InputError(
            f"mmpose.pose2d has the joints of {meta.get('dataset_name', 'an unknown data set')}: name a config whose "
            "first 17 joints are COCO's."
        )
