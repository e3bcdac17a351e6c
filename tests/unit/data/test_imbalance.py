"""The imbalance correction: closed forms of f, what is enlarged by how much, and the paper's own class counts."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threephase.data.imbalance import class_ratios, enlargement, resample
from threephase.study.params import Imbalance

NORMAL, EXTRA = Imbalance(1.5, 4), Imbalance(1.5, 20)
largest_sizes = st.integers(2, 10**6)
max_ratios = st.floats(1.6, 40)


def rows(sizes: dict[str, int], text: str = "the {label} number {i}") -> pd.DataFrame:
    texts = [(f"{label}-{i}", text.format(label=label, i=i), label) for label, n in sizes.items() for i in range(n)]
    return pd.DataFrame(texts, columns=["example_id", "text", "label"])


def copies(resampled: pd.DataFrame, stop_words_deleted: bool = False) -> dict[str, int]:
    """Rows a label with or without their stop-words."""
    return resampled.loc[resampled["stop_words_deleted"] == stop_words_deleted, "label"].value_counts().to_dict()


@settings(deadline=None)
@given(largest_sizes, max_ratios)
def test_f_at_its_ends(largest, max_ratio):
    assert enlargement(1, largest, max_ratio) == pytest.approx(max_ratio)
    assert enlargement(largest, largest, max_ratio) == 0


@pytest.mark.parametrize(("largest", "max_ratio", "size"), [(10**4, 4, 10**3), (2**20, 20, 2**19), (3**5, 5, 3**4)])
def test_f_is_1_at_the_largest_size_to_the_power_of_its_complement(largest, max_ratio, size):
    assert size == round(largest ** ((max_ratio - 1) / max_ratio))
    assert enlargement(size, largest, max_ratio) == pytest.approx(1)


@settings(deadline=None)
@given(largest_sizes, max_ratios, st.data())
def test_f_falls_with_the_size(largest, max_ratio, data):
    size = data.draw(st.integers(1, largest - 1))
    assert enlargement(size, largest, max_ratio) > enlargement(size + 1, largest, max_ratio)


@settings(deadline=None)
@given(largest_sizes, st.floats(1.5, 5), st.floats(1.1, 10), st.data())
def test_a_class_is_enlarged_exactly_up_to_the_border(largest, min_ratio, factor, data):
    setting = Imbalance(min_ratio, min_ratio * factor)
    size = data.draw(st.integers(1, largest))
    border = largest ** (1 - setting.min_ratio / setting.max_ratio)
    if math.isclose(size, border, rel_tol=1e-9):
        return
    ratio = class_ratios({"small": size, "large": largest}, setting)["small"]
    assert (ratio > 1) == (size < border)
    if ratio > 1:
        assert abs(ratio - enlargement(size, largest, setting.max_ratio)) <= 0.5


def test_a_class_at_the_border_is_enlarged():
    # 2^16 to the power of 0.625 is 2^10, where f is exactly 1.5.
    assert class_ratios({"at": 2**10, "above": 2**10 + 1, "large": 2**16}, NORMAL) == {"at": 2, "above": 1, "large": 1}


def test_f_is_rounded_to_the_nearest_whole_number():
    # With M = 10000 and max_ratio 4, f(x) = 4 - log10(x).
    ratios = class_ratios({"1": 1, "3": 3, "4": 4, "31": 31, "32": 32, "large": 10**4}, NORMAL)
    assert ratios == {"1": 4, "3": 4, "4": 3, "31": 3, "32": 2, "large": 1}


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(1, 10**5), min_size=1))
def test_the_largest_class_is_never_enlarged_and_no_correction_enlarges_none(sizes):
    largest = max(sizes.values())
    for setting in (NORMAL, EXTRA):
        ratios = class_ratios(sizes, setting)
        assert all(ratios[label] == 1 for label, size in sizes.items() if size == largest)
        assert all(1 <= ratio <= round(setting.max_ratio) for ratio in ratios.values())
    assert class_ratios(sizes, None) == dict.fromkeys(sizes, 1)


def test_classes_of_one_example_each_are_equally_large():
    assert class_ratios({"a": 1, "b": 1}, EXTRA) == {"a": 1, "b": 1}


# Labels' counts in the training sets of the paper's table 1, and the share of them that is left for training.
PAPER = {
    "snips2": ([1818, 1881, 1896, 1914, 1876, 1847, 1852], 13084, 1.0),
    "sst2": ([29780, 37569], 67349, 0.8),
    "sst5": ([1092, 2218, 1624, 2322, 1288], 8544, 1.0),
    "ag_news": ([30000] * 4, 120000, 0.8),
    "imdb": ([12500] * 2, 25000, 0.8),
}


@pytest.mark.parametrize("name", PAPER)
def test_which_settings_act_on_the_papers_data(name):
    counts, rows_in_table_1, share = PAPER[name]
    assert sum(counts) == rows_in_table_1
    sizes = {str(number): round(share * count) for number, count in enumerate(counts)}
    acts = [any(ratio > 1 for ratio in class_ratios(sizes, setting).values()) for setting in (NORMAL, EXTRA)]
    assert acts == [False, name == "sst5"]


def test_snips_is_the_one_data_set_on_which_the_default_acts():
    # A fold's training part: the largest class has about 45 rows, the smallest 10 of its 16.
    assert round(45 ** (1 - 1.5 / 4), 1) == 10.8
    assert class_ratios({"smallest": 10, "other": 27, "large": 45}, NORMAL) == {"smallest": 2, "other": 1, "large": 1}
    assert class_ratios({"smallest": 11, "large": 45}, NORMAL)["smallest"] == 1
    assert class_ratios({"smallest": 10, "other": 27, "large": 45}, EXTRA) == {"smallest": 8, "other": 3, "large": 1}


def test_the_long_tailed_default_study_tells_all_three_settings_apart():
    sizes = {str(number): round(112 * 16 ** (-number / 4)) for number in range(5)}
    assert list(sizes.values()) == [112, 56, 28, 14, 7]
    normal, extra = class_ratios(sizes, NORMAL), class_ratios(sizes, EXTRA)
    assert list(normal.values()) == [1, 1, 1, 2, 2]
    assert list(extra.values()) == [1, 3, 6, 9, 12]


def test_resample_takes_whole_copies_and_adds_stop_word_copies_on_top():
    train = rows({"large": 10**4, "small": 2})
    resampled = resample(train, NORMAL)
    assert copies(resampled) == {"large": 10**4, "small": 2 * 4}
    assert copies(resampled, True) == {"small": 2}
    small = resampled[resampled["label"] == "small"]
    assert len(resampled) == 10**4 + 2 * 4 + 2 and list(resampled.columns[:3]) == list(train.columns)
    whole = small.loc[~small["stop_words_deleted"], "text"].value_counts().to_dict()
    assert whole == {"the small number 0": 4, "the small number 1": 4}
    assert small.loc[small["stop_words_deleted"], "text"].tolist() == ["small number 0", "small number 1"]
    assert not resampled.loc[resampled["label"] == "large", "stop_words_deleted"].any()


def test_resample_without_a_setting_keeps_every_row_once():
    train = rows({"large": 100, "small": 1})
    resampled = resample(train, None)
    assert resampled.drop(columns="stop_words_deleted").equals(train)
    assert copies(resampled) == {"large": 100, "small": 1} and not copies(resampled, True)


def test_where_nothing_is_enlarged_every_setting_gives_the_same_rows():
    # So three_phase, extra_imbalance and no_imbalance are then one and the same training.
    train = rows({"a": 40, "b": 38, "c": 36})
    unchanged = resample(train, None)
    for setting in (NORMAL, EXTRA):
        pd.testing.assert_frame_equal(resample(train, setting), unchanged)


def test_a_text_of_stop_words_only_gets_no_stop_word_copy():
    train = pd.concat([rows({"large": 50}), rows({"small": 1}, text="to be or not to be")], ignore_index=True)
    resampled = resample(train, NORMAL)
    assert copies(resampled, True) == {}
    assert copies(resampled) == {"large": 50, "small": 4}
    assert resampled["text"].str.len().gt(0).all()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1), st.sampled_from([NORMAL, EXTRA]))
def test_resampled_rows_are_what_is_counted(sizes, setting):
    resampled = resample(rows(sizes), setting)
    ratios = class_ratios(sizes, setting)
    for label, size in sizes.items():
        of_label = resampled[resampled["label"] == label]
        assert (~of_label["stop_words_deleted"]).sum() == ratios[label] * size
        assert of_label["stop_words_deleted"].sum() == size * (ratios[label] > 1)
    assert set(resampled["example_id"]) == set(rows(sizes)["example_id"])


def test_stop_words_of_texts_without_spaces_are_counted_in_all_training_rows():
    train = pd.concat([rows({"large": 50}, text="山{i}的"), rows({"small": 2}, text="水{i}的")], ignore_index=True)
    shortened = resample(train, NORMAL, "characters").query("stop_words_deleted")
    assert shortened["text"].tolist() == ["水0", "水1"]
    # By words each text is one, which no list names.
    assert resample(train, NORMAL).query("stop_words_deleted")["text"].tolist() == ["水0的", "水1的"]
