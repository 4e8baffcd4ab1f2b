"""What an engine far away is told: in the order in which it was said, once, however the calls that carry it come."""

from __future__ import annotations

import random

import pytest

from studio.engine.inbox import Inbox, Unconfirmed
from studio.engine.messages import Tell


def said(number: int) -> Tell:
    return Tell("a", str(number))


def test_of_two_calls_that_overtake_each_other_the_later_brings_what_the_earlier_had() -> None:
    sender, inbox = Unconfirmed(), Inbox()
    run, finish = sender.add(said(1)), sender.add(said(2))
    assert inbox.take(sender.name, finish) == [said(1), said(2)]
    assert inbox.take(sender.name, run) == []
    assert inbox.last(sender.name) == 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_order_calls_come_in_and_whichever_are_lost_each_order_is_taken_once_and_in_its_turn(
    seed: int,
) -> None:
    chance, sender, inbox = random.Random(seed), Unconfirmed(), Inbox()
    under_way, taken = [], []
    for number in range(100):
        under_way.append(sender.add(said(number)))
        while under_way and chance.random() < 0.5:
            call = under_way.pop(chance.randrange(len(under_way)))
            if chance.random() < 0.2:
                continue  # lost
            taken += inbox.take(sender.name, call)
            if chance.random() < 0.8:  # else the answer was
                sender.confirm(inbox.last(sender.name))
    taken += inbox.take(sender.name, sender.waiting)
    assert taken == [said(number) for number in range(100)]


def test_what_is_known_to_have_come_is_not_sent_again() -> None:
    sender = Unconfirmed()
    sender.add(said(1))
    sender.add(said(2))
    sender.confirm(1)
    sender.confirm(0)  # an answer that was overtaken
    assert sender.waiting == [(2, said(2))]
    assert sender.add(said(3)) == [(2, said(2)), (3, said(3))]


def test_whoever_speaks_next_is_heard_from_its_first_word() -> None:
    first, second, inbox = Unconfirmed(), Unconfirmed(), Inbox()
    inbox.take(first.name, first.add(said(1)))
    assert inbox.take(second.name, second.add(said(2))) == [said(2)]
