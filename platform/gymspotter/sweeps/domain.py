"""What a hyperparameter may be: numbers in a range, whole numbers in steps, or one of several values.

Each is suggested by Optuna, told as plain values (for YAML), and read back from such.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gymspotter.errors import InputError

if TYPE_CHECKING:
    import optuna

Value = bool | int | float | str
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


@dataclass(frozen=True, kw_only=True)
class Real:
    """Numbers from ``low`` to ``high``, both included; with ``log`` every power of ten is as likely as the next."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_ends(self)

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that must be allowed for all to be."""
        return float(self.low), float(self.high)

    def suggest(self, trial: "optuna.Trial", name: str) -> Value:
        """One of them."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def nearest(self, value: Value) -> Value:
        """That which is nearest to a number."""
        return float(min(max(float(value), self.low), self.high))


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Whole numbers from ``low`` to ``high``, both included, ``step`` apart."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        _check_ends(self)
        if self.step < 1 or (self.high - self.low) % self.step:
            raise InputError(f"step is {self.step}: use one that leads from {self.low} to {self.high}.")
        if self.log and self.step != 1:
            raise InputError(f"step is {self.step} and log is on: use 1, or leave log out.")

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that must be allowed for all to be; the second stands for the steps."""
        return self.low, min(self.low + self.step, self.high), self.high

    def suggest(self, trial: "optuna.Trial", name: str) -> Value:
        """One of them."""
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def nearest(self, value: Value) -> Value:
        """That which is nearest to a number."""
        steps = round((min(max(float(value), self.low), self.high) - self.low) / self.step)
        return self.low + steps * self.step


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several values, which have no order."""

    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) < len(self.options):
            raise InputError(f"options are {list(self.options)}: name one or more, each once.")

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that must be allowed for all to be."""
        return self.options

    def suggest(self, trial: "optuna.Trial", name: str) -> Value:
        """One of them."""
        chosen = trial.suggest_categorical(name, self.options)
        assert chosen is not None, "Optuna could choose it, but it is not among the options"
        return chosen

    def nearest(self, value: Value) -> Value:
        """That which is nearest to a number; of words the same, or the first."""
        if value in self.options or isinstance(value, str):
            return value if value in self.options else self.options[0]
        return min(self.options, key=lambda option: abs(float(option) - float(value)))


Domain = Real | Whole | Choice


def read_domain(told: Any, kind: type) -> Domain:
    """A domain as `told` tells it, of values of a kind: bool, int, float or str; a single value is all that there is.

    Raises:
        InputError: it is none, or a value is of another kind.
    """
    if not isinstance(told, dict):
        return Choice(options=tuple(_value(one, kind) for one in (told if isinstance(told, list) else [told])))
    names = {int: ("low", "high", "log", "step"), float: ("low", "high", "log")}.get(kind, ())
    if not {"low", "high"} <= set(told) <= set(names):
        range_ = f"low and high{' (and step, log)' if kind is int else ' (and log)'}, or " if names else ""
        raise InputError(f"it has {', '.join(map(str, told)) or 'nothing'}: use {range_}a list of values.")
    if not isinstance(told.get("log", False), bool):
        raise InputError(f"log is {told['log']!r}: use true or false.")
    numbers = {name: _value(value, kind) for name, value in told.items() if name != "log"}
    made: Any = Whole if kind is int else Real
    found: Domain = made(**numbers, log=told.get("log", False))
    return found


def told(domain: Domain) -> Any:
    """As plain values: a list of options, or the ends of a range."""
    if isinstance(domain, Choice):
        return list(domain.options)
    more: dict[str, Any] = {"step": domain.step} if isinstance(domain, Whole) and domain.step > 1 else {}
    return {"low": domain.low, "high": domain.high} | more | ({"log": True} if domain.log else {})


def is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a kind; a whole number is a number too, and true and false are none."""
    return type(value) is kind or (kind is float and type(value) is int)


def _value(value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, str):  # YAML takes 1e-4 for a word: it wants 1.0e-4
        with suppress(ValueError):
            value = float(value)
    if not is_a(value, kind):
        raise InputError(f"{value!r} is not {_KINDS[kind]}: use one.")
    return kind(value)


def _check_ends(domain: Real | Whole) -> None:
    if not -float("inf") < domain.low < domain.high < float("inf"):
        raise InputError(f"low is {domain.low:g} and high {domain.high:g}: use a low that is less than high.")
    if domain.log and domain.low <= 0:
        raise InputError(f"low is {domain.low:g} and log is on: use more than 0, or leave log out.")
