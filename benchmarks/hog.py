"""What the others notice of one person with eight times the load, and what they would with first come, first served.

Knows the crowd. Everybody asks for texts, one after the other; in the second spell of each round the last person asks
for eight at a time. The same two spells follow with one text at a time for all people in the order of asking, which is
what a queue that counts jobs does. All four lie in one round, so that what else the machine does falls on all.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.crowd import Crowd, p95, studio_with
from benchmarks.streams import text_model

OTHERS = ("ann", "bob", "cleo", "dan")
HOG = "hog"
TIMES = 8


def hog(data: Path, threads: int, rounds: int, seconds: float) -> dict[str, float]:
    """``hog_p95_ratio`` and ``hog_p95_ratio_fifo``: the others' 95th percentile with the hog over that without."""
    model = text_model(data)
    even, greedy = dict.fromkeys((*OTHERS, HOG), 1), {**dict.fromkeys(OTHERS, 1), HOG: TIMES}
    spells = {"fair": (even, False), "hog": (greedy, False), "fair_fifo": (even, True), "hog_fifo": (greedy, True)}
    found: dict[str, list[float]] = {name: [] for name in spells}
    with studio_with(data, threads) as studio:
        crowd = Crowd(studio, model)
        crowd.asks(even, 3)  # loads the model; the first company is proven then
        for number in range(rounds):
            for name, (people, one_by_one) in spells.items():
                took = crowd.asks(people, seconds, one_by_one)
                found[name] += [one for owner in OTHERS for one in took[owner]]
            print(f"round {number + 1}: " + _words(found), flush=True)
    ratio = {name: p95(found[f"hog{name}"]) / p95(found[f"fair{name}"]) for name in ("", "_fifo")}
    return {
        "hog_p95_ratio": round(ratio[""], 3),
        "hog_p95_ratio_fifo": round(ratio["_fifo"], 3),
        "hog_p95_s": round(p95(found["hog"]), 3),
        "hog_p95_s_fifo": round(p95(found["hog_fifo"]), 3),
    }


def _words(found: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} p95 {p95(took):.2f} s of {len(took)}" for name, took in found.items())
