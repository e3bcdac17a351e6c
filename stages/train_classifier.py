"""Stage train_classifier: phase 3, a classifier on a variant's encoder, and its predictions."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, CLASSIFY


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.classifier import train_best
    from threephase.phases.phase_3_files import write_trained
    from threephase.phases.sharing import has_same_start, take_over
    from threephase.phases.training_run import TrainingRun

    run = TrainingRun.of_command(arguments, CLASSIFY, CLASSIFIER_PHASE)
    if has_same_start(run):
        take_over(run, paths.predictions, paths.vectors)
        return
    write_trained(run, train_best(run))
