"""What params files may not say, and the one line that each mistake gets."""

from small_project import BENCHMARK, DATASET, SHARED

FEW_CELLS = ["ft", "embedding_logistic"]
SETTINGS = "hyperparameters.minilm_l6"
# What is changed in which file, and what the refusal says after the file's name.
REFUSED = [
    (BENCHMARK, {"dataset": "smal"}, "dataset: got 'smal', expected one of: small"),
    (BENCHMARK, {"protocol": "describd"}, "protocol: got 'describd', expected one of: described"),
    (BENCHMARK, {"run_encoders": ["minilm"]}, "run_encoders: got 'minilm', expected one of: minilm_l6"),
    (
        BENCHMARK,
        {"run_representations": ["minilm_l12"]},
        "run_representations: got 'minilm_l12', expected one of: mini",
    ),
    (
        BENCHMARK,
        {
            f"run_variants.{stage}": []
            for stage in ("train_dae", "train_contrastive", "train_contrastive_from_pretrained", "train_joint")
        },
        "run_representations: got minilm_l6, expected [] where no stage trains an encoder",
    ),
    (BENCHMARK, {"run_representations": ...}, "run_representations: the key is missing, expected a list"),
    (BENCHMARK, {"hyperparameters": {}}, "hyperparameters: got 'minilm_l6', expected one of: (none)"),
    (BENCHMARK, {"name": "bbc"}, "name: got 'bbc', expected the folder's name 'small'"),
    (BENCHMARK, {"seedz": [0]}, "seedz: unknown key (did you mean 'seeds'?), expected one of: name, dataset"),
    (BENCHMARK, {"seeds": ...}, "seeds: the key is missing, expected a list, each entry a whole number"),
    (BENCHMARK, {"seeds": []}, "seeds: got [], expected a list of at least one entry, none of them twice"),
    (BENCHMARK, {"seeds": [0, 0]}, "seeds: got [0, 0], expected a list of at least one entry, none of them twice"),
    (BENCHMARK, {"seeds": 0}, "seeds: got 0, expected a list, each entry a whole number"),
    (BENCHMARK, {"seeds": [True]}, "seeds[0]: got true, expected a whole number"),
    (BENCHMARK, {"seeds": [0, -1]}, "seeds: got [0, -1], expected whole numbers of at least 0"),
    (BENCHMARK, {"validation_share": 1.0}, "validation_share: got 1.0, expected a number above 0 and below 1"),
    (BENCHMARK, {"validation_share": 0}, "validation_share: got 0, expected a number above 0 and below 1"),
    (BENCHMARK, {"primary_metric": "f1"}, "primary_metric: got 'f1', expected one of: 'accuracy', 'macro_f1'"),
    (BENCHMARK, {"long_tail_ratio": 0.5}, "long_tail_ratio: got 0.5, expected a number at least 1"),
    (BENCHMARK, {"long_tail_ratio": None}, "long_tail_largest: expected a number where long_tail_ratio is one"),
    (BENCHMARK, {"train_rows": 9}, "train_rows: got 9, expected null where long_tail_ratio is a number"),
    (BENCHMARK, {"long_tail_largest": 3}, "long_tail_largest: got 3, expected at least long_tail_ratio (4), so that"),
    (BENCHMARK, {"training": {}}, "training: the key also stands in params.yaml; expected it in one of the two"),
    (
        BENCHMARK,
        {f"{SETTINGS}.deletion_ratio": 1.0},
        f"{SETTINGS}.deletion_ratio: got 1.0, expected a number at least 0 and below 1",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.deletion_ratio": -0.1},
        f"{SETTINGS}.deletion_ratio: got -0.1, expected a number at least 0 and below 1",
    ),
    (BENCHMARK, {f"{SETTINGS}.lr_dae": "2e-5 "}, f"{SETTINGS}.lr_dae: got '2e-5 ', expected a number"),
    (BENCHMARK, {f"{SETTINGS}.lr_dae": float("nan")}, f"{SETTINGS}.lr_dae: got nan, expected a number"),
    (BENCHMARK, {f"{SETTINGS}.adam_eps": float("inf")}, f"{SETTINGS}.adam_eps: got inf, expected a number"),
    (BENCHMARK, {f"{SETTINGS}.freeze_encoder": "yes"}, f"{SETTINGS}.freeze_encoder: got 'yes', expected true or false"),
    (BENCHMARK, {f"{SETTINGS}.batch_size": 2.5}, f"{SETTINGS}.batch_size: got 2.5, expected a whole number"),
    (
        BENCHMARK,
        {f"{SETTINGS}.max_length": 2},
        f"{SETTINGS}.max_length: got 2, expected a whole number of at least 3, model or estimate",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.max_length": "short"},
        f"{SETTINGS}.max_length: got 'short', expected a whole number of at least 3, model or estimate",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.lr_classifier": {"ft": 1e-4}},
        f"{SETTINGS}.lr_classifier.three_phase: the key is missing, expected a number",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.max_epochs_classifier": {"four_phase": 3}},
        f"{SETTINGS}.max_epochs_classifier: got 'four_phase', expected one of: three_phase, joint",
    ),
    (
        BENCHMARK,
        {f"{SETTINGS}.lr_classifier": {"ft": 0}},
        f"{SETTINGS}.lr_classifier: got {{'ft': 0}}, expected a number above 0 and below 1",
    ),
    (
        BENCHMARK,
        {"run_variants.train_joint": ["joined"]},
        "run_variants.train_joint: got 'joined', expected one of: joint",
    ),
    (
        BENCHMARK,
        {"run_variants.train_dae": ["ft"]},
        "run_variants.train_dae: got 'ft', expected one of: dae_ft",
    ),
    (
        BENCHMARK,
        {"run_variants.train_dae": ["dae_ft", "dae_ft"]},
        "run_variants.train_dae: got ['dae_ft', 'dae_ft'], expected no variant twice",
    ),
    (
        BENCHMARK,
        {"run_variants.train_joint": []},
        "run_variants.train_joint: 'joint' is missing, whose encoder 'joint' needs",
    ),
    (
        BENCHMARK,
        {"run_variants.train_dae": [], "run_variants.train_classifier": [], "run_variants.summarize_cell": FEW_CELLS},
        "run_variants.train_dae: 'dae_ft' is missing, which train_contrastive builds on",
    ),
    (
        BENCHMARK,
        {"run_variants.train_baselines": ["majority", "embedding_logistic"]},
        "run_variants.train_baselines: got 'embedding_logistic', expected one of: majority, tfidf_logistic",
    ),
    (
        BENCHMARK,
        {"run_variants.summarize_cell": ["ft"]},
        "run_variants.summarize_cell: 'three_phase' is missing, which another stage trains",
    ),
    (DATASET, {"name": "tiny"}, "name: got 'tiny', expected the folder's name 'small'"),
    (DATASET, {"label_columns": []}, "label_columns: got [], expected a list of at least one entry"),
    (DATASET, {"test_rows": 0}, "test_rows: got 0, expected a number at least 2"),
    (SHARED, {"protocols.described.pooling": "max"}, "protocols.described.pooling: got 'max', expected one of: 'nativ"),
    (SHARED, {"protocols.described.bottlenek": 1}, "protocols.described.bottlenek: unknown key (did you mean 'bott"),
    (SHARED, {"training.warmup_dae": 1.5}, "training.warmup_dae: got 1.5, expected a number at least 0 and at most 1"),
    (SHARED, {"training.head_dropout": 1.0}, "training.head_dropout: got 1.0, expected a number at least 0 and below"),
    (SHARED, {"imbalance.normal.min_ratio": 0.5}, "imbalance.normal.min_ratio: got 0.5, expected a number at least 1"),
    (SHARED, {"imbalance.normal.max_ratio": 1.5}, "imbalance.normal.max_ratio: got 1.5, expected a number above min"),
    (SHARED, {"imbalance.extra": ...}, "variants.extra_imbalance.imbalance: got 'extra', expected one of: normal"),
    (SHARED, {"variants.cl_ft.imbalance": ...}, "variants.cl_ft.imbalance: the key is missing, expected normal, extra"),
    (SHARED, {"variants.joint.encoder_from": "joint"}, "variants.joint.encoder_from: got 'joint', expected one of"),
    (
        SHARED,
        {"variants.no_imbalance_equal_updates.pairs_as_many_as": "four_phase"},
        "variants.no_imbalance_equal_updates.pairs_as_many_as: got 'four_phase', expected one of: three_phase",
    ),
    # A variant without pairs can't lend its number of them, nor can one that borrows the number itself.
    (
        SHARED,
        {"variants.no_imbalance_equal_updates.pairs_as_many_as": "ft"},
        "variants.no_imbalance_equal_updates.pairs_as_many_as: got 'ft', expected one of: three_phase",
    ),
    (
        SHARED,
        {"variants.three_phase.pairs_as_many_as": "no_imbalance_equal_updates"},
        "variants.three_phase.pairs_as_many_as: got 'no_imbalance_equal_updates', expected one of: joint",
    ),
    (
        SHARED,
        {"claims.each_phase_contributes.others": ["dae"]},
        "claims.each_phase_contributes: got 'dae', expected one of: three_phase",
    ),
    (SHARED, {"baseline_inverse_regularization": [1, -1]}, "baseline_inverse_regularization: got [1, -1], expected a"),
    (
        SHARED,
        {"statistics.holm_family": ["dataset"]},
        "statistics.holm_family: got ['dataset'], expected a list, none of them twice, of: protocol, encoder",
    ),
    (
        SHARED,
        {"statistics.detectable_power": 0.5},
        "statistics.detectable_power: got 0.5, expected a number above 0.5 and below 1",
    ),
    (SHARED, {"statistics.confidence": 95}, "statistics.confidence: got 95, expected a number above 0 and below 1"),
    (SHARED, {"engine.device": "gpu"}, "engine.device: got 'gpu', expected one of: 'auto', 'cpu', 'cuda', 'mps'"),
    (SHARED, {"encoders": {}}, "encoders: got {}, expected something that is not empty"),
]
# Written into a file's text, as a mapping can't hold them.
REFUSED_TEXTS = [
    (BENCHMARK, "seeds: [3]\n", 'found duplicate key "seeds"'),
    (DATASET, "rows: many: 1\n", "mapping values are not allowed"),
    (SHARED, "engine: {}\n", 'found duplicate key "engine"'),
]
