"""A thing's family: what it was made from and what was made from it, a few generations each way, to be drawn as a tree.

Knows edges and items. What was deleted is named as such, and so is a file that was only given; neither opens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.library.edges import JOB, SET, record
from studio.library.library import Library, item_of
from studio.store.blobs import Blobs
from studio.store.database import Database
from studio.store.shelf import EdgeRow, ToIndexRow
from studio.store.tables import BlobRow, ItemRow, JobRow, UploadRow

#: generations each way, children of one thing that are shown, and things in all
GENERATIONS, CHILDREN, MOST = 6, 8, 60

State = Literal["here", "given", "gone", "set", "running"]


@dataclass(frozen=True)
class Node:
    """``id`` is a file's sha256, or job: or set: and a name. ``generation``: 0 is the thing asked about, below 0 came
    before. ``more``: so many further children that are not shown."""

    id: str
    state: State
    generation: int
    kind: str
    title: str
    item: dict[str, Any] | None = None
    thumbnail_url: str | None = None
    more: int = 0


@dataclass(frozen=True)
class Link:
    """``made`` came from ``source``; ``role`` is the setting that named it."""

    made: str
    source: str
    role: str


@dataclass(frozen=True)
class Tree:
    """``focus`` is the node asked about."""

    focus: str
    nodes: list[Node]
    links: list[Link]

    def json(self) -> dict[str, Any]:
        return asdict(self)


class Lineage:
    """``tree`` of one person's thing."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library

    def tree(self, owner: str, item_id: str) -> Tree:
        """Ancestors and descendants. Raises ``StudioError`` for what is not in ``owner``'s library."""
        item = self._library.get(owner, item_id)
        self._record(item.id)
        with self._database.read() as session:
            drawing = _Drawing(session, owner, self._library.blobs)
            drawing.put(item.digest, 0)
            drawing.upwards(item.digest)
            drawing.downwards(item.digest)
            return Tree(item.digest, list(drawing.nodes.values()), list(dict.fromkeys(drawing.links)))

    def _record(self, item_id: str) -> None:
        """What was made a moment ago may wait yet for the indexer: its sources are written down now."""
        with self._database.read() as session:
            if session.get(ToIndexRow, (item_id, "sources")) is None:
                return
        with self._database.write() as session:
            row, waiting = session.get(ItemRow, item_id), session.get(ToIndexRow, (item_id, "sources"))
            if row is not None and waiting is not None:
                record(session, self._library.blobs, row)
                session.delete(waiting)

    def given(self, owner: str, digest: str) -> None:
        """Raises ``StudioError`` unless ``owner`` gave the studio this file."""
        with self._database.read() as session:
            if session.get(UploadRow, (owner, digest)) is None:
                raise StudioError(
                    "file.unknown", "There is no file {digest} of yours; upload it again.", digest=digest[:12]
                )


class _Drawing:
    """One tree while it is put together."""

    def __init__(self, session: Session, owner: str, blobs: Blobs) -> None:
        self._session, self._owner, self._blobs = session, owner, blobs
        self.nodes: dict[str, Node] = {}
        self.links: list[Link] = []

    def upwards(self, start: str) -> None:
        waiting = deque([(start, 0)])
        while waiting and len(self.nodes) < MOST:
            name, generation = waiting.popleft()
            if generation <= -GENERATIONS:
                continue
            for edge in self._edges(EdgeRow.made == name):
                source = self._resolved(edge.source)
                self.links.append(Link(name, source, edge.role))
                if source not in self.nodes:
                    self.put(source, generation - 1, edge)
                    waiting.append((source, generation - 1))

    def downwards(self, start: str) -> None:
        waiting = deque([(start, 0)])
        while waiting and len(self.nodes) < MOST:
            name, generation = waiting.popleft()
            if generation >= GENERATIONS:
                continue
            edges = self._edges(EdgeRow.source.in_(self._names(name)))
            children = list(dict.fromkeys(edge.made for edge in edges))
            for child in children[:CHILDREN]:
                self.links += [Link(child, name, edge.role) for edge in edges if edge.made == child]
                if child not in self.nodes:
                    self.put(child, generation + 1)
                    waiting.append((child, generation + 1))
            if len(children) > CHILDREN:
                node = self.nodes[name]
                self.nodes[name] = Node(**{**vars(node), "more": len(children) - CHILDREN})

    def put(self, name: str, generation: int, edge: EdgeRow | None = None) -> None:
        """A node for ``name``; ``edge``, the one that leads to it, remembers what a deleted source was."""
        self.nodes[name] = self._node(name, generation, edge)

    def _node(self, name: str, generation: int, edge: EdgeRow | None) -> Node:
        title, kind = ("", "") if edge is None else (edge.title, edge.kind)
        if name.startswith(SET):
            return Node(name, "set", generation, "dataset", name.removeprefix(SET))
        if name.startswith(JOB):
            job = self._session.get(JobRow, name.removeprefix(JOB))
            live = job is not None and job.owner == self._owner and job.state in ("queued", "running", "paused")
            return Node(name, "running" if live else "gone", generation, kind, title)
        row = self._item(name)
        if row is not None:
            item = item_of(row, self._session.get_one(BlobRow, row.digest).bytes)
            return Node(name, "here", generation, row.kind, row.title, item.json(), item.thumbnail_url)
        given = self._session.get(UploadRow, (self._owner, name)) is not None
        if edge is None:  # a deleted thing between two: some edge to it says what it was
            known = next(iter(self._edges(EdgeRow.source == name)), None)
            title, kind = ("", "") if known is None else (known.title, known.kind)
        seen = given and _is_picture(self._blobs, name)
        thumbnail = f"/shelf/given/{name}/thumbnail" if seen else None
        return Node(name, "given" if given else "gone", generation, kind or "upload", title, thumbnail_url=thumbnail)

    def _item(self, digest: str) -> ItemRow | None:
        query = select(ItemRow).where(ItemRow.digest == digest, ItemRow.owner == self._owner)
        return self._session.scalars(query.order_by(ItemRow.created.desc()).limit(1)).first()

    def _resolved(self, source: str) -> str:
        """A training by the generator it left, where there is one."""
        if not source.startswith(JOB):
            return source
        query = select(ItemRow.digest).where(ItemRow.job_id == source.removeprefix(JOB), ItemRow.owner == self._owner)
        found = list(self._session.scalars(query.order_by(ItemRow.name.endswith(".safetensors").desc()).limit(1)))
        return found[0] if found else source

    def _names(self, name: str) -> list[str]:
        """What a thing may be called as a source: its file, and the training that left it."""
        row = self._item(name) if ":" not in name else None
        trained = row is not None and row.name.endswith(".safetensors") and row.job_id is not None
        return [name, JOB + str(row.job_id)] if row is not None and trained else [name]

    def _edges(self, condition: Any) -> list[EdgeRow]:
        query = select(EdgeRow).where(EdgeRow.owner == self._owner, condition).order_by(EdgeRow.at.desc()).limit(400)
        return list(self._session.scalars(query))


def _is_picture(blobs: Blobs, digest: str) -> bool:
    """By its first bytes: a zip and a snapshot are given too."""
    try:
        head = blobs.beginning(digest, 12)
    except FileNotFoundError:
        return False
    return head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*", b"MM")) or head[8:] == b"WEBP"
