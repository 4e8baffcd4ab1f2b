"""Keeps a curve of any length small enough to send: at most a few hundred points, extremes never lost.

Knows numbers only. Points come in order; when there are too many buckets, neighbours are merged two by two, so a
point costs constant time on average however long the training runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

#: (step, seconds of device time, value)
Point: TypeAlias = tuple[int, float, float]

LIMIT = 300


@dataclass
class _Bucket:
    """Neighbouring points, of which the lowest and the highest are kept."""

    low: Point
    high: Point
    count: int = 1

    def add(self, other: _Bucket) -> None:
        self.low = min(self.low, other.low, key=_value)
        self.high = max(self.high, other.high, key=_value)
        self.count += other.count

    def points(self) -> list[Point]:
        return [self.low] if self.low == self.high else sorted((self.low, self.high))


def _value(point: Point) -> float:
    return point[2]


@dataclass
class Curve:
    """One series. ``points`` are at most ``limit``, in order, with the first, the last and every extreme."""

    limit: int = LIMIT
    _buckets: list[_Bucket] = field(default_factory=list)
    _width: int = 1
    _first: Point | None = None
    _last: Point | None = None

    def add(self, step: int, seconds: float, value: float) -> None:
        """Appends a point. NaN and infinities are left out: they have no place on an axis."""
        if not math.isfinite(value):
            return
        point = (step, seconds, value)
        self._first = self._first or point
        self._last = point
        new = _Bucket(point, point)
        if self._buckets and self._buckets[-1].count < self._width:
            self._buckets[-1].add(new)
            return
        self._buckets.append(new)
        if len(self._buckets) > self.limit // 2 - 1:  # two points a bucket, and room for the first and the last
            self._halve()

    def back_to(self, step: int) -> None:
        """Drops what came at ``step`` or later: the training went back there."""
        kept = [point for point in self.points() if point[0] < step]
        self._buckets, self._first, self._last = [_Bucket(point, point, self._width) for point in kept], None, None
        if kept:
            self._first, self._last = kept[0], kept[-1]
        while len(self._buckets) > self.limit // 2 - 1:
            self._halve()

    def points(self) -> list[Point]:
        """What to draw, in order of steps."""
        if self._first is None or self._last is None:
            return []
        inner = [point for bucket in self._buckets for point in bucket.points()]
        return sorted({self._first, *inner, self._last})

    def _halve(self) -> None:
        merged = self._buckets[::2]
        for bucket, neighbour in zip(merged, self._buckets[1::2], strict=False):
            bucket.add(neighbour)
        self._buckets = merged
        self._width *= 2


def rounded(points: list[Point]) -> list[list[float]]:
    """Three numbers a point, with as many digits as a screen can show."""
    return [[step, round(seconds, 2), float(f"{value:.4g}")] for step, seconds, value in points]
