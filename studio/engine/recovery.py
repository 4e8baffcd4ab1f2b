"""What becomes of jobs that were cut short, in words, and how often a training is begun again by itself.

Knows causes and steps. A training that gets nowhere between one death and the next is probably their reason: after
``MOST`` times it is left to its owner.
"""

from __future__ import annotations

from studio.engine.hosts import Loss
from studio.engine.job import ErrorSentence

MOST = 2

CLOSED = ErrorSentence(
    "job.closed", "The studio was closed while this was running. Resume goes on from where it can.", {}
)
MOVED = ErrorSentence(
    "job.moved",
    "The process of the studio that ran this ended, and another one has taken its place. Resume goes on from where it "
    "can.",
    {},
)
USED_UP = ErrorSentence(
    "cap.stopped",
    "You have used up the device minutes that your role has in 24 hours, so this training was stopped. Resume goes on "
    "from its last checkpoint once some are free again.",
    {},
)
STOPPED = ErrorSentence(
    "job.stopped", "An administrator of this studio stopped this. Resume goes on from where it can.", {}
)
AGAIN = ErrorSentence(
    "job.again",
    "The process that runs the models ended while this was running. A new one has been started, and this goes on from "
    "its last checkpoint by itself.",
    {},
)


UPGRADED = ErrorSentence(
    "job.upgraded_again",
    "The studio was upgraded while this was running, and the new version cannot understand the process that ran it. "
    "That was ended, and this goes on from its last checkpoint by itself.",
    {},
)


def sentence_of(loss: Loss) -> ErrorSentence:
    """What the owner of a job is told that was running."""
    match loss.cause:
        case "killed":
            return ErrorSentence(
                "job.killed",
                "The system ended the process that runs the models ({reason}) while this was running, most often "
                "because memory ran out; a new one has been started. Resume goes on from where it can; make it smaller "
                "if it happens again.",
                {"reason": loss.reason},
            )
        case "hung":
            return ErrorSentence(
                "job.hung",
                "The device gave no sign of life for {seconds} seconds while this was running, so its process was "
                "ended and a new one started. Resume goes on from where it can.",
                {"seconds": loss.reason},
            )
        case "foreign":
            return ErrorSentence(
                "job.upgraded",
                "The studio was upgraded while this was running, and the new version cannot understand the process "
                "that ran it, so that was ended. Resume goes on from where it can.",
                {},
            )
        case _:
            return ErrorSentence(
                "job.lost",
                "The process that runs the models ended ({reason}) while this was running; a new one has been started. "
                "Resume goes on from where it can.",
                {"reason": loss.reason},
            )


class Recovery:
    """Counts, by training, how often it was begun again since it last got on."""

    def __init__(self) -> None:
        self._furthest: dict[str, int] = {}
        self._again: dict[str, int] = {}

    def reached(self, job_id: str, step: int) -> None:
        if step > self._furthest.get(job_id, 0):
            self._furthest[job_id] = step
            self._again.pop(job_id, None)

    def again(self, job_id: str) -> bool:
        """Whether it is begun once more; if so, that is counted."""
        count = self._again.get(job_id, 0) + 1
        if count > MOST:
            return False
        self._again[job_id] = count
        return True

    def forget(self, job_id: str) -> None:
        self._furthest.pop(job_id, None)
        self._again.pop(job_id, None)
