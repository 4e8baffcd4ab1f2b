"""What the process that is connected to Ray asks of the studio, and the answers."""

from __future__ import annotations

import threading
from multiprocessing import Pipe
from typing import Any

import pytest

from studio.engine.hosts import Demand, cluster_process
from studio.engine.hosts.cluster_messages import Answer, Leaving, Question
from studio.engine.hosts.cluster_process import Told


def asked(line: Any) -> Question:
    question = line.recv()
    assert isinstance(question, Question)
    return question


def test_a_studio_that_does_not_answer_is_no_end_and_its_late_answer_is_to_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = Pipe()
    told = Told(ours)
    monkeypatch.setattr(cluster_process, "ANSWER_SECONDS", 0.05)
    with pytest.raises(ConnectionError, match=r"did not answer for 0\.05 s"):
        told.retire("idle-0", 300)
    late = asked(theirs)
    assert theirs.recv() == Leaving("idle-0", False), "it was not let go, whatever is answered yet"
    monkeypatch.setattr(cluster_process, "ANSWER_SECONDS", 30.0)

    def answer() -> None:
        question = asked(theirs)
        told.answers.put(Answer(late.number, True))
        told.answers.put(Answer(question.number, Demand(3, 1)))

    thread = threading.Thread(target=answer)
    thread.start()
    assert told.demand() == Demand(3, 1)
    thread.join()
