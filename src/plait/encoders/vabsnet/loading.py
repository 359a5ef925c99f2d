"""Published checkpoints: the configuration that their shapes tell of, and the network with their weights."""

import torch

from plait.data.tensors import read_tensors
from plait.encoders.blocks.loading import load_exactly
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.directions import code_width
from plait.encoders.vabsnet.heads import HEADS, VabsnetForPretraining
from plait.encoders.vabsnet.published import from_published
from plait.errors import InputError


def load_published(file, **options) -> VabsnetForPretraining:
    """The network of a published checkpoint, taken out of its pickle into safetensors, in evaluation mode.

    `options` are fields of the configuration that weights do not tell: `residue_neighbours`, `atom_neighbours` and
    `virtual_points`, which are 15, 15 and 3 in pre-training and 30, 30 and 0 for binding sites.

    Raises
    ------
    InputError
        If the file is not safetensors, or of another kind of network.
    """
    tensors = read_tensors(file)
    try:
        config = config_of(tensors, **options)
    except KeyError as error:
        raise InputError("not a Vabs-Net checkpoint", file=file, got=f"no tensor {error.args[0]}") from None
    renamed = from_published(tensors, file=file)
    heads = tuple(name for name in HEADS if any(key.startswith(f"heads.{name}.") for key in renamed))
    classes = len(tensors["EC_cls.linear_out.weight"]) if "graph" in heads else 0
    model = VabsnetForPretraining(config, heads, classes)
    load_state(model, tensors, file=file)
    return model.eval()


def load_state(model: VabsnetForPretraining, tensors: dict[str, torch.Tensor], *, file=None) -> None:
    """Put a published state into a network; heads that the network does not have are passed over.

    Raises
    ------
    InputError
        Naming a tensor that is missing, unexpected or of the wrong shape.
    """
    state = from_published(tensors, kernel_stop=model.config.kernel_stop, file=file)
    known = tuple(f"heads.{name}." for name in model.heads)
    state = {name: value for name, value in state.items() if not name.startswith("heads.") or name.startswith(known)}
    load_exactly(model, state, file=file)


def config_of(tensors: dict[str, torch.Tensor], **options) -> VabsnetConfig:
    """The configuration of a published state, in the published form (`compat`).

    One kind of direction is taken for the relative ones, as the shapes do not tell. A KeyError names a tensor that
    every checkpoint has.
    """
    width = tensors["residue_feature.weight"].shape[1]
    heads, edge_width = tensors["molecule_encoder.layers.0.self_attn.linear_bias.weight"].shape
    first = tensors.get("vec_rr_embed.embed.0.weight")
    code = 0 if first is None else first.shape[1] - edge_width
    sinusoidal = code % code_width(10) == 0
    kinds = code // code_width(10, sinusoidal)
    language = tensors.get("esm_feat_encoder.linear_in.weight")
    prefix = "molecule_encoder.layers."
    found = {
        "layers": 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in tensors if name.startswith(prefix)),
        "width": width,
        "feed_forward": tensors[f"{prefix}0.ffn.linear_1.weight"].shape[0],
        "heads": heads,
        "edge_width": edge_width,
        "kernels": tensors["rr_se3_invariant_kernel.out_proj.layer1.weight"].shape[0],
        "language_width": 0 if language is None else language.shape[0],
        "residue_only": "atom_feature.weight" not in tensors,
        "norm": "post" if "molecule_encoder.layer_norm.weight" in tensors else "pre",
        "absolute_directions": kinds == 2,
        "relative_directions": kinds >= 1,
        "sinusoidal": sinusoidal,
    }
    return VabsnetConfig(size="published", compat=True, **{**found, **options})
