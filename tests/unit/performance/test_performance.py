"""What the study of the engine counts and writes; its speed is nobody's test."""

import random
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from synthetic_study import make_study

from performance import bench, limit, measure, peers, plain, profile, report, scaling, share
from performance.process import output_of
from performance.work import Work, inputs
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.model import kernels
from threephase.project.pipeline import PROGRAM
from threephase.results.cells import cells, read_predictions
from threephase.results.costs import read_reports
from threephase.study.read_params import load_study
from threephase.study.schema import read_yaml


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
    (found,) = bench.compare(task, bench.sides_of("classifier", ["best"]), 3)
    assert order == ["ours", "transformers", "limit", "limit", "transformers", "ours", "ours", "transformers", "limit"]
    assert list(found) == bench.COLUMNS
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == (3.0, 2.0, 4.0)  # of 2, 4 and 3
    assert found["limit_fraction"] == 0.5  # of 1/2, 1/4 and 1
    assert (found["ours_examples_per_s"], found["peer_examples_per_s"], found["limit_examples_per_s"]) == (8, 3, 16)


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
        output_of("victim", what="a measurement")


def test_peers_batches_hold_texts_of_like_length():
    lengths = [number % 50 + 1 for number in range(200)]
    order = list(peers.length_grouped_sampler(4, lengths, torch.Generator().manual_seed(0)))
    assert sorted(order) == list(range(200))
    spread = [max(batch) - min(batch) for batch in ([lengths[i] for i in order[k : k + 4]] for k in range(0, 200, 4))]
    assert max(spread) <= 1


def test_peers_noise_deletes_words_and_never_all():
    texts = ["a b c d e f g h", "a"] * 50
    noised = [peers.without_words(text, random.Random(number)) for number, text in enumerate(texts)]
    assert all(set(one.split()) <= set(text.split()) and one for one, text in zip(noised, texts, strict=True))
    assert 0.3 < sum(len(one.split()) for one in noised[::2]) / (50 * 8) < 0.5


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


def test_the_table_has_its_columns_as_csv_and_markdown(tmp_path):
    bench.write(pd.DataFrame([row(), row(peer_setting="default")], columns=bench.COLUMNS), tmp_path, "what it is")
    assert list(pd.read_csv(tmp_path / "engine.csv").columns) == bench.COLUMNS
    lines = (tmp_path / "engine.md").read_text().splitlines()
    assert lines[0].count("|") == len(bench.COLUMNS) + 1 and lines[-1].startswith("what it is; ")
    assert (tmp_path / "engine.svg").stat().st_size


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_table_with_a_number_that_cannot_be_is_refused(tmp_path, value):
    with pytest.raises(UserError, match="ours_peak_mb: got .*, expected positive numbers"):
        bench.write(pd.DataFrame([row(ours_peak_mb=value)], columns=bench.COLUMNS), tmp_path, "what it is")
    assert not (tmp_path / "engine.csv").exists()


def test_a_profile_tells_products_dropout_and_optimizer_apart_and_adds_up(eight_texts):
    layer, values = torch.nn.Linear(64, 64), torch.ones(512, 64)
    optimizer = torch.optim.AdamW(layer.parameters())

    def update(_) -> None:
        time.sleep(0.02)
        kernels.dropout(layer(values), 0.5, training=True).sum().backward()
        optimizer.step()

    patched = torch.profiler.record_function(profile.DROPOUT)(kernels.kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "kept", patched)
        taken = profile.profiled(update, eight_texts)
    assert set(taken) <= {"ms", *profile.COLUMNS}
    assert sum(taken[kind] for kind in profile.COLUMNS) == pytest.approx(taken["ms"])
    assert min(taken["products"], taken[profile.DROPOUT], taken[profile.OPTIMIZER]) > 0
    assert taken["softmax"] == taken["look-ups"] == 0 and taken[profile.OUTSIDE] >= 20


@pytest.mark.parametrize("step", scaling.STEPS)
def test_every_step_of_the_scaling_measurement_runs(step):
    assert scaling.measure(step, 1000)["seconds"] > 0


@pytest.fixture
def one_stage_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__main__.py").write_text("import time\ntime.sleep(0.3)\n")
    command = f"python {tmp_path}/stages train_nothing > done"
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  train_nothing:\n    cmd: {command}\n    outs: [done]\n")
    subprocess.run(["dvc", "init", "--quiet", "--no-scm"], check=True)


def test_the_share_of_the_stages_is_that_of_their_processes(one_stage_project):
    processes, seconds = share.measure(Path(), [])
    assert processes["module"].tolist() == ["train_nothing"]
    assert 0.3 <= processes["seconds"].item() < seconds


def test_a_share_of_stages_that_did_not_run_is_refused(one_stage_project):
    share.measure(Path(), [])
    with pytest.raises(UserError, match="no stage ran"):
        share.measure(Path(), [])


def test_a_study_is_enlarged_to_seeds_that_differ(tmp_path, monkeypatch):
    made, larger = tmp_path / "made", tmp_path / "larger"
    made.mkdir()
    monkeypatch.chdir(made)
    small = make_study(made)
    with pytest.raises(UserError, match="bbc: has no page yet; run: dvc repro$"):
        report.enlarge(small, 5, larger)
    (made / "reports/index.html").touch()
    report.enlarge(small, 5, larger)
    monkeypatch.chdir(larger)
    study = load_study("bbc")
    assert study.folder == Path() and not study.params.draw_encoders
    assert study.params.seeds == list(range(5))
    for cell in cells(study):
        frames = read_predictions(study, cell)
        assert len({tuple(frame["predicted"]) for frame in frames.values()}) == 5
    assert all(run.report for run in read_reports(study))


def test_the_steps_to_a_page_are_the_stages_of_the_pipeline():
    commands = [stage["cmd"].removeprefix(f"{PROGRAM} ") for stage in read_yaml(Path("dvc.yaml"))["stages"].values()]
    behind = {command.split()[0] for command in commands if not command.startswith("train_")}
    # Representations are those of one seed, however many there are; the audit is the paper's.
    left_out = {"render_representations", "run_audit", "resolve_settings"}
    left_out |= {"fetch_data", "prepare_data", "fetch_encoder", "split_data"}  # before the trainings
    assert {name for name, *_ in report.steps(load_study())} == behind - left_out


@pytest.mark.parametrize("variant", plain.VARIANTS)
def test_in_fp32_the_plain_path_scores_as_the_fast_one(study, monkeypatch, variant):
    monkeypatch.chdir(study.root)
    fast, expected = (plain.score(path, "fp32", variant, 0) for path in (plain.Fast, plain.Plain))
    assert fast == pytest.approx(expected, abs=0.01)
    # The rarest class has two of these rows, so that no score is high: it learns, well above the majority class.
    published = pd.read_csv("reports/runs.csv").query("split == 'validation' and metric == 'macro_f1' and seed == 0")
    majority = published.set_index("variant")["value"]["majority"]
    assert 10 + majority < expected <= 100
