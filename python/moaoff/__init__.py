# SPDX-License-Identifier: Apache-2.0
"""Image, sound, film and text complexity, and the edge-cloud decision, of MoA-Off: the library that its gateway is made
of, in this process. No model is run and nothing is sent."""
from ._binding import version as _version
from ._decide import decide, policies
from ._error import Error
from ._frames import score_frame
from ._replay import replay
from ._score import score, score_many, score_text

__all__ = ["Error", "decide", "policies", "replay", "score", "score_frame", "score_many", "score_text"]
__version__ = _version()
