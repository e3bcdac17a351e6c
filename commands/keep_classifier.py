"""Keep the classifier that a finished study says to use: a folder with the model, its scores and a model card."""

from pathlib import Path

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write it (the study's folder, classifier/)")
    parser.add_argument("--onnx", action="store_true", help="also write model.onnx: token ids to logits")
    arguments = parser.parse_args()
    study = study_in(arguments.study)

    from threephase.report.keeping import keep

    folder = arguments.folder or paths.kept_classifier(study.folder)
    print(keep(study, folder, with_onnx=arguments.onnx))
    print(f"Its folder: {folder}; how to use it: {folder / 'README.md'}")


if __name__ == "__main__":
    run_stage(main)
