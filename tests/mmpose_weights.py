"""MMPose's own models with seeded random weights, as checkpoint files: the published ones cannot be had everywhere."""

from pathlib import Path

import torch

from gymspotter.pose import MMPoseOptions

NET = "rtmpose-t_8xb256-420e_body8-256x192"
MOTIONBERT = "motionbert_dstformer-ft-243frm_8xb32-120e_h36m"
VIDEOPOSE = "video-pose-lift_tcn-27frm-supv_8xb128-160e_h36m"


def random_weights(folder: Path) -> dict[str, Path]:
    """Checkpoints by config."""
    from gymspotter.pose.mmpose_models import build, read_config

    paths = {}
    for config in (NET, MOTIONBERT, VIDEOPOSE):
        torch.manual_seed(5)
        model = build(read_config(config, "mmpose.config"))
        if config == NET:
            with torch.no_grad():  # batch norms as training leaves them: else all pictures give the same answer
                for module in model.modules():
                    module.momentum = 1.0
                model.backbone.train()
                model.backbone(torch.randn(16, 3, 256, 192))
                for last in (model.head.cls_x, model.head.cls_y):  # and scores within 0..1
                    last.weight *= 0.04
        paths[config] = folder / f"{config}.pth"
        torch.save({"meta": {}, "state_dict": model.state_dict()}, paths[config])
    return paths


def small_options(weights: dict[str, Path]) -> MMPoseOptions:
    """The smallest net and lifter, on the CPU."""
    return MMPoseOptions(
        pose2d=NET,
        pose2d_weights=str(weights[NET]),
        lifter=VIDEOPOSE,
        lifter_weights=str(weights[VIDEOPOSE]),
        batch=4,
        device="cpu",
    )
