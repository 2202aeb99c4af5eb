"""Other programs that do the same job, each the way its own users would; loaded only when asked for.

| peer | erases by |
| --- | --- |
| `transformers` | cropping its `DynamicCache` to the prefix and prefilling the rest: exact |
| `llama.cpp` | prefix reuse, with the very file of the packaged model and flash attention: exact |
| `llama.cpp_no_flash` | the same without flash attention, which on some CPUs decodes twice as fast |
| `llama.cpp_shift` | its context shift, with the same file: approximate |
| `llama.cpp_fastest` | prefix reuse, the file written anew in the format that it is fastest with |
"""

from collections.abc import Sequence
from importlib.util import find_spec

from kveraser_core.benchmark.contender import Contender
from kveraser_core.errors import KVEraserError
from kveraser_core.model.backbone import Backbone
from kveraser_core.model.packaged import MODEL_NAME

TRANSFORMERS, LLAMA_CPP, LLAMA_CPP_SHIFT = "transformers", "llama.cpp", "llama.cpp_shift"
LLAMA_CPP_NO_FLASH, LLAMA_CPP_FASTEST = "llama.cpp_no_flash", "llama.cpp_fastest"
PEERS = (TRANSFORMERS, LLAMA_CPP, LLAMA_CPP_NO_FLASH, LLAMA_CPP_SHIFT, LLAMA_CPP_FASTEST)


class UnknownPeer(KVEraserError):
    """A name that no peer has."""


class MissingPeer(KVEraserError):
    """A peer that is not installed or cannot run the model."""


def chosen_peers(names: Sequence[str]) -> list[str]:
    """The peers called `names`, all of them for `all` and none for `none`. Raises `UnknownPeer`."""
    for name in names:
        if name not in (*PEERS, "all", "none"):
            raise UnknownPeer(f"There is no peer {name!r}: use one of {', '.join(PEERS)}, all or none.")
    return [name for name in PEERS if name in names or "all" in names]


def load_peers(names: Sequence[str], backbone: Backbone) -> list[Contender]:
    """The programs of the peers `names`. Raises a `KVEraserError` where one is not there or does not fit."""
    loaded: list[Contender] = []
    if TRANSFORMERS in names:
        from kveraser_core.benchmark.peers.dynamic_cache import DynamicCachePeer

        loaded.append(DynamicCachePeer(backbone))
    if any(name != TRANSFORMERS for name in names):
        if backbone.name != MODEL_NAME:
            raise MissingPeer("llama.cpp runs the packaged model's own file: leave it out of --peers, or --model.")
        if find_spec("llama_cpp") is None:
            raise MissingPeer("llama.cpp is not installed: run `make bench-peers`, or leave it out of --peers.")
        from kveraser_core.benchmark.peers.llama_cpp import FORMATS, LlamaCppPeer

        if ways := [name for name in names if name in (LLAMA_CPP, LLAMA_CPP_SHIFT)]:
            loaded.append(LlamaCppPeer(backbone, LLAMA_CPP, ways))
        if LLAMA_CPP_NO_FLASH in names:
            loaded.append(LlamaCppPeer(backbone, LLAMA_CPP_NO_FLASH, [LLAMA_CPP_NO_FLASH], flash_attention=False))
        if LLAMA_CPP_FASTEST in names:
            loaded.append(LlamaCppPeer(backbone, LLAMA_CPP_FASTEST, [LLAMA_CPP_FASTEST], FORMATS, None))
    return loaded
