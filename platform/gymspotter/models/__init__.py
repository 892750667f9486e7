"""The fusion models: a plain dict from name to class and configuration."""

from torch import Tensor, nn

from gymspotter.models.transformer import Transformer, TransformerConfig
from gymspotter.transform import Normalise

MODELS: dict[str, tuple[type[nn.Module], type]] = {"transformer": (Transformer, TransformerConfig)}


class Classifier(nn.Module):
    """What is exported and served: raw poses in, calibrated logits out; see `Normalise` for what NaN becomes."""

    def __init__(self, fusion: nn.Module, temperature: float = 1.0) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.fusion = fusion
        self.register_buffer("temperature", Tensor([temperature]))

    def forward(self, poses: Tensor) -> Tensor:
        """Logits [B, K] of poses [B, T, J, 3] in metres, NaN allowed."""
        return self.fusion(self.normalise(poses)) / self.temperature
