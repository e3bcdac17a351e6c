"""What the benchmark of the engine counts and writes; its speed is nobody's test."""

import pandas as pd
import pytest
import torch

from performance import bench, limit, scaling
from performance.work import Work
from stages.common.errors import UserError


def row(**changes) -> dict:
    values = dict.fromkeys(bench.COLUMNS, 2.0) | {
        "phase": "dae", "data": "bbc", "device": "cpu", "precision": "fp32", "peer": "a peer", "peer_setting": "best",
    }  # fmt: skip
    return values | changes


def test_the_limit_counts_every_product_of_a_layer_and_of_its_gradients():
    layer, values = torch.nn.Linear(4, 3), torch.ones(5, 4, requires_grad=True)
    with limit.RecordedProducts() as recorded:
        layer(values).sum().backward()
    shapes = sorted((left, right) for left, _, right, *_ in recorded.products)
    assert shapes == sorted([((5, 4), (4, 3)), ((3, 5), (5, 4)), ((5, 3), (3, 4))])
    assert limit.seconds_of(recorded.products, lambda: None) > 0


def test_attention_in_one_kernel_counts_as_the_products_it_hides():
    query, key, value = (torch.ones(2, 3, tokens, 4, requires_grad=True) for tokens in (5, 7, 7))
    with limit.RecordedProducts() as recorded:
        torch.nn.functional.scaled_dot_product_attention(query, key, value).sum().backward()
    shapes = [(left, right) for left, _, right, *_ in recorded.products]
    assert shapes == [((6, 5, 4), (6, 4, 7)), ((6, 5, 7), (6, 7, 4))] * 3


def test_a_part_of_a_work_keeps_its_texts_and_labels_together():
    class_ids = torch.arange(4).numpy()
    texts = list("abcd")
    work = Work("classifier", None, texts, class_ids, class_ids[:0], class_ids[:0], class_ids[:0], 2, 8)
    assert work.first(2).texts == ["a", "b"] and work.first(2).class_ids.tolist() == [0, 1]
    pairs = Work("contrastive", None, texts, class_ids, class_ids, class_ids[::-1], class_ids / 4, 2, 8)
    assert pairs.first(3).examples == 3 and pairs.first(3).texts == texts


def test_the_table_has_its_columns_as_csv_and_markdown(tmp_path):
    bench.write(pd.DataFrame([row(), row(peer_setting="default")], columns=bench.COLUMNS), tmp_path)
    assert list(pd.read_csv(tmp_path / "engine.csv").columns) == bench.COLUMNS
    assert (tmp_path / "engine.md").read_text().splitlines()[0].count("|") == len(bench.COLUMNS) + 1
    assert (tmp_path / "engine.svg").stat().st_size


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_table_with_a_number_that_cannot_be_is_refused(tmp_path, value):
    with pytest.raises(UserError, match="ours_peak_mb: got .*, expected positive numbers"):
        bench.write(pd.DataFrame([row(ours_peak_mb=value)], columns=bench.COLUMNS), tmp_path)
    assert not (tmp_path / "engine.csv").exists()


@pytest.mark.parametrize("step", scaling.STEPS)
def test_every_step_of_the_scaling_measurement_runs(step):
    assert scaling.measure(step, 1000)["seconds"] > 0
