"""`plait fit-tokenizer`: train the structure encoder of a GVP tokenizer and fit its codebook."""

from plait.training.options import QuantiserConfig as Config

SUMMARY = "train a structure encoder by denoising and fit a codebook on its embeddings"
ORDER = 70


def run(config: Config) -> int:
    from plait.training.quantiser import fit_tokenizer

    folder, result = fit_tokenizer(config)
    print("  ".join(f"{name} {value:.4f}" for name, value in result.items()))
    print(f"tokenizer: {folder}")
    return 0
