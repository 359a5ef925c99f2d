"""Every encoder as a transformers class: one skin over a folder of our layout, and a model type for each family.

`model_type` "plait" is that of the folders that plait writes; the family stands in their `encoder`. With the name of a
registered encoder ("vabsnet", "gearnet", "gearnet-edge", "gvp", "neighbourhood") it says the same in the place where
transformers looks. `plait.load` reads the folders of both.
"""

import dataclasses

import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from plait import registry
from plait.config import from_dict, to_dict
from plait.errors import InputError
from plait.models.networks import KIND


class PlaitEncoderConfig(PreTrainedConfig):
    """What `config.json` of our layout says.

    Parameters
    ----------
    encoder : str
        Name of a registered encoder; those of a family know it.
    heads : dict of str to int
        Values of each head that the folder holds beside the encoder; none if not given.
    config : dict
        Fields of the encoder's own `Config`, as in `AutoConfig.for_model("gearnet", config={"level": "atom"})`.
    protein_layers : int
        Layers of heads that answer for proteins.

    Raises
    ------
    InputError
        For an unknown encoder, an unknown field or a value that the encoder's `Config` refuses.
    """

    model_type = KIND
    family: str | None = None

    def __init__(self, encoder=None, heads=None, config=None, protein_layers=1, **values):
        name = encoder or self.family or "neighbourhood"
        if self.family and name != self.family:
            raise InputError("another encoder than the model type says", got=repr(name), expected=repr(self.family))
        kind = registry.get("encoder", name).Config
        if misplaced := [field.name for field in dataclasses.fields(kind) if field.name in values]:
            raise InputError(f"{misplaced[0]} is a field of the encoder", do=f'Give config={{"{misplaced[0]}": ...}}.')
        if not isinstance(heads or {}, dict):
            raise InputError("heads are values by head", got=repr(heads), do='Attention heads: config={"heads": ...}.')
        self.encoder, self.heads, self.protein_layers = name, dict(heads or {}), protein_layers
        self.config = to_dict(from_dict(kind, config or {}, file="config.json", place="config"))
        super().__init__(**values)

    def plain(self):
        """The configuration of the plain encoder."""
        return from_dict(registry.get("encoder", self.encoder).Config, self.config)


@dataclasses.dataclass
class PlaitEncoderOutput(ModelOutput):
    """A `plait.encoders.base.Representation`, and what the heads say of it. Batches are ragged: no padding, no mask.

    Attributes
    ----------
    last_hidden_state : float [R, d]
        Of all residues of the batch, protein after protein.
    pooler_output : float [B, d]
    residue_offsets : int64 [B + 1]
        Protein b has the rows `residue_offsets[b] : residue_offsets[b + 1]`.
    atoms : float [A, d] or None
    atom_offsets : int64 [B + 1] or None
    logits : dict of str to Tensor
        By head.
    """

    last_hidden_state: torch.FloatTensor | None = None
    pooler_output: torch.FloatTensor | None = None
    residue_offsets: torch.LongTensor | None = None
    atoms: torch.FloatTensor | None = None
    atom_offsets: torch.LongTensor | None = None
    logits: dict | None = None


class PlaitEncoderModel(PreTrainedModel):
    """An encoder and the heads that were saved with it. Tensors are named as in a folder of plait.

    model = AutoModel.from_pretrained(folder).eval()
    output = model(model.prepare([plait.read_structure("1ubi.pdb")]))
    """

    config_class = PlaitEncoderConfig
    base_model_prefix = "plait"
    main_input_name = "batch"

    def __init__(self, config: PlaitEncoderConfig):
        super().__init__(config)
        self.encoder = registry.get("encoder", config.encoder)(config.plain())
        self.readout = self.encoder.make_readout(config.heads, config.protein_layers)
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *arguments, output_loading_info=False, **values):
        """As in transformers; tensors must be those of the configuration, none absent and none left over. The model is
        in float32, also where the file is in half precision as the bundled ones are, unless `dtype` says otherwise.

        Raises
        ------
        InputError
        """
        if "torch_dtype" not in values:
            values.setdefault("dtype", torch.float32)
        model, info = super().from_pretrained(
            pretrained_model_name_or_path, *arguments, output_loading_info=True, **values
        )
        wrong = {word: sorted(map(str, info[f"{word}_keys"])) for word in ("missing", "unexpected", "mismatched")}
        if any(wrong.values()):
            raise InputError(
                "the tensors are not those of this configuration",
                file=pretrained_model_name_or_path,
                got="; ".join(f"{len(names)} {word}: {names[0]}" for word, names in wrong.items() if names),
                do="Is config.json of the same model?",
            )
        # They lie in the file's memory map wherever its header ends, and at other alignments matrix products round
        # otherwise: copied, the outputs are those of the plain encoder to the last bit.
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = tensor.data.clone()
        return (model, info) if output_loading_info else model

    def _init_weights(self, module):
        """Encoders draw their own initial weights, and loading leaves none to draw."""

    def prepare(self, proteins, **extras):
        """The batch of some `Protein`s that `forward` takes; extras as the encoder's `prepare` has them."""
        return self.encoder.prepare(proteins, **extras).to(self.device)

    def forward(self, batch, return_dict=None) -> PlaitEncoderOutput:
        found = self.encoder(batch)
        output = PlaitEncoderOutput(
            found.residue, found.protein, found.residue_offsets, found.atom, found.atom_offsets, self.readout(found)
        )
        return output if return_dict is not False else output.to_tuple()


def _family(name: str) -> tuple[type, type]:
    """Configuration and model of a family of encoders, as classes of this module."""
    title = "".join(part.capitalize() for part in name.split("-"))
    config = type(
        f"{title}Config",
        (PlaitEncoderConfig,),
        {
            "__module__": __name__,
            "__doc__": f"`PlaitEncoderConfig` of the encoder {name}.",
            "__init__": PlaitEncoderConfig.__init__,  # else transformers makes one
            "model_type": name,
            "family": name,
        },
    )
    model = type(
        f"{title}Model",
        (PlaitEncoderModel,),
        {"__module__": __name__, "__doc__": registry.get("encoder", name).summary, "config_class": config},
    )
    return config, model


AutoConfig.register(KIND, PlaitEncoderConfig, exist_ok=True)
AutoModel.register(PlaitEncoderConfig, PlaitEncoderModel, exist_ok=True)
for _name in registry.parts("encoder"):
    if _name != "prosst":  # whose model type is the published one
        _config, _model = _family(_name)
        globals().update({_config.__name__: _config, _model.__name__: _model})
        AutoConfig.register(_name, _config, exist_ok=True)
        AutoModel.register(_config, _model, exist_ok=True)
