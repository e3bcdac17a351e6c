"""Stage train_classifier_on_head: phase 3 with the head or the adapter that a method gives, and its predictions."""

from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, CLASSIFY_ON_HEAD


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.classifier import train_best
    from threephase.phases.initial_heads import given_by_method
    from threephase.phases.phase_3_files import write_trained
    from threephase.phases.training_run import TrainingRun

    run = TrainingRun.of_command(arguments, CLASSIFY_ON_HEAD, CLASSIFIER_PHASE)
    write_trained(run, train_best(run, given_by_method))
