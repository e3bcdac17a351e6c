"""Stage render_representations: the same test rows before and after the phases, as pictures and numbers."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_encoder(arguments.encoder)

    from stages.common import representations
    from stages.common.engine.runs import Run
    from stages.common.figure_style import save_figure
    from stages.common.figures_representations import representations_figure
    from stages.common.files import new_folder, write_table

    run = Run(study, "render_representations", arguments.encoder, "", arguments.seed, "encoder")
    points, separation = representations.represent(run)
    panels = representations.panels_of(study, arguments.encoder)
    with new_folder(paths.representations(study.benchmark.name, arguments.encoder)) as folder:
        write_table(folder / "representations.csv", points)
        write_table(folder / "separation.csv", separation.assign(seed=arguments.seed))
        for projection in representations.PROJECTIONS:
            save_figure(representations_figure(panels, points, separation, projection), folder, projection)


if __name__ == "__main__":
    run_stage(main)
