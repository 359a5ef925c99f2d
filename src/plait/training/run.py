"""A training run: Lightning underneath, one record of metrics, and a resumption that gives the same loss curve."""

import json
import math
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from plait.data.base import short_digest
from plait.data.tensors import read_tensors, write_tensors
from plait.errors import InputError
from plait.objectives.base import Term, total
from plait.training.options import RunConfig


class Steps(IterableDataset):
    """Prepared batches from one step to another; what a step holds depends on the step alone.

    It has no length, as Lightning would count the steps of an earlier life against it and begin again.
    """

    def __init__(self, prepare: Callable[[int], object], first: int, last: int):
        self.prepare, self.first, self.last = prepare, first, last

    def __iter__(self):
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in range(self.first + offset, self.last, stride):
            yield self.prepare(step)


class Learner(lightning.LightningModule):
    """A model and how to ask it: `terms(model, batch)` gives named loss terms."""

    def __init__(
        self,
        model: torch.nn.Module,
        terms: Callable[[torch.nn.Module, object], dict[str, Term]],
        run: RunConfig,
        rate_of: Callable[[str], float] = lambda name: 1.0,
    ):
        super().__init__()
        self.model, self.terms, self.run, self.rate_of = model, terms, run, rate_of

    def training_step(self, batch, _):
        # Dropout draws from the step's number, so that a resumed run draws the same.
        torch.manual_seed(int(np.random.SeedSequence([self.run.seed, 2, self.global_step]).generate_state(1)[0]))
        terms = self.terms(self.model, batch)
        self.last_terms = terms
        return total(terms)

    def transfer_batch_to_device(self, batch, device, _):
        return batch.to(device) if hasattr(batch, "to") else batch

    def configure_optimizers(self):
        groups: dict[tuple[float, bool], list] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((self.rate_of(name), parameter.ndim >= 2), []).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": groups[rate, matrix],
                    "lr": rate * self.run.learning_rate,
                    "weight_decay": self.run.weight_decay if matrix else 0.0,
                }
                for rate, matrix in sorted(groups, reverse=True)
            ],
            lr=self.run.learning_rate,
            betas=(0.9, 0.98),
            # Lightning clips no gradients of a fused optimiser under mixed precision, which may be scaled
            fused=self.run.precision == "32-true",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, self.run))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def rate_factor(step: int, run: RunConfig) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then a cosine that ends at 0."""
    if step < run.warmup:
        return (step + 1) / run.warmup
    progress = (step - run.warmup) / max(1, run.steps - run.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Recorder(Callback):
    """Writes metrics.jsonl, validates, keeps the best weights and stops where nothing gets better."""

    def __init__(
        self,
        run: RunConfig,
        validate: Callable[[torch.nn.Module], dict[str, float]],
        criterion: str,
        highest: bool = False,
    ):
        self.run, self.validate, self.criterion = run, validate, criterion
        self.sign = -1.0 if highest else 1.0
        self.folder = Path(run.out)
        self.best, self.since_best, self.started = math.inf, 0, time.time()

    def state_dict(self):
        return {"best": self.best, "since_best": self.since_best}

    def load_state_dict(self, state):
        self.best, self.since_best = state["best"], state["since_best"]

    def on_train_start(self, trainer, learner):
        records = self.folder / "metrics.jsonl"
        if records.exists():
            kept = [
                line for line in records.read_text().splitlines() if json.loads(line)["step"] <= trainer.global_step
            ]
            records.write_text("".join(line + "\n" for line in kept))
        self.started = time.time()

    def on_train_batch_end(self, trainer, learner, *_):
        step = trainer.global_step
        if step % self.run.log_every == 0 or step == self.run.steps:
            values = {f"train_{name}": float(term.value.detach()) for name, term in learner.last_terms.items()}
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            self._write(step, {**values, "learning_rate": rate})
        if step % self.run.validate_every == 0 or step == self.run.steps:
            self._validate(trainer, learner, step)

    def _validate(self, trainer, learner, step):
        learner.eval()
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            values = self.validate(learner.model)
        learner.train()
        self._write(step, {f"valid_{name}": value for name, value in values.items()})
        value = self.sign * values[self.criterion]
        if value < self.best:
            self.best, self.since_best = value, 0
            write_tensors(learner.model.state_dict(), self.folder / "best.safetensors")
        else:
            self.since_best += 1
            if self.run.patience and self.since_best >= self.run.patience:
                trainer.should_stop = True

    def _write(self, step: int, values: dict[str, float]):
        line = {"step": step, "seconds": round(time.time() - self.started, 1)}
        line.update({name: round(value, 6) for name, value in values.items()})
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def fit(
    model: torch.nn.Module,
    *,
    terms: Callable,
    prepare: Callable[[int], object],
    validate: Callable[[torch.nn.Module], dict[str, float]],
    criterion: str,
    run: RunConfig,
    description: dict,
    highest: bool = False,
    rate_of: Callable[[str], float] = lambda name: 1.0,
) -> dict[str, float]:
    """Train, or go on with, a run.

    Parameters
    ----------
    terms : function (model, batch) -> dict of Term
    prepare : function step -> batch
        Depends on the step alone.
    validate : function model -> dict of float
        The run keeps the weights with the least `criterion` of it.
    highest : bool
        Whether it keeps those with the highest instead.
    rate_of : function
        Name of a parameter -> factor of its learning rate.
    description : dict
        What makes the run what it is (configuration, digests of data); a folder with another one is not gone on with.

    Returns
    -------
    dict
        The validation of the best weights, which are loaded into `model`.
    """
    folder = Path(run.out)
    folder.mkdir(parents=True, exist_ok=True)
    _check_same_run(folder, description)
    torch.set_flush_denormal(True)
    if run.threads:
        torch.set_num_threads(run.threads)
    checkpoint = folder / "last.ckpt"
    first = torch.load(checkpoint, weights_only=False)["global_step"] if checkpoint.exists() else 0
    loader = DataLoader(Steps(prepare, first, run.steps), batch_size=None, num_workers=run.workers)
    saver = ModelCheckpoint(
        dirpath=folder,
        filename="last",
        enable_version_counter=False,
        save_top_k=1,
        train_time_interval=timedelta(minutes=run.checkpoint_minutes),
        save_on_train_epoch_end=False,
    )
    trainer = lightning.Trainer(
        accelerator={"auto": "auto", "cuda": "gpu"}.get(run.device, run.device),
        devices=1,
        precision=run.precision,
        max_steps=run.steps,
        max_epochs=-1,
        gradient_clip_val=run.clip,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Recorder(run, validate, criterion, highest), saver],
        num_sanity_val_steps=0,
    )
    if first < run.steps:
        try:
            trainer.fit(
                Learner(model, terms, run, rate_of),
                loader,
                ckpt_path=str(checkpoint) if first else None,
                weights_only=False,
            )
            trainer.save_checkpoint(checkpoint)
        finally:
            torch.set_flush_denormal(False)
    model.load_state_dict(read_tensors(folder / "best.safetensors"))
    model.eval()
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        return validate(model)


def _check_same_run(folder: Path, description: dict) -> None:
    record = folder / "run.json"
    text = json.dumps(description, indent=1, sort_keys=True)
    if record.exists() and json.loads(record.read_text())["run"] != json.loads(text):
        raise InputError(
            "the folder holds another run",
            file=record,
            do="Choose another --run.out, or remove the folder to start over.",
        )
    from plait import __version__

    versions = {"plait": __version__, "torch": torch.__version__, "lightning": lightning.__version__}
    digest = short_digest(text.encode())
    record.write_text(json.dumps({"digest": digest, "versions": versions, "run": json.loads(text)}, indent=1))
