"""What phases do to an encoder: two numbers against values by hand, coordinates that repeat, panels that agree."""

import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestCentroid
from synthetic_study import make_study

from threephase.base import paths
from threephase.base.files import write_table
from threephase.phases.vectors import MOST_POINTS, MOST_TRAINING_ROWS_A_CLASS, drawn_by_class, drawn_points
from threephase.report import layout
from threephase.report.encoder_pictures import (
    EDGE,
    LOOKS,
    PROJECTION_TEXTS,
    SIDE,
    looks_of,
    representations_context,
)
from threephase.report.finished import read_finished
from threephase.results.representations import (
    PROJECTIONS,
    nearest_mean_accuracy,
    panels_of,
    projected,
    separation_text,
    silhouette,
)
from threephase.study.read_params import load_study

HALF = 1 / math.sqrt(2)
ENCODER = "minilm_l6"


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path)


def test_silhouette_is_that_of_cosine_distances_by_hand():
    # Cosine distances of the first row: 0 to its own class, 1 and 2 to the other: (1.5 - 0) / 1.5. Of the third: 1 to
    # its own class, 1 to the other: 0. Of the fourth: 1 to its own, 2 to the other: (2 - 1) / 2.
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert silhouette(vectors, np.array(list("aabb"))) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    # Lengths make no difference.
    assert silhouette(vectors * [[1], [5], [2], [3]], np.array(list("aabb"))) == pytest.approx(0.625)


@pytest.mark.parametrize("labels", ["aaaa", "abcd"])
def test_silhouette_of_one_class_or_of_rows_alone_is_none(labels):
    value = silhouette(np.eye(4), np.array(list(labels)))
    assert math.isnan(value)
    line = pd.Series({"silhouette": value, "nearest_mean_accuracy": 50.0})
    assert separation_text(line) == "silhouette none, nearest mean 50.0%"


def test_nearest_mean_is_counted_by_hand():
    # Means: a (1, 0), b (0.5, 0.5). The third test row lies nearest to b and the fourth to a.
    train, classes = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array(list("aabb"))
    test, labels = np.array([[1.0, 0.0], [0.0, 1.0], [HALF, HALF], [1.0, 0.0]]), np.array(list("abab"))
    assert nearest_mean_accuracy(train, classes, test, labels) == 50.0


def test_nearest_mean_is_scikit_learns_nearest_centroid():
    random = np.random.default_rng(0)
    train, test = random.normal(size=(80, 6)), random.normal(size=(300, 6))
    classes, labels = random.choice(list("abcd"), 80), random.choice(list("abcd"), 300)
    expected = NearestCentroid().fit(train, classes).score(test, labels)
    assert nearest_mean_accuracy(train, classes, test, labels) == pytest.approx(100 * expected)


def test_a_class_without_a_mean_is_never_right_and_one_mean_decides_nothing():
    train, test = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert nearest_mean_accuracy(train, np.array(["a", "b"]), test, np.array(["a", "c"])) == 50.0
    assert math.isnan(nearest_mean_accuracy(train, np.array(["a", "a"]), test, np.array(["a", "b"])))


def test_the_same_vectors_give_the_same_coordinates():
    vectors = np.random.default_rng(0).normal(size=(60, 8))
    first, second = projected(vectors), projected(vectors)
    assert set(first) == {"pca_x", "pca_y", "tsne_x", "tsne_y"}
    for name, values in first.items():
        assert values.shape == (60,) and values.std() > 0
        assert values.tobytes() == second[name].tobytes()


def test_pca_is_the_plane_that_holds_the_vectors():
    plane = np.random.default_rng(0).normal(size=(30, 2)) * [3, 1]
    places = projected(np.hstack([plane, np.zeros((30, 4))]))
    coordinates = np.stack([places["pca_x"], places["pca_y"]], axis=1)
    distances = [np.linalg.norm(points[:, None] - points, axis=2) for points in (coordinates, plane)]
    np.testing.assert_allclose(*distances, atol=1e-3)
    assert coordinates[:, 0].std() > coordinates[:, 1].std()


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_few_rows_are_drawn_too(rows):
    assert all(np.isfinite(values).all() for values in projected(np.eye(rows, 6)).values())


def test_points_are_drawn_once_for_all_in_the_datas_order():
    rows = pd.DataFrame({"example_id": range(MOST_POINTS + 200)})
    drawn = drawn_points(rows, 0)
    assert (
        len(drawn) == MOST_POINTS
        and drawn["example_id"].is_monotonic_increasing
        and drawn.equals(drawn_points(rows, 0))
    )
    assert not drawn.equals(drawn_points(rows, 1))
    assert drawn_points(rows[:7], 0).equals(rows[:7])


def test_every_class_keeps_rows_for_its_mean():
    labels = ["large"] * (MOST_TRAINING_ROWS_A_CLASS + 300) + ["small"] * 2
    rows = pd.DataFrame({"label": labels, "example_id": range(len(labels))})
    drawn = drawn_by_class(rows, 0)
    assert drawn["label"].value_counts().to_dict() == {"large": MOST_TRAINING_ROWS_A_CLASS, "small": 2}
    assert drawn["example_id"].is_monotonic_increasing and drawn.equals(drawn_by_class(rows, 0))


def test_panels_are_the_encoders_that_the_study_trains(study):
    assert [(panel.phase, panel.variant) for panel in panels_of(study, ENCODER)] == [
        ("pretrained", ""), ("phase_3", "ft"), ("phase_1", "dae"), ("phase_3", "dae_ft"),
        ("phases_1_2", "three_phase"), ("phase_3", "three_phase"), ("phase_2", "cl_ft"), ("phase_3", "cl_ft"),
        ("joint", "joint"), ("phase_3", "joint"),
    ]  # fmt: skip
    variants = [variant for variant in study.params.variants if variant not in ("cl_ft", "joint")]
    fewer = dataclasses.replace(study, params=dataclasses.replace(study.params, variants=variants))
    before = ["pretrained", "phase_1", "phases_1_2"]
    assert [panel.phase for panel in panels_of(fewer, ENCODER) if panel.phase != "phase_3"] == before


def test_phase_3_has_a_panel_where_it_trains_the_encoder(study):
    variants = [*study.params.variants, "three_phase_ordinary"]
    settings = {ENCODER: dataclasses.replace(study.params.hyperparameters[ENCODER], freeze_encoder=True)}
    params = dataclasses.replace(study.params, variants=variants, hyperparameters=settings)
    frozen = panels_of(dataclasses.replace(study, params=params), ENCODER)
    # The ordinary recipe never freezes.
    assert [panel.variant for panel in frozen if panel.phase == "phase_3"] == ["three_phase_ordinary"]
    assert [panel.phase for panel in frozen][-4:] == ["phases_1_2", "phase_3", "phase_2", "joint"]


def test_methods_have_panels_and_a_fitted_classifier_changes_no_encoder(study):
    methods = ["ncm_ft", "supcon", "setfit", "mean_merge", "co_finetuning", "aligned_phases"]
    trained = dataclasses.replace(study, params=dataclasses.replace(study.params, variants=methods))
    assert [(panel.phase, panel.variant) for panel in panels_of(trained, ENCODER)] == [
        ("pretrained", ""), ("phase_3", "ncm_ft"), ("phase_1", "dae"), ("phase_2", "cl_ft"),
        ("method", "supcon"), ("phase_3", "supcon"), ("method", "setfit"), ("method", "mean_merge"),
        ("phase_3", "mean_merge"), ("method", "co_finetuning"), ("phase_3", "co_finetuning"),
        ("phase_1_method", "aligned_phases"), ("phase_3", "aligned_phases"),
    ]  # fmt: skip


def tables(study, classes=("x", "y", "z"), rows=12):
    """Points and separation as ``represent`` gives them, of made-up vectors."""
    random, points, separation = np.random.default_rng(0), [], []
    for panel in panels_of(study, ENCODER):
        who = {"phase": panel.phase, "variant": panel.variant}
        frame = pd.DataFrame({**who, "example_id": [f"test-{row}" for row in range(rows)]})
        frame["class"] = [classes[row % len(classes)] for row in range(rows)]
        places = {f"{name}_{axis}": random.normal(size=rows) for name in PROJECTIONS for axis in "xy"}
        points.append(frame.assign(**places))
        separation.append(who | {"silhouette": 0.25, "nearest_mean_accuracy": 75.0, "n_test": rows, "n_train": 9})
    return pd.concat(points, ignore_index=True), pd.DataFrame(separation)


def write_pictures(study, points, separation):
    folder = paths.representations(paths.REPORTS, ENCODER)
    write_table(folder / "representations.csv", points)
    write_table(folder / "separation.csv", separation.assign(seed=0))


def context_of(study):
    return representations_context(read_finished(study))


def test_a_panel_an_encoder_with_the_same_classes_in_the_same_look(study):
    points, separation = tables(study)
    write_pictures(study, points, separation)
    (encoder,) = context_of(study)
    assert [figure["title"] for figure in encoder["figures"]] == [PROJECTION_TEXTS[name][0] for name in PROJECTIONS]
    for figure in encoder["figures"]:
        assert [panel["title"] for panel in figure["panels"]] == [panel.title for panel in panels_of(study, ENCODER)]
        for panel in figure["panels"]:
            assert panel["note"] == "silhouette +0.25, nearest mean 75.0%"
            for mark, name in zip(panel["marks"], "xyz", strict=True):
                assert mark["name"] == name and mark["colour"] == encoder["classes"][name]["colour"]
                places = [tuple(map(int, place)) for place in re.findall(r"M(\d+) (\d+)", mark["path"])]
                assert len(places) == (points["class"] == name).sum() / len(figure["panels"])
                assert all(0 <= value <= SIDE for place in places for value in place)


def test_points_far_and_near_keep_their_order_in_their_panel(study):
    points, separation = tables(study)
    points["pca_x"], points["pca_y"] = range(len(points)), 0.0
    write_pictures(study, points, separation)
    panel = context_of(study)[0]["figures"][0]["panels"][0]
    across = [int(x) for mark in panel["marks"] for x in re.findall(r"M(\d+) 100", mark["path"])]
    assert min(across) == EDGE and max(across) == SIDE - EDGE


def test_many_classes_have_looks_of_their_own_and_hostile_names_are_text(study):
    names = ["<b>", "n" * 10_000, *(f"class {number}" for number in range(LOOKS - 2))]
    looks = looks_of(names)
    assert len({tuple(look.values()) for look in looks.values()}) == LOOKS
    write_pictures(study, *tables(study, names[:30], 60))
    assert set(context_of(study)[0]["classes"]) == set(names[:30])


def test_the_page_has_the_numbers_of_what_was_recorded(study):
    assert set(PROJECTION_TEXTS) == set(PROJECTIONS)
    (before,) = context_of(study)
    assert before["lines"] == [] and before["figures"] == []
    points, separation = tables(study)
    separation.loc[0, "silhouette"] = float("nan")
    write_pictures(study, points, separation)
    (encoder,) = context_of(study)
    assert [line[2:] for line in encoder["lines"]] == [("none", "75.0"), *[("+0.25", "75.0")] * 9]


@pytest.mark.parametrize("frozen", [False, True])
def test_whether_phase_3_goes_on_is_said_by_the_settings(study, tmp_path, frozen):
    params = tmp_path / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("freeze_encoder: false", f"freeze_encoder: {str(frozen).lower()}"), encoding="utf-8")
    study = load_study()
    write_pictures(study, *tables(study))
    (encoder,) = context_of(study)
    assert encoder["frozen"] is frozen and encoder["fine_tuned"] == (not frozen)


@pytest.mark.parametrize(
    ("frozen", "fine_tuned", "split", "recipe", "caveat"),
    [
        (True, True, "test", True, True),
        (True, True, "validation", True, False),
        (True, False, "test", False, False),
        (False, True, "test", False, True),
        (False, True, "validation", False, False),
    ],
)
def test_the_page_says_what_phase_3_does_to_the_pictured_rows(study, frozen, fine_tuned, split, recipe, caveat):
    write_pictures(study, *tables(study))
    encoders = context_of(study)
    encoders[0] |= {"frozen": frozen, "fine_tuned": fine_tuned}
    protocol = dataclasses.replace(study.protocol, selection_split=split)
    shared = dataclasses.replace(study.shared, protocols={study.params.protocol: protocol})
    context = {
        "representations": encoders,
        "mistakes": {"confusion": None, "disagreements": None, "texts": False},
        "study": dataclasses.replace(study, shared=shared),
        "not_recorded": "",
        "unit": "seed",
    }
    page = layout._engine().get_template("representations.html.j2").render(context)
    assert ("leaves the encoder as it is" in page) == frozen
    assert ("The ordinary recipe trains it" in page) == recipe
    assert ("is the best one on these very rows" in page) == caveat


def test_an_encoder_that_is_not_drawn_has_no_part(study):
    params = dataclasses.replace(study.params, draw_encoders=False)
    assert context_of(dataclasses.replace(study, params=params)) == []
