"""The shape of a study: its trainings, what each starts from, its cells, and the stage and command of each."""

import contextlib
import dataclasses
import re

import pytest
from small_project import REPOSITORY, STUDIES

from threephase.base.errors import UserError
from threephase.project.pipeline import pipeline
from threephase.study.methods import with_heads
from threephase.study.params import Study
from threephase.study.read_params import load_studies, load_study
from threephase.study.topology import (
    Training,
    block_of,
    cells,
    command,
    data_by_method,
    maker_of,
    training_stage,
    trainings,
    trainings_behind,
)

ENCODER = "minilm_l6"
# Of the default study: stage, variant, phase, the variant whose encoder it starts from, the one it may take over.
TRAININGS = [
    ("train_dae", "dae", "encoder", None, None),
    ("train_contrastive", "three_phase", "encoder", "dae", None),
    ("train_contrastive_ablation", "extra_imbalance", "encoder", "dae", "three_phase"),
    ("train_contrastive_ablation", "no_imbalance", "encoder", "dae", "three_phase"),
    ("train_contrastive_from_pretrained", "cl_ft", "encoder", None, None),
    ("train_joint", "joint", "encoder", None, None),
    ("train_classifier", "three_phase", "classifier", "three_phase", None),
    ("train_classifier", "joint", "classifier", "joint", None),
    ("train_classifier", "cl_ft", "classifier", "cl_ft", None),
    ("train_classifier_ablation", "extra_imbalance", "classifier", "extra_imbalance", "three_phase"),
    ("train_classifier_ablation", "no_imbalance", "classifier", "no_imbalance", "three_phase"),
    ("train_classifier_from_dae", "dae_ft", "classifier", "dae", None),
    ("train_classifier_from_pretrained", "ft", "classifier", None, None),
]  # fmt: skip
VARIANTS = (
    "three_phase", "joint", "dae_ft", "cl_ft", "extra_imbalance", "no_imbalance", "ft",
)  # fmt: skip


@pytest.fixture
def study(monkeypatch) -> Study:
    monkeypatch.chdir(REPOSITORY)
    return load_study()


def with_variants(study: Study, variants, **values) -> Study:
    shared, params = with_heads(study.shared, variants, study.file), {"variants": variants, **values}
    return dataclasses.replace(study, shared=shared, params=dataclasses.replace(study.params, **params))


def test_the_trainings_of_the_default_study_and_what_each_starts_from(study):
    trained = list(trainings(study))
    assert [
        (t.stage, t.variant, t.phase, t.start, t.compared) for t in trained if t.program != "train_baselines"
    ] == TRAININGS
    assert [(t.stage, t.encoder, t.variant) for t in trained if t.program == "train_baselines"] == [
        ("train_baselines", "", "majority"),
        ("train_baselines", "", "tfidf_logistic"),
        ("train_baselines_on_embeddings", ENCODER, "embedding_logistic"),
        ("train_baselines_on_embeddings", ENCODER, "embedding_nearest_mean"),
    ]
    programs = {t.stage: t.program for t in trained}
    assert (
        programs["train_contrastive_from_pretrained"] == programs["train_contrastive_ablation"] == "train_contrastive"
    )
    assert {programs[stage] for stage in programs if "classifier" in stage} == {"train_classifier"}
    assert {t.encoder for t in trained} == {"", ENCODER}


def test_the_cells_of_the_default_study_in_the_order_of_the_tables(study):
    with_encoder = [(ENCODER, variant) for variant in (*VARIANTS, "embedding_logistic", "embedding_nearest_mean")]
    assert cells(study) == [*with_encoder, ("", "majority"), ("", "tfidf_logistic")]


@pytest.mark.parametrize(
    ("variants", "stages"),
    [
        (["ft"], ["train_classifier_from_pretrained"]),
        # Phase 1 is trained for who starts from it, though its own variant is no cell.
        (["three_phase"], ["train_dae", "train_contrastive", "train_classifier"]),
        (["three_phase_ordinary"], ["train_dae", "train_contrastive", "train_classifier_from_three_phase"]),
        (
            ["cl_ft", "cl_ft_ordinary"],
            ["train_contrastive_from_pretrained", "train_classifier", "train_classifier_from_cl_ft"],
        ),
        # Both heads are fitted on the one encoder, which the study trains for them alone.
        (
            ["cl_ft_probe", "cl_ft_nearest_mean"],
            ["train_contrastive_from_pretrained", *["fit_classifier_from_cl_ft"] * 2],
        ),
        (["dae_ft_probe"], ["train_dae", "fit_classifier_from_dae"]),
        (["supcon_probe"], ["train_method", "fit_classifier_from_supcon"]),
        (["setfit", "setfit_probe"], ["train_method", "fit_classifier", "fit_classifier_from_setfit"]),
        (["co_finetuning_nearest_mean"], ["train_method_with_data", "fit_classifier_from_co_finetuning"]),
        (["ncm_ft", "prototypes"], ["train_method", "train_classifier_on_head_from_pretrained", "fit_classifier"]),
        (["ft_ordinary", "ft"], ["train_classifier_from_pretrained"] * 2),
        (["cl_ft"], ["train_contrastive_from_pretrained", "train_classifier"]),
        # A method on several encoders has them trained, though no variant of the study needs them.
        (
            ["mean_merge"],
            ["train_dae", "train_contrastive_from_pretrained", "train_method_from_several", "train_classifier"],
        ),
        (["lora_sum"], ["train_method", "train_classifier_on_head"]),
        ([], []),
    ],
)
def test_an_encoder_is_trained_for_who_needs_it_and_once(study, variants, stages):
    fewer = with_variants(study, variants, baselines=[])
    assert [training.stage for training in trainings(fewer)] == stages
    assert cells(fewer) == [(ENCODER, variant) for variant in variants]


def test_all_trainings_behind_a_method_on_several_encoders_are_its_own_and_theirs(study):
    behind = [("dae", "encoder"), ("cl_ft", "encoder"), ("mean_merge", "encoder"), ("mean_merge", "classifier")]
    assert trainings_behind(study.shared, "mean_merge") == behind
    trained = {training.stage: training for training in trainings(with_variants(study, ["mean_merge", "cl_ft"]))}
    merge = trained["train_method_from_several"]
    assert (merge.start, merge.others, merge.program) == ("dae", ("cl_ft",), "train_method")


def test_the_ordinary_recipe_starts_from_another_variants_encoder(study):
    both = with_variants(study, ["three_phase", "three_phase_ordinary"], baselines=[])
    by_variant = {training.variant: training for training in trainings(both) if training.phase == "classifier"}
    assert by_variant["three_phase_ordinary"].start == by_variant["three_phase"].start == "three_phase"
    assert by_variant["three_phase_ordinary"].compared is None
    assert maker_of(study.shared, "ft_ordinary") is None


def test_a_head_is_one_more_variant_on_the_encoder_of_another(study):
    heads = with_variants(study, ["three_phase_probe", "supcon_nearest_mean"])
    assert heads.title("three_phase_probe") == "Three phases, probe"
    assert heads.title("supcon_nearest_mean") == "Supervised contrastive loss, nearest class mean"
    assert [maker_of(heads.shared, variant) for variant in heads.params.variants] == ["three_phase", "supcon"]
    behind = [("dae", "encoder"), ("three_phase", "encoder"), ("three_phase_probe", "classifier")]
    assert trainings_behind(heads.shared, "three_phase_probe") == behind
    assert study.shared.variants.keys() < heads.shared.variants.keys()
    text = pipeline(heads)
    (block,) = re.findall(r"^  fit_classifier_from_supcon:\n((?:    .*\n)*)", text, flags=re.MULTILINE)
    assert "- runs/encoders/${item.encoder}-supcon/${item.seed}\n" in block and "[supcon_nearest_mean]" in block
    # The other data set of a method is prepared for its heads too.
    assert data_by_method(with_variants(study, ["co_finetuning_probe"])) == {"co_finetuning": "newsgroups"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ft_probe", "got 'ft_probe', but ft makes no encoder; expected the probe of a variant that has its own"),
        ("cl_ft_ordinary_nearest_mean", "but cl_ft_ordinary makes no encoder; expected the nearest class mean of"),
        ("ncm_ft_probe", "but ncm_ft makes no encoder"),
    ],
)
def test_a_head_of_a_variant_without_an_encoder_is_refused(study, name, said):
    with pytest.raises(UserError, match=rf"^params.yaml: variants: .*{re.escape(said)}"):
        with_variants(study, [name])


def test_commands_are_typed_in_the_top_folder(study):
    assert command(study, (ENCODER, "ft")) == f"dvc repro summarize_cell@{ENCODER}-ft"
    assert command(study, ("", "majority")) == "dvc repro summarize_cell_without_encoder@majority"
    snips = load_study("snips")
    assert (
        command(snips, ("roberta_base", "ft"))
        == "dvc --cd studies/snips repro summarize_cell_roberta_base@roberta_base-ft"
    )
    (joint,) = (
        training
        for training in trainings(snips)
        if (training.stage, training.encoder) == ("train_joint", "roberta_base")
    )
    assert training_stage(snips, joint, 3) == "train_joint_roberta_base@roberta_base-joint-3"
    (majority,) = (training for training in trainings(snips) if training.variant == "majority")
    assert training_stage(snips, majority, 3) == "train_baselines@majority"


def test_two_encoders_with_lists_of_their_own_have_a_block_each(study):
    snips = load_study("snips")
    blocks = {block_of(snips, training.stage, training.encoder) for training in trainings(snips)}
    assert {"train_dae_minilm_l12", "train_dae_roberta_base", "train_baselines"} <= blocks
    # Only one of them has the ablations.
    assert "train_contrastive_ablation_minilm_l12" in blocks
    assert "train_contrastive_ablation_roberta_base" not in blocks
    text = pipeline(snips)
    assert blocks | {"summarize_cell_minilm_l12", "summarize_cell_roberta_base"} <= set(names_of(text))
    assert "encoder: [minilm_l12, roberta_base]" in text  # of what both have: fetch_encoder
    # With one list for all, one block is enough.
    same = with_variants(snips, ["three_phase", "ft"])
    assert {block_of(same, training.stage, training.encoder) for training in trainings(same)} == {
        training.stage for training in trainings(same)
    }
    assert "train_dae_minilm_l12" not in pipeline(same)


def names_of(text: str) -> list[str]:
    return re.findall(r"^  (\w+):$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", STUDIES)
def test_the_pipeline_has_exactly_the_blocks_of_the_trainings(study, name):
    study = load_study(name)
    text = pipeline(study)
    blocks = names_of(text)
    assert len(set(blocks)) == len(blocks)
    assert [block for block in blocks if block.startswith("train_")] == list(
        dict.fromkeys(block_of(study, training.stage, training.encoder) for training in trainings(study))
    )
    # Seeds alone are filled in by dvc, so that an experiment may have other ones.
    filled = set(re.findall(r"\$\{([^}]*)\}", text))
    assert filled <= {"seeds", "seeds[0]", "item.seed", "item.encoder", "item.variant"} and "seeds" in filled


def test_every_study_trains_what_its_claims_and_pictures_need():
    with contextlib.chdir(REPOSITORY):
        for study in load_studies().values():
            trained = list(trainings(study))
            made = {(training.encoder, training.variant) for training in trained if training.phase == "encoder"}
            for training in trained:
                assert training.start is None or (training.encoder, training.start) in made, study.file
            own = [(training.encoder, training.variant) for training in trained if training.phase == "classifier"]
            assert sorted(own) == sorted(cells(study))
            keys = [(training.program, training.cell, training.phase) for training in trained]
            assert len(set(keys)) == len(keys) and all(isinstance(training, Training) for training in trained)
