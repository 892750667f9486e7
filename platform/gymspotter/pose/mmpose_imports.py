"""Importing MMPose: how it is installed, and what stands in for packages that inference never uses.

MMPose 1.3.2 imports compiled operators, detectors, evaluation and drawing libraries when it is loaded. None of it runs
when poses are estimated, and some of it no longer installs beside numpy 2 or a recent torch. While MMPose is imported,
whatever is absent or broken is replaced by names that raise when they are used; what works is left alone.
"""

import importlib
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any

from gymspotter.errors import InputError

# Installed without their requirements: chumpy and xtcocotools do not build, and torchvision needs a torch of its own.
PINS = ("mmengine==0.10.7", "mmcv-lite==2.1.0", "mmpose==1.3.2")
COMMANDS = ("pip install 'gymspotter[mmpose]'", f"pip install --no-deps {' '.join(PINS)}")
_UNUSED = (
    "mmcv._ext",  # deformable attention, in heads that are registered with all the others
    "torchvision.transforms",  # drawing of SimCC scores
    "xtcocotools.coco", "xtcocotools.cocoeval", "xtcocotools.mask",  # COCO's files and metrics
    "mmdet.utils",  # a type and a training step of RTMO's head
)  # fmt: skip


def import_mmpose() -> None:
    """Import MMPose with all its models, after which its modules can be imported as usual.

    Raises:
        InputError: it, or something that it needs, is not installed.
    """
    # mmengine imports pkg_resources, and is loud about it.
    with warnings.catch_warnings(), _stand_ins():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module("mmpose.apis")
            importlib.import_module("mmpose.models")
        except ImportError as error:
            raise InputError(
                f"estimator mmpose is not installed ({error}): run {COMMANDS[0]} and then {COMMANDS[1]}."
            ) from error
    # Its own notes to itself: old names of torch's, where it found a file, how each weight was drawn.
    warnings.filterwarnings("ignore", module=r"mmpose\.|mmengine\.|mmcv\.")
    logging.getLogger("mmengine").setLevel(logging.ERROR)


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Stand-ins for what cannot be imported; taken away again at the end, so that nobody else takes them for real."""
    added: list[str] = []
    for name in _UNUSED:
        if not _usable(name):
            root = name.partition(".")[0]
            # Beside a real package only the one module is missing.
            for missing in (root, name) if root != "mmcv" else (name,):
                if missing not in sys.modules:
                    sys.modules[missing] = _StandIn(missing)
                    added.append(missing)
    try:
        yield
    finally:
        for name in added:
            sys.modules.pop(name, None)


def _usable(name: str) -> bool:
    """Whether a module can be imported; if not, nothing half-imported is left of it."""
    before = set(sys.modules)
    try:
        importlib.import_module(name)
    except Exception:  # a binary of another numpy or torch raises what it likes
        if not name.startswith("mmcv."):  # the rest of mmcv is sound
            for left in set(sys.modules) - before:
                if left.partition(".")[0] == name.partition(".")[0]:
                    del sys.modules[left]
        return False
    return True


class _StandIn(types.ModuleType):
    """A module in which every name is a class that cannot be instantiated."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        what = f"{self.__name__}.{name}"

        def refuse(*_: object, **__: object) -> None:
            raise NotImplementedError(f"{what} is not part of this installation: pose estimation does not need it.")

        return type(name, (), {"__new__": refuse})
