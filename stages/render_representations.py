"""Stage render_representations: the same test rows before and after the phases, as points and numbers."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in
from threephase.study.topology import ENCODER_PHASE, REPRESENTATIONS


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "seed").parse_args()
    study = study_in(arguments.study)
    study.check_encoder(arguments.encoder)

    from threephase.base.files import new_folder, write_table
    from threephase.phases.training_run import TrainingRun
    from threephase.results import representations

    run = TrainingRun.from_settings(study.folder, REPRESENTATIONS, arguments.encoder, "", arguments.seed, ENCODER_PHASE)
    points, separation = representations.represent(run, study)
    with new_folder(paths.representations(paths.reports(study.folder), arguments.encoder)) as folder:
        write_table(folder / "representations.csv", points)
        write_table(folder / "separation.csv", separation.assign(seed=arguments.seed))
