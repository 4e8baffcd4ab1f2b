"""The figures of a training against closed forms, and what the judges and the real pictures give them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from pipelines.training.data import DataSet, load_dataset, to_bytes
from pipelines.training.datasets import DATASETS
from pipelines.training.judge import FOLDER, Judge, halves, open_judge, pack, read, train_judge
from pipelines.training.measures import (
    Gaussian,
    classes_present,
    effective_classes,
    frechet_distance,
    kernel_distance,
    nearest,
    spread,
)
from pipelines.training.reference import REFERENCES, Reference

CPU = torch.device("cpu")
WITH_CLASSES = ("fashion-mnist", "mnist")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def diagonal(mean: list[float], spreads: list[float]) -> Gaussian:
    return Gaussian(torch.tensor(mean).double(), torch.diag(torch.tensor(spreads).double().square()))


# --------------------------------------------------------------------------------------------- formulas


def test_the_frechet_distance_of_round_gaussians_is_that_of_means_and_of_spreads() -> None:
    one, other = diagonal([0, 0, 0], [1, 2, 3]), diagonal([1, 2, 2], [4, 2, 1])
    assert frechet_distance(one, other) == pytest.approx(9 + (9 + 0 + 4))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_it_does_not_depend_on_how_the_features_are_turned() -> None:
    turn, _ = torch.linalg.qr(random(5, 5).double())
    one, other = random(80, 5, seed=1).double(), random(90, 5, seed=2).double() * torch.arange(1, 6) + 1
    before = frechet_distance(Gaussian.of(one), Gaussian.of(other))
    assert frechet_distance(Gaussian.of(one @ turn), Gaussian.of(other @ turn)) == pytest.approx(before)
    assert frechet_distance(Gaussian.of(other), Gaussian.of(one)) == pytest.approx(before)


def test_of_many_samples_it_is_what_their_distributions_have() -> None:
    one, other = random(200_000, 2, seed=1), 3 + 2 * random(200_000, 2, seed=2)
    assert frechet_distance(Gaussian.of(one), Gaussian.of(other)) == pytest.approx(2 * 9 + 2 * 1, rel=0.01)


def test_covariances_of_fewer_pictures_than_features_have_a_distance_too() -> None:
    few = Gaussian.of(random(10, 64))
    assert math.isfinite(frechet_distance(few, Gaussian.of(random(12, 64, seed=1))))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-4)


def test_the_kernel_distance_is_the_sum_over_pairs_of_different_ones() -> None:
    one, other = random(5, 3, seed=1).double(), random(4, 3, seed=2).double()

    def kernel(x: Tensor, y: Tensor) -> float:
        return float(x @ y / 3 + 1) ** 3

    among = [sum(kernel(x, y) for x, y in itertools.permutations(some, 2)) for some in (one, other)]
    between = sum(kernel(x, y) for x in one for y in other)
    expected = among[0] / (5 * 4) + among[1] / (4 * 3) - 2 * between / (5 * 4)
    assert kernel_distance(one, other) == pytest.approx(expected)


def test_it_is_zero_on_average_between_samples_of_one_distribution() -> None:
    found = torch.tensor(
        [kernel_distance(random(20, 4, seed=2 * n), random(20, 4, seed=2 * n + 1)) for n in range(400)]
    )
    assert abs(found.mean()) < 3 * found.std() / 20
    assert (found < 0).any()


def test_the_effective_number_of_classes_counts_alike_ones_fully() -> None:
    assert effective_classes(torch.arange(10).repeat(7)) == pytest.approx(10)
    assert effective_classes(torch.full((9,), 3)) == pytest.approx(1)
    assert effective_classes(torch.tensor([0, 0, 1, 2])) == pytest.approx(2**1.5)


def test_a_class_is_there_from_a_tenth_of_its_share_on() -> None:
    real = torch.arange(10).repeat(100)
    labels = torch.cat([torch.zeros(985, dtype=torch.long), torch.full((10,), 1), torch.full((5,), 2)])
    assert classes_present(labels, real) == 2
    assert classes_present(real[:100], real) == 10
    assert classes_present(torch.tensor([0, 1]), torch.tensor([0, 1, 1, 2])) == 2


def test_spread_and_nearest_are_distances() -> None:
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert spread(corners) == pytest.approx((3 + 4 + 5) / 3)
    distances, places = nearest(torch.tensor([[3.0, 1.0], [0.0, 0.0]]), corners)
    assert (distances.tolist(), places.tolist()) == ([1.0, 0.0], [1, 0])


# ----------------------------------------------------------------------------------------------- judges


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_dataset("mnist")


@pytest.fixture(scope="module")
def reference(digits: DataSet) -> Reference:
    return Reference.of(digits, lambda: None)


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_a_shipped_judge_is_as_good_as_its_file_says(name: str) -> None:
    data = load_dataset(name)
    header, _ = read(FOLDER / f"{name}.safetensors")
    rows = halves(len(data))[1]
    judge = open_judge(data, CPU)
    found = judge.classes(judge(data.batch(rows)))
    assert found is not None
    accuracy = float((found == data.labels[rows]).double().mean())
    assert accuracy == pytest.approx(float(header["accuracy"]), abs=0.005)
    assert accuracy > {"fashion-mnist": 0.86, "mnist": 0.95}[name]
    assert int(header["held_out"]) == len(rows)


def test_a_judge_learns_and_comes_out_the_same_twice(digits: DataSet) -> None:
    one, accuracy = train_judge(digits, steps=12)
    other, again = train_judge(digits, steps=12)
    assert accuracy == again > 0.3
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    assert len(pack(one, digits, accuracy, 12)) < 300_000


def test_no_picture_that_a_judge_learns_from_is_among_those_it_is_examined_on() -> None:
    learned, held_out = halves(100)
    assert sorted([*learned.tolist(), *held_out.tolist()]) == list(range(100))
    assert len(held_out) == 10


def test_pictures_without_a_judge_of_their_own_get_the_random_one_which_knows_no_classes(digits: DataSet) -> None:
    colour = to_bytes(random(30, 3, 64, 64))
    foreign = DataSet("mnist", colour, torch.zeros(30, dtype=torch.long), digits.classes, "another digest")
    one, other = open_judge(foreign, CPU), open_judge(foreign, CPU)
    assert isinstance(one, Judge)
    features = one(foreign.batch(torch.arange(30)))
    assert features.shape == (30, 64)
    assert torch.equal(features, other(foreign.batch(torch.arange(30))))
    assert one.classes(features) is None


# -------------------------------------------------------------------------------------------- reference


def test_real_pictures_are_as_far_away_as_the_floor_says(digits: DataSet, reference: Reference) -> None:
    rows = torch.randperm(len(digits), generator=torch.Generator().manual_seed(3))[:500]
    figures = reference.measure(reference.look(digits.batch(rows)))
    assert figures["frechet"] < 1.5 * figures["floor"]
    assert abs(figures["kernel"]) < 0.02
    assert figures["diversity"] == pytest.approx(1, abs=0.05)
    assert (figures["classes"], round(figures["effective_classes"])) == (10, 10)


def test_noise_is_far_away_and_one_picture_for_all_is_seen_as_one_class_without_diversity(
    digits: DataSet, reference: Reference
) -> None:
    noise = reference.measure(reference.look(random(500, 1, 28, 28).clamp(-1, 1)))
    assert noise["frechet"] > 20 * noise["floor"]
    same = reference.measure(reference.look(digits.batch(torch.zeros(500, dtype=torch.long))))
    assert (same["classes"], same["effective_classes"]) == (1, 1)
    assert same["diversity"] == pytest.approx(0, abs=1e-3)


def test_a_copy_of_training_pictures_has_no_novelty(digits: DataSet, reference: Reference) -> None:
    rows = torch.randperm(len(digits), generator=torch.Generator().manual_seed(3))[:100]
    known = reference.pool[:100]
    assert reference.measure(known)["novelty"] == pytest.approx(0, abs=1e-6)
    assert reference.measure(reference.look(digits.batch(rows)))["novelty"] < 0.5


def test_copies_of_fifty_pictures_have_no_novelty_whichever_they_are_of_and_others_have(digits: DataSet) -> None:
    few = DataSet("own", digits.images[:50], digits.labels[:50] * 0, (), "own")
    found = Reference.of(few, lambda: None)
    for copies in (found.features[:25], found.features[25:]):
        assert found.measure(copies)["novelty"] == pytest.approx(0, abs=1e-4)
    assert found.measure(found.look(digits.batch(torch.arange(50, 150))))["novelty"] == pytest.approx(1, abs=0.25)


def test_a_set_of_duplicates_has_a_distance_to_measure_by(digits: DataSet) -> None:
    twice = digits.images[:25].repeat(2, 1, 1, 1)
    found = Reference.of(DataSet("own", twice, torch.zeros(50, dtype=torch.long), (), "twice"), lambda: None)
    assert found.measure(found.look(digits.batch(torch.arange(50, 150))))["novelty"] == pytest.approx(1, abs=0.3)
    same = Reference.of(
        DataSet("own", twice[:1].repeat(50, 1, 1, 1), twice[:50, 0, 0, 0].long(), (), "one"), lambda: None
    )
    assert math.isfinite(same.measure(same.look(digits.batch(torch.arange(50))))["novelty"])


def test_fifty_pictures_are_enough_to_measure_against(digits: DataSet) -> None:
    few = DataSet("own", digits.images[:50], digits.labels[:50] * 0, (), "own")
    found = Reference.of(few, lambda: None)
    figures = found.measure(found.look(few.batch(torch.arange(25))))
    assert found.count == 25
    assert all(math.isfinite(value) for value in figures.values())
    assert "classes" not in figures


def test_points_in_the_plane_are_their_own_features_and_their_neighbours_say_the_class() -> None:
    ring = load_dataset("ring")
    found = Reference.of(ring, lambda: None)
    figures = found.measure(found.look(ring.batch(torch.arange(400))))
    assert (figures["classes"], round(figures["effective_classes"])) == (8, 8)
    one_mode = ring.images[ring.labels == 3][:400]
    assert found.measure(found.look(one_mode))["classes"] == 1


def test_a_reference_is_made_once_for_the_same_pictures(digits: DataSet) -> None:
    assert REFERENCES.of(digits, lambda: None) is REFERENCES.of(load_dataset("mnist"), lambda: None)


def test_every_data_set_with_classes_has_a_judge_that_fits_it() -> None:
    shipped = {path.stem: read(path)[0]["data_sha256"] for path in FOLDER.glob("*.safetensors")}
    assert shipped == {name: DATASETS[name].sha256 for name in WITH_CLASSES}
