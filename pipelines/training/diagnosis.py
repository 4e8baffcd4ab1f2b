"""What is going on in a training, in words, with what can be done about it: pure functions of what was measured.

Knows numbers, thresholds and settings; no networks, no clock, no events. The words are in ``finding_names``. Thresholds
were set on recorded runs, healthy ones and ones made to fail; a finding begins at one value and ends at a milder one,
so that it does not flicker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from pipelines.base import Scalar
from pipelines.training.finding_names import FINDINGS, filled
from pipelines.training.fixes import (
    Fix,
    augment,
    balance_rates,
    balance_updates,
    blur,
    free_bits,
    hasten_d,
    longer_warmup,
    lower_beta,
    lower_gamma,
    more_d_steps,
    raise_gamma,
    slow_d,
    slow_down,
    smooth_labels,
    some,
)
from pipelines.training.signals import FIRST, MATURE, Measured, Signals

HEAVY = 10.0  # a weight of the penalty that may be all that is amiss
RECENT = 300  # steps for which a return to an earlier state is news


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
            "text": filled(info.text, self.values),
            "values": dict(self.values),
            "fixes": [fix.plain() for fix in self.fixes],
        }


Condition = Callable[[Signals, bool], Finding | None]


# ------------------------------------------------------------------------------------------- conditions


def d_wins(signals: Signals, already: bool) -> Finding | None:
    """Both kinds are told right nearly always (TRAINING: above 0.97 slow it down)."""
    apart = signals.apart
    if apart is None or signals.step < FIRST or apart < (0.94 if already else 0.97):
        return None
    if min(signals.mean("real_accuracy"), signals.mean("fake_accuracy")) < (0.9 if already else 0.95):
        return None
    fixes = some(raise_gamma(signals), slow_d(signals), balance_rates(signals), blur(signals), smooth_labels(signals))
    return Finding("d_wins", {"apart": _percent(apart)}, fixes)


def d_lost(signals: Signals, already: bool) -> Finding | None:
    """It guesses although the pictures are bad: where they are good, guessing is all that is left to it."""
    apart, far = signals.apart, signals.worst("frechet")
    if apart is None or far is None or apart > (0.58 if already else 0.54):
        return None
    if not signals.is_far(far, 10):
        return None
    return Finding("d_lost", {"apart": _percent(apart)}, _wake_d(signals))


def _wake_d(signals: Signals) -> tuple[Fix, ...]:
    """A heavy penalty keeps it flat, whatever else is done."""
    others = hasten_d(signals), balance_updates(signals), more_d_steps(signals)
    return some(lower_gamma(signals), *others) if float(signals.settings.get("gamma", 0)) >= HEAVY else some(*others)


def g_silent(signals: Signals, already: bool) -> Finding | None:
    """The generator's gradient is a fiftieth of what it was: D is either too sure of itself or says nothing at all."""
    usual, recent = signals.usual.get("generator_gradient"), signals.recent.get("generator_gradient")
    if not usual or not recent or signals.step < FIRST:
        return None
    share = median(recent) / usual
    if share > (0.04 if already else 0.02):
        return None
    sure = some(slow_d(signals), balance_updates(signals), blur(signals), raise_gamma(signals))
    fixes = sure if signals.apart is None or signals.apart >= 0.6 else _wake_d(signals)
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
        return some(hasten_d(signals), more_d_steps(signals), raise_gamma(signals))
    return some(raise_gamma(signals), slow_d(signals), blur(signals), slow_down(signals))


def copying(signals: Signals, already: bool) -> Finding | None:
    """Samples lie on training pictures; real pictures that were not among them do not."""
    novelty = signals.worst("novelty")
    if novelty is None or novelty > (0.4 if already else 0.3):
        return None
    return Finding("copying", {"share": _percent(novelty)}, some(augment(signals), raise_gamma(signals)))


def worse(signals: Signals, already: bool) -> Finding | None:
    """Twice in a row well above the best so far."""
    best = _best(signals)
    if best is None:
        return None
    now, least = signals.looks[-1].figures["frechet"], min(one.figures["frechet"] for one in signals.looks)
    before = (1.3 if already else 1.6) * best.figures["frechet"]
    if least < before + 2 * best.figures["floor"] or not signals.is_far(least, 4):
        return None
    values: dict[str, Scalar] = {"now": _short(now), "best": _short(best.figures["frechet"]), "step": best.step}
    return Finding("worse", values, some(slow_down(signals), raise_gamma(signals)))


def stalled(signals: Signals, already: bool) -> Finding | None:
    """No better than when half the steps were made, and yet far from real pictures."""
    del already
    best = _best(signals)
    if best is None or signals.step < 3 * MATURE:
        return None
    early = [one.figures["frechet"] for one in signals.measured if one.step <= signals.step / 2]
    late = [one.figures["frechet"] for one in signals.measured if one.step > signals.step / 2]
    if not early or len(late) < 3 or min(late) < 0.95 * min(early) or not signals.is_far(min(late), 4):
        return None
    before = min((one for one in signals.measured if one.step <= signals.step / 2), key=_distance)
    values: dict[str, Scalar] = {
        "now": _short(signals.looks[-1].figures["frechet"]),
        "best": _short(before.figures["frechet"]),
        "step": before.step,
    }
    return Finding("stalled", values, some(slow_down(signals)))


def kl_collapsed(signals: Signals, already: bool) -> Finding | None:
    """The code is the same for all pictures (Bowman et al. 2016, section 3)."""
    if not signals.recent.get("kl") or signals.step < FIRST:
        return None
    active, kl = signals.mean("active_units"), signals.mean("kl")
    if active > (1.0 if already else 0.5) and kl > (1.0 if already else 0.5):
        return None
    fixes = some(lower_beta(signals), longer_warmup(signals), free_bits(signals))
    return Finding("kl_collapsed", {"active": round(active), "units": signals.units, "kl": _nats(kl)}, fixes)


def diverged(signals: Signals, already: bool) -> Finding | None:
    """It had to go back not long ago."""
    del already
    if not signals.returns or signals.step - signals.returned > RECENT:
        return None
    values = {"count": signals.returns, "share": float(f"{100 * signals.rate:.2g}")}
    return Finding("diverged", values, some(slow_down(signals)))


#: the gravest first; each may leave out those that it explains
CONDITIONS: Mapping[str, tuple[Condition, tuple[str, ...]]] = {
    "diverged": (diverged, ("worse", "stalled")),
    "kl_collapsed": (kl_collapsed, ("few_classes", "alike", "worse", "stalled")),
    "d_wins": (d_wins, ("stalled",)),
    "d_lost": (d_lost, ("stalled",)),
    "g_silent": (g_silent, ("stalled",)),
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


def once_each(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same with each fix only where it is first of use."""
    offered: set[str] = set()
    kept = []
    for one in found:
        kept.append(replace(one, fixes=tuple(fix for fix in one.fixes if not offered.intersection(fix.changes))))
        offered.update(name for fix in one.fixes for name in fix.changes)
    return tuple(kept)


def all_well(signals: Signals) -> Finding:
    """What is said where nothing is amiss, or nothing can be said yet."""
    if signals.step < MATURE or not any(signals.recent.values()):
        return Finding("early", {"steps": MATURE})
    if "active_units" in signals.recent:
        active, kl = round(signals.mean("active_units")), _nats(signals.mean("kl"))
        return Finding("well_code", {"active": active, "units": signals.units, "kl": kl})
    return _fair_game(signals)


def _fair_game(signals: Signals) -> Finding:
    told = (signals.mean("real_accuracy") + signals.mean("fake_accuracy")) / 2
    values: dict[str, Scalar] = {"apart": _percent(told)}
    if not signals.measured:
        return Finding("well", values)
    figures = signals.measured[-1].figures
    values |= {"frechet": _short(figures["frechet"]), "floor": _short(figures["floor"])}
    if signals.is_far(figures["frechet"], 10):
        first = signals.measured[0].figures["frechet"]
        key = "learning" if figures["frechet"] < 0.9 * first else "far"
        return Finding(key, {**values, "first": _short(first)})
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


def _nats(value: float) -> float:
    return round(float(f"{value:.3g}"), 2)


def _short(value: float) -> float:
    """Three digits, two after the point: more is noise. Points in the plane are hundredths apart."""
    return round(float(f"{value:.3g}"), 2) if abs(value) >= 0.1 else round(value, 3)


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
