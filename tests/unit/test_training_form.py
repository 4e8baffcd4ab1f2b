"""The settings of the Training tab: what another recipe changes in them, and what is asked in the end."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from pipelines.requests import TrainingRequest
from pipelines.training.recipe_names import RECIPES
from studio.tabs.parts import Controls
from studio.tabs.recipes import NUMBERS, OWN, RecipeForm


class Asked:
    """As much of a page's request as a handler looks at."""

    def __init__(self, language: str) -> None:
        self.headers = {"accept-language": language}


@pytest.fixture
def form() -> RecipeForm:
    made = RecipeForm(Controls("training", TrainingRequest))
    made.lay_menu()
    made.lay_augment()
    made.lay_switches()
    made.controls.keep("dataset", gr.HTML("fashion-mnist"))
    for name in NUMBERS:  # as laid out, but in no row: rows need a page around them
        made.controls.number(name)
    return made


def by_name(form: RecipeForm, updates: dict[Any, Any]) -> dict[str, Any]:
    return {name: updates[component] for name, component in form.controls.fields.items() if component in updates}


def defaults(recipe: str, dataset: str = "fashion-mnist") -> list[Any]:
    request = TrainingRequest.parse({"recipe": recipe, "dataset": dataset})
    return [getattr(request, name) for name in NUMBERS]


def test_every_setting_of_every_recipe_has_its_place_in_the_form() -> None:
    assert {name for info in RECIPES.values() for name in info.settings} == set(OWN)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_that_is_chosen_sets_its_own_defaults(form: RecipeForm, recipe: str) -> None:
    for one, other in ((("r1", "mnist"), (recipe, "ring")), ((recipe, "mnist"), ("r1", "mnist"))):
        assert list(by_name(form, form.prefer(*other, 64, *defaults(*one))).values()) == defaults(*other)
        assert list(by_name(form, form.prefer(*one, 32, *defaults(*other))).values()) == defaults(*one)


def test_own_pictures_of_another_size_want_another_penalty(form: RecipeForm) -> None:
    for edge, gamma in ((32, 1.3), (64, 5.2), (None, 1.3)):
        assert by_name(form, form.prefer("r1", "own", edge, *defaults("r1")))["gamma"] == gamma


def test_a_number_somebody_typed_stays_and_an_empty_one_is_filled(form: RecipeForm) -> None:
    typed = dict(zip(NUMBERS, defaults("r1"), strict=True)) | {"width": 7, "batch": None}
    changed = by_name(form, form.prefer("classic", "mnist", 32, *typed.values()))
    assert "width" not in changed
    assert changed["batch"] == 64
    assert changed["latent"] == 100


@pytest.mark.parametrize(("language", "word"), [("en", "critic"), ("zh", "评论家")])
def test_only_what_a_recipe_looks_at_is_shown_with_what_it_does(form: RecipeForm, language: str, word: str) -> None:
    updates = by_name(form, form.show("wgan-gp", Asked(language)))  # type: ignore[arg-type]
    assert word in updates.pop("recipe").info
    assert {name for name, made in updates.items() if made.visible} == set(RECIPES["wgan-gp"].settings)


def test_a_setting_the_recipe_has_no_use_for_is_not_asked(form: RecipeForm) -> None:
    posted = {"recipe": "vae", "gamma": 1e9, "beta": 2.0, "seconds": 5}
    assert form.asked(posted) == {"recipe": "vae", "beta": 2.0, "seconds": 5}
    assert form.asked({"recipe": "stylegan", "gamma": 1}) == {"recipe": "stylegan", "gamma": 1}


def test_a_recipe_nobody_knows_changes_nothing(form: RecipeForm) -> None:
    request = Asked("en")
    updates = [form.show("stylegan", request), form.prefer("stylegan", "mnist", 32, *defaults("r1"))]  # type: ignore[arg-type]
    assert all(update == gr.skip() for changed in updates for update in changed.values())
