"""Stage split_data: one seed's parts of the data, and what each imbalance setting makes of the training part."""

from threephase.base import paths
from threephase.study.arguments import stage_parser


def main() -> None:
    arguments = stage_parser(__doc__, "seed").parse_args()
    folder, seed = arguments.study, arguments.seed

    import pandas as pd

    from threephase.base.files import new_folder, read_table, write_table
    from threephase.data.imbalance import resample
    from threephase.data.splits import draw_split, of_phase_1
    from threephase.study.settings import SplitSettings, read_settings

    settings, source = read_settings(SplitSettings, folder, "split_data"), paths.examples(folder)
    examples = read_table(source)
    split = draw_split(examples, settings, seed, str(source))
    train = examples.loc[split.index[split["adapts"]]].drop(columns="split")
    counts = pd.crosstab(examples.loc[split.index, "label"], split["part"]).reindex(
        columns=["train", "validation", "test", "unlabelled"], fill_value=0
    )
    # As the authors' code has them where it corrects nothing.
    lower_cased = train.assign(text=train["text"].str.lower()) if settings.no_imbalance_lowercase else train
    with new_folder(paths.splits(folder, seed)) as new:
        for name, setting in {**settings.imbalance, "none": None}.items():
            rows = resample(lower_cased if name == "none" else train, setting, settings.units)
            write_table(new / f"contrastive_{name}.parquet", rows)
            copies = pd.crosstab(rows["label"], rows["stop_words_deleted"])
            counts[name], counts[f"{name}_stopword_copies"] = copies[False], copies.get(True, 0)
        write_table(new / "split.parquet", split)
        write_table(new / "phase_1.parquet", of_phase_1(split, settings))
        write_table(new / "class_counts.csv", counts.fillna(0).astype(int).reset_index())
