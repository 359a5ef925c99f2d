"""`plait finetune`: teach an encoder the head of a task from a recipe."""

SUMMARY = "fine-tune an encoder for a task from a recipe (--config recipes/NAME.yaml)"
ORDER = 72


def __getattr__(name):
    if name == "Config":
        from plait.training.options import FinetuneConfig

        return FinetuneConfig
    raise AttributeError(name)


def run(config) -> int:
    from plait.cli.main import tracked
    from plait.errors import InputError
    from plait.registry import get, parts

    task = get("task", config.task)
    if not hasattr(task, "objective"):
        able = ", ".join(name for name, one in parts("task").items() if hasattr(one, "objective"))
        raise InputError("this task has no head that can be taught", got=config.task, expected=able)
    from plait.training.finetune import finetune

    result = finetune(config, task, progress=tracked("settings"))
    _tell("valid", result.validation)
    for split, metrics in result.tests.items():
        _tell(split, metrics)
    print(f"run: {config.run.out}" + (f"\nmodel: {config.model}" if config.model else ""))
    return 0


def _tell(split: str, metrics: list[dict[str, float]]) -> None:
    """Metrics of a split; with several seeds, their mean and standard deviation."""
    from statistics import mean, stdev

    cells = []
    for name in metrics[0]:
        values = [one[name] for one in metrics]
        cells.append(f"{name} {mean(values):.4f}" + (f" +- {stdev(values):.4f}" if len(values) > 1 else ""))
    print(f"{split}: " + "  ".join(cells))
