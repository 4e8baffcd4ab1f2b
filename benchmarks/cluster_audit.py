"""What became of every acknowledged job after a storm, and how soon the people it fell upon read a sentence about it.

Knows rows, files and what followers wrote down; strikes nobody. A job that ended in a sentence by a rule of the product
(a begun interactive job of a device that died is its owner's to resume) has an end, and is counted by the sentence.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cluster_storm import Cluster, Strike, calm
from studio.engine.job import ENDED

#: hexadecimal digits of a SHA-256, as files are named
DIGITS = 64


@dataclass(frozen=True)
class Seen:
    """An event as a follower in one process saw it; times in seconds since 1970. ``said``: see ``cluster_web``."""

    job: str
    seq: int
    at: float
    seen: float
    kind: str
    said: Any

    @property
    def sentence(self) -> str | None:
        if self.kind == "progress":
            return self.said if self.said == "unheard" else None
        return self.said[1] if self.kind == "state" else None


@dataclass(frozen=True)
class Life:
    """What was seen in one life of one web process, by job; ``end`` is inf where nobody killed it."""

    end: float
    of: dict[str, list[Seen]]


def lives(cluster: Cluster) -> list[Life]:
    found = []
    for web in cluster.webs:
        for path, end in web.seen:
            of: dict[str, list[Seen]] = defaultdict(list)
            for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
                if line.endswith("\n"):  # else it was cut short by the kill
                    seen = Seen(*json.loads(line))
                    of[seen.job].append(seen)
            found.append(Life(end or float("inf"), of))
    return found


# ------------------------------------------------------------------------------------------------ what became of jobs


def fate(cluster: Cluster) -> dict[str, Any]:
    """``lost``, ``doubled`` and ``torn``, and the sentences that jobs ended in. What was interrupted is resumed, and
    must then be done."""
    first = _states(cluster)  # of acknowledged jobs
    ended = Counter(f"{state}: {key}" for state, key in first.values() if state != "done")
    lost = sum(one not in first or first[one][0] not in ENDED for one in cluster.asked)
    wordless = sum(state in ("interrupted", "failed") and not key for state, key in first.values())
    _resume(cluster, [job for job, (state, _) in first.items() if state == "interrupted"])
    last = _states(cluster)
    lost += sum(last[one][0] != "done" for one in cluster.asked if one in last and first[one][0] in ENDED)
    return {
        "acknowledged": len(cluster.asked),
        "lost": lost,
        "doubled": len(doubled(cluster)),
        "torn": len(torn_files(cluster.storage)) + len(torn_events(cluster)),
        "wordless": wordless,
        "ended_in_a_sentence": dict(ended),
    }


def _states(cluster: Cluster) -> dict[str, tuple[str, str | None]]:
    """State and sentence of each acknowledged job."""
    rows = cluster.rows("SELECT id, state, error FROM jobs")
    return {row[0]: (row[1], (row[2] or {}).get("key")) for row in rows if row[0] in cluster.asked}


def _resume(cluster: Cluster, jobs: Iterable[str]) -> None:
    """Whoever finds Resume presses it, until it is done: a storm is over, and nothing else may end it."""
    for job in jobs:
        cluster.webs[0]("resume", cluster.asked[job], job)
    calm(cluster)


def doubled(cluster: Cluster) -> list[str]:
    """Jobs that were said to be done more than once, or have more than one file."""
    ends = cluster.rows(
        "SELECT job_id FROM events WHERE kind = 'result' OR (kind = 'state' AND data->>'state' = 'done') "
        "GROUP BY job_id, kind HAVING count(*) > 1"
    )
    files = cluster.rows("SELECT job_id FROM items WHERE job_id IS NOT NULL GROUP BY job_id HAVING count(*) > 1")
    return sorted({row[0] for row in (*ends, *files)})


def torn_files(storage: Path) -> list[str]:
    """Files that are not what their name says: blobs, and what jobs saved to go on from."""
    named = (path for path in storage.rglob("*") if path.is_file() and len(path.name) == DIGITS)
    return [str(path) for path in named if hashlib.sha256(path.read_bytes()).hexdigest() != path.name]


def torn_events(cluster: Cluster) -> list[str]:
    """Jobs with a gap in the numbers of their events, in the database or as any follower saw them; done ones without
    their file; files without a blob."""
    gaps = cluster.rows("SELECT job_id FROM events GROUP BY job_id HAVING count(*) <> max(seq) OR min(seq) <> 1")
    bare = cluster.rows("SELECT id FROM jobs WHERE state = 'done' AND id NOT IN (SELECT job_id FROM items)")
    lacking = cluster.rows("SELECT job_id FROM items WHERE digest NOT IN (SELECT digest FROM blobs)")
    names = {path.name for path in (cluster.storage / "blobs").rglob("*")}
    gone = [row[0] for row in cluster.rows("SELECT digest FROM blobs") if row[0] not in names]
    skipped = [job for life in lives(cluster) for job, seen in life.of.items() if not in_order(seen)]
    return [*(row[0] for row in (*gaps, *bare, *lacking)), *gone, *skipped]


def in_order(seen: Sequence[Seen]) -> bool:
    """Whether a follower saw every event once, from the first on."""
    return [one.seq for one in seen] == list(range(1, len(seen) + 1))


# ------------------------------------------------------------------------------------------------------- sentences


def sentences(cluster: Cluster) -> dict[str, list[float]]:
    """By what was struck: seconds from each strike to when the last of those it fell upon had read a sentence. A job
    that was over before the blow got there needs none."""
    found: dict[str, list[float]] = defaultdict(list)
    known = lives(cluster)
    for strike in cluster.strikes:
        took = [late for job in strike.on for life in known if (late := _late(strike, job, life)) is not None]
        if took:
            found[strike.way].append(max(took))
    return dict(found)


def _late(strike: Strike, job: str, life: Life) -> float | None:
    """None where nobody followed the job in this life, or it needed no sentence."""
    seen = life.of.get(job, [])
    if not seen or seen[0].seen > strike.at:
        return None
    before = [one for one in seen if one.kind == "state" and one.at <= strike.at]
    if before and before[-1].said[0] in ENDED:  # in the moment between looking and striking
        return None
    after = next((one for one in seen if (one.kind == "state" or one.sentence) and one.at > strike.at), None)
    if after is None:  # it never was told, unless the process died first
        return None if life.end < float("inf") else float("inf")
    return None if after.sentence is None else after.seen - strike.at


def silences(cluster: Cluster) -> dict[str, list[float]]:
    """By what was struck: seconds until somebody in a process that lives read anything that was said after the blow."""
    found: dict[str, list[float]] = defaultdict(list)
    known = lives(cluster)
    for strike in cluster.strikes:
        seen = [
            one.seen for life in known for job in strike.running for one in life.of.get(job, ()) if one.at > strike.at
        ]
        if seen:
            found[strike.way].append(min(seen) - strike.at)
    return dict(found)


def told(of: dict[str, list[float]]) -> dict[str, list[float]]:
    """By way: the median, the longest, and of how many."""
    return {way: [round(median(took), 2), round(max(took), 2), len(took)] for way, took in sorted(of.items())}
