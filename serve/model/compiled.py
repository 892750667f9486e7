"""How a loaded program is run fast beside an event loop: traced, so that a forward pass lets go of the GIL once.

Run eagerly, each of its some 300 operators takes the GIL again, and waits for the event loop (up to 5 ms) each time. A
traced graph is run by torch's own interpreter in one go. ``torch.jit.trace`` would keep every trace, weights included,
in a compilation unit that lives as long as the process: 6.7 MB for each version of a `spotter`. So the graph is made
here and gets a compilation unit of its own, which goes when the version goes. Both steps are private to torch; where
they are missing, or a traced program does not give the eager one's answers, it is run eagerly.
"""

import linecache
import logging
import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gymspotter.golden import golden_poses
from gymspotter.skeleton import Floats

logger = logging.getLogger(__name__)
BATCHES = (1, 2, 7, 64)  # on these the traced program must agree with the eager one
_TOLERANCE = 1e-4
_TRACED_BATCH = 4  # a dimension of 1 might be taken for a constant
# Tracing these aborts the whole process (torch 2.13), which no except clause can catch.
_UNTRACEABLE = ("lstm", "gru", "rnn_tanh", "rnn_relu")

Logits = Callable[[Floats], NDArray[np.float32]]


def fast(module: torch.nn.Module, frames: int) -> tuple[Logits, str]:
    """A loaded program as a function of poses [S, T, J, 3] that gives [S, K], and what runs it: traced or eager."""
    eager = _as_logits(module)
    if _recurrent(module):
        return eager, "eager"
    try:
        traced = _as_logits(_traced(module, frames))
        gap = max(_gap(eager, traced, size, frames) for size in BATCHES)
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        logger.warning("a model is run eagerly, which is slower under load: it cannot be traced (%s)", error)
        return eager, "eager"
    finally:
        forget_sources()
    if not gap <= _TOLERANCE:
        logger.warning("a model is run eagerly, which is slower under load: traced, it is off by %g", gap)
        return eager, "eager"
    return traced, "traced"


def forget_sources() -> None:
    """Free what torch.fx keeps of every program that was ever loaded: its source, for tracebacks."""
    cache = getattr(getattr(torch.fx.graph_module, "_loader", None), "eval_cache", None)
    if isinstance(cache, dict):
        for key in cache:
            linecache.cache.pop(key, None)
        cache.clear()


def _as_logits(run: Callable[[Tensor], Tensor]) -> Logits:
    def logits(poses: Floats) -> NDArray[np.float32]:
        with torch.inference_mode():
            # Torch warns of what it could not write to, such as the body of a request.
            own = np.require(poses, np.float32, ("C_CONTIGUOUS", "WRITEABLE"))
            return np.asarray(run(torch.from_numpy(own)).numpy())

    return logits


def _traced(module: torch.nn.Module, frames: int) -> Callable[[Tensor], Tensor]:
    """The module as a graph with its weights as constants, in a compilation unit of its own."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)  # no constant may
    # It warns of the checks that torch.export wrote into the program, which are constant; the answers are compared.
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    example = torch.from_numpy(_poses(_TRACED_BATCH, frames))
    with torch.inference_mode():
        graph, _ = torch._C._create_graph_by_tracing(lambda poses: module(poses), (example,), lambda _: "", True, False)
    made: Callable[[Tensor], Tensor] = torch._C._create_function_from_graph("forward", graph)
    return made


def _recurrent(module: torch.nn.Module) -> bool:
    """Whether any operator of the program is a recurrent one."""
    graph = getattr(module, "graph", None)
    if graph is None:  # a module that is no exported program
        return any(isinstance(part, torch.nn.RNNBase) for part in module.modules())
    names = {str(node.target) for node in graph.nodes if node.op == "call_function"}
    return any(part in name for name in names for part in _UNTRACEABLE)


def _gap(eager: Logits, traced: Logits, size: int, frames: int) -> float:
    """How far the two are apart on a batch; infinite where either gives no number."""
    poses = _poses(size, frames)
    gap = float(np.abs(eager(poses) - traced(poses)).max())
    return gap if np.isfinite(gap) else float("inf")


def _poses(size: int, frames: int) -> Floats:
    """So many of the golden segments, each a little larger than the one before; an unseen joint is NaN."""
    golden, number = golden_poses(frames), np.arange(size)
    larger = golden[number % len(golden)] * (1 + 0.01 * number)[:, None, None, None]
    return np.ascontiguousarray(larger, dtype=np.float32)
