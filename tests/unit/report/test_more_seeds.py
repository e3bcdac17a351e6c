"""Which of two published studies speaks for their data set."""

import dataclasses

from small_project import REPOSITORY

from threephase.report.finished import has_more_seeds
from threephase.study.read_params import load_study


def test_a_study_that_another_asks_again_with_more_seeds_gives_way_to_it(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    study = load_study("snips_l6")
    params = dataclasses.replace(study.params, name="fewer", seeds=study.params.seeds[:2], variants=["ft"])
    fewer = dataclasses.replace(study, params=params)
    longer = dataclasses.replace(study, params=dataclasses.replace(params, long_tail_ratio=3.0))
    assert has_more_seeds(study, fewer) and not has_more_seeds(fewer, study)
    assert not has_more_seeds(study, study) and not has_more_seeds(study, longer)
