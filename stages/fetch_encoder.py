"""Stage fetch_encoder: a pre-trained encoder's files, with its weights' checksum verified, and where they came from."""

import argparse

from stages.common import paths
from stages.common.config import load_shared
from stages.common.errors import run_stage
from stages.common.schema import refuse_unknown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    arguments = parser.parse_args()
    name, shared = arguments.encoder, load_shared()
    refuse_unknown(paths.SHARED_PARAMS, "encoders", name, shared.encoders)

    from stages.common.encoder_source import copy_encoder
    from stages.common.engine.encoder_files import WEIGHTS
    from stages.common.files import sha256_of, write_json

    source, folder = shared.encoders[name], paths.pretrained_encoder(name)
    where = copy_encoder(name, source, shared.sources, folder)
    write_json(paths.encoder_source(name), {"origin": where})
    unpinned = "" if source.sha256 else f" (encoders.{name}.sha256 in {paths.SHARED_PARAMS} would pin them)"
    print(f"{name}: from {where}, weights sha256 {sha256_of(folder / WEIGHTS)}{unpinned}")


if __name__ == "__main__":
    run_stage(main)
