"""Stage train_classifier: phase 3, a classifier on a variant's encoder, and its predictions."""

import copy

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, CLASSIFY


def main() -> None:
    parser = stage_parser(__doc__, "encoder", "variant", "seed")
    parser.add_argument("--validation-only", action="store_true", help="leave the test part alone (for searches)")
    arguments = parser.parse_args()

    from threephase.base.files import write_table
    from threephase.model.kernels import keep_words
    from threephase.phases.classifier import Trained, new_classifier, predict, prepare_rows, train_classifier
    from threephase.phases.sharing import has_same_start, take_over_predictions
    from threephase.phases.training_run import Run
    from threephase.phases.vectors import write_vectors
    from threephase.scores.predictions import predictions_table

    run = Run.from_settings(
        arguments.study, CLASSIFY, arguments.encoder, arguments.variant, arguments.seed, CLASSIFIER_PHASE
    )
    if not arguments.validation_only and has_same_start(run):
        take_over_predictions(run)
        return
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    # Those of the test texts as well, for the predictions; without a gradient their vectors decide nothing.
    keep_words(encoder, tokenizer(run.labelled_texts(tokenizer), count_cut=False))
    chosen_by, test = run.settings.selection_split, "test"

    def rows_of(part: str, model):
        rows = run.trained_on(run.part(part), tokenizer) if part == "train" else run.scored(run.part(part), tokenizer)
        return prepare_rows(rows["text"].tolist(), run.class_ids(rows), model, tokenizer, run.machine)

    def train(settings) -> Trained:
        model = new_classifier(copy.deepcopy(encoder), len(run.classes), settings, run.seed).to(run.machine.device)
        rows, selection = rows_of("train", model), rows_of(chosen_by, model)
        run.seed_dropout()
        return train_classifier(model, rows, selection, tokenizer, settings, run.machine, run.seed, run.positive)

    tried = [train(settings) for settings in run.settings.classifiers]
    best = max(tried, key=lambda one: one.score)
    # Every choice is made: a test part that chose nothing is scored from here on, once.
    parts = [part for part in ("validation", test) if run.has_part(part)]
    if arguments.validation_only:
        parts.remove(test)
    logits = {part: predict(best.model, rows_of(part, best.model), tokenizer, run.machine) for part in parts}
    probabilities = {part: values.softmax(1).cpu().numpy() for part, values in logits.items()}
    table = predictions_table({part: run.part(part) for part in parts}, probabilities, run.classes)
    write_table(paths.predictions(run.folder, run.encoder, run.variant, run.seed), table)
    if not arguments.validation_only:
        write_vectors(run, best.model.encoder, tokenizer)
    run.write_records(best.updates, sum(one.sequence_updates for one in tried), tokenizer, **best.facts(tried))


if __name__ == "__main__":
    run_stage(main)
