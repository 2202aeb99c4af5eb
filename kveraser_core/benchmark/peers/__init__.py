"""Other programs that do the same job, each the way its own users would; loaded only when asked for."""

from collections.abc import Sequence

from kveraser_core.backbone import Backbone
from kveraser_core.benchmark.contender import Contender
from kveraser_core.errors import KVEraserError

TRANSFORMERS, LLAMA_CPP, LLAMA_CPP_SHIFT = "transformers", "llama.cpp", "llama.cpp_shift"
PEERS = (TRANSFORMERS, LLAMA_CPP, LLAMA_CPP_SHIFT)


class UnknownPeer(KVEraserError):
    """A name that no peer has."""


def chosen_peers(names: Sequence[str]) -> list[str]:
    """The peers called `names`, all of them for `all` and none for `none`. Raises `UnknownPeer`."""
    for name in names:
        if name not in (*PEERS, "all", "none"):
            raise UnknownPeer(f"There is no peer {name!r}: use one of {', '.join(PEERS)}, all or none.")
    return [name for name in PEERS if name in names or "all" in names]


def load_peers(names: Sequence[str], backbone: Backbone) -> list[Contender]:
    """The programs behind the peers `names`. Raises a `KVEraserError` where one is not there or does not fit."""
    loaded: list[Contender] = []
    if TRANSFORMERS in names:
        from kveraser_core.benchmark.peers.dynamic_cache import DynamicCachePeer

        loaded.append(DynamicCachePeer(backbone))
    if ways := [name for name in names if name in (LLAMA_CPP, LLAMA_CPP_SHIFT)]:
        from kveraser_core.benchmark.peers.llama_cpp import LlamaCppPeer

        loaded.append(LlamaCppPeer(backbone, ways))
    return loaded
