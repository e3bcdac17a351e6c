"""Stage prepare_method_data: the training texts of another data set that a method uses, cleaned and checked."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import METHOD_DATA


def main() -> None:
    arguments = stage_parser(__doc__, "variant").parse_args()

    from threephase.base.files import write_table
    from threephase.data import cleaning
    from threephase.data.sources import read_source
    from threephase.study.settings import DataSettings, read_settings

    settings = read_settings(DataSettings, arguments.study, METHOD_DATA, arguments.variant)
    dataset = settings.dataset
    rows, used = read_source(dataset, settings.sources, paths.dataset_definition(dataset.name))
    examples = cleaning.prepared(cleaning.clean(rows, dataset), dataset, used)
    train = examples.loc[examples["split"] == "train", ["text", "label"]]
    write_table(paths.method_data(arguments.study, arguments.variant), train.reset_index(drop=True))
