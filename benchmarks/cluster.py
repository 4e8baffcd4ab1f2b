"""A Ray cluster of virtual GPUs on this machine, whose steps hold the device and sleep: what more devices give, how
soon an event is seen, what becomes of jobs when parts of it are killed, and what a plan for a large one reckons with.

    python -m benchmarks.cluster [--only scale,events,steal,kills,plan] [--seconds 15] [--kills 30] [--seed 1 2 3]

``scale``: ``scale_4``, finished jobs of four devices over those of one in the same time. ``steal``: ``steal_s``, from a
machine that joins while the queue is full to the first job that begins on it, the start of its engine included.

``events``, over Ray and a PostgreSQL that syncs: milliseconds from a step's end to its event at a follower, a step
being 20 ms: ``event_p50_ms`` in the process that leads, ``event_p50_ms_follower`` in another;
``event_p50_ms_process`` of the process host beside them.

``kills``: ``kill_worker_next_s``, kill -9 of the only device's actor to the next job that is done there;
``kill_node_next_s``, of a machine to the next step of the training that it had, elsewhere. Then, for each seed,
``kills`` random kills in one run under load, of actors, whole machines, web processes and connections to PostgreSQL:
``lost`` acknowledged jobs that have no end, ``doubled`` that have more than one, or files twice, ``torn`` files and
sequences of events; ``ended_in_a_sentence`` by which. Of seconds [median, longest, how many]: ``sentence_s`` from a
kill until the last of those it fell upon had read a sentence, under load; ``sentence_quiet_s`` the same with two jobs
and nothing else, where ``moved`` is the death of a leader whose own device had them, and ``silent`` a machine that
keeps its connections and says nothing, of which people are told before it is given up; ``silence_s`` from a blow until
anybody read anything that was said after it; ``leads_s`` from a leader's death until another one takes jobs.

``plan``: what ``benchmarks.cluster_plan`` measures. One thread a worker; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter
from statistics import median
from typing import Any

from benchmarks import cluster_audit as audit
from benchmarks import cluster_devices as devices
from benchmarks import cluster_plan
from benchmarks.cluster_storm import PATIENCE, opened, quiet, storm
from tests.studios import wait_for

PARTS = ("scale", "events", "steal", "kills", "plan")
#: steps until which an engine, and whoever listens to it, are still waking up
WARM = 20


def events() -> dict[str, float]:
    """Medians at a follower in either web process, and of the process host, in milliseconds."""
    with opened(random.Random(1), gpus=1) as cluster:
        leader = cluster.leader()
        job = cluster.ask("virtual", steps=300, pause=0.02)
        wait_for(lambda: not cluster.rows("SELECT 1 FROM jobs WHERE ended IS NULL"), PATIENCE)
        time.sleep(1)  # the last of it is seen
        found = {}
        for web, life in zip(cluster.webs, audit.lives(cluster), strict=True):
            late = [1000 * (one.seen - one.said) for one in life.of[str(job)] if one.kind == "token"]
            found["event_p50_ms" if web is leader else "event_p50_ms_follower"] = median(late[WARM:])
    return found | devices.alone()


def kills(count: int, seeds: list[int]) -> dict[str, Any]:
    """Sentences when it is quiet, then a storm for each seed."""
    with opened(random.Random(seeds[0]), gpus=2) as cluster:
        quiet(cluster, ["actor"] * 5 + ["node"] * 3 + ["silent"] * 2)
        calm = audit.sentences(cluster)
    with opened(random.Random(seeds[0]), gpus=0) as cluster:
        quiet(cluster, ["leader"] * 5)
        calm["moved"] = audit.sentences(cluster).get("leader", [])
    found: dict[str, Any] = {"sentence_quiet_s": audit.told(calm)}
    print(json.dumps(found), flush=True)
    sums: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    times: dict[str, dict[str, list[float]]] = {"sentence_s": {}, "silence_s": {}, "leads_s": {}}
    for seed in seeds:
        with opened(random.Random(seed)) as cluster:
            storm(cluster, count)
            fate = audit.fate(cluster)
            ended.update(fate.pop("ended_in_a_sentence"))
            sums.update({"kills": len(cluster.strikes), **fate})
            said = {"sentence_s": audit.sentences(cluster), "silence_s": audit.silences(cluster)}
            said["leads_s"] = {"leader": cluster.leads}
        for key, of in said.items():
            for way, took in of.items():
                times[key].setdefault(way, []).extend(took)
        print(json.dumps({"seed": seed, **fate, **{key: audit.told(of) for key, of in said.items()}}), flush=True)
    return (
        found | dict(sums) | {"ended_in_a_sentence": dict(ended)} | {key: audit.told(of) for key, of in times.items()}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--seconds", type=float, default=15, help="of each half of scale_4")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    asked = parser.parse_args()
    parts = set(asked.only.split(","))
    if unknown := parts - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    began = time.monotonic()
    found: dict[str, Any] = {}
    if "events" in parts:
        found |= told(events())
    if parts & {"scale", "steal", "kills"}:
        found |= told(devices.measure(parts, asked.seconds))
    if "kills" in parts:
        found |= kills(asked.kills, asked.seed)
    if "plan" in parts:
        found |= told(cluster_plan.measure())
    print(json.dumps({**found, "threads": 1, "cores": os.cpu_count(), "seconds": round(time.monotonic() - began)}))


def told(found: dict[str, float]) -> dict[str, float]:
    """Each part's figures as soon as they are there."""
    rounded = {name: round(value, 2) for name, value in found.items()}
    print(json.dumps(rounded), flush=True)
    return rounded


if __name__ == "__main__":
    main()
