"""How much memory there is for caches, and how much of it a document takes."""

from pathlib import Path

import psutil
import torch

from kveraser_core.model.backbone import Backbone
from kveraser_core.sessions.context import capacity_for

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Bytes that are free where caches on `device` are kept, within the limit of a container."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or one without a limit
        return free


def document_bytes(backbone: Backbone, tokens: int) -> int:
    """Bytes of the cache of a document of so many tokens, allocated whole when it is prefilled."""
    config = backbone.model.config
    heads = config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    a_token = 2 * config.num_hidden_layers * heads * width * backbone.engine.cache_dtype.itemsize
    return capacity_for(backbone, tokens) * a_token
