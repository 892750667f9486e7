"""Repetitions of an exercise, counted while it goes on, by the signal of its own joints (see docs/repetitions.md)."""

from gymspotter.repetitions.counting import Counter, count, is_counted
from gymspotter.repetitions.cycles import Repetition

__all__ = ["Counter", "Repetition", "count", "is_counted"]
