"""How each model is trained: the six of the paper as the paper trains them, `spotter` by its own recipe.

Spotter's recipe for the gym is that of docs/synthetic_to_real.md; the one for whole sequences of actions was checked on
UTD-MHAD's training subjects alone, leaving one of them out at a time (docs/utd_mhad.md).
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
    epochs=20,
    batch_size=64,
    label_smoothing=0.1,
    align_facing=True,
    augment=AugmentConfig(tilt=12.0, stretch=0.15, short=0.5, noise=0.03, lose=0.05),
)
RECIPES: dict[str, FitConfig] = {name: replace(PAPER, model=name) for name in MODELS} | {"spotter": SPOTTER}


def recipe(model: str, *, seed: int = 0) -> FitConfig:
    """How ``model`` is trained on segments of the gym.

    Raises:
        InputError: there is no such model.
    """
    if model not in RECIPES:
        raise InputError(f"model {model!r} is not known: use one of {', '.join(RECIPES)}.")
    return replace(RECIPES[model], seed=seed)


def sequence_recipe(model: str, *, seed: int = 0, sided: bool = False) -> FitConfig:
    """How ``model`` is trained on whole sequences of actions, a few hundred of them, as in `datasets`.

    Without mirror images where classes are ``sided`` (the right hand waving is another action than the left one).

    Raises:
        InputError: there is no such model.
    """
    found = recipe(model, seed=seed)
    if found.augment is None:
        return found
    augment = AugmentConfig(
        mirror=0.0 if sided else 0.5, turn=30.0, scale=0.1, crop=0.2, warp=0.0, lose=0.0, noise=0.02
    )
    return replace(found, epochs=100, batch_size=32, align_facing=False, augment=augment)
