"""What can be done about what was found: new values of settings, each as a button would say it. Plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.base import Scalar
from pipelines.training.finding_names import FIXES, filled
from pipelines.training.signals import Signals

MOST = 3


@dataclass(frozen=True)
class Fix:
    """``changes`` are new values by field of the request; ``value`` is the one that is said."""

    key: str
    value: Scalar
    changes: Mapping[str, Scalar]

    def plain(self) -> dict[str, Any]:
        values = {"value": self.value}
        return {
            "key": self.key,
            "text": filled(FIXES[self.key].text, values),
            "values": values,
            "changes": dict(self.changes),
        }


def some(*found: Fix | None) -> tuple[Fix, ...]:
    return tuple(fix for fix in found if fix is not None)[:MOST]


def becomes(key: str, signals: Signals, name: str, value: float, most: float) -> Fix | None:
    """``name`` becomes ``value``, at most ``most``; None where the recipe has no such setting or it is there."""
    old = signals.settings.get(name)
    if old is None:
        return None
    new = float(f"{min(value, most):.2g}")
    whole: Scalar = int(new) if isinstance(old, int) else new
    return None if whole == old else Fix(key, whole, {name: whole})


def times(key: str, signals: Signals, name: str, factor: float, most: float) -> Fix | None:
    old = float(signals.settings.get(name, 0))
    return becomes(key, signals, name, old * factor, most)


def raise_gamma(signals: Signals) -> Fix | None:
    """A penalty that a recipe knows as a helper has to be switched on first."""
    if signals.settings.get("gradient_penalty") is False:
        return Fix("penalty", True, {"gradient_penalty": True})
    return becomes("raise_gamma", signals, "gamma", 2 * float(signals.settings.get("gamma", 0)) or 1.0, 100)


def at_least(key: str, signals: Signals, name: str, value: float) -> Fix | None:
    return becomes(key, signals, name, value, value) if float(signals.settings.get(name, value)) < value else None


def slow_d(signals: Signals) -> Fix | None:
    return times("slow_d", signals, "d_rate", 0.5, 10)


def hasten_d(signals: Signals) -> Fix | None:
    return times("hasten_d", signals, "d_rate", 2, 10)


def more_d_steps(signals: Signals) -> Fix | None:
    return becomes("more_d_steps", signals, "d_steps", float(signals.settings.get("d_steps", 0)) + 1, 5)


def slow_down(signals: Signals) -> Fix | None:
    return times("slow_down", signals, "learning_rate", 0.5, 0.1)


def augment(signals: Signals) -> Fix | None:
    """Where pictures are few, and D is not shown augmented ones already."""
    if signals.augmented or "augment" not in signals.settings:
        return None
    return Fix("augment", "on", {"augment": "on"})


def balance_rates(signals: Signals) -> Fix | None:
    return _switch("balance_rates", signals, "dynamic_rates")


def balance_updates(signals: Signals) -> Fix | None:
    return _switch("balance_updates", signals, "sample_balance")


def _switch(key: str, signals: Signals, name: str) -> Fix | None:
    """Switches a helper on; None where the recipe has none or it is on."""
    return Fix(key, True, {name: True}) if signals.settings.get(name) is False else None


def blur(signals: Signals) -> Fix | None:
    return at_least("blur", signals, "instance_noise", 0.1)


def longer_warmup(signals: Signals) -> Fix | None:
    """Only what is not over yet can be made longer."""
    wanted = max(2 * float(signals.settings.get("warmup", 0)), signals.share + 0.3)
    return at_least("longer_warmup", signals, "warmup", float(f"{wanted:.2g}")) if wanted <= 1 else None


def lower_beta(signals: Signals) -> Fix | None:
    beta = float(signals.settings.get("beta", 0))
    return becomes("lower_beta", signals, "beta", 1.0 if beta > 4 else beta / 4, 100)


def smooth_labels(signals: Signals) -> Fix | None:
    return at_least("smooth_labels", signals, "label_smoothing", 0.1)


def free_bits(signals: Signals) -> Fix | None:
    return at_least("free_bits", signals, "free_bits", 0.1)


def lower_gamma(signals: Signals) -> Fix | None:
    return times("lower_gamma", signals, "gamma", 0.1, 100)
