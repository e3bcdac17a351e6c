"""Count how often a view of robust_augmentation has another class than its text, on a study's validation rows."""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.topology import ENCODER_PHASE, METHOD


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "seed").parse_args()

    from threephase.phases.training_run import TrainingRun
    from threephase.results.label_flips import label_flips

    method = "robust_augmentation"
    run = TrainingRun.from_settings(arguments.study, METHOD, arguments.encoder, method, arguments.seed, ENCODER_PHASE)
    print(label_flips(run).to_string(index=False, float_format="{:.1f}".format))


if __name__ == "__main__":
    run_stage(main)
