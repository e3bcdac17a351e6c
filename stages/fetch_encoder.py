"""Stage fetch_encoder: a pre-trained encoder's files, with its weights' checksum verified, and where they came from."""

from threephase.base import paths
from threephase.study.arguments import stage_parser


def main() -> None:
    arguments = stage_parser(__doc__, "encoder").parse_args()
    name = arguments.encoder

    from threephase.base.files import sha256_of, write_json
    from threephase.model.encoder_files import WEIGHTS
    from threephase.model.encoder_source import copy_encoder
    from threephase.study.settings import SourceSettings, read_settings

    settings = read_settings(SourceSettings, arguments.study, "fetch_encoder", name)
    folder = paths.pretrained_encoder(arguments.study, name)
    where = copy_encoder(name, settings.source, settings.sources, folder)
    write_json(paths.encoder_source(arguments.study, name), {"origin": where})
    unpinned = "" if settings.source.sha256 else f" (sha256 in {paths.encoder_definition(name)} would pin them)"
    print(f"{name}: from {where}, weights sha256 {sha256_of(folder / WEIGHTS)}{unpinned}")
