# SPDX-License-Identifier: BSD-3-Clause
"""Add to braindecode's ``AttentionBaseNet`` what its model card promises and it lacks.

The card documents ``return_features=True`` and ``reset_head(n)`` for every model, and braindecode
1.8 leaves both out of this one. The class here adds them and nothing else: weights, configuration
and files are braindecode's, in both directions.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braindecode import models as braindecode


class AttentionBaseNet(braindecode.AttentionBaseNet):  # type: ignore[misc]  # untyped base
    """braindecode's network with access to its features and its head."""

    def forward(self, x: Tensor, return_features: bool = False) -> Any:
        """Compute logits (batch, n_outputs) of windows (batch, n_chans, n_times).

        Returns
        -------
        Tensor or dict
            With ``return_features`` a dictionary as from braindecode's other models: ``features``
            (batch, n_channels * n_tokens), what the last linear layer reads, and ``cls_token``
            None.
        """
        tokens = self.channel_attention_block(self.channel_expansion(self.input_block(x)))
        if return_features:
            return {"features": torch.flatten(tokens, 1), "cls_token": None}
        return self.final_layer(tokens)

    def reset_head(self, n_outputs: int) -> None:
        """Give the model a new, untrained head for ``n_outputs`` classes."""
        self._set_n_outputs(n_outputs)
        old = self.final_layer[1]
        self.final_layer[1] = nn.Linear(old.in_features, n_outputs).to(old.weight)
