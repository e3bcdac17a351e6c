"""Stage fetch_data: the data set's rows as its source has them, and which source that was."""

from threephase.base import paths
from threephase.study.arguments import stage_parser


def main() -> None:
    folder = stage_parser(__doc__).parse_args().study

    from threephase.base.files import write_json, write_table
    from threephase.data.sources import read_source
    from threephase.study.settings import DataSettings, read_settings

    settings = read_settings(DataSettings, folder, "fetch_data")
    name = settings.dataset.name
    rows, used = read_source(settings.dataset, settings.sources, paths.dataset_definition(name))
    write_table(paths.raw_rows(folder), rows)
    write_json(paths.used_source(folder), used)
    passed_over = "".join(f"; passed over {kind}: {why}" for kind, why in used["passed_over"].items())
    print(f"{name}: {len(rows)} rows from {used['origin']}{passed_over}")
