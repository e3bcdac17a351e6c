"""Stage split_data: one seed's parts of the data, and what each imbalance setting makes of the training part."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)

    import pandas as pd

    from stages.common.files import new_folder, read_table, write_table
    from stages.common.imbalance import lower_cased, resample
    from stages.common.splits import draw_split

    source = paths.examples(study.benchmark.dataset)
    examples = read_table(source)
    split = draw_split(examples, study, arguments.seed, str(source))
    train = examples.loc[split.index[split["adapts"]]].drop(columns="split")
    counts = pd.crosstab(examples.loc[split.index, "label"], split["part"]).reindex(
        columns=["train", "validation", "test", "unlabelled"], fill_value=0
    )
    lowercase = study.protocol.no_imbalance_lowercase
    settings = {**study.shared.imbalance, "none": None}
    with new_folder(paths.splits(study.benchmark.name, arguments.seed)) as folder:
        for name, setting in settings.items():
            resampled = resample(lower_cased(train) if name == "none" and lowercase else train, setting)
            write_table(folder / f"contrastive_{name}.parquet", resampled.rows)
            counts[name] = pd.Series(resampled.copies)
            counts[f"{name}_stopword_copies"] = pd.Series(resampled.stopword_copies)
        write_table(folder / "split.parquet", split)
        write_table(folder / "class_counts.csv", counts.fillna(0).astype(int).reset_index())


if __name__ == "__main__":
    run_stage(main)
