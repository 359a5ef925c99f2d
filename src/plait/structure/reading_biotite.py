"""BinaryCIF to `AtomTable` with biotite."""

import io

import numpy as np

from plait.errors import InputError
from plait.structure.atoms import APART, POLYMER, UNSAID, AtomTable, missing_model, model_read
from plait.structure.protein import Remark

_POLYMER_OF_ENTITY = {"polymer": POLYMER, "non-polymer": APART, "branched": APART, "water": APART}


def read_bcif(data: bytes, file, model: int) -> AtomTable:
    """The atoms of one model of a BinaryCIF file.

    Raises
    ------
    InputError
        The content cannot be unpacked, has no atoms, or no such model.
    """
    from biotite.structure.io.pdbx import BinaryCIFFile

    try:
        document = BinaryCIFFile.read(io.BytesIO(data))
        blocks = [document[name] for name in document if "atom_site" in document[name]]
        if blocks:
            return _from_block(blocks[0], file, model, len(blocks) - 1)
    except InputError:
        raise
    except Exception as error:  # biotite and msgpack raise whatever broken bytes lead them to
        got = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            "not readable as BinaryCIF",
            file=file,
            place=f"within {len(data)} bytes",
            got=got,
            expected="a complete and valid BinaryCIF file",
            do="Get the file again.",
        ) from None
    raise InputError(
        "no atoms", file=file, place="all blocks", got="BinaryCIF without atoms", expected="the category atom_site"
    )


def _from_block(block, file, model: int, further: int) -> AtomTable:
    category = block["atom_site"]
    count = category.row_count

    def text(*names: str) -> np.ndarray:
        """The first column that is there; "" where a value is absent."""
        for name in names:
            if name in category:
                return np.char.encode(category[name].as_array(str, masked_value=""), "ascii", "replace").astype("S8")
        return np.zeros(count, "S8")

    def number(name: str, dtype, otherwise) -> np.ndarray:
        if name not in category:
            return np.full(count, otherwise, dtype)
        return category[name].as_array(dtype, masked_value=otherwise)

    missing = [name for name in ("Cartn_x", "Cartn_y", "Cartn_z") if name not in category]
    if missing:
        raise InputError("no coordinates", file=file, place="atom_site", expected=", ".join(missing))
    model_number = number("pdbx_PDB_model_num", np.int32, 1)
    _, first = np.unique(model_number, return_index=True)
    models = model_number[np.sort(first)]
    if not 1 <= model <= len(models):
        raise missing_model(file, model, len(models))
    chain = text("auth_asym_id", "label_asym_id")
    label = text("label_asym_id", "auth_asym_id")
    number_text = category["auth_seq_id" if "auth_seq_id" in category else "label_seq_id"]
    entity = _entity_types(block, text("label_entity_id"))
    remarks = (model_read(model, len(models)),) if len(models) > 1 else ()
    if further:
        remarks += (Remark("block", "", f"first block read; further blocks with atoms left out: {further}"),)
    table = AtomTable(
        position=np.stack([number(name, np.float64, np.nan) for name in ("Cartn_x", "Cartn_y", "Cartn_z")], axis=1),
        atom_name=text("auth_atom_id", "label_atom_id"),
        residue_name=text("auth_comp_id", "label_comp_id"),
        chain=chain,
        label_chain=label,
        number=number_text.as_array(np.int32, masked_value=0),
        insertion_code=_characters(text("pdbx_PDB_ins_code")),
        altloc=_characters(text("label_alt_id")),
        element=np.char.upper(text("type_symbol")).astype("S2"),
        occupancy=number("occupancy", np.float32, 1.0),
        b_factor=number("B_iso_or_equiv", np.float32, 0.0),
        hetatm=text("group_PDB") == b"HETATM",
        polymer=np.array([_POLYMER_OF_ENTITY.get(kind, UNSAID) for kind in entity], np.int8),
        sugar=np.array([kind == "branched" for kind in entity], bool),
        models=len(models),
        predicted_by=_predictor(block),
        experiment=_first_value(block, "exptl", "method"),
        remarks=remarks,
    )
    return table.take(model_number == models[model - 1]) if len(models) > 1 else table


def _characters(names: np.ndarray) -> np.ndarray:
    """The first character of each name as uint8, 0 where there is none (or the CIF signs for that)."""
    code = names.view(np.uint8).reshape(len(names), 8)[:, 0]
    return np.where((code == ord(".")) | (code == ord("?")), 0, code).astype(np.uint8)


def _entity_types(block, entity: np.ndarray) -> list[str]:
    if "entity" not in block or "type" not in block["entity"]:
        return [""] * len(entity)
    names = block["entity"]["id"].as_array(str).tolist()
    kinds = dict(zip(names, block["entity"]["type"].as_array(str).tolist()))
    unique, inverse = np.unique(entity, return_inverse=True)
    by_unique = [kinds.get(name.decode(), "") for name in unique]
    return [by_unique[index] for index in inverse]


def _first_value(block, category: str, column: str) -> str:
    if category not in block or column not in block[category]:
        return ""
    value = str(block[category][column].as_array(str)[0])
    return "" if value in (".", "?") else value


def _predictor(block) -> str:
    if "database_2" in block:
        names = block["database_2"]["database_id"].as_array(str).tolist()
        if any(name.lower().startswith("alphafold") for name in names):
            return "AlphaFold"
    return "a modelling program (ma_qa_metric_local)" if "ma_qa_metric_local" in block else ""
