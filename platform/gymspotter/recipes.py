"""How each model is trained: the six of the paper as the paper trains them, `spotter` by its own recipe.

Spotter's recipe was chosen on UTD-MHAD's training subjects alone, leaving one of them out at a time
(``python benchmarks/utd_mhad.py --select``; docs/utd_mhad.md has the table).
"""

from dataclasses import replace

from gymspotter.augment import AugmentConfig
from gymspotter.errors import InputError
from gymspotter.loop import FitConfig
from gymspotter.models import MODELS

# Le Viet et al. 2024, section 4: Adam with a learning rate of 0.001, 100 epochs. The batch size is not stated there.
PAPER = FitConfig(optimizer="adam", learning_rate=0.001, epochs=100, batch_size=64)
SPOTTER = FitConfig(
    model="spotter",
    optimizer="adamw",
    learning_rate=0.001,
    weight_decay=0.05,
    schedule="one-cycle",
    epochs=100,
    batch_size=32,
    label_smoothing=0.1,
    augment=AugmentConfig(mirror=0.5, turn=30.0, scale=0.1, crop=0.2, warp=0.0, lose=0.0, noise=0.02),
)
RECIPES: dict[str, FitConfig] = {name: replace(PAPER, model=name) for name in MODELS} | {"spotter": SPOTTER}


def recipe(model: str, *, seed: int = 0, sided: bool = False) -> FitConfig:
    """How ``model`` is trained at its best; without mirror images where classes are ``sided`` (left is not right).

    Raises:
        InputError: there is no such model.
    """
    if model not in RECIPES:
        raise InputError(f"model {model!r} is not known: use one of {', '.join(RECIPES)}.")
    found = replace(RECIPES[model], seed=seed)
    return replace(found, augment=replace(found.augment, mirror=0.0)) if sided and found.augment else found
