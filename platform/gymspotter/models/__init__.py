"""The fusion models: a plain dict from name to class and configuration, and the classifier that is made of one.

A fusion model takes ``(config, *, joints, frames, classes)`` and maps normalised poses to logits; `Spotter`, which
knows of bones, takes a ``layout`` as well.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from gymspotter.errors import InputError
from gymspotter.models.cnn1d import CNN1D, CNN1DConfig
from gymspotter.models.mlp import MLP, MLPConfig
from gymspotter.models.recurrent import LSTM, RNN, BiLSTM, RecurrentConfig
from gymspotter.models.spotter import Spotter, SpotterConfig
from gymspotter.models.transformer import Transformer, TransformerConfig
from gymspotter.skeleton import CANONICAL, Layout
from gymspotter.transform import Normalise

MODELS: dict[str, tuple[type[nn.Module], type]] = {
    "mlp": (MLP, MLPConfig),
    "cnn1d": (CNN1D, CNN1DConfig),
    "rnn": (RNN, RecurrentConfig),
    "lstm": (LSTM, RecurrentConfig),
    "bilstm": (BiLSTM, RecurrentConfig),
    "transformer": (Transformer, TransformerConfig),
    "spotter": (Spotter, SpotterConfig),
}


class Resample(nn.Module):
    """Poses (B, T, J, C) at so many moments, evenly spread from the first frame to the last: linear in between."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [B, frames, J, C]."""
        if poses.shape[1] == self.frames:
            return poses
        moments = F.interpolate(poses.flatten(2).transpose(1, 2), self.frames, mode="linear", align_corners=True)
        return moments.transpose(1, 2).unflatten(2, poses.shape[2:])


class Classifier(nn.Module):
    """What is exported and served: raw poses in, calibrated logits out; see `Normalise` for what NaN becomes.

    With ``frames`` the normalised poses are resampled to so many before the fusion model is shown them.
    With ``others`` the fusion's last output stands for "none of these", and the logits are differences to it. The
    ``temperature`` says how sure the probabilities are; ``level`` is added to every logit, which moves `unknown`
    (see `gymspotter.unknown`) and no probability. `calibration.calibrate` finds both.
    """

    temperature: Tensor
    level: Tensor

    def __init__(
        self,
        fusion: nn.Module,
        temperature: float = 1.0,
        layout: Layout = CANONICAL,
        *,
        align_facing: bool = True,
        others: bool = False,
        level: float = 0.0,
        frames: int = 0,
    ) -> None:
        super().__init__()
        self.normalise: nn.Module = Normalise(layout, align_facing=align_facing)
        if frames:
            self.normalise = nn.Sequential(self.normalise, Resample(frames))
        self.fusion, self.others = fusion, others
        self.register_buffer("temperature", Tensor([temperature]))
        self.register_buffer("level", Tensor([level]))

    def forward(self, poses: Tensor) -> Tensor:
        """Logits [B, K] of poses [B, T, J, 3] in metres, NaN allowed."""
        logits = self.fusion(self.normalise(poses))
        if self.others:
            logits = logits[:, :-1] - logits[:, -1:]
        return logits / self.temperature + self.level


def build(
    name: str, config: Any = None, *, classes: int, frames: int, layout: Layout = CANONICAL,
    align_facing: bool = True, others: bool = False, resample: bool = False,
) -> Classifier:  # fmt: skip
    """A classifier with fresh weights, of any layout; ``config`` is that of the fusion model, by default its own.

    With ``others`` the fusion has an output more than there are ``classes``, for "none of these". With ``resample``
    the classifier takes segments of any length and shows the fusion ``frames`` of each.

    Raises:
        InputError: there is no such model.
    """
    if name not in MODELS:
        raise InputError(f"model {name!r} is not known: use one of {', '.join(MODELS)}.")
    model_class, config_class = MODELS[name]
    more = {"layout": layout} if model_class is Spotter else {}
    outputs = classes + others
    fusion = model_class(config or config_class(), joints=len(layout.joints), frames=frames, classes=outputs, **more)
    shown = frames if resample else 0
    return Classifier(fusion, layout=layout, align_facing=align_facing, others=others, frames=shown)
