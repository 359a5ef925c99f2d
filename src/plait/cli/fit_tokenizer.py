"""`plait fit-tokenizer`: train the structure encoder of a GVP tokenizer and fit its codebook."""

SUMMARY = "train a structure encoder by denoising and fit a codebook on its embeddings"
ORDER = 70


def __getattr__(name):
    if name == "Config":
        from plait.training.options import QuantiserConfig

        return QuantiserConfig
    raise AttributeError(name)


def run(config) -> int:
    from plait.cli.main import tracked
    from plait.training.quantiser import fit_tokenizer

    folder, result = fit_tokenizer(config, progress=tracked("codebook"))
    print("  ".join(f"{name} {value:.4f}" for name, value in result.items()))
    print(f"tokenizer: {folder}")
    return 0
