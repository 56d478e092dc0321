"""Canonical form: the stream without what depends on how many shards there were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ringbus.messages import DTYPES, MESSAGE
from ringbus.status import UsageError

_WORD_BYTES = 4
_FIELDS = MESSAGE.fields
assert _FIELDS is not None
_TOPIC_SEQUENCE = _FIELDS["topic_sequence"][1] // _WORD_BYTES
_CHECKSUM = _FIELDS["checksum"][1] // _WORD_BYTES
_LOCATE = 11

# By template: whether it has a locate. It lies at the same place in all that do.
_LOCATED: NDArray[np.bool_] = np.zeros(256, np.bool_)
for _template, _dtype in DTYPES.items():
    if _dtype.fields is not None and "locate" in _dtype.fields:
        assert _dtype.fields["locate"][1] == _LOCATE * _WORD_BYTES
        _LOCATED[int(_template)] = True


def canonical(stream: NDArray[np.void]) -> NDArray[np.void]:
    """A copy of stream lines with shard, locate, topic_sequence and checksum set to zero.

    Args: stream: shape (n,), items of 64 bytes.
    Returns: shape (n,), dtype MESSAGE. Of the same trading it is the same bytes for any number of
    shards, so long as the same proposals were taken in the same order: with fewer shards a topic's
    lock is coarser, so that a trade in one instrument can make a proposal for another one stale.
    Raises: UsageError: items of another size.
    """
    if stream.dtype.itemsize != MESSAGE.itemsize or stream.ndim != 1:
        raise UsageError(f"an array of items of 64 bytes is needed, not {stream.dtype}")
    out: NDArray[np.void] = np.array(stream.view(MESSAGE), order="C")
    words = out.view("<u4").reshape(-1, MESSAGE.itemsize // _WORD_BYTES)
    words[:, _TOPIC_SEQUENCE] = 0
    words[:, _CHECKSUM] = 0
    words[_LOCATED[out["template_id"]], _LOCATE] = 0
    out["shard"] = 0
    return out
