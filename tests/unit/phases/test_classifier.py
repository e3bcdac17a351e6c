"""Phase 3: what is learnt, which epoch is kept, when training ends, and what a frozen encoder does."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from small_project import REPOSITORY
from tiny_encoder import make_bert, tiny_classifying

from threephase.data.randomness import torch_generator
from threephase.model import embedding
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import seed_dropout
from threephase.model.models import ClassifierHead
from threephase.model.tokens import TextTokenizer
from threephase.phases.classifier import Classifier, new_classifier, predict, prepare_rows, train_classifier
from threephase.phases.losses import classification_loss
from threephase.study.read_params import load_study
from threephase.study.rules import candidates_for
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Machine

MACHINE = Machine("cpu", "fp32", 1)
THINGS = {"fruit": ["apple", "plum", "cherry", "grape"], "metal": ["iron", "copper", "silver", "steel"]}
PLACES = ["on the table", "here", "in a shop", "for kings"]
# (text, class number); the last place of each thing is kept for validation.
ROWS = [
    (f"{thing} {thing} {place}", i) for i, things in enumerate(THINGS.values()) for thing in things for place in PLACES
]
TRAIN, VALIDATION = ([row for n, row in enumerate(ROWS) if (n % 4 == 3) == held_out] for held_out in (False, True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("encoder"), [text for text, _ in ROWS])


class Training:
    """One training of phase 3 on a tiny encoder, with what it left."""

    def __init__(self, folder: Path, train=TRAIN, validation=VALIDATION, *, frozen=False, seed=0, run=True, **changes):
        encoder = load_pretrained(folder, "mean")
        seed_dropout(seed, "dropout classifier")
        small = tiny_classifying(head_hidden_size=20)
        head = ClassifierHead(encoder.hidden_size, 2, small, torch_generator(seed, "initial head"))
        self.model = Classifier(encoder, head, frozen)
        self.tokenizer = TextTokenizer(folder, encoder.transformer.config, 32)
        self.before = copy.deepcopy(self.model.state_dict())
        self.train, self.validation = self.rows(train), self.rows(validation)
        defaults = {"max_epochs": 6, "selection_metric": "accuracy"}
        self.settings = tiny_classifying(**defaults | {"freeze_encoder": frozen} | changes)
        if run:
            self.run(seed)

    def rows(self, examples):
        texts, class_ids = zip(*examples, strict=True)
        return prepare_rows(list(texts), torch.tensor(class_ids), self.model, self.tokenizer, MACHINE)

    def run(self, seed=0):
        self.trained = train_classifier(
            self.model, self.train, self.validation, self.tokenizer, self.settings, MACHINE, seed
        )
        self.best_epoch, self.history = self.trained.best_epoch, self.trained.optimization.history_table()
        self.epochs = self.history.dropna(subset="validation_loss").set_index("epoch")

    def logits(self, rows) -> torch.Tensor:
        return predict(self.model, rows, self.tokenizer, MACHINE)

    def changed(self) -> set[str]:
        """The parameters that training changed, by their first name."""
        after = self.model.state_dict()
        return {name.split(".")[0] for name, weight in self.before.items() if not torch.equal(weight, after[name])}


def flipped(examples):
    return [(text, 1 - class_id) for text, class_id in examples]


@pytest.mark.parametrize(("frozen", "lr"), [(False, 5e-3), (True, 2e-2)])
def test_a_separable_set_is_learnt(folder, frozen, lr):
    done = Training(folder, frozen=frozen, lr=lr, max_epochs=20, patience=20)
    right = done.logits(done.train).argmax(1) == done.train.class_ids
    assert right.float().mean() > 0.9 and done.epochs["validation_metric"].max() > 80
    assert done.history["loss"].iloc[-12:].mean() < 0.5 * done.history["loss"].iloc[:12].mean()
    assert len(done.history) == 20 * 6
    assert done.changed() == ({"head"} if frozen else {"encoder", "head"})


@pytest.mark.parametrize("frozen", [False, True])
def test_the_same_seed_gives_the_same_bytes(folder, frozen):
    first, second, other = (Training(folder, frozen=frozen, seed=seed, max_epochs=3) for seed in (1, 1, 2))
    weights = [model.state_dict() for model in (first.model, second.model)]
    assert all(weights[0][name].numpy().tobytes() == weights[1][name].numpy().tobytes() for name in weights[0])
    logits = [training.logits(training.validation).numpy().tobytes() for training in (first, second, other)]
    assert logits[0] == logits[1] != logits[2]
    assert first.history.equals(second.history)


def test_a_frozen_encoder_embeds_once_without_dropout(folder):
    done = Training(folder, frozen=True, run=False)
    calls = []
    done.model.encoder.transformer.register_forward_hook(lambda *_: calls.append(1))
    done.run()
    done.logits(done.validation)
    assert not calls
    # The kept vectors give the training that embedding every batch anew would give.
    embedding = Training(folder, frozen=True, run=False)
    embedding.train.vectors = embedding.validation.vectors = None
    embedding.model.encoder.transformer.register_forward_hook(lambda *_: calls.append(1))
    embedding.run()
    assert calls
    torch.testing.assert_close(embedding.logits(embedding.validation), done.logits(done.validation), atol=1e-4, rtol=0)
    assert done.model.train().head.training and not done.model.encoder.training


@pytest.mark.parametrize("validation", [VALIDATION, flipped(VALIDATION)], ids=["better", "worse"])
def test_the_weights_of_the_best_epoch_are_left(folder, validation):
    # Where validation labels are the wrong ones, it gets worse the longer it learns.
    done = Training(folder, TRAIN, validation, max_epochs=8, patience=8, warmup=0.0)
    metrics, losses = done.epochs["validation_metric"], done.epochs["validation_loss"]
    best = max(done.epochs.index, key=lambda epoch: (metrics[epoch], -losses[epoch]))
    assert done.best_epoch == best and metrics.nunique() > 1 and len(done.epochs) == 8
    assert best > 4 if validation is VALIDATION else best < 4
    logits = done.logits(done.validation)
    assert classification_loss(logits, done.validation.class_ids).item() == pytest.approx(losses[best], rel=1e-4)
    assert (logits.argmax(1) == done.validation.class_ids).float().mean().item() * 100 == pytest.approx(metrics[best])


def test_ties_go_to_the_lower_loss(folder):
    done = Training(folder, max_epochs=12, patience=12)
    metrics, losses = done.epochs["validation_metric"], done.epochs["validation_loss"]
    tied = losses[metrics == metrics.max()]
    assert len(tied) > 2 and done.best_epoch == tied.idxmin() != tied.index[0]


@pytest.mark.parametrize(("warmup", "warmup_epochs"), [(0.0, 0), (0.5, 5), (0.45, 4), (1.0, 10)])
def test_patience_is_not_counted_in_the_warm_up(folder, warmup, warmup_epochs):
    done = Training(folder, TRAIN, flipped(VALIDATION), max_epochs=10, patience=2, warmup=warmup)
    assert done.best_epoch <= 3
    assert done.epochs.index[-1] == min(10, max(done.best_epoch, warmup_epochs) + 2)


def test_a_better_epoch_starts_the_patience_anew(folder):
    worse = []
    for seed in range(4):
        done = Training(folder, frozen=True, seed=seed, lr=2e-2, max_epochs=40, patience=3, warmup=0.0)
        assert done.epochs.index[-1] == done.best_epoch + 3 < 40
        scores = list(zip(done.epochs["validation_metric"], -done.epochs["validation_loss"], strict=True))
        worse.append(sum(scores[i] <= max(scores[:i]) for i in range(1, done.best_epoch)))
    assert max(worse) >= 3


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_selection_metric_is_the_one_asked_for(folder, metric):
    unbalanced = VALIDATION[:4] + VALIDATION[4:5]
    done = Training(folder, flipped(TRAIN[:6]) + TRAIN[6:], unbalanced, max_epochs=1, selection_metric=metric)
    labels, predicted = done.validation.class_ids.numpy(), done.logits(done.validation).argmax(1).numpy()
    scores = {"accuracy": accuracy_score(labels, predicted), "macro_f1": f1_score(labels, predicted, average="macro")}
    assert scores["accuracy"] != scores["macro_f1"]
    assert done.epochs["validation_metric"].iloc[0] == pytest.approx(100 * scores[metric])


def test_evaluation_changes_no_weight_and_draws_nothing(folder):
    # So texts and labels of the test part, which is predicted after training, can't reach any weight.
    done = Training(folder, max_epochs=1)
    weights, state = copy.deepcopy(done.model.state_dict()), torch.get_rng_state()
    poisoned = done.rows(flipped([("copper " * 50, 0), ("unheard words", 1), ("日本語", 0)]))
    assert done.logits(poisoned).shape == (3, 2)
    assert all(torch.equal(weight, weights[name]) for name, weight in done.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_predictions_stand_in_the_rows_order(folder, monkeypatch):
    done = Training(folder, max_epochs=1)
    monkeypatch.setattr(embedding, "EVALUATION_ROWS", 5)
    rows = done.rows(ROWS)
    singly = torch.cat([done.logits(done.rows([row])) for row in ROWS])
    torch.testing.assert_close(done.logits(rows), singly, atol=1e-5, rtol=0)
    assert rows.lengths.tolist() != sorted(rows.lengths)


@pytest.fixture
def bbc_study(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    return load_study()


def test_variants_of_a_seed_share_initial_head_and_batch_order(folder):
    heads, orders = {}, {}
    for seed in (0, 1):
        for layers in ((), (BOTTLENECK,), (BOTTLENECK, CONTRASTIVE_LAYER)):
            training = Training(folder, run=False, max_epochs=2)
            for layer in layers:
                training.model.encoder.add_layer(layer, torch_generator(seed, f"initial {layer}"))
            torch.rand(len(layers))
            made = new_classifier(training.model.encoder, 2, training.settings, seed)
            heads[seed, layers] = torch.cat([weight.flatten() for weight in made.head.parameters()]).tolist()
            batches = []
            training.model.encoder.register_forward_pre_hook(
                lambda _, inputs, to=batches: to.append(inputs[0].tolist())
            )
            training.run(seed)
            orders[seed, layers] = batches
    for drawn in (heads, orders):
        assert drawn[0, ()] == drawn[0, (BOTTLENECK,)] == drawn[0, (BOTTLENECK, CONTRASTIVE_LAYER)] != drawn[1, ()]


def test_settings_of_a_cell_come_from_the_study(bbc_study):
    study = bbc_study
    settings = dataclasses.replace(
        study.params.hyperparameters["minilm_l6"], lr_classifier={"ft": 1e-5, "joint": 2e-5}, max_epochs_classifier=3
    )
    params = dataclasses.replace(study.params, hyperparameters={"minilm_l6": settings})
    study = dataclasses.replace(study, params=params)
    (candidate,) = candidates_for(study, "minilm_l6", "joint")
    assert (candidate.lr, candidate.max_epochs, candidate.clip_gradient) == (2e-5, 3, study.protocol.clip_gradient)
    # The epoch is chosen by what the study is judged by.
    assert candidate.selection_metric == study.params.primary_metric == "macro_f1"
    by_accuracy = dataclasses.replace(study, params=dataclasses.replace(params, primary_metric="accuracy"))
    assert candidates_for(by_accuracy, "minilm_l6", "ft")[0].selection_metric == "accuracy"


def test_an_ordinary_recipe_trains_the_encoder_with_each_of_its_learning_rates(bbc_study):
    settings = dataclasses.replace(bbc_study.params.hyperparameters["minilm_l6"], freeze_encoder=True)
    params = dataclasses.replace(bbc_study.params, hyperparameters={"minilm_l6": settings})
    frozen = dataclasses.replace(bbc_study, params=params)
    candidates = {
        variant: candidates_for(frozen, "minilm_l6", variant)
        for variant in ("ft", "ft_ordinary", "three_phase_ordinary")
    }
    assert [candidate.freeze_encoder for candidate in candidates["ft"]] == [True]
    # The same budget with and without phases 1 and 2.
    assert candidates["ft_ordinary"] == candidates["three_phase_ordinary"]
    assert [
        (candidate.lr, candidate.max_epochs, candidate.min_updates, candidate.freeze_encoder)
        for candidate in candidates["ft_ordinary"]
    ] == [(rate, 16, 250, False) for rate in (5e-5, 1e-4, 2e-4)]


def test_few_rows_get_more_epochs_where_a_recipe_bounds_the_updates_from_below(folder):
    # 24 rows in batches of 4 are six updates an epoch.
    done = Training(folder, max_epochs=3, min_updates=25, patience=20)
    assert len(done.trained.scores) == 5 and done.trained.optimization.steps == 30
    assert done.trained.settings.epochs(1000) == 3


def test_a_sentence_encoder_is_frozen_whatever_the_settings_say_where_the_protocol_says_so(bbc_study):
    assert not bbc_study.params.hyperparameters["minilm_l6"].freeze_encoder
    for sentence_encoder in (True, False):
        encoder = dataclasses.replace(bbc_study.shared.encoders["minilm_l6"], sentence_encoder=sentence_encoder)
        params = dataclasses.replace(bbc_study.params, protocol="released")
        shared = dataclasses.replace(bbc_study.shared, encoders={"minilm_l6": encoder})
        study = dataclasses.replace(bbc_study, params=params, shared=shared)
        (candidate,) = candidates_for(study, "minilm_l6", "three_phase")
        assert candidate.freeze_encoder == sentence_encoder
        assert (candidate.stopping, candidate.clip_gradient) == ("restarts", None)


def test_the_report_tells_what_was_tried_and_each_metrics_own_best(folder):
    slow, fast = (Training(folder, lr=lr, max_epochs=3).trained for lr in (1e-6, 5e-3))
    facts = fast.facts([slow, fast])
    assert facts["best_epoch"] == fast.best_epoch and facts["epochs"] == len(fast.scores) == 3
    assert [candidate["lr"] for candidate in facts["tried"]] == [1e-6, 5e-3]
    for metric, best in facts["best_of_each_metric"].items():
        assert best == max(epoch[metric] for epoch in fast.scores) >= fast.scores[fast.best_epoch - 1][metric]
    assert (
        fast.score
        == fast.scores[fast.best_epoch - 1]["accuracy"]
        == fast.optimization.history_table()["validation_metric"].max()
    )


def test_the_head_is_two_layers_with_dropout_before_each():
    size = 300
    head = ClassifierHead(size, size, tiny_classifying(head_hidden_size=size), torch_generator(0, "initial head"))
    for layer in (head.hidden, head.output):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    vectors = torch.ones(20, size)
    dropped = head(vectors)
    assert set(np.unique(dropped.detach().numpy().round(4))) == {0.0, np.float32(1 / 0.7**2).round(4)}
    assert (dropped == 0).float().mean().item() == pytest.approx(1 - 0.7**2, abs=0.02)
    assert torch.equal(head.eval()(vectors), vectors)
    assert (head(-vectors) == 0).all()
    linear = ClassifierHead(
        size, size, tiny_classifying(head_hidden_size=size, head_activation="none"), torch_generator(0, "initial head")
    ).eval()
    torch.testing.assert_close(linear(vectors), linear.output(linear.hidden(vectors)))
