"""ProSST as its specification reads (specs/prosst.md, B3 to B6), every matrix made: slow, and nothing like ours.

It works on the tensors by their published names and shares no code with `plait.encoders.prosst`.
"""

import math

import torch
from torch.nn import functional as F


def masked_lm(tensors, config, input_ids, ss_input_ids=None, attention_mask=None):
    """Logits [B, L, vocab] and all hidden states of a model in inference.

    Parameters
    ----------
    tensors : dict of str to tensor
        By published name.
    config : ProsstConfig
        Only its published fields and `structure_to_residue` are read.
    """

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"], config.layer_norm_eps)

    def linear(x, name):
        return F.linear(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))

    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    words = tensors["prosst.embeddings.word_embeddings.weight"]
    mask = attention_mask.to(words.dtype)

    # B3
    w = words[input_ids]
    if config.token_dropout:
        is_mask = input_ids == config.mask_token_id
        w = torch.where(is_mask[..., None], torch.zeros((), dtype=w.dtype), w)
        observed = is_mask.sum(1).to(w.dtype) / mask.sum(1)
        w = w * (1 - 0.8 * config.mlm_probability) / (1 - observed)[:, None, None]
    h = norm(w, "prosst.embeddings.LayerNorm") * mask[..., None]
    t = None
    if config.ss_vocab_size > 0:
        t = tensors["prosst.embeddings.ss_embeddings.weight"][ss_input_ids]
        t = norm(t, "prosst.embeddings.ss_layer_norm") * mask[..., None]

    # B4
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    batch, length = input_ids.shape
    z = math.sqrt(width * (1 + len(config.pos_att_type)))
    pair = mask[:, None, :, None] * mask[:, None, None, :]
    rotary = config.position_embedding_type == "rotary"
    terms = set(config.pos_att_type) if config.relative_attention else set()
    if rotary:
        terms -= {"aa2pos", "pos2aa"}
    reach = config.max_relative_positions if config.max_relative_positions > 0 else config.max_position_embeddings
    span = min(length, reach)
    i = torch.arange(length)
    index = (i[:, None] - i[None, :] + span).clamp(0, 2 * span - 1)
    index = index[None, None].expand(batch, heads, length, length)

    def split(x):
        return x.view(*x.shape[:-1], heads, width).transpose(-2, -3)

    def rotate(x):
        frequency = 10000.0 ** (-2 * torch.arange(width // 2, dtype=torch.float64) / width)
        angle = torch.arange(length)[:, None] * frequency
        cos, sin = torch.cat([angle.cos()] * 2, -1).to(x.dtype), torch.cat([angle.sin()] * 2, -1).to(x.dtype)
        first, second = x[..., : width // 2], x[..., width // 2 :]
        return x * cos + torch.cat((-second, first), -1) * sin

    states = [h]
    for layer in range(config.num_hidden_layers):
        name = f"prosst.encoder.layer.{layer}."
        own = f"{name}attention.self."
        q, k, v = (split(linear(h, own + part)) for part in ("query", "key", "value"))
        if rotary and config.relative_attention:
            q, k = rotate(q), rotate(k)
        score = q @ k.transpose(-1, -2) / z
        if "aa2pos" in terms or "pos2aa" in terms:
            table = tensors["prosst.encoder.rel_embeddings.weight"][reach - span : reach + span]
        if "aa2pos" in terms:
            products = q @ split(linear(table, own + "pos_proj")).transpose(-1, -2)  # (B, H, L, 2 span)
            score = score + products.gather(-1, index) / z
        if "pos2aa" in terms:
            products = k @ split(linear(table, own + "pos_q_proj")).transpose(-1, -2)
            # row j, column i holds the product of k_j with table row r(i, j)
            score = score + products.gather(-1, index.transpose(-1, -2)).transpose(-1, -2) / z
        if "aa2ss" in terms:
            score = score + q @ split(linear(t, own + "ss_proj")).transpose(-1, -2) / z
        if "ss2aa" in terms:
            if config.structure_to_residue == "corrected":
                score = score + split(linear(t, own + "ss_q_proj")) @ k.transpose(-1, -2) / z
            else:
                score = score + k @ q.transpose(-1, -2) / z
        probability = torch.softmax(score.masked_fill(pair == 0, torch.finfo(score.dtype).min), -1)
        probability = probability.masked_fill(pair == 0, 0)
        context = (probability @ v).transpose(1, 2).reshape(batch, length, heads * width)
        a = norm(linear(context, name + "attention.output.dense") + h, name + "attention.output.LayerNorm")
        inner = F.gelu(linear(a, name + "intermediate.dense"))
        h = norm(linear(inner, name + "output.dense") + a, name + "output.LayerNorm")
        states.append(h)

    # B6
    x = norm(F.gelu(linear(h, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm")
    return x @ words.T, states
