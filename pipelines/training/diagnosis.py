"""What is going on in a training, in words, with what can be done about it: pure functions of what was measured.

Knows numbers, thresholds and settings; no networks, no clock, no events. The words are in ``finding_names``. Thresholds
were set on recorded runs, healthy ones and ones made to fail; a finding begins at one value and ends at a milder one,
so that it does not flicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from pipelines.base import Scalar
from pipelines.training.finding_names import FINDINGS, FIXES

WINDOW = 50  # steps that accuracies, gradients and KL are averaged over
FIRST = 100  # steps before anything is said
MATURE = 200  # and before anything is said of what the samples look like
RECENT = 300  # steps for which a return to an earlier state is news
MOST_FIXES = 3


@dataclass(frozen=True)
class Measured:
    """What samples were like after ``step``: the figures of ``measure_names``."""

    step: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Signals:
    """What is known of a training after ``step``, at ``share`` of its budget.

    ``recent`` has the last ``WINDOW`` values of each series. ``usual`` is how large each gradient was early on.
    ``settings`` are those that may be changed, as they stand. ``rate`` is the share of the learning rate that is left
    after ``returns`` to an earlier state, the last of them at ``returned``. ``classes`` and ``units``: of the data, of
    the code.
    """

    step: int
    share: float
    recent: Mapping[str, Sequence[float]]
    measured: Sequence[Measured] = ()
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    returns: int = 0
    returned: int = 0
    rate: float = 1.0
    classes: int = 0
    units: int = 0
    #: the scores of a critic that measures a distance say nothing of who is winning
    scored: bool = True

    def mean(self, series: str) -> float:
        """Over the window."""
        return fmean(self.recent[series])

    @property
    def apart(self) -> float | None:
        """The share of real and fake pictures that are told right; None where that says nothing."""
        if not self.scored or not self.recent.get("real_accuracy"):
            return None
        return (self.mean("real_accuracy") + self.mean("fake_accuracy")) / 2

    @property
    def looks(self) -> Sequence[Measured]:
        """The last two measurements, once they can say something."""
        return self.measured[-2:] if self.step >= MATURE and len(self.measured) > 1 else ()

    def worst(self, figure: str) -> float | None:
        """The larger one of the last two; None before there are two."""
        return max((one.figures[figure] for one in self.looks if figure in one.figures), default=None)


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
            "text": FIXES[self.key].text.format(**values),
            "values": values,
            "changes": dict(self.changes),
        }


@dataclass(frozen=True)
class Finding:
    """``key`` of ``FINDINGS``, and the ``values`` that fill its sentence."""

    key: str
    values: Mapping[str, Scalar] = field(default_factory=dict)
    fixes: tuple[Fix, ...] = ()

    @property
    def severity(self) -> str:
        return FINDINGS[self.key].severity

    def plain(self) -> dict[str, Any]:
        """As the event carries it."""
        info = FINDINGS[self.key]
        return {
            "key": self.key,
            "severity": info.severity,
            "title": info.title,
            "text": info.text.format(**self.values),
            "values": dict(self.values),
            "fixes": [fix.plain() for fix in self.fixes],
        }


Condition = Callable[[Signals, bool], Finding | None]


# ------------------------------------------------------------------------------------------------ fixes


def _fixes(*found: Fix | None) -> tuple[Fix, ...]:
    return tuple(fix for fix in found if fix is not None)[:MOST_FIXES]


def _set(key: str, signals: Signals, name: str, value: float, most: float) -> Fix | None:
    """``name`` becomes ``value``, at most ``most``; None where the recipe has no such setting or it is there."""
    old = signals.settings.get(name)
    if old is None:
        return None
    new = float(f"{min(value, most):.2g}")
    whole: Scalar = int(new) if isinstance(old, int) else new
    return None if whole == old else Fix(key, whole, {name: whole})


def _times(key: str, signals: Signals, name: str, factor: float, most: float) -> Fix | None:
    old = float(signals.settings.get(name, 0))
    return _set(key, signals, name, old * factor, most)


def _raise_gamma(signals: Signals) -> Fix | None:
    return _set("raise_gamma", signals, "gamma", 2 * float(signals.settings.get("gamma", 0)) or 1.0, 100)


def _at_least(key: str, signals: Signals, name: str, value: float) -> Fix | None:
    return _set(key, signals, name, value, value) if float(signals.settings.get(name, value)) < value else None


def _slow_d(signals: Signals) -> Fix | None:
    return _times("slow_d", signals, "d_rate", 0.5, 10)


def _hasten_d(signals: Signals) -> Fix | None:
    return _times("hasten_d", signals, "d_rate", 2, 10)


def _more_d_steps(signals: Signals) -> Fix | None:
    return _set("more_d_steps", signals, "d_steps", float(signals.settings.get("d_steps", 0)) + 1, 5)


def _slow_down(signals: Signals) -> Fix | None:
    return _times("slow_down", signals, "learning_rate", 0.5, 0.1)


def _blur(signals: Signals) -> Fix | None:
    return _at_least("blur", signals, "instance_noise", 0.1)


def _longer_warmup(signals: Signals) -> Fix | None:
    """Only what is not over yet can be made longer."""
    wanted = max(2 * float(signals.settings.get("warmup", 0)), signals.share + 0.3)
    return _at_least("longer_warmup", signals, "warmup", float(f"{wanted:.2g}")) if wanted <= 1 else None


def _lower_beta(signals: Signals) -> Fix | None:
    beta = float(signals.settings.get("beta", 0))
    return _set("lower_beta", signals, "beta", 1.0 if beta > 4 else beta / 4, 100)


# ------------------------------------------------------------------------------------------- conditions


def d_wins(signals: Signals, already: bool) -> Finding | None:
    """Both kinds are told right nearly always (TRAINING: above 0.97 slow it down)."""
    apart = signals.apart
    if apart is None or signals.step < FIRST or apart < (0.94 if already else 0.97):
        return None
    if min(signals.mean("real_accuracy"), signals.mean("fake_accuracy")) < (0.9 if already else 0.95):
        return None
    smooth = _at_least("smooth_labels", signals, "label_smoothing", 0.1)
    fixes = _fixes(_raise_gamma(signals), _slow_d(signals), _blur(signals), smooth)
    return Finding("d_wins", {"apart": _percent(apart)}, fixes)


def d_lost(signals: Signals, already: bool) -> Finding | None:
    """It guesses although the pictures are bad: where they are good, guessing is all that is left to it."""
    apart, far = signals.apart, signals.worst("frechet")
    if apart is None or far is None or apart > (0.58 if already else 0.54):
        return None
    if far < 10 * signals.looks[-1].figures["floor"]:
        return None
    lower = _times("lower_gamma", signals, "gamma", 0.5, 100)
    return Finding("d_lost", {"apart": _percent(apart)}, _fixes(_hasten_d(signals), _more_d_steps(signals), lower))


def g_silent(signals: Signals, already: bool) -> Finding | None:
    """The generator's gradient is a fiftieth of what it was."""
    usual, recent = signals.usual.get("generator_gradient"), signals.recent.get("generator_gradient")
    if not usual or not recent or signals.step < FIRST:
        return None
    share = median(recent) / usual
    if share > (0.04 if already else 0.02):
        return None
    fixes = _fixes(_slow_d(signals), _blur(signals), _raise_gamma(signals))
    return Finding("g_silent", {"share": float(f"{100 * share:.2g}")}, fixes)


def few_classes(signals: Signals, already: bool) -> Finding | None:
    """A third of the classes is missing, or they are as uneven as if half of them were."""
    found, effective = signals.worst("classes"), signals.worst("effective_classes")
    if found is None or effective is None or signals.classes < 2:
        return None
    most, even = (0.8, 0.6) if already else (0.7, 0.5)
    if found > most * signals.classes and effective > even * signals.classes:
        return None
    now = signals.looks[-1].figures
    values = {"found": round(now["classes"]), "classes": signals.classes, "effective": _short(now["effective_classes"])}
    return Finding("few_classes", values, _against_collapse(signals))


def alike(signals: Signals, already: bool) -> Finding | None:
    """Twice in a row samples differ much less than real pictures do; those of a sound VAE do so two thirds as much."""
    diversity = signals.worst("diversity")
    if diversity is None or diversity > (0.5 if already else 0.4):
        return None
    return Finding("alike", {"share": _percent(diversity)}, _against_collapse(signals))


def _against_collapse(signals: Signals) -> tuple[Fix, ...]:
    """A discriminator that knows little cannot object to one picture for all; one that knows all drives it there."""
    apart = signals.apart
    if apart is not None and apart < 0.8:
        return _fixes(_hasten_d(signals), _more_d_steps(signals), _raise_gamma(signals))
    return _fixes(_raise_gamma(signals), _slow_d(signals), _blur(signals), _slow_down(signals))


def copying(signals: Signals, already: bool) -> Finding | None:
    """Samples lie on training pictures; real pictures that were not among them do not."""
    novelty = signals.worst("novelty")
    if novelty is None or novelty > (0.4 if already else 0.3):
        return None
    return Finding("copying", {"share": _percent(novelty)}, _fixes(_raise_gamma(signals)))


def worse(signals: Signals, already: bool) -> Finding | None:
    """Twice in a row well above the best so far."""
    best = _best(signals)
    if best is None:
        return None
    now, least = signals.looks[-1].figures["frechet"], min(one.figures["frechet"] for one in signals.looks)
    if least < (1.3 if already else 1.6) * best.figures["frechet"] + 2 * best.figures["floor"]:
        return None
    values: dict[str, Scalar] = {"now": _short(now), "best": _short(best.figures["frechet"]), "step": best.step}
    return Finding("worse", values, _fixes(_slow_down(signals), _raise_gamma(signals)))


def stalled(signals: Signals, already: bool) -> Finding | None:
    """No better than when half the steps were made, and yet far from real pictures."""
    del already
    best = _best(signals)
    if best is None or signals.step < 3 * MATURE:
        return None
    early = [one.figures["frechet"] for one in signals.measured if one.step <= signals.step / 2]
    late = [one.figures["frechet"] for one in signals.measured if one.step > signals.step / 2]
    if not early or len(late) < 3 or min(late) < 0.95 * min(early) or min(late) < 4 * best.figures["floor"]:
        return None
    before = min((one for one in signals.measured if one.step <= signals.step / 2), key=_distance)
    values: dict[str, Scalar] = {
        "now": _short(signals.looks[-1].figures["frechet"]),
        "best": _short(before.figures["frechet"]),
        "step": before.step,
    }
    return Finding("stalled", values, _fixes(_slow_down(signals)))


def kl_collapsed(signals: Signals, already: bool) -> Finding | None:
    """The code is the same for all pictures (Bowman et al. 2016, section 3)."""
    if not signals.recent.get("kl") or signals.step < FIRST:
        return None
    active, kl = signals.mean("active_units"), signals.mean("kl")
    if active > (1.0 if already else 0.5) and kl > (1.0 if already else 0.5):
        return None
    bits = _at_least("free_bits", signals, "free_bits", 0.1)
    fixes = _fixes(_lower_beta(signals), _longer_warmup(signals), bits)
    return Finding("kl_collapsed", {"active": round(active), "units": signals.units, "kl": _short(kl)}, fixes)


def diverged(signals: Signals, already: bool) -> Finding | None:
    """It had to go back not long ago."""
    del already
    if not signals.returns or signals.step - signals.returned > RECENT:
        return None
    values = {"count": signals.returns, "share": float(f"{100 * signals.rate:.2g}")}
    return Finding("diverged", values, _fixes(_slow_down(signals)))


#: the gravest first; each may leave out those that it explains
CONDITIONS: Mapping[str, tuple[Condition, tuple[str, ...]]] = {
    "diverged": (diverged, ("worse", "stalled")),
    "kl_collapsed": (kl_collapsed, ("few_classes", "alike", "worse", "stalled")),
    "d_wins": (d_wins, ("stalled",)),
    "d_lost": (d_lost, ()),
    "g_silent": (g_silent, ()),
    "few_classes": (few_classes, ("alike", "stalled")),
    "alike": (alike, ("stalled",)),
    "copying": (copying, ()),
    "worse": (worse, ("stalled",)),
    "stalled": (stalled, ()),
}


def findings(signals: Signals, already: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """All that is amiss, the gravest first. ``already`` are the keys of what was found before."""
    found: dict[str, Finding] = {}
    for key, (condition, _) in CONDITIONS.items():
        if (one := condition(signals, key in already)) is not None:
            found[key] = one
    explained = {other for key in found for other in CONDITIONS[key][1]}
    return tuple(one for key, one in found.items() if key not in explained)


def all_well(signals: Signals) -> Finding:
    """What is said where nothing is amiss, or nothing can be said yet."""
    if signals.step < FIRST or not any(signals.recent.values()):
        return Finding("early", {"steps": FIRST})
    if "active_units" in signals.recent:
        active, kl = round(signals.mean("active_units")), _short(signals.mean("kl"))
        return Finding("well_code", {"active": active, "units": signals.units, "kl": kl})
    return _fair_game(signals)


def _fair_game(signals: Signals) -> Finding:
    told = (signals.mean("real_accuracy") + signals.mean("fake_accuracy")) / 2
    values: dict[str, Scalar] = {"apart": _percent(told)}
    if not signals.measured:
        return Finding("well", values)
    figures = signals.measured[-1].figures
    values |= {"frechet": _short(figures["frechet"]), "floor": _short(figures["floor"])}
    if "classes" not in figures:
        return Finding("well_measured", values)
    return Finding("well_classes", {**values, "found": round(figures["classes"]), "classes": signals.classes})


# ---------------------------------------------------------------------------------------------- numbers


def _distance(one: Measured) -> float:
    return one.figures["frechet"]


def _best(signals: Signals) -> Measured | None:
    """The closest to real pictures so far; None before the last two can be judged."""
    return min(signals.measured, key=_distance) if len(signals.looks) > 1 and len(signals.measured) > 2 else None


def _percent(share: float) -> int:
    return round(100 * share)


def _short(value: float) -> float:
    """Three digits: more is noise."""
    return float(f"{value:.3g}") if abs(value) < 100 else float(round(value))


def changed(before: Sequence[Finding], now: Sequence[Finding]) -> bool:
    """Whether what is said has changed enough to be told: other findings, other fixes, or a value by a tenth."""
    if [(one.key, one.fixes) for one in before] != [(one.key, one.fixes) for one in now]:
        return True
    return any(_moved(old.values, new.values) for old, new in zip(before, now, strict=True))


def _moved(old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> bool:
    return any(abs(float(old[name]) - float(new[name])) > 0.1 * max(abs(float(old[name])), 1e-9) for name in new)


def begun(before: Sequence[Finding], now: Sequence[Finding]) -> Iterator[Finding]:
    """Warnings that were not there before: each is worth a mark on the curves, where a return has one already."""
    known = {"diverged", *(one.key for one in before)}
    return (one for one in now if one.key not in known and one.severity == "warning")
