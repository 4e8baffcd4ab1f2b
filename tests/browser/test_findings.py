"""What is going on in a training, on its tab: found, said in the person's language, and mended by a click."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from benchmarks.followed import Studio
from studio.owners import COOKIE
from tests.browser.conftest import NewPerson
from tests.browser.people import SLOW


def test_a_code_that_says_nothing_is_found_and_a_click_lowers_beta(new_person: NewPerson) -> None:
    person = new_person(locale="zh-CN")
    person.open("training")
    token = next(str(one["value"]) for one in person.context.cookies() if one["name"] == COOKIE)
    studio = Studio(person.url, token)
    settings = json.dumps({"seconds": 600, "seed": 1, "beta": 100, "warmup": 0, "width": 4, "batch": 16})
    job = studio.call("start_training", "vae", "mnist", settings)
    studio.close()
    person.reload("training")
    finding = person("training-findings [data-finding=kl_collapsed]")
    expect(finding).to_contain_text("KL 塌缩了", timeout=SLOW)
    expect(person("training-findings")).to_contain_text("现在的情况")
    finding.get_by_role("button", name="beta 降到 1", exact=True).click()
    expect(person("steer-beta")).to_have_value("1", timeout=SLOW)
    answer = person.page.evaluate("job => fetch(`jobs/${job}/curves?after=0`).then((one) => one.json())", job)
    assert [words for _, _, words in answer["marks"]] == ["KL 塌缩了", "Beta 100 → 1"]
    person("training-stop").click()
    person.sees_state("training", "done")
    expect(person("training-findings")).to_be_visible()
    expect(person("training-findings button")).to_have_count(0)
