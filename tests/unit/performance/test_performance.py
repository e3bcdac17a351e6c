"""What the study of the engine counts and writes; its speed is nobody's test."""

import random

import pandas as pd
import pytest
import torch

from performance import bench, limit, measure, peers
from performance.work import Work, inputs
from threephase.base import paths
from threephase.base.errors import UserError

COMMITTED = pd.read_csv(bench.FOLDER / "engine.csv")


def test_the_limit_counts_every_product_of_a_layer_and_of_its_gradients():
    layer, values = torch.nn.Linear(4, 3), torch.ones(5, 4, requires_grad=True)
    with limit.RecordedProducts() as recorded:
        layer(values).sum().backward()
    shapes = sorted((left, right) for left, _, right, *_ in recorded.products)
    assert shapes == sorted([((5, 4), (4, 3)), ((3, 5), (5, 4)), ((5, 3), (3, 4))])
    assert limit.seconds_of_products(recorded.products, lambda: None) > 0


def test_attention_in_one_kernel_counts_as_the_products_it_hides():
    query, key, value = (torch.ones(2, 3, tokens, 4, requires_grad=True) for tokens in (5, 7, 7))
    with limit.RecordedProducts() as recorded:
        torch.nn.functional.scaled_dot_product_attention(query, key, value).sum().backward()
    shapes = [(left, right) for left, _, right, *_ in recorded.products]
    assert shapes == [((6, 5, 4), (6, 4, 7)), ((6, 5, 7), (6, 7, 4))] * 3


def test_a_part_of_a_work_keeps_its_texts_and_labels_together():
    class_ids = torch.arange(4).numpy()
    texts = list("abcd")
    work = Work("classifier", None, texts, class_ids, class_ids[:0], class_ids[:0], class_ids[:0], 2, 8, texts)
    assert work.first(2).texts == ["a", "b"] and work.first(2).class_ids.tolist() == [0, 1]
    pairs = Work("contrastive", None, texts, class_ids, class_ids, class_ids[::-1], class_ids / 4, 2, 8, texts)
    assert pairs.first(3).examples == 3 and pairs.first(3).texts == texts


def test_a_comparison_takes_turns_in_both_orders_and_pairs_what_one_round_measured(monkeypatch):
    order, rates = [], {"ours": [8.0, 4.0, 9.0], "limit": [16.0, 16.0, 9.0], "transformers": [4.0, 1.0, 3.0]}

    def measured(task: measure.Task) -> dict:
        order.append(task.side)
        return {"examples_per_s": rates[task.side].pop(0), "peak_mb": 100.0}

    monkeypatch.setattr(bench, "measure_alone", measured)
    task = measure.Task("classifier", "bbc", "minilm_l6", 8, device="cpu", precision="fp32", threads=2)
    (row,) = bench.compare(bench.sides_of(task, ["best"]), 3)
    assert order == ["ours", "transformers", "limit", "limit", "transformers", "ours", "ours", "transformers", "limit"]
    assert list(row) == list(COMMITTED)
    assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == (3.0, 2.0, 4.0)  # of 2, 4 and 3
    assert row["limit_fraction"] == 0.5  # of 1/2, 1/4 and 1
    assert (row["ours_examples_per_s"], row["peer_examples_per_s"], row["limit_examples_per_s"]) == (8, 3, 16)


@pytest.mark.parametrize("option", ["--pairs", "--updates"])
def test_a_count_that_is_none_is_refused_at_once(option, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", option, "0"])
    with pytest.raises(SystemExit, match="2"):
        bench.main()
    assert f"{option}: got 0, expected a whole number of at least 1" in capsys.readouterr().err


def test_an_output_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--output: got .*file/folder, expected a folder that can be made"):
        bench.check_folder(tmp_path / "file" / "folder")


def test_a_process_that_was_killed_is_told_with_its_signal(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "victim.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(UserError, match="a measurement: killed by signal 9"):
        bench.output_of("victim", what="a measurement")


def test_peers_batches_hold_texts_of_like_length():
    lengths = [number % 50 + 1 for number in range(200)]
    order = list(peers.length_grouped_sampler(4, lengths, torch.Generator().manual_seed(0)))
    assert sorted(order) == list(range(200))
    spread = [max(batch) - min(batch) for batch in ([lengths[i] for i in order[k : k + 4]] for k in range(0, 200, 4))]
    assert max(spread) <= 1


def test_peers_noise_deletes_words_and_never_all():
    texts = ["a b c d e f g h", "a"] * 50
    noised = [peers.without_words(text, random.Random(number)) for number, text in enumerate(texts)]
    assert all(set(short.split()) <= set(text.split()) and short for short, text in zip(noised, texts, strict=True))
    assert 0.3 < sum(len(short.split()) for short in noised[::2]) / (50 * 8) < 0.5


@pytest.fixture
def eight_texts():
    none = torch.arange(0).numpy()
    return Work("dae", None, list("abcdefgh"), torch.arange(8).numpy(), none, none, none, 2, 8, list("abcdefgh"))


def test_throughput_leaves_out_what_is_done_once_a_training(eight_texts):
    taken = {2: 3.5, 8: 5.0}  # 3 s once, 0.25 s a text
    assert measure.throughput(lambda work: taken[work.examples], eight_texts.first(2), eight_texts) == 4


def test_a_longer_work_that_took_no_longer_is_refused(eight_texts):
    taken, calls = {2: 3.5, 8: 3.5}, []
    with pytest.raises(UserError, match="8 examples: got 3.50 s, expected more than the 3.50 s of 2; .* --updates"):
        measure.throughput(lambda work: calls.append(work) or taken[work.examples], eight_texts.first(2), eight_texts)
    assert len(calls) == 2 * measure.ATTEMPTS  # each time both, as a busy machine is busy for a while


def test_a_peer_that_is_not_installed_is_said_before_anything_is_measured(monkeypatch):
    versions = {"sentence-transformers": "5.1.0", "transformers": "5.0.0", "setfit": bench.NOT_INSTALLED}
    monkeypatch.setattr(bench, "peer_versions", lambda: versions)
    bench.check_peers(["dae", "classifier", "embedding"])
    with pytest.raises(UserError, match="setfit: not installed, .*; run: make .venv/peers"):
        bench.check_peers(["dae", "contrastive"])


def test_the_bench_names_the_command_of_data_that_is_not_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "examples", lambda folder: tmp_path / folder)
    with pytest.raises(UserError, match="run: dvc --cd studies/sst5 repro prepare_data$"):
        inputs("sst5", "minilm_l6")
    (tmp_path / "studies/sst5_1k").mkdir(parents=True)
    monkeypatch.setattr(paths, "pretrained_encoder", lambda folder, encoder: tmp_path / "no" / folder / encoder)
    with pytest.raises(UserError, match="run: dvc repro fetch_encoder@minilm_l6$"):
        inputs("sst5", "minilm_l6")
    # Whichever study of the data set has them, and whichever study of the encoder.
    monkeypatch.setattr(paths, "pretrained_encoder", lambda folder, encoder: tmp_path / folder)
    assert inputs("sst5", "minilm_l6") == (tmp_path / "studies/sst5_1k", tmp_path)


def test_the_bench_names_the_data_sets_and_encoders_that_there_are():
    with pytest.raises(UserError, match="--data: got 'sst9', expected one of: .*sst5"):
        inputs("sst9", "minilm_l6")
    with pytest.raises(UserError, match="--encoder: got 'minilm', expected one of: .*minilm_l6"):
        inputs("sst5", "minilm")


def test_the_table_stands_as_csv_and_markdown(tmp_path):
    bench.write(COMMITTED, tmp_path, "what it is.")
    assert (tmp_path / "engine.csv").read_bytes() == (bench.FOLDER / "engine.csv").read_bytes()
    lines = (tmp_path / "engine.md").read_text().splitlines()
    assert lines[:-1] == (bench.FOLDER / "engine.md").read_text().splitlines()[:-1] and lines[-1] == "what it is."


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_table_with_a_number_that_cannot_be_is_refused(tmp_path, value):
    with pytest.raises(UserError, match="ours_peak_mb: got .*, expected positive numbers"):
        bench.write(COMMITTED.assign(ours_peak_mb=value), tmp_path, "what it is.")
    assert not (tmp_path / "engine.csv").exists()
