"""Stage fetch_encoder: a pre-trained encoder's files, with its weights' checksum verified."""

import argparse

from stages.common import paths
from stages.common.config import load_shared
from stages.common.errors import run_stage
from stages.common.schema import refuse_unknown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    arguments = parser.parse_args()
    encoders = load_shared().encoders
    refuse_unknown(paths.SHARED_PARAMS, "encoders", arguments.encoder, encoders)

    from stages.common.encoder_source import copy_encoder

    copy_encoder(encoders[arguments.encoder], paths.pretrained_encoder(arguments.encoder))


if __name__ == "__main__":
    run_stage(main)
