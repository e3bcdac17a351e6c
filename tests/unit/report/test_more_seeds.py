"""Which of two published studies speaks for their data set."""

import dataclasses

from small_project import REPOSITORY

from threephase.base import paths
from threephase.report.finished import has_more_seeds
from threephase.study.read_params import load_study


def test_a_study_that_another_asks_again_with_more_seeds_gives_way_to_it(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    study = load_study("snips_l6")
    params = dataclasses.replace(study.params, name="fewer", seeds=study.params.seeds[:2], variants=["ft"])
    fewer = dataclasses.replace(study, params=params)
    longer = dataclasses.replace(study, params=dataclasses.replace(params, long_tail_ratio=3.0))
    untrained = dataclasses.replace(study, params=dataclasses.replace(study.params, variants=[]))
    assert not has_more_seeds(untrained, fewer)
    assert has_more_seeds(study, fewer) and not has_more_seeds(fewer, study)
    assert not has_more_seeds(study, study) and not has_more_seeds(study, longer)


def test_its_page_points_to_the_one_with_more_seeds(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    pages = {
        name: (paths.published(name) / "index.html").read_text(encoding="utf-8") for name in ("bbc", "bbc_ten_seeds")
    }
    link = '<p class="note">The same with 10 seeds: <a href="../bbc_ten_seeds/index.html">bbc_ten_seeds</a>.</p>'
    assert link in pages["bbc"] and "The same with" not in pages["bbc_ten_seeds"]
