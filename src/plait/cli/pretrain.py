"""`plait pretrain`: run a pre-training recipe."""

SUMMARY = "pre-train an encoder from a recipe (--config recipes/NAME.yaml)"
ORDER = 71


def __getattr__(name):
    if name == "Config":
        from plait.training.options import PretrainConfig

        return PretrainConfig
    raise AttributeError(name)


def run(config) -> int:
    from plait.cli.main import tracked
    from plait.training.pretrain import pretrain

    _, result = pretrain(config, progress=tracked("structure tokens"))
    print("  ".join(f"{name} {value:.4f}" for name, value in result.items()))
    print(f"run: {config.run.out}" + (f"\nmodel: {config.model}" if config.model else ""))
    return 0
