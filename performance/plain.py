"""Whether the fast path changes results: a plain fp32 loop beside it, seed by seed, scored on the validation rows.

python -m performance.plain trains three_phase and ft of the default study once more on Hugging Face's models, as one
would write it down: torch's own dropout and AdamW, fp32, every text of a pair encoded, batches in random order and
padded as they come. Splits, resampled rows, pairs and first values of the added layers and the head are the stages';
noise is drawn in the same way. The fast path's scores are the published ones, by the revision that their reports name.
Writes reports/performance/plain.csv. The test rows are not read.
"""

import argparse
import contextlib
import math
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from performance.process import output_of
from stages.common import paths
from stages.common.config import load_study
from stages.common.contrastive import draw_pairs
from stages.common.engine.models import BOTTLENECK, CONTRASTIVE_LAYER, linear
from stages.common.engine.randomness import generator, torch_generator
from stages.common.engine.runs import Run
from stages.common.engine.stopping import new_stopping
from stages.common.engine.switches import candidates_for
from stages.common.engine.training import linear_schedule
from stages.common.errors import run_stage
from stages.common.files import read_table, write_table
from stages.common.noise import WordDeletion
from stages.common.scores.metrics import scores

STUDY, ENCODER = "bbc", "minilm_l6"
VARIANTS = {"three_phase": True, "ft": False}  # whether phases 1 and 2 come before phase 3
FILE = paths.REPORTS / "performance" / "plain.csv"


class Plain:
    """One seed's encoder, trained phase by phase by the paper's text; ``layers`` stand behind its mean pooling."""

    def __init__(self, run: Run):
        self.run, self.folder = run, run.pretrained_folder
        self.stages_tokenizer = run.tokenizer(run.load_pretrained())
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.encoder = AutoModel.from_pretrained(self.folder, add_pooling_layer=False)
        self.size = self.encoder.config.hidden_size
        self.layers = nn.Sequential()
        torch.manual_seed(run.seed)

    def read(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Token ids and mask, both (texts, tokens)."""
        length = self.stages_tokenizer.max_length
        read = self.tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
        return read["input_ids"], read["attention_mask"]

    def vectors(self, texts: list[str]) -> Tensor:
        """Sentence vectors, (texts, hidden size)."""
        ids, mask = self.read(texts)
        hidden, kept = self.encoder(ids, mask).last_hidden_state, mask[:, :, None]
        return self.layers((hidden * kept).sum(1) / kept.sum(1))

    def add_layer(self, name: str) -> None:
        self.layers.append(linear(self.size, self.size, torch_generator(self.run.seed, f"initial {name}")))

    def batches(self, count: int, purpose: str) -> Callable[[], Iterator[np.ndarray]]:
        """Row numbers in random order, anew at each call."""
        random, size = generator(self.run.seed, f"plain order {purpose}"), self.run.settings.batch_size

        def shuffled() -> Iterator[np.ndarray]:
            order = random.permutation(count)
            return (order[start : start + size] for start in range(0, count, size))

        return shuffled

    def denoise(self) -> None:
        """Phase 1."""
        run, training = self.run, self.run.training
        texts = np.array(run.denoising_rows()["text"].tolist() * run.settings.epochs_dae, dtype=object)
        noise, random = WordDeletion(texts, run.settings.deletion_ratio), generator(run.seed, "noise")
        self.add_layer(BOTTLENECK)
        config = AutoConfig.from_pretrained(self.folder, is_decoder=True, add_cross_attention=True)
        writer = AutoModelForCausalLM.from_pretrained(self.folder, config=config)
        for name, weight in list(self.encoder.named_parameters()):  # the decoder's own layers are the encoder's
            place, _, last = name.rpartition(".")
            setattr(writer.base_model.get_submodule(place), last, weight)
        writer.tie_weights()
        modules, shuffled = [self.encoder, self.layers, writer], self.batches(len(texts), "dae")
        update = Update(
            modules, run.settings.lr_dae, training.adam_eps_dae, math.ceil(len(texts) / run.settings.batch_size),
            training.warmup_dae, 0.0, training.clip_gradient_phases_1_2,
        )  # fmt: skip
        for batch in shuffled():
            memory = self.vectors(noise(batch, random))
            ids, mask = self.read(texts[batch].tolist())
            logits = writer(input_ids=ids[:, :-1], encoder_hidden_states=memory[:, None], use_cache=False).logits
            predicted = mask[:, 1:].bool()
            update(F.cross_entropy(logits[predicted], ids[:, 1:][predicted]))

    def contrast(self, variant: str) -> None:
        """Phase 2."""
        run, training = self.run, self.run.training
        rows, pairs = draw_pairs(run, variant, self.stages_tokenizer, run.settings.epochs_contrastive)
        texts, shuffled = rows["text"].to_numpy(), self.batches(len(pairs), "contrastive")
        self.add_layer(CONTRASTIVE_LAYER)
        update = Update(
            [self.encoder, self.layers], run.settings.lr_contrastive, training.adam_eps_contrastive,
            math.ceil(len(pairs) / run.settings.batch_size), training.warmup_contrastive, 0.0,
            training.clip_gradient_phases_1_2,
        )  # fmt: skip
        for batch in shuffled():
            left, right = (self.vectors(texts[side[batch]].tolist()) for side in (pairs.left, pairs.right))
            wanted = torch.from_numpy(pairs.similarity[batch])
            update((F.cosine_similarity(left, right) - wanted).pow(2).mean())

    def fine_tune(self, variant: str) -> float:
        """Phase 3; returns the validation macro F1, in percent, of the epoch that the validation rows choose."""
        run, training = self.run, self.run.training
        (settings,) = candidates_for(run.study, run.encoder, run.settings, variant)
        train, validation = run.part("train"), run.part("validation")
        first = torch_generator(run.seed, "initial head")
        hidden = linear(self.size, training.head_hidden_size, first)
        output = linear(training.head_hidden_size, len(run.classes), first)
        drop = nn.Dropout(training.head_dropout)
        head = nn.Sequential(drop, hidden, nn.ReLU(), drop, output)
        modules, shuffled = nn.ModuleList([self.encoder, self.layers, head]), self.batches(len(train), "classifier")
        texts, targets = train["text"].to_numpy(), run.class_ids(train).cpu()
        update = Update(
            modules, settings.lr, settings.adam_eps, settings.max_epochs * math.ceil(len(train) / settings.batch_size),
            training.warmup_classifier, training.weight_decay_classifier, settings.clip_gradient,
        )  # fmt: skip
        stopping = new_stopping(settings.stopping, training.patience, settings.max_epochs)
        best = (-math.inf, -math.inf)
        for _ in range(settings.max_epochs):
            modules.train()
            for batch in shuffled():
                update(F.cross_entropy(head(self.vectors(texts[batch].tolist())), targets[batch]))
            modules.eval()
            with torch.no_grad():
                logits = torch.cat([head(self.vectors([text])) for text in validation["text"]])
            labels = run.class_ids(validation).cpu()
            loss = F.cross_entropy(logits, labels).item()
            found = scores(labels.numpy(), logits.argmax(1).numpy(), range(len(run.classes)), run.positive)["macro_f1"]
            if better := (found, -loss) > best:
                best = found, -loss
            if stopping.ends(better, loss, warming_up=update.step <= update.warmup_steps):
                break
        return best[0]


class Update:
    """Backward, clipping, AdamW and schedule, as torch's documentation writes them."""

    def __init__(self, modules, lr: float, eps: float, total: int, warmup: float, decay: float, clip: float | None):
        for module in modules:
            module.train()
        self.parameters = list(dict.fromkeys(weight for module in modules for weight in module.parameters()))
        self.optimizer = torch.optim.AdamW(self.parameters, lr=lr, eps=eps, weight_decay=decay)
        self.warmup_steps, self.clip, self.step = math.ceil(warmup * total), clip, 0
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: linear_schedule(step, self.warmup_steps, total)
        )

    def __call__(self, loss: Tensor) -> None:
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.step += 1


@contextlib.contextmanager
def split_of(seed: int) -> Iterator[None]:
    """The seed's split; one that was not there is gone afterwards, as baselines depend on the folder of all."""
    folder = paths.splits(STUDY, seed)
    if folder.is_dir():
        yield
        return
    output_of("stages.split_data", "--benchmark", STUDY, "--seed", str(seed), what="split_data")
    try:
        yield
    finally:
        shutil.rmtree(folder)


def plain_scores(seed: int) -> dict[str, float]:
    """Validation macro F1, in percent, of each variant."""
    study, found = load_study(STUDY), {}
    for variant, adapted in VARIANTS.items():
        plain = Plain(Run(study, "train_classifier", ENCODER, variant, seed, "plain"))
        if adapted:
            plain.denoise()
            plain.contrast(variant)
        found[variant] = plain.fine_tune(variant)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    published = read_table(paths.PUBLISHED / STUDY / "runs.csv").query("split == 'validation' and metric == 'macro_f1'")
    fast = published.set_index(["variant", "seed"])["value"]
    rows = []
    for seed in sorted(set(published["seed"])):
        with split_of(seed):
            for variant, score in plain_scores(seed).items():
                rows.append({"variant": variant, "seed": seed, "fast": fast[variant, seed], "plain": score})
                print(f"{variant}, seed {seed}: fast {fast[variant, seed]:.1f}, plain {score:.1f}", flush=True)
    table = pd.DataFrame(rows)
    write_table(FILE, table)
    # The variants of a seed share its split and its head.
    differences = (table["fast"] - table["plain"]).groupby(table["seed"]).mean()
    error = differences.std(ddof=1) / math.sqrt(len(differences))
    print(f"fast - plain: {differences.mean():+.1f} points on average over the seeds, standard error {error:.1f}")


if __name__ == "__main__":
    run_stage(main)
