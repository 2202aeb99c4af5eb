"""Moving cached keys to other positions: exact rotation under rotary position embedding (RoPE).

RoPE turns each pair of key dimensions by an angle proportional to the position, so turning a cached key
by the angle of a difference gives the key of the shifted position (Su et al. 2021, arXiv 2104.09864).
Scaled variants with fixed frequencies (linear, yarn, llama3) only change the frequencies.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

_POSITIONS = 1024
"""Positions computed at once."""


class KeyRotation:
    """Rotates the keys of every layer of one model.

    `frequencies` is `[rotary_dim / 2]`, in radians per position; layers where `rotated` is false carry no
    position (SmolLM3's NoPE layers) and are left as they are.
    """

    def __init__(self, frequencies: Tensor, rotated: list[bool]) -> None:
        self.frequencies = frequencies.float()
        self.rotated = rotated
        self._turn = lru_cache(64)(self._turn_by)

    @classmethod
    def of(cls, model: PreTrainedModel) -> "KeyRotation":
        config: PretrainedConfig = model.config
        with_rope = getattr(config, "no_rope_layers", None) or [1] * config.num_hidden_layers
        return cls(model.get_decoder().rotary_emb.inv_freq, [bool(flag) for flag in with_rope])

    def shift(self, keys: Tensor, layer: int, by: int) -> Tensor:
        """`keys`, `[..., tokens, head_dim]`, moved `by` positions to the right (left if negative)."""
        if by == 0 or not self.rotated[layer]:
            return keys
        return rotated(keys, *self._turn(by, keys.device))

    def _turn_by(self, by: int, device: torch.device) -> tuple[Tensor, Tensor]:
        angle = by * self.frequencies.to(device)
        return torch.cat((angle.cos(), angle.cos())), torch.cat((-angle.sin(), angle.sin()))


class Turns:
    """The cosines and sines of a model's positions, each computed once; `rotary` is its own module for them."""

    def __init__(self, rotary: nn.Module) -> None:
        self._rotary = rotary
        self._from_zero = self._made(0, 1)

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Turns":
        return cls(model.get_decoder().rotary_emb)

    def at(self, positions: Tensor) -> Tensor:
        """Those of `positions`, of any shape: `[..., 2, rotary_dim / 2]` in fp32, on the CPU."""
        lowest, highest = (int(position) for position in positions.aminmax())
        if lowest < 0:
            return self._made(lowest, highest + 1)[positions - lowest]
        known = len(self._from_zero)
        if highest >= known:
            end = (highest // _POSITIONS + 1) * _POSITIONS
            self._from_zero = torch.cat((self._from_zero, self._made(known, end)))
        return self._from_zero[positions]

    def _made(self, start: int, end: int) -> Tensor:
        cos_sin = self._rotary(torch.empty(0), torch.arange(start, end)[None])
        return torch.stack([part[0, :, : part.shape[-1] // 2] for part in cos_sin], dim=1)


def rotated(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`heads`, `[..., head_dim]`, turned by `cos` and `sin`, `[..., rotary_dim]`, the first half of `sin` negated.

    In fp32 and rounded once: states made at one place and moved to another are then what they would be there,
    which in bf16 they are not.
    """
    width = cos.shape[-1]
    part = heads[..., :width].float()
    turned = torch.addcmul(part * cos, part.roll(width // 2, -1), sin).to(heads.dtype)
    return turned if width == heads.shape[-1] else torch.cat((turned, heads[..., width:]), dim=-1)
